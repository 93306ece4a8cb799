from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.problems import Refused
from matcher.meetings import Meeting, MeetingDay, Party, Wish
from matcher.roadshow_meetings import (
    KeptMeetings,
    joined,
    kept_meetings,
    levels_of,
    meeting_conflicts,
    proposed_wishes,
    solved_meetings,
    unresolved_meetings,
    without,
)
from matcher.roadshow_timetable import Kept
from matcher.timetable import Format, Pitch, Programme, Session, Span, slots

NINE = datetime(2026, 12, 5, 9)
ROUNDS = tuple(
    Span(start=NINE + timedelta(minutes=10 * n), end=NINE + timedelta(minutes=10 * n + 8)) for n in range(6)
)


def a_day(*wishes: tuple[str, str, Any], guests: str = "甲乙", teams: str = "ABC") -> MeetingDay:
    return MeetingDay(
        title="洽谈", guests=tuple(Party(id=one, name=f"嘉宾{one}") for one in guests),
        teams=tuple(Party(id=one, name=f"团队{one}") for one in teams),
        wishes=tuple(Wish(guest=g, team=t, by="guest", want=want) for g, t, want in wishes), rounds=ROUNDS, tables=3,
    )  # fmt: skip


def on_stage(*teams: str, start: datetime = NINE) -> Kept:
    """A session from nine in which the teams stand one after the other, each for 20 minutes."""
    programme = Programme(
        title="专场", format=Format(pitch=12, questions=8), pitches=tuple(Pitch(id=one, title=one) for one in teams),
        sessions=(Session(id="S", title="上午场", room="厅", span=Span(start=start, end=start + timedelta(hours=1))),),
    )  # fmt: skip
    return Kept(programme=programme, places={one: ("S", number) for number, one in enumerate(teams, 1)})


def test_what_is_kept_comes_back() -> None:
    kept = KeptMeetings(
        day=a_day(("甲", "A", "must")), meetings=(Meeting(round=1, table=1, guest="甲", team="A"),),
        locked=frozenset({("甲", "A")}), staged=frozenset("A"), levels={"must": "hint"},
    )  # fmt: skip
    assert kept_meetings(kept.values) == kept
    assert kept_meetings(None) is None
    with pytest.raises(Refused, match="读不出来"):
        kept_meetings(kept.values | {"locked": 3})


def test_each_rule_broken_is_told_with_its_level_and_whom_it_touches() -> None:
    kept = KeptMeetings(
        day=a_day(("甲", "A", "want"), ("甲", "B", "want"), ("乙", "C", "must"), ("乙", "A", "want")),
        meetings=(
            Meeting(round=1, table=1, guest="甲", team="A"), Meeting(round=6, table=1, guest="甲", team="B"),
            Meeting(round=6, table=1, guest="乙", team="B"),
        ),
        staged=frozenset("AB"),
    )  # fmt: skip
    found = [(one.rule, one.level, one.touches) for one in meeting_conflicts(kept, ["A"], on_stage("A"))]
    assert found == [
        ("broken", "forbid", ()), ("broken", "forbid", ()), ("broken", "forbid", ()),
        ("gone", "resolve", ("B",)), ("on_stage", "resolve", ("甲", "A")), ("must", "resolve", ("乙", "C")),
        ("want", "hint", ()),
    ]  # fmt: skip
    lineup = {"pitches": [{"id": "A"}], "meetings": kept.values}
    assert len(unresolved_meetings(lineup, on_stage("A"))) == 6
    eased = replace(kept, levels={"broken": "hint", "gone": "ignore", "on_stage": "ignore", "must": "hint"})
    assert unresolved_meetings(lineup | {"meetings": eased.values}, on_stage("A")) == []
    assert {one.rule for one in meeting_conflicts(eased, ["A"], on_stage("A"))} == {"broken", "must", "want"}
    assert unresolved_meetings({"pitches": [], "meetings": None}, None) == []


