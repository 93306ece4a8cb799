"""清单与记录: lists of every kind and the three published ones, one record with its history, changing it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from api.access import not_found
from api.bulk import SUFFIXES
from api.problem_documents import Refusal
from api.records import made_record
from api.routes.lists import LIST_KINDS, LIST_TITLES, is_listed
from api.routes.paths import PathId, now, today
from api.services import Parts
from api.workbench.access import AtDesk, Visitor, Writer
from api.workbench.forms import Form, done_once
from api.workbench.pages.matching import One
from api.workbench.rendering import escaped, link, page
from graph.feedback import LEVEL_LABELS, STAGES
from graph.identifiers.districts import DISTRICTS
from graph.identifiers.fields import FIELDS
from graph.intake.exporting import cell_text, write_nodes
from graph.intake.rows import derived_id
from graph.intake.targets import OWNER_ATTRIBUTES
from graph.kinds import KINDS, Node, columns
from graph.network import RELATION_LABELS
from graph.problems import Refused
from graph.store.changes import PutNode, RemoveNode
from graph.store.history import Entry
from graph.store.records import canonical, node_from

router = APIRouter(include_in_schema=False)

_PAGE = 50
_LOOKED_AT = 20_000  # records of a kind that one filtered page looks through
_CHUNK = 500
_LONG = 40  # characters from which a field gets several lines
_HISTORY = 30
_XLSX = next(media for media, suffix in SUFFIXES.items() if suffix == ".xlsx")


@router.get("/records")
def get_kinds(request: Request, visitor: AtDesk) -> Response:
    counts = visitor.store.counts()
    lists = [
        (name, title, "、".join(KINDS[kind].label for kind in LIST_KINDS[name]))
        for name, title in LIST_TITLES.items()
    ]
    return page(request, "kinds.html", counts=counts, kinds=KINDS, lists=lists)


@router.get("/records/{kind}")
def get_records(
    request: Request, visitor: AtDesk, kind: str, q: Annotated[str, Query(max_length=200)] = "", field: One = "",
    district: One = "", after: One = "", open: One = "",
) -> Response:  # fmt: skip
    _known(kind)
    if open:
        return RedirectResponse(f"/records/{kind}/{escaped(open)}", 303)
    if q.strip():
        nodes, last = (
            [n for n in visitor.view.search(q, kind=kind, limit=200) if _fits(n, field, district)],
            "",
        )
    else:
        nodes, last = _page_of(visitor, kind, after, field, district)
    written = visitor.store.last_written(kind, [node.id for node in nodes])
    return page(
        request, "records.html", kind=KINDS[kind], nodes=nodes, q=q, field=field, district=district, after=after,
        following=link(f"/records/{kind}", field=field, district=district, after=last) if last else "", written=written,
        fields=list(FIELDS), districts=list(DISTRICTS), escaped=escaped,
    )  # fmt: skip


@router.get("/lists/{name}")
def get_list(request: Request, visitor: AtDesk, name: str, audience: One = "public") -> Response:
    """One of the three lists as a workbook, as it may be published."""
    if name not in LIST_TITLES:
        raise not_found("清单", name)
    nodes = [node for kind in LIST_KINDS[name] for node in visitor.view.nodes(kind) if is_listed(node)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "list.xlsx"
        write_nodes(nodes, path, "staff" if audience == "staff" else "public")
        body = path.read_bytes()
    mark = "内部" if audience == "staff" else "公开"
    file = quote(f"{LIST_TITLES[name]}_{mark}_{today()}.xlsx", safe="")
    return Response(body, media_type=_XLSX, headers={"Content-Disposition": f"attachment; filename*=UTF-8''{file}"})  # fmt: skip


@router.get("/records/{kind}/new")
def get_new(request: Request, visitor: Writer, kind: str) -> Response:
    _known(kind)
    return _form(request, kind, None, {}, [])


@router.post("/records/{kind}/new")
async def post_new(request: Request, visitor: Writer, parts: Parts, kind: str, sent: Form) -> Response:
    _known(kind)

    def work() -> tuple[str, str]:
        since = visitor.store.revision()
        values = _given(kind, sent)
        if not values.get("id") and values.get("title"):
            owner = str(values.get(OWNER_ATTRIBUTES.get(kind, ""), ""))
            values["id"] = derived_id(kind, str(values["title"]), owner)
        node = made_record(kind, values, visitor)
        if visitor.store.get(kind, node.id) is not None:
            raise Refusal(409, "already_there", f"已有编号为“{node.id}”的{node.label}。", "要修改请打开那一条；要另建请换一个编号。")  # fmt: skip
        _apply(visitor, [PutNode(node=node)], f"新增{node.label} {node.id}", since)
        return f"/records/{kind}/{escaped(node.id)}", f"已新增{node.label}：{node.title}"

    try:
        response = await done_once(visitor, sent, work)
    except Refusal as refusal:
        return _form(request, kind, None, dict(sent.fields), _told(refusal), status=refusal.status)
    parts.follower.poke()
    return response


@router.get("/records/{kind}/{id}")
def get_record(request: Request, visitor: AtDesk, kind: str, id: PathId) -> Response:
    node = visitor.find(kind, id)
    store = visitor.store
    shown = [
        (about.label, cell_text(node, name), about.visibility)
        for name, about in columns(type(node)).items()
        if name not in ("title",) and cell_text(node, name)
    ]
    edges = store.edges_of(kind, id)
    keys = {
        end
        for edge in edges
        for end in ((edge.source_kind, edge.source_id), (edge.target_kind, edge.target_id))
    }
    titles = {key: other.title for key in keys if (other := store.get(*key)) is not None}
    return page(
        request, "record.html", node=node, shown=shown, edges=edges, titles=titles, relations=RELATION_LABELS,
        history=_changes(kind, store.history_of(kind, id)), said=_said(visitor, node), escaped=escaped,
        stages=STAGES, levels=LEVEL_LABELS, kinds=KINDS,
    )  # fmt: skip


@router.get("/records/{kind}/{id}/edit")
def get_edit(request: Request, visitor: Writer, kind: str, id: PathId) -> Response:
    return _form(request, kind, visitor.find(kind, id), {}, [])


@router.post("/records/{kind}/{id}/edit")
async def post_edit(
    request: Request, visitor: Writer, parts: Parts, kind: str, id: PathId, sent: Form
) -> Response:
    before = visitor.find(kind, id)
    seen = sent.get("seen")

    def work() -> tuple[str, str]:
        since, node = visitor.store.revision(), visitor.find(kind, id)
        if seen != stamp(node):
            raise Refusal(412, "changed_since", "您打开之后，别人改过这条记录；您的改动还没有写入。", "下面标出了不同之处：对照后再保存，就以您的为准。")  # fmt: skip
        after = made_record(kind, _given(kind, sent) | {"id": node.id}, visitor, node)
        if after == node:
            return f"/records/{kind}/{escaped(id)}", "没有改动。"
        why = sent.get("reason")
        told = f"修改{node.label} {node.id}" + (f"：{why}" if why else "")
        _apply(visitor, [PutNode(node=after)], told, since)
        return f"/records/{kind}/{escaped(id)}", f"已保存：{after.title}"

    try:
        response = await done_once(visitor, sent, work)
    except Refusal as refusal:
        return _form(request, kind, before, dict(sent.fields), _told(refusal), status=refusal.status)
    parts.follower.poke()
    return response


@router.post("/records/{kind}/{id}/retire")
async def post_retire(visitor: Writer, parts: Parts, kind: str, id: PathId, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        since, node = visitor.store.revision(), visitor.find(kind, id)
        if not sent.get("reason"):
            raise Refusal(422, "reason_missing", "没有写撤下的原因。", "请写一句原因，记入历史。")
        _apply(
            visitor,
            [RemoveNode(kind=kind, id=node.id)],
            f"撤下{node.label} {node.id}：{sent.get('reason')}",
            since,
        )
        return f"/records/{kind}", f"已撤下{node.label} {node.title}；要恢复请在管理的历史里撤销这次改动。"

    response = await done_once(visitor, sent, work)
    parts.follower.poke()
    return response


def stamp(node: Node) -> str:
    """A mark of what a record holds: a form carries it, so that two people do not write over each other."""
    return hashlib.blake2b(canonical(node.model_dump(mode="json")).encode(), digest_size=12).hexdigest()


def _form(
    request: Request, kind: str, node: Node | None, given: dict[str, str], problems: Sequence[tuple[str, str]],
    *, status: int = 200,
) -> Response:  # fmt: skip
    """The form of a record: what was typed before what is stored; where both differ what is stored stands beside it."""
    rows = []
    for name, about in columns(KINDS[kind]).items():
        stored = cell_text(node, name) if node is not None else ""
        typed = given.get(name, stored)
        if name == "id" and node is not None:
            continue
        rows.append(
            {
                "name": name, "about": about, "value": typed, "long": KINDS[kind].model_fields[name].annotation is str and (len(typed) > _LONG or name in ("summary", "problem", "indicators", "wanted", "solution", "results")),
                "stored": stored if given and node is not None and typed != stored else None,
                "needed": name == "title", "problem": next((said for place, said in problems if place == name), ""),
            }
        )  # fmt: skip
    general = [said for place, said in problems if place not in {row["name"] for row in rows}]
    return page(
        request, "edit.html", status=status, kind=KINDS[kind], node=node, rows=rows, general=general,
        seen=stamp(node) if node is not None else "", reason=given.get("reason", ""), escaped=escaped,
    )  # fmt: skip


def _given(kind: str, sent: Any) -> dict[str, Any]:
    """What a form says of a record's columns; blank is nothing."""
    fields = dict(sent.fields)
    return {name: fields[name].strip() for name in columns(KINDS[kind]) if fields.get(name, "").strip()}


