"""Orders (一键点单): placed with one call, moved on by who may, each state against a clock."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.access import Caller, Orderer, not_found
from api.idempotency import made_id
from api.pagination import Cursor, Limit, Pages
from api.problem_documents import Refusal, field_problem
from api.responses import REFUSALS, json_response, record_response
from api.routes.paths import now
from api.services import Parts
from api.wire import MoveSent, OrderPage, OrderSent, OrderShown, OrderState, utc_text
from graph.problems import Refused
from graph.processes import Move, moved, moves_from, opened
from graph.store.changes import PutProcess
from matcher.orders import PLACER, STAFF, Order, order_rules

router = APIRouter(prefix="/v1/orders", tags=["一键点单"], responses=REFUSALS)

OrderId = Annotated[str, Path(max_length=100, description="点单编号")]


@router.post(
    "",
    operation_id="place_order",
    summary="一键点单",
    status_code=201,
    responses={201: {"model": OrderShown}},
)
def place_order(request: Request, caller: Orderer, parts: Parts, sent: OrderSent) -> Response:
    about = [(kind, id) for kind in ("scene", "achievement") if (id := getattr(sent, kind).strip())]
    for kind, id in about:
        caller.find(kind, id)
    at, number = now(), made_id(request, "DD-")
    order = caller.view.process(Order, number) or opened(
        Order, order_rules(), id=number, at=at, partner=caller.partner, about=tuple(about), need=sent.need,
        scene=sent.scene.strip(), achievement=sent.achievement.strip(), contact=sent.contact, contact_phone=sent.contact_phone,
    )  # fmt: skip
    caller.whole.apply([PutProcess(process=order)], actor=caller.actor, at=at, reason=f"一键点单 {number}")
    parts.changed()
    return record_response(request, _shown(caller, order, at), 201, {"Location": f"/v1/orders/{number}"})


@router.get("", operation_id="list_orders", summary="列出点单", responses={200: {"model": OrderPage}})
def list_orders(
    caller: Orderer, limit: Limit = 50, cursor: Cursor = None,
    state: Annotated[OrderState | None, Query(description="只看这个状态的")] = None,
    late: Annotated[bool, Query(description="只看超时的，最久的在前；不分页")] = False,
) -> Response:  # fmt: skip
    at = now()
    if late:
        found = [order for order in caller.view.late(Order, at) if state in (None, order.state)][:limit]
        return json_response({"items": [_shown(caller, order, at) for order in found], "next": None})
    pages = Pages(caller, "orders", state, late)
    after = (pages.after(cursor) or [""])[0]
    found = list(caller.view.processes(Order, None, state, after, limit + 1))
    last = found[limit - 1].id if len(found) > limit else None
    items = [_shown(caller, order, at) for order in found[:limit]]
    return json_response({"items": items, "next": pages.cursor([last]) if last else None})


@router.get(
    "/{id}", operation_id="get_order", summary="查看一个点单",
    responses={200: {"model": OrderShown}, 304: {"description": "与 If-None-Match 相同"}},
)  # fmt: skip
def get_order(request: Request, caller: Orderer, id: OrderId) -> Response:
    return record_response(request, _shown(caller, _find(caller, id), now()))


@router.post(
    "/{id}/moves",
    operation_id="move_order",
    summary="受理、分派、答复、办结……",
    responses={200: {"model": OrderShown}},
)
def move_order(request: Request, caller: Orderer, parts: Parts, id: OrderId, sent: MoveSent) -> Response:
    since, order, at = caller.whole.revision(), _find(caller, id), now()
    move = order_rules().moves[sent.move]
    values = sent.values.model_dump(exclude_unset=True)
    after = moved(order, order_rules(), move.name, role=_role(caller, order, move), at=at, values=values)
    change = [PutProcess(process=after)]
    try:
        caller.whole.apply(change, actor=caller.actor, at=at, reason=f"点单 {id} {move.label}", since=since)
    except Refused as refused:
        if refused.code == "plan_stale":
            raise Refusal(
                409, "moved_meanwhile", "点单刚被别人办过一步，没有写入。", "请重新查看后再办。"
            ) from None
        raise
    parts.changed()
    return record_response(request, _shown(caller, after, at))


def _find(caller: Caller, id: str) -> Order:
    order = caller.view.process(Order, id)
    if order is None:
        raise not_found(Order.label, id)
    return order


def _role(caller: Caller, order: Order, move: Move) -> str:
    """As whom the caller makes a move of an order it can see: the city's own portal both places and works on its own."""
    placed = order.partner == caller.partner
    return PLACER if placed and (PLACER in move.roles or not caller.is_staff) else STAFF


def _shown(caller: Caller, order: Order, at: datetime) -> dict[str, Any]:
    rules = order_rules()
    state = rules.states[order.state]
    # By every role, and of each move the way of the role in which the caller makes it.
    by_role = {role: moves_from(order, rules, role=role, at=at) for role in (PLACER, STAFF)}
    ways = [
        next(way for way in by_role[_role(caller, order, move)] if way.move is move)
        for move in rules.moves.values()
        if order.state in move.sources
    ]
    return {
        "id": order.id, "partner": order.partner, "state": state.name, "state_label": state.label, "duty": state.duty,
        "need": order.need, "scene": order.scene, "achievement": order.achievement, "contact": order.contact,
        "contact_phone": order.contact_phone, "handler": order.handler, "answer": order.answer, "reason": order.reason,
        "placed_at": utc_text(order.opened_at), "moved_at": utc_text(order.moved_at),
        "due": utc_text(order.due) if order.due else None, "late": order.due is not None and order.due < at,
        "moves": [
            {
                "name": way.move.name, "label": way.move.label, "open": not _standing(way.problems),
                "problems": [field_problem(problem).model_dump() for problem in way.problems],
            }
            for way in ways
        ],
    }  # fmt: skip


def _standing(problems: Any) -> bool:
    """Whether anything but a value still to be handed in stands in the way."""
    return any(problem.code != "value_missing" for problem in problems)
