"""Undoing a revision: everything as before it, or a refusal that says what stands in the way."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.feedback import Feedback, Judgement, Outcome
from graph.kinds import Achievement, Enterprise, Node, Scene
from graph.problems import Refused
from graph.relations import Edge
from graph.store.changes import (
    Applied,
    Change,
    PutEdge,
    PutFeedback,
    PutNode,
    PutProcess,
    RemoveEdge,
    RemoveFeedback,
    RemoveNode,
    RemoveProcess,
)
from graph.store.history import Revision
from graph.store.store import Store
from tests.graph.orders import Order, make_order

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

SCENE = Scene(id="1", title="海岛投送", visibility="内部")
ACHIEVEMENT = Achievement(id="1", title="无人机")
FIRM = Enterprise(id="1", title="某集团")
POSTS = Edge(source_kind="enterprise", source_id="1", relation="posts", target_kind="scene", target_id="1")
GRADE = Judgement(scene="1", achievement="1", judge="程某", level=4, at=NOON)


def _apply(store: Store, *changes: Change) -> Applied:
    return store.apply(changes, actor="张三", at=NOON, reason="试")


def _undo(store: Store, revision: int) -> Applied:
    return store.undo(revision, actor="李四", at=NOON, reason="导错了")


def _refused(store: Store, revision: int) -> Refused:
    head = store.head()
    with pytest.raises(Refused) as refused:
        _undo(store, revision)
    assert store.head() == head
    return refused.value


def _state(store: Store) -> dict[Any, Any]:
    """Every record under its key."""
    with store.snapshot() as now:
        found: dict[Any, Any] = {(node.kind, node.id): node for node in now.nodes()}
        found |= {edge.key: edge for edge in now.edges()}
        found |= {judgement.key: judgement for judgement in now.judgements()}
        found |= {order.key: order for order in now.processes(Order)}
        return found | {outcome.key: outcome for outcome in now.outcomes()}


def test_undo_puts_new_changed_and_removed_records_back_and_undoing_it_brings_them_again(
    store: Store,
) -> None:
    other = Scene(id="2", title="另一个")
    _apply(store, *(PutNode(node=n) for n in (SCENE, ACHIEVEMENT, FIRM)), PutEdge(edge=POSTS))
    _apply(store, PutFeedback(record=GRADE))
    before = _state(store)
    _apply(
        store,
        PutNode(node=other),
        PutNode(node=SCENE.model_copy(update={"title": "改名", "visibility": "public"})),
        RemoveNode(kind="enterprise", id="1"),
        PutFeedback(record=GRADE.model_copy(update={"level": 1})),
    )
    after = _state(store)
    assert _undo(store, 3) == Applied(revision=4, added=2, changed=2, unchanged=0, removed=1)
    assert (_state(store), store.verify_history()) == (before, [])
    last = store.history_of("scene", "1")[-1]
    assert (last.actor, last.reason, last.revision) == ("李四", "导错了", 4)
    assert _undo(store, 4).revision == 5
    assert _state(store) == after
    assert store.verify_history() == []


def test_undoing_what_is_undone_points_to_the_revision_that_did(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=ACHIEVEMENT))
    _apply(store, PutFeedback(record=GRADE))
    _undo(store, 2)
    refused = _refused(store, 2)
    assert (refused.code, refused.message) == ("undo_done", "第 2 次已由第 3 次撤销。")
    assert refused.remedy.startswith("若要恢复：jiebang undo 3；")
    _undo(store, 3)
    _apply(store, RemoveFeedback(key=GRADE.key), PutNode(node=FIRM))
    assert _refused(store, 2).code == "undo_conflict"


@pytest.mark.parametrize("revision", [-1, 0, 2, 10**30])
def test_undo_of_a_revision_that_does_not_exist_is_refused(store: Store, revision: int) -> None:
    assert "还没有写入过数据" in _refused(store, revision).message
    _apply(store, PutNode(node=SCENE))
    refused = _refused(store, revision)
    assert (refused.code, refused.message) == (
        "undo_unknown",
        f"没有第 {revision} 次改动（最近一次是第 1 次）。",
    )


def test_undo_is_refused_while_a_record_is_not_as_the_revision_left_it(store: Store) -> None:
    _apply(store, *(PutNode(node=n) for n in (SCENE, ACHIEVEMENT)), PutFeedback(record=GRADE))
    _apply(store, PutNode(node=SCENE.model_copy(update={"title": "改名"})))
    _apply(store, PutFeedback(record=GRADE.model_copy(update={"level": 1})))
    refused = _refused(store, 1)
    assert (refused.code, refused.message, refused.remedy) == (
        "undo_conflict",
        "第 1 次改动之后，这些记录又有改动，不能直接撤销："
        "应用场景 1 与 科技成果 1 的评级（程某）；应用场景 1。",
        "请先撤销后来的改动（最近的是第 3 次），再撤销第 1 次；本次没有写入任何内容。",
    )
    # The remedy holds: what was undone since no longer stands in the way.
    _undo(store, 3)
    _undo(store, 2)
    _undo(store, 1)
    assert (_state(store), store.verify_history()) == ({}, [])


def test_undo_is_refused_for_a_node_that_has_relations_since(store: Store) -> None:
    _apply(store, PutNode(node=SCENE))
    firms = [Enterprise(id=str(n), title="某集团") for n in range(1, 8)]
    edges = [POSTS.model_copy(update={"source_id": firm.id}) for firm in firms]
    _apply(store, *(PutNode(node=firm) for firm in firms), *(PutEdge(edge=edge) for edge in edges))
    refused = _refused(store, 1)
    named = "；".join(f"企业 {n} —发布→ 应用场景 1" for n in range(1, 6))
    assert (refused.code, refused.message.partition("：")[2]) == ("undo_conflict", f"{named} 等 7 条。")
    assert "最近的是第 2 次" in refused.remedy


def test_undo_is_refused_for_a_relation_whose_node_has_gone_since(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=FIRM), PutEdge(edge=POSTS))
    _apply(store, RemoveEdge(key=POSTS.key))
    _apply(store, RemoveNode(kind="enterprise", id="1"))
    refused = _refused(store, 2)
    assert (refused.code, refused.message.partition("：")[2]) == ("undo_conflict", "企业 1。")
    _undo(store, 3)
    _undo(store, 2)
    assert list(store.edges()) == [POSTS]


def test_undo_gives_judgements_back_though_their_scene_is_gone(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=ACHIEVEMENT), PutFeedback(record=GRADE))
    _apply(store, RemoveFeedback(key=GRADE.key))
    _apply(store, RemoveNode(kind="scene", id="1"))
    _undo(store, 2)
    assert store.judgements() == [GRADE]


@pytest.mark.parametrize(("kind", "label"), [("key", "访问钥匙"), ("webhook", "回调")])
def test_undo_brings_back_nothing_that_opens_or_signs(store: Store, kind: str, label: str) -> None:
    class Opening(Order):
        """An order of another kind."""

    Opening.kind = kind
    opening = Opening.model_validate(make_order().model_dump())
    _apply(store, PutProcess(process=opening))
    with pytest.raises(Refused, match=label) as refused:
        store.undo(1, actor="张三", at=NOON, reason="")
    assert (refused.value.code, store.revision()) == ("undo_refused", 1)


def test_undo_needs_a_zone_and_an_actor(store: Store) -> None:
    _apply(store, PutNode(node=SCENE))
    with pytest.raises(ValueError, match="time zone"):
        store.undo(1, actor="张三", at=datetime(2026, 3, 1), reason="")
    with pytest.raises(ValueError, match="actor"):
        store.undo(1, actor=" \x00", at=NOON, reason="")


def test_revisions_tell_the_last_batches_newest_first(store: Store) -> None:
    assert store.revisions() == []
    _apply(store, *(PutNode(node=n) for n in (SCENE, FIRM, ACHIEVEMENT)), PutEdge(edge=POSTS))
    _apply(store, PutFeedback(record=GRADE), RemoveNode(kind="enterprise", id="1"))
    _undo(store, 2)
    at = "2026-03-01T12:00:00.000000+00:00"
    told = [
        Revision(revision=3, at=at, actor="李四", reason="导错了",
                 counts={"put_edge": 1, "put_node": 1, "remove_feedback": 1}),
        Revision(revision=2, at=at, actor="张三", reason="试",
                 counts={"put_feedback": 1, "remove_edge": 1, "remove_node": 1}),
        Revision(revision=1, at=at, actor="张三", reason="试", counts={"put_edge": 1, "put_node": 3}),
    ]  # fmt: skip
    with store.snapshot() as now:
        assert [now.revisions(limit) for limit in (-1, 0, 1, 2, 99)] == [[], [], told[:1], told[:2], told]
    assert store.revisions() == told


# A small world in which everything happens to everything.
_NODES: list[Node] = [
    kind(id=id, title=title)
    for kind, ids in ((Scene, "12"), (Enterprise, "1"), (Achievement, "1"))
    for id in ids
    for title in ("甲", "乙")
]
_EDGES = [POSTS.model_copy(update={"target_id": t, "note": note}) for t in "12" for note in ("", "说明")]
_FEEDBACK: list[Feedback] = [
    *(GRADE.model_copy(update={"scene": scene, "level": level}) for scene in "12" for level in (1, 4)),
    *(Outcome(scene="1", achievement="1", stage="met", by=by, at=NOON) for by in ("程某", "李四")),
]
_ORDERS = [make_order(id, amount=amount, about=(("scene", "1"),)) for id in "12" for amount in (1, 2)]
_CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.sampled_from([PutNode(node=n) for n in _NODES]),
    st.sampled_from([PutEdge(edge=e) for e in _EDGES]),
    st.sampled_from([PutFeedback(record=f) for f in _FEEDBACK]),
    st.sampled_from([RemoveNode(kind=n.kind, id=n.id) for n in _NODES[::2]]),
    st.sampled_from([RemoveEdge(key=e.key) for e in _EDGES[::2]]),
    st.sampled_from([RemoveFeedback(key=f.key) for f in _FEEDBACK[::2]]),
    st.sampled_from([PutProcess(process=order) for order in _ORDERS]),
    st.sampled_from([RemoveProcess(kind="order", id=id) for id in "12"]),
)
_ALL: list[Change] = [
    *(PutNode(node=n) for n in _NODES[::2]),
    *(PutEdge(edge=e) for e in _EDGES[::2]),
    *(PutFeedback(record=f) for f in _FEEDBACK[::2]),
    PutProcess(process=_ORDERS[0]),
]


def _put_back(states: list[dict[Any, Any]], revision: int) -> dict[Any, Any] | None:
    """What undoing a revision comes to by its definition; None where something stands in the way."""
    before, after, now = states[revision - 1], states[revision], states[-1]
    touched = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if any(now.get(key) != after.get(key) for key in touched):
        return None
    back = {key: now[key] for key in now.keys() - touched} | {k: before[k] for k in touched & before.keys()}
    ends = {end for key in back if len(key) == 5 for end in (key[:2], key[3:])}
    return back if ends <= back.keys() else None


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.one_of(st.lists(_CHANGES, min_size=1, max_size=6), st.integers(0, 3)), max_size=7))
def test_undo_of_any_revision_comes_to_its_definition(
    emptied: Callable[[], Store], steps: list[list[Change] | int]
) -> None:
    store = emptied()
    states: list[dict[Any, Any]] = [{}]
    for step in [_ALL, *steps, 0]:
        if isinstance(step, list):
            try:
                done = _apply(store, *step)
            except Refused:
                continue
        else:
            # 0 is the last revision: undoing it is always possible.
            revision = max(1, len(states) - 1 - step)
            back = _put_back(states, revision)
            if back is None:
                assert step > 0
                assert _refused(store, revision).code in ("undo_conflict", "undo_done")
                continue
            done = _undo(store, revision)
            assert _state(store) == back
        if done.revision == len(states):
            states.append(_state(store))
    assert (store.revision(), store.verify_history()) == (len(states) - 1, [])
