"""Evidence paths against brute force; closeness against dense matrices and by its promises."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import paths
from graph.kinds import Achievement, Enterprise, Institution, Node, Scene
from graph.network import Network
from graph.paths import Path as Chain
from graph.paths import Step, evidence_paths, near_cases, proximity, related, shared_partners
from graph.relations import Edge
from graph.store.audience import AudienceStore
from graph.store.changes import Change, NodeKey, PutEdge, PutNode
from graph.store.store import open_store
from graph.values import Visibility

SCENE, FIRM, COLLEGE, ACHIEVEMENT = (
    ("scene", "1"),
    ("enterprise", "1"),
    ("institution", "1"),
    ("achievement", "1"),
)
FIELD = ("field", "低空经济")


def _network(edges: list[tuple[NodeKey, str, NodeKey]]) -> Network:
    network = Network()
    for source, relation, target in edges:
        for key in (source, target):
            network.graph.add_node(key, title="".join(key))
        network.graph.add_edge(source, target, relation, note="", derived=relation == "in_field")
    return network


CHAIN = [(FIRM, "posts", SCENE), (FIRM, "partners", COLLEGE), (COLLEGE, "owns", ACHIEVEMENT)]
IN_FIELD = [(SCENE, "in_field", FIELD), (ACHIEVEMENT, "in_field", FIELD)]


def test_evidence_paths_tell_the_chain_in_words() -> None:
    network = _network(CHAIN)
    for key, title in ((SCENE, "海岛投送"), (FIRM, "某集团"), (COLLEGE, "某大学"), (ACHIEVEMENT, "某成果")):
        network.graph.nodes[key]["title"] = title
    (path,) = evidence_paths(network, SCENE, ACHIEVEMENT)
    assert path == Chain(
        nodes=(SCENE, FIRM, COLLEGE, ACHIEVEMENT),
        titles=("海岛投送", "某集团", "某大学", "某成果"),
        steps=(
            Step(relation="posts", label="发布", forward=False, derived=False),
            Step(relation="partners", label="合作", forward=True, derived=False),
            Step(relation="owns", label="拥有", forward=True, derived=False),
        ),
    )
    assert path.text == "海岛投送 ←发布— 某集团 —合作→ 某大学 —拥有→ 某成果"
    (back,) = evidence_paths(network, ACHIEVEMENT, SCENE)
    assert back.text == "某成果 ←拥有— 某大学 ←合作— 某集团 —发布→ 海岛投送"


def test_evidence_paths_prefer_short_then_little_known_and_fields_last() -> None:
    other, busy = ("enterprise", "2"), ("enterprise", "0")
    crowd = [(busy, "posts", ("scene", f"x{i}")) for i in range(30)]
    twice = [(f, r, t) for f in (busy, other) for r, t in (("posts", SCENE), ("partners", COLLEGE))]
    direct = [(("broker", "1"), "serves", SCENE), (("broker", "1"), "serves", ACHIEVEMENT)]
    network = _network([*CHAIN, *crowd, *twice, *direct, *IN_FIELD])
    found = [p.nodes[1:-1] for p in evidence_paths(network, SCENE, ACHIEVEMENT, max_length=3, limit=9)]
    assert found == [(("broker", "1"),), (FIRM, COLLEGE), (other, COLLEGE), (busy, COLLEGE), (FIELD,)]
    assert [
        p.nodes[1:-1] for p in evidence_paths(network, SCENE, ACHIEVEMENT, max_length=3, limit=2)
    ] == found[:2]


def test_evidence_paths_name_the_stored_relation_before_an_implied_one() -> None:
    network = _network([(FIRM, "implements", ("case", "1")), (FIRM, "owns", ("case", "1"))])
    network.graph.edges[FIRM, ("case", "1"), "owns"]["derived"] = True
    (path,) = evidence_paths(network, FIRM, ("case", "1"))
    assert [s.relation for s in path.steps] == ["implements"]


@pytest.mark.parametrize(
    ("hidden", "audience", "found"),
    [
        (Enterprise(id="1", title="甲公司", visibility="内部"), "staff", 1),
        (Enterprise(id="1", title="甲公司", visibility="内部"), "partner", 0),
        (Enterprise(id="1", title="甲公司", visibility="合作方"), "partner", 1),
        (Enterprise(id="1", title="甲公司", visibility="合作方"), "public", 0),
        (Scene(id="1", title="投送", owner="甲公司", field_visibility="建设单位=内部"), "staff", 1),
        (Scene(id="1", title="投送", owner="甲公司", field_visibility="建设单位=内部"), "partner", 0),
        (Scene(id="1", title="投送", owner="甲公司", visibility="内部"), "partner", 0),
        (Achievement(id="1", title="运输机", visibility="内部"), "partner", 0),
    ],
)
def test_evidence_paths_of_others_walk_only_what_they_may_see(
    tmp_path: Path, hidden: Node, audience: Visibility, found: int
) -> None:
    """The firm poses the scene by the scene's own column, everything else is joined by a stored relation."""
    nodes = {
        (node.kind, node.id): node
        for node in (
            Enterprise(id="1", title="甲公司"), Institution(id="1", title="乙大学"), Achievement(id="1", title="运输机"),
            Scene(id="1", title="投送", owner="甲公司"), hidden,
        )
    }  # fmt: skip
    edges = [
        Edge(source_kind=a, source_id=b, relation=relation, target_kind=c, target_id=d)
        for (a, b), relation, (c, d) in CHAIN[1:]
    ]
    with open_store(tmp_path / "a.db") as store:
        changes: list[Change] = [
            *(PutNode(node=node) for node in nodes.values()),
            *(PutEdge(edge=edge) for edge in edges),
        ]
        store.apply(changes, actor="程某", at=datetime(2026, 3, 1, tzinfo=UTC), reason="")
        network = Network.build(AudienceStore(store, audience))
    assert len(evidence_paths(network, SCENE, ACHIEVEMENT)) == found


