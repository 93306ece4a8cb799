"""案例库: every case with where it stands, one case, drafting, amending and moving one, similar ones, its document."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import not_found
from api.case_document import MEDIA_TYPE, write_case
from api.case_views import shown_case
from api.problem_documents import Refusal, refusal_of
from api.questions import SimilarCasesQuestion
from api.routes.paths import PathId, now, today
from api.services import Parts
from api.workbench.access import OFFICERS, AtDesk, Visitor, Writer
from api.workbench.forms import Form, done_once
from api.workbench.pages.matching import One
from api.workbench.pages.tasks import sent_file
from api.workbench.rendering import escaped, page
from api.workbench.stamps import refuse_changed, stamp_of
from graph.intake.exporting import cell_text
from graph.kinds import Case, Node, columns
from graph.problems import BadValue, Refused
from matcher.case_steps import (
    add_case,
    all_cases,
    case_from_pair,
    case_from_task,
    edit_case,
    found_case,
    move_case,
)
from matcher.cases import CONTENT, EDITOR, LABELS, PUBLISHED, REVIEWER, CaseFile, case_of, case_rules
from matcher.engine import written_scene

router = APIRouter(include_in_schema=False)

_PAGE = 50
_SIMILAR = 6
_LONG = frozenset({"summary", "approach", "effect", "measures", "replicable", "evidence"})
# Personal or the program's: not on the form.
_UNTYPED = frozenset({"task", "source", "field_visibility", "contact", "contact_phone"})


@router.get("/cases")
def get_cases(
    request: Request, visitor: AtDesk, q: Annotated[str, Query(max_length=200)] = "", state: One = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:  # fmt: skip
    at, words = now(), q.split()
    with visitor.store.snapshot() as one:
        every = all_cases(one)
    found = [
        file for file in every
        if state in ("", file.state) and all(word in f"{file.id} {file.title} {file.owner} {file.provider} {file.summary}" for word in words)
    ]  # fmt: skip
    return page(
        request, "cases.html", files=found[(number - 1) * _PAGE : number * _PAGE], q=q, state=state, count=len(found),
        number=number, following=len(found) > number * _PAGE, total=len(every), labels=LABELS, escaped=escaped,
        late_ids={file.id for file in found if file.due and file.due < at},
    )  # fmt: skip


@router.get("/cases/new")
def get_new(request: Request, visitor: Writer, task: One = "", scene: One = "", achievement: One = "") -> Response:  # fmt: skip
    return page(
        request, "case_new.html", task=task, scene=scene, achievement=achievement, title="", general=[]
    )


@router.post("/cases/new")
async def post_new(request: Request, visitor: Writer, parts: Parts, sent: Form) -> Response:
    """Draft from a concluded task, a pairing that landed, or a title alone."""

    def work() -> tuple[str, str]:
        store, who, at = visitor.store, visitor.name, now()
        task, scene, achievement, title = (
            sent.get(name) for name in ("task", "scene", "achievement", "title")
        )
        if task:
            file = case_from_task(store, task, actor=who, at=at)
        elif scene or achievement:
            file = case_from_pair(store, scene, achievement, actor=who, at=at)
        elif title:
            file = add_case(store, actor=who, at=at, title=title)
        else:
            raise Refusal(
                422, "case_what", "没有写明由什么起草。", "请填结题榜单的编号、落地的场景和成果，或一个名称。"
            )
        return _place(file.id), f"已起草案例 {file.id}。请补齐待补的内容。"

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused) as error:
        if (refusal := refusal_of(error)) is None or refusal.status == 503:
            raise
        given: dict[str, Any] = {name: sent.get(name) for name in ("task", "scene", "achievement", "title")}
        return page(
            request,
            "case_new.html",
            status=refusal.status,
            **given,
            general=[refusal.message + refusal.remedy],
        )
    parts.changed()
    return response


@router.get("/cases/{id}")
def get_case(request: Request, visitor: AtDesk, id: PathId) -> Response:
    file, at = _find(visitor, id), now()
    shown = shown_case(file, visitor.name, at)
    record = case_of(file) if file.title else None
    rows = [
        (_label(name), text) for name in CONTENT
        if name not in ("title", "measures", "task") and (text := cell_text(record, name) if record else str(getattr(file, name) or ""))
    ]  # fmt: skip
    history = visitor.store.history_of_process(CaseFile.kind, id)
    return page(
        request, "case.html", file=file, shown=shown, rows=rows, seen=stamp_of([file]), escaped=escaped, here_=_place(id),
        moves=[one for one in shown["moves"] if one["name"] != "amend"], history=list(reversed(history))[:40],
        is_published=file.state == PUBLISHED, is_officer=visitor.may(*OFFICERS),
    )  # fmt: skip


@router.get("/cases/{id}/edit")
def get_edit(request: Request, visitor: Writer, id: PathId) -> Response:
    return _form(request, _find(visitor, id), {}, [])


@router.post("/cases/{id}/edit")
async def post_edit(request: Request, visitor: Writer, parts: Parts, id: PathId, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        file = _find(visitor, id)
        if sent.get("seen") != stamp_of([file]):
            raise Refusal(412, "changed_since", "您打开之后，别人改过这个案例；您的改动还没有写入。", "下面标出了不同之处：对照后再保存，就以您的为准。")  # fmt: skip
        given = {name: sent.get(name) for name in _typed()}
        values = {name: text for name, text in given.items() if text.strip() != _text(file, name).strip()}
        if not values:
            return _place(id), "没有改动。"
        after = edit_case(visitor.store, id, values, actor=visitor.name, at=now())
        return _place(id), f"已保存：{after.title}"

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        if (refusal := refusal_of(error)) is None or refusal.status in (404, 503):
            raise
        return _form(request, _find(visitor, id), dict(sent.fields), [refusal])
    parts.changed()
    return response


@router.post("/cases/{id}/moves")
async def post_move(visitor: Writer, parts: Parts, id: PathId, sent: Form) -> Response:
    """A move: staff as the editor, officers as who reviews where the move asks for that."""

    def work() -> tuple[str, str]:
        refuse_changed(sent, stamp_of([_find(visitor, id)]), "案例")
        move = case_rules().moves.get(sent.get("move"))
        if move is None or move.name == "amend":
            raise Refusal(422, "choice_missing", "没有写明办理哪一步。", "请从案例页的办理步骤里选。")
        role = REVIEWER if visitor.may(*OFFICERS) and REVIEWER in move.roles else EDITOR
        values = {name: text for name in ("reason", "consent") if (text := sent.get(name))}
        after = move_case(
            visitor.store, id, move.name, role=role, values=values, actor=visitor.name, at=now()
        )
        return _place(id), f"已办理“{move.label}”，现在是“{LABELS[after.state][0]}”。"

    response = await done_once(visitor, sent, work)
    parts.changed()
    return response


@router.get("/cases/{id}/similar")
async def get_similar(request: Request, visitor: AtDesk, parts: Parts, id: PathId) -> Response:
    """Published cases like this one: by its scene and achievement, else by what it says."""
    file = await run_in_threadpool(_find, visitor, id)
    items: list[dict[str, Any]] = []
    if (question := await run_in_threadpool(_question, visitor, file)) is not None:
        told = json.loads(await parts.answer_soon(question))
        items = [one for one in told["items"] if one["id"] != id][: _SIMILAR - 1]
    return page(request, "case_similar.html", file=file, items=items, here_=_place(id), escaped=escaped)


@router.get("/cases/{id}/document")
def get_document(visitor: AtDesk, id: PathId) -> Response:
    """典型案例 (docx); one that is not published says so."""
    file = _find(visitor, id)
    draft = "" if file.state == PUBLISHED else LABELS[file.state][0]
    return sent_file(
        f"典型案例-{id}.docx", MEDIA_TYPE, lambda path: write_case(path, case_of(file), draft=draft)
    )


def _question(visitor: Visitor, file: CaseFile) -> SimilarCasesQuestion | None:
    store = visitor.store
    scene: Node | None = store.get("scene", file.scene_id) if file.scene_id else None
    achievement = store.get("achievement", file.achievement_id) if file.achievement_id else None
    node, is_stored = scene or achievement, True
    if node is None:
        text = "。".join(part for part in (file.title, file.summary, file.approach) if part)
        if not text.strip():
            return None
        node, is_stored = written_scene(text), False
    other = achievement if scene is not None else None
    return SimilarCasesQuestion(audience="staff", today=today(), node=node, achievement=other, is_stored=is_stored, top=_SIMILAR)  # fmt: skip


def _find(visitor: Visitor, id: str) -> CaseFile:
    file = found_case(visitor.store, id)
    if file is None:
        raise not_found(CaseFile.label, id)
    return file


def _place(id: str) -> str:
    return f"/cases/{escaped(id)}"


def _typed() -> list[str]:
    """What stands on the form, the need before what was done about it."""
    names = [name for name in CONTENT if name not in _UNTYPED and name != "summary"]
    names.insert(names.index("approach"), "summary")
    return names


def _label(name: str) -> str:
    return CaseFile.model_fields[name].title or name


def _text(file: CaseFile, name: str) -> str:
    """An attribute of a case as people type it."""
    if not file.title:
        return str(getattr(file, name) or "")
    return cell_text(case_of(file), name)


def _form(
    request: Request, file: CaseFile, given: Mapping[str, str], refusals: Sequence[Refusal]
) -> Response:
    abouts = columns(Case)
    rows = []
    for name in _typed():
        stored = _text(file, name)
        typed = given.get(name, stored)
        rows.append({
            "name": name, "label": _label(name), "about": abouts[name], "value": typed, "long": name in _LONG,
            "stored": stored if given and typed.strip() != stored.strip() else None,
        })  # fmt: skip
    return page(
        request, "case_form.html", status=refusals[0].status if refusals else 200, file=file, rows=rows,
        general=[one.message + one.remedy for one in refusals], seen=stamp_of([file]), escaped=escaped,
    )  # fmt: skip