def _told(refusal: Refusal) -> list[tuple[str, str]]:
    if refusal.problems:
        return [(problem.place, f"{problem.message}：{problem.remedy}") for problem in refusal.problems]
    return [("", refusal.message + refusal.remedy)]


def _apply(visitor: Visitor, changes: Sequence[Any], reason: str, since: int) -> None:
    try:
        visitor.store.apply(changes, actor=visitor.name, at=now(), reason=reason, since=since)
    except Refused as refused:
        if refused.code == "plan_stale":
            raise Refusal(412, "changed_since", "别人刚刚改过这条记录；您的改动还没有写入。", "请对照后再保存。") from None  # fmt: skip
        raise


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise not_found("类别", kind)


def _page_of(visitor: Visitor, kind: str, after: str, field: str, district: str) -> tuple[list[Node], str]:
    """The next records that fit, and the id to go on behind; empty where there is nothing more."""
    found: list[Node] = []
    chunk = _CHUNK if field or district else _PAGE + 1
    for _ in range(0, _LOOKED_AT, chunk):
        nodes = visitor.view.page(kind, after=after, limit=chunk)
        for node in nodes:
            if _fits(node, field, district):
                if len(found) == _PAGE:
                    return found, found[-1].id
                found.append(node)
            after = node.id
        if len(nodes) < chunk:
            return found, ""
    return found, after


