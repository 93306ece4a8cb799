"""Two kinds of process to try things on: an order, which anybody may undo, and a key, which nobody may."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from graph.problems import Problem
from graph.processes import Move, Process, Rules, State, opened
from graph.values import Title

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Order(Process):
    kind = "order"
    label = "订单"

    amount: int = Field(0, title="数量", ge=0)
    note: Title = ""
    wanted_by: datetime | None = None
    lines: tuple[str, ...] = ()


class Key(Process):
    kind = "key"
    label = "访问钥匙"

    digest: str


def _needs_amount(order: Order, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if values.get("amount", order.amount) > 0:
        return None
    return Problem(code="order_empty", message="还没有数量", remedy="请填数量。")


def _before_wanted(order: Order, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if order.wanted_by is None or at <= order.wanted_by:
        return None
    return Problem(code="order_over", message="已过要求的日期", remedy="请改日期")


_STATES = (
    State(name="asked", label="待确认", duty="卖方确认", clock=timedelta(days=3)),
    State(name="agreed", label="已确认", duty="买方付款"),
    State(name="done", label="已完成", final=True),
    State(name="dropped", label="已取消", final=True),
)
_MOVES = (
    Move(
        name="agree", label="确认", sources=("asked",), target="agreed", roles=frozenset({"seller"}),
        requires=(_needs_amount, _before_wanted),
    ),
    Move(name="amend", label="改单", sources=("asked",), target="asked", roles=frozenset({"buyer", "staff"})),
    Move(name="finish", label="完成", sources=("agreed",), target="done", roles=frozenset({"seller", "staff"})),
    Move(
        name="drop", label="取消", sources=("asked", "agreed"), target="dropped", roles=frozenset({"buyer", "staff"})
    ),
)  # fmt: skip
RULES = Rules(states={state.name: state for state in _STATES}, moves={move.name: move for move in _MOVES})


def make_order(id: str = "1", at: datetime = NOON, **attributes: Any) -> Order:
    """An order just asked for."""
    return opened(Order, RULES, id=id, at=at, **attributes)


def make_key(id: str = "k1", state: str = "active") -> Key:
    """A key."""
    return Key(id=id, state=state, digest="ab", opened_at=NOON, moved_at=NOON)
