import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from graph.feedback import Outcome
from graph.kinds import Scene
from graph.store.changes import PutNode
from graph.store.store import open_store
from graph.values import Visibility
from matcher.engine import Engine
from matcher.filters import Filters
from matcher.home import Home
from tests.api.world import WORLD

Command = Callable[..., Any]


def ids_of(out: str) -> list[str]:
    """The ids of a ranked list as shown, in order."""
    return [line.split()[3] for line in out.splitlines()[2:] if line[:1].isdigit()]


def expected(home: Path, of: str, id: str, *, audience: Visibility = "staff", **options: Any) -> list[str]:
    """What the engine of an audience itself answers."""
    with Engine.open(Home(path=home), encoder="bigrams", audience=audience) as engine:
        node = engine.store.get(of, id)
        assert node is not None
        return [m.key[1] for m in engine.match(node, top=20, today=date.today(), **options)]


def test_match_lists_achievements_for_a_scene_best_first_with_reasons(
    jiebang: Command, indexed: Path
) -> None:
    outcome = jiebang("match", "CJ-1")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "为应用场景“海岛无人机送药”（CJ-1）找到 4 个："
    assert lines[1].split() == ["名次", "得分", "等级", "编号", "名称", "理由"]
    assert ids_of(outcome.out) == expected(indexed, "scene", "CJ-1")
    assert ids_of(outcome.out)[0] == "CG-1"
    scores = [float(line.split()[1]) for line in lines[2:]]
    assert scores == sorted(scores, reverse=True)
    assert re.search(r"指标 2 项.*满足 2", lines[2])


def test_match_lists_scenes_for_an_achievement(jiebang: Command, indexed: Path) -> None:
    outcome = jiebang("match", "CG-2")
    assert outcome.out.startswith("为科技成果“病区送药机器人”（CG-2）找到 3 个：\n")
    assert ids_of(outcome.out) == expected(indexed, "achievement", "CG-2")
    assert ids_of(outcome.out)[0] == "CJ-2"


def test_match_builds_the_index_by_itself_and_sees_what_was_imported_since(
    jiebang: Command, world: Path, written: Callable[..., Path]
) -> None:
    assert len(ids_of(jiebang("match", "CJ-1").out)) == 4
    assert (
        jiebang("import", written("编号,名称\nCG-9,海岛无人机送药\n", "成果.csv"), "--kind", "成果").code == 0
    )
    assert ids_of(jiebang("match", "CJ-1").out)[0] == "CG-9"


def test_match_of_a_text_stores_nothing(jiebang: Command, indexed: Path) -> None:
    before = (indexed / "store.db").read_bytes()
    outcome = jiebang("match", "--text", "鱼苗自动计数", "--top", "2")
    assert outcome.out.startswith("为应用场景“鱼苗自动计数”找到 2 个：\n")
    assert ids_of(outcome.out)[0] == "CG-3"
    assert (indexed / "store.db").read_bytes() == before


@pytest.mark.parametrize("text", ["。", "🚁", "x" * 20_000, "\x1b[31m\u202e药", "=1+1"])
def test_match_takes_any_text_that_is_not_blank(jiebang: Command, indexed: Path, text: str) -> None:
    outcome = jiebang("match", "--text", text)
    assert (outcome.code, len(ids_of(outcome.out))) == (0, 4)
    assert not any(c in outcome.out for c in "\x1b\u202e")


def test_top_limits_the_list(jiebang: Command, indexed: Path) -> None:
    assert ids_of(jiebang("match", "CJ-1", "--top", "2").out) == expected(indexed, "scene", "CJ-1")[:2]


def test_why_shows_parts_that_add_up_to_the_score(jiebang: Command, indexed: Path) -> None:
    outcome = jiebang("match", "CJ-1", "--top", "1", "--why")
    body = outcome.out.split("\n\n", 1)[1].splitlines()
    assert body[0].startswith("1. 抗七级风垂直起降固定翼无人机（CG-1） ")
    points = [float(line.split()[1]) for line in body if line.startswith("    ")]
    assert len(points) > 10
    assert sum(points) == pytest.approx(float(body[0].split()[2]), abs=0.05 * len(points))
    assert "  指标：抗风等级≥7级：成果为“抗风等级7级”，满足" in body


