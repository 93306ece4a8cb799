"""Processes: what opens, what moves, which moves are open and what stands in the way of the others."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from graph.problems import Problem, Refused
from graph.processes import Move, Process, Rules, State, moved, moves_from, opened
from tests.graph.orders import NOON, RULES, Order, make_order

LATER = NOON + timedelta(hours=5)
STAFF = frozenset({"staff"})
WRONG_ROLE = {
    name: Problem(
        code="move_role", message=f"您的身份不能办理“{label}”", remedy="请由有权办理这一步的一方来办"
    )
    for name, label in (("agree", "确认"), ("amend", "改单"), ("finish", "完成"), ("drop", "取消"))
}


def _in_state(state: str, sources: str, label: str, first: str = "") -> Problem:
    return Problem(
        code="move_state",
        message=f"订单现在是“{state}”，不能办理“{label}”",
        remedy=f"处于{sources}时才能办理{first}",
    )


def _refused(
    process: Process, name: str, *, role: str = "seller", at: datetime = LATER, **values: Any
) -> Refused:
    with pytest.raises(Refused) as refused:
        moved(process, RULES, name, role=role, at=at, values=values)
    return refused.value


def _told(refused: Refused) -> tuple[str, str, str]:
    return refused.code, refused.message, refused.remedy


def test_opened_gives_a_process_in_the_first_state_with_its_clock() -> None:
    shanghai = NOON.astimezone(timezone(timedelta(hours=8)))
    order = opened(
        Order, RULES, id=" 7 ", at=shanghai, partner="甲", about=(("scene", "CJ-1"),), amount="3", wanted_by=shanghai
    )  # fmt: skip
    assert order == Order(
        id="7", state="asked", partner="甲", about=(("scene", "CJ-1"),), opened_at=NOON, moved_at=NOON,
        due=NOON + timedelta(days=3), amount=3, wanted_by=NOON,
    )  # fmt: skip
    assert (order.key, order.opened_at.tzinfo, repr(order.wanted_by)) == (
        ("process", "order", "7"),
        UTC,
        repr(NOON),
    )


@pytest.mark.parametrize(
    ("attributes", "message", "remedy"),
    [
        ({"colour": "red", "state": "done"}, "订单没有可填的“colour”；订单没有可填的“state”。",
         "可填的有：“数量”（amount）、“note”、“wanted_by”、“lines”。"),
        ({"amount": "several"}, "“数量”（amount）：这个值的写法不对。", "请核对它的类型和可填的值。"),
        ({"wanted_by": datetime(2026, 3, 1)}, "“wanted_by”：时间缺少时区。",
         "请写明时区，例如 2026-03-31T09:30:00+08:00。"),
        ({"wanted_by": "0001-01-01T00:00:00+08:00"}, "“wanted_by”：年份 1 不合常理。", "请核对年月日。"),
        ({"note": "长" * 301}, "“note”：有 301 个字，超过上限 300 字。", "请缩到 300 字以内；较长的内容请放进简介或技术难点。"),
        ({"amount": -1, "about": ["x"]}, "“about”：这个值的写法不对；“数量”（amount）：这个值的写法不对。",
         "请核对它的类型和可填的值。"),
    ],
)  # fmt: skip
def test_opened_names_the_attributes_that_are_unknown_or_wrong(
    attributes: dict[str, Any], message: str, remedy: str
) -> None:
    with pytest.raises(Refused) as refused:
        make_order(**attributes)
    assert _told(refused.value) == ("process_value", message, remedy)


@pytest.mark.parametrize("id", ["", " \x00"])
def test_opened_needs_an_id(id: str) -> None:
    with pytest.raises(Refused) as refused:
        make_order(id)
    assert _told(refused.value) == ("process_value", "“id”：必填项为空。", "请补填。")


def test_a_process_says_no_to_what_it_does_not_have_and_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Order(id="1", state="asked", opened_at=NOON, moved_at=NOON, colour="red")  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="frozen"):
        make_order().amount = 3  # type: ignore[misc]


def test_moved_changes_state_times_and_the_values_and_nothing_else() -> None:
    order = make_order(partner="甲", note="急")
    agreed = moved(
        order, RULES, "agree", role="seller", at=LATER, values={"amount": "5", "lines": ["a", "b"]}
    )
    assert agreed == Order(
        id="1", state="agreed", partner="甲", note="急", opened_at=NOON, moved_at=LATER, amount=5, lines=("a", "b")
    )  # fmt: skip
    assert (order, type(agreed)) == (make_order(partner="甲", note="急"), Order)
    done = moved(agreed, RULES, "finish", role="staff", at=LATER + timedelta(days=1), values={})
    assert done == agreed.model_copy(update={"state": "done", "moved_at": LATER + timedelta(days=1)})


def test_a_move_to_its_own_state_starts_the_clock_anew() -> None:
    amended = moved(make_order(), RULES, "amend", role="buyer", at=LATER, values={"note": " 改\x00 "})
    assert amended == make_order(note="改").model_copy(
        update={"moved_at": LATER, "due": LATER + timedelta(days=3)}
    )


def test_moved_refuses_and_says_why() -> None:
    order = make_order(amount=2, wanted_by=LATER)
    assert _told(_refused(order, "fly")) == (
        "move_unknown",
        "订单没有“fly”这一步。",
        "可办的有：agree（确认）、amend（改单）、finish（完成）、drop（取消）。",
    )
    assert _told(_refused(order, "finish", colour="red")) == (
        "move_state",
        "订单现在是“待确认”，不能办理“完成”。",
        "处于“已确认”时才能办理；先办理“确认”。",
    )
    assert _told(_refused(order, "drop", colour="red")) == (
        "move_role",
        "您的身份不能办理“取消”。",
        "请由有权办理这一步的一方来办。",
    )
    assert _refused(order, "finish", role="buyer").code == "move_state"
    empty = _refused(order, "agree", at=LATER + timedelta(seconds=1), amount=0)
    assert _told(empty) == ("move_requirement", "还没有数量；已过要求的日期。", "请填数量；请改日期。")


@pytest.mark.parametrize(
    "name", ["id", "state", "partner", "about", "opened_at", "moved_at", "due", "kind", "colour"]
)
def test_moved_takes_values_only_for_what_the_kind_added(name: str) -> None:
    values: dict[str, Any] = {name: NOON, "amount": 3}
    refused = _refused(make_order(amount=1), "agree", **values)
    assert (refused.code, refused.message) == ("process_value", f"订单没有可填的“{name}”。")


def test_moved_checks_every_value_by_its_own_rules_before_what_the_move_requires() -> None:
    refused = _refused(make_order(), "agree", amount="several", wanted_by=datetime(2026, 1, 1), note="好")
    assert (refused.code, refused.message) == (
        "process_value",
        "“数量”（amount）：这个值的写法不对；“wanted_by”：时间缺少时区。",
    )


def test_moved_leaves_alone_what_an_older_rule_let_in() -> None:
    older = make_order().model_copy(update={"note": "长" * 999})
    agreed = moved(older, RULES, "agree", role="seller", at=LATER, values={"amount": 1})
    assert (agreed.note, agreed.amount) == ("长" * 999, 1)
    assert _refused(older, "agree", note="长" * 999).code == "process_value"


@pytest.mark.parametrize("state", ["", "lost"])
def test_a_process_in_a_state_that_the_rules_no_longer_have_is_named_by_it(state: str) -> None:
    lost = make_order().model_copy(update={"state": state})
    assert _refused(lost, "agree").message == f"订单现在是“{state}”，不能办理“确认”。"


def test_moves_from_tells_of_every_move_in_order_why_it_is_not_open() -> None:
    order = make_order(amount=2, wanted_by=LATER)
    asked = moves_from(order, RULES, role="seller", at=LATER)
    assert [(found.move, found.problems) for found in asked] == [
        (RULES.moves["agree"], ()),
        (RULES.moves["amend"], (WRONG_ROLE["amend"],)),
        (RULES.moves["finish"], (_in_state("待确认", "“已确认”", "完成", "；先办理“确认”"),)),
        (RULES.moves["drop"], (WRONG_ROLE["drop"],)),
    ]
    done = moves_from(order.model_copy(update={"state": "done"}), RULES, role="nobody", at=LATER)
    assert [found.problems for found in done] == [
        (_in_state("已完成", "“待确认”", "确认"), WRONG_ROLE["agree"]),
        (_in_state("已完成", "“待确认”", "改单"), WRONG_ROLE["amend"]),
        (_in_state("已完成", "“已确认”", "完成"), WRONG_ROLE["finish"]),
        (_in_state("已完成", "“待确认”、“已确认”", "取消"), WRONG_ROLE["drop"]),
    ]


def test_moves_from_tells_what_is_required_with_the_code_of_the_kind() -> None:
    late = LATER + timedelta(seconds=1)
    codes = [
        [
            problem.code
            for problem in moves_from(order, RULES, role="seller", at=at, values=values)[0].problems
        ]
        for order, at, values in (
            (make_order(), LATER, {}),
            (make_order(wanted_by=LATER), late, {}),
            (make_order(wanted_by=LATER), late, {"amount": "4"}),
            (make_order(wanted_by=LATER), late, {"amount": "x"}),
        )
    ]
    assert codes == [["order_empty"], ["order_empty", "order_over"], ["order_over"], ["process_value"]]


def test_a_time_without_zone_is_an_error_of_the_program() -> None:
    bare = datetime(2026, 3, 1)
    with pytest.raises(ValueError, match="time zone"):
        make_order(at=bare)
    with pytest.raises(ValueError, match="time zone"):
        moves_from(make_order(), RULES, role="seller", at=bare)
    with pytest.raises(ValueError, match="time zone"):
        moved(make_order(), RULES, "fly", role="seller", at=bare, values={})


def _rules(*moves: Move, states: tuple[State, ...] = (), **misnamed: State) -> Rules:
    states = states or (State(name="a", label="甲"), State(name="b", label="乙", final=True))
    return Rules(states={s.name: s for s in states} | misnamed, moves={m.name: m for m in moves})


def _move(source: str, target: str) -> Move:
    return Move(name="go", label="走", sources=(source,), target=target, roles=STAFF)


def test_rules_are_refused_when_they_cannot_be_meant() -> None:
    rules = _rules(_move("a", "b"))
    assert rules.first == State(name="a", label="甲")
    for wrong, says in (
        (lambda: _rules(_move("a", "c")), r"from or to no state: \['c'\]"),
        (lambda: _rules(_move("c", "b")), r"from or to no state: \['c'\]"),
        (lambda: _rules(_move("b", "b")), "final state 'b' has a way out or a clock"),
        (lambda: _rules(), r"states never reached: \['b'\]"),
        (lambda: _rules(_move("a", "a")), r"states never reached: \['b'\]"),
        (
            lambda: _rules(_move("a", "b"), c=State(name="b", label="乙")),
            r"another name than their own: \['c'\]",
        ),
        (lambda: Rules(states={}, moves={}), "there are no states"),
        (
            lambda: _rules(states=(State(name="a", label="甲", final=True, clock=timedelta(1)),)),
            "final state 'a' has a way out or a clock",
        ),
    ):
        with pytest.raises(ValueError, match=says):
            wrong()  # type: ignore[no-untyped-call]


class _Stricter(Order):
    """The kind of a later version."""

    note: str = Field("", max_length=2)


@given(
    names=st.lists(st.sampled_from([*RULES.moves, "fly"]), max_size=8),
    roles=st.lists(st.sampled_from(["buyer", "seller", "staff"]), min_size=8, max_size=8),
    amount=st.integers(-1, 2),
    kind=st.sampled_from([Order, _Stricter]),
)
def test_moved_goes_just_where_moves_from_says_it_may(
    names: list[str], roles: list[str], amount: int, kind: type[Order]
) -> None:
    process, at = kind.model_construct(**dict(make_order(note="很长的备注"))), NOON
    for name, role in zip(names, roles, strict=False):
        at += timedelta(hours=1)
        told = {
            found.move.name: found.problems
            for found in moves_from(process, RULES, role=role, at=at, values={"amount": amount})
        }
        assert list(told) == list(RULES.moves)
        try:
            after = moved(process, RULES, name, role=role, at=at, values={"amount": amount})
        except Refused:
            assert name not in told or told[name]
            continue
        assert told[name] == ()
        state = RULES.states[RULES.moves[name].target]
        due = None if state.clock is None else at + state.clock
        changes = {"state": state.name, "moved_at": at, "due": due, "amount": amount}
        assert after == process.model_copy(update=changes)
        process = after
