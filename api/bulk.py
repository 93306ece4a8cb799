"""Long work as jobs in a process of their own, resumed after a crash; uploads of many records, whole or not at all."""

import asyncio
import contextlib
import logging
import multiprocessing
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from api.problem_documents import remedy_over_http
from api.settings import ServeSettings
from api.worker_processes import begin_worker_process
from embeddings.refusal import IndexRefused
from graph.intake.error_report import write_error_report
from graph.intake.importing import ImportPlan, PlannedTable, plan_import
from graph.problems import Problem, Refused
from graph.store.audience import AudienceStore
from graph.store.jobs import Job
from graph.store.store import Store
from matcher.case_steps import held_back
from matcher.home import Home

KIND = "bulk"
# By media type; the intake looks at the content in any case.
SUFFIXES: Mapping[str, str] = {
    "application/x-ndjson": ".jsonl", "application/ndjson": ".jsonl", "application/json": ".jsonl", "text/csv": ".csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}  # fmt: skip
_LEASE = timedelta(seconds=60)
_BEAT = 10.0
# A job that takes its server down with it is not begun a fourth time.
ATTEMPTS = 3
_PAUSE = 1.0
# Problems told in the answer; the report has all of them.
_TOLD = 200
_LOG = logging.getLogger("jiebang.bulk")


class JobRunner:
    """Takes queued jobs of a kind one after the other.

    ``work`` does one that was taken, by its id, in a process of its own (it must pickle), and writes how it ended;
    ``unfinished`` gives the result of one whose process ended before that (``job_died``) or that was begun too often
    (``job_given_up``). ``changed`` is told when something may have been written.
    """

    def __init__(
        self,
        store: Store,
        *,
        kind: str,
        work: Callable[[str], None],
        unfinished: Callable[[Job, str], Mapping[str, Any]],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._kind, self._work = store, kind, work
        self._unfinished, self._changed = unfinished, changed
        self._wake = asyncio.Event()
        self._pool: ProcessPoolExecutor | None = None

    def poke(self) -> None:
        """Something was queued."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; what is being worked on then is taken up again by the next server."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                job = None
                with contextlib.suppress(Refused):  # a busy store: it is asked again
                    job = await asyncio.to_thread(
                        self._store.jobs.take, self._kind, datetime.now(UTC), _LEASE
                    )
                if job is None:
                    with contextlib.suppress(TimeoutError):
                        # Not ``wait_for``: see Dispatcher.
                        async with asyncio.timeout(_PAUSE):
                            await self._wake.wait()
                    self._wake.clear()
                    continue
                try:
                    await self._do(loop, job)
                except Exception:  # a busy store: its lease brings the job back
                    _LOG.exception("a job has not come to its end", extra={"job": job.id})
        finally:
            self._stop()

    async def _do(self, loop: asyncio.AbstractEventLoop, job: Job) -> None:
        if job.attempts > ATTEMPTS:
            await self._fail(job, "job_given_up")
            return
        if self._pool is None:
            # A sheet of 50 MB takes a core for a while and may take much memory: neither is the server's.
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=begin_worker_process)
        try:
            await loop.run_in_executor(self._pool, self._work, job.id)
        except asyncio.CancelledError:
            # Its lease ends now, so that the next server need not wait for it.
            self._stop()
            self._store.jobs.keep(job.id, datetime.now(UTC), timedelta(0))
            raise
        except BrokenProcessPool:
            self._pool = None
            _LOG.error("a job's process has died", extra={"job": job.id})
            now = await asyncio.to_thread(self._store.jobs.get, job.id) or job
            await self._fail(now, "job_died")
        self._changed()

    async def _fail(self, job: Job, code: str) -> None:
        result = self._unfinished(job, code)
        await asyncio.to_thread(self._store.jobs.finish, job.id, "failed", result, datetime.now(UTC))

    def _stop(self) -> None:
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def bulk_runner(settings: ServeSettings, store: Store, changed: Callable[[], None]) -> JobRunner:
    """The runner of uploads."""
    work = partial(run_bulk, settings.home)
    return JobRunner(store, kind=KIND, work=work, unfinished=_unfinished, changed=changed)


def run_bulk(home: Home, id: str) -> None:
    """Do one job, which has been taken; every end of it is written into the job."""
    with home.open_store(create=False) as store:
        job = store.jobs.get(id)
        if job is None or job.state != "running":
            return
        with kept_alive(store, job):
            try:
                state, result = _import(home, store, job)
            except (Refused, IndexRefused) as refused:
                state, result = "failed", _failed(refused.code, refused.message, refused.remedy)
            except Exception:
                _LOG.exception("a job failed", extra={"job": id})
                state, result = "failed", _failed("internal", "处理上传时出了没有预料到的错误，没有写入任何内容。", "请把作业编号交给管理员。")  # fmt: skip
        store.jobs.finish(id, "done" if state == "done" else "failed", result, datetime.now(UTC))
        # Last: a job whose process dies before it has ended is done again, and needs its upload. A trial of the workbench
        # keeps it, to be written when somebody says so; what nobody asks for again is tidied away with old jobs.
        if not job.attributes.get("keeps"):
            upload_path(home.path / "jobs", id, job.attributes["suffix"]).unlink(missing_ok=True)


def upload_path(folder: Path, id: str, suffix: str) -> Path:
    """Where the upload of a job lies."""
    return folder / f"{id}{suffix}"


def report_path(folder: Path, id: str) -> Path:
    """Where the row report of a job lies."""
    return folder / f"{id}-报告.xlsx"


def _import(home: Home, store: Store, job: Job) -> tuple[str, dict[str, Any]]:
    asked, folder = job.attributes, home.path / "jobs"
    partner = (
        None if asked["audience"] == "staff" else AudienceStore(store, asked["audience"], own=job.partner)
    )
    path = upload_path(folder, job.id, asked["suffix"])
    plan = plan_import(
        path,
        store=store,
        at=job.created_at,
        kind=asked["kind"],
        actor=job.actor,
        partner=partner,
        held=held_back,
        overrides=asked.get("overrides"),
    )
    rows = sum(len(planned.table.rows) for planned in plan.tables)
    if plan.problems:
        write_error_report(plan, report_path(folder, job.id))
    if not store.jobs.progress(job.id, 0, rows, datetime.now(UTC), _LEASE):
        return "cancelled", {}
    written, revision = None, None
    if not asked["dry_run"] and not (plan.errors and not asked["partial"]):
        applied = plan.commit(
            store,
            actor=job.actor,
            reason=asked.get("reason") or f"批量上传 {job.id}",
            partial=asked["partial"],
        ).applied
        written = applied.added + applied.changed if applied else 0
        revision = applied.revision if applied and written else None
    with contextlib.suppress(Refused):  # it is written, whether or not this can be said just now
        store.jobs.progress(job.id, rows, rows, datetime.now(UTC), _LEASE)
    state = "failed" if plan.errors and written is None and not asked["dry_run"] else "done"
    told = _result(plan, written)
    if "reason" in asked:  # of the workbench, which shows more than partners are told
        told |= {"revision": revision, "tables": [_table(planned) for planned in plan.tables]}
    return state, told


def _result(plan: ImportPlan, written: int | None) -> dict[str, Any]:
    counts = plan.counts
    problems = sorted(plan.problems, key=lambda problem: problem.severity != "error")
    return {
        "rows": {
            "new": counts.new, "changed": counts.changed, "unchanged": counts.unchanged, "refused": counts.refused,
            "skipped": counts.skipped,
        },
        "written": written,
        "errors": len(plan.errors),
        "warnings": len(plan.problems) - len(plan.errors),
        "problems": [_told(problem) for problem in problems[:_TOLD]],
    }  # fmt: skip


def _table(planned: PlannedTable) -> dict[str, Any]:
    """What each column of a table was taken for, and its first rows as they stand."""
    mapping = planned.mapping
    columns = [
        {"header": column.header, "label": column.label, "reason": column.reason}
        for column in (mapping.columns if mapping else ())
    ]
    return {
        "name": planned.table.name,
        "kind": mapping.kind if mapping else None,
        "rows": len(planned.table.rows),
        "columns": columns,
    }


def _failed(code: str, message: str, remedy: str) -> dict[str, Any]:
    problem = Problem(code=code, message=message, remedy=remedy)
    rows = dict.fromkeys(("new", "changed", "unchanged", "refused", "skipped"), 0)
    return {"rows": rows, "written": None, "errors": 1, "warnings": 0, "problems": [_told(problem)]}


def _unfinished(job: Job, code: str) -> dict[str, Any]:
    written = "可能已全部写入，也可能没有写入任何内容。" if job.total else "没有写入任何内容。"
    if code == "job_given_up":
        message = f"处理了 {ATTEMPTS} 次都没有做完，不再重试。{written}"
        return _failed(code, message, "请分成几份上传；仍然不行时请把作业编号交给管理员。")
    message = f"处理上传的进程意外结束。{written}"
    return _failed(code, message, "文件可能太大：请分成几份上传；重复的记录不会写两遍。")


def _told(problem: Problem) -> dict[str, Any]:
    return {
        "code": problem.code, "message": problem.message, "remedy": remedy_over_http(problem.code, problem.remedy), "place": problem.place,
        "severity": problem.severity,
    }  # fmt: skip


@contextlib.contextmanager
def kept_alive(store: Store, job: Job) -> Any:
    """Keeps the job's lease while the block works, which may take minutes without a word."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT):
            with contextlib.suppress(Refused):
                store.jobs.keep(job.id, datetime.now(UTC), _LEASE)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
