"""机构与经纪人: each with all that belongs to it in one view; found by the graph, so that no list is read through."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import not_found
from api.questions import NeighbourhoodQuestion
from api.routes.paths import PathId, today
from api.services import Parts
from api.workbench.access import AtDesk, Visitor
from api.workbench.pages.matching import One
from api.workbench.pages.tasks import open_bids_of
from api.workbench.rendering import escaped, link, page
from graph.feedback import STAGES, Outcome
from graph.intake.organisations import organisation_key
from graph.kinds import KINDS, Broker, Enterprise, Institution, Node
from matcher.bids import STATES, Bid
from matcher.tasks import LABELS, Task

router = APIRouter(include_in_schema=False)

SHOWN_KINDS = ("enterprise", "institution", "broker")
_PAGE, _NEAR, _SAID = 50, 300, 40
# In this order a view tells of what is beside somebody.
_SECTIONS = (
    "scene",
    "achievement",
    "case",
    "broker",
    "enterprise",
    "institution",
    "platform",
    "zone",
    "fund",
    "expert",
)


@router.get("/organisations")
def get_organisations(
    request: Request, visitor: AtDesk, kind: One = "enterprise", q: Annotated[str, Query(max_length=200)] = "", after: One = "",
) -> Response:  # fmt: skip
    if kind not in SHOWN_KINDS:
        raise not_found("类别", kind)
    nodes = visitor.view.search(q, kind=kind, limit=_PAGE) if q.strip() else visitor.view.page(kind, after=after, limit=_PAGE + 1)  # fmt: skip
    following = link("/organisations", kind=kind, after=nodes[_PAGE - 1].id) if len(nodes) > _PAGE else ""
    return page(
        request, "organisations.html", kind=kind, nodes=nodes[:_PAGE], q=q, following=following, counts=visitor.store.counts(),
        kinds={name: KINDS[name].label for name in SHOWN_KINDS}, escaped=escaped, after=after,
    )  # fmt: skip


@router.get("/organisations/{kind}/{id}")
async def get_organisation(
    request: Request, visitor: AtDesk, parts: Parts, kind: str, id: PathId
) -> Response:
    """One view: what stands beside it in the graph, tasks and opened bids, and of a broker how it goes."""
    if kind not in SHOWN_KINDS:
        raise not_found("类别", kind)
    node = await run_in_threadpool(visitor.find, kind, id)
    asked = NeighbourhoodQuestion(audience="staff", today=today(), key=(kind, id), depth=1, limit=_NEAR)
    told = json.loads(await parts.answer_soon(asked))
    return await run_in_threadpool(_view, request, visitor, node, told)


def _view(request: Request, visitor: Visitor, node: Node, told: dict[str, Any]) -> Response:
    store = visitor.store
    beside = {(one["kind"], one["id"]) for one in told["nodes"]} - {(node.kind, node.id)}
    nodes = {
        kind: list(store.get_many(kind, sorted(id for of, id in beside if of == kind)).values())
        for kind in _SECTIONS
    }
    scenes = [one.id for one in nodes["scene"]]
    return page(
        request, "organisation.html", node=node, sections=[(KINDS[kind].label, kind, some) for kind, some in nodes.items() if some],
        how=_relations(node, told), complete=told["complete"], escaped=escaped, stages=STAGES, kinds=KINDS, labels=LABELS,
        said=_progress(visitor, scenes) if isinstance(node, Broker) else [], bid_states=STATES,
        **(_tasks(visitor, node) if isinstance(node, Enterprise | Institution) else {"posted": [], "bids": []}),
    )  # fmt: skip


def _relations(node: Node, told: dict[str, Any]) -> dict[tuple[str, str], str]:
    """How each neighbour is joined to it, in words."""
    own, found = (node.kind, node.id), dict[tuple[str, str], list[str]]()
    for edge in told["edges"]:
        ends = [(edge[end]["kind"], edge[end]["id"]) for end in ("source", "target")]
        if own in ends:
            other = ends[1] if ends[0] == own else ends[0]
            found.setdefault(other, []).append(edge["label"])
    return {key: "、".join(dict.fromkeys(labels)) for key, labels in found.items()}


def _tasks(visitor: Visitor, node: Enterprise | Institution) -> dict[str, Any]:
    """The tasks it posts, and its bids: none is told of before the opening."""
    posted: list[Task] = []
    bids: list[tuple[Task, Bid]] = []
    for task in visitor.store.processes(Task):
        if _is(node, task.poster, task.poster_uscc):
            posted.append(task)
        bids += [
            (task, bid) for bid in open_bids_of(visitor.store, task) if _is(node, bid.bidder, bid.bidder_uscc)
        ]
    return {"posted": posted, "bids": bids}


def _is(node: Enterprise | Institution, name: str, uscc: str | None) -> bool:
    if node.uscc and uscc:
        return str(node.uscc) == uscc
    return bool(name) and organisation_key(name) == organisation_key(node.title)


def _progress(visitor: Visitor, scenes: Sequence[str]) -> list[Outcome]:
    """What came of the scenes that a broker serves, the latest first."""
    said = [one for id in scenes for one in visitor.store.outcomes(id) if one.stage != "shown"]
    return sorted(said, key=lambda one: (one.at, one.key), reverse=True)[:_SAID]
