"""One move of a task over HTTP or at the workbench: what it takes, and the step of the matcher that it is."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from api.task_views import role_in
from api.wire_tasks import TaskMoveSent, TaskMoveValues
from graph.problems import Refused
from graph.processes import Move
from graph.store.audience import AudienceStore
from graph.store.store import Store
from matcher import task_steps
from matcher.process_values import parse_points
from matcher.tasks import Milestone, Task, task_rules

# Beside a reason, which every move takes.
_TAKES: Mapping[str, frozenset[str]] = {
    "opine": frozenset({"expert", "agrees", "opinion"}), "publish": frozenset({"deadline"}),
    "extend": frozenset({"deadline"}), "clear": frozenset({"cleared"}),
    "sign": frozenset({"milestones"}), "record": frozenset({"done", "evidence"}),
    "close": frozenset({"points", "grade", "report"}),
}  # fmt: skip


def moved_on(
    store: Store, view: AudienceStore, task: Task, sent: TaskMoveSent, *, actor: str, at: datetime
) -> Task:  # fmt: skip
    """The task after a move, written. Raises ``Refused`` as the matcher's steps do, ``move_role`` and ``process_value``."""
    move = _move_called(task, sent.move)
    role = role_in(task, move, view)
    if role not in move.roles:
        raise Refused("move_role", f"您的身份不能办理“{move.label}”。", "请由有权办理这一步的一方来办。")
    values = sent.values
    given = values.model_dump(exclude_unset=True)
    if foreign := [name for name in given if name not in {"reason", *_TAKES.get(sent.move, ())}]:
        known = "、".join(["reason", *sorted(_TAKES.get(sent.move, ()))])
        raise Refused(
            "process_value", f"“{move.label}”不用填 {'、'.join(foreign)}。", f"这一步可填：{known}。"
        )
    reason = move.label + (f"：{values.reason}" if values.reason else "")

    def change(step: Callable[[Task], Task]) -> Task:
        return task_steps.change_task(store, task.id, step, actor=actor, at=at, reason=reason)

    match sent.move:
        case "opine":
            return change(
                lambda one: task_steps.with_opinion(
                    one, expert=values.expert, agrees=values.agrees, text=values.opinion, at=at
                )
            )
        case "publish":
            return change(lambda one: task_steps.published(one, at=at, deadline=values.deadline))
        case "sign":
            planned = tuple(Milestone(**one.model_dump()) for one in values.milestones)
            return change(lambda one: task_steps.signed(one, planned, at=at))
        case "record":
            return change(
                lambda one: task_steps.with_milestone(
                    one, values.done, role=role, note=values.evidence, at=at
                )
            )
    told = _told(task, values, given)
    return task_steps.move_task(store, task.id, move.name, role=role, values=told, actor=actor, at=at)


def _move_called(task: Task, name: str) -> Move:
    """The move of that name; of those with one label the one from where the task stands."""
    named = [one for one in task_rules().moves.values() if one.name.partition("_")[0] == name]
    return next((one for one in named if task.state in one.sources), named[0])


def _told(task: Task, values: TaskMoveValues, given: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in given.items() if value not in (None, "")}
    if "points" in told:
        told["points"] = parse_points(values.points)
    if "cleared" in told:
        told["cleared"] = (*task.cleared, values.cleared)
    return told