def _fits(node: Node, field: str, district: str) -> bool:
    return (not field or field in node.field) and (not district or node.district == district)


def _changes(kind: str, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The last changes of a record, newest first, each with what it changed column by column."""
    told = []
    for entry in reversed(entries[-_HISTORY:]):
        rows = []
        if entry.before is not None and entry.after is not None:
            old, new = (node_from(kind, canonical(values)) for values in (entry.before, entry.after))
            rows = [
                (about.label, cell_text(old, name), cell_text(new, name))
                for name, about in columns(KINDS[kind]).items()
                if cell_text(old, name) != cell_text(new, name)
            ]
        did = "撤下" if entry.after is None else "新增" if entry.before is None else "修改"
        told.append({"entry": entry, "did": did, "rows": rows})
    return told


def _said(visitor: Visitor, node: Node) -> list[tuple[str, Any, Any]]:
    """Grades and outcomes on a scene or achievement: whom they are about, and what was said."""
    if node.kind not in ("scene", "achievement"):
        return []
    scene = node.id if node.kind == "scene" else None
    other = "achievement" if node.kind == "scene" else "scene"
    records: list[Any] = [*visitor.store.judgements(scene), *visitor.store.outcomes(scene)]
    mine = [r for r in records if getattr(r, node.kind) == node.id and getattr(r, "stage", "") != "shown"]
    mine.sort(key=lambda record: (record.at, record.key), reverse=True)
    return [(other, getattr(record, other), record) for record in mine[:_HISTORY]]
