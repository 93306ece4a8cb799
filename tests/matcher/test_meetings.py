from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from matcher.meetings import (
    MUST,
    Meeting,
    MeetingDay,
    Pair,
    Party,
    Wish,
    as_values,
    broken,
    check,
    from_values,
    idle_of,
    worth_of,
)
from matcher.meetings_solving import schedule
from matcher.timetable import Span

_START = datetime(2026, 12, 5, 13, 30)


def rounds(number: int) -> tuple[Span, ...]:
    starts = [_START + timedelta(minutes=10 * n) for n in range(number)]
    return tuple(Span(start=start, end=start + timedelta(minutes=8)) for start in starts)


def party(id: str, **more: Any) -> Party:
    return Party(id=id, name=f"名{id}", **more)


def wish(guest: str, team: str, want: Any = "want", by: Any = "guest") -> Wish:
    return Wish(guest=guest, team=team, by=by, want=want)


def day(*wishes: Wish, guests: Any = "AB", teams: Any = "XY", number: int = 2, tables: int = 2) -> MeetingDay:
    named = [tuple(one if isinstance(one, Party) else party(one) for one in side) for side in (guests, teams)]
    return MeetingDay(
        title="洽谈会", guests=named[0], teams=named[1], wishes=wishes, rounds=rounds(number), tables=tables
    )


@st.composite
def _days(draw: st.DrawFn, guests: int = 3, teams: int = 3, number: int = 3) -> MeetingDay:
    free = st.none() | st.lists(st.integers(1, number), unique=True).map(tuple)
    most = st.none() | st.integers(1, 2)
    sides = [
        [party(f"{letter}{n}", free=draw(free), most=draw(most)) for n in range(draw(st.integers(1, count)))]
        for letter, count in (("G", guests), ("T", teams))
    ]
    wants = st.sampled_from(["must", "want", "want", "no", None])
    wishes = [
        wish(g.id, t.id, want, by)
        for g, t in product(*sides)
        for by in ("guest", "team")
        if (want := draw(wants)) is not None
    ]
    return day(*wishes, guests=sides[0], teams=sides[1], number=number, tables=draw(st.integers(1, 3)))


def _ways(one: MeetingDay) -> list[dict[Pair, int]]:
    """Every schedule there is, by trying every round for every pair."""
    found: list[dict[Pair, int]] = [{}]
    for guest, team in one.worths:
        longer = []
        for way in found:
            for at in one.free["guest", guest] & one.free["team", team]:
                busy = {(side, n) for (g, t), n in way.items() for side in ((0, g), (1, t))}
                many = Counter(side for pair in way for side in ((0, pair[0]), (1, pair[1])))
                if (
                    not {((0, guest), at), ((1, team), at)} & busy
                    and sum(n == at for n in way.values()) < one.tables
                    and many[0, guest] < one.most["guest", guest]
                    and many[1, team] < one.most["team", team]
                ):
                    longer.append(way | {(guest, team): at})
        found += longer
    return found


def _meetings(way: dict[Pair, int]) -> list[Meeting]:
    return [Meeting(round=n, table=1, guest=g, team=t) for (g, t), n in way.items()]


@settings(max_examples=30, deadline=None)
@given(one=_days(guests=2))
def test_the_best_of_all_schedules_is_found(one: MeetingDay) -> None:
    ways = _ways(one)
    found = schedule(one)
    assert found.worth == found.bound == max(worth_of(one, list(way)) for way in ways)
    pairs = {meeting.pair for meeting in found.meetings}
    assert found.idle == found.idle_bound == min(idle_of(_meetings(way)) for way in ways if set(way) == pairs)


