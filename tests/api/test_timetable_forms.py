from datetime import date, datetime
from typing import Any

import pytest

from api import timetable_forms as read
from graph.problems import Refused
from matcher.timetable import Format, Judge, Pitch, Programme, Session, Span

DAY = date(2026, 12, 5)


def span(start: str, end: str) -> Span:
    return Span(start=datetime.fromisoformat(start), end=datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("09:00-11:30", "2026-12-05T09:00", "2026-12-05T11:30"),
        ("9:00－11:30", "2026-12-05T09:00", "2026-12-05T11:30"),
        ("2026-12-6 09:00至11:30", "2026-12-06T09:00", "2026-12-06T11:30"),
        ("22:00-次日01:00", "2026-12-05T22:00", "2026-12-06T01:00"),
        ("2026-12-05 22:00-2026-12-06 01:00", "2026-12-05T22:00", "2026-12-06T01:00"),
    ],
)
def test_spans_are_read_as_people_write_them(text: str, start: str, end: str) -> None:
    assert read.span_of(text, DAY) == span(start, end)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: read.span_of("上午", DAY), "time_unreadable"),
        (lambda: read.span_of("25:00-26:00", DAY), "time_unreadable"),
        (lambda: read.span_of("09:00-11:00", None), "time_unreadable"),
        (lambda: read.span_of("2026-02-30 09:00-11:00", None), "time_unreadable"),
        (lambda: read.span_of("22:00-01:00", DAY), "time_order"),
        (lambda: read.format_of("8分钟"), "slot_unreadable"),
        (lambda: read.format_of("8+7+2+1"), "slot_unreadable"),
        (lambda: read.format_of("0+7"), "slot_parts"),
        (lambda: read.levels_of({"同一单位不相邻": "很严"}), "roadshow_setting"),
        (lambda: read.levels_of({"没有的规则": "禁止"}), "roadshow_setting"),
        (lambda: read.place_of("上午场"), "slot_unknown"),
    ],
)
def test_what_cannot_be_read_is_refused_with_how_to_write_it(make: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        make()
    assert refused.value.code == code
    assert refused.value.remedy


def test_lines_become_sessions_formats_levels_places_and_bookings() -> None:
    assert read.session_of("上午场", "09:00-11:30@一号厅", DAY) == Session(
        id="上午场", title="上午场", room="一号厅", span=span("2026-12-05T09:00", "2026-12-05T11:30")
    )
    assert read.format_of("8＋7+2") == Format(pitch=8, questions=7, turnover=2)
    assert read.levels_of({"同一单位不相邻": "禁止", "room": "提示"}) == {
        "institution_apart": "forbid",
        "room": "hint",
    }
    assert read.place_of("上午场#3") == read.place_of("上午场3") == ("上午场", 3)
    assert read.booking_of("一号厅", "10:00-11:00 年会", DAY).event == "年会"
    assert read.spans_of("无", DAY) == ()
    assert len(read.spans_of("09:00-10:00、11:00-12:00", DAY)) == 2


def test_what_is_said_of_judges_and_pitches_is_put_in_and_strangers_are_named() -> None:
    one = Programme(
        title="", format=Format(pitch=8), pitches=(Pitch(id="A", title="甲", presenters=("旧",)),),
        sessions=(read.session_of("上午场", "09:00-11:30@一号厅", DAY),),
    )  # fmt: skip
    one = read.with_judges(one, {"上午场": "王某、李某"})
    assert one.sessions[0].judges == ("王某", "李某")
    one = read.of_judges(one, conflicts={"王某": "A、某大学"}, recused={"王某": "A"}, free={"李某": ()})
    assert one.judges == (
        Judge(id="王某", name="王某", conflicts=("A", "某大学"), recused=("A",)),
        Judge(id="李某", name="李某", free=()),
    )
    told = read.of_pitches(one, presenters={"A": "张三"}, sessions={}, free={})
    assert told.pitches == (Pitch(id="A", title="甲", presenters=("张三",)),)
    with pytest.raises(Refused, match="没有评委“赵某”"):
        read.of_judges(one, conflicts={"赵某": "A"}, recused={}, free={})
    with pytest.raises(Refused, match="台上没有“B”"):
        read.of_pitches(one, presenters={}, sessions={}, free={"B": ()})


def test_break_after_midnight_is_on_the_next_day_and_one_outside_is_refused() -> None:
    night = read.session_of("夜场", "23:00-次日01:00@一号厅", DAY)
    assert read.with_pauses(night, "00:10-00:20").breaks == (span("2026-12-06T00:10", "2026-12-06T00:20"),)
    assert read.with_pauses(night, "23:55-次日00:05").breaks == (
        span("2026-12-05T23:55", "2026-12-06T00:05"),
    )
    with pytest.raises(Refused, match="不在“夜场”之内"):
        read.with_pauses(night, "08:00-08:10")


def test_session_put_on_another_day_takes_its_breaks_along_and_drops_those_outside() -> None:
    old = read.with_pauses(read.session_of("上午场", "09:00-11:30@一号厅", DAY), "10:00-10:15、11:00-11:10")
    new = read.session_of("上午场", "2026-12-06 09:00-10:45@一号厅", DAY)
    (moved,) = read.merged_sessions([old], {"上午场": new})
    assert moved.breaks == (span("2026-12-06T10:00", "2026-12-06T10:15"),)


def test_people_may_be_parted_by_commas_and_organisations_not() -> None:
    one = Programme(
        title="", format=Format(pitch=8), pitches=(Pitch(id="A", title="甲"),),
        sessions=(read.session_of("上午场", "09:00-11:30", DAY),),
    )  # fmt: skip
    one = read.with_judges(one, {"上午场": "王某，李某, 赵某"})
    assert one.sessions[0].judges == ("王某", "李某", "赵某")
    one = read.of_judges(one, conflicts={"王某": "甲，乙有限公司"}, recused={"李某": "A,B"}, free={})
    assert [one.judges[0].conflicts, one.judges[1].recused] == [("甲，乙有限公司",), ("A", "B")]


def test_a_session_written_again_keeps_its_judges_and_breaks() -> None:
    old = read.with_pauses(read.session_of("上午场", "09:00-11:30@一号厅", DAY), "10:00-10:15")
    new = read.session_of("上午场", "09:00-12:00@二号厅", DAY)
    merged = read.merged_sessions([old], {"上午场": new, "下午场": None})
    assert [(one.room, one.breaks) for one in merged] == [("二号厅", old.breaks)]
    assert read.merged_sessions([old], {"上午场": None}) == ()
