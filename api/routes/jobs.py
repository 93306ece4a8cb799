"""Bulk upload as a job: send a sheet, watch it, read the row report."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from anyio import open_file
from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Writer, not_found
from api.bulk import KIND, SUFFIXES, report_path, upload_path
from api.idempotency import made_id
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal
from api.responses import REFUSALS, json_response, tagged
from api.routes.paths import now
from api.services import Parts
from api.wire import BulkKind, JobPage, JobResult, JobShown
from graph.store.jobs import Job
from graph.store.moments import moment_from
from graph.visibility import may_see

router = APIRouter(prefix="/v1", tags=["批量上传"], responses=REFUSALS)

# Uploads of one partner that wait: each may take 50 MB of the disk.
_MOST = 20
JobId = Annotated[str, InPath(max_length=100, description="作业编号")]
_EXAMPLES = {
    ".csv": {"example": "名称,场景简介,所在区\r\n海岛无人机送药,向外岛卫生院送急救药品,万山区\r\n"},
    ".jsonl": {"example": '{"名称": "海岛无人机送药", "场景简介": "向外岛卫生院送急救药品"}\n'},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}, **_EXAMPLES.get(suffix, {})}
            for media, suffix in SUFFIXES.items()
        },
    }
}


@router.post(
    "/bulk", operation_id="upload_records", summary="上传一批记录（xlsx、csv 或 NDJSON）", status_code=202,
    responses={202: {"model": JobShown, "description": "已排队"}}, openapi_extra=_BODY,
)  # fmt: skip
async def upload_records(
    request: Request, caller: Writer, parts: Parts,
    kind: Annotated[BulkKind | None, Query(description="表里是什么；不写则按表头判断")] = None,
    partial: Annotated[bool, Query(description="有错误的行跳过，其余写入；不写则一行有错全部不写")] = False,
    dry_run: Annotated[bool, Query(description="只核对，不写入")] = False,
) -> Response:  # fmt: skip
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in SUFFIXES:
        raise Refusal(415, "media_type", "不支持这种内容类型。", f"请直接以文件内容作请求体，Content-Type 写 {'、'.join(SUFFIXES)} 之一；不要用表单上传。")  # fmt: skip
    if await run_in_threadpool(_unfinished, caller, parts) >= _MOST:
        raise Refusal(
            429, "jobs_many", f"已有 {_MOST} 个作业没有处理完。", "请等其中一些结束后再传，或合成一份。", headers={"Retry-After": "30"}
        )  # fmt: skip
    id, suffix = made_id(request, "RW-"), SUFFIXES[media]
    folder = parts.settings.jobs_folder
    path = upload_path(folder, id, suffix)
    await run_in_threadpool(folder.mkdir, parents=True, exist_ok=True)
    if await _save(request, path) == 0:
        path.unlink(missing_ok=True)
        raise Refusal(400, "body_empty", "请求没有内容。", "请把文件内容作为请求体。")
    asked = {
        "kind": kind,
        "partial": partial,
        "dry_run": dry_run,
        "suffix": suffix,
        "audience": caller.audience,
    }
    job = await run_in_threadpool(
        parts.store.jobs.add,
        id=id,
        kind=KIND,
        partner=caller.partner,
        actor=caller.actor,
        at=now(),
        attributes=asked,
    )
    parts.bulk.poke()
    return json_response(_shown(job, folder), 202, {"Location": f"/v1/jobs/{id}"})


@router.get("/jobs", operation_id="list_jobs", summary="列出上传作业", responses={200: {"model": JobPage}})
def list_jobs(caller: Writer, parts: Parts, limit: Limit = 50, cursor: Cursor = None) -> Response:
    found, following = page_of_jobs(caller, parts, KIND, Pages(caller, "jobs"), cursor, limit)
    items = [_shown(job, parts.settings.jobs_folder) for job in found]
    return json_response({"items": items, "next": following})


@router.get(
    "/jobs/{id}", operation_id="get_job", summary="查看一个上传作业", responses={200: {"model": JobShown}}
)
def get_job(caller: Writer, parts: Parts, id: JobId) -> Response:
    return json_response(_shown(_find(caller, parts, id), parts.settings.jobs_folder))


@router.delete(
    "/jobs/{id}", operation_id="cancel_job", summary="取消一个上传作业", status_code=204,
    responses={204: {"description": "已取消，没有写入"}},
)  # fmt: skip
def cancel_job(caller: Writer, parts: Parts, id: JobId) -> Response:
    job = _find(caller, parts, id)
    if not parts.store.jobs.cancel(job.id, now()):
        mine = parts.store.jobs.get(job.id)
        told = "正在写入，不能再取消" if mine and mine.state == "running" else "已经结束"
        raise Refusal(
            409,
            "job_ended",
            f"这个作业{told}。",
            "已写入的内容可由市平台撤销。",
        )
    upload_path(parts.settings.jobs_folder, job.id, job.attributes["suffix"]).unlink(missing_ok=True)
    return Response(status_code=204)


@router.get(
    "/jobs/{id}/report", operation_id="get_job_report", summary="逐行的错误报告（xlsx，可改好再传）",
    responses={200: {"content": {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {"schema": {"type": "string", "format": "binary"}}}, "description": "报告"}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_job_report(request: Request, caller: Writer, parts: Parts, id: JobId) -> Response:
    path = report_path(parts.settings.jobs_folder, _find(caller, parts, id).id)
    if not path.is_file():
        raise Refusal(
            404, "report_missing", "这个作业没有报告：没有发现问题，或还没有核对完。", "请查看作业状态。"
        )
    response = tagged(request, path.read_bytes(), next(m for m, s in SUFFIXES.items() if s == ".xlsx"))
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(path.name)}"
    return response


def _unfinished(caller: Caller, parts: Any) -> int:
    """How many of the partner's newest jobs are still to be done; older ones were begun before."""
    newest = parts.store.jobs.list(caller.partner, None, 2 * _MOST, kind=KIND)
    return sum(job.state in ("queued", "running") for job in newest)


