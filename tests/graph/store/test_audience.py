"""The store as an audience may see it: equal to plain filtering, and to a store in which the hidden never was."""

import inspect
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from graph.feedback import Judgement, Outcome
from graph.kinds import KINDS, Case, Node, columns
from graph.network import Network
from graph.relations import Edge
from graph.store import audience as audience_module
from graph.store.audience import AudienceSnapshot, AudienceStore
from graph.store.changes import Change, PutEdge, PutFeedback, PutNode, PutProcess, RemoveEdge, RemoveNode
from graph.store.snapshot import Snapshot
from graph.store.store import Store
from graph.store.tables import EDGES, FEEDBACK, HISTORY, NODES, PROCESSES
from graph.values import Visibility
from tests.graph.orders import Order, make_order

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEVELS = ("public", "partner", "staff")
OWN = "hengqin"
AUDIENCES: list[tuple[Visibility, str]] = [("public", ""), ("partner", ""), ("partner", OWN), ("staff", "")]

# Reads that need no narrowing, and why.
NOT_NARROWED = {
    "get": "asks get_many",
    "revision": "a number for whoever follows the store; no route shows it to a partner",
    "head": "as revision",
    "secret": "what answers are signed with; shown to nobody",
    "receipts": "answers by access key: a caller asks for its own only",
    "accounts": "sign-ins of the city's own people: no record is in them, and no partner asks",
    "jobs": "uploads by partner: routes narrow them, as they hold no records",
    "outbox": "deliveries by webhook: what is in them was narrowed when they were made",
    "close": "no read",
    "store_id": "no read",
    "place": "no read",
}

levels = st.sampled_from(LEVELS)
IDS = {
    "scene": ("CJ-1", "CJ-2", f"{OWN}:CJ-3"), "achievement": ("CG-1", "CG-2", f"{OWN}:CG%_"), "enterprise": ("QY-1", "QY-2"),
    "case": ("AL-1", "AL-2", f"{OWN}:AL-3"), "broker": ("JJ-1",),
}  # fmt: skip
EDGES_DRAWN = [
    *(("enterprise", firm, "posts", "scene", scene) for firm in IDS["enterprise"] for scene in IDS["scene"]),
    *(("case", case, "tried_in", "scene", scene) for case in IDS["case"] for scene in IDS["scene"]),
    ("enterprise", "QY-1", "controls", "enterprise", "QY-2"),
    ("broker", "JJ-1", "serves", "achievement", f"{OWN}:CG%_"),
]
_HIDEABLE = {
    "scene": ("title", "owner", "budget", "field", "contact"), "achievement": ("title", "price", "owner", "field"),
    "enterprise": ("title", "products"), "case": ("scene_id", "title", "achievement_id"), "broker": ("organisation", "contact"),
}  # fmt: skip


def a_node(kind: str, id: str) -> st.SearchStrategy[Node]:
    values: dict[str, st.SearchStrategy[Any]] = {
        "title": st.sampled_from(["甲公司", "乙公司", "海岛投送"]),
        "contact": st.sampled_from(["", "陈工"]),
        "visibility": levels,
        "field_visibility": st.dictionaries(st.sampled_from(_HIDEABLE[kind]), levels, max_size=2),
        "field": st.sampled_from([(), ("低空经济",)]),
    }
    if kind in ("scene", "achievement"):
        values["owner"] = st.sampled_from(["", "甲公司", "乙公司"])
    if kind == "case":
        values |= {
            "scene_id": st.sampled_from(["", "无此", *IDS["scene"]]),
            "achievement_id": st.sampled_from(["", *IDS["achievement"]]),
        }
    return st.fixed_dictionaries(values).map(lambda drawn: KINDS[kind](id=id, **drawn))


