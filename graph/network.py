"""The knowledge graph: the store's nodes and edges as a networkx graph, with the edges that records imply.

A node is ``(kind, id)``; industry fields (产业领域) are nodes ``("field", name)`` of their own. An edge's key
is its relation, so two nodes are joined at most once per relation and direction.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from graph.kinds import Achievement, Case, Enterprise, Institution, Node, Scene
from graph.relations import RELATIONS
from graph.store.changes import EdgeKey, NodeKey
from graph.store.snapshot import Snapshot, by_kind, chunks
from graph.store.store import Store

FIELD = "field"
IN_FIELD = "in_field"
RELATION_LABELS: Mapping[str, str] = {
    **{name: about.label for name, about in RELATIONS.items()},
    IN_FIELD: "所属领域",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a record's columns say of its relation to another record.

    ``wanted`` are the names the other record may be known by, the surest first. The edge comes from the
    other record where ``inward``.
    """

    relation: str
    inward: bool
    wanted: tuple[str, ...]


class Network:
    """The knowledge graph at one revision of a store; ``catch_up`` follows the store.

    ``graph`` is a networkx ``MultiDiGraph``. Node attributes: ``title``, ``field`` (tuple), ``district``, of
    achievements ``inventors`` (tuple). Edge attributes: ``note``, ``derived`` (implied by a record's columns
    rather than stored). A stored edge stands before an implied one of the same ends and relation.
    Implied are: ``posts`` and ``owns`` from the organisation that a scene or achievement names as owner
    (by code, else by name), ``tried_in`` and ``adopts`` from a case's two ids, ``in_field`` to fields.

    Any sequence of changes leaves the network equal to one built anew. Nothing may read the network
    while ``catch_up`` runs.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        from networkx import MultiDiGraph

        self.graph: Any = MultiDiGraph()
        self.revision = 0
        self.store_id = ""
        # Who answers to a name, who waits for one, and what each record has said: enough to derive
        # again just the records that a change concerns.
        self._known_as: dict[NodeKey, tuple[str, ...]] = {}
        self._answering: dict[str, set[NodeKey]] = {}
        self._claims: dict[NodeKey, tuple[_Claim, ...]] = {}
        self._waiting: dict[str, set[NodeKey]] = {}
        self._implied: dict[NodeKey, set[EdgeKey]] = {}
        # Made when asked for, dropped when anything changes.
        self._degrees: dict[NodeKey, int] = {}
        self._sparse: Any = None
        # Whatever else a reader has worked out from this revision, under a name of its own.
        self.derived: dict[str, Any] = {}

    @classmethod
    def build(cls, store: Store) -> Self:
        """The network of the store's present revision."""
        network = cls()
        network.catch_up(store)
        return network

    def catch_up(self, store: Store) -> int:
        """Take over what changed since the network's revision; gives the number of records looked at.

        A store that is another one, or older than the network (restored from a backup), is built anew.
        """
        with store.snapshot() as now:
            if now.store_id != self.store_id or now.revision < self.revision:
                return self._rebuild(now)
            if now.revision == self.revision:
                return 0
            touched = [change.key for change in now.changes_since(self.revision)]
            self._take_nodes([key for key in touched if len(key) == 2], now)
            self._take_edges([key for key in touched if len(key) == 5], now)
            self.revision = now.revision
            self._degrees, self.derived = {}, {}
            return len(touched)

    def neighbours(self, key: NodeKey) -> Iterator[NodeKey]:
        """The nodes joined to a node in either direction, once each, in no order to rely on."""
        after = self.graph.succ[key]
        yield from after
        yield from (other for other in self.graph.pred[key] if other not in after)

    def degree(self, key: NodeKey) -> int:
        """How many nodes a node is joined to; itself, if it is joined to itself, among them."""
        if (known := self._degrees.get(key)) is not None:
            return known
        after, before = self.graph.succ[key], self.graph.pred[key]
        few, many = (after, before) if len(after) < len(before) else (before, after)
        self._degrees[key] = len(after) + len(before) - sum(other in many for other in few)
        return self._degrees[key]

    def adjacency(self) -> tuple[list[NodeKey], dict[NodeKey, int], Any]:
        """The nodes that have relations in order, their positions, and their symmetric 0/1 matrix (SciPy CSR).

        Made anew only after a relation has changed. Fields are left out because they join nearly everything.
        """
        if self._sparse is None:
            self._sparse = _adjacency(self.graph)
        result: tuple[list[NodeKey], dict[NodeKey, int], Any] = self._sparse
        return result

    def _rebuild(self, now: Snapshot) -> int:
        self._clear()
        count = 0
        for node in now.nodes():
            self._describe((node.kind, node.id), node)
            count += 1
        for key in sorted(self._claims):
            self._derive(key)
        for edge in now.edges():
            self._join(edge.key, note=edge.note, derived=False)
            count += 1
        self.revision, self.store_id = now.revision, now.store_id
        return count

    def _take_nodes(self, keys: list[Any], now: Snapshot) -> None:
        affected = set(keys)
        for some in chunks(keys):
            present: dict[NodeKey, Node] = {}
            for kind, ids in by_kind(some):
                present |= {(kind, i): node for i, node in now.get_many(kind, ids).items()}
            for key in some:
                affected |= self._dependents(key)
                self._describe(key, present.get(key))
                affected |= self._dependents(key)
        for key in sorted(affected):
            self._derive(key)

    def _take_edges(self, keys: list[Any], now: Snapshot) -> None:
        for some in chunks(keys):
            present = now.edges_by_key(some)
            for key in some:
                if key in present:
                    self._join(key, note=present[key].note, derived=False)
                    continue
                self._part(key)
                if any(key in self._implied.get(end, ()) for end in (key[:2], key[3:])):
                    self._join(key, note="", derived=True)

    def _dependents(self, key: NodeKey) -> set[NodeKey]:
        """The records that wait for a name this record answers to."""
        return {other for name in self._known_as.get(key, ()) for other in self._waiting.get(name, ())}

    def _describe(self, key: NodeKey, node: Node | None) -> None:
        """Replace what is known of a record, or forget it; the edges it implies are left for later."""
        for claim in self._claims.pop(key, ()):
            for name in claim.wanted:
                _forget(self._waiting, name, key)
        for name in self._known_as.pop(key, ()):
            _forget(self._answering, name, key)
        if node is None:
            if key in self.graph:
                self.graph.remove_node(key)
                self._sparse = None
            return
        self.graph.add_node(key, title=node.title, field=node.field, district=node.district)
        if isinstance(node, Achievement):
            self.graph.nodes[key]["inventors"] = node.inventors
        self._known_as[key] = _names(node)
        for name in self._known_as[key]:
            self._answering.setdefault(name, set()).add(key)
        self._claims[key] = _claims(node)
        for claim in self._claims[key]:
            for name in claim.wanted:
                self._waiting.setdefault(name, set()).add(key)

    def _derive(self, key: NodeKey) -> None:
        """Make the edges that a record implies what they should be now."""
        before, after = self._implied.pop(key, set()), self._implications(key)
        for edge in before - after:
            if not self._is_stored(edge):
                self._part(edge)
            self._drop_empty_field(edge[3:])
        for edge in after:
            if not self._is_stored(edge):
                self._join(edge, note="", derived=True)
        if after:
            self._implied[key] = after

    def _implications(self, key: NodeKey) -> set[EdgeKey]:
        found: set[EdgeKey] = set()
        for claim in self._claims.get(key, ()):
            for other in self._meant(claim):
                source, target = (other, key) if claim.inward else (key, other)
                found.add((*source, claim.relation, *target))
        return found

    def _meant(self, claim: _Claim) -> set[NodeKey]:
        """The records that a claim means: by its surest name that anyone answers to."""
        if claim.relation == IN_FIELD:
            name = claim.wanted[0].partition(":")[2]
            self.graph.add_node((FIELD, name), title=name, field=(), district=None)
            return {(FIELD, name)}
        coded = claim.wanted[0].startswith("code:")
        for name in claim.wanted:
            # One who answers to the name but has another code is somebody else.
            if found := {
                other
                for other in self._answering.get(name, ())
                if not (coded and name.startswith("name:") and self._has_code(other))
            }:
                return found
        return set()

    def _has_code(self, key: NodeKey) -> bool:
        return any(name.startswith("code:") for name in self._known_as[key])

    def _is_stored(self, edge: EdgeKey) -> bool:
        about = self.graph.get_edge_data(edge[:2], edge[3:], edge[2])
        return about is not None and not about["derived"]

    def _join(self, edge: EdgeKey, *, note: str, derived: bool) -> None:
        self.graph.add_edge(edge[:2], edge[3:], edge[2], note=note, derived=derived)
        self._outdate(edge)

    def _part(self, edge: EdgeKey) -> None:
        if self.graph.has_edge(edge[:2], edge[3:], edge[2]):
            self.graph.remove_edge(edge[:2], edge[3:], edge[2])
            self._outdate(edge)

    def _outdate(self, edge: EdgeKey) -> None:
        if edge[2] != IN_FIELD:
            self._sparse = None

    def _drop_empty_field(self, key: NodeKey) -> None:
        if key[0] == FIELD and key in self.graph and not self.graph.pred[key]:
            self.graph.remove_node(key)