def test_evidence_paths_are_none_between_unknown_equal_or_far_nodes() -> None:
    network = _network(CHAIN)
    nowhere = ("scene", "9")
    assert [
        evidence_paths(network, SCENE, nowhere),
        evidence_paths(network, nowhere, SCENE),
        evidence_paths(network, SCENE, SCENE),
        evidence_paths(network, SCENE, ACHIEVEMENT, max_length=2),
        evidence_paths(network, SCENE, ACHIEVEMENT, limit=0),
    ] == [[], [], [], [], []]


_KEYS = [
    (kind, str(i)) for kind, n in (("scene", 2), ("enterprise", 3), ("achievement", 2)) for i in range(n)
]
_KEYS += [("field", "甲"), ("field", "乙")]
_GRAPHS = st.lists(
    st.tuples(
        st.sampled_from(_KEYS), st.sampled_from(["posts", "partners", "in_field"]), st.sampled_from(_KEYS)
    ),
    min_size=8,
    max_size=24,
)


def _simple_paths(
    network: Network, source: NodeKey, target: NodeKey, length: int
) -> Iterator[tuple[NodeKey, ...]]:
    inner = [key for key in network.graph if key not in (source, target)]
    for count in range(length):
        for middle in permutations(inner, count):
            nodes = (source, *middle, target)
            if all(b in network.graph.succ[a] or b in network.graph.pred[a] for a, b in pairwise(nodes)):
                yield nodes


