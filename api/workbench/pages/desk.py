"""工作台: what waits for whoever has signed in; and the search across everything."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.routes.paths import today
from api.workbench.access import Anybody, AtDesk, Visitor
from api.workbench.rendering import page
from graph.kinds import KINDS, Scene
from graph.store.store import Store
from matcher.gaps import is_open
from matcher.orders import Order, order_rules
from matcher.review_processes import Review
from matcher.tasks import Task, task_rules

router = APIRouter(include_in_schema=False)

_SOON = timedelta(days=7)
_SHOWN = 8
_FOUND = 60


@router.get("/")
def get_desk(request: Request, visitor: Anybody) -> Response:
    if not visitor.is_staff:
        return page(request, "expert_desk.html", reviews=_reviews(visitor))
    store, now = visitor.store, datetime.now(UTC)
    scenes = [node for node in store.nodes("scene") if isinstance(node, Scene) and is_open(node, today())]
    judged = {one.scene for one in store.judgements()}
    unjudged = [scene for scene in scenes if scene.id not in judged]
    due = [scene for scene in scenes if scene.deadline and scene.deadline <= today() + timedelta(days=30)]
    return page(
        request, "desk.html", counts=store.counts(), unjudged=unjudged[:_SHOWN], unjudged_count=len(unjudged),
        closing=sorted(due, key=lambda scene: (scene.deadline, scene.id))[:_SHOWN], closing_count=len(due),
        orders=_orders(store, now), tasks=_tasks(store, now), now=now,
    )  # fmt: skip


@router.get("/search")
def get_search(request: Request, visitor: AtDesk, q: str = "") -> Response:
    text = q.strip()[:200]
    found = visitor.view.search(text, limit=_FOUND) if text else []
    groups = {
        KINDS[kind].label: [node for node in found if node.kind == kind]
        for kind in dict.fromkeys(node.kind for node in found)
    }
    return page(request, "search.html", q=text, groups=groups, count=len(found), is_cut=len(found) == _FOUND)


def _orders(store: Store, now: datetime) -> list[tuple[Order, str]]:
    """Orders whose time is up or nearly so, the most urgent first, each with its state."""
    states = order_rules().states
    return [(order, states[order.state].label) for order in store.late(Order, now + _SOON)[:_SHOWN]]


def _tasks(store: Store, now: datetime) -> list[tuple[Task, str]]:
    """Tasks whose present state should end soon or should have ended."""
    states = task_rules().states
    return [(task, states[task.state].label) for task in store.late(Task, now + _SOON)[:_SHOWN]]


def _reviews(visitor: Visitor) -> list[tuple[str, str, int, int]]:
    """Of each review in which the expert reads: its id and task, how many entries are hers, how many have her marks."""
    expert = visitor.user.expert
    found = []
    for review in visitor.store.processes(Review) if expert else ():
        mine = [entry for entry, readers in review.readers.items() if expert in readers]
        if mine:
            done = {mark.entry for mark in review.marks if mark.expert == expert}
            found.append((review.id, review.task, len(mine), len(done & set(mine))))
    return found
