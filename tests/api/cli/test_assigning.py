"""The command assign: on screen, as JSON, as a workbook, beside an older plan, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from matcher.assignment_plan import plan_from_json

Command = Callable[..., Any]
# The little world scores low with its tiny encoder.
LOOSE = ("--min-fit", "无相关")


def pairs(outcome: Any) -> list[tuple[str, str]]:
    return [(pair["scene"], pair["achievement"]) for pair in json.loads(outcome.out)["pairs"]]


def test_open_scenes_get_an_achievement_each_and_are_shown_with_reasons(
    jiebang: Command, indexed: Path
) -> None:
    outcome = jiebang("assign", *LOOSE)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "有 1 个场景已过截止日期或已落地，没有计入。"
    assert lines[1].startswith("2 个场景得到成果，共 2 对，预计其中 ")
    assert lines[1].endswith("没有场景落空。已证明没有合计更好的方案。")
    assert lines[3].split() == ["场景", "名称", "成果", "名称", "等级", "把握", "理由"]
    rows = [line.split() for line in lines[4:6]]
    assert [(row[0], row[2]) for row in rows] == [("CJ-1", "CG-1"), ("CJ-3", "CG-3")]
    assert all("%" in line and len(line.split()) >= 7 for line in lines[4:6])


def test_who_is_left_out_is_told_why(jiebang: Command, indexed: Path) -> None:
    high = jiebang("assign", "--min-fit", "9999")
    assert "0 个场景得到成果，共 0 对" in high.out
    assert "没有排上的场景 2 个：" in high.out
    assert "没有达到最低要求的成果，最好的是 CG-" in high.out
    taken = jiebang("assign", *LOOSE, "--achievement", "cg-1")
    assert "够格的 1 项成果都排不上：CG-1 已给 CJ-1" in taken.out


def test_json_is_a_plan_that_can_be_read_again_and_compared(
    jiebang: Command, indexed: Path, tmp_path: Path
) -> None:
    told = jiebang("assign", *LOOSE, "--json")
    plan = plan_from_json(told.out)
    assert (plan.rule, plan.optimal, plan.left) == ("best", True, ())
    kept = tmp_path / "旧方案.json"
    assert jiebang("assign", *LOOSE, "--scene", "ＣＪ-1", "--out", kept).code == 0
    assert [pair.scene for pair in plan_from_json(kept.read_text("utf-8")).pairs] == ["CJ-1"]
    screen = jiebang("assign", *LOOSE, "--against", kept).out
    assert "与旧方案相比：新增 1 对，取消 0 对，保留 1 对" in screen
    assert "  新增 CJ-3—CG-3（把握 " in screen
    told = json.loads(jiebang("assign", *LOOSE, "--against", kept, "--json").out)
    assert [pair["achievement"] for pair in told["difference"]["added"]] == ["CG-3"]
    kept.write_bytes(kept.read_text("utf-8").encode("utf-16"))  # as PowerShell writes
    assert "保留 1 对" in jiebang("assign", *LOOSE, "--against", kept).out
    written = jiebang("assign", *LOOSE, "--against", kept, "--out", tmp_path / "新方案.xlsx").out
    assert "与旧方案相比：新增 1 对，取消 0 对，保留 1 对" in written


def test_workbook_has_pairs_with_reasons_scenes_left_out_and_the_rules(
    jiebang: Command, indexed: Path, tmp_path: Path, sheets_of: Callable[[Path], dict[str, list[list[object]]]],
    written: Callable[..., Path],
) -> None:  # fmt: skip
    rules = written("规则,场景编号,成果编号,最少,最多\n必须,CJ-3,CG-4,,\n数量,CJ-1,,,0\n", "规则.csv")
    old, path = tmp_path / "旧.json", tmp_path / "方案.xlsx"
    assert jiebang("assign", *LOOSE, "--out", old).code == 0
    outcome = jiebang("assign", *LOOSE, "--rules", rules, "--against", old, "--out", path)
    assert outcome.out.splitlines()[-1] == f"已写入 {path}。"
    sheets = sheets_of(path)
    assert list(sheets) == ["对接方案", "没有排上", "采用的规则", "与旧方案相比"]
    (row,) = [dict(zip(sheets["对接方案"][0], line, strict=True)) for line in sheets["对接方案"][1:]]
    assert (row["场景编号"], row["成果编号"], row["指定"], row["建设单位"]) == ("CJ-3", "CG-4", "必须", "")
    assert isinstance(row["把握"], float)
    assert row["理由"]
    assert sheets["没有排上"][1] == ["CJ-1", "海岛无人机送药", "澜川海岛发展有限公司", "规则中它的最多数为 0"]
    used = [tuple(line) for line in sheets["采用的规则"][1:]]
    assert {("必须", "CJ-3—CG-4"), ("数量", "CJ-1：0 至 0 项成果"), ("规则表", "规则.csv")} <= set(used)
    assert [line[:3] for line in sheets["与旧方案相比"][1:]] == [
        ["新增", "CJ-3", "CG-4"], ["取消", "CJ-1", "CG-1"], ["取消", "CJ-3", "CG-3"],
    ]  # fmt: skip


def test_limits_of_districts_fields_and_numbers_are_kept(jiebang: Command, indexed: Path) -> None:
    every = ("--scene-capacity", "4", "--achievement-capacity", "2", "--json")
    assert len(pairs(jiebang("assign", *LOOSE, *every))) == 8
    apart = pairs(jiebang("assign", *LOOSE, *every, "--per-district", "1", "--per-field", "1"))
    assert len(apart) == 4
    assert sorted(achievement for _, achievement in apart) == ["CG-1", "CG-2", "CG-3", "CG-4"]
    assert len(pairs(jiebang("assign", *LOOSE, "--rule", "稳定", "--json"))) == 2
    assert "这是唯一的稳定方案" in jiebang("assign", *LOOSE, "--rule", "stable").out
    assert jiebang("assign", *LOOSE, "--fair").code == 0


def test_rules_that_contradict_each_other_are_named_and_nothing_is_written(
    jiebang: Command, indexed: Path, tmp_path: Path, written: Callable[..., Path]
) -> None:
    rules = written("规则,场景编号,成果编号,最少,最多\n数量,CJ-1,,3,\n数量,CJ-3,,2,\n")
    out = tmp_path / "方案.xlsx"
    outcome = jiebang("assign", *LOOSE, "--rules", rules, "--out", out)
    assert (outcome.code, outcome.out, out.exists()) == (1, "", False)
    assert "错误：这几条不能同时做到：场景 CJ-3 至少要 2 项成果；场景 CJ-1 至少要 3 项成果；" in outcome.err
    assert "处理：任选一项：" in outcome.err
    barred = jiebang("assign", "--rule", "stable", "--fair")
    assert (barred.code, barred.err.splitlines()[1]) == (1, "处理：请去掉这些要求，或改用 --rule best。")


def test_template_is_written_and_is_read_as_no_rule(jiebang: Command, indexed: Path, tmp_path: Path) -> None:
    path = tmp_path / "规则.xlsx"
    assert jiebang("assign", "--template", path).out.startswith(f"规则表模板：{path}。")
    with_it, without = (jiebang("assign", *LOOSE, *more, "--json") for more in (("--rules", path), ()))
    assert pairs(with_it) == pairs(without)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--json", "--out", "a.xlsx"], 2, "--json 和 --out 不能同时使用。"),
        (["--rule", "随便"], 2, "--rule 不认识“随便”。"),
        (["--min-fit", "很强"], 2, "--min-fit 不认识“很强”。"),
        (["--min-fit", "nan"], 2, "--min-fit 不认识“nan”。"),
        (["--out", "a.csv"], 1, "不能写成“a.csv”这种格式。"),
        (["--scene", "CJ-99"], 1, "库中没有编号为“CJ-99”的场景。"),
        (["--achievement", "CJ-1"], 1, "库中没有编号为“CJ-1”的成果。"),
        (["--rules", "没有.xlsx"], 1, "找不到文件“没有.xlsx”。"),
        (["--against", "没有.json"], 1, "找不到文件“没有.json”。"),
        (["--template", "规则.csv"], 1, "不能写成“规则.csv”这种格式。"),
    ],
)
def test_what_cannot_be_done_is_refused(
    jiebang: Command, indexed: Path, arguments: list[str], code: int, message: str
) -> None:
    outcome = jiebang("assign", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err.splitlines()[0]
    assert outcome.err.splitlines()[1].startswith("处理：")


def test_home_without_records_has_nothing_to_assign(jiebang: Command, home: Path) -> None:
    assert jiebang("init").code == 0
    assert jiebang("assign").out.startswith("0 个场景得到成果，共 0 对")