KEYS = [(kind, id) for kind, ids in IDS.items() for id in ids]
nodes = st.sampled_from(KEYS).flatmap(lambda key: a_node(*key))
edges = st.builds(
    lambda key, note: Edge.model_construct(
        source_kind=key[0], source_id=key[1], relation=key[2], target_kind=key[3], target_id=key[4], note=note
    ),
    st.sampled_from(EDGES_DRAWN),
    st.sampled_from(["", "内部商定"]),
)
World = tuple[dict[tuple[str, str], Node], dict[tuple[str, ...], Edge]]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Most of the nodes there can be, and edges between them."""
    there = {key: draw(a_node(*key)) for key in KEYS if draw(st.integers(0, 4))}
    joined = {e.key: e for e in draw(st.lists(edges, max_size=8))}
    return there, {k: e for k, e in joined.items() if k[:2] in there and k[3:] in there}


def put(store: Store, *records: Node | Edge) -> None:
    changes: list[Change] = [PutNode(node=one) for one in records if isinstance(one, Node)]
    changes += [PutEdge(edge=one) for one in records if isinstance(one, Edge)]
    apply(store, *changes)


def apply(store: Store, *changes: Change) -> None:
    store.apply(changes, actor="程某", at=NOON, reason="")


# The oracle: plain Python on the whole world.


def is_seen(node: Node | None, audience: Visibility, own: str) -> bool:
    if node is None:
        return False
    return LEVELS.index(node.visibility) <= LEVELS.index(audience) or is_own(node.id, own)


def is_own(id: str, own: str) -> bool:
    return own != "" and id.startswith(own + ":")


def projected(world: World, node: Node, audience: Visibility, own: str) -> dict[str, Any]:
    """What is left of a node's filled in columns."""
    values = node.model_dump(exclude_defaults=True)
    if audience == "staff" or is_own(node.id, own):
        return values
    left = {}
    for name, about in columns(type(node)).items():
        level = node.field_visibility.get(name, about.visibility)
        if name in values and LEVELS.index(level) <= LEVELS.index(audience):
            left[name] = values[name]
    for name, kind in (("scene_id", "scene"), ("achievement_id", "achievement")):
        if node.kind == "case" and not is_seen(world[0].get((kind, left.get(name, ""))), audience, own):
            left.pop(name, None)
    return {"title": "", **left, "id": node.id, **{k: v for k, v in values.items() if k == "visibility"}}


def oracle(world: World, audience: Visibility, own: str) -> tuple[list[Any], list[Any]]:
    """All nodes and edges as the audience sees them."""
    there, joined = world
    kept = [node for _, node in sorted(there.items()) if is_seen(node, audience, own)]
    keys = {(node.kind, node.id) for node in kept}
    shown = [(node.kind, projected(world, node, audience, own)) for node in kept]
    ends = [edge for _, edge in sorted(joined.items()) if edge.key[:2] in keys and edge.key[3:] in keys]
    return shown, [(edge.key, edge.note if audience == "staff" else "") for edge in ends]


def told(found: Iterable[Node], own: str, audience: Visibility) -> list[Any]:
    """Nodes as the oracle tells them: which fields are opened is kept in a copy, and hidden like its column."""
    whole = [
        (node, node.model_dump(exclude_defaults=True), audience == "staff" or is_own(node.id, own))
        for node in found
    ]
    return [
        (node.kind, {k: v for k, v in values.items() if is_whole or k != "field_visibility"})
        for node, values, is_whole in whole
    ]


def all_reads(view: AudienceStore) -> list[Any]:
    """Every read of nodes and edges, of one moment."""
    with view.snapshot() as now:
        assert isinstance(now, AudienceSnapshot)
        return [
            list(now.nodes()), *(list(now.nodes(kind)) for kind in KINDS),
            *(now.get_many(kind, [*ids, "无此"]) for kind, ids in IDS.items()),
            *(now.get(*key) for key in KEYS),
            *(now.page(kind, after=ids[0], limit=2) for kind, ids in IDS.items()),
            list(now.edges()), list(now.edges("posts")), *(now.edges_of(*key) for key in KEYS),
            now.edges_by_key(EDGES_DRAWN), now.counts(), now.judgements(), now.outcomes("CJ-1"),
            list(now.processes(Order)), now.late(Order, NOON), now.process(Order, "DD-1"),
        ]  # fmt: skip


def content(network: Network) -> tuple[Any, Any]:
    joined = {(u, v, k): about for u, v, k, about in network.graph.edges(keys=True, data=True)}
    return dict(network.graph.nodes(data=True)), joined


