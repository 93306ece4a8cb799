"""Timetable, meetings, papers and results of a roadshow: read, changed by who has seen the present draft, solved as a job."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Reader, Writer, not_found
from api.idempotency import made_id
from api.lineup_answers import refusal_of_roadshow
from api.meeting_sheets import read_wishes
from api.problem_documents import Refusal, field_problem
from api.responses import REFUSALS, file_answers, file_response, json_response
from api.roadshow_changes import changed_meetings, changed_timetable, timed
from api.roadshow_files import MEDIA, Material, check_paper, material, people_named, write_paper
from api.roadshow_solving import KIND, roadshows_beside
from api.roadshow_values import meetings_values, round_values, timetable_values
from api.routes.jobs import is_for
from api.routes.paths import now
from api.routes.roadshows import RoadshowId, find_roadshow, keep_roadshow, role_of
from api.services import Parts
from api.wire_roadshows import (
    Draft,
    FollowedPage,
    MeetingsSent,
    MeetingsShown,
    PaperFormat,
    PaperKind,
    ProposalSent,
    ProposalShown,
    ResultsSent,
    RoundShown,
    RoundsShown,
    SolutionSent,
    SolutionShown,
    TimesSent,
    TimetableSent,
    TimetableShown,
)
from graph.problems import Problem, Refused
from graph.store.jobs import Job
from graph.values import Visibility
from matcher.grading import Criterion, Rubric, Sheet
from matcher.meetings import Side, check
from matcher.pitch_scoring import Award, Results, Round, Veto
from matcher.roadshow_meetings import KeptMeetings, joined, on_stage, proposed_wishes
from matcher.roadshow_results import (
    Marks,
    followed_winners,
    open_round,
    results_kept,
    scored,
    scored_round,
    winners,
)
from matcher.roadshow_steps import with_plan
from matcher.roadshow_timetable import Kept, booked_elsewhere
from matcher.roadshows import seen_draft
from matcher.tasks import carry_out

router = APIRouter(prefix="/v1/roadshows/{id}", tags=["路演"], responses=REFUSALS)

# Of one partner, waiting or under way: each takes a core for seconds to a minute.
_MOST = 5
_SHEETS = {MEDIA[".xlsx"]: ".xlsx", "text/csv": ".csv"}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}, **({"example": "嘉宾,团队,提出方,意愿\r\n甲企业,乙团队,嘉宾,必须\r\n"} if media == "text/csv" else {})}
            for media in _SHEETS
        },
    }
}  # fmt: skip
Version = Annotated[int | None, Query(ge=1, le=10_000, description="看已发布的第几版；不写则为现在的样子")]
SolutionId = Annotated[str, InPath(max_length=100, description="求解的编号")]


class _WishTimes(TimesSent):
    """When the rounds are, as parameters beside a sheet of wishes."""

    draft: Draft


@contextmanager
def _refusing() -> Iterator[None]:
    """What the rooms below refuse, with the status it has over HTTP."""
    try:
        yield
    except Refused as refused:
        raise refusal_of_roadshow(refused) from refused


def _found(caller: Caller, id: str, version: int | None = None, draft: int | None = None) -> Material:
    """A roadshow with its plans, as its own audience may see it; ``draft``: which one the caller has seen."""
    roadshow = find_roadshow(caller, id)
    seen_draft(roadshow, draft)
    if version is not None and version > len(roadshow.versions):
        raise not_found("路演版本", f"{id} 第 {version} 版")
    return material(caller.whole, roadshow, "", version)


def _beside(caller: Caller, about: Material) -> Kept | None:
    """The timetable beside the rooms that other roadshows have, as far as the caller may see them."""
    if about.timetable is None:
        return None
    others = roadshows_beside(caller.view, caller.whole, caller.audience)
    return replace(about.timetable, elsewhere=booked_elsewhere(about.roadshow.id, others))


@router.get(
    "/timetable", operation_id="get_timetable", summary="路演日程和现在的冲突",
    responses={200: {"model": TimetableShown}},
)  # fmt: skip
def get_timetable(caller: Reader, id: RoadshowId, version: Version = None) -> Response:
    with _refusing():
        about = _found(caller, id, version)
        kept = _beside(caller, about)
        if kept is None:
            raise Refused("timetable_none", f"{about.roadshow.id} 还没有日程。", "请先写明场次。")
        return json_response(timetable_values(about, kept))


@router.put(
    "/timetable", operation_id="set_timetable", summary="改日程：场次、评委、规则，手工换时段，锁定；不求解",
    responses={200: {"model": TimetableShown}},
)  # fmt: skip
def set_timetable(caller: Writer, parts: Parts, id: RoadshowId, sent: TimetableSent) -> Response:
    since = caller.whole.revision()
    with _refusing():
        about = _found(caller, id, draft=sent.draft)
        others = booked_elsewhere(id, roadshows_beside(caller.view, caller.whole, caller.audience))
        kept = changed_timetable(about.timetable, about.values, sent, others)
        made = with_plan(about.roadshow, role=role_of(caller), at=now(), timetable=kept.values)
    keep_roadshow(caller, made, now(), f"路演 {id} 改日程", since)
    parts.changed()
    return json_response(timetable_values(replace(about, roadshow=made), kept))


@router.get(
    "/meetings", operation_id="get_meetings", summary="多对多洽谈和现在的冲突",
    responses={200: {"model": MeetingsShown}},
)  # fmt: skip
def get_meetings(caller: Reader, id: RoadshowId, version: Version = None) -> Response:
    with _refusing():
        about = _found(caller, id, version)
        if about.meetings is None:
            raise Refused(
                "meetings_none", f"{about.roadshow.id} 还没有洽谈的名单和意愿。", "请先写明名单和意愿。"
            )
        return json_response(meetings_values(about, about.meetings, about.timetable))


@router.put(
    "/meetings", operation_id="set_meetings", summary="写洽谈的名单、意愿、轮次、锁定；不求解",
    responses={200: {"model": MeetingsShown}},
)  # fmt: skip
def set_meetings(caller: Writer, parts: Parts, id: RoadshowId, sent: MeetingsSent) -> Response:
    since = caller.whole.revision()
    with _refusing():
        about = _found(caller, id, draft=sent.draft)
        kept, wrong = changed_meetings(about.meetings, on_stage(about.values), sent)
    return _kept_meetings(caller, parts, about, _or_refuse(kept, wrong), "改洽谈", since)


@router.post(
    "/meetings/wishes", operation_id="upload_wishes", summary="收意愿表（xlsx 或 csv）：补充和更新，已排的不动",
    responses={200: {"model": MeetingsShown}}, openapi_extra=_BODY,
)  # fmt: skip
async def upload_wishes(
    request: Request, caller: Writer, parts: Parts, id: RoadshowId, times: Annotated[_WishTimes, Query()]
) -> Response:  # fmt: skip
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _SHEETS:
        raise Refusal(415, "media_type", "不支持这种内容类型。", f"请直接以意愿表的文件内容作请求体，Content-Type 写 {'、'.join(_SHEETS)} 之一。")  # fmt: skip
    body = await request.body()
    if not body:
        raise Refusal(400, "body_empty", "请求没有内容。", "请把文件内容作为请求体。")
    return await run_in_threadpool(_wishes_taken, caller, parts, id, times, body, _SHEETS[media])


def _wishes_taken(
    caller: Caller, parts: Any, id: str, times: _WishTimes, body: bytes, suffix: str
) -> Response:
    since = caller.whole.revision()
    with _refusing(), tempfile.TemporaryDirectory() as folder:
        about = _found(caller, id, draft=times.draft)
        path = Path(folder) / f"意愿{suffix}"
        path.write_bytes(body)
        old = about.meetings.day if about.meetings else None
        try:
            people, wrong = read_wishes(path, (old.guests, old.teams, old.wishes) if old else ((), (), ()))
        except Refused as refused:
            raise Refusal(422, "sheet_unreadable", refused.message, refused.remedy) from refused
        kept = None if wrong else _with_people(about, times, people)
    return _kept_meetings(caller, parts, about, _or_refuse(kept, wrong), "收洽谈意愿", since)


def _with_people(about: Material, sent: TimesSent, people: Any) -> KeptMeetings:
    day = timed(about.meetings.day if about.meetings else None, sent, people)
    if wrong := [one for one in check(day) if one.severity == "error"]:
        _or_refuse(None, wrong)
    kept = replace(about.meetings, day=day) if about.meetings else KeptMeetings(day=day)
    return kept.staged_by(on_stage(about.values))


@router.post(
    "/meetings/proposals", operation_id="propose_wishes", summary="按阵容的适配程度提洽谈意愿；人写明的不改",
    responses={200: {"model": ProposalShown}},
)  # fmt: skip
def propose_wishes(caller: Writer, parts: Parts, id: RoadshowId, sent: ProposalSent) -> Response:
    since = caller.whole.revision()
    with _refusing():
        about = _found(caller, id, draft=sent.draft)
        guests, teams, fits = proposed_wishes(about.values, sent.level)
        names = {one.id: one.name for one in (*guests, *teams)}
        told = [
            {"guest": one.guest, "guest_name": names[one.guest], "team": one.team, "team_name": names[one.team], "fit": fit}
            for one, fit in fits.items()
        ]  # fmt: skip
        if sent.dry_run:
            return json_response({"proposed": told, "meetings": None})
        old = about.meetings.day if about.meetings else None
        kept = _with_people(about, sent, joined(old, guests, teams, fits))
    made = _keep(caller, parts, about, kept, "按适配程度提洽谈意愿", since)
    return json_response({"proposed": told, "meetings": meetings_values(made, kept, about.timetable)})


def _or_refuse(kept: KeptMeetings | None, wrong: list[Problem]) -> KeptMeetings:
    if kept is None:
        raise Refusal(
            422, "wishes_refused", f"名单或意愿有 {len(wrong)} 处不对，没有写入：{wrong[0].message}。", "请按 problems 逐条改。",
            problems=[field_problem(one) for one in wrong[:200]],
        )  # fmt: skip
    return kept


def _keep(caller: Caller, parts: Any, about: Material, kept: KeptMeetings, told: str, since: int) -> Material:
    with _refusing():
        made = with_plan(about.roadshow, role=role_of(caller), at=now(), meetings=kept.values)
    keep_roadshow(caller, made, now(), f"路演 {made.id} {told}", since)
    parts.changed()
    return replace(about, roadshow=made)


def _kept_meetings(
    caller: Caller, parts: Any, about: Material, kept: KeptMeetings, told: str, since: int
) -> Response:
    made = _keep(caller, parts, about, kept, told, since)
    return json_response(meetings_values(made, kept, about.timetable))


@router.post(
    "/solutions", operation_id="solve_roadshow", summary="求解日程或洽谈：绕开锁定的，改动最少，求好即写入", status_code=202,
    responses={202: {"model": SolutionShown, "description": "已排队"}},
)  # fmt: skip
def solve(request: Request, caller: Writer, parts: Parts, id: RoadshowId, sent: SolutionSent) -> Response:
    with _refusing():
        about = _found(caller, id, draft=None)
        own = made_id(request, "QJ-")
        if parts.store.jobs.get(own) is None:  # sent again, it was asked of the draft before
            seen_draft(about.roadshow, sent.draft)
        if about.timetable is None and sent.what == "timetable":
            raise Refused("timetable_none", f"{id} 还没有日程。", "请先写明场次。")
        if about.meetings is None and sent.what == "meetings":
            raise Refused("meetings_none", f"{id} 还没有洽谈的名单和意愿。", "请先写明名单和意愿。")
        if about.meetings is not None:
            people_named(about.meetings.day, sent.cancel)
    newest = parts.store.jobs.list(caller.partner, None, 4 * _MOST, kind=KIND)
    if sum(job.state in ("queued", "running") for job in newest if job.id != own) >= _MOST:
        raise Refusal(
            429, "jobs_many", f"已有 {_MOST} 个求解没有算完。", "请等其中一些结束，或取消后再来。", headers={"Retry-After": "10"}
        )  # fmt: skip
    asked = {"asked": sent.model_dump(mode="json"), "audience": caller.audience, "roadshow": id}
    job = parts.store.jobs.add(
        id=own, kind=KIND, partner=caller.partner, actor=caller.actor, at=now(), attributes=asked
    )
    parts.solutions.poke()
    return json_response(
        _shown_solution(job), 202, {"Location": f"/v1/roadshows/{quote(id, safe='')}/solutions/{own}"}
    )


@router.get(
    "/solutions/{solution}", operation_id="get_solution", summary="求解到哪里，结果或求不出的原因",
    responses={200: {"model": SolutionShown}},
)  # fmt: skip
def get_solution(caller: Reader, parts: Parts, id: RoadshowId, solution: SolutionId) -> Response:
    return json_response(_shown_solution(_solution(caller, parts, id, solution)))


@router.delete(
    "/solutions/{solution}", operation_id="cancel_solution", summary="取消一个求解", status_code=204,
    responses={204: {"description": "已取消，没有写入"}},
)  # fmt: skip
def cancel_solution(caller: Writer, parts: Parts, id: RoadshowId, solution: SolutionId) -> Response:
    job = _solution(caller, parts, id, solution)
    if not parts.store.jobs.cancel(job.id, now(), begun=True):
        raise Refusal(409, "job_ended", "这个求解已经结束。", "不用取消；写入的可以再改。")
    return Response(status_code=204)


def _solution(caller: Caller, parts: Any, id: str, solution: str) -> Job:
    find_roadshow(caller, id)
    job: Job | None = parts.store.jobs.get(solution)
    if job is None or job.kind != KIND or job.attributes["roadshow"] != id or not is_for(caller, job):
        raise not_found("求解", solution)
    return job


def _shown_solution(job: Job) -> dict[str, Any]:
    result = job.result or {}
    return {
        "id": job.id, "roadshow": job.attributes["roadshow"], "state": job.state, "created_at": job.created_at,
        "updated_at": job.updated_at, "asked": job.attributes["asked"], "found": _whole(result.get("found")),
        "problems": result.get("problems", []),
    }  # fmt: skip


_NOTHING: Mapping[str, Any] = {
    "hints": None, "hints_bound": None, "changes": [], "worth": None, "bound": None, "idle": None, "idle_bound": None,
    "added": [], "removed": [], "unmet": None,
}  # fmt: skip


def _whole(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if found is None else {**_NOTHING, **found}


@router.get(
    "/papers/{paper}", operation_id="get_paper", summary="议程、项目手册、评委打分表、洽谈日程，只写所给对象看得到的",
    responses=file_answers(*(media.partition(";")[0] for media in MEDIA.values())),
)  # fmt: skip
def get_paper(
    request: Request, caller: Reader, id: RoadshowId, paper: PaperKind,
    format: Annotated[PaperFormat, Query(description="agenda：docx、xlsx、html、ics、svg；handbook：docx；marks：xlsx；meetings：xlsx、docx、html、ics")],
    audience: Annotated[Visibility | None, Query(description="写给谁看；不写则按路演的可见范围")] = None,
    version: Version = None,
    who: Annotated[str, Query(max_length=200, description="洽谈日程只给谁（编号或名称）；ics 必写")] = "",
    side: Annotated[Side, Query(description="洽谈日程按嘉宾还是按团队分页")] = "guest",
    number: Annotated[int | None, Query(ge=1, le=20, alias="round", description="打分表是第几轮的；不写则下一轮")] = None,
) -> Response:  # fmt: skip
    with _refusing():
        check_paper(paper, f".{format}")
        own = _found(caller, id, version).roadshow
        about = material(caller.whole, own, audience or "", version)
        marked: Round | None = None
        if paper == "marks" and about.timetable is not None:
            marked = open_round(own, about.timetable, None, number=number)
        someone = people_named(about.meetings.day, [who])[0] if who and about.meetings else None

        def write(path: Path) -> None:
            write_paper(path, paper, about, stamp=now(), marked=marked, who=someone, side=side)

        return file_response(request, f"{own.id}-{paper}.{format}", MEDIA[f".{format}"], write)


@router.get(
    "/results", operation_id="get_results", summary="各轮成绩", responses={200: {"model": RoundsShown}}
)
def get_results(caller: Reader, id: RoadshowId) -> Response:
    own = find_roadshow(caller, id)
    return json_response(
        {"id": own.id, "draft": own.draft, "rounds": [round_values(one) for one in own.rounds]}
    )


@router.post(
    "/results", operation_id="take_results", summary="收评分，算一轮成绩：晋级、奖项；内部钥匙的奖项记入成果",
    responses={200: {"model": RoundShown}},
)  # fmt: skip
def take_results(caller: Writer, parts: Parts, id: RoadshowId, sent: ResultsSent) -> Response:
    since, at = caller.whole.revision(), now()
    with _refusing():
        about = _found(caller, id, draft=sent.draft)
        if about.timetable is None:
            raise Refused("timetable_none", f"{id} 还没有日程，不知道谁评谁。", "请先写明场次和评委。")
        rubric = _rubric(sent)
        one = open_round(about.roadshow, about.timetable, rubric, number=sent.round, seed=sent.seed)
        marks = _marks(one, sent)
        found = scored(one, marks)
        if not isinstance(found, Results):
            raise Refusal(
                422, "marks_refused", f"评分有 {len(found)} 处不对，没有写入：{found[0].message}。", "请按 problems 逐条改。",
                problems=[field_problem(problem) for problem in found[:200]],
            )  # fmt: skip
        awards = [Award(title=prize.title, number=prize.number) for prize in sent.awards]
        kept = scored_round(found, marks, awards, sent.through, by=caller.actor, at=at)
        if sent.dry_run:
            return json_response(round_values(kept))
        _, changes = results_kept(
            caller.whole, about.roadshow, kept, role=role_of(caller), at=at, pool=caller.is_staff
        )
        reason = f"路演 {id} 第 {kept.number} 轮成绩"
        carry_out(caller.whole, changes, actor=caller.actor, at=at, reason=reason, since=since)
    parts.changed()
    return json_response(round_values(kept))


def _rubric(sent: ResultsSent) -> Rubric | None:
    if not sent.criteria:
        return None
    return Rubric(
        criteria=tuple(Criterion(name=one.name, weight=Decimal(one.weight)) for one in sent.criteria)
    )


def _marks(one: Round, sent: ResultsSent) -> Marks:
    """The marks by ids of judges. Raises ``Refused``: ``judge_unknown``, ``pitch_unknown``."""
    ids = {**{name: id for id, name in one.judges.items()}, **{id: id for id in one.judges}}
    for judged in sent.marks:
        if judged.judge not in ids:
            raise Refused("judge_unknown", f"没有评委“{judged.judge[:30]}”。", f"评委有：{'、'.join(one.judges.values())[:300] or '（无）'}。")  # fmt: skip
    for pitch in (*(judged.pitch for judged in sent.marks), *sent.absent):
        if pitch not in one.entries:
            raise Refused("pitch_unknown", f"第 {one.number} 轮没有项目“{pitch[:40]}”。", f"有：{'、'.join(one.entries)[:300] or '（无）'}。")  # fmt: skip
    return Marks(
        sheets=tuple(
            Sheet(expert=ids[judged.judge], entry=judged.pitch, marks={name: Decimal(text) for name, text in judged.marks.items()})
            for judged in sent.marks
            if judged.marks
        ),
        vetoes=tuple(
            Veto(judge=ids[judged.judge], entry=judged.pitch, reason=judged.veto)
            for judged in sent.marks
            if judged.veto.strip()
        ),
        absent=sent.absent,
    )  # fmt: skip


@router.get(
    "/follow-up", operation_id="follow_winners", summary="获奖项目的后续，最久没有消息的在前",
    responses={200: {"model": FollowedPage}},
)  # fmt: skip
def follow_winners(caller: Reader, id: RoadshowId) -> Response:
    own = find_roadshow(caller, id)
    won = winners(own)
    with _refusing():
        found = followed_winners(own, caller.view.outcomes(), now())
    items = [
        {"id": one.achievement, "title": won[one.achievement][0].title, "award": won[one.achievement][0].award,
         "stage": one.stage, "scene": one.scene, "last": one.last, "days": one.days, "text": one.text}
        for one in found
    ]  # fmt: skip
    return json_response({"items": items})
