from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from graph.feedback import Outcome
from graph.kinds import Achievement
from graph.problems import Refused
from matcher.grading import Criterion, Rubric, Sheet
from matcher.pitch_scoring import Award, Results, Veto
from matcher.roadshow_results import (
    Marks,
    first_round,
    followed_winners,
    open_round,
    results_kept,
    results_of,
    scored,
    scored_round,
    with_round,
)
from matcher.roadshow_timetable import Kept
from matcher.roadshows import Pitch as OnStage
from matcher.roadshows import Roadshow, new_roadshow
from matcher.timetable import Format, Judge, Pitch, Programme, Session, Span

NOON = datetime(2026, 12, 5, 4, tzinfo=UTC)
RUBRIC = Rubric(
    criteria=(
        Criterion(name="技术", weight=Decimal(60)),
        Criterion(name="市场", weight=Decimal(40)),
    )
)
SPAN = Span(start=datetime(2026, 12, 5, 9), end=datetime(2026, 12, 5, 11))
PROGRAMME = Programme(
    title="总决赛", format=Format(pitch=8, questions=7), pitches=tuple(Pitch(id=id, title=f"项目{id}") for id in "ABCD"),
    sessions=(Session(id="S", title="上午场", room="厅", span=SPAN, judges=("J1", "J2", "J3", "J4")),),
    judges=tuple(Judge(id=f"J{n}", name=f"评委{n}", recused=("A",) if n == 4 else ()) for n in range(1, 6)), seed=5,
)  # fmt: skip
KEPT = Kept(programme=PROGRAMME, places={id: ("S", number) for number, id in enumerate("ABC", 1)})


def a_roadshow(**values: Any) -> Roadshow:
    stage = tuple(OnStage(achievement=id, title=f"项目{id}") for id in "ABCD")
    return new_roadshow("LY-1", at=NOON, title="专场", stage=stage, **values)


def marks_of(one: Any, **points: int) -> Marks:
    return Marks(
        sheets=tuple(
            Sheet(expert=judge, entry=entry, marks={"技术": Decimal(points.get(entry, 30)), "市场": Decimal(20)})
            for entry in one.entries
            for judge in one.judges_of(entry)
        )
    )  # fmt: skip


def results_with(one: Any, marks: Marks) -> Results:
    found = scored(one, marks)
    assert isinstance(found, Results)
    return found


def test_the_first_round_is_of_who_stands_in_the_timetable_before_the_judges_who_sit_there() -> None:
    one = first_round(KEPT, RUBRIC)
    assert (list(one.entries), list(one.judges), one.seed) == (["A", "B", "C"], ["J1", "J2", "J3", "J4"], 5)
    assert one.judges_of("A") == ["J1", "J2", "J3"]


def test_a_round_is_kept_with_what_it_was_made_of_and_the_next_is_of_who_got_through() -> None:
    own = a_roadshow()
    first = open_round(own, KEPT, RUBRIC)
    marks = replace(
        marks_of(first, A=50, B=40),
        vetoes=tuple(Veto(judge=judge, entry="C", reason="离题") for judge in ("J1", "J2", "J3")),
    )
    found = results_with(first, marks)
    kept = scored_round(found, marks, [Award(title="入围奖", number=1)], 2, by="李明", at=NOON)
    assert [(one.entry, one.rank, one.award, one.through, one.reason) for one in kept.ranking] == [
        ("A", 1, "入围奖", True, ""), ("B", 2, "", True, ""), ("C", 0, "", False, "4 位评委中 3 位认为离题：离题"),
    ]  # fmt: skip
    after = with_round(own, kept, role="staff", at=NOON)
    assert (after.draft, after.state) == (own.draft + 1, "draft")
    again = Roadshow.model_validate_json(after.model_dump_json())
    assert results_of(again.rounds[0]) == found
    second = open_round(again, KEPT, None)
    assert (second.number, list(second.entries), second.rubric) == (2, ["A", "B"], RUBRIC)
    # A second round that sends nobody on is marked once more; the first can be too, and the second goes with it.
    marks = marks_of(second, B=50)
    final = with_round(
        again, scored_round(results_with(second, marks), marks, by="李明", at=NOON), role="staff", at=NOON
    )
    assert [one.number for one in final.rounds] == [1, 2]
    assert open_round(final, KEPT, None).number == 2
    assert [one.number for one in with_round(final, kept, role="staff", at=NOON).rounds] == [1]


def test_what_is_not_there_is_refused() -> None:
    own, first = a_roadshow(), first_round(KEPT, RUBRIC)
    found = results_with(first, marks_of(first))
    kept = with_round(own, scored_round(found, marks_of(first), by="李明", at=NOON), role="staff", at=NOON)
    for code, asked in (
        ("round_unknown", lambda: open_round(own, KEPT, None, number=2)),
        ("round_unknown", lambda: open_round(kept, KEPT, None, number=2)),
        ("places_few", lambda: scored_round(found, marks_of(first), (), 4, by="李明", at=NOON)),
        ("winners_none", lambda: followed_winners(kept, [], NOON)),
        ("move_unknown", lambda: with_round(own.model_copy(update={"state": "closed"}), kept.rounds[0], role="staff", at=NOON)),
        ("round_unreadable", lambda: results_of(kept.rounds[0].model_copy(update={"made_from": {}}))),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            asked()
        assert refused.value.code == code


class Pool:
    """A store with one achievement."""

    def get(self, kind: str, id: str) -> Any:
        return (
            Achievement(id="A", title="项目A", award="2025年某奖")
            if (kind, id) == ("achievement", "A")
            else None
        )


def test_awards_go_into_the_pool_once_and_are_followed_from_then_on() -> None:
    own, first = a_roadshow(day="2026-12-05"), first_round(KEPT, RUBRIC)
    marks = marks_of(first, A=50, B=40)
    kept = scored_round(
        results_with(first, marks), marks, [Award(title="金奖", number=1)], by="李明", at=NOON
    )
    made, changes = results_kept(Pool(), own, kept, role="staff", at=NOON, pool=True)
    told: list[Any] = [getattr(one, "node", None) for one in changes]
    assert [one and one.award for one in told] == [None, "2025年某奖；2026年专场金奖"]
    assert len(results_kept(Pool(), own, kept, role="partner", at=NOON, pool=False)[1]) == 1
    pair = {"scene": "CJ-1", "achievement": "A", "by": "李明"}
    heard = [
        Outcome(stage="landed", at=NOON - timedelta(days=1), **pair),
        Outcome(stage="met", at=NOON + timedelta(days=2), **pair),
    ]
    (one,) = followed_winners(made, heard, NOON + timedelta(days=5))
    assert (one.achievement, one.scene, one.days, one.last) == ("A", "CJ-1", 3, NOON + timedelta(days=2))