def test_zones_of_timetable_and_meetings_need_not_be_the_same() -> None:
    one_in_the_morning = on_stage("A", start=datetime(2026, 12, 5, 1, tzinfo=UTC))  # nine in China
    kept = KeptMeetings(
        day=a_day(("甲", "A", "want")), meetings=(Meeting(round=1, table=1, guest="甲", team="A"),)
    )
    assert [one.rule for one in meeting_conflicts(kept, ["A"], one_in_the_morning)] == ["on_stage"]


wishes = st.sets(
    st.tuples(st.sampled_from("甲乙"), st.sampled_from("ABC"), st.just("want")), min_size=1, max_size=6
)


@given(wishes=wishes, stage=st.permutations("ABC").map(lambda some: some[:2]), gone=st.sampled_from("甲ABC"))
def test_solving_leaves_nothing_that_it_may_not(
    wishes: set[tuple[str, str, Any]], stage: list[str], gone: str
) -> None:
    kept = KeptMeetings(day=a_day(*sorted(wishes)), staged=frozenset("ABC"))
    timetable = on_stage(*stage)
    made, found = solved_meetings(kept, stage, timetable)
    assert made.day == kept.day  # what is known of people is theirs, not the timetable's
    assert {one.rule for one in meeting_conflicts(made, stage, timetable)} <= {"want"}
    by_place = {slot.place: slot.span for slot in slots(timetable.programme)}
    for one in found.meetings:
        assert one.team in stage
        assert not ROUNDS[one.round - 1].overlaps(by_place[timetable.places[one.team]])
    again, _ = solved_meetings(made, stage, timetable)
    assert again.meetings == made.meetings
    side: Any = "guest" if gone == "甲" else "team"
    left, _ = solved_meetings(replace(made, day=without(made.day, [(side, gone)])), stage, timetable)
    stays = {one for one in made.meetings if gone not in one.pair}
    assert stays <= set(left.meetings)
    assert all(gone not in one.pair for one in left.meetings)


def lineup(*fits: tuple[str, str, int, float]) -> dict[str, Any]:
    ids = dict.fromkeys(team for _, team, _, _ in fits)
    return {
        "listeners": [{"kind": "scene", "id": "甲", "title": "场景甲"}],
        "pitches": [
            {"id": id, "title": f"项目{id}", "fits": [{"id": g, "level": level, "fit": fit} for g, team, level, fit in fits if team == id]}
            for id in ids
        ],
    }  # fmt: skip


def test_wishes_are_proposed_from_a_level_on_and_people_s_own_stay() -> None:
    told = lineup(("甲", "A", 3, 0.7), ("甲", "B", 4, 0.9), ("甲", "C", 2, 0.4), ("", "A", 4, 0.9))
    guests, teams, fits = proposed_wishes(told)
    assert [(one.team, one.want, fit) for one, fit in fits.items()] == [
        ("B", "want", 0.9),
        ("A", "want", 0.7),
    ]
    assert ([one.name for one in guests], [one.id for one in teams]) == (["场景甲"], ["A", "B", "C"])
    assert len(proposed_wishes(told, 2)[2]) == 3
    old = a_day(("甲", "A", "no"), guests="甲", teams="AD")
    people = joined(old, guests, teams, fits)
    assert [one.name for one in people[0]] == ["嘉宾甲"]
    assert [one.id for one in people[1]] == ["A", "D", "B", "C"]
    assert [(one.team, one.want) for one in people[2]] == [("A", "no"), ("B", "want")]
    for none in (lineup(("甲", "A", 2, 0.4)), {**told, "listeners": []}):
        with pytest.raises(Refused) as refused:
            proposed_wishes(none)
        assert refused.value.code == "wishes_none"


def test_levels_are_read_by_either_name() -> None:
    assert levels_of({"必须的意愿都排上": "提示", "gone": "ignore"}) == {"must": "hint", "gone": "ignore"}
    with pytest.raises(Refused, match="看不懂“高兴=提示”"):
        levels_of({"高兴": "提示"})
