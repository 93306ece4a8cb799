"""Timetables and meetings of roadshows as jobs: solved in a process of its own, written unless cancelled or overtaken."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from api.bulk import ATTEMPTS, JobRunner, kept_alive
from api.settings import ServeSettings
from graph.problems import Refused
from graph.store.audience import AudienceStore
from graph.store.jobs import Job
from graph.store.store import Store
from matcher.home import Home
from matcher.meetings import WANTS
from matcher.roadshow_meetings import kept_meetings, rearranged
from matcher.roadshow_steps import with_plan, write
from matcher.roadshow_timetable import arranged, kept_timetable
from matcher.roadshows import Roadshow, lineup_values, seen_draft
from matcher.timetable_conflicts import changes, changes_in_words
from matcher.timetable_solving import Infeasible

KIND = "roadshow"
_LEASE = timedelta(seconds=60)
_TOLD = 12
_LOG = logging.getLogger("jiebang.roadshows")


def roadshow_runner(settings: ServeSettings, store: Store) -> JobRunner:
    """The runner of timetables and meetings."""
    return JobRunner(store, kind=KIND, work=partial(run_plan, settings.home), unfinished=_unfinished)


def queue_plan(
    store: Store, id: str, roadshow: Roadshow, what: str, *, actor: str, at: datetime, fresh: bool = False,
    gone: list[list[str]] | None = None, seed: int | None = None,
) -> Job:  # fmt: skip
    """Ask for the ``timetable`` or the ``meetings`` of the roadshow's present draft to be solved.

    ``gone`` are those who come to no meeting, as side and id; ``seed`` draws the lots of a timetable anew.
    """
    asked = {
        "roadshow": roadshow.id, "draft": roadshow.draft, "what": what, "fresh": fresh, "gone": gone or [], "seed": seed,
    }  # fmt: skip
    return store.jobs.add(id=id, kind=KIND, actor=actor, at=at, attributes=asked)


def run_plan(home: Home, id: str) -> None:
    """Do one job, which has been taken; every end of it is written into the job."""
    with home.open_store(create=False) as store:
        job = store.jobs.get(id)
        if job is None or job.state != "running":
            return
        with kept_alive(store, job):
            try:
                result: Mapping[str, Any] | None = _solved(store, job)
            except Refused as refused:
                result = _failed(refused.message, refused.remedy)
            except Exception:
                _LOG.exception("a plan of a roadshow failed", extra={"job": id})
                result = _failed("出了没有预料到的错误，没有写入。", "请把编号交给管理员。")
        if result is not None:
            store.jobs.finish(id, "failed" if "refused" in result else "done", result, datetime.now(UTC))


def _solved(store: Store, job: Job) -> Mapping[str, Any] | None:
    """What came of it; None where it was cancelled."""
    asked = job.attributes
    since, roadshow = store.revision(), store.process(Roadshow, asked["roadshow"])
    if roadshow is None:
        return _failed(f"没有编号为“{asked['roadshow']}”的路演。", "请核对编号。")
    seen_draft(roadshow, asked["draft"])
    solve = _timetable if asked["what"] == "timetable" else _meetings
    values, reason, lines = solve(store, roadshow, asked)
    if not store.jobs.progress(job.id, 0, 1, datetime.now(UTC), _LEASE):
        return None
    at = datetime.now(UTC)
    made = with_plan(roadshow, role="staff", at=at, **values)
    write(store, made, actor=job.actor, at=at, reason=reason, since=since)
    return {"lines": lines, "draft": made.draft}


_Solved = tuple[dict[str, dict[str, Any]], str, list[str]]


def _timetable(store: Store, roadshow: Roadshow, asked: Mapping[str, Any]) -> _Solved:
    kept = kept_timetable(lineup_values(roadshow, AudienceStore(store, roadshow.audience)))
    if kept is None:
        raise Refused("timetable_missing", "还没有写场次。", "请先填场次、会场和时间。")
    seed = asked["seed"]
    if seed is not None:
        kept = replace(kept, programme=replace(kept.programme, seed=seed))
    found = arranged(kept, fresh=asked["fresh"] or seed is not None)
    if isinstance(found, Infeasible):
        raise Refused("timetable_infeasible", f"{found.problem.message}。", f"{found.problem.remedy}。")
    made, told = found
    moved = changes_in_words(made.programme, changes(kept.places, made.places))
    lines = [
        f"排上 {len(made.places)} 项，{len(moved)} 处改动，冲突 {len(made.conflicts)} 处。",
        *moved[:_TOLD],
    ]
    if not told.proven:
        lines.append(f"没有证明最优：还有 {told.hints} 处提示，最少不会低于 {told.hints_bound} 处。")
    return {"timetable": made.values}, "排路演日程", lines


def _meetings(store: Store, roadshow: Roadshow, asked: Mapping[str, Any]) -> _Solved:
    kept = kept_meetings(roadshow.meetings)
    if kept is None:
        raise Refused("meetings_missing", "还没有洽谈的名单和意愿。", "请先上传意愿表。")
    gone: Any = [tuple(one) for one in asked["gone"]]
    made, found = rearranged(kept, gone=gone, fresh=asked["fresh"])
    before = {one.pair: (one.round, one.table) for one in kept.meetings}
    after = {one.pair: (one.round, one.table) for one in made.meetings}
    moved = sum(before[pair] != place for pair, place in after.items() if pair in before)
    lines = [
        f"排了 {len(found.meetings)} 场；没有排上的意愿 {len(found.unmet)} 条"
        f"，其中{WANTS['must']}的 {sum(one.want == 'must' for one in found.unmet)} 条。",
        f"新增 {len(after.keys() - before.keys())} 场，去掉 {len(before.keys() - after.keys())} 场，改轮次或桌号 {moved} 场。",
        "已证明最优。" if found.proven else f"离上限还差 {found.bound - found.worth} 分（上限 {found.bound}）；嘉宾空等合计 {found.idle} 轮，不可能少于 {found.idle_bound} 轮。",
    ]  # fmt: skip
    names = "、".join(made.day.names.get(who, who[1]) for who in gone)
    return (
        {"meetings": made.values},
        f"排洽谈 {len(found.meetings)} 场" + (f"（{names}取消）" if names else ""),
        lines,
    )


def _failed(message: str, remedy: str) -> dict[str, Any]:
    return {"refused": [message, remedy]}


def _unfinished(job: Job, code: str) -> dict[str, Any]:
    told = f"算了 {ATTEMPTS} 次都没有算完，不再重试。" if code == "job_given_up" else "求解的进程意外结束。"
    return _failed(told, "请减少项目或意愿后再试。")
