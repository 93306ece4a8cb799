"""A roadshow's timetable: sessions and who is there as people write them, places by hand, solving as a job, papers."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api import timetable_forms as read
from api.access import not_found
from api.problem_documents import Refusal
from api.roadshow_agenda import agenda, clock, session_lines
from api.roadshow_files import MEDIA, material, write_paper
from api.roadshow_solving import KIND
from api.routes.paths import PathId, now
from api.services import Parts, Services
from api.wire_roadshows import SolutionSent
from api.workbench.access import AtDesk, Drafter, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.pages.matching import One
from api.workbench.pages.roadshows import (
    ROLE,
    found_roadshow,
    may_draft,
    place_of,
    refuse_old,
    told_refusal,
)
from api.workbench.pages.tasks import sent_file
from api.workbench.rendering import escaped, page
from graph.problems import BadValue, Problem, Refused
from graph.store.audience import AudienceStore
from graph.store.jobs import Job
from graph.values import VISIBILITY_LABELS
from matcher.lineup import LEVEL_LABELS, RuleLevel, lineup_policy
from matcher.roadshow_steps import with_plan, write
from matcher.roadshow_timetable import (
    Kept,
    booked_elsewhere,
    first_timetable,
    kept_timetable,
    placed_at,
    with_locks,
)
from matcher.roadshows import Roadshow, lineup_values
from matcher.timetable import RULES, Programme, Session, Span, check, slots
from matcher.timetable_conflicts import changes, changes_in_words, forbidden_by

router = APIRouter(include_in_schema=False)

_PAPERS = {
    "agenda.docx": "议程", "agenda.xlsx": "议程", "agenda.ics": "日历", "timetable.svg": "日程图", "handbook.docx": "项目手册",
    "marks.xlsx": "评委打分表",
}  # fmt: skip
_SPARE_LINES = 2


@router.get("/roadshows/{id}/timetable")
def get_timetable(request: Request, visitor: AtDesk, id: PathId) -> Response:
    return _page(request, visitor, id)


@router.post("/roadshows/{id}/timetable")
async def post_timetable(
    request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form
) -> Response:
    """The sessions, the format, who presents and judges, and how strict each rule is."""

    def change(roadshow: Roadshow, kept: Kept | None) -> tuple[Kept, str, str]:
        match sent.get("do"):
            case "sessions":
                return (
                    _with_sessions(visitor, roadshow, kept, sent),
                    "改场次",
                    "场次已保存。还没有重新排日程。",
                )
            case "people":
                return _with_people(_needed(kept), sent), "改路演人和评委", "已保存。还没有重新排日程。"
            case "levels":
                own = _needed(kept).programme
                given = {
                    RULES[kind][0]: LEVEL_LABELS[level] for kind in RULES if (level := _level_of(sent, kind))
                }
                made = replace(own, levels={**own.levels, **read.levels_of(given)})
                return replace(_needed(kept), programme=made), "改日程的规则", "规则已保存。"
        raise Refusal(422, "choice_missing", "没有写明改什么。", "请用页面上的按钮。")

    return await _changed(request, visitor, parts, id, sent, change)


@router.post("/roadshows/{id}/timetable/places")
async def post_places(request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form) -> Response:
    """One pitch put into another slot by hand, or kept where it stands."""

    def change(roadshow: Roadshow, kept: Kept | None) -> tuple[Kept, str, str]:
        own, pitch, do = _needed(kept), sent.get("id"), sent.get("do")
        title = next((one.title for one in own.programme.pitches if one.id == pitch), None)
        if title is None:
            raise Refused("pitch_unknown", f"台上没有“{pitch[:40]}”。", "请刷新后再试。")
        if do in ("lock", "unlock"):
            made = with_locks(own, [pitch] if do == "lock" else (), [pitch] if do == "unlock" else ())
            told = f"{'锁定' if do == 'lock' else '解除锁定'}“{title}”的时段"
            return made, told, f"{told}。"
        places = placed_at(own, pitch, read.place_of(sent.get("place")))
        if bad := forbidden_by(own.whole, own.places, places):
            raise Refused(
                "lineup_forbidden", f"不能这样改：{bad[0].message}。", "请换一个时段，或放宽那条规则。"
            )
        lines = changes_in_words(own.programme, changes(own.places, places))
        return replace(own, places=places), f"手工改日程：{'；'.join(lines)}"[:900], f"{'；'.join(lines)}。"

    return await _changed(request, visitor, parts, id, sent, change)


@router.post("/roadshows/{id}/timetable/solving")
async def post_solving(request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form) -> Response:
    """Queue the solving: its page tells how far it is."""

    def work() -> tuple[str, str]:
        since, found = visitor.store.revision(), found_roadshow(visitor, id)
        refuse_old(found, sent)
        kept, fresh = _needed(stored_timetable(visitor, found)), sent.get("fresh") == "1"
        if sent.get("seed"):  # lots are part of the programme: drawn anew, then solved
            kept = replace(
                kept, programme=replace(kept.programme, seed=_number(sent.get("seed"), "抽签的种子"))
            )
            found = with_plan(found, role=ROLE, at=now(), timetable=kept.values)
            told = f"抽签的种子改为 {kept.programme.seed}"
            write(visitor.store, found, actor=visitor.name, at=now(), reason=told, since=since)
        return queued(visitor, found, what="timetable", fresh=fresh), ""

    return await solving_started(request, visitor, parts, id, sent, work, _page)


@router.get("/roadshows/{id}/solving/{job}")
def get_solving(request: Request, visitor: AtDesk, id: PathId, job: str) -> Response:
    return page(
        request, "roadshow_solving.html", roadshow=found_roadshow(visitor, id), job=_job(visitor, id, job), here_=place_of(id),
        may_cancel=visitor.may(*("staff", "organiser", "administrator")), now_=datetime.now(UTC),
    )  # fmt: skip


@router.post("/roadshows/{id}/solving/{job}")
async def post_cancel(visitor: Drafter, id: PathId, job: str, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        found = _job(visitor, id, job)
        if not visitor.store.jobs.cancel(found.id, datetime.now(UTC)):
            raise Refusal(409, "job_ended", "已经算完，不能取消。", "不合意可以在阵容页的改动历史里撤回。")
        return f"{place_of(id)}/{found.attributes['asked']['what']}", "已取消，没有改动。"

    return await done_once(visitor, sent, work)


@router.get("/roadshows/{id}/papers/{name}")
def get_paper(
    visitor: AtDesk, id: PathId, name: str, version: Annotated[int | None, Query(ge=1, le=10_000)] = None, audience: One = "",
) -> Response:  # fmt: skip
    """A paper, of a version or of the present draft, for the roadshow's own audience or a narrower one."""
    if name not in _PAPERS:
        raise not_found("文书", name)
    found = found_roadshow(visitor, id)
    if version is not None and version > len(found.versions):
        raise not_found("路演版本", f"{id} 第 {version} 版")
    suffix = Path(name).suffix
    file = f"{found.title or found.id}{_PAPERS[name]}{f'第{version}版' if version else ''}{suffix}"

    def put(path: Path) -> None:
        kind = {"handbook.docx": "handbook", "marks.xlsx": "marks"}.get(name, "agenda")
        write_paper(path, kind, material(visitor.store, found, audience, version), stamp=now())

    return downloaded(file, MEDIA[suffix], put, inline=suffix == ".svg")


