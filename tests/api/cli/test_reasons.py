"""Reasons as people read them: the breakdown of a pair, two achievements on a page, and what others may not see."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def priced(jiebang: Command, indexed: Path, written: Callable[..., Path]) -> Path:
    """The world with a school that owns an achievement, one that rules out what is asked, and a bare title."""
    offers = (
        "编号,名称,成果简介,技术指标,成熟度,知识产权状态,合作方式,意向价格（万元）,可见范围\n"
        "CG-7,抗风无人机,向海岛投送药品，海上阵风不宜飞行。,航程20km,TRL4,已受理,许可,260,公开\n"
        "CG-8,海岛送药无人机,,,,,,,公开\n"
        "CG-9,海岛药品投送无人机,向海岛投送药品，抗风能力强,抗风等级8级；航程60km,TRL8,已授权,许可,300,公开\n"
    )
    schools = "编号,名称,机构类型\nJG-7,云山大学,高校\n"
    edges = "起点类型,起点编号,关系,终点类型,终点编号,说明\n高校院所,JG-7,拥有,成果,CG-9,\n"
    assert jiebang("import", written(offers, "成果.csv"), "--kind", "成果").code == 0
    assert jiebang("import", written(schools, "院所.csv"), written(edges, "关系.csv")).code == 0
    return indexed


def _answer(jiebang: Command, id: str, **options: str) -> dict[str, Any]:
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    found = json.loads(jiebang("match", "CJ-1", "--json", "--top", "9", *arguments).out)["matches"]
    return next(match for match in found if match["id"] == id)


def _told(out: str, id: str) -> list[str]:
    """The lines of one achievement's breakdown."""
    blocks = out.split("\n\n")
    return next(block.splitlines() for block in blocks if f"（{id}） " in block.splitlines()[0])


def test_screen_and_json_tell_the_same_reasons(jiebang: Command, priced: Path) -> None:
    out = jiebang("match", "CJ-1", "--why", "--top", "9").out
    for id in ("CG-7", "CG-8", "CG-9"):
        lines, answer = _told(out, id), _answer(jiebang, id)
        lifts = [line for line in lines if line.startswith("  可改进：")]
        assert len(lifts) == len(answer["lifts"])
        assert all(lift["change"] in line for lift, line in zip(answer["lifts"], lifts, strict=True))
        advice = [line for line in lines if line.startswith("  政策：")]
        assert len(advice) == len(answer["advice"])
        assert all(
            f"政策：{a['instrument']}（第{a['measure']}条）：" in line and a["quote"][:20] not in line
            for a, line in zip(answer["advice"], advice, strict=True)
        )
        needs = "\n".join(line for line in lines if line.startswith("  需求："))
        assert all(e["text"] in needs for e in answer["elements"] if e["kind"] != "indicator")


def test_breakdown_says_what_would_lift_and_what_rules_out(jiebang: Command, priced: Path) -> None:
    lines = _told(jiebang("match", "CJ-1", "--why", "--top", "9").out, "CG-7")
    assert "  注意：成果写明“海上阵风不宜飞行”" in lines
    assert any(line.startswith("  可改进：若成熟度由 TRL4 提到 TRL6，得分 +4.0，") for line in lines)
    assert any(line.startswith("  可改进：若意向价格降到预算 200 万元以内，得分 +") for line in lines)


def test_a_bare_title_is_said_not_to_be_judged(jiebang: Command, priced: Path) -> None:
    lines = _told(jiebang("match", "CJ-1", "--why", "--top", "9").out, "CG-8")
    assert any(line.startswith("  注意：成果只有题目：") for line in lines)
    assert "  需求：指标 2 项，成果没有可比的数值" in lines


def test_policy_names_fields_and_what_is_to_be_verified(jiebang: Command, priced: Path) -> None:
    (advice,) = [a for a in _answer(jiebang, "CG-9")["advice"] if a["instrument"] == "先用后转"]
    assert advice["because"][0] == "完成单位类别为高校"
    assert advice["unknown"] == ["建设单位规模"]
    assert advice["verify"]


@pytest.fixture
def unpriced(jiebang: Command, priced: Path, written: Callable[..., Path], tmp_path: Path) -> Path:
    """The world of ``priced`` in another home, where nobody has ever said a price."""
    home = tmp_path / "无价"
    shutil.copytree(priced, home)
    table = "编号,意向价格（万元）\n" + "".join(f"CG-{n},\n" for n in (1, 2, 3, 7, 9))
    assert jiebang("--home", home, "import", written(table, "成果.csv"), "--kind", "成果").code == 0
    assert "意向价格" in jiebang("show", "CG-9").out
    assert "意向价格" not in jiebang("--home", home, "show", "CG-9").out
    return home


