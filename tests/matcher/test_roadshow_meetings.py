import itertools
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from matcher.meetings import MeetingDay, Party, Wish, broken, rounds_of
from matcher.roadshow_meetings import KeptMeetings, kept_meetings, rearranged

START = datetime(2026, 12, 5, 13, 30)


def a_day(number: int = 3) -> MeetingDay:
    """So many guests and teams, everybody wishing everybody."""
    ids = range(number)
    return MeetingDay(
        title="洽谈", guests=tuple(Party(id=f"G{n}", name=f"嘉宾{n}") for n in ids),
        teams=tuple(Party(id=f"T{n}", name=f"团队{n}") for n in ids), tables=number,
        wishes=tuple(Wish(guest=f"G{a}", team=f"T{b}", by="guest", want="want") for a in ids for b in ids),
        rounds=rounds_of(START, 2, 8, 2),
    )  # fmt: skip


@given(st.integers(1, 12), st.integers(1, 60), st.integers(0, 30))
def test_rounds_are_as_long_as_asked_and_so_far_apart(number: int, minutes: int, gap: int) -> None:
    found = rounds_of(START, number, minutes, gap)
    assert [one.end - one.start for one in found] == [timedelta(minutes=minutes)] * number
    assert [b.start - a.end for a, b in itertools.pairwise(found)] == [timedelta(minutes=gap)] * (number - 1)  # fmt: skip
    assert found[0].start == START


def test_what_is_kept_is_read_back_whole_and_nothing_is_none() -> None:
    made, _ = rearranged(KeptMeetings(day=a_day()))
    locked = replace(made, locked=frozenset({made.meetings[0].pair}))
    assert kept_meetings(locked.values) == locked
    assert kept_meetings(None) is None


def test_who_cannot_come_meets_nobody_and_their_locks_are_gone() -> None:
    made, _ = rearranged(KeptMeetings(day=a_day()))
    locked = replace(made, locked=frozenset(one.pair for one in made.meetings))
    after, found = rearranged(locked, gone=[("team", "T0")])
    assert {one.team for one in after.meetings} == {"T1", "T2"}
    assert after.locked == {pair for pair in locked.locked if pair[1] != "T0"}
    assert {one for one in made.meetings if one.team != "T0"} <= set(after.meetings)
    assert broken(after.day, found.meetings) == []


def test_made_anew_only_what_is_locked_stays_where_it_was() -> None:
    made, _ = rearranged(KeptMeetings(day=a_day()))
    one = made.meetings[-1]
    again, _ = rearranged(replace(made, meetings=(one,), locked=frozenset({one.pair})), fresh=True)
    assert one in again.meetings
    assert len(again.meetings) == 6
