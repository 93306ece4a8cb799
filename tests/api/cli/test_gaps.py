"""The command gaps: on screen, as JSON, as a workbook, narrowed to a field or district."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


def test_gaps_are_shown_with_what_is_missing_and_how_many_were_left_out(
    jiebang: Command, indexed: Path
) -> None:
    outcome = jiebang("gaps")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith("3 个场景中有 1 个没有计入（已")
    assert lines[0].endswith("；以下只看其余 2 个开放场景。")
    assert lines[2].startswith("没有较强相关成果的场景 ")
    assert any(line.startswith("没有较强相关场景的成果 ") for line in lines)
    assert any(line.split()[:3] == ["产业领域", "开放场景", "已有匹配"] for line in lines)
    assert any(line.split()[:3] == ["所在区", "开放场景", "已有匹配"] for line in lines)
    assert all("CJ-2" not in line or "（只适合已过期的场景 CJ-2）" in line for line in lines)


def test_json_says_the_same_as_the_screen_and_is_narrowed_by_field_and_district(
    jiebang: Command, indexed: Path
) -> None:
    found = json.loads(jiebang("gaps", "--json").out)
    assert (found["level"], found["closed"]) == (3, 1)
    screen = jiebang("gaps").out
    assert all(one["id"] in screen for one in (*found["scenes"], *found["achievements"], *found["late"]))
    assert {b["name"] for b in found["by_field"]} == {"低空经济", "大健康", "海洋经济", "绿色新能源"}
    assert sum(b["scenes"] for b in found["by_district"]) == 2
    narrow = json.loads(jiebang("gaps", "--json", "--field", "海洋经济", "--district", "市外").out)
    assert [b["name"] for b in narrow["by_field"]] == ["海洋经济"]
    assert [b["name"] for b in narrow["by_district"]] == ["市外"]
    assert narrow["scenes"] == []
    assert {one["id"] for one in narrow["achievements"]} <= {"CG-3"}


def test_workbook_holds_five_sheets_of_texts_and_numbers(
    jiebang: Command,
    indexed: Path,
    tmp_path: Path,
    sheets_of: Callable[[Path], dict[str, list[list[object]]]],
) -> None:
    path = tmp_path / "缺口.xlsx"
    outcome = jiebang("gaps", "--out", path)
    found = json.loads(jiebang("gaps", "--json").out)
    scenes, achievements = found["scenes"], found["achievements"]
    assert outcome.out == f"已写入 {len(scenes)} 个缺口场景和 {len(achievements)} 项无场景成果到 {path}。\n"
    sheets = sheets_of(path)
    assert list(sheets) == ["缺口场景", "无场景成果", "只适合过期场景", "按领域", "按区"]
    assert [row[0] for row in sheets["只适合过期场景"][1:]] == [one["id"] for one in found["late"]]
    assert [row[0] for row in sheets["缺口场景"][1:]] == [one["id"] for one in scenes]
    assert [row[0] for row in sheets["无场景成果"][1:]] == [one["id"] for one in achievements]
    assert sheets["按领域"][0] == [
        "产业领域",
        "开放场景",
        "已有匹配",
        "缺口",
        "科技成果",
        "已有场景",
        "无场景",
    ]
    assert [row[0] for row in sheets["按领域"][1:]] == [b["name"] for b in found["by_field"]]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--json", "--out", "a.xlsx"], 2, "--json 和 --out 不能同时使用。"),
        (["--out", "a.csv"], 1, "不能写成“a.csv”这种格式。"),
        (["--out", "没有/a.xlsx"], 1, "文件夹“没有”不存在。"),
        (["--field", "炼金术"], 1, "炼金术"),
        (["--district", "火星区"], 1, "火星区"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(
    jiebang: Command, indexed: Path, arguments: list[str], code: int, message: str
) -> None:
    outcome = jiebang("gaps", *arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert message in outcome.err.splitlines()[0]
    assert outcome.err.splitlines()[1].startswith("处理：")


def test_home_without_records_has_no_gaps(jiebang: Command, home: Path) -> None:
    assert jiebang("init").code == 0
    outcome = jiebang("gaps")
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "没有较强相关成果的场景 0 个。")
