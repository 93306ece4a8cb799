"""A roadshow's versions: released, compared, gone back to; and the steps that end it."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from anyio import from_thread
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import not_found
from api.problem_documents import Refusal
from api.routes.paths import PathId, now
from api.services import Parts, Services
from api.workbench.access import AtDesk, Drafter, Organiser, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.pages.roadshows import (
    ROLE,
    editor,
    found_roadshow,
    history_of,
    looked_at,
    may_draft,
    place_of,
    refuse_old,
    told_refusal,
)
from api.workbench.rendering import escaped, page
from graph.problems import BadValue, Refused
from graph.store.audience import AudienceStore
from graph.store.records import canonical, process_from
from matcher.roadshow_differences import version_lines
from matcher.roadshow_steps import restored, unresolved_plans, write
from matcher.roadshows import STATES, Roadshow, Version, lineup_values, released, roadshow_rules, stepped

router = APIRouter(include_in_schema=False)

_STEPS = ("hold", "close", "cancel")
_Number = Annotated[int, Query(ge=0, le=10_000)]


@router.post("/roadshows/{id}/release")
async def post_release(
    request: Request, visitor: Organiser, parts: Parts, id: PathId, sent: Form
) -> Response:
    """The present draft as the next version, unless something must be solved first."""

    def step(found: Roadshow) -> tuple[Roadshow, str, str]:
        standing = from_thread.run(partial(looked_at, visitor, parts, found, left=False))["binding"]
        lineup = lineup_values(found, AudienceStore(visitor.store, found.audience))
        standing += unresolved_plans(id, lineup, visitor.store.processes(Roadshow))
        made = released(
            found, (), by=visitor.name, role=ROLE, at=now(), note=sent.get("note")[:500], unresolved=standing
        )
        told = f"发布第 {len(made.versions)} 版"
        return made, told + (f"：{sent.get('note')[:300]}" if sent.get("note") else ""), f"已{told}。"

    return await _changed(request, visitor, parts, id, sent, step)


@router.post("/roadshows/{id}/steps")
async def post_step(request: Request, visitor: Organiser, parts: Parts, id: PathId, sent: Form) -> Response:
    """Held, closed or cancelled."""

    def step(found: Roadshow) -> tuple[Roadshow, str, str]:
        name, reason = sent.get("move"), sent.get("reason")[:500]
        if name not in _STEPS:
            raise Refusal(422, "choice_missing", "没有写明办理哪一步。", "请用页面上的按钮。")
        made = stepped(found, name, role=ROLE, at=now(), reason=reason)
        label = roadshow_rules().moves[name].label
        return (
            made,
            label + (f"：{reason}" if reason else ""),
            f"已办理“{label}”，现在是“{STATES[made.state][0]}”。",
        )

    return await _changed(request, visitor, parts, id, sent, step)


@router.post("/roadshows/{id}/restoring")
async def post_restoring(
    request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form
) -> Response:
    """Back to how it was before a change (``revision``), or to a version, as a new draft: nothing is lost by it."""

    def step(found: Roadshow) -> tuple[Roadshow, str, str]:
        old, what = _earlier(visitor, found, sent)
        told = f"恢复到{what}"
        return restored(found, old, role=ROLE, at=now()), told, f"已{told}，成为第 {found.draft + 1} 稿。"

    return await _changed(request, visitor, parts, id, sent, step)


@router.get("/roadshows/{id}/versions")
def get_versions(
    request: Request, visitor: AtDesk, id: PathId, before: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    after: _Number = 0,
) -> Response:  # fmt: skip
    """The versions and what changed between two of them; 0 is how it stands now."""
    found = found_roadshow(visitor, id)
    now_ = Version(
        number=0, at=found.moved_at, by="", stage=found.stage, alternates=found.alternates, timetable=found.timetable,
        meetings=found.meetings,
    )  # fmt: skip
    numbers = {one.number: one for one in found.versions}
    wanted = before or (max(numbers) - bool(after and after == max(numbers)) if numbers else 0)
    if (wanted and wanted not in numbers) or (after and after not in numbers):
        raise not_found("路演版本", f"{id} 第 {after if wanted in numbers else wanted} 版")
    old, new = numbers.get(wanted), numbers.get(after, now_)
    return page(
        request, "roadshow_versions.html", roadshow=found, old=old, new=new, here_=place_of(id), escaped=escaped,
        lines=version_lines(old, new) if old else [], drafts=may_draft(visitor, found),
    )  # fmt: skip


def _earlier(visitor: Visitor, found: Roadshow, sent: Sent) -> tuple[Roadshow | Version, str]:
    text = sent.get("version") or sent.get("revision")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else -1
    if sent.get("version"):
        for version in found.versions:
            if version.number == number:
                return version, f"第 {number} 版"
    else:
        for entry in history_of(visitor, found.id):
            if entry.revision == number and entry.before is not None:
                old = process_from(Roadshow, canonical(entry.before))
                return old, f"第 {old.draft} 稿"
    raise not_found("这一稿", text[:20])


async def _changed(
    request: Request, visitor: Visitor, parts: Services, id: str, sent: Sent,
    step: Callable[[Roadshow], tuple[Any, str, str]],
) -> Response:  # fmt: skip
    """Do one step of the roadshow that the form stood on; refused, its page says why."""

    def work() -> tuple[str, str]:
        since, found = visitor.store.revision(), found_roadshow(visitor, id)
        refuse_old(found, sent)
        made, reason, said = step(found)
        write(visitor.store, made, actor=visitor.name, at=now(), reason=reason, since=since)
        return place_of(id), said

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        if told_refusal(error).status == 404:
            raise
        return await run_in_threadpool(editor, request, visitor, id, error=error, seen=sent.get("seen"))
    parts.changed()
    return response
