"""case as a clerk writes it: from a pairing that landed to a reason in another scene's ranking, and out again."""

import json
from pathlib import Path

import pytest

from tests.api.cli.conftest import Clock, Command

ID = "AL-2026-001"
CONTENT = {
    "投入": "73", "实施周期": "2025-04至2025-08", "做法": "复合翼无人机定时投送", "可复制条件": "单程三十公里以内",
    "证明材料": "承运记录", "成效指标": "送达时间：24→2 小时（来源：承运记录）", "建设单位": "澜川海岛发展有限公司",
}  # fmt: skip
FILL = [part for name, text in CONTENT.items() for part in ("--set", f"{name}={text}")]


@pytest.fixture
def drafted(indexed: Path, jiebang: Command, clock: Clock) -> Path:
    """The world with a draft of the pairing that landed in CJ-1."""
    assert jiebang("outcome", "CJ-1", "CG-1", "已落地").code == 0
    done = jiebang("case", "from", "cj-1", "CG-1")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == (
        f"已起草案例“海岛无人机送药：抗七级风垂直起降固定翼无人机应用”，编号 {ID}；发布之前别人看不到，也不影响排序。"
    )
    return indexed


@pytest.fixture
def published(drafted: Path, jiebang: Command) -> Path:
    """The case filled in, agreed to and published by somebody else."""
    for arguments in (
        ("case", "edit", ID, *FILL),
        ("case", "move", ID, "建设单位同意", "--consent", "澜川海岛 2026-03-01 同意函"),
        ("case", "move", ID, "送审"),
        ("case", "move", ID, "发布", "--by", "程某"),
    ):
        done = jiebang(*arguments)
        assert (done.code, done.err) == (0, ""), arguments
    return drafted


def _note(jiebang: Command, *more: str) -> str:
    """What the ranking of a scene like CJ-1 says of cases."""
    items = json.loads(
        jiebang(
            "match",
            "--text",
            "海岛无人机送药\n向外岛卫生院送急救药品和血样，海上阵风大，现有机型抗风不足",
            "--json",
            "--top",
            "1",
            *more,
        ).out
    )
    found = items["matches"] if isinstance(items, dict) else items
    assert found[0]["id"] == "CG-1"
    return str(next(part["note"] for part in found[0]["parts"] if part["name"] == "precedent"))


def test_a_pairing_that_landed_becomes_a_reason_elsewhere_and_leaves_again(
    published: Path, jiebang: Command
) -> None:
    told = f"案例“海岛无人机送药：抗七级风垂直起降固定翼无人机应用”（{ID}），实测送达时间：24→2 小时"
    assert _note(jiebang) == f"该成果已在相近场景“海岛无人机送药”中用过：{told}"
    assert told in _note(jiebang, "--audience", "public")
    assert told in jiebang("match", "CJ-1", "--top", "1", "--why", "--no-record").out
    similar = jiebang("case", "similar", "CJ-1").out
    assert f"（{ID}）" in similar
    assert "像在哪里：就在本场景试用" in similar
    retired = jiebang("case", "move", ID, "退役", "--reason", "设备已拆", "--by", "程某")
    assert retired.out.splitlines()[-1] == "它已退出排序、图谱和案例清单。"
    assert _note(jiebang) == ""
    assert jiebang("case", "similar", "CJ-1").out == "没有与应用场景“海岛无人机送药”相似的已发布案例。\n"
    history = json.loads(jiebang("case", "history", ID, "--json").out)
    assert [one["reason"].removeprefix(f"案例 {ID} ") for one in history] == [
        f"起草案例 {ID}", "修改", "建设单位同意", "送审", "发布", "退役：设备已拆",
    ]  # fmt: skip
    # Undone, it is back where it was: in the ranking too.
    assert jiebang("undo", str(history[-1]["revision"])).code == 0
    assert told in _note(jiebang)


