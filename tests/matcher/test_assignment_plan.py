"""Plans as values: why scenes are left out, which rules a plan breaks, JSON and back, what a new plan changes."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from matcher.assignment import assign
from matcher.assignment_instance import Capacity, Group, Instance
from matcher.assignment_model import chosen_mask
from matcher.assignment_plan import (
    Plan,
    broken_rules,
    left_out,
    plan_difference,
    plan_from_json,
    plan_to_json,
)
from tests.matcher.assignment_games import all_rules, instances, keeps, made


@settings(max_examples=100)
@given(instances(), st.data())
def test_broken_rules_are_those_that_the_words_of_the_rules_find(game: Instance, data: st.DataObject) -> None:
    candidates = [game.pair(at) for at in range(len(game.fit))]
    plan = data.draw(st.sets(st.sampled_from(candidates), max_size=5))
    expected = {rule for rule in all_rules(game) if not keeps(game, rule, plan, game.forced)}
    assert set(broken_rules(game, plan)) == expected


@settings(max_examples=60)
@given(instances(), instances())
def test_a_plan_survives_json_and_differs_by_what_was_added_and_removed(
    first: Instance, second: Instance
) -> None:
    plans = [plan for game in (first, second) if isinstance(plan := assign(game), Plan)]
    for plan in plans:
        assert plan_from_json(json.dumps(plan_to_json(plan), ensure_ascii=False)) == plan
    if len(plans) == 2:
        found = plan_difference(*plans)
        before, after = ({(p.scene, p.achievement) for p in plan.pairs} for plan in plans)
        assert {(p.scene, p.achievement) for p in found.added} == after - before
        assert {(p.scene, p.achievement) for p in found.removed} == before - after
        assert {(p.scene, p.achievement) for p in found.kept} == before & after
        moved = sum(p.fit for p in found.added) - sum(p.fit for p in found.removed) + found.refitted
        assert found.change == pytest.approx(moved, abs=1e-6)


@pytest.mark.parametrize(
    ("rules", "why", "message"),
    [
        ({"scene_capacities": {"CJ-2": Capacity(most=0)}}, "closed", "规则中它的最多数为 0"),
        ({"minimum": 0.7}, "below_minimum", "没有达到最低要求的成果，最好的是 CG-1（得分 0.6）"),
        ({"forbidden": frozenset({("CJ-2", "CG-1"), ("CJ-2", "CG-2")})}, "forbidden",
         "达到最低要求的成果 CG-1、CG-2 都被禁止对接"),
        ({"forbidden": frozenset({("CJ-2", "CG-2")})}, "taken", "够格的 1 项成果都排不上：CG-1 已给 CJ-1"),
        ({"groups": [Group(name="香洲区", achievements=frozenset({"CG-1", "CG-2"}), most=1)]}, "taken",
         "够格的 2 项成果都排不上：CG-1 已给 CJ-1；CG-2 所在的“香洲区”已满"),
        ({"groups": [Group(name="香洲区", achievements=frozenset({"CG-1", "CG-2"}), most=1)],
          "achievement_capacity": Capacity(most=2)}, "group_full",
         "够格的 2 项成果都排不上：CG-1 所在的“香洲区”已满，CG-2 所在的“香洲区”已满"),
    ],
)  # fmt: skip
def test_a_scene_left_out_is_told_why(rules: dict[str, Any], why: str, message: str) -> None:
    pairs = {("CJ-1", "CG-1"): 0.9, ("CJ-2", "CG-1"): 0.6, ("CJ-2", "CG-2"): 0.4}
    plan = assign(made(pairs, **rules))
    assert isinstance(plan, Plan)
    assert [(one.scene, one.why, one.message) for one in plan.left] == [("CJ-2", why, message)]


def test_a_hand_made_plan_may_leave_out_who_could_have_had_something() -> None:
    game = made({("CJ-1", "CG-1"): 0.9}, scenes=("CJ-2",))
    told = list(left_out(game, chosen_mask(game, [])))
    assert [(one.scene, one.why) for one in told] == [("CJ-1", "free"), ("CJ-2", "no_candidate")]
    assert told[0].message == "还有可用的成果 CG-1，没有排上"
    assert next(iter(left_out(game, np.array([True])))).scene == "CJ-2"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 2}', '{"format": 1, "rule": "best", "pairs": [{"scene": 1}], "left": []}', "[" * 5000,
     '{"format": 1, "rule": "best", "pairs": [], "left": [{"scene": "CJ-1"}], "total": 0, "bound": 0, "optimal": true}'],
)  # fmt: skip
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        plan_from_json(text)
    assert refused.value.code == "plan_unreadable"