@settings(max_examples=250, deadline=None)
@given(edges=_GRAPHS, length=st.sampled_from([1, 2, 3, 4, 4, 4]), hub_degree=st.sampled_from([2, 3, 200]))
def test_evidence_paths_are_those_of_brute_force(
    edges: list[tuple[NodeKey, str, NodeKey]], length: int, hub_degree: int
) -> None:
    network, (source, target) = _network(edges), (_KEYS[0], _KEYS[-3])
    if source not in network.graph or target not in network.graph:
        return

    def is_hub(key: NodeKey) -> bool:
        return key[0] == "field" or len({*network.graph.succ[key], *network.graph.pred[key]}) > hub_degree

    expected = set()
    for nodes in _simple_paths(network, source, target, length):
        hubs = [i for i, key in enumerate(nodes) if is_hub(key) and 0 < i < len(nodes) - 1]
        near_middle = all(i <= (length + 1) // 2 and len(nodes) - 1 - i <= length // 2 for i in hubs)
        if len(hubs) <= 1 and near_middle:
            expected.add(nodes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "HUB_DEGREE", hub_degree)
        found = evidence_paths(network, source, target, max_length=length, limit=10_000)
    assert (len(found), {p.nodes for p in found}) == (len(expected), expected)
    ranks = [paths._rank(network, p.nodes) for p in found]
    assert ranks == sorted(ranks)
    assert all(len(p.steps) == len(p.nodes) - 1 == len(p.titles) - 1 for p in found)


def test_evidence_paths_stay_bounded_in_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    # Everything joined to everything: about 150^3 paths of four relations.
    firms = [("enterprise", f"{i:03}") for i in range(150)]
    network = _network([(a, "partners", b) for a in firms for b in firms if a < b])
    expanded = 0
    original = paths._steps_from

    def counted(*args: Any) -> Iterator[NodeKey]:
        nonlocal expanded
        for step in original(*args):
            expanded += 1
            yield step

    monkeypatch.setattr(paths, "_steps_from", counted)
    monkeypatch.setattr(paths, "HALF_PATHS", 500)
    monkeypatch.setattr(paths, "PAIRS", 200)
    found = evidence_paths(network, firms[0], firms[1], limit=3)
    assert [len(p.nodes) for p in found] == [2, 3, 3]
    assert expanded <= 2 * 2 * 500
    assert len(evidence_paths(network, firms[0], firms[1], limit=10_000)) <= 200


@settings(max_examples=100, deadline=None)
@given(edges=_GRAPHS)
def test_proximity_is_the_truncated_walk_on_dense_matrices(edges: list[tuple[NodeKey, str, NodeKey]]) -> None:
    network = _network(edges)
    keys = sorted(k for k in network.graph if k[0] != "field")
    if not keys:
        return
    adjacency = np.array([[float(a != b and b in set(network.neighbours(a))) for b in keys] for a in keys])
    degrees = adjacency.sum(axis=1)
    scale = np.diag([d**-0.5 if d else 0.0 for d in degrees])
    step = scale @ adjacency @ scale
    raw = sum(0.3 * 0.7 ** (k - 1) * np.linalg.matrix_power(step, k) for k in range(1, 6))
    expected = np.asarray(raw / (raw + paths.HALF_CLOSENESS))
    np.fill_diagonal(expected, 1.0)
    found = np.array([[proximity(network, a, keys)[b] for b in keys] for a in keys])
    assert np.allclose(found, expected)
    assert np.allclose(found, found.T)
    assert 0.0 <= found.min() <= found.max() <= 1.0


@settings(max_examples=100, deadline=None)
@given(edges=_GRAPHS)
def test_related_are_the_closest_of_a_kind_by_proximity(edges: list[tuple[NodeKey, str, NodeKey]]) -> None:
    network = _network(edges)
    for source in sorted(k for k in network.graph if k[0] != "field"):
        others = [k for k in network.graph if k[0] == "achievement" and k != source]
        near = proximity(network, source, others)
        expected = sorted((k for k in others if near[k] > 0), key=lambda k: (-near[k], k))
        found = related(network, source, "achievement", limit=3)
        assert [near[k] for k in found] == pytest.approx([near[k] for k in expected[:3]])
        assert set(found) <= set(expected)


def test_proximity_through_a_hub_counts_less_than_through_a_little_known_firm() -> None:
    hub, other = ("enterprise", "9"), ("achievement", "2")
    crowd = [(hub, "posts", ("scene", f"x{i}")) for i in range(50)]
    network = _network(
        [*CHAIN[:1], (FIRM, "owns", ACHIEVEMENT), (hub, "posts", SCENE), (hub, "owns", other), *crowd]
    )
    near = proximity(network, SCENE, [ACHIEVEMENT, other, ("scene", "x1")])
    assert near[ACHIEVEMENT] > 2 * near[other] > 0
    assert list(near) == [ACHIEVEMENT, other, ("scene", "x1")]


def test_proximity_of_a_plain_chain_reads_about_half() -> None:
    partners = [(f, "partners", ("enterprise", f"{f[0]}{i}")) for f in (FIRM, COLLEGE) for i in range(3, 6)]
    found = proximity(_network([*CHAIN, *partners]), SCENE, [ACHIEVEMENT])[ACHIEVEMENT]
    assert found == pytest.approx(0.5, abs=0.02)


def test_proximity_knows_nothing_of_fields_and_strangers() -> None:
    network = _network(IN_FIELD)
    nobody = ("scene", "9")
    assert proximity(network, SCENE, [ACHIEVEMENT, nobody, SCENE]) == {
        ACHIEVEMENT: 0.0,
        nobody: 0.0,
        SCENE: 1.0,
    }
    assert proximity(network, nobody, [SCENE]) == {SCENE: 0.0}
    assert proximity(Network(), SCENE, []) == {}


def test_shared_partners_are_organisations_beside_both() -> None:
    fund, third, far = ("enterprise", "3"), ("institution", "3"), ("enterprise", "4")
    edges = [
        *CHAIN, (third, "partners", FIRM), (third, "partners", COLLEGE), (far, "partners", third),
        (fund, "controls", FIRM), (("broker", "1"), "serves", FIRM), (("broker", "1"), "serves", COLLEGE),
    ]  # fmt: skip
    network = _network(edges)
    assert shared_partners(network, SCENE, ACHIEVEMENT) == [third, COLLEGE, FIRM]
    assert shared_partners(network, FIRM, COLLEGE, limit=1) == [third]
    assert shared_partners(network, SCENE, ("scene", "9")) == []


def test_near_cases_come_by_closeness_then_by_shared_fields() -> None:
    near, far, same_field, other = (("case", i) for i in "4321")
    edges = [
        *CHAIN, *IN_FIELD, (near, "tried_in", SCENE), (FIRM, "implements", far),
        (same_field, "in_field", FIELD), (other, "in_field", ("field", "海洋经济")),
    ]  # fmt: skip
    network = _network(edges)
    assert near_cases(network, SCENE) == [near, far, same_field]
    assert near_cases(network, SCENE, limit=1) == [near]
    assert near_cases(network, ("scene", "9")) == []