@router.get("/roadshows/{id}/print")
def get_print(request: Request, visitor: AtDesk, id: PathId, version: Annotated[int | None, Query(ge=1, le=10_000)] = None) -> Response:  # fmt: skip
    """Everything on one page that is made to be printed."""
    found = found_roadshow(visitor, id)
    if version is not None and version > len(found.versions):
        raise not_found("路演版本", f"{id} 第 {version} 版")
    about = material(visitor.store, found, "", version)
    values, kept, met = about.values, about.timetable, about.meetings
    return page(
        request, "roadshow_print.html", roadshow=found, values=values, here_=place_of(id), version=version, clock=clock,
        sessions=_sessions(kept) if kept else [], has_picture=bool(kept and kept.places), met=met,
    )  # fmt: skip


def stored_timetable(visitor: Visitor, roadshow: Roadshow) -> Kept | None:
    """The timetable as it is kept, for who is on stage now, beside the rooms that other roadshows have."""
    elsewhere = booked_elsewhere(roadshow.id, visitor.store.processes(Roadshow))
    return kept_timetable(lineup_values(roadshow, AudienceStore(visitor.store, roadshow.audience)), elsewhere)


def downloaded(name: str, media: str, put: Callable[[Path], None], *, inline: bool = False) -> Response:
    """The file that ``put`` writes; what cannot be written is told in words."""
    try:
        response = sent_file(name, media, put)
    except Refused as refused:
        raise told_refusal(refused) from refused
    if inline:
        del response.headers["content-disposition"]
    return response


def queued(visitor: Visitor, roadshow: Roadshow, **asked: Any) -> str:
    """The page of a new job that solves what is ``asked`` of the roadshow (``SolutionSent``)."""
    id = f"QJ-{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(5)}"
    sent = SolutionSent(draft=roadshow.draft, **asked)
    about = {"asked": sent.model_dump(mode="json"), "audience": "staff", "roadshow": roadshow.id}
    visitor.store.jobs.add(id=id, kind=KIND, actor=visitor.name, at=now(), attributes=about)
    return f"{place_of(roadshow.id)}/solving/{id}"