@pytest.mark.parametrize(("audience", "seen"), [("public", False), ("partner", True)])
def test_a_price_is_told_to_whoever_may_see_its_column(
    jiebang: Command, priced: Path, audience: str, seen: bool
) -> None:
    answer = _answer(jiebang, "CG-9", audience=audience)
    (part,) = [part for part in answer["parts"] if part["label"] == "价格与预算"]
    assert ("300" in part["note"], part["value"] is not None, part["points"] != 0) == (seen, seen, seen)
    assert sum(part["points"] for part in answer["parts"]) == pytest.approx(answer["score"])
    told = "意向价格降到预算 200 万元以内" if seen else "写明意向价格且在预算 200 万元以内"
    assert told in {lift["change"] for lift in answer["lifts"]}


def test_a_hidden_price_can_be_worked_out_from_nothing(
    jiebang: Command,
    priced: Path,
    unpriced: Path,
    tmp_path: Path,
    sheets_of: Callable[[Path], dict[str, list[list[object]]]],
) -> None:
    """Screen, JSON, workbook and the page of two are those of a home in which no price was ever said."""
    for arguments in (
        ["match", "CJ-1", "--why", "--top", "9"],
        ["match", "CJ-1", "--json"],
        ["match", "CG-9", "--json"],
        ["compare", "CJ-1", "CG-7", "CG-9"],
    ):
        public = jiebang(*arguments, "--audience", "public")
        assert public == jiebang("--home", unpriced, *arguments, "--audience", "public")
        assert public.out != jiebang(*arguments).out
    one, other, staff = (tmp_path / f"{name}.xlsx" for name in ("公开", "无价", "内部"))
    for out, more in (
        (one, ["--audience", "public"]),
        (other, ["--audience", "public"]),
        (staff, ["--audience", "staff"]),
    ):
        home = unpriced if out == other else priced
        assert jiebang("--home", home, "match", "--all", "--out", out, *more).code == 0
    assert sheets_of(one) == sheets_of(other)
    assert "价格与预算" in sheets_of(staff)["分项得分"][0]
    assert "价格与预算" not in sheets_of(one)["分项得分"][0]


def test_compare_puts_two_achievements_on_one_page(jiebang: Command, priced: Path) -> None:
    outcome = jiebang("compare", "cj-1", "CG-7", "CG-9")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "场景：海岛无人机送药（CJ-1）"
    assert lines[1].startswith("甲：海岛药品投送无人机（CG-9） ")
    assert lines[2].startswith("乙：抗风无人机（CG-7） ")
    assert lines[3].startswith("结论：甲比“抗风无人机”高 ")
    assert "它满足而后者没有满足的指标：“抗风等级≥7级”（未说明）" in lines[3]
    rows = [line.split() for line in lines if line.startswith("  ") and line[-1:].isdigit()]
    *parts, total = [[float(x) for x in row[1:]] for row in rows if len(row) == 4]
    assert rows[len(parts)][0] == "合计"
    for column in range(3):
        assert sum(row[column] for row in parts) == pytest.approx(total[column], abs=0.05 * len(parts))
    assert "乙 注意：成果写明“海上阵风不宜飞行”" in lines
    assert len(lines) < 70
    assert jiebang("compare", "CJ-1", "CG-9", "CG-7").out == outcome.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["CJ-99", "CG-1", "CG-2"], 1, "库中没有编号为“CJ-99”的应用场景。"),
        (["CJ-1", "CG-1", "CG-99"], 1, "库中没有编号为“CG-99”的科技成果。"),
        (["CG-1", "CG-1", "CG-2"], 1, "库中没有编号为“CG-1”的应用场景。"),
        (["CJ-1", "CG-1", "CG-1"], 2, "两项成果是同一项。"),
        (["CJ-1", "CG-1", "CG-4", "--audience", "public"], 1,
         "库中没有编号为“CG-4”的科技成果，或它不在这次的可见范围（--audience）之内。"),
        (["CJ-1", "CG-1", "CG-2", "--audience", "all"], 1, "不认识的可见范围“all”"),
    ],
)  # fmt: skip
def test_compare_refuses_what_it_cannot_compare(
    jiebang: Command, indexed: Path, arguments: list[str], code: int, message: str
) -> None:
    outcome = jiebang("compare", *arguments)
    assert (outcome.code, outcome.out, message in outcome.err) == (code, "", True)
    assert "\n处理：" in outcome.err
