"""Orders (一键点单): a need placed with one call, and everything that happens to it until it is closed.

Measure 5 of 珠府办函〔2025〕13号: 企业需求“一键点单”与政府响应“高效接单”无缝对接，“即来即办”. How long a state may last
is data (data/policy/orders.json): the measure names no time.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from graph.problems import BadValue, Problem
from graph.processes import Move, Process, Requirement, Rules, State
from graph.resources import resource
from graph.values import Text, clean_cell

PLACER, STAFF = "partner", "staff"
_NEED_LIMIT, _SHORT_LIMIT = 5000, 200


def _limited(limit: int) -> BeforeValidator:
    def parse(value: object) -> str:
        text = clean_cell(value)
        if len(text) > limit:
            raise BadValue(
                "text_too_long", f"有 {len(text)} 个字，超过上限 {limit} 字", f"请缩到 {limit} 字以内"
            )
        return text

    return BeforeValidator(parse)


def _filled_in(text: str) -> str:
    if not text:
        raise BadValue("value_missing", "没有写明需求", "请写明需要什么")
    return text


Short = Annotated[str, _limited(_SHORT_LIMIT)]
Long = Annotated[str, _limited(_NEED_LIMIT)]


class Order(Process):
    """一键点单: what is needed, for which scene or achievement if for one, whom to call, and what was answered."""

    kind = "order"
    label = "点单"

    need: Annotated[Long, AfterValidator(_filled_in), Field(title="需求")]
    scene: Annotated[Short, Field(title="场景编号")] = ""
    achievement: Annotated[Short, Field(title="成果编号")] = ""
    # Personal: for staff and for who placed the order.
    contact: Annotated[Short, Field(title="联系人")] = ""
    contact_phone: Annotated[Short, Field(title="联系方式")] = ""
    handler: Annotated[Short, Field(title="经办人")] = ""
    answer: Annotated[Long, Field(title="答复")] = ""
    reason: Annotated[Text, Field(title="原因")] = ""


def _filled(name: str, label: str) -> Requirement:
    """The value must be handed in with the move, not blank."""

    def requirement(_order: Any, values: Mapping[str, Any], _at: datetime) -> Problem | None:
        if str(values.get(name, "")).strip():
            return None
        return Problem(
            code="value_missing", message=f"没有写明{label}", remedy=f"请在 values 里填写 {name}（{label}）"
        )

    return requirement


@lru_cache(maxsize=1)
def order_rules() -> Rules:
    """States and moves of an order; the clock of each state from data/policy/orders.json."""
    hours = json.loads(resource("policy", "orders.json").read_text(encoding="utf-8"))["hours"]

    def state(name: str, label: str, duty: str = "") -> State:
        clock = timedelta(hours=hours[name]) if name in hours else None
        return State(name=name, label=label, duty=duty, clock=clock, final=not duty)

    staff, placer, both = frozenset({STAFF}), frozenset({PLACER}), frozenset({STAFF, PLACER})
    states = (
        state("placed", "已下单", "受理窗口"), state("accepted", "已受理", "受理窗口"), state("assigned", "办理中", "经办人"),
        state("answered", "已答复", "下单方"), state("closed", "已办结"), state("declined", "不予受理"), state("withdrawn", "已撤回"),
    )  # fmt: skip
    moves = (
        Move(name="accept", label="受理", sources=("placed",), target="accepted", roles=staff),
        Move(name="decline", label="不予受理", sources=("placed", "accepted"), target="declined", roles=staff,
             requires=(_filled("reason", "原因"),)),
        Move(name="assign", label="分派", sources=("accepted", "assigned"), target="assigned", roles=staff,
             requires=(_filled("handler", "经办人"),)),
        Move(name="answer", label="答复", sources=("assigned",), target="answered", roles=staff,
             requires=(_filled("answer", "答复"),)),
        Move(name="reopen", label="退回重办", sources=("answered",), target="assigned", roles=placer,
             requires=(_filled("reason", "原因"),)),
        Move(name="close", label="办结", sources=("answered",), target="closed", roles=both),
        Move(name="withdraw", label="撤回", sources=("placed", "accepted", "assigned"), target="withdrawn", roles=placer),
    )  # fmt: skip
    return Rules(states={s.name: s for s in states}, moves={m.name: m for m in moves})