def test_why_says_what_sets_neighbours_apart(jiebang: Command, indexed: Path) -> None:
    outcome = jiebang("match", "CJ-1", "--top", "2", "--why")
    assert outcome.out.count("  与下一名相比：比“") == 1


@pytest.mark.parametrize(
    ("subject", "options", "filters"),
    [
        ("CJ-1", ["--field", "低空经济"], Filters(fields=["低空经济"])),
        ("CJ-1", ["--field", "低空", "--field", "海洋经济"], Filters(fields=["低空经济", "海洋经济"])),
        ("CJ-1", ["--district", "高新区"], Filters(districts=["高新区"])),
        ("CJ-1", ["--min-trl", "7"], Filters(min_trl=7)),
        ("CJ-1", ["--ip", "已授权", "--ip", "未申请"], Filters(ip_statuses=["已授权", "未申请"])),
        ("CG-1", ["--open"], Filters(open_on=date.today())),
    ],
)
def test_filters_leave_what_the_engine_leaves(
    jiebang: Command, indexed: Path, subject: str, options: list[str], filters: Filters
) -> None:
    outcome = jiebang("match", subject, *options)
    kind = "scene" if subject.startswith("CJ") else "achievement"
    everything = expected(indexed, kind, subject)
    found = expected(indexed, kind, subject, filters=filters)
    assert 0 < len(found) < len(everything)
    assert ids_of(outcome.out) == found


@pytest.mark.parametrize(
    ("word", "audience", "found"),
    [("public", "public", {"CG-1", "CG-2"}), ("合作方", "partner", {"CG-1", "CG-2", "CG-3"})],
)
def test_others_find_what_their_own_engine_finds(
    jiebang: Command, indexed: Path, word: str, audience: Visibility, found: set[str]
) -> None:
    ids = ids_of(jiebang("match", "CJ-1", "--audience", word).out)
    assert (ids, set(ids)) == (expected(indexed, "scene", "CJ-1", audience=audience), found)


@pytest.fixture
def public_home(jiebang: Command, tmp_path: Path) -> Path:
    """A home with nothing but what the public may see of the world."""
    kept = {
        "场景.csv": (("CJ-1", "CJ-3"), ("联系人", "联系方式")),
        "成果.csv": (("CG-1", "CG-2"), ("完成人", "意向价格（万元）")),
        "企业.csv": (("QY-1", "QY-2"), ()),
        "经纪人.csv": (("JJ-1",), ()),
        "关系.csv": (("QY-1", "QY-2", "JJ-1"), ("说明",)),
    }
    home, files = tmp_path / "公开的", []
    for name, (ids, hidden) in kept.items():
        rows = [row for row in csv.DictReader(StringIO(WORLD[name])) if not {*ids}.isdisjoint(row.values())]
        files.append(tmp_path / name)
        with files[-1].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(
                file, [head for head in rows[0] if head not in hidden], extrasaction="ignore"
            )
            writer.writeheader()
            writer.writerows(rows)
    assert jiebang("--home", home, "import", *files).code == 0
    return home


@pytest.mark.parametrize(
    "arguments",
    [
        ["match", "CJ-1", "--why"],
        ["match", "CJ-1", "--json"],
        ["match", "CG-2", "--json"],
        ["match", "--text", "海岛送药", "--json"],
        ["match", "CJ-3", "--for", "企业", "--json"],
        ["match", "CJ-1", "--brokers", "CG-1"],
        ["compare", "CJ-1", "CG-1", "CG-2"],
    ],
)
def test_the_public_is_told_what_a_home_with_nothing_hidden_tells(
    jiebang: Command, indexed: Path, public_home: Path, arguments: list[str]
) -> None:
    public = jiebang(*arguments, "--audience", "public")
    assert (public.code, public.err) == (0, "")
    assert public == jiebang("--home", public_home, *arguments)
    assert public.out != jiebang(*arguments).out


