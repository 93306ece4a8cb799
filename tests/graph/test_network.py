"""The network follows the store, and after any changes equals one built anew."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from graph.kinds import Achievement, Broker, Case, Enterprise, Institution, Node, Scene
from graph.network import Network
from graph.problems import Refused
from graph.relations import Edge
from graph.store.audience import AudienceStore
from graph.store.changes import Change, PutEdge, PutNode, RemoveEdge, RemoveNode
from graph.store.store import Store, open_store
from graph.store.tables import EDGES, HISTORY, NODES
from graph.values import VISIBILITY_LABELS

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "a.db") as opened:
        yield opened


def _apply(store: Store, *changes: Change) -> None:
    store.apply(changes, actor="张三", at=NOON, reason="")


def _put(store: Store, *nodes: Node) -> None:
    _apply(store, *(PutNode(node=n) for n in nodes))


def _content(network: Network) -> tuple[dict[Any, Any], dict[Any, Any]]:
    edges = {(u, v, k): about for u, v, k, about in network.graph.edges(keys=True, data=True)}
    return dict(network.graph.nodes(data=True)), edges


def _joins(store: Store) -> set[tuple[str, str, str, bool]]:
    """(source id, relation, target id, derived) of all edges but those to fields."""
    _, edges = _content(Network.build(store))
    return {(u[1], k, v[1], about["derived"]) for (u, v, k), about in edges.items() if k != "in_field"}


def test_build_carries_nodes_fields_and_stored_edges(store: Store) -> None:
    edge = Edge(
        source_kind="broker",
        source_id="JJ-1",
        relation="serves",
        target_kind="scene",
        target_id="CJ-1",
        note="签约",
    )
    _put(
        store,
        Scene(id="CJ-1", title="投送", field="低空经济", district="香洲区", visibility="合作方"),
        Broker(id="JJ-1", title="某某"),
    )
    _apply(store, PutEdge(edge=edge))
    network = Network.build(store)
    scene, broker, field = ("scene", "CJ-1"), ("broker", "JJ-1"), ("field", "低空经济")
    assert _content(network) == (
        {
            scene: {"title": "投送", "field": ("低空经济",), "district": "香洲区"},
            broker: {"title": "某某", "field": (), "district": None},
            field: {"title": "低空经济", "field": (), "district": None},
        },
        {
            (broker, scene, "serves"): {"note": "签约", "derived": False},
            (scene, field, "in_field"): {"note": "", "derived": True},
        },
    )
    assert (network.revision, network.store_id) == (2, store.store_id)


def _scene(**values: Any) -> Scene:
    # Codes are checked at the door; here any text serves as one.
    return Scene.model_construct(id="CJ-1", title="投送", **values)


def _firm(id: str, title: str, uscc: str | None = None) -> Enterprise:
    return Enterprise.model_construct(id=id, title=title, uscc=uscc)


@pytest.mark.parametrize(
    ("owner", "code", "posts"),
    [
        ("某集团", None, {"QY-1"}),  # by name, whatever its code
        (" 某 集团 ", None, {"QY-1"}),
        ("", "A", {"QY-1"}),  # by code
        ("改了名的集团", "A", {"QY-1"}),  # the code decides
        ("某集团", "B", set()),  # same name, other code: somebody else
        ("无码公司", "B", {"QY-2"}),  # no code known: the name has to do
        ("Abc（珠海）公司", None, {"QY-3", "JG-1"}),  # width and case do not matter; both are meant
        ("无此公司", None, set()),
        ("", None, set()),
    ],
)
def test_owner_named_in_a_scene_posts_it(store: Store, owner: str, code: str | None, posts: set[str]) -> None:
    firms = (_firm("QY-1", "某集团", "A"), _firm("QY-2", "无码公司"), _firm("QY-3", "ABC(珠海)公司"))
    hospital = Institution(id="JG-1", title="ＡＢＣ（珠海）公司")
    _put(store, *firms, hospital, _scene(owner=owner, owner_uscc=code))
    assert _joins(store) == {(firm, "posts", "CJ-1", True) for firm in posts}


def test_owner_of_an_achievement_owns_it_and_a_case_is_tried_and_adopts(store: Store) -> None:
    _put(
        store,
        Institution(id="JG-1", title="某大学"),
        Scene(id="CJ-1", title="投送"),
        Achievement(id="CG-1", title="无人机", owner="某大学"),
        Case(id="AL-1", title="案例", scene_id="CJ-1", achievement_id="CG-1"),
        Case(id="AL-2", title="案例", scene_id="CG-1", achievement_id="无此"),
    )
    assert _joins(store) == {
        ("JG-1", "owns", "CG-1", True),
        ("AL-1", "tried_in", "CJ-1", True),
        ("AL-1", "adopts", "CG-1", True),
    }


def test_a_stored_edge_stands_before_the_implied_one_and_leaves_it_behind(store: Store) -> None:
    edge = Edge(
        source_kind="enterprise",
        source_id="QY-1",
        relation="posts",
        target_kind="scene",
        target_id="CJ-1",
        note="牵头",
    )
    _put(store, Enterprise(id="QY-1", title="某集团"), Scene(id="CJ-1", title="投送", owner="某集团"))
    network = Network.build(store)
    told = []
    for change in (PutEdge(edge=edge), RemoveEdge(key=edge.key)):
        _apply(store, change)
        network.catch_up(store)
        told.append(network.graph.edges[("enterprise", "QY-1"), ("scene", "CJ-1"), "posts"])
    assert told == [
        {"note": "牵头", "derived": False},
        {"note": "", "derived": True},
    ]


def test_a_stored_edge_stays_when_the_record_no_longer_implies_it(store: Store) -> None:
    edge = Edge(
        source_kind="enterprise", source_id="QY-1", relation="posts", target_kind="scene", target_id="CJ-1"
    )
    _put(store, Enterprise(id="QY-1", title="某集团"), Scene(id="CJ-1", title="投送", owner="某集团"))
    _apply(store, PutEdge(edge=edge))
    network = Network.build(store)
    for owner in ("", "某集团"):
        _put(store, Scene(id="CJ-1", title="投送", owner=owner))
        network.catch_up(store)
        assert [about["derived"] for *_, about in network.graph.edges(data=True)] == [False]


def test_columns_imply_edges_for_those_who_may_see_them(store: Store) -> None:
    scene = Scene(
        id="CJ-1",
        title="投送",
        owner="某集团",
        field="低空经济",
        field_visibility="建设单位=内部；名称=合作方",
    )
    _put(store, Enterprise(id="QY-1", title="某集团"), scene)
    told = {}
    for audience in VISIBILITY_LABELS:
        nodes, edges = _content(Network.build(AudienceStore(store, audience)))
        told[audience] = (nodes["scene", "CJ-1"]["title"], {relation for _, _, relation in edges})
    assert told == {
        "public": ("", {"in_field"}),
        "partner": ("投送", {"in_field"}),
        "staff": ("投送", {"in_field", "posts"}),
    }


def test_catch_up_tells_how_much_it_looked_at(store: Store) -> None:
    _put(store, Enterprise(id="QY-1", title="某集团"))
    network = Network()
    assert [network.catch_up(store), network.catch_up(store)] == [1, 0]
    _put(store, Scene(id="CJ-1", title="投送"), Scene(id="CJ-2", title="投送"))
    assert network.catch_up(store) == 2


def test_catch_up_builds_anew_for_another_store_or_an_older_one(store: Store, tmp_path: Path) -> None:
    _put(store, Scene(id="CJ-1", title="投送"))
    _put(store, Scene(id="CJ-2", title="投送"))
    network = Network.build(store)
    with open_store(tmp_path / "b.db") as other:
        _put(other, Scene(id="CJ-3", title="投送"))
        network.catch_up(other)
        assert _content(network) == _content(Network.build(other))
        network.revision = 99
        network.catch_up(other)
        assert (network.revision, network.store_id) == (1, other.store_id)


_FIELDS = st.lists(st.sampled_from(["低空经济", "海洋经济"]), max_size=2, unique=True).map(tuple)
_CODES = st.sampled_from([None, "A", "B"])
_NAMES = st.sampled_from(["", "甲", "乙"])
_TITLES = st.sampled_from(["甲", "乙"])
_ID = st.sampled_from(["1", "2"])
_SEEN = st.sampled_from([{}, {"owner": "staff"}, {"scene_id": "partner", "title": "staff"}])


def _constructed(kind: type[Node], **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Node]:
    return st.builds(
        lambda **values: kind.model_construct(**values), id=_ID, title=_TITLES, field=_FIELDS, **strategies
    )


_NODES = st.one_of(
    _constructed(Scene, owner=_NAMES, owner_uscc=_CODES, field_visibility=_SEEN),
    _constructed(Achievement, owner=_NAMES, owner_uscc=_CODES),
    _constructed(Enterprise, uscc=_CODES),
    _constructed(Institution, uscc=_CODES),
    _constructed(Case, scene_id=_ID, achievement_id=_ID),
)
_KINDS = st.sampled_from(["scene", "achievement", "enterprise", "institution", "case"])
_JOINS = st.sampled_from(
    [
        ("enterprise", "posts", "scene"),
        ("institution", "owns", "achievement"),
        ("enterprise", "partners", "enterprise"),
        ("case", "tried_in", "scene"),
    ]
)
_EDGES = st.builds(
    lambda join, source, target: Edge(
        source_kind=join[0], source_id=source, relation=join[1], target_kind=join[2], target_id=target
    ),
    _JOINS,
    _ID,
    _ID,
)
_CHANGES = st.one_of(
    _NODES.map(lambda n: PutNode(node=n)),
    _NODES.map(lambda n: PutNode(node=n)),
    _EDGES.map(lambda e: PutEdge(edge=e)),
    _EDGES.map(lambda e: RemoveEdge(key=e.key)),
    st.builds(lambda k, i: RemoveNode(kind=k, id=i), _KINDS, _ID),
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches=st.lists(st.tuples(st.lists(_CHANGES, min_size=1, max_size=6), st.booleans()), max_size=10))
def test_any_changes_followed_step_by_step_equal_a_network_built_anew(
    store: Store, batches: list[tuple[list[Change], bool]]
) -> None:
    with store._database.writing() as connection:
        for table in (NODES, EDGES, HISTORY):
            connection.execute(delete(table))
    network = Network.build(store)
    for batch, look in batches:
        # A refused batch is taken without its edges, so that worlds grow.
        try:
            _apply(store, *batch)
        except Refused:
            _apply(store, *(c for c in batch if not isinstance(c, PutEdge)))
        if look:
            network.catch_up(store)
            # What is remembered must not outlive the next change.
            network.adjacency()
            [network.degree(key) for key in network.graph]
    network.catch_up(store)
    anew = Network.build(store)
    assert _content(network) == _content(anew)
    assert network.adjacency()[0] == anew.adjacency()[0]
    assert (network.adjacency()[2] != anew.adjacency()[2]).nnz == 0
    for part in ("_known_as", "_answering", "_claims", "_waiting", "_implied"):
        assert getattr(network, part) == getattr(anew, part), part
    assert {key: network.degree(key) for key in network.graph} == {
        key: len(set(network.neighbours(key))) for key in anew.graph
    }


def test_network_carries_inventors_and_drops_what_was_worked_out_when_anything_changes(store: Store) -> None:
    _put(store, Achievement(id="CG-1", title="无人机", inventors="程某、李某"))
    network = Network.build(store)
    assert network.graph.nodes["achievement", "CG-1"]["inventors"] == ("程某", "李某")
    network.derived["something"] = 1
    network.catch_up(store)
    assert network.derived == {"something": 1}
    _put(store, Achievement(id="CG-1", title="无人机", inventors="程某"))
    network.catch_up(store)
    assert network.derived == {}
    assert network.graph.nodes["achievement", "CG-1"]["inventors"] == ("程某",)
