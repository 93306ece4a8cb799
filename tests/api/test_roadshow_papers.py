import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from api.roadshow_agenda import Profile, agenda, profiles, session_lines
from api.roadshow_calendar import write_meetings_calendar, write_programme_calendar
from api.roadshow_page import picture, write_page, write_picture
from api.roadshow_papers import (
    write_agenda_document,
    write_agenda_workbook,
    write_handbook,
    write_mark_sheets,
    write_schedule_document,
    write_schedule_workbook,
)
from graph.problems import Refused
from matcher.grading import Criterion, Rubric
from matcher.meetings import MeetingDay, Party, Wish
from matcher.meetings_solving import schedule
from matcher.timetable import Format, Judge, Pitch, Programme, Session, Span

_STAMP = datetime(2026, 11, 1, tzinfo=UTC)
_LONG = "抗七级风垂直起降固定翼无人机及其在海岛间物资运输中的应用示范与推广研究项目一期工程建设及其后续产业化应用（测试用长名称）"
_FORMULA = '=HYPERLINK("x")'


def at(hour: int, minute: int = 0, day: int = 5) -> datetime:
    return datetime(2026, 12, day, hour, minute)


PROGRAMME = Programme(
    title="低空经济<专场>",
    format=Format(pitch=8, questions=7, turnover=5),
    sessions=(
        Session(
            id="S1", title="上午/场", room="一号厅", span=Span(start=at(9), end=at(10, 30)), judges=("J1", "J2"),
            breaks=(Span(start=at(9, 40), end=at(9, 50)),),
        ),
        Session(id="S2", title="夜场", room="", span=Span(start=at(23, 40), end=at(1, day=6))),
        Session(id="S3", title="备用场", room="三号厅", span=Span(start=at(14), end=at(15))),
    ),
    pitches=(
        Pitch(id="A", title=_LONG, presenters=("张三",), institution="某大学，一院😀"),
        Pitch(id="B", title=_FORMULA, institution="+86"),
        Pitch(id="C", title="<script>alert(1)</script>\x07"),
    ),
    judges=(Judge(id="J1", name="王某", recused=("A",)), Judge(id="J2", name="李某")),
)  # fmt: skip
PLACES = {"A": ("S1", 1), "B": ("S1", 3), "C": ("S2", 2)}
RUBRIC = Rubric(
    criteria=(Criterion(name="技术", weight=Decimal(60)), Criterion(name="市场", weight=Decimal(40)))
)


def meeting_day() -> MeetingDay:
    starts = [at(14) + timedelta(minutes=10 * number) for number in range(2)]
    return MeetingDay(
        title="洽谈会",
        guests=(Party(id="G1", name=_FORMULA), Party(id="G2", name="企业乙"), Party(id="G3", name="企业丙")),
        teams=(Party(id="T1", name="团队<一>"), Party(id="T2", name="团队二")),
        wishes=(
            *(Wish(guest=g, team=t, by="guest", want="want") for g in ("G1", "G2") for t in ("T1", "T2")),
            Wish(guest="G3", team="T1", by="guest", want="want"),
            Wish(guest="G3", team="T1", by="team", want="no"),
        ),
        rounds=tuple(Span(start=one, end=one + timedelta(minutes=8)) for one in starts),
        tables=2,
    )  # fmt: skip


def cells(path: Path) -> dict[str, list[list[Any]]]:
    from openpyxl import load_workbook

    book = load_workbook(path)
    for sheet in book:
        for row in sheet.iter_rows():
            assert all(cell.data_type in ("s", "n") for cell in row), "a cell is a formula"
    return {
        sheet.title: [[cell for cell in row if cell is not None] for row in sheet.iter_rows(values_only=True)]
        for sheet in book
    }


def words(path: Path) -> tuple[list[str], list[list[list[str]]]]:
    from docx import Document

    document = Document(str(path))
    tables = [[[cell.text for cell in row.cells] for row in table.rows] for table in document.tables]
    return [paragraph.text for paragraph in document.paragraphs], tables


