"""What every store promises, on every database."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.feedback import Feedback, FeedbackKey, Judgement, Outcome
from graph.kinds import Achievement, Case, Enterprise, Node, Scene
from graph.problems import Refused
from graph.processes import Process, ProcessKey
from graph.relations import Edge
from graph.store.changes import (
    Applied,
    Change,
    EdgeKey,
    NodeKey,
    PutEdge,
    PutFeedback,
    PutNode,
    PutProcess,
    RemoveEdge,
    RemoveFeedback,
    RemoveNode,
    RemoveProcess,
    Touched,
)
from graph.store.history import Head
from graph.store.store import Store
from tests.graph.orders import Order, make_order

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

SCENE = Scene(id="CJ-1", title="海岛投送", deadline="2026-12-31", budget="100-200")
FIRM = Enterprise(id="QY-1", title="某集团")
POSTS = Edge(
    source_kind="enterprise", source_id="QY-1", relation="posts", target_kind="scene", target_id="CJ-1"
)


def _apply(store: Store, *changes: Change, reason: str = "导入") -> Applied:
    return store.apply(changes, actor="张三", at=NOON, reason=reason)


def _everything(store: Store) -> tuple[list[Node], list[Edge]]:
    return list(store.nodes()), list(store.edges())


def test_apply_counts_what_was_added_changed_unchanged_and_removed(store: Store) -> None:
    assert _apply(store, PutNode(node=SCENE), PutNode(node=FIRM), PutEdge(edge=POSTS)) == Applied(
        revision=1, added=3, changed=0, unchanged=0, removed=0
    )
    renamed = SCENE.model_copy(update={"title": "海岛应急投送"})
    other = Scene(id="CJ-2", title="另一个")
    assert _apply(
        store, PutNode(node=renamed), PutNode(node=FIRM), PutNode(node=other), RemoveEdge(key=POSTS.key)
    ) == Applied(revision=2, added=1, changed=1, unchanged=1, removed=1)
    assert _everything(store) == ([FIRM, renamed, other], [])


def test_apply_of_the_same_records_twice_makes_no_revision_and_no_history(store: Store) -> None:
    batch = (PutNode(node=SCENE), PutNode(node=FIRM), PutEdge(edge=POSTS))
    _apply(store, *batch)
    head = store.head()
    assert _apply(store, *batch) == Applied(revision=1, added=0, changed=0, unchanged=3, removed=0)
    assert store.head() == head


def test_apply_nets_out_several_changes_of_one_record_in_a_batch(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=FIRM), PutEdge(edge=POSTS))
    done = _apply(store, RemoveNode(kind="scene", id="CJ-1"), PutNode(node=SCENE))
    # The scene came back, its edge did not: what was put before the removal went with it.
    assert done == Applied(revision=2, added=0, changed=0, unchanged=1, removed=1)
    assert len(store.history_of("scene", "CJ-1")) == 1
    assert _everything(store) == ([FIRM, SCENE], [])


def test_apply_removes_the_edges_of_a_removed_node_each_with_its_history(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=FIRM), PutEdge(edge=POSTS))
    assert _apply(store, RemoveNode(kind="enterprise", id="QY-1"), reason="注销").removed == 2
    (_, gone) = store.history_of_edge(POSTS.key)
    assert (gone.action, gone.revision, gone.reason, gone.after) == ("remove_edge", 2, "注销", None)
    assert _everything(store) == ([SCENE], [])


@pytest.mark.parametrize(
    "batch",
    [
        (PutEdge(edge=POSTS),),
        (PutNode(node=SCENE), PutEdge(edge=POSTS)),
        (PutNode(node=SCENE), PutEdge(edge=POSTS), PutNode(node=FIRM),
         RemoveNode(kind="enterprise", id="QY-1"), PutEdge(edge=POSTS)),
    ],
)  # fmt: skip
def test_apply_refuses_an_edge_without_its_ends_and_writes_nothing(
    store: Store, batch: tuple[Change, ...]
) -> None:
    before = Scene(id="CJ-0", title="先有的")
    _apply(store, PutNode(node=before))
    with pytest.raises(Refused) as refused:
        _apply(store, *batch)
    assert refused.value.code == "relation_dangling"
    assert "企业 QY-1（不存在） —发布→ 应用场景 CJ-1" in refused.value.message
    assert (_everything(store), store.revision()) == (([before], []), 1)


def test_apply_refuses_an_unchanged_edge_whose_node_the_batch_removed_first(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=FIRM), PutEdge(edge=POSTS))
    with pytest.raises(Refused) as refused:
        _apply(store, RemoveNode(kind="enterprise", id="QY-1"), PutEdge(edge=POSTS))
    assert refused.value.code == "relation_dangling"
    assert store.revision() == 1


def test_apply_takes_an_edge_before_its_nodes(store: Store) -> None:
    assert _apply(store, PutEdge(edge=POSTS), PutNode(node=SCENE), PutNode(node=FIRM)).added == 3


def test_apply_refuses_changes_worked_out_before_others_changed_the_same_records(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=FIRM))
    seen = store.revision()
    renamed = SCENE.model_copy(update={"title": "海岛应急投送"})

    def worked_out() -> Iterator[Change]:
        # Somebody else is quicker, after whatever was looked at before and before the lock.
        _apply(store, PutNode(node=SCENE.model_copy(update={"title": "海岛快送"})))
        yield PutNode(node=renamed)

    with pytest.raises(Refused) as refused:
        store.apply(worked_out(), actor="李四", at=NOON, reason="", since=seen)
    assert (refused.value.code, store.revision()) == ("plan_stale", seen + 1)
    # Others' changes of other records do not matter, nor do one's own of before.
    moved = PutNode(node=FIRM.model_copy(update={"title": "某某集团"}))
    assert store.apply([moved], actor="李四", at=NOON, reason="", since=seen).changed == 1


def test_apply_needs_a_zone_and_an_actor(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        store.apply([PutNode(node=SCENE)], actor="张三", at=datetime(2026, 3, 1), reason="")
    with pytest.raises(ValueError, match="actor"):
        store.apply([PutNode(node=SCENE)], actor=" \x00", at=NOON, reason="")


def test_history_tells_who_when_from_what_to_what_and_why(store: Store) -> None:
    _apply(store, PutNode(node=FIRM), reason="首次导入")
    shanghai = datetime(2026, 3, 2, 8, 0, tzinfo=timezone(timedelta(hours=8)))
    store.apply(
        [PutNode(node=Enterprise(id="QY-1", title="某集团", scale="大型"))],
        actor="李四", at=shanghai, reason="补规模\x00",
    )  # fmt: skip
    told = [
        (e.seq, e.revision, e.at, e.actor, e.action, e.key, e.before, e.after, e.reason)
        for e in store.history_of("enterprise", "QY-1")
    ]
    first = {"id": "QY-1", "title": "某集团"}
    key = ("enterprise", "QY-1")
    assert told == [
        (1, 1, "2026-03-01T12:00:00.000000+00:00", "张三", "put_node", key, None, first, "首次导入"),
        (
            2,
            2,
            "2026-03-02T00:00:00.000000+00:00",
            "李四",
            "put_node",
            key,
            first,
            {**first, "scale": "大型"},
            "补规模",
        ),
    ]
    assert store.head() == Head(revision=2, seq=2, hash=store.history_of("enterprise", "QY-1")[-1].hash)


def test_changes_since_gives_the_latest_touch_of_each_record_in_order(store: Store) -> None:
    _apply(store, PutNode(node=SCENE), PutNode(node=FIRM), PutEdge(edge=POSTS))
    _apply(store, PutNode(node=SCENE.model_copy(update={"summary": "改"})))
    _apply(store, RemoveNode(kind="enterprise", id="QY-1"))
    scene, edge, firm = ("scene", "CJ-1"), POSTS.key, ("enterprise", "QY-1")
    late = [Touched(key=edge, revision=3, removed=True), Touched(key=firm, revision=3, removed=True)]
    middle = Touched(key=scene, revision=2, removed=False)
    assert [store.changes_since(r) for r in range(5)] == [[middle, *late], [middle, *late], late, [], []]


def test_reads_find_what_is_there_and_nothing_else(store: Store) -> None:
    second = Scene(id="CJ-2", title="第二个")
    case = Case(id="AL-1", title="案例", scene_id="CJ-1", first_use="是", investment="300")
    _apply(store, *(PutNode(node=n) for n in (second, SCENE, FIRM, case)), PutEdge(edge=POSTS))
    assert store.get("scene", "CJ-1") == SCENE
    assert store.get("scene", "QY-1") is None
    assert list(store.get_many("scene", ["CJ-2", "CJ-9", "CJ-1", "CJ-2"]).items()) == [
        ("CJ-2", second),
        ("CJ-1", SCENE),
    ]
    assert list(store.nodes("scene")) == [SCENE, second]
    assert store.edges_of("scene", "CJ-1") == store.edges_of("enterprise", "QY-1") == [POSTS]
    assert (list(store.edges("posts")), list(store.edges("owns"))) == ([POSTS], [])
    counts = store.counts()
    assert {k: n for k, n in counts.items() if n} == {"scene": 2, "enterprise": 1, "case": 1, "edge": 1}
    assert counts["achievement"] == 0


@pytest.mark.parametrize("id", ["", "CJ-1\x00", "\ud800", "CJ-1' OR 1=1 --", "CJ-1 "])
def test_reads_answer_nothing_for_an_id_that_no_record_can_have(store: Store, id: str) -> None:
    _apply(store, PutNode(node=SCENE))
    assert (store.get("scene", id), store.edges_of("scene", id)) == (None, [])


def test_nodes_come_in_code_point_order(store: Store) -> None:
    ids = ["a", "B", "A", "b", "甲", "-1", "乙", "Z", "😀", "１"]
    _apply(store, *(PutNode(node=Scene(id=i, title="场景")) for i in ids))
    assert [n.id for n in store.nodes("scene")] == sorted(ids)


def test_get_many_and_apply_take_more_keys_than_a_statement_holds(store: Store) -> None:
    many = [Scene(id=f"CJ-{i:04}", title="场景") for i in range(1203)]
    assert _apply(store, *(PutNode(node=n) for n in many)).added == 1203
    assert list(store.get_many("scene", [n.id for n in many]).values()) == many
    assert _apply(store, *(RemoveNode(kind="scene", id=n.id) for n in many)).removed == 1203
    assert store.verify_history() == []


def test_snapshot_and_iteration_see_one_moment_while_others_write(store: Store) -> None:
    _apply(store, PutNode(node=SCENE))
    with store.snapshot() as before:
        running = store.nodes()
        first = next(running)
        _apply(store, PutNode(node=FIRM), RemoveNode(kind="scene", id="CJ-1"))
        assert (before.revision, list(before.nodes()), before.changes_since(1)) == (1, [SCENE], [])
        assert [first, *running] == [SCENE]
    assert (store.revision(), list(store.nodes())) == (2, [FIRM])


def test_apply_takes_turns_between_threads(store: Store) -> None:
    def write(number: int) -> None:
        for step in range(5):
            _apply(store, PutNode(node=Scene(id=f"CJ-{number}-{step}", title="场景")))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (store.revision(), store.counts()["scene"], store.verify_history()) == (20, 20, [])


# A small world in which everything happens to everything.
_NODES = [
    type_(id=id, title=title)
    for type_, ids in ((Scene, ("1", "2")), (Enterprise, ("1", "2")), (Achievement, ("1",)))
    for id in ids
    for title in ("甲", "乙")
]
_EDGES = [
    Edge(source_kind="enterprise", source_id=s, relation=r, target_kind=k, target_id=t, note=note)
    for s, r, k, t in (
        ("1", "posts", "scene", "1"),
        ("1", "posts", "scene", "2"),
        ("2", "posts", "scene", "1"),
        ("1", "owns", "achievement", "1"),
        ("1", "partners", "enterprise", "2"),
        ("2", "partners", "enterprise", "2"),
    )
    for note in ("", "说明")
]
_FEEDBACK: list[Feedback] = [
    *(
        Judgement(scene=scene, achievement="1", judge="程某", level=level, at=NOON)
        for scene in ("1", "2")
        for level in (1, 4)
    ),
    *(Outcome(scene="1", achievement="1", stage="met", by=by, at=NOON) for by in ("程某", "李四")),
]
_ORDERS = [make_order(id, amount=amount) for id in "12" for amount in (1, 2)]
_CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.sampled_from([PutNode(node=n) for n in _NODES]),
    st.sampled_from([PutEdge(edge=e) for e in _EDGES]),
    st.sampled_from([RemoveNode(kind=n.kind, id=n.id) for n in _NODES[::2]]),
    st.sampled_from([RemoveEdge(key=e.key) for e in _EDGES]),
    st.sampled_from([PutFeedback(record=f) for f in _FEEDBACK]),
    st.sampled_from([RemoveFeedback(key=f.key) for f in _FEEDBACK[::2]]),
    st.sampled_from([PutProcess(process=order) for order in _ORDERS]),
    st.sampled_from([RemoveProcess(kind="order", id=id) for id in "12"]),
)


class Model:
    """The store in the plainest terms: a dictionary of each sort, changed one after the other."""

    def __init__(self) -> None:
        self.nodes: dict[NodeKey, Node] = {}
        self.edges: dict[EdgeKey, Edge] = {}
        self.feedback: dict[FeedbackKey, Feedback] = {}
        self.processes: dict[ProcessKey, Process] = {}

    def records(self) -> dict[Any, Any]:
        return {**self.nodes, **self.edges, **self.feedback, **self.processes}

    def apply(self, batch: list[Change]) -> bool:
        nodes, edges, feedback = dict(self.nodes), dict(self.edges), dict(self.feedback)
        processes = dict(self.processes)
        said: dict[FeedbackKey, Feedback] = {}
        for change in batch:
            match change:
                case PutNode(node=node):
                    nodes[node.kind, node.id] = node
                case RemoveNode(kind=kind, id=id):
                    nodes.pop((kind, id), None)
                    edges = {k: e for k, e in edges.items() if (kind, id) not in (k[:2], k[3:])}
                case PutEdge(edge=edge):
                    edges[edge.key] = edge
                case RemoveEdge(key=key):
                    edges.pop(key, None)
                case PutFeedback(record=record):
                    feedback[record.key] = said[record.key] = record
                case RemoveFeedback(key=name):
                    feedback.pop(name, None)
                    said.pop(name, None)
                case PutProcess(process=process):
                    processes[process.key] = process
                case RemoveProcess(kind=kind, id=id):
                    processes.pop(("process", kind, id), None)
        if any(end not in nodes for k in edges for end in (k[:2], k[3:])):
            return False
        if any(("scene", k[1]) not in nodes or ("achievement", k[2]) not in nodes for k in said):
            return False
        self.nodes, self.edges, self.feedback, self.processes = nodes, edges, feedback, processes
        return True


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.lists(_CHANGES, max_size=12), max_size=5))
def test_any_batches_come_to_what_doing_them_one_by_one_comes_to(
    emptied: Callable[[], Store], batches: list[list[Change]]
) -> None:
    store, model = emptied(), Model()
    for batch in batches:
        was = model.records()
        before = store.head()
        if not model.apply(batch):
            with pytest.raises(Refused):
                _apply(store, *batch)
            assert store.head() == before
            continue
        done = _apply(store, *batch)
        now = model.records()
        changed = {k for k in was.keys() | now.keys() if was.get(k) != now.get(k)}
        assert (done.added, done.changed, done.removed) == (
            len(now.keys() - was.keys()),
            len([k for k in changed if k in was and k in now]),
            len(was.keys() - now.keys()),
        )
        assert done.revision == before.revision + bool(changed)
        # One history row per changed record, and the feed names exactly those.
        assert store.head().seq == before.seq + len(changed)
        assert {t.key for t in store.changes_since(before.revision)} == changed
        assert {t.key for t in store.changes_since(before.revision) if t.removed} == was.keys() - now.keys()
        assert _everything(store) == (
            [model.nodes[k] for k in sorted(model.nodes)],
            [model.edges[k] for k in sorted(model.edges)],
        )
        assert [*store.judgements(), *store.outcomes()] == [model.feedback[k] for k in sorted(model.feedback)]
        assert list(store.processes(Order)) == [model.processes[k] for k in sorted(model.processes)]
    assert store.verify_history() == []
