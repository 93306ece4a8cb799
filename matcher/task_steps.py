"""Steps of a task beyond its bids, and writing them: each one batch of the store, or nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from graph.problems import Refused
from graph.processes import moved
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.awards import Award, withdraw
from matcher.bid_checks import Proceedings
from matcher.bidding import named_task
from matcher.process_values import to_the_second
from matcher.races import Race
from matcher.racing import called_off
from matcher.tasks import (
    EXPERT,
    OFFICER,
    TOGETHER,
    Milestone,
    Opinion,
    Task,
    carry_out,
    next_id,
    task_rules,
)

_PREFIX = "BD"


def with_opinion(task: Task, *, expert: str, agrees: bool, text: str, at: datetime) -> Task:
    """The task with one expert's opinion more. Raises ``Refused`` as ``moved`` does."""
    opinion = Opinion(expert=expert, agrees=agrees, text=text, at=to_the_second(at))
    values = {"opinions": (*task.opinions, opinion)}
    return moved(task, task_rules(), "opine", role=EXPERT, at=at, values=values)


def published(task: Task, *, at: datetime, deadline: datetime | None = None) -> Task:
    """The task posted now. Raises ``Refused`` as ``moved`` does."""
    values: dict[str, Any] = {"published_at": to_the_second(at)}
    if deadline is not None:
        values["deadline"] = deadline
    return moved(task, task_rules(), "publish", role=OFFICER, at=at, values=values)


def with_milestone(task: Task, name: str, *, role: str, note: str, at: datetime) -> Task:
    """The task with a milestone recorded as done. Raises ``Refused`` as ``moved`` does."""
    milestones = tuple(
        one.model_copy(update={"done_at": to_the_second(at), "note": note}) if one.name == name else one
        for one in task.milestones
    )
    return moved(task, task_rules(), "record", role=role, at=at, values={"milestones": milestones})


def signed(task: Task, milestones: tuple[Milestone, ...], *, at: datetime) -> Task:
    """The task under contract, with its milestones. Raises ``Refused`` as ``moved`` does."""
    return moved(task, task_rules(), "sign", role=OFFICER, at=at, values={"milestones": milestones})


def add_task(store: Store, draft: Callable[[str], Task], *, actor: str, at: datetime, reason: str) -> Task:
    """Put the task that ``draft`` makes for the next free number. Raises ``Refused`` (``plan_stale``: it was taken)."""
    with store.snapshot() as now:
        revision, id = now.revision, next_id(Task, now, _PREFIX, at)
    task = draft(id)
    carry_out(store, [PutProcess(process=task)], actor=actor, at=at, reason=reason, since=revision)
    return task


def change_task(
    store: Store, task_id: str, step: Callable[[Task], Task], *, actor: str, at: datetime, reason: str
) -> Task:  # fmt: skip
    """Take a step of a stored task. Raises ``Refused``: ``task_unknown``, what the step refuses, ``plan_stale``."""
    around = Proceedings.of(store)
    after = step(named_task(around, task_id))
    carry_out(store, [PutProcess(process=after)], actor=actor, at=at, reason=reason, since=around.revision)
    return after


def move_task(
    store: Store, task_id: str, name: str, *, role: str, values: Mapping[str, Any], actor: str, at: datetime
) -> Task:  # fmt: skip
    """Make a move of a stored task with what it is told; a race and an award go with it: over before 绩效评价, called off by 取消.

    Raises ``Refused`` as ``change_task`` does, ``move_together`` for a move that other functions make (``TOGETHER``).
    """
    if name in TOGETHER:
        label = task_rules().moves[name].label
        message, remedy = f"“{label}”不能单独办理。", "请用投标、评审或定标各自的办理步骤。"
        raise Refused("move_together", message, remedy)
    around = Proceedings.of(store)
    task, race = named_task(around, task_id), store.process(Race, task_id)
    given = dict(values)
    if name == "assess" and task.selection == "race":
        given["delivered"] = race is not None and race.state in ("finished", "failed")
    if name == "return":
        given["opinions"] = ()
    after = moved(task, task_rules(), name, role=role, at=at, values=given)
    changes = [PutProcess(process=after)]
    why = given.get("reason", "")
    if name == "cancel":
        award = store.process(Award, task_id)
        if award is not None and award.state in ("proposed", "notice"):
            taken_back = withdraw(award, reason=f"榜单取消：{why}", at=at, role=OFFICER)
            changes.append(PutProcess(process=taken_back))
        if race is not None and race.state == "running":
            changes.append(PutProcess(process=called_off(race, reason=why, at=at)))
    told = task_rules().moves[name].label + (f"：{why}" if why else "")
    carry_out(store, changes, actor=actor, at=at, reason=told, since=around.revision)
    return after
