"""数据导入: upload, see how columns were read and what is wrong row by row, write, and undo the whole of it."""

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfileobj
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from api.access import not_found
from api.bulk import KIND, SUFFIXES, report_path, upload_path
from api.problem_documents import Refusal
from api.services import Parts, Services
from api.workbench.access import Visitor, Writer
from api.workbench.forms import Form, done_once
from api.workbench.rendering import page
from graph.intake.targets import KIND_NAMES, kind_label, targets
from graph.intake.templates import write_template
from graph.store.jobs import Job

router = APIRouter(include_in_schema=False)

_MOST = 20  # uploads that wait
_MAPPED = "map:"
_XLSX = next(media for media, suffix in SUFFIXES.items() if suffix == ".xlsx")
_KINDS = {name: kind_label(name) for name in KIND_NAMES}


@router.get("/imports")
def get_imports(request: Request, visitor: Writer) -> Response:
    jobs = [job for job in visitor.store.jobs.list("", None, 60) if job.kind == KIND]
    return page(request, "imports.html", jobs=jobs[:40], kinds=_KINDS)


@router.post("/imports")
async def post_import(visitor: Writer, parts: Parts, sent: Form) -> Response:
    upload = sent.file("sheet")
    if upload is None:
        raise Refusal(422, "file_missing", "没有选文件。", "请先选一个 xlsx、csv 或 JSON lines 文件。")
    suffix = Path(upload.filename or "").suffix.lower()
    if suffix not in SUFFIXES.values():
        raise Refusal(415, "file_kind", f"不支持“{suffix[:10] or '没有扩展名'}”的文件。", "请另存为 xlsx 或 csv（UTF-8）再上传；旧的 xls 用 Excel 打开后另存为 xlsx。")  # fmt: skip
    name = _plain_name(upload.filename or "")
    kind = sent.get("kind") if sent.get("kind") in KIND_NAMES else None

    def work() -> tuple[str, str]:
        waiting = [
            job for job in visitor.store.jobs.list("", None, 2 * _MOST) if job.state in ("queued", "running")
        ]
        if len(waiting) >= _MOST:
            raise Refusal(429, "jobs_many", f"已有 {_MOST} 份表格没有核对完。", "请等其中一些结束后再传。")
        id = _new_id()
        _save(upload, upload_path(parts.settings.jobs_folder, id, suffix))
        _queue(visitor, id, suffix, name, kind, {}, dry_run=True, partial=False)
        return f"/imports/{id}", ""

    response = await done_once(visitor, sent, work)
    parts.bulk.poke()
    return response


@router.get("/imports/template/{kind}")
def get_template(visitor: Writer, parts: Parts, kind: str) -> Response:
    if kind not in KIND_NAMES:
        raise not_found("模板", kind)
    folder = parts.settings.jobs_folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"模板-{kind}.xlsx"
    if not path.is_file():
        aside = path.with_name(f"{secrets.token_hex(4)}.xlsx")
        write_template(kind, aside)
        aside.replace(path)
    return _file(path, f"{kind_label(kind)}模板.xlsx")


@router.get("/imports/{id}")
def get_import(request: Request, visitor: Writer, parts: Parts, id: str) -> Response:
    job = _find(visitor, id)
    result: Mapping[str, Any] = job.result or {}
    choices = {
        kind: {target.label: name for name, target in targets(kind).items()}
        for kind in {table["kind"] for table in result.get("tables", ()) if table["kind"]}
    }
    return page(
        request, "import.html", job=job, result=result, choices=choices, kinds=_KINDS,
        has_report=report_path(parts.settings.jobs_folder, id).is_file(), mapped=_MAPPED,
        is_kept=_upload(parts, job).is_file(), overrides=job.attributes.get("overrides") or {},
    )  # fmt: skip


