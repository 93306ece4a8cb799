"""Tasks (榜单): list and publish, register, amend, check, move on, invite, history."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Needs, Reader, Writer
from api.idempotency import made_id
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal, field_problem
from api.responses import REFUSALS, json_response, record_response, require_match, stale, tagged
from api.routes.paths import now, today
from api.services import Parts
from api.task_moves import moved_on
from api.task_questions import AnswerableQuestion, ProposalsQuestion, proposal_from
from api.task_views import find_task, is_inside, role_in, sees_task, shown_task
from api.task_workbook import write_tasks
from api.wire import History
from api.wire_tasks import (
    InvitationsSent,
    Proposals,
    TaskChecked,
    TaskMode,
    TaskMoveSent,
    TaskPage,
    TaskPatch,
    TaskSent,
    TaskShown,
    TaskState,
)
from graph.kinds import Achievement, Scene
from graph.problems import Refused
from graph.processes import moved
from graph.store.changes import PutProcess
from graph.store.records import canonical, process_from
from matcher.invitations import with_invitations
from matcher.register import Register
from matcher.task_drafts import new_task, task_from_achievement, task_from_scene
from matcher.task_quality import Answerable, check_task
from matcher.task_steps import add_task, change_task
from matcher.tasks import Task, carry_out, task_rules

router = APIRouter(prefix="/v1/tasks", tags=["榜单"], responses=REFUSALS)

TaskId = Annotated[str, Path(max_length=100, description="榜单编号")]
StaffWriter = Annotated[Caller, Depends(Needs("write", staff=True))]
_FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_CHUNK = 200
# Clerks who register in the same moment each look again this often for the next number.
_TRIES = 10


@router.get(
    "", operation_id="list_tasks", summary="列出榜单：发过榜的，和自己的；csv、xlsx 为可以公布的榜单",
    responses={
        200: {"model": TaskPage, "content": {media.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}} for media in _FORMATS.values()}},
        304: {"description": "与 If-None-Match 相同"},
    },
)  # fmt: skip
def list_tasks(
    request: Request, caller: Reader, limit: Limit = 50, cursor: Cursor = None,
    state: Annotated[TaskState | None, Query(description="只看这个状态的")] = None,
    mode: Annotated[TaskMode | None, Query(description="只看技术需求榜或成果转化榜")] = None,
    own: Annotated[bool, Query(description="只看本平台的")] = False,
    format: Annotated[Literal["json", "csv", "xlsx"], Query(description="csv 和 xlsx 一次给出全部发过榜的")] = "json",
) -> Response:  # fmt: skip
    pages = Pages(caller, "tasks", state, mode, own)
    after = (pages.after(cursor) or [""])[0]
    wanted = (
        task
        for task in _seen_tasks(caller, state, after)
        if mode in (None, task.mode) and not (own and task.partner != caller.partner)
    )
    if format != "json":
        return _file(request, [task for task in wanted if task.published_at], format)
    at, found = now(), list[Task]()
    for task in wanted:
        found.append(task)
        if len(found) > limit:
            break
    last = found[limit - 1].id if len(found) > limit else None
    items = [shown_task(task, caller.view, at) for task in found[:limit]]
    return json_response({"items": items, "next": pages.cursor([last]) if last else None})


@router.post(
    "", operation_id="create_task", summary="登记一个榜单，可由场景或成果一步生成", status_code=201,
    responses={201: {"model": TaskShown}},
)  # fmt: skip
def create_task(request: Request, caller: Writer, parts: Parts, sent: TaskSent) -> Response:
    at = now()
    if caller.is_staff:
        task = _numbered(caller, sent, at)
    else:
        # Not by number: the next free one would tell how many others have registered.
        id = made_id(request, "BD-")
        before = caller.whole.process(Task, id)
        task = before or _drafted(caller, sent, id, at)
        if before is None:
            change = [PutProcess(process=task)]
            caller.whole.apply(change, actor=caller.actor, at=at, reason=f"登记榜单 {id}")
    parts.changed()
    place = {"Location": f"/v1/tasks/{quote(task.id, safe='')}"}
    return record_response(request, shown_task(task, caller.view, at), 201, place)


@router.post(
    "/check", operation_id="check_written_task", summary="检查榜单文字，不登记",
    responses={200: {"model": TaskChecked}},
)  # fmt: skip
async def check_written_task(caller: Reader, parts: Parts, sent: TaskSent) -> Response:
    task = await run_in_threadpool(_drafted, caller, sent, "-", now())
    return await _checked(caller, parts, task)


@router.get(
    "/{id}", operation_id="get_task", summary="查看一个榜单：内容，现在能办什么、别的为什么不能",
    responses={200: {"model": TaskShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_task(request: Request, caller: Reader, id: TaskId) -> Response:
    return record_response(request, shown_task(find_task(caller, id), caller.view, now()))


@router.patch(
    "/{id}", operation_id="patch_task", summary="修改需求登记中的榜单", responses={200: {"model": TaskShown}}
)
def patch_task(request: Request, caller: Writer, parts: Parts, id: TaskId, sent: TaskPatch) -> Response:
    since, task, at = caller.whole.revision(), find_task(caller, id), now()
    move = task_rules().moves["amend"]
    _refuse_outsider(caller, task)
    require_match(request, shown_task(task, caller.view, at))
    values = sent.model_dump(exclude_unset=True)
    role = role_in(task, move, caller.view)
    after = moved(task, task_rules(), move.name, role=role, at=at, values=values)
    try:
        carry_out(
            caller.whole, [PutProcess(process=after)], actor=caller.actor, at=at, reason=f"修改榜单 {id}", since=since
        )  # fmt: skip
    except Refused as refused:
        if refused.code == "plan_stale":
            raise stale() from None
        raise
    parts.changed()
    return record_response(request, shown_task(after, caller.view, at))


@router.get(
    "/{id}/check", operation_id="check_task", summary="发榜前检查：难点、指标、空泛的词，库里有多少能回应",
    responses={200: {"model": TaskChecked}},
)  # fmt: skip
async def check_stored_task(caller: Reader, parts: Parts, id: TaskId) -> Response:
    task = await run_in_threadpool(find_task, caller, id)
    _refuse_outsider(caller, task)
    return await _checked(caller, parts, task)


@router.post(
    "/{id}/moves", operation_id="move_task", summary="送论证、论证意见、发榜、定标、签约、结题……",
    responses={200: {"model": TaskShown}},
)  # fmt: skip
def move_task(request: Request, caller: Writer, parts: Parts, id: TaskId, sent: TaskMoveSent) -> Response:
    task, at = find_task(caller, id), now()
    after = moved_on(caller.whole, caller.view, task, sent, actor=caller.actor, at=at)
    parts.changed()
    return record_response(request, shown_task(after, caller.view, at))


@router.get(
    "/{id}/invitations", operation_id="list_task_invitations", summary="该请谁来揭榜，附理由；不记录",
    responses={200: {"model": Proposals}},
)  # fmt: skip
async def list_invitations(
    caller: Reader, parts: Parts, id: TaskId,
    top: Annotated[int | None, Query(ge=1, le=100, description="最多几家团队；不写按参数")] = None,
) -> Response:  # fmt: skip
    task = await run_in_threadpool(find_task, caller, id)
    _refuse_outsider(caller, task)
    return json_response(await _proposals(caller, parts, task, top))


@router.post(
    "/{id}/invitations", operation_id="record_task_invitations", summary="记下已主动邀请了谁",
    responses={200: {"model": Proposals}},
)  # fmt: skip
async def record_invitations(
    caller: StaffWriter, parts: Parts, id: TaskId, sent: InvitationsSent
) -> Response:
    task, at = await run_in_threadpool(find_task, caller, id), now()
    found = [proposal_from(one) for one in (await _proposals(caller, parts, task, sent.top))["items"]]
    if unknown := [key for key in sent.keys if key not in {one.key for one in found}]:
        raise Refusal(422, "invited_unknown", f"“{unknown[0]}”不在可以邀请的单位之中。", "请先查看 GET 同一地址，用其中的 key；请过的不再列出。")  # fmt: skip
    asked = [one for one in found if not sent.keys or one.key in sent.keys]

    def record() -> Task:
        return change_task(
            caller.whole, task.id, lambda one: with_invitations(one, asked, at=at), actor=caller.actor, at=at,
            reason=f"主动邀请 {len(asked)} 家",
        )  # fmt: skip

    await run_in_threadpool(record)
    items = [{name: getattr(one, name) for name in one.__slots__} for one in asked]
    return json_response({"items": items})


@router.get(
    "/{id}/history", operation_id="get_task_history", summary="一个榜单的改动历史",
    responses={200: {"model": History}},
)  # fmt: skip
def get_history(caller: Reader, id: TaskId) -> Response:
    find_task(caller, id)
    return json_response({"items": list(_history(caller, id))})


def _seen_tasks(caller: Caller, state: str | None, after: str) -> Iterator[Task]:
    """The tasks that the caller may see behind an id."""
    while found := list(caller.whole.processes(Task, None, state, after, _CHUNK)):
        yield from (task for task in found if sees_task(task, caller.view))
        after = found[-1].id


def _file(request: Request, tasks: list[Task], format: str) -> Response:
    with tempfile.TemporaryDirectory() as folder:
        path = FilePath(folder) / f"tasks.{format}"
        write_tasks(path, tasks)
        body = path.read_bytes()
    response = tagged(request, body, _FORMATS[format])
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(f'榜单.{format}')}"
    return response


def _refuse_outsider(caller: Caller, task: Task) -> None:
    if not is_inside(task, caller.view):
        raise Refusal(403, "not_yours", "这个榜单不是本平台登记的。", "只能查看和投标；修改请联系发榜单位或市平台。")  # fmt: skip


def _numbered(caller: Caller, sent: TaskSent, at: datetime) -> Task:
    """The task under the next free number, written."""
    for number in range(_TRIES):
        try:
            return add_task(
                caller.whole, lambda id: _drafted(caller, sent, id, at), actor=caller.actor, at=at, reason="登记榜单"
            )  # fmt: skip
        except Refused as refused:
            if refused.code != "plan_stale" or number == _TRIES - 1:
                raise
    raise AssertionError("the last try returns or raises")


def _drafted(caller: Caller, sent: TaskSent, id: str, at: datetime) -> Task:
    """The task that a body describes; of a record it takes what the caller may see of it."""
    values = sent.model_dump(exclude_unset=True, exclude={"scene", "achievement"})
    if not caller.is_staff:
        values["partner"] = caller.partner
    named = {kind: text for kind in ("scene", "achievement") if (text := getattr(sent, kind).strip())}
    if len(named) > 1:
        raise Refusal(422, "task_from_two", "场景和成果只能写一个。", "技术需求榜写 scene，成果转化榜写 achievement。")  # fmt: skip
    for kind, text in named.items():
        node, register = caller.find(kind, text), Register.of(caller.view)
        if isinstance(node, Scene):
            return task_from_scene(node, id, register=register, at=at, **values)
        assert isinstance(node, Achievement)  # noqa: S101  (the kinds above)
        return task_from_achievement(node, id, register=register, at=at, **values)
    return new_task(id, at=at, **values)


async def _checked(caller: Caller, parts: Any, task: Task) -> Response:
    question = AnswerableQuestion(audience=caller.audience, today=today(), task=task)
    found = await parts.answer(question)
    answered = json.loads(found)["found"]
    problems = check_task(task, at=now(), answerable=None if answered is None else Answerable(**answered))
    return json_response({
        "ready": not any(problem.severity == "error" for problem in problems),
        "problems": [field_problem(problem) for problem in problems],
        "answerable": answered and answered["count"], "looked_at": answered and answered["looked_at"],
    })  # fmt: skip


async def _proposals(caller: Caller, parts: Any, task: Task, top: int | None) -> dict[str, Any]:
    revision = await run_in_threadpool(caller.whole.revision)
    question = ProposalsQuestion(
        audience=caller.audience, today=today(), task=task, top=top, revision=revision
    )
    told: dict[str, Any] = json.loads(await parts.answer(question))
    return told


def _history(caller: Caller, id: str) -> Iterator[Mapping[str, Any]]:
    """The changes that show in what the caller sees: that bids came is for staff alone."""
    last: dict[str, Any] | None = None
    for entry in caller.whole.history_of_process(Task.kind, id):
        task = None if entry.after is None else process_from(Task, canonical(entry.after))
        seen = task is not None and sees_task(task, caller.view)
        after = shown_task(task, caller.view) if task is not None and seen else None
        if after == last:
            continue
        flat = [_flat(shown) for shown in (last, after)]
        changed = sorted(name for name in {*flat[0], *flat[1]} if flat[0].get(name) != flat[1].get(name))
        told: dict[str, Any] = {
            "at": entry.at, "action": "created" if last is None else "retired" if after is None else "changed",
            "changed": changed if last and after else [],
        }  # fmt: skip
        if caller.is_staff or entry.actor.startswith(f"{caller.partner}:"):
            told |= {"actor": entry.actor, "reason": entry.reason}
        if caller.is_staff:
            told["revision"] = entry.revision
        last = after
        yield told


def _flat(shown: Mapping[str, Any] | None) -> dict[str, Any]:
    if shown is None:
        return {}
    return {name: value for name, value in shown.items() if name != "inside"} | (shown["inside"] or {})