async def solving_started(
    request: Request, visitor: Visitor, parts: Services, id: str, sent: Sent, work: Callable[[], tuple[str, str]], shown: Any
) -> Response:  # fmt: skip
    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        return await run_in_threadpool(shown, request, visitor, id, error)
    parts.solutions.poke()
    return response


def _page(request: Request, visitor: Visitor, id: str, error: Exception | None = None, sent: Sent | None = None) -> Response:  # fmt: skip
    roadshow = found_roadshow(visitor, id)
    refusal = told_refusal(error) if error is not None else None
    kept = stored_timetable(visitor, roadshow)
    lines: list[Mapping[str, str]] = []
    problems: list[Problem] = []
    if kept is not None:
        lines, problems = _session_lines(kept.programme), check(kept.programme)
    if sent is not None and sent.get("do") == "sessions":  # refused: what was typed is shown again
        lines = [dict(zip(_SESSION, line, strict=True)) for line in _typed(sent)]
    lines = [*lines, *[dict.fromkeys(_SESSION, "")] * _SPARE_LINES]
    pitches = {one.id: one for one in kept.programme.pitches} if kept else {}
    form = sent.get("format") if sent else ""
    return page(
        request, "roadshow_timetable.html", status=refusal.status if refusal else 200, roadshow=roadshow, kept=kept, refusal=refusal,
        sessions=_sessions(kept) if kept else [], lines=lines, problems=problems, here_=place_of(id), drafts=may_draft(visitor, roadshow),
        conflicts=kept.conflicts if kept else (), level_labels=LEVEL_LABELS, rules=RULES, clock=clock, free_text=_free_text,
        slots=_slot_choices(kept.programme) if kept else [], pitches=pitches, waiting=waiting_job(visitor, id),
        unplaced=[one for one in pitches.values() if one.id not in kept.places] if kept else [], papers=_PAPERS, escaped=escaped,
        format=form or (_format_text(kept.programme) if kept else lineup_policy()["slot"]), audiences=VISIBILITY_LABELS,
    )  # fmt: skip


async def _changed(
    request: Request, visitor: Visitor, parts: Services, id: str, sent: Sent,
    change: Callable[[Roadshow, Kept | None], tuple[Kept, str, str]],
) -> Response:  # fmt: skip
    def work() -> tuple[str, str]:
        since, found = visitor.store.revision(), found_roadshow(visitor, id)
        refuse_old(found, sent)
        made, reason, said = change(found, stored_timetable(visitor, found))
        new = with_plan(found, role=ROLE, at=now(), timetable=made.values)
        write(visitor.store, new, actor=visitor.name, at=now(), reason=reason, since=since)
        return f"{place_of(id)}/timetable", said

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        return await run_in_threadpool(_page, request, visitor, id, error, sent)
    parts.changed()
    return response


def _level_of(sent: Sent, kind: str) -> RuleLevel | None:
    """The level of a rule that a form names; None for none that there is."""
    return next((level for level in LEVEL_LABELS if level == sent.get(f"l:{kind}")), None)


_SESSION = ("name", "time", "room", "breaks", "judges")


def _typed(sent: Sent) -> list[tuple[str, ...]]:
    """The lines of sessions as they were typed; empty ones are left out."""
    lines = zip(*(sent.all(f"s:{name}") for name in _SESSION), strict=False)
    return [line for line in (tuple(text.strip() for text in line) for line in lines) if any(line)]


def _with_sessions(visitor: Visitor, roadshow: Roadshow, old: Kept | None, sent: Sent) -> Kept:
    """The timetable with the sessions of the form in place of those there were."""
    form = read.format_of(sent.get("format") or lineup_policy()["slot"])
    values = lineup_values(roadshow, AudienceStore(visitor.store, roadshow.audience))
    kept = old or first_timetable(values, form, ())
    made: dict[str, Session] = {}
    for number, (name, when, room, _, _) in enumerate(_typed(sent), 1):
        if not (name and when and room):
            raise Refused(
                "roadshow_setting", f"第 {number} 个场次没有填全。", "名称、时间和会场都要写，或整行清空。"
            )
        if name in made:
            raise Refused("roadshow_setting", f"有两个场次都叫“{name[:30]}”。", "请改一个名称。")
        made[name[:60]] = read.session_of(name[:60], f"{when}@{room}", roadshow.day)
    own = replace(kept.programme, format=form, sessions=tuple(made.values()))
    judges = {name[:60]: given or "无" for name, _, _, _, given in _typed(sent)}
    pauses = {name[:60]: given for name, _, _, given, _ in _typed(sent) if given}
    own = replace(own, sessions=tuple(read.with_pauses(one, pauses[one.id]) if one.id in pauses else one for one in own.sessions))  # fmt: skip
    own = read.with_judges(own, judges)
    seated = {id for one in own.sessions for id in one.judges}
    own = replace(own, judges=tuple(one for one in own.judges if one.id in seated))
    places = {id: place for id, place in kept.places.items() if place[0] in made}
    return replace(kept, programme=own, places=places, locked=kept.locked & set(places))