def _names(node: Node) -> tuple[str, ...]:
    """What other records may call this one by."""
    if isinstance(node, Enterprise | Institution):
        code = (f"code:{node.uscc}",) if node.uscc else ()
        return (*code, f"name:{_plain(node.title)}")
    return (f"id:{node.kind}:{node.id}",) if isinstance(node, Scene | Achievement) else ()


def _claims(node: Node) -> tuple[_Claim, ...]:
    """What a record's columns say of its relation to others."""
    claims = [_Claim(relation=IN_FIELD, inward=False, wanted=(f"field:{name}",)) for name in node.field]
    if isinstance(node, Scene | Achievement):
        code = (f"code:{node.owner_uscc}",) if node.owner_uscc else ()
        name = (f"name:{_plain(node.owner)}",) if node.owner else ()
        if wanted := code + name:
            relation = "posts" if isinstance(node, Scene) else "owns"
            claims.append(_Claim(relation=relation, inward=True, wanted=wanted))
    if isinstance(node, Case):
        for column, kind, relation in (
            ("scene_id", "scene", "tried_in"),
            ("achievement_id", "achievement", "adopts"),
        ):
            if id := getattr(node, column):
                claims.append(_Claim(relation=relation, inward=False, wanted=(f"id:{kind}:{id}",)))
    return tuple(claims)


def _plain(name: str) -> str:
    """A name as compared: full-width and half-width forms, case and spaces make no difference."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _forget(index: dict[str, set[NodeKey]], name: str, key: NodeKey) -> None:
    index[name].discard(key)
    if not index[name]:
        del index[name]


def _adjacency(graph: Any) -> tuple[list[NodeKey], dict[NodeKey, int], Any]:
    from scipy.sparse import csr_array

    joined = [(a, b) for a, b in graph.edges() if a != b and FIELD not in (a[0], b[0])]
    keys = sorted({key for ends in joined for key in ends})
    position = {key: i for i, key in enumerate(keys)}
    ends = np.array([(position[a], position[b]) for a, b in joined], dtype=np.int64).reshape(-1, 2)
    rows, cols = np.concatenate([ends, ends[:, ::-1]]).T
    matrix = csr_array((np.ones(len(rows)), (rows, cols)), shape=(len(keys), len(keys)))
    # Several relations between the same two nodes were summed: joined is joined.
    matrix.data[:] = 1.0
    return keys, position, matrix
