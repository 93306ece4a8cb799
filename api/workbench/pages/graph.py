"""图谱: the neighbourhood of any record as a picture to walk in."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.questions import NeighbourhoodQuestion
from api.routes.paths import today
from api.services import Parts
from api.workbench.access import AtDesk
from api.workbench.pages.matching import One
from api.workbench.path_drawing import neighbourhood
from api.workbench.rendering import escaped, page
from graph.kinds import KINDS
from graph.network import RELATION_LABELS

router = APIRouter(include_in_schema=False)

# More than this no one can read in one picture.
_NODES = 28
_FOUND = 40


@router.get("/graph")
async def get_graph(
    request: Request, visitor: AtDesk, parts: Parts, kind: One = "", id: One = "",
    q: Annotated[str, Query(max_length=200)] = "", relation: Annotated[list[str] | None, Query(max_length=20)] = None,
    depth: One = "",
) -> Response:  # fmt: skip
    if not id:
        found = await run_in_threadpool(visitor.view.search, q, limit=_FOUND) if q.strip() else []
        return page(request, "graph_pick.html", q=q, found=found)
    node = await run_in_threadpool(visitor.find, kind, id)
    chosen = tuple(name for name in relation or () if name in RELATION_LABELS)
    asked = NeighbourhoodQuestion(
        audience="staff", today=today(), key=(kind, id), depth=2 if depth == "2" else 1, limit=_NODES, relations=chosen,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(await parts.answer_soon(asked))
    return page(
        request, "graph.html", node=node, told=told, chosen=chosen, relations=RELATION_LABELS, depth=asked.depth,
        drawing=neighbourhood(told["nodes"], told["edges"]) if told["nodes"] else None, kinds=KINDS,
        names={(one["kind"], one["id"]): one for one in told["nodes"]}, record=f"/records/{kind}/{escaped(id)}",
    )  # fmt: skip
