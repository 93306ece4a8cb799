"""Records over HTTP: what a caller may see of a node as JSON, and JSON as a node that its kind's rules let in."""

import hashlib
import math
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any, Literal, Protocol

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from api.access import Caller
from api.problem_documents import Refusal
from api.wire import FieldProblem
from graph.identifiers.maturity import Maturity
from graph.intake.rows import derived_id, explained_error
from graph.intake.secrecy import has_secret_star, is_bare_mark, is_marked_secret
from graph.intake.targets import OWNER_ATTRIBUTES, targets
from graph.kinds import KINDS, Node, columns
from graph.store.audience import AudienceStore
from graph.store.records import canonical
from graph.values import ID_LIMIT, TEXT_LIMIT, TITLE_LIMIT, clean_cell
from graph.visibility import visible_attributes

PLURALS: Mapping[str, str] = {
    "scene": "scenes", "achievement": "achievements", "enterprise": "enterprises", "institution": "institutions",
    "broker": "brokers", "case": "cases",
}  # fmt: skip

_Amount = float | str | tuple[float, float]


def shown_record(node: Node, caller: Caller) -> dict[str, Any]:
    """The node as JSON for a caller; see ``shown_node``."""
    return shown_node(node, caller.view)


def shown_node(node: Node, view: AudienceStore) -> dict[str, Any]:
    """The node as JSON in a view: what is filled in and not hidden, by attribute name; never more.

    ``node`` comes from the view, in which hidden columns are empty; what is empty is left out.
    """
    own = bool(view.own) and node.id.startswith(f"{view.own}:")
    if own or view.audience == "staff":
        visible = frozenset(columns(type(node)))
    else:
        visible = visible_attributes(node, view.audience)
    values: dict[str, Any] = {"kind": node.kind, "id": node.id}
    dumped = node.model_dump(mode="json", exclude_defaults=True)
    for name in columns(type(node)):
        if name in visible and name in dumped:
            value = getattr(node, name)
            values[name] = str(value) if isinstance(value, Maturity) else dumped[name]
    return values | {"visibility": node.visibility}


def etag_of(shown: Mapping[str, Any]) -> str:
    """The strong entity tag of what a caller sees: a change of what is hidden from it does not change it."""
    return f'"{hashlib.blake2b(canonical(shown).encode(), digest_size=12).hexdigest()}"'


class Maker(Protocol):
    """Who makes a record: a caller with a key, or somebody at the workbench."""

    @property
    def is_staff(self) -> bool:
        """Whether everything is seen, and may be hidden."""

    def id_for(self, id: str) -> str:
        """The id under which a record of this maker is kept."""


def made_record(kind: str, values: Mapping[str, Any], caller: Maker, before: Node | None = None) -> Node:
    """The node that a caller's JSON describes, in place of ``before`` if there is one.

    A partner's record that the city has hidden stays hidden. Raises ``Refusal`` (422) with every problem at once: the
    kind's own rules, marks of secrecy, and a visibility that a partner cannot give.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if not given.get("id"):
        owner = given.get(OWNER_ATTRIBUTES.get(kind, ""), "")
        given["id"] = derived_id(kind, str(given.get("title", "")), str(owner))
    given["id"] = caller.id_for(str(given["id"]).strip())
    problems = list(_secrecy(kind, given))
    if not caller.is_staff and before is not None and before.visibility == "staff":
        given["visibility"] = before.visibility
    elif not caller.is_staff and given.get("visibility") in ("staff", "内部", "不公开"):
        problems.append(
            FieldProblem(
                code="visibility_refused",
                message="合作平台推送的记录不能设为内部",
                remedy="请填 public 或 partner；个别字段可用 field_visibility 设为内部",
                place="visibility",
            )
        )
    try:
        node = KINDS[kind].model_validate(given)
        problems += _amounts(node)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=False):
            name = str(detail["loc"][0]) if detail["loc"] else ""
            code, message, remedy = explained_error(detail, targets(kind).get(name))
            problems.append(FieldProblem(code=code, message=message, remedy=remedy, place=name))
    except (TypeError, KeyError, OverflowError):
        problems.append(
            FieldProblem(code="value_nested", message="有读不懂的结构", remedy="请改成文字或数字")
        )
    if problems:
        raise refused_record(problems)
    return node


def _amounts(node: Node) -> list[FieldProblem]:
    """Amounts that no sum of money is; JSON can say them as pairs, in which nothing has been looked at."""
    wrong = [
        name
        for name in columns(type(node))
        if type(node).model_fields[name].annotation == tuple[float, float] | None
        and (amount := getattr(node, name)) is not None
        and not 0 <= amount[0] <= amount[1] < math.inf
    ]
    return [
        FieldProblem(
            code="amount_unreadable",
            message="金额不合常理",
            remedy="请以万元为单位填数字，例如 300；一对数先小后大，不小于 0",
            place=name,
        )
        for name in wrong
    ]


def sent_values(model: type[BaseModel], sent: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in a body inside a body, its names and bare types checked like those of a whole one."""
    try:
        return model.model_validate(dict(sent)).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from None


