"""Drafts of tasks from what the library knows."""

from datetime import UTC, datetime
from typing import Any

import pytest

from graph.kinds import Achievement, Scene
from matcher.register import Register
from matcher.task_drafts import new_task, task_from_achievement, task_from_scene
from matcher.task_policy import task_policy
from matcher.tasks import Task
from tests.factories import NOON, make_achievement, make_edge, make_enterprise, make_scene
from tests.matcher.boards import uscc

FIRM = make_enterprise("QY-1", title="澜川海岛发展有限公司", uscc=uscc(1))
REGISTER = Register([FIRM], [make_edge(FIRM, "posts", make_scene("CJ-2"))])
FULL: dict[str, Any] = {
    "problem": "风大停航", "indicators": "抗风等级≥7级；航程≥30km", "wanted": "整机", "owner": "珠海澜川海岛发展有限公司",
    "budget": "100-300", "deadline": "2026-12-31", "contact": "陈工",
}  # fmt: skip


def _from_scene(scene: Scene, **values: Any) -> Task:
    return task_from_scene(scene, "BD-1", register=REGISTER, at=NOON, **values)


def test_a_scene_becomes_a_draft_in_one_step() -> None:
    task = _from_scene(make_scene(**FULL))
    assert task == new_task(
        "BD-1", at=NOON, about=(("scene", "CJ-1"),), title="海岛物资无人机投送", mode="demand", problem="风大停航",
        indicators="抗风等级≥7级；航程≥30km", content="整机", bounty="300", poster="珠海澜川海岛发展有限公司", poster_uscc=uscc(1),
        deadline="2026-12-31", acceptance="在发榜单位现场验收，逐项检测并达到：抗风等级≥7级；航程≥30km。",
    )  # fmt: skip
    assert (task.bounty, task.deadline) == (3_000_000, datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC))
    policy = task_policy()
    assert (task.quota, task.notice_days, task.experts) == (policy.quota, policy.notice_days, policy.experts)
    assert sum(criterion.weight for criterion in task.rubric) == 100


def test_what_is_said_wins_and_a_deadline_that_has_passed_is_left_out() -> None:
    task = _from_scene(make_scene(**FULL | {"deadline": "2026-02-28"}), selection="赛马", bounty="50")
    assert (task.deadline, task.selection, task.bounty) == (None, "race", 500_000)


def test_columns_kept_from_the_public_do_not_get_into_a_draft() -> None:
    task = _from_scene(make_scene(**FULL, field_visibility="预算（万元）=内部；技术难点=合作方"))
    assert (task.bounty, task.problem) == (None, "")


def test_the_poster_of_a_scene_without_owner_is_who_posts_it() -> None:
    task = _from_scene(make_scene("CJ-2"))
    assert (task.poster, task.poster_uscc) == (FIRM.title, FIRM.uscc)


@pytest.mark.parametrize("owner", ["粤海湾理工大学", ""])
def test_an_achievement_seeks_scenes_and_its_price_stays_untold(owner: str) -> None:
    achievement: Achievement = make_achievement(
        summary="复合翼", applications="海岛", owner=owner, price="260"
    )
    task = task_from_achievement(achievement, "BD-1", register=REGISTER, at=NOON)
    assert (task.mode, task.title, task.poster, task.bounty, task.about) == (
        "offer", "垂直起降固定翼无人运输机应用场景征集", owner, None, (("achievement", "CG-1"),),
    )  # fmt: skip


def test_what_is_accepted_follows_the_indicators_that_are_given() -> None:
    task = _from_scene(make_scene("CJ-2", indicators="航程≥30km"), indicators="载重≥20kg；抗风等级≥7级。")
    assert task.acceptance == "在发榜单位现场验收，逐项检测并达到：载重≥20kg；抗风等级≥7级。"