def test_an_agenda_tells_every_session_with_breaks_and_who_is_recused() -> None:
    told = [
        (session.id, [(line.what, line.judges) for line in lines])
        for session, lines in agenda(PROGRAMME, PLACES)
    ]
    assert told == [
        ("S1", [(_LONG, "王某回避"), ("茶歇", ""), (_FORMULA, "")]),
        ("S3", []),
        ("S2", [("<script>alert(1)</script>\x07", "")]),
    ]
    assert session_lines(PROGRAMME, PROGRAMME.sessions[1]) == [
        "时间：2026年12月5日 23:40–次日01:00", "地点：（待定）", "形式：路演 8 分钟、答辩 7 分钟、换场 5 分钟",
    ]  # fmt: skip


def test_agenda_workbook_has_a_sheet_a_session_and_no_formula(tmp_path: Path) -> None:
    write_agenda_workbook(tmp_path / "议程.xlsx", PROGRAMME, PLACES)
    found = cells(tmp_path / "议程.xlsx")
    assert list(found) == ["上午_场", "备用场", "夜场"]
    assert found["上午_场"][-3:] == [
        ["09:00–09:15", _LONG, "张三", "某大学，一院😀", "王某回避"],
        ["09:40–09:50", "茶歇"],
        ["09:50–10:05", _FORMULA, "+86"],
    ]


def test_agenda_document_says_that_it_is_a_draft(tmp_path: Path) -> None:
    write_agenda_document(tmp_path / "议程.docx", PROGRAMME, PLACES, draft=True)
    texts, tables = words(tmp_path / "议程.docx")
    assert texts[0] == "低空经济<专场>议程（草稿）"
    assert tables[0][1] == ["09:00–09:15", _LONG, "张三", "某大学，一院😀", "王某回避"]
    assert tables[2][1][1] == "<script>alert(1)</script>"


def test_mark_sheets_leave_out_what_a_judge_is_recused_from(tmp_path: Path) -> None:
    write_mark_sheets(tmp_path / "打分.xlsx", PROGRAMME, PLACES, RUBRIC)
    found = cells(tmp_path / "打分.xlsx")
    assert list(found) == ["王某（J1）", "李某（J2）", "填写说明"]
    assert [row[0] for row in found["王某（J1）"][5:]] == ["B"]
    assert [row[0] for row in found["李某（J2）"][5:]] == ["A", "B"]
    assert found["李某（J2）"][4] == ["编号", "项目", "单位", "技术（满分60）", "市场（满分40）", "合计", "离题（写明理由）", "意见"]  # fmt: skip


def test_a_handbook_has_a_page_a_pitch_and_nothing_that_is_blank(tmp_path: Path) -> None:
    blank: dict[str, Any] = {
        "owner": "", "inventors": [], "field": [], "maturity": "", "ip_status": "", "summary": "", "advantages": "",
        "indicators": "", "cooperation": [], "fits": [], "reason": "",
    }  # fmt: skip
    values = {
        "pitches": [
            {**blank, "id": "A", "title": _LONG, "owner": "某大学", "cooperation": ["技术许可"], "reason": "指标满足",
             "fits": [{"id": "S", "title": "送药", "level": 4, "fit": 0.81}, {"id": "R", "title": "巡检", "level": 3, "fit": 0.9}]},
            {**blank, "id": "B", "title": ""},
        ]
    }  # fmt: skip
    pages = profiles(values)
    assert pages == [
        Profile(
            id="A", title=_LONG, facts=(("完成单位", "某大学"), ("希望的合作", "技术许可")),
            fits=(("巡检", "较强相关（把握 90%）"), ("送药", "强相关（把握 81%）")), reason="指标满足",
        ),
        Profile(id="B", title="B"),
    ]  # fmt: skip
    assert profiles(values, ["B", "A"]) == pages[::-1]
    write_handbook(tmp_path / "手册.docx", "专场", pages)
    texts, tables = words(tmp_path / "手册.docx")
    assert texts[:3] == ["专场项目手册", f"1. {_LONG}", "适配的场景"]
    assert tables[0] == [["项目编号", "A"], ["完成单位", "某大学"], ["希望的合作", "技术许可"]]
    assert tables[2] == [["项目编号", "B"]]


