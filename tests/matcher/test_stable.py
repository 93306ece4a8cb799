"""The stable plan has no blocking pair; blocking pairs of any plan are those that trying each pair finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.assignment_conflicts import contradictions
from matcher.assignment_instance import Capacity, Instance, Pair
from matcher.assignment_model import eligible
from matcher.stable import blocking_pairs, stable_choice
from tests.matcher.assignment_games import SCENES, instances, made


def pairs_of(game: Instance, mask: np.ndarray) -> set[Pair]:
    return {game.pair(at) for at in np.flatnonzero(mask).tolist()}


def would_block(game: Instance, plan: set[Pair], pair: Pair) -> bool:
    """By the definition, one pair at a time: both ends have room or something worse that they may give up."""
    points = {game.pair(at): float(game.points[at]) for at in range(len(game.fit))}
    allowed = pairs_of(game, eligible(game))
    if pair in plan or pair not in allowed:
        return False
    for end, capacities, default in (
        (0, game.scene_capacities, game.scene_capacity), (1, game.achievement_capacities, game.achievement_capacity),
    ):  # fmt: skip
        most = capacities.get(pair[end], default).most
        held = [other for other in plan if other[end] == pair[end]]
        worse = [
            other for other in held
            if other not in game.forced
            and (other not in allowed or (-points[other], other[1 - end]) > (-points[pair], pair[1 - end]))
        ]  # fmt: skip
        if not (len(held) < most or (most > 0 and worse)):
            return False
    return True


@settings(max_examples=100)
@given(instances(needs=False))
def test_stable_plan_keeps_capacities_and_has_no_blocking_pair(game: Instance) -> None:
    if contradictions(game):
        return
    plan = pairs_of(game, stable_choice(game))
    assert game.forced <= plan <= pairs_of(game, eligible(game))
    for at, id in enumerate(game.scenes):
        assert sum(s == id for s, _ in plan) <= game.limits("scene")[1][at]
    for at, id in enumerate(game.achievements):
        assert sum(a == id for _, a in plan) <= game.limits("achievement")[1][at]
    assert blocking_pairs(game, plan) == ()


@settings(max_examples=100)
@given(instances(needs=False))
def test_stable_plan_is_what_taking_the_best_pair_again_and_again_gives(game: Instance) -> None:
    if contradictions(game):
        return
    allowed, plan = eligible(game), set(game.forced)
    most = [
        dict(zip(game.scenes, game.limits("scene")[1].tolist(), strict=True)),
        dict(zip(game.achievements, game.limits("achievement")[1].tolist(), strict=True)),
    ]
    for at in np.lexsort((game.achievement_at, game.scene_at, -game.points)).tolist():
        pair = game.pair(at)
        room = all(sum(p[end] == pair[end] for p in plan) < most[end][pair[end]] for end in (0, 1))
        if allowed[at] and pair not in plan and room:
            plan.add(pair)
    assert pairs_of(game, stable_choice(game)) == plan


@settings(max_examples=120)
@given(instances(needs=False), st.data())
def test_blocking_pairs_of_any_plan_are_those_that_the_definition_finds(
    game: Instance, data: st.DataObject
) -> None:
    every = [(s, a) for s in SCENES for a in ("CG-1", "CG-2", "CG-3", "CG-9")]
    plan = data.draw(st.sets(st.sampled_from(every), max_size=6))
    candidates = [game.pair(at) for at in range(len(game.fit))]
    assert list(blocking_pairs(game, plan)) == [pair for pair in candidates if would_block(game, plan, pair)]


def test_a_scene_gets_what_it_wants_only_if_nobody_wanted_more_wants_it() -> None:
    game = made(
        {("CJ-1", "CG-1"): 0.9, ("CJ-2", "CG-1"): 0.8, ("CJ-2", "CG-2"): 0.3, ("CJ-1", "CG-2"): 0.7},
        scene_capacity=Capacity(most=1),
    )  # fmt: skip
    assert pairs_of(game, stable_choice(game)) == {("CJ-1", "CG-1"), ("CJ-2", "CG-2")}
    assert blocking_pairs(game, [("CJ-2", "CG-1"), ("CJ-1", "CG-2")]) == (("CJ-1", "CG-1"),)
    assert blocking_pairs(game, []) == (
        ("CJ-1", "CG-1"),
        ("CJ-1", "CG-2"),
        ("CJ-2", "CG-1"),
        ("CJ-2", "CG-2"),
    )
