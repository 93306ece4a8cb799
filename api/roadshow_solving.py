"""Timetables and meetings solved as jobs, in a process of their own: 40 pitches or 60 guests take many seconds."""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from api.bulk import ATTEMPTS, JobRunner, kept_alive
from api.roadshow_files import Material, material, people_named
from api.roadshow_values import met
from api.settings import ServeSettings
from api.wire_roadshows import SolutionSent
from graph.problems import Refused
from graph.store.audience import AudienceStore
from graph.store.jobs import Job
from graph.store.store import Store
from matcher.home import Home
from matcher.meetings import Schedule
from matcher.roadshow_meetings import on_stage, solved_meetings, without
from matcher.roadshow_steps import with_plan, write
from matcher.roadshow_timetable import booked_elsewhere, solved
from matcher.roadshows import PARTNER, STAFF, Roadshow, open_to, seen_draft
from matcher.timetable_conflicts import changes, changes_in_words

KIND = "roadshow"
_LEASE = timedelta(seconds=60)
_LOG = logging.getLogger("jiebang.roadshows")


def solution_runner(settings: ServeSettings, store: Store, changed: Any) -> JobRunner:
    """The runner of solutions."""
    work = partial(run_solution, settings.home)
    return JobRunner(store, kind=KIND, work=work, unfinished=_unfinished, changed=changed)


def _unfinished(_job: Job, code: str) -> dict[str, Any]:
    told = f"算了 {ATTEMPTS} 次都没有算完，不再重试" if code == "job_given_up" else "求解的进程意外结束"
    return _failed(code, f"{told}，可能没有写入", "请重新查看路演，减少项目、轮次或规则再试")


def run_solution(home: Home, id: str) -> None:
    """Do one job, which has been taken; every end of it is written into the job."""
    with home.open_store(create=False) as store:
        job = store.jobs.get(id)
        if job is None or job.state != "running":
            return
        with kept_alive(store, job):
            try:
                result = _solved(store, job)
            except Refused as refused:
                result = _failed(refused.code, refused.message, refused.remedy)
            except Exception:
                _LOG.exception("a solution failed", extra={"job": id})
                result = _failed("internal", "出了没有预料到的错误", "请把编号交给管理员")
        if result is not None:
            store.jobs.finish(id, "done" if result["found"] else "failed", result, datetime.now(UTC))


def roadshows_beside(caller_view: Any, whole: Store, audience: Any) -> list[Roadshow]:
    """The roadshows whose rooms count for a caller: those it may see, others' as they were released."""
    own = list(caller_view.processes(Roadshow))
    known = {one.id for one in own}
    return own + [one for one in open_to(whole, audience) if one.id not in known]


def _solved(store: Store, job: Job) -> dict[str, Any] | None:
    """What was found and written; None where it was cancelled meanwhile."""
    asked = SolutionSent.model_validate(job.attributes["asked"])
    audience = job.attributes["audience"]
    since, view = store.revision(), AudienceStore(store, audience, own=job.partner)
    roadshow = view.process(Roadshow, job.attributes["roadshow"])
    if roadshow is None:
        raise Refused("roadshow_changed", "这场路演已不在。", "请重新查看。")
    seen_draft(roadshow, asked.draft)
    about = material(store, roadshow)
    others = booked_elsewhere(roadshow.id, roadshows_beside(view, store, audience))
    made, found = _timetable(about, others, asked) if asked.what == "timetable" else _meetings(about, asked)
    if not asked.dry_run:
        at = datetime.now(UTC)
        role = STAFF if audience == "staff" else PARTNER
        new = with_plan(roadshow, role=role, at=at, **made)
        if not store.jobs.progress(job.id, 1, 1, at, _LEASE):
            return None
        reason = f"路演 {roadshow.id} {'排日程' if asked.what == 'timetable' else '排洽谈'}"
        try:
            write(store, new, actor=job.actor, at=at, reason=reason, since=since)
        except Refused as refused:
            if refused.code == "plan_stale":
                raise Refused(
                    "roadshow_changed",
                    "求解的时候这场路演被别人改过，没有写入。",
                    "请重新查看，再决定怎样改。",
                ) from None
            raise
        found["draft"] = new.draft
    return {"found": {"draft": roadshow.draft} | found, "problems": []}


def _timetable(about: Material, others: Any, asked: SolutionSent) -> tuple[dict[str, Any], dict[str, Any]]:
    if about.timetable is None:
        raise Refused("timetable_none", f"{about.roadshow.id} 还没有日程。", "请先写明场次。")
    old = replace(about.timetable, elsewhere=others)
    kept, found = solved(old, fresh=asked.fresh)
    moved = changes(old.places, kept.places)
    text = "；".join(changes_in_words(kept.programme, moved)) or "没有改动"
    return {"timetable": kept.values}, {
        "proven": found.proven, "text": text, "hints": found.hints, "hints_bound": found.hints_bound,
        "changes": [
            {"pitch": one.pitch, "before": list(one.before) if one.before else None, "after": list(one.after) if one.after else None}
            for one in moved
        ],
    }  # fmt: skip


def _meetings(about: Material, asked: SolutionSent) -> tuple[dict[str, Any], dict[str, Any]]:
    if about.meetings is None:
        raise Refused(
            "meetings_none", f"{about.roadshow.id} 还没有洽谈的名单和意愿。", "请先写明名单和意愿。"
        )
    old = about.meetings
    gone = people_named(old.day, asked.cancel)
    absent = {id for _, id in gone}
    kept = replace(
        old,
        day=without(old.day, gone),
        locked=frozenset(pair for pair in old.locked if not absent & set(pair)),
    )
    made, found = solved_meetings(kept, on_stage(about.values), about.timetable, fresh=asked.fresh)
    return {"meetings": made.values}, _told(found, set(old.meetings))


def _told(found: Schedule, old: Any) -> dict[str, Any]:
    new = set(found.meetings)
    text = f"排了 {len(new)} 场：取消 {len(old - new)} 场，新增 {len(new - old)} 场，其余 {len(old & new)} 场不动"
    return {
        "proven": found.proven, "text": text, "worth": found.worth, "bound": found.bound, "idle": found.idle,
        "idle_bound": found.idle_bound, "added": [met(one) for one in sorted(new - old)],
        "removed": [met(one) for one in sorted(old - new)], "unmet": len(found.unmet),
    }  # fmt: skip


def _failed(code: str, message: str, remedy: str) -> dict[str, Any]:
    told = {"code": code, "message": message, "remedy": remedy, "place": "", "severity": "error"}
    return {"found": None, "problems": [told]}