def _with_people(kept: Kept, sent: Sent) -> Kept:
    """The timetable with what the form says of presenters and judges; a blank says nothing any more."""
    own = kept.programme
    day = own.sessions[0].span.start.date() if own.sessions else None

    def free(text: str) -> tuple[Span, ...] | None:
        return read.spans_of(text, day) if text else None

    pitches = []
    for one in own.pitches:
        said = {name: sent.get(f"p:{name}:{one.id}") for name in ("who", "free", "only")}
        where = tuple(_several(said["only"]))
        if stray := [name for name in where if name not in {session.id for session in own.sessions}]:
            raise Refused(
                "session_unknown",
                f"没有场次“{stray[0][:30]}”。",
                f"场次有：{'、'.join(s.id for s in own.sessions)}。",
            )
        pitches.append(
            replace(one, presenters=tuple(_several(said["who"])), free=free(said["free"]), sessions=where)
        )
    judges = tuple(
        replace(
            one, free=free(sent.get(f"j:free:{one.id}")), conflicts=tuple(_several(sent.get(f"j:conflicts:{one.id}"))),
            recused=tuple(_several(sent.get(f"j:recused:{one.id}"))),
        )
        for one in own.judges
    )  # fmt: skip
    return replace(kept, programme=replace(own, pitches=tuple(pitches), judges=judges))


def _several(text: str) -> list[str]:
    for sign in "，,；;":
        text = text.replace(sign, "、")
    return [part.strip()[:60] for part in text.split("、") if part.strip()]


def _needed(kept: Kept | None) -> Kept:
    if kept is None:
        raise Refused("timetable_missing", "还没有写场次。", "请先填场次、会场和时间。")
    return kept


def _job(visitor: Visitor, id: str, job: str) -> Job:
    found = visitor.store.jobs.get(job)
    if found is None or found.kind != KIND or found.attributes.get("roadshow") != id:
        raise not_found("求解", job[:40])
    return found


def waiting_job(visitor: Visitor, id: str) -> Job | None:
    """A job of the roadshow that has not ended."""
    jobs = visitor.store.jobs.list("", None, 60)
    mine = (one for one in jobs if one.kind == KIND and one.attributes.get("roadshow") == id)
    return next((one for one in mine if one.state in ("queued", "running")), None)


def _sessions(kept: Kept) -> list[dict[str, Any]]:
    """Every session with its lines, each with the number of its slot and whether it is locked there."""
    found = []
    for session, lines in agenda(kept.programme, kept.places):
        rows = [
            {"line": line, "number": kept.places[line.pitch][1] if line.pitch in kept.places else 0, "locked": line.pitch in kept.locked}
            for line in lines
        ]  # fmt: skip
        found.append({"session": session, "told": session_lines(kept.programme, session), "rows": rows})
    return found


def _session_lines(programme: Programme) -> list[Mapping[str, str]]:
    """The sessions as people write them."""
    names = {one.id: one.name for one in programme.judges}
    return [
        {"name": one.title, "time": _whole_text(one.span), "room": one.room, "breaks": "、".join(clock(b).replace("–", "-") for b in one.breaks),
         "judges": "、".join(names.get(id, id) for id in one.judges)}
        for one in programme.sessions
    ]  # fmt: skip


def _whole_text(span: Span) -> str:
    days = (span.end.date() - span.start.date()).days
    return f"{span.start:%Y-%m-%d %H:%M}-{'次日' if days else ''}{span.end:%H:%M}"


def _free_text(free: Sequence[Span] | None) -> str:
    if free is None:
        return ""
    return "、".join(map(_whole_text, free)) or "无"


def _format_text(programme: Programme) -> str:
    form = programme.format
    return f"{form.pitch}+{form.questions}+{form.turnover}"


def _slot_choices(programme: Programme) -> list[tuple[str, str]]:
    """Every slot as ``place_of`` reads it, with how people call it."""
    return [
        (f"{one.session}#{one.number}", f"{one.session} {one.number}（{one.span.start:%H:%M}）")
        for one in slots(programme)
    ]


def _number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Refused("roadshow_setting", f"{what}“{text[:20]}”不是整数。", "请写 0 或正整数。")
    return int(text)