def refused_record(problems: list[FieldProblem]) -> Refusal:
    """The refusal of a record that breaks rules."""
    first = problems[0]
    more = f"等 {len(problems)} 处" if len(problems) > 1 else ""
    where = f"{first.place}：" if first.place else ""
    return Refusal(
        422, "record_invalid", f"{where}{first.message}{more}。", f"{first.remedy}。", problems=problems
    )


def _secrecy(kind: str, given: Mapping[str, Any]) -> list[FieldProblem]:
    """The intake's rule for marked texts; what the text says is not repeated."""
    texts = [
        (name, clean_cell(text))
        for name, value in given.items()
        for text in (value if isinstance(value, list | tuple) else (value,))
        if isinstance(text, str)
    ]
    marked = dict.fromkeys(
        name
        for name, text in texts
        if is_bare_mark(text) or has_secret_star(text) or (name == "title" and is_marked_secret(text))
    )
    return [
        FieldProblem(
            code="secret_refused",
            message="内容标有密级，不能接收",
            remedy="本系统不接收涉密内容，请按保密规定处理",
            place=name,
        )
        for name in marked
    ]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


@cache
def record_body(kind: str) -> type[BaseModel]:
    """The body that creates or replaces a record of a kind, for the description of the API: bare types and bounds."""
    fields: dict[str, Any] = {}
    for name, about in columns(KINDS[kind]).items():
        required = name == "title"
        wanted = _wire_type(kind, name)
        bounds: dict[str, Any] = {"max_length": _limit(name)} if wanted is str else {}
        if about.example and wanted is str:
            bounds["examples"] = [about.example]
        fields[name] = (
            wanted if required else wanted | None,
            Field(
                ... if required else None,
                description=_described(about.label, about.choices),
                **bounds,
            ),
        )
    return create_model(KINDS[kind].__name__ + "In", __base__=_Record, **fields)


@cache
def record_patch(kind: str) -> type[BaseModel]:
    """The body that changes a record: what is named is changed, null empties it (RFC 7396)."""
    body = record_body(kind)
    fields: dict[str, Any] = {
        name: (
            about.annotation if name != "title" else str | None,
            Field(None, description=about.description),
        )
        for name, about in body.model_fields.items()
        if name != "id"
    }
    return create_model(KINDS[kind].__name__ + "Patch", __base__=_Record, **fields)


@cache
def record_shown(kind: str) -> type[BaseModel]:
    """What a caller is shown of a record: ``kind``, ``id`` and ``visibility`` always, the rest where it is filled in."""
    fields: dict[str, Any] = {"kind": (Literal[kind], Field(description="类别"))}
    for name, about in columns(KINDS[kind]).items():
        always = name in ("id", "visibility")
        wanted = _shown_type(kind, name)
        fields[name] = (
            wanted if always else wanted | None,
            Field(... if always else None, description=about.label),
        )
    return create_model(KINDS[kind].__name__, __base__=_Record, **fields)


def _described(label: str, choices: tuple[str, ...]) -> str:
    return f"{label}（{'、'.join(choices)}）" if choices else label


def _limit(name: str) -> int:
    return {"id": ID_LIMIT, "title": TITLE_LIMIT}.get(name, TEXT_LIMIT)


def _wire_type(kind: str, name: str) -> Any:
    """The bare type in which an attribute is sent; lists may also be sent as one text, amounts in 万元."""
    annotation = KINDS[kind].model_fields[name].annotation
    if annotation == tuple[float, float] | None:
        return _Amount
    if annotation == tuple[str, ...]:
        return list[str] | str
    if annotation == dict[str, Any] or name == "field_visibility":
        return dict[str, Literal["public", "partner", "staff"]]
    if name == "visibility":
        return Literal["public", "partner", "staff"]
    if annotation == date | None:
        return date | str
    if annotation == bool | None:
        return bool | str
    return int | str if annotation == int | None else str


def _shown_type(kind: str, name: str) -> Any:
    annotation = KINDS[kind].model_fields[name].annotation
    if annotation == tuple[float, float] | None:
        return tuple[float, float]
    if annotation == tuple[str, ...]:
        return list[str]
    if name == "field_visibility":
        return dict[str, Literal["public", "partner", "staff"]]
    if name == "visibility":
        return Literal["public", "partner", "staff"]
    if annotation == date | None:
        return date
    if annotation == bool | None:
        return bool
    return int if annotation == int | None else str
