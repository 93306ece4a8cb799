"""Records by kind: list, get, create, replace, change, retire, history."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, create_model

from api.access import Caller, Reader, Writer, not_found
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal
from api.records import (
    PLURALS,
    made_record,
    record_body,
    record_patch,
    record_shown,
    refused_record,
    shown_record,
)
from api.responses import REFUSALS, json_response, record_response, require_match, stale
from api.routes.paths import PathId, now
from api.services import Parts
from api.wire import FieldProblem, Given, History, utc_text
from graph.identifiers.districts import parse_district
from graph.identifiers.fields import parse_fields
from graph.kinds import KINDS, Node, columns
from graph.problems import Refused
from graph.store.changes import PutNode, RemoveNode
from graph.store.history import Entry
from graph.store.moments import moment_from
from graph.store.records import canonical, node_from
from matcher.case_steps import held_back

# Looked at for one page at most: a rare filter gives a short page and a cursor to go on from, not a long wait.
_LOOKED_AT = 5000
_CHUNK = 500

Select = Annotated[
    str | None,
    Query(max_length=500, description="只要这些字段，用逗号分开；编号和类别总是有", examples=["title,field"]),
]
Fields = Annotated[list[str] | None, Query(max_length=20, description="只看这些产业领域")]
Districts = Annotated[list[str] | None, Query(max_length=20, description="只看这些区")]


def node_router(kind: str) -> APIRouter:
    """The routes of one kind."""
    plural, label = PLURALS[kind], KINDS[kind].label
    router = APIRouter(prefix=f"/v1/{plural}", tags=[label], responses=REFUSALS)
    shape = record_shown(kind)
    page = _page_model(kind, shape)
    _add_reading(router, kind, label, shape, page)
    _add_creating(router, kind, label, shape)
    _add_changing(router, kind, label, shape)
    return router


def _add_reading(router: APIRouter, kind: str, label: str, shape: Any, page: Any) -> None:
    @router.get(
        "", operation_id=f"list_{PLURALS[kind]}", summary=f"列出{label}", responses={200: {"model": page}}
    )
    def list_records(
        caller: Reader, limit: Limit = 50, cursor: Cursor = None, field: Fields = None, district: Districts = None,
        fields: Select = None, own: Annotated[bool, Query(description="只看本平台推送的")] = False,
    ) -> Response:  # fmt: skip
        wanted = _filter(caller, field or [], district or [], own)
        chosen = _chosen(kind, fields)
        pages = Pages(caller, kind, field, district, own)
        after = (pages.after(cursor) or [""])[0]
        found, last = _page(caller, kind, after, limit, wanted)
        items = [_cut(shown_record(node, caller), chosen) for node in found]
        return json_response({"items": items, "next": pages.cursor([last]) if last else None})

    @router.get(
        "/{id}", operation_id=f"get_{kind}", summary=f"查看一条{label}",
        responses={200: {"model": shape}, 304: {"description": "与 If-None-Match 相同"}},
    )  # fmt: skip
    def get_record(request: Request, caller: Reader, id: PathId, fields: Select = None) -> Response:
        chosen = _chosen(kind, fields)
        return record_response(request, _cut(shown_record(caller.find(kind, id), caller), chosen))

    @router.get(
        "/{id}/history", operation_id=f"get_{kind}_history", summary=f"一条{label}的改动历史",
        responses={200: {"model": History}},
    )  # fmt: skip
    def get_history(caller: Reader, id: PathId) -> Response:
        caller.find(kind, id)
        return json_response({"items": list(_history(caller, kind, id))})


def _add_creating(router: APIRouter, kind: str, label: str, shape: Any) -> None:
    body = record_body(kind)

    @router.post(
        "", operation_id=f"create_{kind}", summary=f"新增一条{label}", status_code=201,
        responses={201: {"model": shape, "description": "已新增"}, 409: REFUSALS[409]},
    )  # fmt: skip
    def create_record(request: Request, caller: Writer, parts: Parts, sent: body) -> Response:  # type: ignore[valid-type]
        node = made_record(kind, _values(sent), caller)
        since = caller.whole.revision()
        before = caller.view.get(kind, node.id)
        if before is not None and before != node:
            raise Refusal(409, "already_there", f"已有编号为“{node.id}”的{label}。", "要修改请用 PUT 或 PATCH；要另建请换一个编号。")  # fmt: skip
        if before is None:
            if problem := held_back(caller.whole, node):
                raise Refusal(409, problem.code, f"{problem.message}。", f"{problem.remedy}。")
            _write(parts, caller, [PutNode(node=node)], f"推送{label} {node.id}", since)
        shown = shown_record(node, caller)
        place = f"/v1/{PLURALS[kind]}/{_escaped(node.id)}"
        return record_response(request, shown, 201, {"Location": place})


def _add_changing(router: APIRouter, kind: str, label: str, shape: Any) -> None:
    body, patch = record_body(kind), record_patch(kind)

    @router.put(
        "/{id}", operation_id=f"replace_{kind}", summary=f"整条替换{label}", responses={200: {"model": shape}}
    )
    def replace_record(
        request: Request,
        caller: Writer,
        parts: Parts,
        id: PathId,
        sent: body,  # type: ignore[valid-type]
    ) -> Response:
        since, before = caller.whole.revision(), _to_change(request, caller, kind, id)
        values = _values(sent)
        _same_id(values, id, caller)
        return _changed(request, parts, caller, before, {**values, "id": id}, since)

    @router.patch(
        "/{id}", operation_id=f"patch_{kind}", summary=f"修改{label}的几项", responses={200: {"model": shape}}
    )
    def patch_record(
        request: Request,
        caller: Writer,
        parts: Parts,
        id: PathId,
        sent: patch,  # type: ignore[valid-type]
    ) -> Response:
        since, before = caller.whole.revision(), _to_change(request, caller, kind, id)
        values = _values(sent)
        kept = {name: getattr(before, name) for name in columns(type(before))}
        return _changed(request, parts, caller, before, {**kept, **values, "id": id}, since)

    @router.delete(
        "/{id}", operation_id=f"retire_{kind}", summary=f"撤下一条{label}", status_code=204,
        responses={204: {"description": "已撤下；历史保留"}},
    )  # fmt: skip
    def retire_record(
        request: Request, caller: Writer, parts: Parts, id: PathId,
        reason: Annotated[str, Query(max_length=200, description="原因，记入历史")] = "",
    ) -> Response:  # fmt: skip
        since, before = caller.whole.revision(), _to_change(request, caller, kind, id)
        why = f"撤下{label} {before.id}" + (f"：{reason}" if reason else "")
        _write(parts, caller, [RemoveNode(kind=kind, id=before.id)], why, since)
        return Response(status_code=204)


def _changed(
    request: Request, parts: Parts, caller: Caller, before: Node, values: dict[str, Any], since: int
) -> Response:
    whole = caller.whole.get(before.kind, before.id)
    if whole is None:
        raise not_found(before.label, before.id)
    node = made_record(before.kind, values, caller, whole)
    _write(parts, caller, [PutNode(node=node)], f"修改{before.label} {before.id}", since)
    return record_response(request, shown_record(caller.view.as_seen(node) or node, caller))


def _to_change(request: Request, caller: Caller, kind: str, id: str) -> Node:
    """The record as it is now, if the caller may change it and has seen it so."""
    node = caller.find(kind, id)
    if not caller.is_staff and not caller.owns(node.id):
        raise Refusal(403, "not_yours", "这条记录不是本平台推送的，不能改动。", "请联系市平台修改；本平台的编号以代号和冒号开头。")  # fmt: skip
    require_match(request, shown_record(node, caller))
    return node


def _write(parts: Parts, caller: Caller, changes: Sequence[Any], reason: str, since: int) -> None:
    try:
        caller.whole.apply(changes, actor=caller.actor, at=now(), reason=reason, since=since)
    except Refused as refused:
        if refused.code == "plan_stale":
            raise stale() from None
        raise
    parts.changed()


def _values(sent: BaseModel) -> dict[str, Any]:
    return sent.model_dump(exclude_unset=True)


def _same_id(values: dict[str, Any], id: str, caller: Caller) -> None:
    given = values.get("id")
    if given is not None and caller.id_for(str(given).strip()) != id:
        raise refused_record([FieldProblem(code="id_differs", message="内容里的编号与网址里的不同", remedy="请改成一致，或在内容里不写编号", place="id")])  # fmt: skip


def _page(
    caller: Caller, kind: str, after: str, limit: int, wanted: Callable[[Node], bool]
) -> tuple[list[Node], str]:
    """The next records that are wanted, and the id to go on behind; empty where there is nothing more."""
    found: list[Node] = []
    for _ in range(0, _LOOKED_AT, _CHUNK):
        nodes = caller.view.page(kind, after=after, limit=_CHUNK)
        for node in nodes:
            if wanted(node):
                if len(found) == limit:
                    return found, found[-1].id
                found.append(node)
            after = node.id
        if len(nodes) < _CHUNK:
            return found, ""
    return found, after


def _filter(
    caller: Caller, field: Sequence[str], district: Sequence[str], own: bool
) -> Callable[[Node], bool]:
    names = {name for text in field for name in parse_fields(text)}
    places = {parse_district(text) for text in district}
    return lambda node: (
        (not names or not names.isdisjoint(node.field))
        and (not places or node.district in places)
        and (not own or caller.owns(node.id))
    )


def _chosen(kind: str, fields: str | None) -> frozenset[str] | None:
    """The attributes asked for; None for all. Raises 422 for one that the kind does not have."""
    if fields is None:
        return None
    names = [name.strip() for name in fields.split(",") if name.strip()]
    unknown = [name for name in names if name not in columns(KINDS[kind]) and name != "kind"]
    if unknown:
        raise Refusal(422, "field_unknown", f"没有“{unknown[0][:50]}”这个字段。", f"可选的字段：{'、'.join(columns(KINDS[kind]))}。")  # fmt: skip
    return frozenset(names) | {"kind", "id", "visibility"}


def _cut(shown: dict[str, Any], chosen: frozenset[str] | None) -> dict[str, Any]:
    return shown if chosen is None else {name: value for name, value in shown.items() if name in chosen}


def _history(caller: Caller, kind: str, id: str) -> Any:
    """The changes that show in what the caller sees; who and why are for staff, and for the partner's own writing."""
    last: dict[str, Any] | None = None
    for entry in caller.whole.history_of(kind, id):
        after = _seen_then(caller, kind, entry)
        if after == last:
            continue
        changed = sorted(
            name
            for name in {*(last or {}), *(after or {})}
            if (last or {}).get(name) != (after or {}).get(name)
        )
        told: dict[str, Any] = {
            "at": utc_text(moment_from(entry.at)),
            "action": "created" if last is None else "retired" if after is None else "changed",
            "changed": changed if last and after else [],
        }
        if caller.is_staff or entry.actor.startswith(f"{caller.partner}:"):
            told |= {"actor": entry.actor, "reason": entry.reason}
        if caller.is_staff:
            told["revision"] = entry.revision
        last = after
        yield told


def _seen_then(caller: Caller, kind: str, entry: Entry) -> dict[str, Any] | None:
    """What the caller would have seen after a change; None where it would not have seen the record at all."""
    if entry.after is None:
        return None
    seen = caller.view.as_seen(node_from(kind, canonical(entry.after)))
    return None if seen is None else shown_record(seen, caller)


def _escaped(id: str) -> str:
    return quote(id, safe="")


def _page_model(kind: str, shape: Any) -> Any:
    # With ``fields`` a record holds only what was asked for.
    return create_model(
        f"{KINDS[kind].__name__}Page",
        __base__=Given,
        items=(list[shape], Field(description="这一页的记录")),
        next=(str | None, Field(None, description="下一页的 cursor；null 表示没有了")),
    )
