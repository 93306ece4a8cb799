from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise, permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.feedback import Judgement, Outcome, Stage
from matcher.agreement import (
    Agreement,
    Conflict,
    Funnel,
    Judge,
    PooledLevel,
    Step,
    agreement,
    funnel,
    introductions,
    ordinal_alpha,
    pooled,
    stamps,
)
from tests.factories import NOON

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), example C: four observers, twelve units,
# some values missing (0 here). He gives 0.815 for ordinal data.
PUBLISHED = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
)
UNITS = st.lists(st.lists(st.integers(1, 4), max_size=4), max_size=8)


def judged(*rows: tuple[str, str, str, int]) -> list[Judgement]:
    return [
        Judgement(scene=s, achievement=a, judge=judge, level=level, at=NOON) for s, a, judge, level in rows
    ]


def stamped(judge: str, level: int, many: int) -> list[Judgement]:
    return judged(*(("CJ-1", f"CG-{number:02}", judge, level) for number in range(many)))


def alpha_by_definition(units: Iterable[Sequence[int]]) -> float | None:
    """One minus the mean squared distance within units over that of all values, each unit weighing its values."""
    shared = [unit for unit in units if len(unit) > 1]
    everything = [value for unit in shared for value in unit]

    def distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        between = sum(low <= value <= high for value in everything)
        return (between - (everything.count(low) + everything.count(high)) / 2) ** 2 if low != high else 0.0

    n = len(everything)
    expected = sum(distance(a, b) for a, b in permutations(everything, 2))
    if not expected:
        return None
    observed = sum(sum(distance(a, b) for a, b in permutations(u, 2)) / (len(u) - 1) for u in shared)
    return 1 - (observed / n) / (expected / (n * (n - 1)))


def test_alpha_of_the_published_example() -> None:
    units = [[value for value in unit if value] for unit in zip(*PUBLISHED, strict=True)]
    assert ordinal_alpha(units) == pytest.approx(0.815, abs=0.0005)


@settings(max_examples=60)
@given(UNITS)
def test_alpha_is_what_its_definition_says(units: list[list[int]]) -> None:
    expected = alpha_by_definition(units)
    assert ordinal_alpha(units) == (expected if expected is None else pytest.approx(expected, abs=1e-9))


@given(UNITS, st.randoms(use_true_random=False))
def test_alpha_knows_no_order(units: list[list[int]], random: Random) -> None:
    shuffled = [random.sample(unit, len(unit)) for unit in random.sample(units, len(units))]
    found = ordinal_alpha(units)
    assert ordinal_alpha(shuffled) == (found if found is None else pytest.approx(found, abs=1e-9))


@pytest.mark.parametrize(
    ("units", "alpha"),
    [
        ([], None),
        ([[1], [4]], None),
        ([[3, 3], [3, 3]], None),
        ([[1, 1], [4, 4], [2]], 1.0),
        ([[1, 4], [4, 1]], -0.5),
    ],
)
def test_alpha_at_its_ends(units: list[list[int]], alpha: float | None) -> None:
    assert ordinal_alpha(units) == alpha


def test_agreement_of_three_judges() -> None:
    said = judged(
        ("CJ-1", "CG-1", "甲", 4), ("CJ-1", "CG-1", "乙", 4), ("CJ-1", "CG-1", "丙", 4),
        ("CJ-1", "CG-2", "甲", 3), ("CJ-1", "CG-2", "乙", 2),
        ("CJ-2", "CG-1", "甲", 4), ("CJ-2", "CG-1", "丙", 1),
        ("CJ-2", "CG-2", "乙", 3), ("CJ-2", "CG-2", "甲", 1),
        ("CJ-2", "CG-9", "丁", 2),
    )  # fmt: skip
    found = agreement(said)
    assert found == Agreement(
        judgements=10,
        pairs=5,
        shared=4,
        alpha=ordinal_alpha([[4, 4, 4], [3, 2], [4, 1], [3, 1]]),
        exact=0.25,
        within_one=0.5,
        judges=(
            Judge(
                name="丁", judgements=1, mean=2.0, counts=(0, 1, 0, 0), shared=0, deviation=None, stamp=False
            ),
            Judge(
                name="丙", judgements=2, mean=2.5, counts=(1, 0, 0, 1), shared=2, deviation=-1.5, stamp=False
            ),
            Judge(
                name="乙", judgements=3, mean=3.0, counts=(0, 1, 1, 1), shared=3, deviation=1 / 3, stamp=False
            ),
            Judge(
                name="甲", judgements=4, mean=3.0, counts=(1, 0, 1, 2), shared=4, deviation=0.5, stamp=False
            ),
        ),
        conflicts=(
            Conflict(scene="CJ-2", achievement="CG-1", judgements=tuple(said[5:7])),
            Conflict(scene="CJ-2", achievement="CG-2", judgements=tuple(said[7:9])),
        ),
    )
    assert [conflict.spread for conflict in found.conflicts] == [3, 2]


def test_agreement_of_nobody() -> None:
    assert agreement([]) == Agreement(
        judgements=0, pairs=0, shared=0, alpha=None, exact=None, within_one=None, judges=(), conflicts=()
    )


