from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph.feedback import Feedback
from graph.relations import Edge
from graph.resources import resource
from graph.store.store import open_store

DIRTY = resource("sample", "dirty")
GOOD = "编号,名称,建设单位,预算（万元）\nCJ-1,海岛送药,某某公司,300\n"
MIXED = "编号,名称,截止日期\nCJ-1,海岛送药,2026-02-30\nCJ-2,鱼苗计数,2026-03-01\nCJ-3,,\n"

Sheets = dict[str, list[list[Any]]]


def open_workbook(path: Path) -> Any:
    import openpyxl

    return openpyxl.load_workbook(path)


@pytest.fixture
def contents(home: Path) -> Callable[[], list[tuple[str, str, str]]]:
    """What the store of ``home`` holds: kind, id and title of every node."""

    def read() -> list[tuple[str, str, str]]:
        with open_store(home / "store.db", create=False) as store:
            assert store.verify_history() == []
            return [(n.kind, n.id, n.title) for n in store.nodes()]

    return read


def test_import_says_how_it_read_the_table_and_what_it_wrote(
    jiebang: Callable[..., Any], written: Callable[..., Path], contents: Callable[[], Any]
) -> None:
    outcome = jiebang(
        "import", written("序号,编号,名称,甲方,预算\n1,CJ-1,海岛送药,某某公司,300\n", "场景.csv")
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == (
        "场景.csv：按“应用场景”读取，1 行\n"
        "  列：编号，名称，预算→预算（万元）\n"
        "  未用：序号（序号只是行的次序，不作编号）\n"
        "  未用：甲方（不认识的列，未导入）\n"
        "  没有“可见范围”列：新记录按“公开”保存（联系人和联系方式始终只供内部）。\n"
        "核对结果：新增 1，更新 0，不变 0，有错的行 0，跳过的行 0。\n"
        "已写入 1 条。\n"
        "这是第 1 次改动。撤销：jiebang undo 1\n"
    )
    assert contents() == [("scene", "CJ-1", "海岛送药")]


def test_import_of_the_same_file_twice_changes_nothing(
    jiebang: Callable[..., Any], world_files: list[Path], home: Path
) -> None:
    assert "已写入 17 条。" in jiebang("import", *world_files).out
    before = (home / "store.db").read_bytes()
    outcome = jiebang("import", *world_files)
    assert outcome.code == 0
    assert outcome.out.endswith(
        "核对结果：新增 0，更新 0，不变 17，有错的行 0，跳过的行 0。\n没有改动：可以写入的内容与库中一致。\n"
    )
    assert (home / "store.db").read_bytes() == before


def test_one_file_given_twice_is_one_file(jiebang: Callable[..., Any], written: Callable[..., Path]) -> None:
    path = written(GOOD)
    outcome = jiebang("import", path, path)
    assert (outcome.code, "已写入 1 条。" in outcome.out) == (0, True)


def test_dry_run_writes_nothing(
    jiebang: Callable[..., Any], written: Callable[..., Path], contents: Callable[[], Any]
) -> None:
    outcome = jiebang("import", written(GOOD), "--dry-run")
    assert outcome.code == 0
    assert outcome.out.endswith(
        "核对结果：新增 1，更新 0，不变 0，有错的行 0，跳过的行 0。\n试运行：没有写入任何内容。\n"
    )
    assert contents() == []


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--dry-run", "--partial"]])
def test_an_error_keeps_everything_out(
    jiebang: Callable[..., Any], written: Callable[..., Path], contents: Callable[[], Any], options: list[str]
) -> None:
    outcome = jiebang("import", written(MIXED), *options)
    assert outcome.code == 1
    assert (
        "错误 2 处：\n  第 2 行“截止日期”列：日期“2026-02-30”不存在。请核对年月日，例如 2026-03-31。\n"
        in outcome.out
    )
    assert "  第 4 行“名称”列：必填项为空。请补填后再导入。\n" in outcome.out
    if not options:
        assert outcome.err.endswith(
            "错误：有错误，没有写入任何内容。\n处理：请按提示修改后重新导入；或加 --partial 先写入没有错误的行。\n"
        )
    assert contents() == []


def test_partial_writes_the_good_rows_and_ends_with_3(
    jiebang: Callable[..., Any], written: Callable[..., Path], contents: Callable[[], Any]
) -> None:
    outcome = jiebang("import", written(MIXED), "--partial")
    assert (outcome.code, outcome.out.splitlines()[-2:]) == (
        3,
        ["已写入 1 条。有错的行没有写入。", "这是第 1 次改动。撤销：jiebang undo 1"],
    )
    assert contents() == [("scene", "CJ-2", "鱼苗计数")]


def test_partial_without_one_good_row_does_not_call_it_unchanged(
    jiebang: Callable[..., Any], written: Callable[..., Path]
) -> None:
    outcome = jiebang("import", written("编号,名称\nCJ-1,\n"), "--partial", "--kind", "场景")
    assert (outcome.code, outcome.out.splitlines()[-1]) == (3, "没有写入任何内容：没有一行是完好的。")


def test_error_report_opens_in_a_spreadsheet_and_mended_there_is_imported(
    jiebang: Callable[..., Any],
    written: Callable[..., Path],
    contents: Callable[[], Any],
    tmp_path: Path,
    sheets_of: Callable[[Path], Sheets],
) -> None:
    report = tmp_path / "报告.xlsx"
    assert jiebang("import", written(MIXED), "--report", report).code == 1
    sheets = sheets_of(report)
    assert list(sheets) == ["表.csv", "问题汇总"]
    assert sheets["表.csv"] == [
        ["行号", "问题", "怎么改", "编号", "名称", "截止日期"],
        [
            "2",
            "“截止日期”：日期“2026-02-30”不存在",
            "请核对年月日，例如 2026-03-31",
            "CJ-1",
            "海岛送药",
            "2026-02-30",
        ],
        ["3", None, None, "CJ-2", "鱼苗计数", "2026-03-01"],
        ["4", "“名称”：必填项为空", "请补填后再导入", "CJ-3", None, None],
    ]
    assert [row[0:2] + row[4:] for row in sheets["问题汇总"]] == [
        ["级别", "位置", "代码"],
        ["错误", "第 2 行“截止日期”列", "date_not_real"],
        ["错误", "第 4 行“名称”列", "value_missing"],
    ]
    workbook = open_workbook(report)
    sheet = workbook["表.csv"]
    assert sheet["F2"].fill.fgColor.rgb == "FFF8CBAD"
    sheet["F2"], sheet["E4"] = "2026-02-28", "院内配送"
    workbook.save(report)
    assert jiebang("import", report).code == 0
    assert contents() == [
        ("scene", "CJ-1", "海岛送药"),
        ("scene", "CJ-2", "鱼苗计数"),
        ("scene", "CJ-3", "院内配送"),
    ]


def test_error_report_is_put_into_the_home_unless_told_otherwise(
    jiebang: Callable[..., Any], written: Callable[..., Path], home: Path
) -> None:
    outcome = jiebang("import", written(MIXED, "九月场景.csv"))
    report = home / "错误报告-九月场景.xlsx"
    assert report.is_file()
    assert f"错误报告：{report}（" in outcome.err


def test_map_says_by_hand_what_a_column_means(
    jiebang: Callable[..., Any], written: Callable[..., Path], home: Path
) -> None:
    path = written("编号,名称,甲方\nCJ-1,海岛送药,某某公司\n")
    assert jiebang("import", path, "--kind", "scene", "--map", "甲方＝建设单位").code == 0
    with open_store(home / "store.db", create=False) as store:
        assert getattr(store.get("scene", "CJ-1"), "owner", None) == "某某公司"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("乙方=建设单位", "表里没有“乙方”这一列，--map 用不上。等号左边请写表里的列名：编号、名称、甲方。"),
        ("甲方=甲方单位", "应用场景没有“甲方单位”这一列，不能把“甲方”对到它。等号右边请从这些列中选："),
    ],
)
def test_map_of_an_unknown_column_says_which_there_are(
    jiebang: Callable[..., Any], written: Callable[..., Path], mapping: str, message: str
) -> None:
    outcome = jiebang(
        "import", written("编号,名称,甲方\nCJ-1,海岛送药,某\n"), "--kind", "场景", "--map", mapping
    )
    assert (outcome.code, message in outcome.out) == (1, True)