def _find(caller: Caller, parts: Any, id: str) -> Job:
    job: Job | None = parts.store.jobs.get(id)
    if job is None or job.kind != KIND or not is_for(caller, job):
        raise not_found("作业", id)
    return job


def page_of_jobs(
    caller: Caller, parts: Parts, kind: str, pages: Pages, cursor: str | None, limit: int
) -> tuple[list[Job], str | None]:
    """The newest jobs of a kind that a caller may see, and the cursor behind them, which names nothing hidden."""
    place = pages.after(cursor)
    after = (moment_from(place[0]), place[1]) if place else None
    partner = None if caller.is_staff else caller.partner
    found: list[Job] = []
    while len(found) <= limit:
        some = parts.store.jobs.list(partner, after, limit + 1, kind=kind)
        found += [job for job in some if is_for(caller, job)]
        if len(some) <= limit:
            break
        after = some[-1].cursor
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], pages.cursor([last.created_at.isoformat(), last.id]) if last else None


def is_for(caller: Caller, job: Job) -> bool:
    """Whether a caller may see a job: its partner's, but not what a key that sees more has been told."""
    return caller.is_staff or (
        job.partner == caller.partner and may_see(caller.audience, job.attributes["audience"])
    )


async def _save(request: Request, path: Path) -> int:
    """Write the body beside its place and move it there: what is there is whole."""
    aside, size = path.with_name(path.name + ".part"), 0
    try:
        async with await open_file(aside, "wb") as file:
            async for part in request.stream():
                await file.write(part)
                size += len(part)
        await asyncio.to_thread(aside.replace, path)
    finally:
        aside.unlink(missing_ok=True)
    return size


def _shown(job: Job, folder: Path) -> dict[str, Any]:
    asked: Mapping[str, Any] = job.attributes
    has_report = report_path(folder, job.id).is_file()
    return {
        "id": job.id, "state": job.state, "kind": asked["kind"], "partial": asked["partial"], "dry_run": asked["dry_run"],
        "created_at": job.created_at, "updated_at": job.updated_at, "done": job.done, "total": job.total,
        "result": {name: job.result[name] for name in JobResult.model_fields} if job.result else None,
        "report": f"/v1/jobs/{job.id}/report" if has_report else None,
    }  # fmt: skip