@settings(max_examples=30, deadline=None)
@given(one=_days(guests=5, teams=5, number=4))
def test_no_schedule_breaks_a_rule_and_every_wish_is_met_or_explained(one: MeetingDay) -> None:
    found = schedule(one)
    assert broken(one, found.meetings) == []
    assert found.idle == idle_of(found.meetings) >= found.idle_bound
    met = {meeting.pair for meeting in found.meetings}
    wished = {pair for pair, said in one.said.items() if set(said.values()) & {"must", "want"}}
    assert met | {(lost.guest, lost.team) for lost in found.unmet} == wished
    assert not met & {(lost.guest, lost.team) for lost in found.unmet}
    assert schedule(one, before=found.meetings, locked=met).meetings == found.meetings
    assert schedule(replace(one, wishes=one.wishes[::-1], guests=one.guests[::-1])).meetings == found.meetings


@settings(max_examples=30, deadline=None)
@given(one=_days(guests=5, teams=5, number=4))
def test_when_a_guest_cancels_nothing_else_moves(one: MeetingDay) -> None:
    first = schedule(one)
    gone = one.guests[0]
    without = replace(one, guests=(replace(gone, free=()), *one.guests[1:]))
    after = schedule(
        without, before=first.meetings, locked={m.pair for m in first.meetings if m.guest != gone.id}
    )
    assert broken(without, after.meetings) == []
    assert set(first.meetings) - set(after.meetings) == {m for m in first.meetings if m.guest == gone.id}


def test_everything_broken_by_hand_is_found() -> None:
    one = day(
        wish("A", "X"), wish("A", "Y"), wish("B", "X", "no"), wish("B", "Y"),
        guests=[party("A", most=1), party("B", free=(1,))],
    )  # fmt: skip
    meetings = [
        Meeting(round=1, table=1, guest="A", team="X"),
        Meeting(round=1, table=1, guest="A", team="Y"),
        Meeting(round=2, table=1, guest="B", team="X"),
        Meeting(round=3, table=1, guest="B", team="Y"),
        Meeting(round=2, table=2, guest="A", team="X"),
        Meeting(round=2, table=3, guest="C", team="X"),
    ]
    assert Counter(problem.code for problem in broken(one, meetings)) == {
        "meeting_refused": 1, "meeting_unwished": 1, "meeting_place": 2, "party_absent": 4, "party_twice": 2,
        "table_twice": 1, "party_most": 3, "pair_twice": 1,
    }  # fmt: skip


def test_a_must_goes_before_and_a_refusal_is_never_broken() -> None:
    one = day(
        wish("A", "X", "must"), wish("B", "X"), wish("B", "X", by="team"), wish("A", "Y", "must"), wish("A", "Y", "no", "team"),
        number=1,
    )  # fmt: skip
    found = schedule(one)
    assert [meeting.pair for meeting in found.meetings] == [("A", "X")]
    assert [(lost.want, lost.cause, lost.message) for lost in found.unmet] == [
        ("must", "veto", "名Y写明不见"),
        ("want", "team_full", "名X的 1 次已排满"),
    ]
    assert found.worth == MUST + 6 + 24


def test_meetings_are_shared_fairly_when_tables_are_few() -> None:
    wishes = [wish(guest, team) for guest in "ABC" for team in "XYZ"]
    found = schedule(day(*wishes, guests="ABC", teams="XYZ", number=3, tables=1))
    assert sorted(Counter(meeting.guest for meeting in found.meetings).items()) == [
        ("A", 1),
        ("B", 1),
        ("C", 1),
    ]
    assert {lost.cause for lost in found.unmet} == {"tables_full"}


def test_causes_name_absence_and_rounds_that_do_not_meet() -> None:
    one = day(
        wish("A", "X"), wish("A", "X", by="team"), wish("B", "Y"), wish("A", "Y"),
        guests=[party("A", free=(1,)), party("B", free=(2,))], teams=[party("X", free=(1,)), party("Y", free=(1,))],
    )  # fmt: skip
    assert [(lost.guest, lost.team, lost.cause) for lost in schedule(one).unmet] == [
        ("A", "Y", "guest_full"),
        ("B", "Y", "absent"),
    ]


