"""The fields of nodes as arrays by slot."""

from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from graph.kinds import KINDS, Node
from matcher.facts import (
    DISTRICTS,
    FIELDS,
    IP_STATUSES,
    KIND_NUMBERS,
    FactRows,
    Facts,
    facts_of,
    field_mask,
    indicators_of,
)
from matcher.indicators import parse_indicators
from tests.factories import make_achievement, make_broker, make_enterprise, make_scene

COLUMNS = (
    "kind",
    "field",
    "district",
    "trl",
    "trl_floor",
    "ip_status",
    "said",
    "deadline",
    "price",
    "budget",
)

POOL: list[Node] = [
    make_scene("CJ-1", field="低空经济、海洋经济", district="万山区", maturity_floor="13级制第12级", budget="100-200", deadline="2026-09-30"),
    make_scene("CJ-2", indicators="航程≥30km", cooperation="采购、联合建设", visibility="内部"),
    make_achievement("CG-1", maturity="TRL7", ip_status="已授权", price="50-80", summary="很好", visibility="合作方"),
    make_achievement("CG-2", ip_status="不知道", cooperation="许可", indicators="航程45km"),
    make_enterprise("QY-1", district="市外"),
    make_broker("JJ-1", field="其他"),
]  # fmt: skip


def _plain(rows: FactRows) -> list[tuple[object, ...]]:
    """The rows without NaN, which equals nothing."""
    columns = [["-" if np.isnan(x) else x for x in np.asarray(rows[name], np.float64)] for name in COLUMNS]
    return [
        (*numbers, indicators, cooperation)
        for *numbers, indicators, cooperation in zip(*columns, rows.indicators, rows.cooperation, strict=True)
    ]


def test_columns_are_all_looked_at() -> None:
    assert set(facts_of(POOL[0]).columns) == set(COLUMNS)


def test_facts_of_a_scene() -> None:
    assert _plain(facts_of(POOL[0])) == [
        (
            KIND_NUMBERS["scene"],
            0b11,
            DISTRICTS.index("万山区"),
            0,
            9,
            -1,
            0,
            date(2026, 9, 30).toordinal(),
            "-",
            200,
            (),
            frozenset(),
        )
    ]


def test_facts_of_an_achievement() -> None:
    assert _plain(facts_of(POOL[2])) == [
        (
            KIND_NUMBERS["achievement"],
            0,
            -1,
            7,
            0,
            IP_STATUSES.index("已授权"),
            2,
            0,
            50,
            "-",
            (),
            frozenset(),
        )
    ]


def test_facts_of_a_node_that_states_nothing() -> None:
    assert _plain(facts_of(make_enterprise())) == [
        (KIND_NUMBERS["enterprise"], 0, -1, 0, 0, -1, 0, 0, "-", "-", (), frozenset())
    ]


def test_every_kind_has_facts() -> None:
    assert [np.asarray(facts_of(kind(id="X-1", title="某"))["kind"]).item() for kind in KINDS.values()] == [
        KIND_NUMBERS[kind] for kind in KINDS
    ]


def test_fields_fit_the_bits_of_their_column_and_stand_in_order() -> None:
    assert len(FIELDS) <= 32
    assert [field_mask([name]) for name in FIELDS] == [1 << bit for bit in range(len(FIELDS))]
    assert field_mask([*FIELDS, *FIELDS]) == (1 << len(FIELDS)) - 1


def test_indicators_come_from_their_column_else_from_the_text() -> None:
    scene = make_scene(indicators="航程≥30km", summary="载荷≥5kg", problem="时延≤1s")
    assert indicators_of(scene) == parse_indicators("航程≥30km")
    assert [i.name for i in indicators_of(scene.model_copy(update={"indicators": ""}))] == ["载荷", "时延"]
    offer = make_achievement(indicators="航程45km", advantages="载荷9kg", summary="时延2s")
    assert [i.name for i in indicators_of(offer)] == ["航程", "载荷", "时延"]
    assert indicators_of(make_enterprise(products="航程45km")) == ()


@given(
    changes=st.lists(st.tuples(st.integers(0, 150), st.sampled_from([*POOL, None])), max_size=30),
)
def test_any_puts_and_removes_leave_what_was_put_last(changes: list[tuple[int, Node | None]]) -> None:
    facts, expected = Facts(), dict[int, Node]()
    for slot, node in changes:
        if node is None:
            facts.remove(slot)
            expected.pop(slot, None)
        else:
            facts.put(slot, node)
            expected[slot] = node
    assert facts.capacity > max(expected, default=-1)
    kinds = np.asarray(facts.column("kind"))
    assert np.flatnonzero(kinds >= 0).tolist() == sorted(expected)
    slots = np.array(list(expected), dtype=np.int64)
    assert _plain(facts.rows(slots)) == [row for node in expected.values() for row in _plain(facts_of(node))]
