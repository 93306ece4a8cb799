"""A roadshow's 多对多洽谈: wishes handed in, rounds and tables, solving as a job, everybody's own schedule."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import Response

from api.access import not_found
from api.meeting_sheets import read_wishes, write_wish_template
from api.problem_documents import Refusal
from api.roadshow_agenda import appointments, clock, day_and_time
from api.roadshow_changes import timed
from api.roadshow_files import MEDIA, write_meetings
from api.routes.paths import PathId, now
from api.services import Parts
from api.wire import FieldProblem
from api.wire_roadshows import TimesSent
from api.workbench.access import AtDesk, Drafter, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.pages.matching import One
from api.workbench.pages.programmes import downloaded, queued, solving_started, stored_timetable, waiting_job
from api.workbench.pages.roadshows import (
    ROLE,
    found_roadshow,
    may_draft,
    place_of,
    refuse_old,
    told_refusal,
)
from api.workbench.rendering import escaped, page
from graph.problems import BadValue, Problem, Refused
from matcher.meetings import SIDES, WANTS, MeetingDay, Someone, check, unmet
from matcher.roadshow_meetings import KeptMeetings, beside, kept_meetings, meeting_conflicts
from matcher.roadshow_steps import with_plan, write
from matcher.roadshows import Roadshow
from matcher.timetable import Span

router = APIRouter(include_in_schema=False)

_PAPERS = ("schedule.xlsx", "schedule.docx", "teams.xlsx", "calendar.ics")
_LOST = 40


@router.get("/roadshows/{id}/meetings")
def get_meetings(request: Request, visitor: AtDesk, id: PathId, who: One = "") -> Response:
    return _page(request, visitor, id, who=who)


@router.get("/roadshows/{id}/meetings/wishes.xlsx")
def get_template(visitor: AtDesk, id: PathId) -> Response:
    """The empty sheet for the wishes."""
    found_roadshow(visitor, id)
    return downloaded("洽谈意愿表.xlsx", MEDIA[".xlsx"], write_wish_template)


@router.post("/roadshows/{id}/meetings")
async def post_meetings(request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form) -> Response:
    """Wishes taken in from a sheet beside those there are, and when and where the rounds are."""
    upload = sent.file("sheet")

    def work() -> tuple[str, str]:
        since, found = visitor.store.revision(), found_roadshow(visitor, id)
        refuse_old(found, sent)
        old = kept_meetings(found.meetings)
        made = _taken(found, old, sent, upload)
        new = with_plan(found, role=ROLE, at=now(), meetings=made.values)
        told = f"收洽谈意愿 {len(made.day.wishes)} 条" if upload else "改洽谈的时间和桌数"
        write(visitor.store, new, actor=visitor.name, at=now(), reason=told, since=since)
        said = f"名单：嘉宾 {len(made.day.guests)} 位、团队 {len(made.day.teams)} 个；意愿 {len(made.day.wishes)} 条；{_size(made.day)}。"
        return f"{place_of(id)}/meetings", said

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        return await run_in_threadpool(_page, request, visitor, id, error, sent=sent)
    parts.changed()
    return response


@router.post("/roadshows/{id}/meetings/locks")
async def post_locks(request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form) -> Response:
    """A pair kept at its round and table, or all of them, or set free again."""

    def work() -> tuple[str, str]:
        since, found = visitor.store.revision(), found_roadshow(visitor, id)
        refuse_old(found, sent)
        kept = _needed(found)
        met = {one.pair for one in kept.meetings}
        guest, _, team = sent.get("pair").partition("\t")
        some = met if sent.get("pair") == "all" else met & {(guest, team)}
        if not some:
            raise Refused("lock_impossible", "这一对没有排上。", "请刷新后再试。")
        lock = sent.get("do") == "lock"
        made = replace(kept, locked=kept.locked | some if lock else kept.locked - some)
        told = f"{'锁定' if lock else '解除锁定'} {len(some)} 对洽谈"
        new = with_plan(found, role=ROLE, at=now(), meetings=made.values)
        write(visitor.store, new, actor=visitor.name, at=now(), reason=told, since=since)
        return f"{place_of(id)}/meetings", f"已{told}。"

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        return await run_in_threadpool(_page, request, visitor, id, error)
    parts.changed()
    return response


@router.post("/roadshows/{id}/meetings/solving")
async def post_solving(request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form) -> Response:
    """Queue the solving; ``gone`` come to no meeting, and only their gaps are filled."""

    def work() -> tuple[str, str]:
        found = found_roadshow(visitor, id)
        refuse_old(found, sent)
        day = _needed(found).day
        gone = [_someone(day, text)[1] for text in sent.all("gone") if text]
        return queued(visitor, found, what="meetings", fresh=sent.get("fresh") == "1", cancel=gone), ""

    return await solving_started(request, visitor, parts, id, sent, work, _page)


@router.get("/roadshows/{id}/meetings/{name}")
def get_schedule(visitor: AtDesk, id: PathId, name: str, who: One = "") -> Response:
    """The schedule as a file: a sheet or page for everybody on one side, or one person's calendar."""
    if name not in _PAPERS:
        raise not_found("文书", name)
    found = found_roadshow(visitor, id)
    kept = kept_meetings(found.meetings)
    if kept is None or not kept.meetings:
        raise Refusal(409, "meetings_missing", "洽谈还没有排。", "请先收意愿、排洽谈。")
    someone = _someone(kept.day, who) if who else None
    side: Any = "team" if name == "teams.xlsx" else "guest"
    called = kept.day.names[someone] if someone else ""

    def put(path: Path) -> None:
        write_meetings(
            path, found.id, kept.day, kept.meetings, who=someone, side=side, stamp=now(), version=found.draft
        )

    suffix = Path(name).suffix
    return downloaded(f"{found.title or found.id}洽谈日程{called}{suffix}", MEDIA[suffix], put)