few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(world=worlds(), asked=st.sampled_from(AUDIENCES))
def test_audience_sees_what_plain_filtering_leaves(
    emptied: Callable[[], Store], world: World, asked: tuple[Visibility, str]
) -> None:
    store, (audience, own) = emptied(), asked
    put(store, *world[0].values(), *world[1].values())
    shown, joined = oracle(world, audience, own)
    counts = dict.fromkeys([*KINDS, "edge", "process", "judgement", "outcome"], 0) | {"edge": len(joined)}
    for kind, _ in shown:
        counts[kind] += 1
    with AudienceStore(store, audience, own=own).snapshot() as now:
        assert isinstance(now, AudienceSnapshot)
        whole, between = list(now.nodes()), list(now.edges())
        assert told(whole, own, audience) == shown
        assert [(edge.key, edge.note) for edge in between] == joined
        assert now.counts() == counts
        by_key = {(node.kind, node.id): node for node in whole}
        for kind, id in KEYS:
            wanted = by_key.get((kind, id))
            assert now.get_many(kind, ["无此", id]) == ({id: wanted} if wanted else {})
            assert now.edges_of(kind, id) == [
                edge for edge in between if (kind, id) in (edge.key[:2], edge.key[3:])
            ]
        for kind in IDS:
            pages, after = list[Node](), ""
            while page := now.page(kind, after=after, limit=1):
                pages += page
                after = page[-1].id
            assert pages == list(now.nodes(kind)) == [node for node in whole if node.kind == kind]
        in_order = sorted(between, key=lambda edge: EDGES_DRAWN.index(edge.key))
        assert list(now.edges_by_key(EDGES_DRAWN).values()) == in_order


@few
@given(world=worlds(), data=st.data())
def test_a_world_without_the_hidden_records_reads_the_same(
    emptied: Callable[[], Store], world: World, data: st.DataObject
) -> None:
    audience, own = data.draw(st.sampled_from(AUDIENCES[:3]))
    there, joined = world
    # Without hidden records, and with other hidden columns and notes.
    kept = {key: node for key, node in there.items() if is_seen(node, audience, own)}
    bare = {key: without_hidden(node, audience, own, kept) for key, node in kept.items()}
    left = [
        edge.model_copy(update={"note": "换了说法"})
        for edge in joined.values()
        if edge.key[:2] in kept and edge.key[3:] in kept
    ]
    store = emptied()
    put(store, *there.values(), *joined.values())
    view = AudienceStore(store, audience, own=own)
    read, network = all_reads(view), content(Network.build(view))
    with store._database.writing() as connection:
        for table in (NODES, EDGES, FEEDBACK, PROCESSES, HISTORY):
            connection.execute(delete(table))
    put(store, *bare.values(), *left)
    assert all_reads(view) == read
    assert content(Network.build(view)) == network


def without_hidden(node: Node, audience: Visibility, own: str, kept: dict[Any, Node]) -> Node:
    """The node as somebody who knows nothing hidden would have entered it."""
    if is_own(node.id, own):
        return node
    world: World = (kept, {})
    values = projected(world, node, audience, own)
    seen = {
        name: who
        for name, who in node.field_visibility.items()
        if LEVELS.index(who) <= LEVELS.index(audience)
    }
    return type(node).model_construct(**values | {"field_visibility": seen})


changes = st.one_of(
    nodes.map(lambda node: PutNode(node=node)),
    nodes.map(lambda node: PutNode(node=node)),
    st.sampled_from(KEYS).map(lambda key: RemoveNode(kind=key[0], id=key[1])),
    edges.map(lambda edge: PutEdge(edge=edge)),
    st.sampled_from(EDGES_DRAWN).map(lambda key: RemoveEdge(key=key)),
)


@few
@given(world=worlds(), batches=st.lists(st.lists(changes, min_size=1, max_size=4), max_size=6))
def test_network_that_follows_an_audience_equals_one_built_anew(
    emptied: Callable[[], Store], world: World, batches: list[list[Change]]
) -> None:
    store = emptied()
    put(store, *world[0].values(), *world[1].values())
    views = [AudienceStore(store, audience) for audience in ("public", "partner")]
    followed = [Network.build(view) for view in views]
    there = set(world[0])
    for batch in batches:
        apply(store, *applicable(batch, there))
        for view, network in zip(views, followed, strict=True):
            network.catch_up(view)
            assert content(network) == content(Network.build(view))


