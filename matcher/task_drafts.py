"""Drafts of tasks: new ones with the policy's defaults, and one step from a scene or an achievement to its task."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from graph.kinds import Achievement, Scene
from graph.processes import opened
from matcher.parties import Party
from matcher.process_values import WAN, parse_moment
from matcher.register import Register
from matcher.task_policy import task_policy
from matcher.tasks import Criterion, Task, task_rules

_N = TypeVar("_N", Scene, Achievement)
_PANEL = "专家独立打分；与投标人有利益关系的专家回避并记录理由"


def new_task(id: str, *, at: datetime, about: tuple[tuple[str, str], ...] = (), **values: Any) -> Task:
    """A task in 需求登记; what is not said is as the policy has it. Raises ``Refused`` (``process_value``)."""
    policy = task_policy()
    usual: dict[str, Any] = {
        "notice_days": policy.notice_days, "quota": policy.quota, "experts": policy.experts, "panel_rule": _PANEL,
        "rubric": tuple(Criterion(name=name, weight=weight) for name, weight in policy.rubric),
    }  # fmt: skip
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return opened(Task, task_rules(), id=id, at=at, about=about, **(usual | given))


def task_from_scene(scene: Scene, id: str, *, register: Register, at: datetime, **values: Any) -> Task:
    """The draft of a 技术需求榜 for a scene: three parts of the need, budget as bounty, deadline if it is to come.

    ``values`` replace what the scene says. A budget that is a range gives its upper end. Columns that the scene keeps
    from the public are left out: what is posted is read by all.
    """
    scene = _public(scene)
    drawn: dict[str, Any] = {
        "title": scene.title, "mode": "demand", "problem": scene.problem or scene.summary,
        "indicators": scene.indicators, "content": scene.wanted, "bounty": _yuan(scene.budget),
        **_poster(register.owner(scene)),
    }  # fmt: skip
    if scene.deadline and (end := parse_moment(scene.deadline)) and end > at:
        drawn["deadline"] = end
    # What is accepted is what is asked for: indicators that are given replace those of the scene here too.
    if asked := str(values.get("indicators") or scene.indicators):
        drawn["acceptance"] = f"在发榜单位现场验收，逐项检测并达到：{asked.rstrip('。；')}。"
    return new_task(id, at=at, about=(("scene", scene.id),), **(drawn | _said(values)))


def task_from_achievement(
    achievement: Achievement, id: str, *, register: Register, at: datetime, **values: Any
) -> Task:
    """The draft of a 成果转化榜: the achievement's owner seeks where it can be used; its price is not told.

    Columns that it keeps from the public are left out, as of a scene.
    """
    achievement = _public(achievement)
    drawn: dict[str, Any] = {
        "title": f"{achievement.title}应用场景征集", "mode": "offer",
        "problem": f"成果概况：{achievement.summary}" if achievement.summary else "",
        "indicators": achievement.indicators, "content": achievement.applications,
        **_poster(register.owner(achievement)),
    }  # fmt: skip
    return new_task(id, at=at, about=(("achievement", achievement.id),), **(drawn | _said(values)))


def _public(node: _N) -> _N:
    hidden = {
        name for name, who in node.field_visibility.items() if who != "public" and name not in ("id", "title")
    }
    blank = {
        name: type(node).model_fields[name].get_default(call_default_factory=True) for name in sorted(hidden)
    }
    return node.model_copy(update=blank)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def _yuan(budget: tuple[float, float] | None) -> int | None:
    """The upper end of a range in 万元 as whole 元."""
    return None if budget is None else int((Decimal(str(budget[1])) * WAN).to_integral_value())


def _poster(party: Party | None) -> dict[str, str | None]:
    return {"poster": party.name, "poster_uscc": party.uscc} if party else {}