def test_import_writes_who_and_why_into_the_history(
    jiebang: Callable[..., Any], written: Callable[..., Path]
) -> None:
    assert jiebang("import", written(GOOD), "--actor", "李明", "--reason", "九月征集").code == 0
    assert "李明 新增：九月征集（版本 1）" in jiebang("show", "CJ-1").out
    assert jiebang("import", written(GOOD.replace("300", "500"))).code == 0
    assert "命令行 修改：导入 表.csv（版本 2）" in jiebang("show", "CJ-1").out


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("无.xlsx", None, "找不到文件"),
        ("空.csv", "", "“空.csv”里没有内容。"),
        (
            "旧.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600,
            "“旧.xls”是旧格式（.xls、.et、.wps、.doc），不能读取。",
        ),
        ("网页.xlsx", "<html><table></table></html>", "“网页.xlsx”其实是网页或 XML，只是改了扩展名。"),
        ("坏.xlsx", b"PK\x03\x04" + b"x" * 500, "坏.xlsx"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_a_remedy(
    jiebang: Callable[..., Any],
    written: Callable[..., Path],
    tmp_path: Path,
    file: str,
    content: Any,
    message: str,
) -> None:
    path = tmp_path / file if content is None else written(content, file)
    outcome = jiebang("import", path)
    assert (outcome.code, outcome.out) == (1, "")
    assert message in outcome.err
    assert "\n处理：" in outcome.err


@pytest.mark.parametrize("kind", ["外星人", "planet"])
def test_unknown_kind_is_refused_with_the_known_ones(
    jiebang: Callable[..., Any], written: Callable[..., Path], kind: str
) -> None:
    outcome = jiebang("import", written(GOOD), "--kind", kind)
    assert (outcome.code, f"不认识的类型“{kind}”" in outcome.err, "应用场景（scene）" in outcome.err) == (
        1,
        True,
        True,
    )


def test_escape_sequences_in_a_table_do_not_reach_the_terminal(
    jiebang: Callable[..., Any], written: Callable[..., Path]
) -> None:
    path = written("编号,名称,\x1b[31m红,截止日期\nCJ-1,\x1b]0;标题\x07送药\u202e,,\x1b[2J\n", "\u202e表.csv")
    outcome = jiebang("import", path, "--kind", "scene", "--partial")
    assert outcome.code == 3
    assert not any(c in outcome.out + outcome.err for c in "\x1b\x07\u202e\r")
    assert "�表.csv" in outcome.out


# The whole list of problems, with places, of the tables kept for trying the error report.
DIRTY_PROBLEMS = {
    "scenes_dirty.csv": [
        ("第 3 行“建设单位信用代码”列", "uscc_check_digit"),
        ("第 4 行“截止日期”列", "date_not_real"),
        ("第 6 行“名称”列", "value_missing"),
        ("第 7 行“密级”列", "secret_refused"),
    ],
    "achievements_dirty.csv": [
        ("第 2 行“知识产权号”列", "patent_check_digit"),
        ("第 3 行“所在区”列", "district_unknown"),
        ("第 4 行“成熟度”列", "maturity_out_of_range"),
        ("第 6 行“完成单位信用代码”列", "uscc_length"),
        ("第 6 行“意向价格（万元）”列", "amount_unreadable"),
    ],
    "relations_dirty.csv": [
        ("第 3 行“起点编号”列", "relation_end_unknown"),
        ("第 4 行“关系”列", "relation_unknown"),
        ("第 5 行", "relation_kinds"),
        ("第 7 行“终点编号”列", "relation_end_unknown"),
    ],
}


@pytest.fixture
def sample(jiebang: Callable[..., Any]) -> None:
    assert jiebang("init", "--demo").code == 0


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("name", DIRTY_PROBLEMS)
def test_dirty_samples_give_exactly_their_problems_with_places(
    jiebang: Callable[..., Any], tmp_path: Path, sheets_of: Callable[[Path], Sheets], name: str
) -> None:
    report = tmp_path / "报告.xlsx"
    outcome = jiebang("import", DIRTY / name, "--dry-run", "--report", report)
    assert outcome.code == 1
    summary = sheets_of(report)["问题汇总"][1:]
    assert [(row[1], row[4]) for row in summary if row[0] == "错误"] == DIRTY_PROBLEMS[name]
    assert all(f"{row[1]}：{row[2]}。{row[3]}" in outcome.out for row in summary)
    assert "某海域水下目标" not in str(sheets_of(report))


@pytest.mark.parametrize(
    "name",
    ["场景", "应用场景", "scene", "关系", "relation", "经纪人", "评级", "judgements", "对接结果", "outcome"],
)
def test_template_filled_in_is_imported(
    jiebang: Callable[..., Any], world: Path, tmp_path: Path, contents: Callable[[], Any], name: str
) -> None:
    path = tmp_path / "模板.xlsx"
    outcome = jiebang("template", name, "--out", path)
    assert (outcome.code, outcome.out) == (0, f"模板已写到 {path}。示例行以“示例”开头，导入时自动跳过。\n")
    workbook = open_workbook(path)
    sheet = workbook.worksheets[0]
    values = {
        "编号": "新-1", "名称": "新的一条", "姓名": "新的一条", "起点类型": "企业", "起点编号": "QY-1",
        "关系": "合作", "终点类型": "企业", "终点编号": "QY-2", "场景编号": "CJ-1", "成果编号": "CG-1",
        "等级": "强相关", "阶段": "已见面", "评级人": "李明", "经办人": "李明",
    }  # fmt: skip
    for cell in sheet[1]:
        sheet.cell(3, cell.column).value = values.get(str(cell.value).lstrip("*"))
    workbook.save(path)
    outcome = jiebang("import", path)
    assert (outcome.code, "新增 1，更新 0，不变 0，有错的行 0，跳过的行 1。" in outcome.out) == (0, True)


@pytest.mark.parametrize(
    ("word", "option", "text"),
    [
        ("judgements", "评级", "场景编号,成果编号,等级\nCJ-1,CG-1,强相关\nCJ-1,CG-3,2\n"),
        ("评级", "judgement", "scene_id,achievement_id,level\nCJ-1,CG-1,4\nCJ-1,CG-3,2\n"),
        ("outcomes", "对接结果", "场景编号,成果编号,阶段\nCJ-1,CG-1,已展示\nCJ-1,CG-1,已见面\n"),
        ("对接结果", "outcome", "scene_id,achievement_id,stage\nCJ-1,CG-1,shown\nCJ-1,CG-1,met\n"),
    ],
)
def test_feedback_is_imported_under_its_name_undone_and_comes_back_from_an_export(
    jiebang: Callable[..., Any],
    written: Callable[..., Path],
    world: Path,
    tmp_path: Path,
    word: str,
    option: str,
    text: str,
) -> None:
    path = written(text, "九月.csv")
    outcome = jiebang("import", word, path, "--actor", "李明")
    assert (outcome.code, outcome.out.splitlines()[-3:]) == (
        0,
        [
            "核对结果：新增 2，更新 0，不变 0，有错的行 0，跳过的行 0。",
            "已写入 2 条。",
            "这是第 2 次改动。撤销：jiebang undo 2",
        ],
    )
    assert "可见范围" not in outcome.out
    assert "不变 2，" in jiebang("import", path, "--actor", "李明").out
    for name in ("回.xlsx", "回.csv", "回.jsonl"):
        outcome = jiebang("export", tmp_path / name, "--kind", option)
        label = "评级" if "level" in text or "等级" in text else "对接结果"
        assert (outcome.code, outcome.out) == (0, f"已导出 2 条{label}到 {tmp_path / name}。\n")
    with open_store(world / "store.db", create=False) as store:
        # An export writes times to the second.
        stored: list[Feedback] = [*store.judgements(), *store.outcomes()]
        before = [record.model_copy(update={"at": record.at.replace(microsecond=0)}) for record in stored]
    assert (len(before), jiebang("undo", "2", "--by", "李明").code) == (2, 0)
    assert "新增 2，" in jiebang("import", word, tmp_path / "回.xlsx").out
    with open_store(world / "store.db", create=False) as store:
        assert [*store.judgements(), *store.outcomes()] == before
    assert "不变 2，" in jiebang("import", "--kind", option, tmp_path / "回.csv", tmp_path / "回.jsonl").out


@pytest.mark.parametrize("option", ["--judge", "--by"])
def test_judgements_that_name_nobody_are_of_the_judge_that_the_option_names(
    jiebang: Callable[..., Any], written: Callable[..., Path], world: Path, option: str
) -> None:
    path = written("场景编号,成果编号,等级,评级人\nCJ-1,CG-1,3,王芳\nCJ-1,CG-3,4,\n")
    outcome = jiebang("import", "评级", path, "--actor", "李明", option, "专家组")
    assert "“评级人”有 1 行没有填（第 3 行），记为“专家组”。" in outcome.out
    with open_store(world / "store.db", create=False) as store:
        assert [record.judge for record in store.judgements()] == ["王芳", "专家组"]
        assert store.revisions(1)[0].actor == "李明"


@pytest.mark.usefixtures("world")
def test_a_kind_without_a_file_is_told_how_to_write_it(jiebang: Callable[..., Any]) -> None:
    outcome = jiebang("import", "评级")
    assert (outcome.code, outcome.err) == (
        2,
        "错误：评级 后面没有写文件。\n处理：请写成 jiebang import 评级 文件.xlsx。\n",
    )


def test_a_file_called_like_a_kind_is_a_file(
    jiebang: Callable[..., Any], written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(GOOD, "场景")
    monkeypatch.chdir(path.parent)
    assert "已写入 1 条。" in jiebang("import", "场景").out


def test_export_of_everything_has_feedback_for_staff_only(
    jiebang: Callable[..., Any],
    written: Callable[..., Path],
    world: Path,
    tmp_path: Path,
    sheets_of: Callable[[Path], Sheets],
) -> None:
    jiebang("import", "评级", written("场景编号,成果编号,等级,评级人,日期\nCJ-1,CG-1,3,李明,2026-03-01\n"))
    out = tmp_path / "全部.xlsx"
    assert jiebang("export", out).out == f"已导出 11 条记录、6 条关系、1 条评级到 {out}。\n"
    assert sheets_of(out)["评级"] == [
        ["场景编号", "成果编号", "等级", "评级人", "日期", "理由"],
        ["CJ-1", "CG-1", "较强相关", "李明", "2026-03-01", None],
    ]
    assert jiebang("export", out, "--audience", "partner").code == 0
    assert "评级" not in sheets_of(out)
    refused = jiebang("export", tmp_path / "评.csv", "--kind", "评级", "--audience", "public")
    assert (refused.code, "错误：评级和对接结果只供内部。" in refused.err) == (1, True)
    assert not (tmp_path / "评.csv").exists()


def test_template_without_out_is_named_after_its_kind(
    jiebang: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert jiebang("template", "成果").code == 0
    assert (tmp_path / "模板-科技成果.xlsx").is_file()


def test_template_of_an_unknown_kind_is_refused_and_leaves_no_file(
    jiebang: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = jiebang("template", "外星人")
    assert (outcome.code, "没有“外星人”这一类模板。" in outcome.err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_export_of_everything_is_one_workbook_that_gives_the_same_store(
    jiebang: Callable[..., Any], world: Path, tmp_path: Path, sheets_of: Callable[[Path], Sheets], capsys: Any
) -> None:
    out = tmp_path / "全部.xlsx"
    outcome = jiebang("export", out)
    assert (outcome.code, outcome.out) == (0, f"已导出 11 条记录、6 条关系到 {out}。\n")
    assert [(name, len(rows)) for name, rows in sheets_of(out).items()] == [
        ("应用场景", 4), ("科技成果", 5), ("企业", 3), ("技术经纪人", 3), ("关系", 7),
    ]  # fmt: skip
    assert jiebang("--home", tmp_path / "另一处", "import", out).code == 0
    with (
        open_store(world / "store.db", create=False) as before,
        open_store(tmp_path / "另一处" / "store.db", create=False) as after,
    ):
        assert (list(after.nodes()), list(after.edges())) == (list(before.nodes()), list(before.edges()))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".xlsx"])
@pytest.mark.parametrize(
    ("kind", "number"), [("场景", "3 条记录"), ("achievement", "4 条记录"), ("关系", "6 条关系")]
)
def test_export_of_one_kind_is_read_back_unchanged(
    jiebang: Callable[..., Any], world: Path, tmp_path: Path, suffix: str, kind: str, number: str
) -> None:
    out = tmp_path / f"一类{suffix}"
    outcome = jiebang("export", out, "--kind", kind)
    assert (outcome.code, outcome.out) == (0, f"已导出 {number}到 {out}。\n")
    outcome = jiebang("import", out)
    assert (outcome.code, f"不变 {number[0]}，" in outcome.out) == (0, True)


@pytest.mark.parametrize(
    ("audience", "scenes", "hidden"),
    [
        (
            "public",
            ["CJ-1", "CJ-3"],
            ["CJ-2", "CG-3", "CG-4", "JJ-2", "陈工", "程屿舟", "260", "首批", "内部商定"],
        ),
        ("合作方", ["CJ-1", "CJ-3"], ["CJ-2", "CG-4", "JJ-2", "陈工", "首批", "内部商定"]),
    ],
)
def test_export_for_others_has_nothing_they_may_not_see(
    jiebang: Callable[..., Any],
    world: Path,
    tmp_path: Path,
    sheets_of: Callable[[Path], Sheets],
    audience: str,
    scenes: list[str],
    hidden: list[str],
) -> None:
    out = tmp_path / "公开.xlsx"
    outcome = jiebang("export", out, "--audience", audience)
    assert (outcome.code, "（只含对方可见的内容）。\n" in outcome.out) == (0, True)
    sheets = sheets_of(out)
    assert [row[0] for row in sheets["应用场景"][1:]] == scenes
    assert [row[:5] for row in sheets["关系"][1:]] == [
        ["技术经纪人", "JJ-1", "服务", "应用场景", "CJ-1"],
        ["企业", "QY-1", "拥有", "科技成果", "CG-1"],
        ["企业", "QY-2", "发布", "应用场景", "CJ-1"],
    ]
    cells = {str(cell) for rows in sheets.values() for row in rows for cell in row}
    assert cells.isdisjoint(hidden)


def test_export_of_relations_for_others_leaves_out_hidden_ends(
    jiebang: Callable[..., Any], world: Path, tmp_path: Path, rows_of: Callable[[Path], list[list[str]]]
) -> None:
    out = tmp_path / "关系.csv"
    assert jiebang("export", out, "--kind", "关系", "--audience", "public").code == 0
    rows = rows_of(out)
    assert (len(rows), {row[5] for row in rows[1:]}, any("CG-4" in row for row in rows)) == (4, {""}, False)


@pytest.mark.parametrize(
    ("audience", "scene", "price"),
    [("public", None, None), ("partner", None, "260"), ("staff", "CJ-2", "260")],
)
def test_export_for_others_names_no_hidden_record_and_no_column_that_one_record_hides(
    jiebang: Callable[..., Any],
    written: Callable[..., Path],
    world: Path,
    tmp_path: Path,
    sheets_of: Callable[[Path], Sheets],
    audience: str,
    scene: str | None,
    price: str | None,
) -> None:
    cases = "编号,名称,场景编号,成果编号\nAL-1,首试,CJ-2,CG-1\n"
    districts = "编号,名称,所在区,字段可见范围\nCG-1,抗七级风垂直起降固定翼无人机,高新区,所在区=内部\n"
    assert jiebang("import", written(cases, "案例.csv"), "--kind", "案例").code == 0
    assert jiebang("import", written(districts, "成果.csv"), "--kind", "成果").code == 0
    out = tmp_path / "给人看.xlsx"
    assert jiebang("export", out, "--audience", audience).code == 0
    sheets = sheets_of(out)
    head, row = sheets["标杆案例"][:2]
    told = dict(zip(head, row, strict=True))
    assert (told.get("场景编号"), told["成果编号"]) == (scene, "CG-1")
    head, row = sheets["科技成果"][:2]
    told = dict(zip(head, row, strict=True))
    assert (told["编号"], told.get("意向价格（万元）")) == ("CG-1", price)
    assert told["所在区"] == ("高新区" if audience == "staff" else None)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["全部.csv"], 2, "一个 .csv 文件只能放一类记录。"),
        (["全部.docx"], 1, "不能写成“全部.docx”这种格式。"),
        (["没有/全部.xlsx"], 1, "文件夹“没有”不存在。"),
        (["."], 1, "“.”是文件夹。"),
        (["全部.xlsx", "--kind", "外星人"], 1, "不认识的类型“外星人”。"),
        (["全部.xlsx", "--audience", "everyone"], 1, "不认识的可见范围“everyone”。"),
    ],
)
def test_export_refuses_what_it_cannot_write_and_leaves_no_file(
    jiebang: Callable[..., Any],
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    place = tmp_path / "出"
    place.mkdir()
    monkeypatch.chdir(place)
    outcome = jiebang("export", *arguments)
    assert (outcome.code, message in outcome.err, "\n处理：" in outcome.err) == (code, True, True)
    assert list(place.iterdir()) == []


def test_export_of_an_empty_store_is_a_workbook_without_records(
    jiebang: Callable[..., Any], tmp_path: Path, sheets_of: Callable[[Path], Sheets]
) -> None:
    assert jiebang("init").code == 0
    outcome = jiebang("export", tmp_path / "空.xlsx")
    assert (outcome.code, outcome.out) == (0, f"已导出 0 条记录、0 条关系到 {tmp_path / '空.xlsx'}。\n")
    assert [len(rows) for rows in sheets_of(tmp_path / "空.xlsx").values()] == [1]


@pytest.mark.parametrize(
    "title", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", '=HYPERLINK("http://x")', "'=1"]
)
def test_formulas_in_texts_stay_texts_in_exports_and_come_back(
    jiebang: Callable[..., Any], home: Path, tmp_path: Path, sheets_of: Callable[[Path], Sheets], title: str
) -> None:
    from datetime import UTC, datetime

    from graph.kinds import Scene
    from graph.store.changes import PutNode

    assert jiebang("init").code == 0
    with open_store(home / "store.db") as store:
        store.apply(
            [PutNode(node=Scene(id="CJ-1", title=title))],
            actor="甲",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            reason="",
        )
    for name in ("全.xlsx", "全.csv"):
        options = ["--kind", "scene"] if name.endswith("csv") else []
        assert jiebang("export", tmp_path / name, *options).code == 0
        assert "不变 1，" in jiebang("import", tmp_path / name).out
    assert sheets_of(tmp_path / "全.xlsx")["应用场景"][1][1] in (title, f"'{title}")
    assert (tmp_path / "全.csv").read_text(encoding="utf-8-sig").splitlines()[1].split(",", 1)[1].lstrip('"')[
        0
    ] == "'"


def test_relations_of_an_export_are_edges_of_the_store(jiebang: Callable[..., Any], world: Path) -> None:
    with open_store(world / "store.db", create=False) as store:
        assert Edge(
            source_kind="enterprise",
            source_id="QY-2",
            relation="posts",
            target_kind="scene",
            target_id="CJ-1",
            note="首批",
        ) in list(store.edges())