def applicable(batch: list[Change], there: set[tuple[str, str]]) -> list[Change]:
    """Those of the changes whose edges have both ends then; ``there`` is kept up."""
    for change in batch:
        if isinstance(change, PutNode):
            there.add((change.node.kind, change.node.id))
        elif isinstance(change, RemoveNode):
            there.discard((change.kind, change.id))
    return [
        change
        for change in batch
        if not isinstance(change, PutEdge) or {change.edge.key[:2], change.edge.key[3:]} <= there
    ]


@pytest.mark.parametrize("end", [0, 1])
def test_an_edge_is_touched_when_either_end_comes_into_sight(store: Store, end: int) -> None:
    ends: list[Node] = [KINDS["enterprise"](id="QY-1", title="甲公司"), KINDS["scene"](id="CJ-1", title="场")]
    edge = Edge(
        source_kind="enterprise", source_id="QY-1", relation="posts", target_kind="scene", target_id="CJ-1"
    )
    hidden = ends[end].model_copy(update={"visibility": "staff"})
    put(store, hidden, ends[1 - end], edge)
    view, since = AudienceStore(store, "partner"), store.revision()
    network = Network.build(view)
    assert list(view.edges()) == []
    put(store, ends[end])
    assert [change.key for change in view.changes_since(since)] == [(hidden.kind, hidden.id), edge.key]
    network.catch_up(view)
    assert content(network) == content(Network.build(view))
    assert list(view.edges()) == [edge]