def _page(
    request: Request, visitor: Visitor, id: str, error: Exception | None = None, *, who: str = "", sent: Sent | None = None
) -> Response:  # fmt: skip
    roadshow = found_roadshow(visitor, id)
    refusal = told_refusal(error) if error is not None else None
    kept = kept_meetings(roadshow.meetings)
    day = kept.day if kept else None
    timetable = stored_timetable(visitor, roadshow)
    lost = unmet(beside(kept, roadshow.ids, timetable), kept.meetings) if kept and kept.meetings else ()
    someone = _someone(day, who) if day and who else None
    first = day.rounds[0] if day else None
    form = {
        "start": f"{first.start:%Y-%m-%dT%H:%M}" if first else f"{roadshow.day}T13:30" if roadshow.day else "",
        "rounds": str(len(day.rounds)) if day else "6",
        "minutes": str(int((first.end - first.start).total_seconds() // 60)) if first else "8",
        "gap": str(_gap(day.rounds)) if day else "2",
        "tables": str(day.tables) if day else "10",
    }  # fmt: skip
    if sent is not None and sent.get("start"):
        form = {name: sent.get(name) for name in form}
    return page(
        request, "roadshow_meetings.html", status=refusal.status if refusal else 200, roadshow=roadshow, kept=kept, day=day, form=form,
        refusal=refusal, here_=place_of(id), drafts=may_draft(visitor, roadshow), waiting=waiting_job(visitor, id), clock=clock,
        lost=[one for one in lost if someone is None or someone[1] == (one.guest if someone[0] == "guest" else one.team)][:_LOST],
        lost_count=len(lost), wants=WANTS, sides=SIDES, someone=someone, key="\t".join(someone) if someone else "",
        own=appointments(day, kept.meetings, someone[0])[someone[1]] if day and kept and someone else [],
        wrong=meeting_conflicts(kept, roadshow.ids, timetable) if kept else (), size=_size(day) if day else "", escaped=escaped,
    )  # fmt: skip


def _gap(rounds: Sequence[Span]) -> int:
    if len(rounds) < 2:
        return 2
    return int((rounds[1].start - rounds[0].end).total_seconds() // 60)


def _taken(
    roadshow: Roadshow, old: KeptMeetings | None, sent: Sent, upload: UploadFile | None
) -> KeptMeetings:
    """The day after the form. Raises ``Refusal`` with what is wrong row by row: then nothing of a sheet is taken."""
    known: Any = (old.day.guests, old.day.teams, old.day.wishes) if old else ((), (), ())
    if upload is None and old is None:
        raise Refusal(422, "file_missing", "没有选意愿表。", "请先下载空表，填好再上传。")
    if upload is not None:
        known = _read(upload, known)
    numbers = {name: _number(sent, name) for name in ("rounds", "minutes", "gap", "tables")}
    times = _times(start=_moment(sent.get("start")), title=roadshow.title or roadshow.id, **numbers)
    day = timed(old.day if old else None, times, known)
    if wrong := [one for one in check(day) if one.severity == "error"]:
        raise _wrong(wrong)
    kept = replace(old, day=day) if old else KeptMeetings(day=day)
    return kept.staged_by(roadshow.ids)


def _times(**given: Any) -> TimesSent:
    """The times of a form. Raises ``Refused`` (``meetings_size``) for what is out of all bounds."""
    try:
        return TimesSent(**given)
    except ValidationError as error:
        raise Refused(
            "meetings_size", "洽谈的时间或规模不合理。", "请核对开始时间、轮数、分钟数和桌数。"
        ) from error


def _read(upload: UploadFile, known: Any) -> Any:
    suffix = Path(upload.filename or "").suffix.lower()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"意愿表{suffix if suffix in ('.xlsx', '.csv') else '.xlsx'}"
        upload.file.seek(0)
        with path.open("wb") as file, upload.file:
            copyfileobj(upload.file, file)
        found, problems = read_wishes(path, known)
    if problems:
        raise _wrong(problems)
    return found


def _wrong(problems: Sequence[Problem]) -> Refusal:
    told = [
        FieldProblem(code=one.code, message=f"{one.place} {one.message}".strip(), remedy=one.remedy, place=one.place)
        for one in problems[:60]
    ]  # fmt: skip
    return Refusal(
        422,
        "wishes_refused",
        f"有 {len(problems)} 处问题，没有收下任何内容。",
        "请逐条改好再上传。",
        problems=told,
    )


def _number(sent: Sent, name: str) -> int:
    labels = {"rounds": "轮数", "minutes": "每轮分钟数", "gap": "换桌分钟数", "tables": "桌数"}
    text = sent.get(name)
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and (int(text) > 0 or name == "gap")):
        raise Refused("meetings_size", f"{labels[name]}“{text[:20]}”不是正整数。", "请写 1、2、3……")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace(" ", "T"))
    except ValueError:
        raise Refused(
            "time_unreadable", f"看不懂开始时间“{text[:30]}”。", "请写成 2026-12-05T13:30。"
        ) from None
    return found.replace(tzinfo=None)


def _someone(day: MeetingDay, text: str) -> Someone:
    side, _, id = text.partition("\t")
    key: Any = (side, id)
    if key not in day.names:
        raise Refusal(404, "someone_unknown", "名单里没有这一位。", "请从列表里选。")
    found: Someone = key
    return found


def _needed(roadshow: Roadshow) -> KeptMeetings:
    kept = kept_meetings(roadshow.meetings)
    if kept is None:
        raise Refused("meetings_missing", "还没有洽谈的名单和意愿。", "请先上传意愿表。")
    return kept


def _size(day: MeetingDay) -> str:
    whole = Span(start=day.rounds[0].start, end=day.rounds[-1].end)
    return f"{day_and_time(whole)}，{len(day.rounds)} 轮、{day.tables} 张桌"
