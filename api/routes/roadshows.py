"""Roadshows: their lineup worked out, changed and released by who has seen the present draft."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Reader, Writer, not_found
from api.idempotency import made_id
from api.lineup_answers import lineup_answer, refusal_of_roadshow
from api.lineup_values import shown_values
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal
from api.responses import REFUSALS, json_response, record_response
from api.roadshow_solving import roadshows_beside
from api.routes.paths import now, today
from api.services import Parts, Services
from api.wire import (
    RoadshowChecked,
    RoadshowDone,
    RoadshowMoveSent,
    RoadshowPage,
    RoadshowSent,
    RoadshowShown,
)
from graph.identifiers.fields import parse_fields
from graph.problems import Refused
from graph.store.audience import AudienceStore
from graph.values import Visibility
from graph.visibility import may_see
from matcher.roadshow_edits import OPERATIONS
from matcher.roadshow_steps import shortlist_of, started, unresolved_plans, write
from matcher.roadshows import (
    PARTNER,
    STAFF,
    STATES,
    Roadshow,
    lineup_values,
    released,
    roadshow_rules,
    seen_draft,
    shown_before,
    stepped,
)
from matcher.tasks import Task

router = APIRouter(prefix="/v1/roadshows", tags=["路演"], responses=REFUSALS)

RoadshowId = Annotated[str, Path(max_length=100, description="路演编号")]
_VERSION = Annotated[int | None, Query(ge=1, le=10_000, description="看已发布的第几版；不写则为现在的样子")]


@router.post(
    "", operation_id="make_roadshow", summary="排一场路演的阵容", status_code=201, responses={201: {"model": RoadshowDone}}
)  # fmt: skip
async def make_roadshow(request: Request, caller: Writer, parts: Parts, sent: RoadshowSent) -> Response:
    id, at = made_id(request, "LY-"), now()
    where = {"Location": f"/v1/roadshows/{id}"}
    known = await run_in_threadpool(caller.view.process, Roadshow, id)
    if known is not None:
        return json_response({"roadshow": shown_values(known, caller.view), "change": None}, 201, where)
    draft, shown = await run_in_threadpool(_started, caller, id, at, sent)
    answer = await _asked(parts, caller, draft, None, shown, at)
    made = Roadshow.model_validate_json(answer["roadshow"])
    await run_in_threadpool(keep_roadshow, caller, made, at, f"排定路演 {id}", 0)
    return json_response(
        {"roadshow": shown_values(made, caller.view), "change": answer["change"]}, 201, where
    )


@router.get("", operation_id="list_roadshows", summary="列出路演", responses={200: {"model": RoadshowPage}})
def list_roadshows(caller: Reader, limit: Limit = 50, cursor: Cursor = None) -> Response:
    pages = Pages(caller, "roadshows")
    after = (pages.after(cursor) or [""])[0]
    found = list(caller.view.processes(Roadshow, None, None, after, limit + 1))
    last = found[limit - 1].id if len(found) > limit else None
    items = [
        {"id": one.id, "partner": one.partner, "title": one.title, "state": one.state, "state_label": STATES[one.state][0],
         "day": one.day.isoformat() if one.day else None, "pitches": len(one.stage), "draft": one.draft, "versions": len(one.versions)}
        for one in found[:limit]
        if may_see(caller.audience, one.audience)
    ]  # fmt: skip
    return json_response({"items": items, "next": pages.cursor([last]) if last else None})


@router.get(
    "/{id}", operation_id="get_roadshow", summary="查看一场路演",
    responses={200: {"model": RoadshowShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_roadshow(request: Request, caller: Reader, id: RoadshowId, version: _VERSION = None) -> Response:
    found = find_roadshow(caller, id)
    if version is not None and version > len(found.versions):
        raise not_found("路演版本", f"{id} 第 {version} 版")
    return record_response(request, shown_values(found, caller.view, version))


@router.get(
    "/{id}/conflicts", operation_id="check_roadshow", summary="与规则的冲突，谁没上台、怎样才能上",
    responses={200: {"model": RoadshowChecked}},
)  # fmt: skip
async def check_roadshow(caller: Reader, parts: Parts, id: RoadshowId) -> Response:
    found, shown = await run_in_threadpool(_find_with_shown, caller, id)
    answer = await _asked(parts, caller, found, None, shown, now(), looks=True)
    del answer["binding"]
    return json_response(answer)


@router.post(
    "/{id}/moves", operation_id="move_roadshow", summary="锁定、换人、去掉、重新求解、发布……",
    responses={200: {"model": RoadshowDone}},
)  # fmt: skip
async def move_roadshow(caller: Writer, parts: Parts, id: RoadshowId, sent: RoadshowMoveSent) -> Response:
    since, at = await run_in_threadpool(caller.whole.revision), now()
    found, shown = await run_in_threadpool(_find_with_shown, caller, id)
    change = None
    try:
        seen_draft(found, sent.draft)
        if sent.move in OPERATIONS:
            answer = await _asked(parts, caller, found, _edit(sent), shown, at)
            made, change = Roadshow.model_validate_json(answer["roadshow"]), answer["change"]
        elif sent.move == "release":
            standing = (await _asked(parts, caller, found, None, shown, at, looks=True, left=False))[
                "binding"
            ]
            standing += await run_in_threadpool(_unresolved, caller, found)
            made = released(
                found, (), by=caller.actor, role=role_of(caller), at=at, note=sent.note, unresolved=standing
            )
        else:
            made = stepped(found, sent.move, role=role_of(caller), at=at, reason=sent.reason)
    except Refused as refused:
        raise refusal_of_roadshow(refused) from refused
    label = roadshow_rules().moves["edit" if sent.move in OPERATIONS else sent.move].label
    told = f"路演 {id} {label}{f'：{sent.reason}' if sent.reason.strip() else ''}"
    await run_in_threadpool(keep_roadshow, caller, made, at, told, since)
    parts.follower.poke()
    return json_response({"roadshow": shown_values(made, caller.view), "change": change})


def _started(caller: Caller, id: str, at: datetime, sent: RoadshowSent) -> tuple[Roadshow, Any]:
    """The draft that a body asks for, within what the caller may see, and who was on stage before."""
    fields = parse_fields(sent.field)[:1] if sent.field.strip() else ("",)
    theme, scenes, shortlist = sent.theme, sent.scenes, None
    wanted = sent.audience or caller.audience
    try:
        if sent.task:
            shortlist, theme, scenes = _shortlisted(caller, sent)
        draft, _ = started(
            _seen(caller, wanted), id, at=at, today=today(), pitches=sent.pitches, theme=theme, field=fields[0], guests=scenes,
            shortlist=shortlist, task=sent.task,
            numbers=_texts(sent.rules), levels=dict(sent.levels), must=tuple(sent.must), must_not=sent.must_not,
            title=sent.title, day=sent.day, audience=wanted, partner="" if caller.is_staff else caller.partner,
        )  # fmt: skip
    except Refused as refused:
        raise refusal_of_roadshow(refused) from refused
    return draft, shown_before(draft, caller.view.processes(Roadshow))


def _seen(caller: Caller, wanted: Visibility) -> Any:
    """The records that a roadshow made for this audience may rest on. Raises 403 for more than the caller may see."""
    if not may_see(caller.audience, wanted):
        raise Refusal(
            403, "audience_wider", "这把钥匙看不到这么多内容。", "请不写 audience，或写较窄的范围。"
        )
    return caller.view if wanted == caller.audience else AudienceStore(caller.whole, wanted)


def _shortlisted(caller: Caller, sent: RoadshowSent) -> tuple[list[str], str, list[str]]:
    """The achievements that a task's opened bids build on, and theme and scenes, the task's own where none are sent."""
    if not caller.is_staff:
        raise Refusal(403, "staff_only", "榜单的投标只对内部钥匙开放。", "请写主题、领域或场景，不写 task。")
    task = caller.whole.process(Task, sent.task)
    if task is None:
        raise not_found(Task.label, sent.task)
    shortlist, _ = shortlist_of(caller.whole, task)
    scenes = sent.scenes or [id for kind, id in task.about if kind == "scene"]
    return shortlist, sent.theme or task.title, scenes


def _unresolved(caller: Caller, found: Roadshow) -> list[str]:
    others = roadshows_beside(caller.view, caller.whole, caller.audience)
    return unresolved_plans(found.id, lineup_values(found, caller.view), others)


def _edit(sent: RoadshowMoveSent) -> dict[str, Any]:
    return {
        "operation": sent.move, "ids": tuple(sent.ids), "place": sent.place, "reason": sent.reason, "anew": sent.anew,
        "fill": sent.fill, "numbers": _texts(sent.rules), "levels": dict(sent.levels), "must": tuple(sent.must),
        "must_not": tuple(sent.must_not),
    }  # fmt: skip


def _texts(numbers: Mapping[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in numbers.items()}


async def _asked(
    parts: Services, caller: Caller, roadshow: Roadshow, edit: dict[str, Any] | None, shown: Any, at: datetime,
    *, looks: bool = False, left: bool = True,
) -> dict[str, Any]:  # fmt: skip
    return await lineup_answer(
        parts, roadshow, edit, shown, role=role_of(caller), at=at, looks=looks, left=left
    )


def keep_roadshow(caller: Caller, made: Roadshow, at: datetime, reason: str, since: int) -> None:
    """Write the roadshow; raises 409 where somebody was quicker than ``since``."""
    try:
        write(caller.whole, made, actor=caller.actor, at=at, reason=reason, since=since)
    except Refused as refused:
        if refused.code == "plan_stale":
            raise Refusal(
                409, "roadshow_changed", "这场路演刚被别人改过，没有写入。", "请重新查看，再决定怎样改。"
            ) from None
        raise


def find_roadshow(caller: Caller, id: str) -> Roadshow:
    """The roadshow as the caller may see it. Raises the one 404."""
    roadshow = caller.view.process(Roadshow, id)
    # What one key of a partner's may see need not be for all of them.
    if roadshow is None or not may_see(caller.audience, roadshow.audience):
        raise not_found(Roadshow.label, id)
    return roadshow


def _find_with_shown(caller: Caller, id: str) -> tuple[Roadshow, Any]:
    found = find_roadshow(caller, id)
    return found, shown_before(found, caller.view.processes(Roadshow))


def role_of(caller: Caller) -> str:
    """Who the caller is to the rules of roadshows."""
    return STAFF if caller.is_staff else PARTNER