def test_schedules_give_everybody_who_meets_a_page_and_list_the_rest(tmp_path: Path) -> None:
    day = meeting_day()
    meetings = schedule(day).meetings
    write_schedule_workbook(tmp_path / "洽谈.xlsx", day, meetings)
    found = cells(tmp_path / "洽谈.xlsx")
    assert list(found) == ["全部洽谈", "未排上", _FORMULA, "企业乙"]
    assert len(found["全部洽谈"]) == 3 + 4
    assert found["未排上"][-1] == ["企业丙", "团队<一>", "希望", "团队<一>写明不见"]
    write_schedule_document(tmp_path / "洽谈.docx", day, meetings, "team")
    texts, tables = words(tmp_path / "洽谈.docx")
    assert texts[0] == "洽谈会洽谈日程"
    assert [text for text in texts if "团队" in text] == ["团队<一>", "团队二"]
    assert all(len(rows) == 3 for rows in tables)


def test_the_page_escapes_every_text_and_asks_nobody(tmp_path: Path) -> None:
    day = meeting_day()
    write_page(tmp_path / "页.html", PROGRAMME, PLACES, day, schedule(day).meetings, draft=True)
    text = (tmp_path / "页.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "低空经济&lt;专场&gt;" in text
    assert not re.findall(r"(?:src|href)\s*=|url\(|@import", text)
    assert "@media print" in text
    assert "草稿" in text


def test_the_picture_is_well_formed_and_shows_every_pitch(tmp_path: Path) -> None:
    write_picture(tmp_path / "图.svg", PROGRAMME, PLACES)
    root = ElementTree.fromstring((tmp_path / "图.svg").read_text(encoding="utf-8"))
    titles = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 4
    assert any(_FORMULA in title for title in titles)
    assert picture(PROGRAMME, {}) == ""


def test_picture_puts_what_comes_hours_later_below_and_leaves_the_pause_out() -> None:
    root = ElementTree.fromstring(picture(PROGRAMME, {**PLACES, "C": ("S3", 1)}))
    height = float(root.attrib["viewBox"].split()[-1])
    assert height < 450  # 09:00 to 14:15 in one column would be 820
    assert {node.attrib["x"] for node in root.iter("{http://www.w3.org/2000/svg}rect")} == {"62"}


def test_calendars_keep_their_uids_when_something_moves(tmp_path: Path) -> None:
    from icalendar import Calendar

    def entries(places: dict[str, tuple[str, int]], version: int) -> dict[str, Any]:
        write_programme_calendar(tmp_path / "a.ics", "LY-1", PROGRAMME, places, stamp=_STAMP, version=version)
        calendar = Calendar.from_ical((tmp_path / "a.ics").read_bytes())
        assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Asia/Shanghai"]
        return {str(event["UID"]): event for event in calendar.walk("VEVENT")}

    first, second = entries(PLACES, 1), entries({**PLACES, "A": ("S1", 4)}, 2)
    assert set(first) == set(second)
    moved = [uid for uid in first if first[uid]["DTSTART"].dt != second[uid]["DTSTART"].dt]
    assert len(moved) == 1
    assert (int(second[moved[0]]["SEQUENCE"]), str(second[moved[0]]["SUMMARY"])) == (2, _LONG)
    assert str(first[moved[0]]["DTSTART"].dt) == "2026-12-05 09:00:00+08:00"


def test_lines_of_a_calendar_are_folded_below_75_bytes(tmp_path: Path) -> None:
    from icalendar import Calendar

    day = meeting_day()
    meetings = schedule(day).meetings
    write_meetings_calendar(tmp_path / "m.ics", "LY-1", day, meetings, ("team", "T1"), stamp=_STAMP)
    data = (tmp_path / "m.ics").read_bytes()
    assert max(map(len, data.split(b"\r\n"))) <= 75
    assert {str(event["SUMMARY"]) for event in Calendar.from_ical(data).walk("VEVENT")} == {
        f"洽谈：{_FORMULA}",
        "洽谈：企业乙",
    }


@pytest.mark.parametrize("name", ["议程.txt", "没有/议程.docx"])
def test_a_paper_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused):
        write_agenda_document(tmp_path / name, PROGRAMME, PLACES)
