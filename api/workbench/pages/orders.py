"""点单: what was ordered with one call, how long each may still take, and the moves of the one who works on it."""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import not_found
from api.problem_documents import Refusal
from api.routes.paths import PathId, now
from api.services import Parts
from api.workbench.access import AtDesk, Visitor, Writer
from api.workbench.forms import Form, done_once
from api.workbench.pages.matching import One
from api.workbench.rendering import escaped, page
from api.workbench.stamps import refuse_changed, stamp_of
from graph.problems import Refused
from graph.processes import Move, moved, moves_from, opened
from graph.store.changes import PutProcess
from matcher.orders import PLACER, STAFF, Order, order_rules

router = APIRouter(include_in_schema=False)

_SHOWN = 200
# What people fill in for a move: the field, what it is called, whether it takes several lines.
_FIELDS: Mapping[str, tuple[str, str, bool]] = {
    "decline": ("reason", "原因（会告知下单方）", True), "assign": ("handler", "经办人", False),
    "answer": ("answer", "答复（会告知下单方）", True), "reopen": ("reason", "退回的原因", True),
}  # fmt: skip


@router.get("/orders")
def get_orders(request: Request, visitor: AtDesk, state: One = "", late: One = "") -> Response:
    """The most urgent first, what is over last."""
    at, rules = now(), order_rules()
    every = list(visitor.store.processes(Order))
    rows = [one for one in every if state in ("", one.state) and (not late or _is_late(one, at))]
    rows.sort(key=lambda one: (rules.states[one.state].final, one.due or one.opened_at, one.id))
    return page(
        request, "orders.html", orders=rows[:_SHOWN], count=len(rows), total=len(every), state=state, late=late,
        states=rules.states, escaped=escaped, now=at, late_count=sum(_is_late(one, at) for one in every),
    )  # fmt: skip


@router.get("/orders/{id}")
def get_order(request: Request, visitor: AtDesk, id: PathId) -> Response:
    order, rules, at = _found(visitor, id), order_rules(), now()
    ways = [
        (way.move, [one for one in way.problems if one.code != "value_missing"])
        for move in rules.moves.values() if order.state in move.sources
        for way in moves_from(order, rules, role=_role(order, move), at=at) if way.move is move
    ]  # fmt: skip
    titles = {key: node.title for key in order.about if (node := visitor.store.get(*key)) is not None}
    return page(
        request, "order.html", order=order, state=rules.states[order.state], ways=ways, titles=titles, fields=_FIELDS,
        escaped=escaped, seen=stamp_of([order]), late=_is_late(order, at), states=rules.states,
        history=list(reversed(visitor.store.history_of_process(Order.kind, order.id))), here_=place_of(order.id),
    )  # fmt: skip


@router.post("/orders/{id}/moves")
async def post_move(visitor: Writer, parts: Parts, id: PathId, sent: Form) -> Response:
    name = sent.get("move")

    def work() -> tuple[str, str]:
        since, order, at, rules = visitor.store.revision(), _found(visitor, id), now(), order_rules()
        refuse_changed(sent, stamp_of([order]), "点单")
        move = rules.moves.get(name)
        if move is None:
            raise Refusal(422, "choice_missing", "没有写明办理哪一步。", "请从点单页的办理步骤里选。")
        values = {field: sent.get(field) for field, *_ in filter(None, [_FIELDS.get(name)])}
        after = moved(order, rules, name, role=_role(order, move), at=at, values=values)
        visitor.store.apply(
            [PutProcess(process=after)],
            actor=visitor.name,
            at=at,
            reason=f"点单 {id} {move.label}",
            since=since,
        )
        return place_of(id), f"已办理“{move.label}”，现在是“{rules.states[after.state].label}”。"

    try:
        response = await done_once(visitor, sent, work)
    except Refused as refused:
        if refused.code == "plan_stale":
            raise Refusal(412, "changed_since", "您打开之后，别人办过这个点单；您的这一步没有办理。", "请看过现在的样子再办。") from None  # fmt: skip
        raise
    parts.changed()
    return response


def place_order(visitor: Visitor, *, need: str, about: tuple[tuple[str, str], ...], contact: str, phone: str) -> Order:  # fmt: skip
    """Place an order of the city's own: about at most one scene and one achievement. Raises ``Refused``."""
    at = now()
    ids: dict[str, Any] = dict(about)
    order = opened(
        Order, order_rules(), id=f"DD-{secrets.token_hex(6)}", at=at, about=about, need=need, scene=ids.get("scene", ""),
        achievement=ids.get("achievement", ""), contact=contact, contact_phone=phone,
    )  # fmt: skip
    visitor.store.apply([PutProcess(process=order)], actor=visitor.name, at=at, reason=f"点单 {order.id}")
    return order


def place_of(id: str) -> str:
    """The address of an order's page."""
    return f"/orders/{escaped(id)}"


def _found(visitor: Visitor, id: str) -> Order:
    order = visitor.store.process(Order, id)
    if order is None:
        raise not_found(Order.label, id)
    return order


def _is_late(order: Order, at: Any) -> bool:
    return order.due is not None and order.due < at


def _role(order: Order, move: Move) -> str:
    """As whom the desk makes a move: what it placed itself it also takes back and closes."""
    return PLACER if not order.partner and STAFF not in move.roles else STAFF
