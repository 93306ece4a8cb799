import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.wire import MoveName, MoveValues, OrderState
from graph.problems import Refused
from graph.processes import moved, moves_from, opened
from graph.resources import resource
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.orders import PLACER, STAFF, Order, order_rules

AT = datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
VALUES = {"handler": "程某", "answer": "已联系", "reason": "不合适"}
# Written out by hand from the measure: who may take an order from where to where, and what must be said.
MOVES = {
    ("placed", "accept"): ("accepted", {STAFF}, None), ("placed", "decline"): ("declined", {STAFF}, "reason"),
    ("placed", "withdraw"): ("withdrawn", {PLACER}, None), ("accepted", "decline"): ("declined", {STAFF}, "reason"),
    ("accepted", "assign"): ("assigned", {STAFF}, "handler"), ("accepted", "withdraw"): ("withdrawn", {PLACER}, None),
    ("assigned", "assign"): ("assigned", {STAFF}, "handler"), ("assigned", "answer"): ("answered", {STAFF}, "answer"),
    ("assigned", "withdraw"): ("withdrawn", {PLACER}, None), ("answered", "reopen"): ("assigned", {PLACER}, "reason"),
    ("answered", "close"): ("closed", {STAFF, PLACER}, None),
}  # fmt: skip
DUTIES = {"placed": "受理窗口", "accepted": "受理窗口", "assigned": "经办人", "answered": "下单方"}
HOURS = {"placed": 24, "accepted": 24, "assigned": 120, "answered": 168}
STATES: tuple[str, ...] = OrderState.__args__  # type: ignore[attr-defined]
NAMES: tuple[str, ...] = MoveName.__args__  # type: ignore[attr-defined]

Step = tuple[str, str, frozenset[str], int]
steps = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from([STAFF, PLACER]), st.frozensets(st.sampled_from(sorted(VALUES))),
        st.integers(min_value=0, max_value=400),
    ),
    max_size=25,
)  # fmt: skip


def placed(**attributes: str) -> Order:
    named = {"id": "DD-1", "need": "求供应商", "partner": "hengqin"} | attributes
    return opened(Order, order_rules(), at=AT, **named)


def expected(state: str, name: str, role: str, values: Mapping[str, str]) -> str:
    """The state or the refusal that a move comes to."""
    known = MOVES.get((state, name))
    roles = next(roles for (_, move), (_, roles, _) in MOVES.items() if move == name)
    if known is None:
        return "move_state"
    if role not in roles:
        return "move_role"
    return known[0] if known[2] is None or values.get(known[2]) else "move_requirement"


def test_states_and_moves_are_those_of_the_wire() -> None:
    rules = order_rules()
    assert (set(rules.states), set(rules.moves)) == (set(STATES), set(NAMES))
    handed_in = {name for _, _, name in MOVES.values() if name}
    assert handed_in == MoveValues.model_fields.keys()


def test_duties_and_clocks_are_those_of_the_policy() -> None:
    told = {
        name: (state.duty, state.clock and state.clock / timedelta(hours=1), state.final)
        for name, state in order_rules().states.items()
    }
    assert told == {name: (DUTIES.get(name, ""), HOURS.get(name), name not in HOURS) for name in STATES}
    policy = json.loads(resource("policy", "orders.json").read_text(encoding="utf-8"))
    assert policy["hours"] == HOURS


def attempted(order: Order, name: str, role: str, at: datetime, values: Mapping[str, str]) -> Order | str:
    """The order after a move, or the code of the refusal."""
    try:
        return moved(order, order_rules(), name, role=role, at=at, values=values)
    except Refused as refused:
        return refused.code


@given(steps)
def test_any_sequence_of_moves_goes_by_the_rules(moves: list[Step]) -> None:
    order, at = placed(), AT
    for name, role, handed, hours in moves:
        at += timedelta(hours=hours)
        values = {key: VALUES[key] for key in sorted(handed)}
        wanted = expected(order.state, name, role, values)
        ways = moves_from(order, order_rules(), role=role, at=at, values=values)
        after = attempted(order, name, role, at, values)
        assert [way.problems == () for way in ways if way.move.name == name] == [wanted in STATES]
        if wanted not in STATES:
            assert after == wanted
            continue
        clock = HOURS.get(wanted)
        due = at + timedelta(hours=clock) if clock else None
        assert after == order.model_copy(update={**values, "state": wanted, "moved_at": at, "due": due})
        assert isinstance(after, Order)
        order = after


@settings(max_examples=15)
@given(steps)
def test_history_of_any_sequence_replays_to_the_order(module_store: Store, moves: list[Step]) -> None:
    order, at = placed(id=f"DD-{module_store.revision()}"), AT
    kept = [order]
    for name, role, _, hours in moves:
        at += timedelta(hours=hours, seconds=1)
        after = attempted(order, name, role, at, VALUES)
        if isinstance(after, Order):
            kept.append(order := after)
    for one in kept:
        module_store.apply([PutProcess(process=one)], actor="程某", at=one.moved_at, reason=one.state)

    entries = module_store.history_of_process("order", order.id)
    assert [Order.model_validate(entry.after) for entry in entries] == kept
    assert [entry.before for entry in entries] == [None, *(entry.after for entry in entries[:-1])]
    assert module_store.process(Order, order.id) == order
    module_store.verify_history()


def test_blank_values_do_not_count_as_handed_in() -> None:
    order = moved(placed(), order_rules(), "accept", role=STAFF, at=AT, values={})
    for blank in ("", "  ", "\u3000", "\n"):
        with pytest.raises(Refused, match="经办人") as refused:
            moved(order, order_rules(), "assign", role=STAFF, at=AT, values={"handler": blank})
        assert refused.value.code == "move_requirement"


@pytest.mark.parametrize(("name", "limit"), [("need", 5000), ("scene", 200), ("contact", 200)])
def test_text_over_its_limit_is_refused(name: str, limit: int) -> None:
    assert getattr(placed(**{name: "长" * limit}), name) == "长" * limit
    with pytest.raises(Refused, match=f"上限 {limit} 字"):
        placed(**{name: "长" * (limit + 1)})


def test_control_characters_are_left_out() -> None:
    assert placed(contact="王\x00工\x1b[31m").contact == "王工[31m"
