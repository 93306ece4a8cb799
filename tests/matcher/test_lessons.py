"""From records to lessons: who counts, what an outcome says, and that being shown says nothing."""

from datetime import UTC, datetime

import pytest

from graph.feedback import Judgement, Outcome, Stage
from matcher.lessons import Lesson, teach

AT = datetime(2026, 3, 1, tzinfo=UTC)


def _judged(scene: str, achievement: str, level: int, judge: str = "甲") -> Judgement:
    return Judgement(scene=scene, achievement=achievement, judge=judge, level=level, at=AT)


def _came(scene: str, achievement: str, stage: Stage) -> Outcome:
    return Outcome(scene=scene, achievement=achievement, stage=stage, by="乙", at=AT)


def _lesson(scene: str, achievement: str, level: float, weight: float) -> Lesson:
    return Lesson(scene=scene, achievement=achievement, level=level, weight=weight)


def test_judges_of_a_pair_are_averaged_and_counted() -> None:
    taught = teach([_judged("S1", "A1", 4), _judged("S1", "A1", 3, "乙"), _judged("S1", "A2", 1)], [])
    assert taught.lessons == (_lesson("S1", "A1", 3.5, 2), _lesson("S1", "A2", 1, 1))
    assert (taught.judgements, taught.outcomes, taught.judges, taught.left_out) == (3, 0, 2, ())


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (["shown", "contacted", "met"], ()),
        (["shown", "intent"], (_lesson("S1", "A1", 3, 0.5),)),
        (["intent", "contract", "landed"], (_lesson("S1", "A1", 4, 1),)),
        (["contract", "declined"], (_lesson("S1", "A1", 4, 1),)),
        (["met", "declined"], (_lesson("S1", "A1", 2, 0.25),)),
    ],
)
def test_the_furthest_outcome_teaches_and_being_shown_does_not(
    stages: list[Stage], expected: tuple[Lesson, ...]
) -> None:
    assert teach([], [_came("S1", "A1", stage) for stage in stages]).lessons == expected


def test_grade_and_outcome_are_averaged_by_weight() -> None:
    taught = teach([_judged("S1", "A1", 2)], [_came("S1", "A1", "landed")])
    assert taught.lessons == (_lesson("S1", "A1", 3, 2),)
    assert taught.outcomes == 1


def test_what_came_to_nothing_after_all_is_taught_as_that() -> None:
    later = _came("S1", "A1", "declined").model_copy(update={"at": datetime(2026, 4, 1, tzinfo=UTC)})
    assert teach([], [_came("S1", "A1", "intent"), later]).lessons == (_lesson("S1", "A1", 2, 0.25),)
    assert teach([], [later, _came("S1", "A1", "landed")]).lessons == (_lesson("S1", "A1", 2, 0.25),)


def test_a_judge_who_gives_one_level_only_is_left_out_and_counted() -> None:
    stamped = [_judged("S1", f"A{i}", 4, "图章") for i in range(20)]
    taught = teach([*stamped, _judged("S1", "A1", 2)], [])
    assert taught.lessons == (_lesson("S1", "A1", 2, 1),)
    assert taught.left_out == (
        "1 位评级人各自的评级全是同一等级（共 20 条），区分不出好坏，没有采用（是谁，见 jiebang judgements）",
    )
    assert len(teach(stamped[1:], []).lessons) == 19


def test_digest_follows_what_is_taught_and_not_its_order_or_its_judges() -> None:
    one, two = _judged("S1", "A1", 4), _judged("S2", "A1", 1)
    assert teach([one, two], []).digest == teach([two, one], []).digest
    assert teach([one], []).digest == teach([_judged("S1", "A1", 4, "乙")], []).digest
    assert teach([one], []).digest != teach([_judged("S1", "A1", 3)], []).digest
