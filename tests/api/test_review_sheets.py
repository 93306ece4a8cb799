"""Declarations and marks as offices hand them in."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.review_papers import write_declaration_form, write_mark_sheets
from api.review_sheets import read_declared, read_marks
from graph.kinds import Expert
from graph.processes import opened
from matcher.review_processes import REVIEW_RULES, Declaration, Mark, Review

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
REVIEW = opened(
    Review, REVIEW_RULES, id="RW-1", at=NOON, task="海岛投送", entries={"B-1": "云岬航空", "B-2": "澜川装备"},
    experts={"Z1": "甄一帆", "Z2": "贺二川"}, readers={"B-1": ("Z1", "Z2"), "B-2": ("Z1",)},
    full_marks=(("技术方案", "60"), ("团队", "40")),
)  # fmt: skip


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as a csv file."""

    def write(*rows: str, name: str = "表.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(rows), encoding="utf-8")
        return path

    return write


def told(problems: object) -> list[tuple[str, int | None, str]]:
    return [(one.code, one.row, one.message) for one in problems]  # type: ignore[attr-defined]


def test_read_declared_takes_what_experts_declare_and_tells_whom_it_does_not_know(
    sheet: Callable[..., Path],
) -> None:
    people = {"Z1": "甄一帆", "Z2": "贺二川", "Z3": "贺二川"}
    path = sheet("专家,回避,顾问单位,单位核实人", "甄一帆,甲公司、B-2,乙公司,程某", "贺二川,,,", "路人,,,")
    found, problems = read_declared(path, people)
    assert found == [
        Declaration(expert="Z1", avoids=("甲公司", "B-2"), advises=("乙公司",), verified_by="程某")
    ]
    assert told(problems) == [
        ("expert_unknown", 3, "“贺二川”：有几位同名的专家"),
        ("expert_unknown", 4, "“路人”：库中没有这位专家"),
    ]


def test_mark_sheets_come_back_as_they_were_filled_in(tmp_path: Path) -> None:
    import openpyxl

    path = tmp_path / "评分表.xlsx"
    write_mark_sheets(path, REVIEW)
    assert read_marks(path, REVIEW) == ([], [])
    book = openpyxl.load_workbook(path)
    first, second = book.worksheets[:2]
    assert [cell.value for cell in first[4]] == [
        "投标编号",
        "投标单位",
        "技术方案（满分60）",
        "团队（满分40）",
        "合计",
        "意见",
    ]
    for row, values in ((5, ("５５．５", "30分", 85.5, "扎实")), (6, (0, 40, None, None))):
        for column, value in enumerate(values, start=3):
            first.cell(row, column).value = value
    second.cell(5, 3).value, second.cell(5, 4).value = 41, 20
    second.title = "Sheet9"  # the line above the header still says whose it is
    book.save(path)
    assert read_marks(path, REVIEW) == (
        [
            Mark(expert="Z1", entry="B-1", marks={"技术方案": "55.5", "团队": "30"}, remark="扎实"),
            Mark(expert="Z1", entry="B-2", marks={"技术方案": "0", "团队": "40"}),
            Mark(expert="Z2", entry="B-1", marks={"技术方案": "41", "团队": "20"}),
        ],
        [],
    )


def test_read_marks_tells_what_it_cannot_use(sheet: Callable[..., Path]) -> None:
    path = sheet(
        "标书编号,专家,技术方案(60分),团队,总分",
        "B-1,甄一帆,五十,40,",
        "B-1,Z2,50,40,91",
        "B-9,甄一帆,50,40,90",
        "B-2,路人,50,40,90",
        "平均,,50,40,90",
    )
    _, problems = read_marks(path, REVIEW)
    assert told(problems) == [
        ("mark_unreadable", 2, "“五十”不是分数"),
        ("mark_total", 3, "合计写的是 91，各项相加是 90"),
        ("bid_unknown", 4, "没有标书“B-9”"),
        ("expert_unknown", 5, "看不出是哪位专家的评分：路人"),
    ]
    nobody = sheet("标书编号,技术方案,团队", "B-1,50,40")
    assert told(read_marks(nobody, REVIEW)[1]) == [
        ("expert_unknown", 2, "看不出是哪位专家的评分：（没有写）")
    ]
    marks, problems = read_marks(nobody, REVIEW, "贺二川")
    assert (marks, problems) == ([Mark(expert="Z2", entry="B-1", marks={"技术方案": "50", "团队": "40"})], [])


def test_marks_name_a_bid_by_its_bidder_where_the_sheet_has_no_id(sheet: Callable[..., Path]) -> None:
    path = sheet(
        "序号,投标单位,专家,技术方案,团队,总分",
        "1,云岬航空,甄一帆,50,40,90",
        "2,旷羽动力,甄一帆,50,40,90",
        "合计,,,100,80,180",
        "3,澜川装备,甄一帆,,,",
    )
    marks, problems = read_marks(path, REVIEW)
    assert marks == [Mark(expert="Z1", entry="B-1", marks={"技术方案": "50", "团队": "40"})]
    assert told(problems) == [("bid_unknown", 3, "没有标书“旷羽动力”")]


def test_an_expert_alone_gets_a_file_without_the_others(tmp_path: Path) -> None:
    import openpyxl

    path = tmp_path / "评分表.xlsx"
    write_mark_sheets(path, REVIEW, expert="Z2")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["贺二川（Z2）", "填写说明"]
    rows = [[cell for cell in row if cell] for row in book.worksheets[0].iter_rows(values_only=True)]
    assert rows[0] == ["评分表：海岛投送（RW-1）"]
    assert [row[:2] for row in rows[4:5]] == [["B-1", "云岬航空"]]
    assert rows[-1][0].startswith("专家签字")


def test_the_form_of_declarations_reads_back_with_what_was_declared(tmp_path: Path) -> None:
    import openpyxl

    path = tmp_path / "专家申报表.xlsx"
    experts = [Expert(id="Z1", title="甄一帆", organisation="=某大学"), Expert(id="Z2", title="贺二川")]
    write_declaration_form(path, experts)
    names = {one.id: one.title for one in experts}
    assert read_declared(path, names) == ([Declaration(expert="Z1"), Declaration(expert="Z2")], [])
    book = openpyxl.load_workbook(path)
    sheet = book["专家申报"]
    assert [cell.data_type for cell in sheet[2][:3]] == ["s"] * 3
    sheet["D2"], sheet["E3"], sheet["G3"] = "甲公司、B-2", "乙公司", "程某"
    book.save(path)
    assert read_declared(path, names)[0] == [
        Declaration(expert="Z1", avoids=("甲公司", "B-2")),
        Declaration(expert="Z2", advises=("乙公司",), verified_by="程某"),
    ]
