"""The case library: similar cases for a scene, an achievement, a pair or a text; the document; a case's way to publication."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Reader, StaffWriter, not_found
from api.case_document import MEDIA_TYPE, write_case
from api.case_views import shown_case
from api.case_wire import (
    CaseFilePage,
    CaseFileShown,
    CaseMoveSent,
    CaseSent,
    CaseState,
    CaseTextAsked,
    SimilarCases,
)
from api.idempotency import made_id
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal
from api.questions import SimilarCasesQuestion
from api.responses import REFUSALS, file_answers, file_response, json_response, record_response, tagged
from api.routes.paths import PathId, now, today
from api.services import Parts
from graph.kinds import Case, Node
from graph.problems import Refused
from matcher.case_steps import (
    add_case,
    all_cases,
    case_from_pair,
    case_from_task,
    found_case,
    move_case,
)
from matcher.cases import CONTENT, ROLES, CaseFile, case_rules
from matcher.engine import written_scene

router = APIRouter(prefix="/v1", tags=["标杆案例"], responses=REFUSALS)

Top = Annotated[int, Query(ge=1, le=50, description="最多几个")]
_SIMILAR: dict[int | str, dict[str, Any]] = {
    200: {"model": SimilarCases},
    304: {"description": "与 If-None-Match 相同"},
}


@router.get(
    "/scenes/{id}/cases",
    operation_id="similar_cases_of_scene",
    summary="与一个场景相似的案例",
    responses=_SIMILAR,
)
async def cases_of_scene(
    request: Request, caller: Reader, parts: Parts, id: PathId, top: Top = 5
) -> Response:
    scene = await run_in_threadpool(caller.find, "scene", id)
    return tagged(request, await parts.answer(_question(caller, scene, top)))


@router.get(
    "/achievements/{id}/cases", operation_id="similar_cases_of_achievement", summary="与一项成果相似的案例",
    responses=_SIMILAR,
)  # fmt: skip
async def cases_of_achievement(
    request: Request, caller: Reader, parts: Parts, id: PathId, top: Top = 5
) -> Response:
    achievement = await run_in_threadpool(caller.find, "achievement", id)
    return tagged(request, await parts.answer(_question(caller, achievement, top)))


@router.get(
    "/pairs/{scene}/{achievement}/cases", operation_id="similar_cases_of_pair", summary="与一对场景和成果相似的案例",
    responses=_SIMILAR,
)  # fmt: skip
async def cases_of_pair(
    request: Request, caller: Reader, parts: Parts, scene: PathId, achievement: PathId, top: Top = 5
) -> Response:
    ends = [
        await run_in_threadpool(caller.find, kind, id)
        for kind, id in (("scene", scene), ("achievement", achievement))
    ]
    return tagged(request, await parts.answer(_question(caller, ends[0], top, ends[1])))


@router.post(
    "/similar-cases", operation_id="similar_cases_of_text", summary="不入库，为一段文字找相似的案例",
    responses={200: {"model": SimilarCases}},
)  # fmt: skip
async def cases_of_text(caller: Reader, parts: Parts, asked: CaseTextAsked) -> Response:
    question = _question(caller, written_scene(asked.text), asked.top, is_stored=False)
    return Response(await parts.answer(question), media_type="application/json")


@router.get(
    "/cases/{id}/document", operation_id="get_case_document", summary="典型案例文档（docx）",
    responses=file_answers(MEDIA_TYPE),
)  # fmt: skip
def case_document(request: Request, caller: Reader, id: PathId) -> Response:
    case = caller.find(Case.kind, id)
    assert isinstance(case, Case)  # noqa: S101  (found by its kind)
    return file_response(request, f"典型案例-{case.id}.docx", MEDIA_TYPE, partial(write_case, case=case))


@router.get(
    "/case-files", operation_id="list_case_files", summary="列出案例档案（含草稿），内部",
    responses={200: {"model": CaseFilePage}},
)  # fmt: skip
def list_case_files(
    caller: StaffWriter, limit: Limit = 50, cursor: Cursor = None,
    state: Annotated[CaseState | None, Query(description="只看这个状态的")] = None,
) -> Response:  # fmt: skip
    pages = Pages(caller, "case-files", state)
    after = (pages.after(cursor) or [""])[0]
    with caller.whole.snapshot() as snapshot:
        files = [file for file in all_cases(snapshot) if file.id > after and state in (None, file.state)]
    last = files[limit - 1].id if len(files) > limit else None
    items = [shown_case(file, caller.actor, now()) for file in files[:limit]]
    return json_response({"items": items, "next": pages.cursor([last]) if last else None})


@router.post(
    "/case-files", operation_id="draft_case", summary="起草案例：由结题的榜单、落地的一对，或从头写；内部", status_code=201,
    responses={201: {"model": CaseFileShown}},
)  # fmt: skip
def draft_case(request: Request, caller: StaffWriter, sent: CaseSent) -> Response:
    who, at, number = _person(caller, sent.by), now(), made_id(request, "AL-")
    file = found_case(caller.whole, number)
    if file is None:
        file = _drafted(caller, sent, number, who, at)
    place = f"/v1/case-files/{quote(file.id, safe='')}"
    return record_response(request, shown_case(file, caller.actor, at), 201, {"Location": place})


@router.get(
    "/case-files/{id}", operation_id="get_case_file", summary="查看一个案例的档案，内部",
    responses={200: {"model": CaseFileShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_case_file(request: Request, caller: StaffWriter, id: PathId) -> Response:
    return record_response(request, shown_case(_find(caller, id), caller.actor, now()))


@router.post(
    "/case-files/{id}/moves", operation_id="move_case", summary="修改、送审、同意、退回、发布、撤回、退役、作废；内部",
    responses={200: {"model": CaseFileShown}},
)  # fmt: skip
def move_case_file(
    request: Request, caller: StaffWriter, parts: Parts, id: PathId, sent: CaseMoveSent
) -> Response:
    file, at, move = _find(caller, id), now(), case_rules().moves[sent.move]
    role: str = sent.role or next(one for one in ROLES if one in move.roles)
    values = {**_content(sent.content), **sent.values.model_dump(exclude_unset=True)}
    who = _person(caller, sent.by)
    after = _writing(
        lambda: move_case(caller.whole, file.id, move.name, role=role, values=values, actor=who, at=at)
    )
    parts.changed()
    return record_response(request, shown_case(after, caller.actor, at))


def _question(
    caller: Caller, node: Node, top: int, achievement: Node | None = None, *, is_stored: bool = True
) -> SimilarCasesQuestion:
    return SimilarCasesQuestion(
        audience=caller.audience,
        today=today(),
        node=node,
        achievement=achievement,
        is_stored=is_stored,
        top=top,
    )


def _drafted(caller: Caller, sent: CaseSent, id: str, who: str, at: datetime) -> CaseFile:
    ways = [bool(sent.task), bool(sent.scene or sent.achievement), sent.content is not None]
    if sum(ways) != 1 or bool(sent.scene) != bool(sent.achievement):
        raise Refusal(422, "case_what", "没有写明由什么起草，或写了不止一样。", "请写 task，或 scene 和 achievement，或 content。")  # fmt: skip
    if sent.task:
        return _writing(lambda: case_from_task(caller.whole, sent.task, actor=who, at=at, id=id))
    if sent.scene:
        return _writing(
            lambda: case_from_pair(caller.whole, sent.scene, sent.achievement, actor=who, at=at, id=id)
        )
    return _writing(lambda: add_case(caller.whole, actor=who, at=at, id=id, **_content(sent.content)))


def _content(sent: BaseModel | None) -> dict[str, Any]:
    """What a body says of a case, by attribute; null empties it."""
    if sent is None:
        return {}
    return {name: value for name, value in sent.model_dump(exclude_unset=True).items() if name in CONTENT}


def _writing(step: Callable[[], CaseFile]) -> CaseFile:
    try:
        return step()
    except Refused as refused:
        if refused.code == "plan_stale":
            raise Refusal(
                409, "moved_meanwhile", "案例刚被别人办过一步，没有写入。", "请重新查看后再办。"
            ) from None
        raise


def _find(caller: Caller, id: str) -> CaseFile:
    file = found_case(caller.whole, id)
    if file is None:
        raise not_found(CaseFile.label, id)
    return file


def _person(caller: Caller, name: str) -> str:
    """Who does it: a person by name, else the key."""
    return caller.person(name) if name.strip() else caller.actor
