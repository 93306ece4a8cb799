"""What fits what: ranked lists for a stored record or for one that is just being written, scores, pairs, brokers."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Reader
from api.problem_documents import Refusal
from api.questions import BrokersQuestion, MatchQuestion, PairQuestion, ScoreQuestion
from api.records import made_record, record_body, refused_record, sent_values
from api.responses import REFUSALS, tagged
from api.routes.paths import PathId, today
from api.services import Parts
from api.wire import Brokers, FieldProblem, MatchAsked, Matches, Pair, ScoreAsked, Scores
from graph.identifiers.districts import parse_district
from graph.identifiers.fields import parse_fields
from graph.kinds import Node
from matcher.engine import UNSAVED, written_scene
from matcher.facts import IP_STATUSES

router = APIRouter(prefix="/v1", tags=["匹配"], responses=REFUSALS)

Top = Annotated[int, Query(ge=1, le=200, description="取前几名")]
Detail = Annotated[Literal["brief", "full"], Query(description="brief：一行理由和分项；full：全部依据")]
Fields = Annotated[list[str] | None, Query(max_length=20, description="只看这些产业领域")]
Districts = Annotated[list[str] | None, Query(max_length=20, description="只看这些区")]
MinTrl = Annotated[int, Query(ge=0, le=9, description="成熟度不低于（TRL）")]
IpStatuses = Annotated[list[str] | None, Query(max_length=10, description="知识产权状态，如 已授权")]
OpenOnly = Annotated[bool, Query(description="只看未到截止日期的场景")]


@router.get(
    "/scenes/{id}/matches", operation_id="match_scene", summary="为一个场景找成果",
    responses={200: {"model": Matches}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
async def match_scene(
    request: Request, caller: Reader, parts: Parts, id: PathId, top: Top = 20, detail: Detail = "brief",
    field: Fields = None, district: Districts = None, min_trl: MinTrl = 0, ip_status: IpStatuses = None,
) -> Response:  # fmt: skip
    node = await run_in_threadpool(caller.find, "scene", id)
    question = _question(caller, node, "achievement", top, detail, field, district, min_trl, ip_status)
    return tagged(request, await parts.answer(question))


@router.get(
    "/achievements/{id}/matches", operation_id="match_achievement", summary="为一项成果找场景",
    responses={200: {"model": Matches}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
async def match_achievement(
    request: Request, caller: Reader, parts: Parts, id: PathId, top: Top = 20, detail: Detail = "brief",
    field: Fields = None, district: Districts = None, open_only: OpenOnly = False,
) -> Response:  # fmt: skip
    node = await run_in_threadpool(caller.find, "achievement", id)
    question = _question(caller, node, "scene", top, detail, field, district, open_only=open_only)
    return tagged(request, await parts.answer(question))


@router.get(
    "/scenes/{id}/enterprises", operation_id="match_scene_enterprises", summary="为一个场景找企业",
    responses={200: {"model": Matches}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
async def match_scene_enterprises(
    request: Request, caller: Reader, parts: Parts, id: PathId, top: Top = 20, detail: Detail = "brief",
    field: Fields = None, district: Districts = None,
) -> Response:  # fmt: skip
    node = await run_in_threadpool(caller.find, "scene", id)
    question = _question(caller, node, "enterprise", top, detail, field, district)
    return tagged(request, await parts.answer(question))


@router.get(
    "/pairs/{scene}/{achievement}", operation_id="get_pair", summary="一对场景与成果的全部依据",
    responses={200: {"model": Pair}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
async def get_pair(
    request: Request, caller: Reader, parts: Parts, scene: PathId, achievement: PathId
) -> Response:
    ends = [
        await run_in_threadpool(caller.find, kind, id)
        for kind, id in (("scene", scene), ("achievement", achievement))
    ]
    question = PairQuestion(audience=caller.audience, today=today(), scene=ends[0], achievement=ends[1])
    return tagged(request, await parts.answer(question))


@router.get(
    "/pairs/{scene}/{achievement}/brokers", operation_id="get_pair_brokers", summary="为一对推荐技术经纪人",
    responses={200: {"model": Brokers}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
async def get_pair_brokers(
    request: Request, caller: Reader, parts: Parts, scene: PathId, achievement: PathId, top: Top = 10
) -> Response:
    ends = [
        await run_in_threadpool(caller.find, kind, id)
        for kind, id in (("scene", scene), ("achievement", achievement))
    ]
    question = BrokersQuestion(
        audience=caller.audience, today=today(), scene=ends[0], achievement=ends[1], top=top
    )
    return tagged(request, await parts.answer(question))


@router.post(
    "/match", operation_id="match_written", summary="不入库，直接匹配一段文字、一个场景或一项成果",
    responses={200: {"model": Matches}},
)  # fmt: skip
async def match_written(request: Request, caller: Reader, parts: Parts, asked: MatchAsked) -> Response:
    node = _written(caller, asked)
    kind = "scene" if node.kind == "achievement" else "achievement"
    question = _question(
        caller, node, kind, asked.top, asked.detail, asked.field, asked.district, asked.min_trl, asked.ip_status,
        open_only=asked.open_only, is_stored=False,
    )  # fmt: skip
    return Response(await parts.answer(question), media_type="application/json")


@router.post(
    "/score", operation_id="score_pairs", summary="给最多 1,000 对打分", responses={200: {"model": Scores}}
)
async def score_pairs(caller: Reader, parts: Parts, asked: ScoreAsked) -> Response:
    pairs = tuple((pair.scene, pair.achievement) for pair in asked.pairs)
    question = ScoreQuestion(audience=caller.audience, today=today(), pairs=pairs)
    return Response(await parts.answer(question), media_type="application/json")


def _question(
    caller: Caller,
    node: Node,
    kind: str,
    top: int,
    detail: str,
    field: Sequence[str] | None,
    district: Sequence[str] | None,
    min_trl: int = 0,
    ip_status: Sequence[str] | None = None,
    *,
    open_only: bool = False,
    is_stored: bool = True,
) -> MatchQuestion:
    unknown = [status for status in ip_status or [] if status not in IP_STATUSES]
    if unknown:
        raise Refusal(422, "ip_status_unknown", f"不认识的知识产权状态“{unknown[0][:30]}”。", f"请从 {'、'.join(filter(None, IP_STATUSES))} 中选。")  # fmt: skip
    return MatchQuestion(
        audience=caller.audience, today=today(), node=node, is_stored=is_stored, kind=kind, top=top, full=detail == "full",
        fields=tuple(dict.fromkeys(name for text in field or [] for name in parse_fields(text))),
        districts=tuple(dict.fromkeys(place for text in district or [] if (place := parse_district(text)))),
        min_trl=min_trl, ip_statuses=tuple(ip_status or ()), open_only=open_only,
    )  # fmt: skip


def _written(caller: Caller, asked: MatchAsked) -> Node:
    """The record that a body describes: exactly one of text, scene and achievement."""
    given = {
        name: value
        for name in ("text", "scene", "achievement")
        if (value := getattr(asked, name)) is not None
    }
    if len(given) != 1 or not str(given.get("text", "-")).strip():
        raise refused_record([FieldProblem(code="match_what", message="没有写明要匹配什么，或写了不止一个", remedy="请在 text、scene、achievement 中写一个")])  # fmt: skip
    if "text" in given:
        return written_scene(given["text"])
    kind, values = next(iter(given.items()))
    node = made_record(kind, {**sent_values(record_body(kind), values), "id": UNSAVED}, caller)
    return node.model_copy(update={"id": UNSAVED})
