"""Judgements and outcomes in the store: put, replaced, removed, refused, and kept when their nodes go."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from graph.feedback import Feedback, Judgement, Outcome
from graph.kinds import Achievement, Scene
from graph.network import Network
from graph.problems import Refused
from graph.store.changes import Applied, Change, PutFeedback, PutNode, RemoveFeedback, RemoveNode, Touched
from graph.store.store import Store

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NODES = tuple(PutNode(node=Scene(id=f"CJ-{n}", title="场景")) for n in (1, 2)) + tuple(
    PutNode(node=Achievement(id=f"CG-{n}", title="成果")) for n in (1, 2)
)
GRADE = Judgement(scene="CJ-1", achievement="CG-1", judge="程某", level=4, at=NOON, reason="指标都够")
SHOWN = Outcome(
    scene="CJ-1", achievement="CG-1", stage="shown", by="系统", at=NOON, rank=3, ranker="cold_start/1"
)


def _apply(store: Store, *changes: Change) -> Applied:
    return store.apply(changes, actor="张三", at=NOON, reason="评")


def _put(store: Store, *records: Feedback) -> Applied:
    return _apply(store, *(PutFeedback(record=record) for record in records))


def _refused(store: Store, *changes: Change) -> Refused:
    with pytest.raises(Refused) as refused:
        _apply(store, *changes)
    return refused.value


def test_feedback_is_read_back_as_it_was_put_in_the_order_of_its_keys(store: Store) -> None:
    _apply(store, *NODES)
    landed = Outcome(scene="CJ-1", achievement="CG-1", stage="landed", by="李四", at=NOON)
    others = [
        GRADE.model_copy(update={"achievement": "CG-2", "at": NOON + timedelta(microseconds=7)}),
        GRADE.model_copy(update={"judge": "甲", "reason": "第一行\n“{}”\\ 😀"}),
        GRADE.model_copy(update={"scene": "CJ-2"}),
    ]
    assert _put(store, *others, SHOWN, landed, GRADE).added == 6
    judged = sorted([GRADE, *others], key=lambda record: record.key)
    with store.snapshot() as now:
        assert (now.judgements(), now.outcomes()) == (judged, [landed, SHOWN])
        assert (now.judgements("CJ-2"), now.outcomes("CJ-2")) == ([others[2]], [])
    assert (store.judgements("CJ-1"), store.outcomes("CJ-1")) == (judged[:-1], [landed, SHOWN])
    assert [repr(record) for record in store.judgements()] == [repr(record) for record in judged]
    assert (store.judgements("CJ-1\x00"), store.outcomes("\ud800")) == ([], [])
    counts = store.counts()
    assert (counts["judgement"], counts["outcome"], counts["edge"]) == (4, 2, 0)
    assert store.verify_history() == []


def test_a_later_word_replaces_an_earlier_one_and_the_same_word_writes_nothing(store: Store) -> None:
    _apply(store, *NODES)
    lower = GRADE.model_copy(update={"level": 2})
    assert _put(store, GRADE, lower) == Applied(revision=2, added=1, changed=0, unchanged=0, removed=0)
    assert _put(store, GRADE, lower) == Applied(revision=2, added=0, changed=0, unchanged=1, removed=0)
    assert _put(store, GRADE, SHOWN) == Applied(revision=3, added=1, changed=1, unchanged=0, removed=0)
    gone = _apply(
        store, PutFeedback(record=SHOWN), RemoveFeedback(key=SHOWN.key), RemoveFeedback(key=("outcome",) * 4)
    )
    assert gone == Applied(revision=4, added=0, changed=0, unchanged=1, removed=1)
    assert (store.judgements(), store.outcomes()) == ([GRADE], [])
    told = [(e.revision, e.action, e.key, e.before and e.before["level"], e.after and e.after["level"])
            for e in store.history_of_feedback(GRADE.key)]  # fmt: skip
    assert told == [
        (2, "put_feedback", GRADE.key, None, 2),
        (3, "put_feedback", GRADE.key, 2, 4),
    ]
    assert [e.action for e in store.history_of_feedback(SHOWN.key)] == ["put_feedback", "remove_feedback"]
    assert store.changes_since(2) == [
        Touched(key=GRADE.key, revision=3, removed=False),
        Touched(key=SHOWN.key, revision=4, removed=True),
    ]
    assert store.verify_history() == []


def test_feedback_on_what_is_not_there_refuses_the_batch_and_names_five(store: Store) -> None:
    _apply(store, *NODES)
    lost = [PutFeedback(record=GRADE.model_copy(update={"scene": f"CJ-{n}"})) for n in range(3, 9)]
    refused = _refused(store, *lost, PutNode(node=Scene(id="CJ-8", title="新")), PutFeedback(record=GRADE))
    named = "；".join(f"应用场景 CJ-{n}（不存在） 与 科技成果 CG-1 的评级（程某）" for n in range(3, 8))
    assert (refused.code, refused.message) == ("feedback_dangling", f"场景或成果不存在：{named}。")
    assert refused.remedy.startswith("请先导入缺少的场景或成果")
    more = _refused(store, *lost, PutFeedback(record=SHOWN.model_copy(update={"achievement": "CG-9"})))
    assert more.message == f"场景或成果不存在：{named} 等 7 条。"
    assert (store.revision(), store.judgements()) == (1, [])


def test_feedback_may_come_with_its_nodes_but_not_with_their_removal(store: Store) -> None:
    assert _apply(store, PutFeedback(record=GRADE), *NODES).added == 5
    for order in (1, -1):
        changes: list[Change] = [PutFeedback(record=SHOWN), RemoveNode(kind="scene", id="CJ-1")]
        assert "应用场景 CJ-1（不存在）" in _refused(store, *changes[::order]).message
    assert (store.revision(), store.outcomes()) == (1, [])


def test_feedback_of_a_removed_node_stays_and_can_be_removed(store: Store) -> None:
    _apply(store, *NODES, PutFeedback(record=GRADE), PutFeedback(record=SHOWN))
    assert _apply(store, RemoveNode(kind="scene", id="CJ-1")).removed == 1
    assert (store.judgements(), store.outcomes("CJ-1"), store.verify_history()) == ([GRADE], [SHOWN], [])
    assert _refused(store, PutFeedback(record=GRADE)).code == "feedback_dangling"
    assert _apply(store, RemoveFeedback(key=GRADE.key)).removed == 1
    assert store.judgements() == []


def test_more_feedback_than_a_statement_holds_goes_in_and_out(store: Store) -> None:
    _apply(store, *NODES)
    many = [GRADE.model_copy(update={"judge": f"评级人 {n:04}"}) for n in range(1203)]
    assert _put(store, *many).added == 1203
    assert store.judgements() == many
    assert _put(store, *many).unchanged == 1203
    assert _apply(store, *(RemoveFeedback(key=record.key) for record in many)).removed == 1203
    assert store.counts()["judgement"] == 0


def test_the_network_passes_over_feedback(store: Store) -> None:
    _apply(store, *NODES)
    network = Network.build(store)
    nodes = set(network.graph)
    _put(store, GRADE, SHOWN)
    network.catch_up(store)
    assert (set(network.graph), network.revision) == (nodes, 2)


@pytest.mark.parametrize(
    ("tampering", "code"),
    [
        ("UPDATE feedback SET attributes = replace(attributes, '4', '3')", "record_differs"),
        ("UPDATE feedback SET attributes = 'x'", "record_differs"),
        ("UPDATE feedback SET revision = 9", "record_differs"),
        ("DELETE FROM feedback", "record_missing"),
        ("INSERT INTO feedback SELECT kind, scene, achievement, '别人', attributes, revision FROM feedback",
         "record_extra"),
    ],
)  # fmt: skip
def test_verify_history_finds_feedback_changed_past_it(store: Store, tampering: str, code: str) -> None:
    _apply(store, *NODES, PutFeedback(record=GRADE))
    with store._database.writing() as connection:
        connection.execute(text(tampering))
    assert [(p.code, p.row) for p in store.verify_history()] == [(code, None)]


@pytest.mark.parametrize(
    "attributes",
    ["{}", "[]", '{"scene":"CJ-1","achievement":"CG-1","judge":"程某","level":"很高","at":"2026"}'],
)
def test_feedback_that_cannot_be_read_is_refused(store: Store, attributes: str) -> None:
    _apply(store, *NODES, PutFeedback(record=GRADE))
    with store._database.writing() as connection:
        connection.execute(text("UPDATE feedback SET attributes = :new"), {"new": attributes})
    with pytest.raises(Refused) as refused:
        store.judgements()
    assert (refused.value.code, "评级记录读不出来" in refused.value.message) == ("record_unreadable", True)