@router.post("/imports/{id}")
async def post_decision(visitor: Writer, parts: Parts, id: str, sent: Form) -> Response:
    """What to do with a sheet that was looked at: try it again with columns set by hand, write it, leave it, undo it."""
    decision = sent.get("decision")

    def work() -> tuple[str, str]:
        job = _find(visitor, id)
        match decision:
            case "again":
                overrides = {
                    k.removeprefix(_MAPPED): v for k, v in sent.fields if k.startswith(_MAPPED) and v
                }
                return _followed(visitor, parts, job, dry_run=True, partial=False, overrides=overrides)
            case "write" | "write_good":
                return _followed(visitor, parts, job, dry_run=False, partial=decision == "write_good")
            case "cancel":
                if not visitor.store.jobs.cancel(job.id, datetime.now(UTC)):
                    raise Refusal(
                        409, "job_ended", "这份表格已经处理完，不能取消。", "已写入的可以整份撤销。"
                    )
                return "/imports", "已取消，没有写入任何内容。"
            case "undo":
                return _undone(visitor, job, sent.get("reason"))
        raise Refusal(422, "choice_missing", "没有说明要做什么。", "请按页面上的按钮操作。")

    response = await done_once(visitor, sent, work)
    parts.bulk.poke()
    parts.follower.poke()
    return response


@router.get("/imports/{id}/report.xlsx")
def get_report(visitor: Writer, parts: Parts, id: str) -> Response:
    path = report_path(parts.settings.jobs_folder, _find(visitor, id).id)
    if not path.is_file():
        raise Refusal(404, "report_missing", "这份表格没有错误报告。", "没有发现问题，或报告已过保存期。")
    return _file(path, "错误报告.xlsx")


def _followed(
    visitor: Visitor, parts: Services, job: Job, *, dry_run: bool, partial: bool,
    overrides: Mapping[str, str] | None = None,
) -> tuple[str, str]:  # fmt: skip
    """Queue another look at the same upload, or its writing."""
    suffix, source = job.attributes["suffix"], _upload(parts, job)
    if not source.is_file():
        raise Refusal(410, "upload_gone", "上传的文件已过保存期。", "请重新上传。")
    id = _new_id()
    target = upload_path(parts.settings.jobs_folder, id, suffix)
    with source.open("rb") as there:
        _write(there, target)
    kept = job.attributes.get("overrides") or {}
    _queue(
        visitor, id, suffix, job.attributes["name"], job.attributes["kind"],
        kept if overrides is None else dict(overrides), dry_run=dry_run, partial=partial,
    )  # fmt: skip
    return f"/imports/{id}", ""


def _undone(visitor: Visitor, job: Job, reason: str) -> tuple[str, str]:
    revision = (job.result or {}).get("revision")
    if revision is None:
        raise Refusal(409, "undo_nothing", "这份表格没有写入过内容。", "没有可撤销的。")
    why = f"撤销导入 {job.attributes['name']}" + (f"：{reason}" if reason else "")
    applied = visitor.store.undo(revision, actor=visitor.name, at=datetime.now(UTC), reason=why)
    done = applied.removed + applied.changed + applied.added
    return f"/imports/{job.id}", f"已整份撤销：{done} 条记录恢复到导入之前。历史里两次都在。"


def _queue(
    visitor: Visitor, id: str, suffix: str, name: str, kind: str | None, overrides: dict[str, str], *,
    dry_run: bool, partial: bool,
) -> None:  # fmt: skip
    asked = {
        "kind": kind, "partial": partial, "dry_run": dry_run, "suffix": suffix, "audience": "staff", "name": name,
        "overrides": overrides, "keeps": dry_run, "reason": f"导入 {name}",
    }  # fmt: skip
    visitor.store.jobs.add(id=id, kind=KIND, actor=visitor.name, at=datetime.now(UTC), attributes=asked)


def _find(visitor: Visitor, id: str) -> Job:
    job = visitor.store.jobs.get(id)
    if job is None or job.partner != "" or job.kind != KIND:
        raise not_found("导入", id)
    return job


def _new_id() -> str:
    return f"DR-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(5)}"


def _plain_name(name: str) -> str:
    """A file's name as people know it, without a path and without what could steer anything."""
    return re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[\\/]", name)[-1])[:120] or "表格"


def _upload(parts: Services, job: Job) -> Path:
    return upload_path(parts.settings.jobs_folder, job.id, job.attributes["suffix"])


def _save(upload: UploadFile, path: Path) -> None:
    upload.file.seek(0)
    _write(upload.file, path)


def _write(source: Any, path: Path) -> None:
    """Write beside the place and move there: what is there is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as file:
        copyfileobj(source, file)
    aside.replace(path)


def _file(path: Path, name: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return FileResponse(path, media_type=_XLSX, headers=headers)
