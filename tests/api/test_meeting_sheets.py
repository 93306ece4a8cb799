from pathlib import Path
from typing import Any

import pytest

from api.meeting_sheets import read_wishes, write_wish_template
from matcher.meetings import Party, Wish


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    from openpyxl import Workbook

    made = Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def test_the_empty_template_reads_as_nothing_and_filled_in_as_what_is_in_it(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    path = tmp_path / "意愿.xlsx"
    write_wish_template(path)
    assert read_wishes(path) == (((), (), ()), [])
    made = load_workbook(path)
    made["嘉宾"].append(["JB-1", "企业甲,乙😀", "1-3、6", 2])
    made["嘉宾"].append(["", "企业丙", "", ""])
    made["团队"].append(["CG-1", "团队一", "", ""])
    made["意愿"].append(["企业甲,乙😀", "CG-1", "", "必须"])
    made["意愿"].append(["企业丙", "团队一", "团队", "不见"])
    made["意愿"].append(["企业丙", "新团队", "嘉宾", ""])
    made.save(path)
    (guests, teams, wishes), problems = read_wishes(path)
    assert problems == []
    assert guests == (
        Party(id="JB-1", name="企业甲,乙😀", free=(1, 2, 3, 6), most=2),
        Party(id="企业丙", name="企业丙"),
    )
    assert teams == (Party(id="CG-1", name="团队一"), Party(id="新团队", name="新团队"))
    assert wishes == (
        Wish(guest="JB-1", team="CG-1", by="guest", want="must"),
        Wish(guest="企业丙", team="CG-1", by="team", want="no"),
        Wish(guest="企业丙", team="新团队", by="guest", want="want"),
    )


def test_a_second_sheet_adds_and_replaces(tmp_path: Path) -> None:
    known = ((Party(id="甲", name="甲"),), (), (Wish(guest="甲", team="一", by="guest", want="want"),))
    path = book(
        tmp_path / "a.xlsx", 意愿=[["嘉宾", "团队", "意愿"], ["甲", "一", "不见"], ["乙", "一", "希望"]]
    )
    (guests, teams, wishes), problems = read_wishes(path, known)
    assert problems == []
    assert [one.id for one in guests] == ["甲", "乙"]
    assert [one.id for one in teams] == ["一"]
    assert [(one.guest, one.want) for one in wishes] == [("甲", "no"), ("乙", "want")]


@pytest.mark.parametrize(
    ("sheet", "rows", "code", "row"),
    [
        ("嘉宾", [["名称", "有空轮次"], ["甲", "上午"]], "rounds_unreadable", 2),
        ("嘉宾", [["名称", "有空轮次"], ["甲", "5-2"]], "rounds_unreadable", 2),
        ("团队", [["名称", "至多场数"], ["甲", "很多"]], "most_unreadable", 2),
        ("团队", [["编号", "名称"], ["1", "甲"], ["2", "甲"]], "name_twice", 3),
        ("意愿", [["嘉宾", "团队", "意愿"], ["甲", "", "希望"]], "wish_blank", 2),
        ("意愿", [["嘉宾", "团队", "意愿"], ["甲", "乙", "随便"]], "want_unknown", 2),
        ("意愿", [["嘉宾", "团队", "提出方"], ["甲", "乙", "市里"]], "side_unknown", 2),
        ("别的", [["日期", "地点"], ["甲", "乙"]], "column_missing", None),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, sheet: str, rows: list[list[Any]], code: str, row: int | None
) -> None:
    _, problems = read_wishes(book(tmp_path / "a.xlsx", **{sheet: rows}))
    assert [(problem.code, problem.sheet, problem.row) for problem in problems] == [(code, sheet, row)]
    assert problems[0].remedy
