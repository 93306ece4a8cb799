"""Why there is no plan: the rules named really conflict, none can be spared, and the words say what would mend it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from matcher.assignment import assign
from matcher.assignment_conflicts import conflicts
from matcher.assignment_instance import Capacity, Group, Instance, arranged
from matcher.assignment_plan import Plan
from tests.matcher.assignment_games import all_rules, instances, keepers, made

ONE = Capacity(least=1, most=1)


@settings(max_examples=120)
@given(instances())
def test_named_rules_conflict_by_themselves_and_none_of_them_can_be_spared(game: Instance) -> None:
    found = conflicts(game)
    assert bool(found) == (keepers(game, all_rules(game)) == [])
    for conflict in found:
        assert keepers(game, conflict.rules) == []
        assert conflict.problem.message
        assert conflict.problem.remedy
        if conflict.problem.code == "rules_conflict":
            assert all(keepers(game, [r for r in conflict.rules if r != spared]) for spared in conflict.rules)
    answer = assign(game)
    assert isinstance(answer, Plan) if not found else answer == found


@pytest.mark.parametrize(
    ("pairs", "rules", "code", "message", "remedy"),
    [
        ({("CJ-1", "CG-1"): 0.9}, {"forced": frozenset({("CJ-1", "CG-1")}), "forbidden": frozenset({("CJ-1", "CG-1")})},
         "forced_forbidden", "“CJ-1—CG-1”既写了必须，又写了禁止", "请删去其中一条"),
        ({("CJ-1", "CG-1"): 0.9}, {"forced": frozenset({("CJ-1", "CG-1")}), "achievement_capacity": Capacity(most=0)},
         "forced_above_most", "必须对接 CJ-1—CG-1，但成果 CG-1 最多 0 个场景",
         "任选一项：不再要求必须对接 CJ-1—CG-1；或提高成果 CG-1 的最多数"),
        ({("CJ-1", "CG-1"): 0.9}, {"scene_capacity": Capacity(least=3, most=2)},
         "least_above_most", "场景 CJ-1 至少要 3 项成果，又写了场景 CJ-1 最多 2 项成果，最少大于最多", "请改正最少或最多"),
        ({("CJ-1", "CG-1"): 0.9}, {"forced": frozenset({("CJ-1", "CG-9")})},
         "forced_unknown", "必须对接的“CJ-1—CG-9”不在候选之中", "请核对两个编号，并确认场景和成果都在这次的范围之内"),
        ({("CJ-1", "CG-1"): 0.9, ("CJ-1", "CG-2"): 0.1, ("CJ-1", "CG-3"): 0.8},
         {"scene_capacity": Capacity(least=2, most=3), "minimum": 0.5, "forbidden": frozenset({("CJ-1", "CG-3")})},
         "rules_conflict", "场景 CJ-1 至少要 2 项成果，候选中可用的只有 1 项成果（1 项达不到最低要求、1 项被禁止）",
         "任选一项：减少场景 CJ-1 的最少数；或不再禁止 CJ-1—CG-3；或放低最低要求"),
        ({("CJ-1", "CG-1"): 0.9, ("CJ-2", "CG-1"): 0.8}, {"scene_capacity": ONE},
         "rules_conflict", "这几条不能同时做到：场景 CJ-1、CJ-2 各至少要 1 项成果；成果 CG-1 最多 1 个场景",
         "任选一项：减少场景 CJ-1、CJ-2 之一的最少数；或提高成果 CG-1 的最多数"),
        ({("CJ-1", "CG-1"): 0.9, ("CJ-2", "CG-2"): 0.8},
         {"floor": 0.5, "groups": [Group(name="香洲区", achievements=frozenset({"CG-1", "CG-2"}), most=1)]},
         "rules_conflict", "这几条不能同时做到：场景 CJ-1、CJ-2 各须有一项得分 0.5 以上的成果（公平保底）；“香洲区”的成果最多 1 对",
         "任选一项：不要求公平保底；或提高“香洲区”的上限"),
    ],
)  # fmt: skip
def test_the_cause_is_named_with_what_would_mend_it(
    pairs: dict[tuple[str, str], float], rules: dict[str, Any], code: str, message: str, remedy: str
) -> None:
    (conflict,) = conflicts(made(pairs, **rules))
    problem = conflict.problem
    assert (problem.code, problem.message, problem.remedy) == (code, message, remedy)


def test_several_conflicts_are_told_at_once() -> None:
    game = made(
        {("CJ-1", "CG-1"): 0.9, ("CJ-2", "CG-2"): 0.8, ("CJ-3", "CG-2"): 0.8}, scene_capacity=ONE,
        forbidden=frozenset({("CJ-1", "CG-1")}),
    )  # fmt: skip
    found = conflicts(game)
    assert [{rule.scene for rule in c.rules if rule.kind == "scene_least"} for c in found] == [
        {"CJ-1"},
        {"CJ-2", "CJ-3"},
    ]


def test_a_crowd_that_wants_too_little_is_found_among_many() -> None:
    """Thirty scenes that only 29 achievements suit, among 400 others: named are these and no others."""
    draw = np.random.default_rng(3)
    scenes = [f"CJ-{n:03d}" for n in range(430)]
    others = [f"CG-{n:03d}" for n in range(600)]
    at = [
        draw.choice(29, 20, replace=False) if n < 30 else 29 + draw.choice(571, 20, replace=False)
        for n in range(430)
    ]
    game = arranged(
        scenes, others, scene_at=np.repeat(np.arange(430), 20), achievement_at=np.concatenate(at),
        fit=draw.random(430 * 20), scene_capacity=ONE,
    )  # fmt: skip
    (conflict,) = conflicts(game)
    assert {rule.scene for rule in conflict.rules if rule.kind == "scene_least"} == set(scenes[:30])
    assert {rule.achievement for rule in conflict.rules if rule.kind == "achievement_most"} == set(
        others[:29]
    )
    assert "等 30 个 各至少要 1 项成果" in conflict.problem.message


def test_groups_that_only_whole_pairs_cannot_keep_are_found() -> None:
    """Halves of three pairs would do: no flow and no linear program sees that whole ones do not."""
    names = ("CG-1", "CG-2", "CG-3")
    pairs = {("CJ-1", name): 0.5 for name in names}
    groups = [
        Group(name=f"{a}{b}", achievements=frozenset({a, b}), most=1)
        for a, b in (names[:2], names[1:], names[::2])
    ]
    game = made(
        pairs, scene_capacity=Capacity(least=1, most=3), groups=groups, achievement_capacity=Capacity(most=1)
    )
    assert isinstance(assign(game), Plan)
    two = {("CJ-1", name): 0.5 for name in names} | {("CJ-2", name): 0.5 for name in names}
    game = made(two, scene_capacity=Capacity(least=1, most=3), groups=groups)
    found = assign(game)
    assert not isinstance(found, Plan)
    assert {rule.kind for rule in found[0].rules} == {"scene_least", "group"}
