"""工作台: what waits for whoever has signed in; and the search across everything."""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answering import Version
from api.questions import LineupQuestion
from api.routes.paths import now, today
from api.services import Parts
from api.workbench.access import Anybody, AtDesk, Visitor
from api.workbench.people import Role
from api.workbench.rendering import escaped, page
from api.workbench.waiting import (
    OpenScene,
    coming_roadshows,
    duties_of_cases,
    duties_of_orders,
    duties_of_tasks,
    open_scenes,
    sorted_scenes,
)
from graph.kinds import KINDS
from graph.store.store import Store
from matcher.orders import order_rules
from matcher.review_processes import Review
from matcher.roadshows import Roadshow, shown_before

router = APIRouter(include_in_schema=False)

_CLOSING = timedelta(days=30)
_SHOWN = 8
_FOUND = 60
_LINEUPS = 5
# What each role looks at first.
_TILES: dict[Role, Sequence[str]] = {
    "staff": ("new", "judge", "gaps", "orders", "close", "tasks", "cases", "lineups"),
    "organiser": ("lineups", "tasks", "new", "gaps", "close", "orders", "cases", "judge"),
    "officer": ("tasks", "cases", "orders", "gaps", "close", "lineups", "new", "judge"),
    "administrator": ("tasks", "orders", "cases", "gaps", "new", "judge", "close", "lineups"),
}


@router.get("/")
def get_desk(request: Request, visitor: Anybody, parts: Parts) -> Response:
    if not visitor.is_staff:
        return page(request, "expert_desk.html", reviews=_reviews(visitor))
    store, at = visitor.store, now()
    scenes = _open_scenes(store, parts.lanes.versions.get("staff"))
    new, unjudged = sorted_scenes(store, scenes)
    due = sorted((one for one in scenes if one.deadline and one.deadline <= today() + _CLOSING), key=lambda one: (one.deadline, one.id))  # fmt: skip
    states = {name: state.label for name, state in order_rules().states.items()}
    duties: dict[str, Any] = {
        "orders": duties_of_orders(store, at, states),
        "tasks": duties_of_tasks(store, at),
        "cases": duties_of_cases(store, at),
    }
    return page(
        request, "desk.html", counts=store.counts(), tiles=_TILES[visitor.role], most=_SHOWN, escaped=escaped,
        new=new, unjudged=unjudged, closing=due, has_lineups=bool(coming_roadshows(store, today())), **duties,
    )  # fmt: skip


@router.get("/desk/lineups")
async def get_lineups(request: Request, visitor: AtDesk, parts: Parts) -> Response:
    """The coming roadshows and what their lineups break as the data stand now; a part of the desk."""

    def read() -> list[tuple[Roadshow, Any]]:
        every = list(visitor.store.processes(Roadshow))
        return [
            (one, shown_before(one, every)) for one in coming_roadshows(visitor.store, today())[:_LINEUPS]
        ]

    found = []
    for one, shown in await run_in_threadpool(read):
        # Asked for the moment of its last change, so that the answer can be kept.
        asked = LineupQuestion(
            audience=one.audience, today=today(), roadshow=one.model_dump_json(), edit=None, looks=True,
            shown=tuple((title, tuple(sorted(ids))) for title, ids in shown), role="staff", at=one.moved_at.isoformat(),
        )  # fmt: skip
        told: dict[str, Any] = json.loads(await parts.answer(asked))
        found.append((one, told.get("binding", []), told["refused"][1] if "refused" in told else ""))
    return page(request, "desk_lineups.html", roadshows=found, escaped=escaped)


@router.get("/search")
def get_search(request: Request, visitor: AtDesk, q: str = "") -> Response:
    text = q.strip()[:200]
    found = visitor.view.search(text, limit=_FOUND) if text else []
    groups = {
        KINDS[kind].label: [node for node in found if node.kind == kind]
        for kind in dict.fromkeys(node.kind for node in found)
    }
    return page(request, "search.html", q=text, groups=groups, count=len(found), is_cut=len(found) == _FOUND)


def _open_scenes(store: Store, version: Version | None) -> Sequence[OpenScene]:
    """The open scenes, read anew only when a record has changed: everybody comes to the desk all day."""
    return open_scenes(store, today()) if version is None else _scenes_at(store, version.revision, today())


@lru_cache(maxsize=2)
def _scenes_at(store: Store, revision: int, day: Any) -> Sequence[OpenScene]:
    return tuple(open_scenes(store, day))


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