def test_what_was_signed_counts_for_brokers_with_staff_only(
    jiebang: Command, indexed: Path, public_home: Path
) -> None:
    arguments = ["match", "CJ-1", "--brokers", "CG-1"]
    assert jiebang("outcome", "CJ-1", "CG-1", "已签约", "--by", "JJ-1").code == 0
    assert "经手签约或落地 1 项" in jiebang(*arguments).out
    assert jiebang(*arguments, "--audience", "public") == jiebang("--home", public_home, *arguments)


def test_what_others_were_shown_is_recorded_once_with_all_that_was_shown(
    jiebang: Command, indexed: Path
) -> None:
    def recorded() -> tuple[int, dict[tuple[str, str], Outcome]]:
        with open_store(indexed / "store.db") as store:
            return store.revision(), {(o.scene, o.achievement): o for o in store.outcomes()}

    assert jiebang("match", "CJ-1", "--top", "1").code == 0
    revision, before = recorded()
    assert before.keys() == {("CJ-1", "CG-1")}
    assert jiebang("match", "CJ-1", "--audience", "public").err == ""
    after = recorded()
    assert (after[0], set(after[1])) == (revision + 1, {("CJ-1", "CG-1"), ("CJ-1", "CG-2")})
    assert after[1]["CJ-1", "CG-1"] == before["CJ-1", "CG-1"]
    assert jiebang("match", "CJ-1", "--audience", "public").err == ""
    assert recorded() == after


def test_an_index_of_others_is_made_anew_with_the_home_s(jiebang: Command, indexed: Path) -> None:
    before = jiebang("match", "CJ-1", "--audience", "public").out
    pointers = [path for path in (indexed / "index-public").iterdir() if path.is_file()]
    for path in pointers:
        path.write_text("{", encoding="utf-8")
    assert jiebang("match", "CJ-1", "--audience", "public").code == 1
    assert jiebang("index", "rebuild").code == 0
    assert jiebang("match", "CJ-1", "--audience", "public").out == before
    assert not (indexed / "index-partner").exists()


def test_filters_that_leave_nothing_say_so(jiebang: Command, indexed: Path) -> None:
    outcome = jiebang("match", "CJ-1", "--field", "开源生态")
    assert (outcome.code, outcome.out) == (
        0,
        "为应用场景“海岛无人机送药”（CJ-1）找到 0 个：\n没有符合条件的对象；可以放宽筛选条件。\n",
    )


def test_enterprises_can_be_matched_to_a_scene_but_not_those_that_pose_it(
    jiebang: Command, indexed: Path
) -> None:
    assert ids_of(jiebang("match", "CJ-1", "--for", "enterprise").out) == ["QY-1"]
    assert ids_of(jiebang("match", "CJ-3", "--for", "企业").out) == expected(
        indexed, "scene", "CJ-3", kind="enterprise"
    )


