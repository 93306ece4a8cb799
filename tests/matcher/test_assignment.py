"""The best plan against every possible one, on instances small enough to try them all; determinism; the larger sizes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matcher.assignment
import matcher.assignment_program
from matcher.assignment import assign, assign_stable, gather
from matcher.assignment_flow import best_flow, binding, disjoint
from matcher.assignment_instance import Capacity, Group, Instance, arranged
from matcher.assignment_model import model_of, worth
from matcher.assignment_plan import Plan
from matcher.assignment_program import best_choice, rows
from matcher.engine import Engine
from tests.factories import TODAY, make_achievement, make_scene, put
from tests.matcher.assignment_games import SCENES, all_rules, instances, keepers, made, worth_of


def chosen(plan: Plan) -> list[tuple[str, str]]:
    return [(pair.scene, pair.achievement) for pair in plan.pairs]


def random_instance(scenes: int, achievements: int, each: int, *, groups: int = 0, most: int = 0) -> Instance:
    """``each`` candidates a scene; ``groups`` overlapping groups of about an eighth of the achievements."""
    draw = np.random.default_rng(7)
    at = np.concatenate([draw.choice(achievements, each, replace=False) for _ in range(scenes)])
    names = [f"CG-{n:05d}" for n in range(achievements)]
    members = [np.flatnonzero(draw.random(achievements) < 0.12) for _ in range(groups)]
    return arranged(
        [f"CJ-{n:04d}" for n in range(scenes)], names, scene_at=np.repeat(np.arange(scenes), each), achievement_at=at,
        fit=1 / (1 + np.exp(-draw.normal(size=len(at)))),
        groups=[Group(name=f"组{n:02d}", achievements=frozenset(names[at] for at in m), most=most) for n, m in enumerate(members)],
    )  # fmt: skip


@settings(max_examples=150)
@given(instances())
def test_plan_is_the_best_of_all_that_keep_the_rules_and_there_is_none_only_if_none_does(
    game: Instance,
) -> None:
    possible = keepers(game, all_rules(game))
    plan = assign(game)
    if not isinstance(plan, Plan):
        assert possible == []
        return
    assert tuple(sorted(chosen(plan))) in {tuple(sorted(pairs)) for pairs in possible}
    assert plan.total == max(worth_of(game, pairs) for pairs in possible)
    assert (plan.optimal, plan.bound, plan.gap) == (True, plan.total, 0.0)


@settings(max_examples=60)
@given(instances(), st.randoms(use_true_random=False))
def test_order_of_the_input_decides_nothing_even_among_equals(game: Instance, shuffle: st.DataObject) -> None:
    scenes, others = list(game.scenes), list(game.achievements)
    order = list(range(len(game.fit)))
    for several in (scenes, others, order):
        shuffle.shuffle(several)  # type: ignore[attr-defined]
    pairs = [game.pair(at) for at in order]
    again = arranged(
        scenes, others, scene_at=[scenes.index(s) for s, _ in pairs], achievement_at=[others.index(a) for _, a in pairs],
        fit=game.fit[order], scene_capacities=game.scene_capacities, achievement_capacities=game.achievement_capacities,
        forced=game.forced, forbidden=game.forbidden, minimum=game.minimum, floor=game.floor, groups=game.groups[::-1],
    )  # fmt: skip
    assert assign(game) == assign(again)


@settings(max_examples=30)
@given(instances())
def test_flow_and_program_choose_the_same_pairs_even_among_equals(game: Instance) -> None:
    if game.forced & game.forbidden:
        return
    model = model_of(game)
    spreads = binding(model)
    if disjoint(spreads) == spreads:
        values = worth(game, model)
        flow, answer = best_flow(model, values, spreads), best_choice(model, values, effort=20.0)
        assert answer.proven
        assert (None if flow is None else flow.tolist()) == (
            None if answer.chosen is None else answer.chosen.tolist()
        )


def test_equal_plans_are_told_apart_by_the_ids_alone() -> None:
    square = {(s, a): 0.5 for s in SCENES for a in ("CG-1", "CG-2", "CG-3")}
    plan = assign(made(square))
    assert isinstance(plan, Plan)
    assert plan == assign(made(dict(reversed(square.items()))))
    assert plan.total == 1.5


def test_a_pair_that_adds_nothing_is_not_chosen_unless_somebody_needs_it() -> None:
    free = assign(made({("CJ-1", "CG-1"): 0.0}))
    assert isinstance(free, Plan)
    assert free.pairs == ()
    needed = assign(made({("CJ-1", "CG-1"): 0.0}, scene_capacity=Capacity(least=1, most=1)))
    assert isinstance(needed, Plan)
    assert chosen(needed) == [("CJ-1", "CG-1")]


def test_a_forced_pair_stands_below_the_minimum_and_what_is_forbidden_never() -> None:
    game = made(
        {("CJ-1", "CG-1"): 0.9, ("CJ-1", "CG-2"): 0.1, ("CJ-2", "CG-1"): 0.8, ("CJ-2", "CG-3"): 0.2},
        forced=frozenset({("CJ-1", "CG-2")}), forbidden=frozenset({("CJ-2", "CG-1")}), minimum=0.5,
    )  # fmt: skip
    plan = assign(game)
    assert isinstance(plan, Plan)
    assert chosen(plan) == [("CJ-1", "CG-2")]
    assert plan.pairs[0].forced


def test_the_floor_gives_a_little_of_the_total_so_that_nobody_is_left_out() -> None:
    pairs = {("CJ-1", "CG-1"): 0.9, ("CJ-1", "CG-2"): 0.5, ("CJ-2", "CG-1"): 0.3}
    two = {"scene_capacity": Capacity(most=2), "achievement_capacity": Capacity(most=1)}
    best, fair = assign(made(pairs, **two)), assign(made(pairs, floor=0.3, **two))
    assert isinstance(best, Plan)
    assert isinstance(fair, Plan)
    assert chosen(best) == [("CJ-1", "CG-1"), ("CJ-1", "CG-2")]
    assert chosen(fair) == [("CJ-1", "CG-2"), ("CJ-2", "CG-1")]


def test_overlapping_groups_among_many_pairs_are_proven_through_a_core_of_few() -> None:
    game = random_instance(60, 200, 100, groups=12, most=5)
    plan = assign(game)
    assert isinstance(plan, Plan)
    assert plan.optimal
    loose = assign(random_instance(60, 200, 100))
    assert isinstance(loose, Plan)
    assert plan.total < loose.total


@pytest.mark.parametrize("least", [0, 1])
def test_prices_and_core_find_what_an_independent_solver_finds(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With columns generated and the core grown from almost nothing, as they are in instances of 100,000 pairs."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    monkeypatch.setattr(matcher.assignment_program, "_ALL", 10)
    monkeypatch.setattr(matcher.assignment_program, "_FIRST", 2)
    monkeypatch.setattr(matcher.assignment_program, "_CORE", 3)
    game = random_instance(25, 60, 20, groups=8, most=5)
    game = replace(game, scene_capacity=Capacity(least=least, most=2), forced=frozenset({game.pair(7)}))
    ruled, model = rows(model_of(game)), model_of(game)
    theirs = milp(
        -model.fit, constraints=LinearConstraint(ruled.matrix, -np.inf, ruled.bound), integrality=np.ones(len(model.fit)),
        bounds=Bounds(model.forced.astype(float), 1), options={"mip_rel_gap": 0},
    )  # fmt: skip
    plan = assign(game)
    assert isinstance(plan, Plan)
    assert plan.optimal
    assert plan.total == pytest.approx(-theirs.fun / 1e6, abs=1e-6)


def test_what_was_not_proven_in_the_effort_says_how_far_off_it_may_be() -> None:
    plan = assign(random_instance(60, 200, 100, groups=12, most=5), effort=0.001)
    if isinstance(plan, Plan):
        assert plan.bound >= plan.total
        assert plan.optimal == (plan.gap == 0)
    else:
        assert [conflict.problem.code for conflict in plan] == ["undecided"]


def test_three_hundred_by_five_hundred_is_solved_to_the_optimum() -> None:
    plan = assign(random_instance(300, 500, 500))
    assert isinstance(plan, Plan)
    assert plan.optimal
    assert len(plan.pairs) == 300


def test_there_is_always_an_answer_why_there_is_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    game = made({("CJ-1", "CG-1"): 0.9}, scene_capacity=Capacity(least=2, most=2))
    monkeypatch.setattr(matcher.assignment, "conflicts", lambda _: ())
    answer = assign(game)
    assert not isinstance(answer, Plan)
    assert [conflict.problem.code for conflict in answer] == ["unexplained"]


def test_stable_refuses_what_it_cannot_promise_and_says_what_it_costs() -> None:
    game = made({("CJ-1", "CG-1"): 0.9, ("CJ-1", "CG-2"): 0.8, ("CJ-2", "CG-1"): 0.8})
    plan = assign_stable(game)
    assert isinstance(plan, Plan)
    assert chosen(plan) == [("CJ-1", "CG-1")]
    assert (plan.total, plan.bound, plan.optimal) == (0.9, 1.6, False)
    for rules in ({"floor": 0.5}, {"scene_capacity": Capacity(least=1)}):
        refused = assign_stable(made({("CJ-1", "CG-1"): 0.9}, **rules))
        assert not isinstance(refused, Plan)
        assert refused[0].problem.code == "stable_with_needs"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fit": [np.nan]}, "finite"), ({"fit": [1e9]}, "finite"), ({"achievement_at": [1]}, "not there"),
        ({"fit": [0.1, 0.2]}, "every pair"), ({"groups": [Group(name="甲", achievements=frozenset(), most=1)] * 2}, "one name"),
    ],
)  # fmt: skip
def test_numbers_and_places_that_make_no_sense_are_refused(changed: dict[str, object], message: str) -> None:
    given = {"scene_at": [0], "achievement_at": [0], "fit": [0.5]} | changed
    with pytest.raises(ValueError, match=message):
        arranged(["CJ-1"], ["CG-1"], **given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="twice"):
        arranged(["CJ-1", "CJ-1"], [], scene_at=[], achievement_at=[], fit=[])
    with pytest.raises(ValueError, match="twice"):
        arranged(["CJ-1"], ["CG-1"], scene_at=[0, 0], achievement_at=[0, 0], fit=[1, 1])
    with pytest.raises(ValueError, match="negative"):
        Capacity(least=-1)


def test_candidates_are_those_of_the_ranking_with_its_probabilities(engine: Engine) -> None:
    scene = make_scene("CJ-1")
    put(engine.store, scene, make_achievement("CG-1"), make_achievement("CG-2", title="海水养殖网箱清洗"))
    found = gather(engine, [scene], None, today=TODAY, extra=[("CJ-1", "CG-2")])
    matches = {match.key[1]: match for match in engine.match(scene, top=100, today=TODAY)}
    assert sorted(found.achievements) == ["CG-1", "CG-2"]
    for at, id in enumerate(found.achievements):
        row = found.achievement_at.tolist().index(at)
        assert found.fit[row] == sum(matches[id].probabilities[2:])
        assert (found.points[row], found.level[row]) == (matches[id].score, matches[id].level)
    only = gather(engine, [scene], ["CG-2"], today=TODAY)
    assert (only.achievements, only.points.tolist()) == (("CG-2",), [matches["CG-2"].score])
