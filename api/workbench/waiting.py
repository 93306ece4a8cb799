"""What waits for somebody at the desk: scenes, orders, tasks at a step that can be made now, roadshows, cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from graph.kinds import Scene
from graph.store.snapshot import Snapshot
from graph.store.store import Store
from matcher.awards import Award
from matcher.cases import PUBLISHED, REVIEWING, CaseFile, case_rules
from matcher.gaps import is_open
from matcher.orders import Order
from matcher.races import Race
from matcher.review_processes import Review
from matcher.roadshows import Roadshow
from matcher.tasks import LABELS, Task, task_rules

SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class OpenScene:
    """What the desk shows of a scene that looks for achievements."""

    id: str
    title: str
    district: str
    deadline: date | None


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be done: the id and title of what it is about, what is to be done, and when it is due."""

    id: str
    title: str
    told: str
    due: datetime | None
    is_late: bool


def open_scenes(store: Store, today: date) -> list[OpenScene]:
    """The scenes that still look, by id: reads all scenes there are."""
    return [
        OpenScene(node.id, node.title, node.district or "", node.deadline)
        for node in store.nodes("scene") if isinstance(node, Scene) and is_open(node, today)
    ]  # fmt: skip


def sorted_scenes(store: Store, scenes: Sequence[OpenScene]) -> tuple[list[OpenScene], list[OpenScene]]:
    """Those whose list nobody has looked at, and those that were looked at and not judged."""
    with store.snapshot() as one:
        judged, shown = one.scenes_spoken_of("judgement"), one.scenes_spoken_of("outcome")
    new = [scene for scene in scenes if scene.id not in judged | shown]
    return new, [scene for scene in scenes if scene.id in shown - judged]


def duties_of_orders(store: Store, at: datetime, labels: Mapping[str, str]) -> list[Duty]:
    """Orders whose time is up or nearly so, the most urgent first."""
    return [
        Duty(one.id, one.need, labels[one.state], one.due, _is_late(one.due, at)) for one in store.late(Order, at + SOON)
    ]  # fmt: skip


def duties_of_tasks(store: Store, at: datetime) -> list[Duty]:
    """Tasks with a step that can be made now, and those whose state should soon have ended; the most urgent first."""
    found = []
    with store.snapshot() as one:
        for task in one.processes(Task):
            if task_rules().states[task.state].final:
                continue
            step = _step(one, task, at)
            if step or (task.due is not None and task.due < at + SOON):
                found.append(Duty(task.id, task.title or task.id, step or LABELS[task.state][1], task.due, _is_late(task.due, at)))  # fmt: skip
    return sorted(found, key=lambda duty: (not duty.is_late, duty.due is None, duty.due or at, duty.id))


def duties_of_cases(store: Store, at: datetime) -> list[Duty]:
    """Cases handed in for review, and any whose state should soon have ended."""
    found = []
    for one in store.processes(CaseFile):
        if one.state == REVIEWING or (one.due is not None and one.due < at + SOON):
            state = case_rules().states[one.state]
            told = "到复查的时候了" if one.state == PUBLISHED else state.duty or state.label
            found.append(Duty(one.id, one.title or one.id, told, one.due, _is_late(one.due, at)))
    return sorted(found, key=lambda duty: (not duty.is_late, duty.due is None, duty.due or at, duty.id))


def coming_roadshows(store: Store, today: date) -> list[Roadshow]:
    """Roadshows that are still to be held and have somebody on stage, the nearest first."""
    found = [
        one for one in store.processes(Roadshow)
        if one.state in ("draft", "released") and one.stage and not (one.day and one.day < today)
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.day is None, one.day or today, one.id))


def _step(now: Snapshot, task: Task, at: datetime) -> str:
    """What can be done at a task by an officer this moment; empty where it waits for time or for others."""
    match task.state:
        case "reviewing" if task.opinions:
            return "论证意见已有，可以发榜或退回"
        case "published" if task.deadline is not None and task.deadline < at:
            return "投标已截止，可以开标"
        case "evaluating":
            review = now.process(Review, task.id)
            if review is None:
                return "可以抽专家组、分配标书"
            return "" if review.problems() else "评分已齐，可以拟定中选"
        case "awarded":
            award = now.process(Award, task.id)
            if (
                award is not None
                and award.state == "notice"
                and award.notice_ends
                and award.notice_ends <= at
            ):
                return "公示期满，可以确认生效"
            if award is not None and any(not one.answer for one in award.objections):
                return "有异议没有答复"
            return "" if award is None or award.state == "notice" else "可以公示" if award.state == "proposed" else "可以签约"  # fmt: skip
        case "contracted":
            race = now.process(Race, task.id)
            gate = race.next_gate if race and race.state == "running" else None
            return f"关口“{gate.name}”到期，可以评审" if gate and gate.date <= at else ""
    return ""


def _is_late(due: datetime | None, at: datetime) -> bool:
    return due is not None and due < at