def test_a_draft_says_what_it_lacks_and_what_stands_in_the_way(drafted: Path, jiebang: Command) -> None:
    shown = jiebang("case", "show", ID).out
    assert "背景与需求：海上阵风大，现有机型抗风不足" in shown
    assert "可复制条件：待补" in shown
    assert "  抗风等级：待补→待补 级（来源：待补）" in shown
    sent = jiebang("case", "move", ID, "送审")
    assert sent.out.splitlines()[-1] == (
        "接下来：还差 投入（万元）；可复制条件；证明材料；成效指标（至少一条前后都有实测值）；成效指标“抗风等级”“航程”的实测值或来源；"
        f"建设单位同意，发布不了；先 jiebang case move {ID} 退回 --reason 理由"
    )
    refused = jiebang("case", "move", ID, "发布", "--by", "程某")
    assert refused.code == 1
    assert refused.err.startswith(
        "错误：投入（万元）、可复制条件、证明材料待补。\n处理：请退回草稿补填后再发布。\n"
        "错误：成效指标“抗风等级”没有前后的实测值。\n"
    )
    moves = jiebang("case", "move", ID).out
    assert "  发布：审核人办理；还差：" in moves
    assert _note(jiebang) == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("from", "CJ-3", "CG-1"), 1, "场景 CJ-3 与成果 CG-1 还没有记为“已落地”。"),
        (("from", "CJ-1", "CG-1"), 1, f"已有案例 {ID}（草稿）写的是同一件事。"),
        (("from", "BD-9"), 1, "没有编号为“BD-9”的榜单。"),
        (("show", "7"), 1, "没有编号为“7”的案例。"),
        (("edit", ID), 2, "没有写要改什么。"),
        (("edit", ID, "--set", "颜色=红"), 2, "没有“颜色”这一项。"),
        (("edit", ID, "--set", "成效指标=成效很好"), 1, "“成效指标”：看不懂成效指标“成效很好”。"),
        (("move", ID, "下架"), 2, "没有“下架”这一步。"),
        (("move", ID, "修改"), 2, "“修改”要用别的命令办理。"),
        (("move", ID, "退役", "--reason", "x"), 1, "案例现在是“草稿”，不能办理“退役”。"),
        (("move", ID, "送审", "--as", "owner"), 1, "您的身份不能办理“送审”。"),
        (("export", ID, "--audience", "public"), 1, f"案例 {ID} 是“草稿”，只能内部导出。"),
        (("similar",), 2, "没有写为什么找案例，或写了不止一样。"),
        (("similar", "CJ-1", "CJ-3"), 2, "一对应是一个场景和一项成果。"),
        (("list", "--state", "未知"), 2, "没有“未知”这个状态。"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_says_why(
    drafted: Path, jiebang: Command, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = jiebang("case", *arguments)
    assert (done.code, done.err.splitlines()[0]) == (code, f"错误：{message}")


def test_a_sheet_does_not_bring_back_what_was_retired_nor_pass_a_draft_by(
    published: Path, jiebang: Command, tmp_path: Path
) -> None:
    sheet = tmp_path / "案例.csv"
    assert jiebang("export", sheet, "--kind", "case").code == 0
    text = sheet.read_text(encoding="utf-8-sig")
    assert "送达时间：24→2 小时（来源：承运记录）" in text
    assert "不变 1" in jiebang("import", sheet).out
    assert jiebang("case", "move", ID, "退役", "--reason", "设备已拆", "--by", "程某").code == 0
    again = jiebang("import", sheet)
    assert again.code == 1
    assert f"案例“{ID}”现在是“退役”，不能直接写入" in again.out + again.err
    assert [line.split()[2] for line in jiebang("case", "list").out.splitlines()[1:]] == ["退役"]


def test_cases_of_sheets_are_listed_as_published(
    indexed: Path, jiebang: Command, clock: Clock, tmp_path: Path
) -> None:
    sheet = tmp_path / "案例.csv"
    sheet.write_text(
        "编号,名称,场景编号,成果编号,量化成效\nAL-7,送药试运,CJ-1,CG-1,时间减半\n", encoding="utf-8"
    )
    assert jiebang("import", "case", sheet).code == 0
    listed = json.loads(jiebang("case", "list", "--json").out)
    assert [(one["id"], one["state"]) for one in listed] == [("AL-7", "published")]
    assert jiebang("case", "move", "al-7", "退役", "--reason", "停用").code == 0
    assert json.loads(jiebang("case", "list", "--state", "发布", "--json").out) == []


def test_a_case_is_exported_as_a_document(published: Path, jiebang: Command, tmp_path: Path) -> None:
    from docx import Document

    path = tmp_path / "案例.docx"
    assert jiebang("case", "export", ID, "--out", path, "--audience", "public").code == 0
    document = Document(str(path))
    assert [cell.text for cell in document.tables[1].rows[1].cells] == [
        "送达时间",
        "24",
        "2",
        "小时",
        "承运记录",
    ]


def test_a_draft_is_filled_in_on_a_form(drafted: Path, jiebang: Command, tmp_path: Path) -> None:
    import openpyxl

    path = tmp_path / "案例表.xlsx"
    done = jiebang("case", "template", ID, "--out", path)
    assert done.out == f"已写好 {path}；填好后：jiebang case edit {ID} {path}\n"
    book = openpyxl.load_workbook(path)
    for row in book["案例"].iter_rows(min_row=2):
        if row[0].value == "可复制条件":
            row[1].value = "单程三十公里以内"
    assert book["成效指标"]["A2"].value == "抗风等级"
    book["成效指标"]["B2"], book["成效指标"]["C2"], book["成效指标"]["E2"] = 5, 8, "检测报告"
    book.save(path)
    edited = jiebang("case", "edit", ID, path)
    assert (edited.code, edited.out.splitlines()[0]) == (
        0,
        f"已修改案例“海岛无人机送药：抗七级风垂直起降固定翼无人机应用”（{ID}）。",
    )
    shown = jiebang("case", "show", ID).out
    assert "  抗风等级：5→8 级（来源：检测报告）" in shown
    assert "可复制条件：单程三十公里以内" in shown