def test_500_wishes_of_one_guest_fill_its_rounds_and_explain_the_rest() -> None:
    teams = [party(f"T{n:03}") for n in range(500)]
    wishes = [wish("A", team.id) for team in teams] + [wish("B", "T007")]
    found = schedule(day(*wishes, guests="AB", teams=teams, number=12, tables=30))
    assert Counter(meeting.guest for meeting in found.meetings) == {"A": 12, "B": 1}
    assert Counter(lost.cause for lost in found.unmet) == {"guest_full": 488}
    assert found.proven


def test_tables_stay_with_teams_where_there_is_one_for_each() -> None:
    wishes = [wish(guest, team) for guest in "ABC" for team in "XYZ"]
    found = schedule(day(*wishes, guests="ABC", teams="XYZ", number=3, tables=3))
    assert len({(meeting.team, meeting.table) for meeting in found.meetings}) == 3
    assert (len(found.meetings), found.idle) == (9, 0)


def test_a_new_must_moves_as_few_as_it_needs_and_no_lock() -> None:
    usual = day(wish("A", "X"), wish("B", "Y"), wish("B", "X"), number=1)
    first = schedule(usual)
    assert [meeting.pair for meeting in first.meetings] == [("A", "X"), ("B", "Y")]
    urgent = replace(usual, wishes=(*usual.wishes, wish("A", "Y", "must")))
    after = schedule(urgent, before=first.meetings)
    assert {meeting.pair for meeting in after.meetings} == {("A", "Y"), ("B", "X")}
    held = schedule(urgent, before=first.meetings, locked={("A", "X")})
    assert held.meetings == first.meetings
    assert [(lost.want, lost.cause) for lost in held.unmet] == [
        ("must", "guest_full"),
        ("want", "guest_full"),
    ]


def test_a_locked_meeting_that_cannot_be_held_is_refused() -> None:
    one = day(wish("A", "X"))
    first = schedule(one)
    gone = replace(one, guests=(party("A", free=()), party("B")))
    with pytest.raises(Refused, match="锁定的洽谈“名A—名X”"):
        schedule(gone, before=first.meetings, locked={("A", "X")})


def test_check_names_what_is_wrong_with_the_wishes() -> None:
    one = day(
        wish("A", "X"), wish("A", "X", "no"), wish("C", "X"),
        guests=[party("A"), party("A"), party("B", free=(9,))],
    )  # fmt: skip
    assert [(problem.code, problem.severity) for problem in check(one)] == [
        ("id_twice", "error"),
        ("party_never", "warning"),
        ("wish_twice", "error"),
        ("id_unknown", "error"),
    ]
    with pytest.raises(Refused, match="出现 2 次"):
        schedule(one)


@pytest.mark.parametrize("more", [{"tables": 0}, {"number": 0}, {"number": 49}])
def test_a_day_without_tables_or_with_too_many_rounds_is_refused(more: dict[str, int]) -> None:
    with pytest.raises(Refused, match="洽谈的规模不合理"):
        day(**more)


def test_rounds_that_overlap_are_refused() -> None:
    with pytest.raises(Refused, match="时间重叠或次序颠倒"):
        MeetingDay(title="", guests=(), teams=(), wishes=(), rounds=rounds(2)[::-1], tables=1)


def test_a_day_survives_its_values() -> None:
    one = day(wish("A", "X", "must"), guests=[party("A，😀", free=(1,), most=2), party("A")])
    meetings = schedule(one).meetings
    assert from_values(as_values(one, meetings)) == (one, meetings)
    with pytest.raises(Refused, match="读不出来"):
        from_values({"title": 3})


def test_nobody_who_wishes_nothing_is_an_empty_schedule() -> None:
    found = schedule(day())
    assert (found.meetings, found.unmet, found.proven) == ((), (), True)