def test_a_case_is_touched_when_what_it_refers_to_comes_into_sight(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each way of finding it: one by one, and all cases where much has changed."""
    odd = 'CJ-"1\\%_'
    scenes = [KINDS["scene"](id=odd, title="场", visibility=level) for level in ("staff", "public")]
    case = Case(id="AL-1", title="案", scene_id=odd)
    view = AudienceStore(store, "partner")
    for most in (50, 0):
        monkeypatch.setattr(audience_module, "_FEW", most)
        put(store, scenes[0], case)
        since = store.revision()
        assert view.get("case", "AL-1") == case.model_copy(update={"scene_id": ""})
        put(store, scenes[1])
        touched = [change.key for change in view.changes_since(since)]
        assert touched == [("scene", odd), ("case", "AL-1")]
        assert view.get("case", "AL-1") == case
        put(store, Case(id="AL-1", title="先无"))


def test_what_was_said_and_asked_is_seen_by_its_own_partner_and_staff(store: Store) -> None:
    put(store, KINDS["scene"](id="CJ-1", title="场"), KINDS["achievement"](id="CG-1", title="果"))
    pair: dict[str, Any] = {"scene": "CJ-1", "achievement": "CG-1", "at": NOON}
    names = ("李明", f"{OWN}:李明", "hengqin-2:李明", OWN)
    apply(store, *(PutFeedback(record=Judgement(judge=name, level=3, **pair)) for name in names))
    apply(store, *(PutFeedback(record=Outcome(by=name, stage="met", **pair)) for name in names[:3]))
    orders = [make_order(f"DD-{n}", partner=partner) for n, partner in enumerate(("", OWN, "hengqin-2"))]
    apply(store, *(PutProcess(process=order) for order in orders))
    seen = {}
    later = NOON.replace(year=2027)
    for audience, own in AUDIENCES:
        view = AudienceStore(store, audience, own=own)
        mine = [order.id for order in view.processes(Order)]
        assert mine == [order.id for order in view.late(Order, later)]
        assert mine == [order.id for order in orders if view.process(Order, order.id)]
        assert {kind: view.counts()[kind] for kind in ("judgement", "outcome", "process")} == dict.fromkeys(
            ("judgement", "outcome", "process"), 0
        )
        seen[audience, own] = (
            [one.judge for one in view.judgements("CJ-1")],
            [one.by for one in view.outcomes()],
            mine,
        )
        if audience != "staff":
            assert list(view.processes(Order, "hengqin-2")) == []
    all_of = (sorted(names), sorted(names[:3]), ["DD-0", "DD-1", "DD-2"])
    assert [sorted(part) for part in seen.pop(("staff", ""))] == [*all_of]
    mine_of = ([f"{OWN}:李明"], [f"{OWN}:李明"], ["DD-1"])
    assert seen == {("public", ""): ([], [], []), ("partner", ""): ([], [], []), ("partner", OWN): mine_of}


def test_a_partner_s_own_records_end_where_its_code_ends(store: Store) -> None:
    ids = [
        f"{OWN}:",
        f"{OWN}:甲",
        f"{OWN}:🚁",
        f"{OWN};",
        f"{OWN}",
        f"{OWN}-2:甲",
        "hengqi:甲",
        "Hengqin:甲",
    ]
    put(store, *(KINDS["scene"](id=id, title="场", visibility="staff", contact="陈工") for id in ids))
    view = AudienceStore(store, "public", own=OWN)
    seen = [f"{OWN}:", f"{OWN}:甲", f"{OWN}:🚁"]
    assert sorted(node.id for node in view.nodes()) == sorted(seen)
    assert {node.contact for node in view.nodes()} == {"陈工"}
    assert sorted(view.get_many("scene", ids)) == sorted(seen)


def test_a_node_as_it_once_was_is_seen_by_the_visibility_it_had(store: Store) -> None:
    put(store, KINDS["scene"](id="CJ-2", title="场", visibility="staff"))
    view = AudienceStore(store, "partner", own=OWN)
    once = KINDS["scene"](id="CJ-1", title="场", contact="陈工")
    assert view.as_seen(once) == once.model_copy(update={"contact": ""})
    assert view.as_seen(once.model_copy(update={"visibility": "staff"})) is None
    own = KINDS["scene"](id=f"{OWN}:1", title="场", visibility="staff", contact="陈工")
    assert view.as_seen(own) == own
    case = Case(id="AL-1", title="案", scene_id="CJ-2")
    assert view.as_seen(case) == case.model_copy(update={"scene_id": ""})


@pytest.mark.parametrize("bad", ["a\0b", " CJ-1", "\ud800", "CJ-1\u200b"])
def test_ids_that_no_record_can_have_are_not_there(store: Store, bad: str) -> None:
    put(store, KINDS["scene"](id="CJ-1", title="场"))
    view = AudienceStore(store, "partner")
    assert (view.get("scene", bad), view.edges_of("scene", bad)) == (None, [])


def _public(cls: type) -> set[str]:
    return {
        name
        for name, value in inspect.getmembers_static(cls)
        if not name.startswith("_")
        and (callable(value) or hasattr(value, "__get__") or hasattr(value, "func"))
    }


@pytest.mark.parametrize(
    ("narrowed", "whole"), [(AudienceSnapshot, Snapshot), (AudienceStore, Store)], ids=["snapshot", "store"]
)
def test_every_read_is_narrowed_or_named_with_a_reason(narrowed: type, whole: type) -> None:
    own = set(vars(narrowed))
    # The store's own methods ask a snapshot, which is narrowed.
    by_snapshot = _public(Snapshot) if whole is Store else set()
    open_reads = _public(whole) - own - NOT_NARROWED.keys() - by_snapshot
    assert open_reads == set()
    assert _public(Snapshot) - set(vars(AudienceSnapshot)) - NOT_NARROWED.keys() == set()


def test_every_column_that_names_another_record_is_known_as_a_reference() -> None:
    naming = {
        (kind, name) for kind, about in KINDS.items() for name in columns(about) if name.endswith("_id")
    }
    assert naming == {("case", name) for name in audience_module._REFERENCES}


@pytest.mark.parametrize("audience", ["public", "partner", "staff"])
def test_history_and_writing_are_not_for_an_audience(store: Store, audience: Visibility) -> None:
    put(store, KINDS["scene"](id="CJ-1", title="场"))
    view = AudienceStore(store, audience)
    refused: list[Callable[[], object]] = [
        lambda: view.apply([], actor="程某", at=NOON, reason=""),
        lambda: view.undo(1, actor="程某", at=NOON, reason=""),
        lambda: list(view.records_at(1)),
        lambda: view.history_of("scene", "CJ-1"),
        lambda: view.history_of_edge(EDGES_DRAWN[0]),
        lambda: view.history_of_feedback(("judgement", "CJ-1", "CG-1", "李明")),
        lambda: view.history_of_process("order", "DD-1"),
        lambda: view.feedback_kinds(1, "put_judgement"),
        lambda: view.revisions(),
        lambda: view.verify_history(),
    ]
    for call in refused:
        with pytest.raises(TypeError):
            call()
    view.close()
    assert store.get("scene", "CJ-1") is not None
