"""Processes in the store: put, moved, listed, late, removed, undone, made again, and kept apart from nodes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator
from sqlalchemy import text

from embeddings.segmentation import Segmenter
from embeddings.vector_cache import VectorCache
from graph.kinds import Scene
from graph.network import Network
from graph.problems import Refused
from graph.processes import Process, moved, moves_from
from graph.store.changes import Applied, Change, PutNode, PutProcess, RemoveProcess, RestoreProcess, Touched
from graph.store.history import Revision
from graph.store.records import process_from, process_text
from graph.store.store import Store, open_store
from matcher.corpus import Corpus
from tests.factories import BigramEncoder
from tests.graph.orders import NOON, RULES, Key, Order, make_key, make_order

DAY = timedelta(days=1)
SCENE = PutNode(node=Scene(id="1", title="海岛投送"))


def _apply(store: Store, *changes: Change) -> Applied:
    return store.apply(changes, actor="张三", at=NOON, reason="办")


def _put(store: Store, *processes: Process) -> Applied:
    return _apply(store, *(PutProcess(process=process) for process in processes))


def _undo(store: Store, revision: int) -> Applied:
    return store.undo(revision, actor="李四", at=NOON, reason="办错了")


def _refused(store: Store, revision: int) -> Refused:
    head = store.head()
    with pytest.raises(Refused) as refused:
        _undo(store, revision)
    assert store.head() == head
    return refused.value


def _stored(store: Store) -> list[Process]:
    with store.snapshot() as now:
        return [*now.processes(Order), *now.processes(Key)]


def test_a_process_is_read_back_as_it_was_put_by_its_class(store: Store) -> None:
    order = make_order(
        partner="甲", about=(("scene", "CJ-1"), ("achievement", "CG-1")), amount=3, note="第一行\n“{}”\\ 😀",
        wanted_by=datetime(2026, 4, 1, 8, tzinfo=timezone(timedelta(hours=8))), lines=("a b", "甲、乙"),
        at=NOON + timedelta(microseconds=7),
    )  # fmt: skip
    assert _put(store, order, make_key()) == Applied(revision=1, added=2, changed=0, unchanged=0, removed=0)
    with store.snapshot() as now:
        found = now.process(Order, "1")
    assert (found, repr(found), type(found)) == (order, repr(order), Order)
    assert store.process(Order, "1") == order
    assert store.process(Key, "k1") == make_key()
    assert [store.process(Order, id) for id in ("k1", "2", "", "1 ", "1\x00", "\ud800")] == [None] * 6
    assert store.process(Key, "1") is None
    counts = store.counts()
    assert (counts["process"], counts["edge"], counts["scene"]) == (2, 0, 0)
    assert store.verify_history() == []


def test_what_is_put_again_unchanged_or_never_was_writes_nothing(store: Store) -> None:
    order = make_order(amount=1, wanted_by=NOON)
    _put(store, order)
    found = store.process(Order, "1")
    assert found is not None
    assert _put(store, found) == Applied(revision=1, added=0, changed=0, unchanged=1, removed=0)
    gone = _apply(store, RemoveProcess(kind="order", id="9"), RemoveProcess(kind="key", id="1"))
    assert gone == Applied(revision=1, added=0, changed=0, unchanged=2, removed=0)


def test_a_move_has_its_history_and_its_place_in_the_feed(store: Store) -> None:
    order = make_order(amount=1)
    _put(store, order)
    agreed = moved(order, RULES, "agree", role="seller", at=NOON + DAY, values={"amount": 5})
    assert _put(store, agreed).changed == 1
    assert _apply(store, RemoveProcess(kind="order", id="1")).removed == 1
    key = ("process", "order", "1")
    asked = {
        "id": "1", "state": "asked", "opened_at": "2026-03-01T12:00:00Z", "moved_at": "2026-03-01T12:00:00Z",
        "due": "2026-03-04T12:00:00Z", "amount": 1,
    }  # fmt: skip
    then = {key: value for key, value in asked.items() if key != "due"}
    then |= {"state": "agreed", "moved_at": "2026-03-02T12:00:00Z", "amount": 5}
    told = [(e.revision, e.action, e.key, e.before, e.after) for e in store.history_of_process("order", "1")]
    assert told == [
        (1, "put_process", key, None, asked),
        (2, "put_process", key, asked, then),
        (3, "remove_process", key, then, None),
    ]
    assert store.changes_since(1) == [Touched(key=key, revision=3, removed=True)]
    at = "2026-03-01T12:00:00.000000+00:00"
    assert store.revisions(1) == [
        Revision(revision=3, at=at, actor="张三", reason="办", counts={"remove_process": 1})
    ]
    assert (store.process(Order, "1"), store.verify_history()) == (None, [])


def test_the_last_word_on_a_process_counts_and_more_than_a_statement_holds_go_in_and_out(
    store: Store,
) -> None:
    many = [make_order(f"{number:04}", partner=str(number % 2)) for number in range(1203)]
    first = make_order("0000", note="先")
    assert _put(store, first, *many).added == 1203
    assert list(store.processes(Order)) == many
    assert _put(store, *many).unchanged == 1203
    assert _apply(store, *(RemoveProcess(kind="order", id=order.id) for order in many)).removed == 1203
    assert store.counts()["process"] == 0


def test_processes_are_listed_by_partner_and_state_in_pages_ordered_by_id(store: Store) -> None:
    ids = ["a", "B", "A", "甲", "-1", "😀", "１"]
    orders = {id: make_order(id, amount=1, partner="甲" if id in "aB甲" else "乙") for id in ids}
    for id in ("B", "甲", "A"):
        orders[id] = moved(orders[id], RULES, "agree", role="seller", at=NOON, values={})
    _put(store, *orders.values(), make_key("a"))

    def listed(**asked: Any) -> list[str]:
        return [order.id for order in store.processes(Order, **asked)]

    assert listed() == sorted(ids)
    assert listed(partner="甲") == ["B", "a", "甲"]
    assert listed(state="agreed") == ["A", "B", "甲"]
    assert listed(partner="甲", state="agreed", after="B", limit=5) == ["甲"]
    assert [listed(limit=limit) for limit in (-1, 0, 2, 99)] == [[], [], sorted(ids)[:2], sorted(ids)]
    pages, after = [], ""
    while page := listed(after=after, limit=3):
        pages.append(page)
        after = page[-1]
    assert pages == [["-1", "A", "B"], ["a", "甲", "１"], ["😀"]]
    assert [listed(partner="丙"), listed(partner="甲\x00"), listed(state="\ud800"), listed(state="")] == [
        []
    ] * 4
    assert listed(after="甲\x00") == ["１", "😀"]
    with store.snapshot() as now:
        assert (
            list(now.processes(Order)) == list(store.processes(Order)) == [orders[id] for id in sorted(ids)]
        )


def test_late_tells_what_should_have_ended_before_a_moment(store: Store) -> None:
    starts = {"1": NOON + DAY, "2": NOON, "3": NOON, "4": NOON - timedelta(microseconds=1)}
    orders = {id: make_order(id, at=at, amount=1) for id, at in starts.items()}
    orders["3"] = moved(orders["3"], RULES, "agree", role="seller", at=NOON, values={})
    _put(store, *orders.values(), make_key())
    shanghai = (NOON + 3 * DAY).astimezone(timezone(timedelta(hours=8)))
    assert store.late(Order, shanghai) == [orders["4"]]
    assert store.late(Order, shanghai + timedelta(microseconds=1)) == [orders["4"], orders["2"]]
    assert store.late(Order, NOON + 9 * DAY) == [orders["4"], orders["2"], orders["1"]]
    assert store.late(Key, NOON + 9 * DAY) == []
    with pytest.raises(ValueError, match="time zone"):
        store.late(Order, datetime(2026, 3, 1))


def test_changes_worked_out_before_somebody_moved_the_process_are_refused(store: Store) -> None:
    order, other = make_order(), make_order("2")
    _put(store, order, other)
    _put(store, moved(order, RULES, "drop", role="staff", at=NOON, values={}))
    amended = moved(order, RULES, "amend", role="buyer", at=NOON, values={"note": "改"})
    with pytest.raises(Refused) as refused:
        store.apply([PutProcess(process=amended)], actor="李四", at=NOON, reason="", since=1)
    assert (refused.value.code, store.revision()) == ("plan_stale", 2)
    amended = moved(other, RULES, "amend", role="buyer", at=NOON, values={"note": "改"})
    assert store.apply([PutProcess(process=amended)], actor="李四", at=NOON, reason="", since=1).changed == 1


def test_what_a_process_is_about_may_be_missing(store: Store) -> None:
    assert _put(store, make_order(about=(("scene", "nowhere"),))).added == 1


def test_a_process_is_read_by_bare_types_though_its_class_has_become_stricter() -> None:
    class Stricter(Process):
        kind: ClassVar[str] = "order"
        label: ClassVar[str] = "订单"

        amount: int = Field(0, ge=10)
        since_then: str = "新"

        @field_validator("amount")
        @classmethod
        def _never(cls, value: int) -> int:
            raise AssertionError("the door is not for what is inside")

    stored = process_text(make_order("长" * 100, amount=3, note="不再有这一项", wanted_by=NOON))
    found = process_from(Stricter, stored.replace("长" * 100, "长" * 999))
    assert (len(found.id), found.amount, found.since_then, found.moved_at) == (999, 3, "新", NOON)
    assert found.moved_at.tzinfo is UTC
    assert not hasattr(found, "note")


@pytest.mark.parametrize(
    ("attributes", "names"),
    [
        ('{"id":"1","state":"asked","opened_at":"2026-03-01T12:00:00Z"}', "moved_at"),
        ("{}", "id、state、opened_at、moved_at"),
        ("[]", "[]"),
        ('{"id":"1","state":"asked","opened_at":"some day","moved_at":"2026-03-01T12:00:00Z"}', "opened_at"),
    ],
)
def test_a_process_that_cannot_be_read_is_refused(store: Store, attributes: str, names: str) -> None:
    _put(store, make_order())
    with store._database.writing() as connection:
        connection.execute(text("UPDATE processes SET attributes = :new"), {"new": attributes})
    for read in (lambda: store.process(Order, "1"), lambda: list(store.processes(Order))):
        with pytest.raises(Refused) as refused:
            read()
        assert (refused.value.code, refused.value.message) == (
            "record_unreadable",
            f"数据库里有一条订单记录读不出来（{names}）。",
        )


@pytest.mark.parametrize(
    ("tampering", "code"),
    [
        ("UPDATE processes SET attributes = replace(attributes, 'asked', 'done')", "record_differs"),
        ("UPDATE processes SET attributes = 'x'", "record_differs"),
        ("UPDATE processes SET attributes = '[]'", "record_differs"),
        ("UPDATE processes SET revision = 9", "record_differs"),
        ("UPDATE processes SET state = 'done'", "record_differs"),
        ("UPDATE processes SET partner = '乙'", "record_differs"),
        ("UPDATE processes SET due = NULL", "record_differs"),
        ("UPDATE processes SET due = '2026-03-04T12:00:00.000001+00:00'", "record_differs"),
        ("DELETE FROM processes", "record_missing"),
        ("INSERT INTO processes SELECT kind, '2', state, partner, due, attributes, revision FROM processes",
         "record_extra"),
    ],
)  # fmt: skip
def test_verify_history_finds_a_process_changed_past_it(store: Store, tampering: str, code: str) -> None:
    _put(store, make_order(partner="甲"))
    assert store.verify_history() == []
    with store._database.writing() as connection:
        connection.execute(text(tampering))
    assert [(p.code, p.row) for p in store.verify_history()] == [(code, None)]


def test_undo_puts_processes_back_with_the_columns_that_queries_use(store: Store) -> None:
    order, other = make_order(amount=1, partner="甲"), make_order("2")
    _put(store, order, other)
    agreed = moved(order, RULES, "agree", role="seller", at=NOON, values={})
    _apply(
        store, PutProcess(process=agreed), RemoveProcess(kind="order", id="2"), PutProcess(process=make_order("3"))
    )  # fmt: skip
    assert _undo(store, 2) == Applied(revision=3, added=1, changed=1, unchanged=0, removed=1)
    assert list(store.processes(Order, state="asked")) == [order, other]
    assert (list(store.processes(Order, partner="甲")), len(store.late(Order, NOON + 9 * DAY))) == (
        [order],
        2,
    )
    assert (_undo(store, 3).revision, store.process(Order, "1")) == (4, agreed)
    assert store.verify_history() == []


def test_undo_is_refused_while_a_process_has_moved_on(store: Store) -> None:
    order = make_order(amount=1)
    _put(store, order)
    _put(store, moved(order, RULES, "agree", role="seller", at=NOON, values={}))
    refused = _refused(store, 1)
    assert (refused.code, refused.message) == (
        "undo_conflict",
        "第 1 次改动之后，这些记录又有改动，不能直接撤销：流程 order 1。",
    )
    _undo(store, 2)
    assert _refused(store, 2).code == "undo_done"
    _undo(store, 1)
    assert store.counts()["process"] == 0


def test_undo_never_brings_a_key_back_nor_takes_one_away(store: Store) -> None:
    _put(store, make_key())
    _apply(store, SCENE, PutProcess(process=make_key(state="revoked")))
    _apply(store, RemoveProcess(kind="key", id="k1"))
    for revision in (1, 2, 3):
        refused = _refused(store, revision)
        assert (refused.code, refused.message, refused.remedy) == (
            "undo_refused",
            f"第 {revision} 次改动涉及访问钥匙；访问钥匙的改动不能撤销。",
            "请改为吊销这把钥匙，或新建一把；本次没有写入任何内容。",
        )
    # A node or an order that is only called so is something else.
    _put(store, make_order("key"))
    assert _undo(store, 4).removed == 1


def test_network_and_corpus_pass_over_processes(store: Store, tmp_path: Path) -> None:
    _apply(store, SCENE)
    network = Network.build(store)
    corpus = Corpus(BigramEncoder(), Segmenter(), VectorCache(tmp_path / "vectors.db"))
    corpus.catch_up(store)
    known = (set(network.graph), list(network.graph.edges), list(corpus.keys))
    # By its first two parts such a key could be taken for a node's.
    _put(store, make_order("1", about=(("scene", "1"),)), make_key("1"))
    _apply(store, PutProcess(process=make_order("2")), RemoveProcess(kind="order", id="1"))
    network.catch_up(store)
    corpus.catch_up(store)
    assert (set(network.graph), list(network.graph.edges), list(corpus.keys)) == known
    assert (network.revision, corpus.revision) == (3, 3)


def test_records_at_gives_processes_after_all_else_as_texts(store: Store) -> None:
    order = make_order(amount=1)
    _put(store, order, make_key())
    _apply(store, SCENE, RemoveProcess(kind="key", id="k1"))
    _put(store, moved(order, RULES, "agree", role="seller", at=NOON, values={}))
    assert list(store.records_at(2)) == [
        SCENE,
        RestoreProcess(key=("process", "order", "1"), text=process_text(order)),
    ]


# Moves as people might ask for them, done or undone, with any clock.
_STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from("12"), st.sampled_from(["open", "remove", *RULES.moves]), st.integers(0, 2)
        ),
        st.integers(0, 3),
    ),
    max_size=12,
)


def _step(store: Store, step: tuple[str, str, int], at: datetime) -> Change | None:
    """The change that somebody of the right role asks for; None where the rules say no."""
    id, name, amount = step
    if name == "open":
        return PutProcess(process=make_order(id, at=at, amount=amount))
    if name == "remove":
        return RemoveProcess(kind="order", id=id)
    order = store.process(Order, id)
    if order is None:
        return None
    role = min(RULES.moves[name].roles)
    open_now = {found.move.name: not found.problems for found in moves_from(order, RULES, role=role, at=at)}
    if not open_now[name]:
        with pytest.raises(Refused):
            moved(order, RULES, name, role=role, at=at, values={})
        return None
    return PutProcess(process=moved(order, RULES, name, role=role, at=at, values={"note": f"{amount}"}))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=_STEPS)
def test_any_moves_and_undoings_can_be_made_again_from_the_history(
    emptied: Callable[[], Store], steps: list[tuple[str, str, int] | int]
) -> None:
    store, at = emptied(), NOON
    states: list[list[Process]] = [[]]
    for step in steps:
        at += timedelta(hours=1)
        if isinstance(step, int):
            revision = len(states) - 1 - step
            if revision < 1:
                continue
            before, after, now = (
                {order.key: order for order in states[n]} for n in (revision - 1, revision, -1)
            )
            touched = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
            if any(now.get(k) != after.get(k) for k in touched):
                assert _refused(store, revision).code in ("undo_conflict", "undo_done")
                continue
            done = _undo(store, revision)
            back = {k: v for k, v in now.items() if k not in touched} | {
                k: before[k] for k in touched & before.keys()
            }
            assert _stored(store) == [back[k] for k in sorted(back)]
        else:
            change = _step(store, step, at)
            if change is None:
                continue
            done = _apply(store, change)
        if done.revision == len(states):
            states.append(_stored(store))
    assert store.verify_history() == []
    for revision, there in enumerate(states):
        with TemporaryDirectory() as folder, open_store(Path(folder) / "store.db") as again:
            again.apply(store.records_at(revision), actor="甲", at=NOON, reason="重放")
            assert (_stored(again), again.verify_history()) == (there, [])
            late = [order for order in there if order.due and order.due < at + 2 * DAY]
            assert again.late(Order, at + 2 * DAY) == sorted(late, key=lambda o: (o.due, o.id))