def test_the_latest_judgement_of_a_judge_counts() -> None:
    first, other = judged(("CJ-1", "CG-1", "甲", 4), ("CJ-1", "CG-1", "乙", 1))
    later = first.model_copy(update={"level": 1, "at": NOON + timedelta(days=1)})
    for order in permutations([first, later, other]):
        assert (agreement(order).exact, agreement(order).judgements) == (1.0, 2)
        assert pooled(order) == (PooledLevel(scene="CJ-1", achievement="CG-1", level=1.0, judges=2),)


@pytest.mark.parametrize(("many", "stamp"), [(19, False), (20, True)])
def test_twenty_judgements_of_one_level_make_a_stamp(many: int, stamp: bool) -> None:
    said = stamped("章", 4, many)
    assert (stamps(said), agreement(said).judges[0].stamp) == (("章",) if stamp else (), stamp)
    assert len(pooled(said)) == (0 if stamp else many)
    assert stamps([*said, *judged(("CJ-1", "CG-99", "章", 3))]) == ()


def test_pooled_levels_are_means_without_stamps_ordered_by_pair() -> None:
    said = judged(
        ("CJ-2", "CG-01", "甲", 2), ("CJ-1", "CG-01", "甲", 1), ("CJ-1", "CG-01", "乙", 2), ("CJ-1", "CG-50", "乙", 3)
    )  # fmt: skip
    assert pooled([*said, *stamped("章", 4, 20)]) == (
        PooledLevel(scene="CJ-1", achievement="CG-01", level=1.5, judges=2),
        PooledLevel(scene="CJ-1", achievement="CG-50", level=3.0, judges=1),
        PooledLevel(scene="CJ-2", achievement="CG-01", level=2.0, judges=1),
    )


def test_judges_who_differ_by_more_agree_less() -> None:
    steady = [("CJ-1", f"CG-{number}", "甲", 1 + number % 4) for number in range(12)]
    alphas = [
        ordinal_alpha([[level, min(4, level + shift)] for *_, level in steady]) or 0.0 for shift in range(4)
    ]
    assert alphas[0] == 1.0
    assert all(nearer > farther for nearer, farther in pairwise(alphas))


def came(scene: str, achievement: str, *stages: Stage, reason: str = "") -> list[Outcome]:
    """Outcomes of one pair, a day apart."""
    return [
        Outcome(
            scene=scene, achievement=achievement, stage=stage, by="甲", at=NOON + timedelta(days=day),
            reason=reason if stage == "declined" else "",
        )
        for day, stage in enumerate(stages)
    ]  # fmt: skip


INTRODUCED = [
    *came("CJ-1", "CG-1", "shown"),
    *came("CJ-1", "CG-2", "shown", "contacted", "met", "declined", reason="价格太高"),
    *came("CJ-1", "CG-3", "contract"),
    *came("CJ-2", "CG-1", "declined", "shown", reason="价格太高"),
    *came("CJ-2", "CG-2", "shown", "declined", "met", reason="联系不上"),
    *came("CJ-2", "CG-3", "shown", "declined", reason="已有供应商"),
]


def step(stage: Stage, reached: int, standing: int, of_first: float, of_previous: float | None) -> Step:
    return Step(stage=stage, reached=reached, standing=standing, of_first=of_first, of_previous=of_previous)


def test_funnel_counts_how_far_pairs_came() -> None:
    assert funnel(reversed(INTRODUCED)) == Funnel(
        pairs=6,
        steps=(
            step("shown", 6, 1, 1.0, None),
            step("contacted", 3, 0, 1 / 2, 1 / 2),
            step("met", 3, 1, 1 / 2, 1.0),
            step("intent", 1, 0, 1 / 6, 1 / 3),
            step("contract", 1, 1, 1 / 6, 1.0),
            step("landed", 0, 0, 0.0, 0.0),
        ),
        declined=3,
        declined_alone=0,
        reasons=(("价格太高", 2), ("已有供应商", 1)),
    )


def test_funnel_of_refusals_alone_has_no_shares() -> None:
    found = funnel(came("CJ-1", "CG-1", "declined", reason="不合适"))
    assert (found.pairs, found.declined, found.declined_alone, found.reasons) == (1, 1, 1, (("不合适", 1),))
    assert {(s.reached, s.standing, s.of_first, s.of_previous) for s in found.steps} == {(0, 0, None, None)}


def test_introductions_say_how_far_each_pair_came_and_whether_it_ended() -> None:
    ways = introductions(INTRODUCED)
    assert [(w.scene, w.achievement, w.stage, w.declined and w.declined.reason) for w in ways] == [
        ("CJ-1", "CG-1", "shown", None),
        ("CJ-1", "CG-2", "met", "价格太高"),
        ("CJ-1", "CG-3", "contract", None),
        ("CJ-2", "CG-1", "shown", "价格太高"),
        ("CJ-2", "CG-2", "met", None),
        ("CJ-2", "CG-3", "shown", "已有供应商"),
    ]
    assert [o.stage for o in ways[4].outcomes] == ["shown", "met", "declined"]