def test_brokers_are_recommended_for_a_pair_and_the_full_one_stands_last(
    jiebang: Command, indexed: Path
) -> None:
    outcome = jiebang("match", "CJ-1", "--brokers", "CG-1")
    lines = outcome.out.splitlines()
    assert lines[0] == "为“海岛无人机送药”与“抗七级风垂直起降固定翼无人机”推荐技术经纪人："
    assert [line.split()[2] for line in lines[2:]] == ["温礼舟", "邱予安"]
    assert "已服务场景一方，须说明利益关系" in lines[2]
    assert "在办 8 项，已到承载上限 8 项" in lines[3]
    public = jiebang("match", "CJ-1", "--brokers", "CG-1", "--audience", "public").out
    assert [line.split()[2] for line in public.splitlines()[2:]] == ["温礼舟"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["CJ-1", "--brokers", "CG-99"], "库中没有编号为“CG-99”的成果。"),
        (["CG-1", "--brokers", "CG-1"], "“CG-1”是科技成果，不是场景。"),
        (["CJ-1", "--brokers", "CG-4", "--audience", "public"], "库中没有编号为“CG-4”的成果。"),
        (["CJ-99"], "库中没有编号为“CJ-99”的场景或成果。"),
        (["QY-1"], "“QY-1”是企业，不是场景或成果。"),
        (["QY-1", "--audience", "public"], "“QY-1”是企业，不是场景或成果。"),
        (
            ["JJ-2", "--audience", "public"],
            "库中没有编号为“JJ-2”的场景或成果，或它不在这次的可见范围（--audience）之内。",
        ),
        (
            ["CJ-2", "--audience", "public"],
            "库中没有编号为“CJ-2”的场景或成果，或它不在这次的可见范围（--audience）之内。",
        ),
        (["CJ-1", "--field", "外星"], "“外星”"),
        (["CJ-1", "--district", "外星区"], "不认识的区“外星区”"),
        (["CJ-1", "--audience", "all"], "不认识的可见范围“all”"),
        (["CJ-1", "--out", "没有/结果.xlsx"], "文件夹“没有”不存在。"),
        (["CJ-1", "--out", "结果.csv"], "不能写成“结果.csv”这种格式。"),
    ],
)
def test_what_is_not_there_is_refused_with_1_and_a_remedy(
    jiebang: Command, indexed: Path, arguments: list[str], message: str
) -> None:
    outcome = jiebang("match", *arguments)
    assert (outcome.code, outcome.out, message in outcome.err) == (1, "", True)
    assert "\n处理：" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "没有写明要为谁匹配，或写了不止一个。"),
        (["CJ-1", "--text", "送药"], "没有写明要为谁匹配，或写了不止一个。"),
        (["CJ-1", "--all", "--out", "a.xlsx"], "没有写明要为谁匹配，或写了不止一个。"),
        (["--all"], "没有写明要为谁匹配，或写了不止一个。"),
        (["--text", "  "], "--text 后面没有内容。"),
        (["CJ-1", "--json", "--out", "a.xlsx"], "--json、--out、--brokers 不能同时使用。"),
        (["--all", "--json", "--out", "a.xlsx"], "--json、--out、--brokers 不能同时使用。"),
        (["CJ-1", "--brokers", "CG-1", "--json"], "--json、--out、--brokers 不能同时使用。"),
        (["CJ-1", "--brokers", "CG-1", "--for", "企业"], "--brokers 和 --for 不能同时使用。"),
        (["CJ-1", "--for", "scene"], "不能为应用场景找“scene”。"),
        (["CG-1", "--for", "企业"], "不能为科技成果找“企业”。"),
        (["CJ-1", "--ip", "有效"], "不认识的知识产权状态“有效”。"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_2_and_a_remedy(
    jiebang: Command,
    indexed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = jiebang("match", *arguments)
    assert (outcome.code, outcome.out, outcome.err.splitlines()[0]) == (2, "", f"错误：{message}")
    assert "\n处理：" in outcome.err
    assert not (tmp_path / "a.xlsx").exists()


def test_json_is_the_same_answer_for_programs(jiebang: Command, indexed: Path) -> None:
    outcome = jiebang("match", "CJ-1", "--json", "--top", "3")
    answer = json.loads(outcome.out)
    assert (answer["kind"], answer["id"], answer["title"]) == ("scene", "CJ-1", "海岛无人机送药")
    assert [m["id"] for m in answer["matches"]] == expected(indexed, "scene", "CJ-1")[:3]
    first = answer["matches"][0]
    assert set(first) == {
        "rank", "kind", "id", "title", "score", "level", "level_label", "probabilities", "reason", "parts", "phrases", "cautions", "missing",
        "indicators", "elements", "paths", "lifts", "advice",
    }  # fmt: skip
    assert sum(part["points"] for part in first["parts"]) == pytest.approx(first["score"])
    assert sum(first["probabilities"]) == pytest.approx(1)
    assert {i["demand"]: i["verdict"] for i in first["indicators"]} == {
        "抗风等级≥7级": "met",
        "航程≥30km": "met",
    }


def test_all_scenes_go_into_one_workbook(
    jiebang: Command, indexed: Path, tmp_path: Path, sheets_of: Callable[[Path], Any]
) -> None:
    out = tmp_path / "全部匹配.xlsx"
    outcome = jiebang("match", "--all", "--out", out, "--top", "2")
    assert (outcome.code, outcome.out, outcome.err) == (0, f"已写入 6 行到 {out}。\n", "")
    sheets = sheets_of(out)
    assert list(sheets) == ["匹配结果", "分项得分"]
    (head, *rows), (labels, *points) = sheets.values()
    assert labels[:3] == ["对象编号", "推荐编号", "得分"]
    assert [row[:2] for row in points] == [[row[0], row[5]] for row in rows]
    assert all(any(row[at] is not None for row in points) for at in range(len(labels)))
    assert head[:16] == [
        "对象编号",
        "对象名称",
        "名次",
        "得分",
        "等级",
        "推荐编号",
        "推荐名称",
        "所属单位",
        "理由",
        "注意",
        "逐条指标",
        "共同用语",
        "关联",
        "与下一名相比",
        "可改进",
        "政策建议",
    ]
    for scene in ("CJ-1", "CJ-2", "CJ-3"):
        answer = json.loads(jiebang("match", scene, "--json", "--top", "2").out)
        mine = [row for row in rows if row[0] == scene]
        assert [(r[1], r[2], r[4], r[5], r[6], r[8]) for r in mine] == [
            (answer["title"], m["rank"], m["level_label"], m["id"], m["title"], m["reason"])
            for m in answer["matches"]
        ]
        for row, match in zip(mine, answer["matches"], strict=True):
            assert row[3] == pytest.approx(match["score"])
            assert row[-4:] == pytest.approx(match["probabilities"][::-1])
            cells = dict(zip(labels[3:], points[rows.index(row)][3:], strict=True))
            for part in match["parts"]:
                cell = cells.pop(part["label"], None)
                # What is unknown stays blank, so that nobody takes it for nought.
                assert (cell is None) == (part["value"] is None)
                assert (cell or 0) == pytest.approx(part["points"])
            assert set(cells.values()) <= {None}
    first = dict(zip(head, rows[0], strict=True))
    assert (first["所属单位"], first["所在区"], first["成熟度"]) == ("云岬航空科技有限公司", "高新区", "TRL8")
    assert "抗风等级≥7级：成果为“抗风等级7级”，满足" in str(first["逐条指标"]).splitlines()


def test_all_scenes_can_be_matched_to_enterprises(
    jiebang: Command, indexed: Path, tmp_path: Path, sheets_of: Callable[[Path], Any]
) -> None:
    out = tmp_path / "企业.xlsx"
    assert jiebang("match", "--all", "--for", "企业", "--out", out).code == 0
    assert {row[5] for row in sheets_of(out)["匹配结果"][1:]} == {"QY-1", "QY-2"}
    assert jiebang("match", "--all", "--for", "成果", "--xlsx", out).code == 0
    outcome = jiebang("match", "--all", "--for", "场景", "--out", out)
    assert (outcome.code, "不能为应用场景找“场景”。" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("audience", "seen"),
    [("public", {"CJ-1", "CJ-3"}), ("partner", {"CJ-1", "CJ-3"}), ("staff", {"CJ-1", "CJ-2", "CJ-3"})],
)
def test_a_workbook_for_others_holds_nothing_they_may_not_see(
    jiebang: Command,
    indexed: Path,
    tmp_path: Path,
    sheets_of: Callable[[Path], Any],
    audience: Visibility,
    seen: set[str],
) -> None:
    out = tmp_path / "公开.xlsx"
    assert jiebang("match", "--all", "--audience", audience, "--out", out).code == 0
    rows = sheets_of(out)["匹配结果"][1:]
    assert {row[0] for row in rows} == seen
    text = str(rows)
    assert ("CG-3" in text, "CG-4" in text) == (audience != "public", audience == "staff")


@pytest.mark.parametrize(("audience", "seen"), [("public", False), ("partner", True), ("staff", True)])
def test_what_is_for_partners_is_in_no_reason_for_the_public(
    jiebang: Command, indexed: Path, audience: Visibility, seen: bool
) -> None:
    out = jiebang("match", "CJ-1", "--why", "--audience", audience).out
    assert ("意向价格 260 万元" in out, "成熟度 TRL8" in out) == (seen, True)


@pytest.mark.parametrize(("audience", "seen"), [("partner", False), ("staff", True)])
def test_who_is_for_staff_is_on_no_path_for_others(
    jiebang: Command, indexed: Path, audience: Visibility, seen: bool
) -> None:
    assert ("邱予安" in jiebang("match", "CJ-3", "--why", "--audience", audience).out) is seen


def test_what_one_column_hides_is_in_no_reason(
    jiebang: Command,
    indexed: Path,
    written: Callable[..., Path],
    tmp_path: Path,
    sheets_of: Callable[[Path], Any],
) -> None:
    table = "编号,名称,产业领域,所在区,建设单位,技术指标,成熟度要求,字段可见范围\nCJ-1,海岛无人机送药,低空经济,万山区,某,抗风等级≥7级,TRL6,技术指标=内部；成熟度要求=内部；产业领域=内部；所在区=内部\n"
    assert jiebang("import", written(table)).code == 0
    staff, public = (jiebang("match", "CJ-1", "--why", "--audience", who).out for who in ("staff", "public"))
    for secret in ("抗风等级≥7级", "TRL6", "同属低空经济", "万山区和"):
        assert (secret in staff, secret in public) == (True, False)
    for who, seen in (("staff", True), ("public", False)):
        out = tmp_path / f"{who}.xlsx"
        assert jiebang("match", "--all", "--audience", who, "--out", out).code == 0
        assert ("抗风等级≥7级" in str(sheets_of(out))) is seen


def test_formulas_in_titles_stay_texts_in_the_workbook(
    jiebang: Command, indexed: Path, tmp_path: Path, sheets_of: Callable[[Path], Any]
) -> None:
    titles = ["=1+1", "+2", "@SUM(A1)", "-3", '=HYPERLINK("http://x")', "http://x.cn"]
    with open_store(indexed / "store.db") as store:
        store.apply(
            [PutNode(node=Scene(id=f"CJ-9{n}", title=title)) for n, title in enumerate(titles)],
            actor="甲", at=datetime(2026, 1, 1, tzinfo=UTC), reason="",
        )  # fmt: skip
    out = tmp_path / "公式.xlsx"
    assert jiebang("match", "--all", "--out", out, "--top", "1").code == 0
    assert [row[1] for row in sheets_of(out)["匹配结果"] if str(row[0]).startswith("CJ-9")] == titles


def test_results_of_one_scene_go_into_a_workbook(
    jiebang: Command, indexed: Path, tmp_path: Path, sheets_of: Callable[[Path], Any]
) -> None:
    out = tmp_path / "一个.xlsx"
    assert jiebang("match", "CG-1", "--out", out).out == f"已写入 3 行到 {out}。\n"
    assert [row[5] for row in sheets_of(out)["匹配结果"][1:]] == expected(indexed, "achievement", "CG-1")


def test_show_gives_the_record_its_relations_and_its_history(jiebang: Command, world: Path) -> None:
    lines = jiebang("show", " CJ-1 ").out.splitlines()
    assert lines[0] == "【应用场景】海岛无人机送药（CJ-1）"
    assert "  技术指标：抗风等级≥7级；航程≥30km" in lines
    assert "  预算（万元）：200" in lines
    assert lines[-3:-1] == [
        "  关系：温礼舟 —服务→ 海岛无人机送药",
        "  关系：澜川海岛发展有限公司 —发布→ 海岛无人机送药",
    ]
    assert lines[-1].endswith(
        " 命令行 新增：导入 场景.csv、成果.csv、企业.csv、经纪人.csv、关系.csv（版本 1）"
    )


def test_show_of_an_unknown_id_is_refused(jiebang: Command, world: Path) -> None:
    outcome = jiebang("show", "CJ-\x1b[31m1")
    assert (outcome.code, outcome.out) == (1, "")
    assert (
        outcome.err
        == "错误：库中没有编号为“CJ-�[31m1”的记录。\n处理：请核对编号（注意大小写和全角、半角）。\n"
    )


@pytest.mark.parametrize(
    "arguments", [["match", "CJ-1"], ["match", "--all", "--out", "a.xlsx"], ["match", "--text", "送药"]]
)
def test_an_empty_store_gives_an_answer_and_no_failure(
    jiebang: Command, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert jiebang("init").code == 0
    outcome = jiebang(*arguments)
    assert (outcome.code, outcome.err.startswith("错误：库中没有编号为“CJ-1”")) in [(1, True), (0, False)]
    assert "CJ-1" in arguments or outcome.code == 0
