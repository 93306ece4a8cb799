"""The neighbourhood of a record in the knowledge graph."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Reader, not_found
from api.problem_documents import Refusal
from api.questions import NeighbourhoodQuestion
from api.responses import REFUSALS, tagged
from api.routes.paths import PathId, today
from api.services import Parts
from api.wire import Neighbourhood
from graph.kinds import KINDS
from graph.network import RELATION_LABELS

router = APIRouter(prefix="/v1/graph", tags=["图谱"], responses=REFUSALS)


@router.get(
    "/{id}", operation_id="get_neighbourhood", summary="一条记录在图谱中的周围",
    responses={200: {"model": Neighbourhood}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
async def get_neighbourhood(
    request: Request, caller: Reader, parts: Parts, id: PathId,
    kind: Annotated[str | None, Query(description="类别；编号在几类里都有时须写")] = None,
    depth: Annotated[int, Query(ge=1, le=3, description="几步之内")] = 1,
    limit: Annotated[int, Query(ge=2, le=300, description="最多几个节点")] = 100,
    relation: Annotated[list[str] | None, Query(max_length=20, description="只走这些关系")] = None,
) -> Response:  # fmt: skip
    if unknown := [name for name in relation or [] if name not in RELATION_LABELS]:
        raise Refusal(422, "relation_unknown", f"不认识的关系“{unknown[0][:30]}”。", f"请从 {'、'.join(RELATION_LABELS)} 中选。")  # fmt: skip
    key = (await run_in_threadpool(_kind, caller, id, kind), id)
    question = NeighbourhoodQuestion(
        audience=caller.audience,
        today=today(),
        key=key,
        depth=depth,
        limit=limit,
        relations=tuple(relation or ()),
    )
    return tagged(request, await parts.answer(question))


def _kind(caller: Caller, id: str, kind: str | None) -> str:
    """The kind of the record that is meant, among those the caller may see."""
    if kind is not None and kind not in KINDS:
        raise Refusal(422, "kind_unknown", f"不认识的类别“{kind[:30]}”。", f"请从 {'、'.join(KINDS)} 中选。")
    found = [name for name in ([kind] if kind else KINDS) if caller.view.get(name, id) is not None]
    if not found:
        raise not_found("记录", id)
    if len(found) > 1:
        raise Refusal(
            409, "kind_needed", f"编号“{id[:100]}”在几类记录里都有。", f"请加 kind，可选 {'、'.join(found)}。"
        )
    return found[0]
