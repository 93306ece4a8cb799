"""The store as an audience may see it: what is hidden from it is as if it were not there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, or_, select

from graph.feedback import FeedbackKey, Judgement, Outcome
from graph.kinds import Case, Node
from graph.problems import Problem
from graph.processes import Process
from graph.relations import Edge
from graph.store.changes import Applied, Change, EdgeKey, NodeKey, Touched
from graph.store.engine import refusing
from graph.store.history import Entry, Revision
from graph.store.records import canonical, node_from
from graph.store.snapshot import CHUNK, P, Snapshot, at_sources, at_targets, by_kind, chunks
from graph.store.store import Store
from graph.store.tables import NODES
from graph.values import Visibility, clean_cell
from graph.visibility import levels_seen, may_see, seen_by

# What a case's columns point to.
_REFERENCES: Mapping[str, str] = {"scene_id": "scene", "achievement_id": "achievement"}
# Looked up one by one in the texts of cases; where more has changed, all cases are looked at instead.
_FEW = 50


class AudienceStore(Store):
    """A store, read only, in which hidden records, columns, relations and feedback do not exist.

    What is built from it (index, graph, scores) can tell nothing of what is hidden, because it never had it.
    Follows the store's revisions; a record that comes into sight or goes out of it counts as touched, and so do
    its relations and the cases that refer to it.

    ``own`` is the code of a partner: records whose id begins with it and a colon are its own, and it sees them
    whole. Staff see everything.
    """

    def __init__(self, store: Store, audience: Visibility, *, own: str = "") -> None:
        super().__init__(store._database, f"{store.store_id}-{audience}")
        self.audience, self.own = audience, own

    def close(self) -> None:
        """Nothing: the database is the other store's to close."""

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Several reads of one moment, all of them of what the audience may see."""
        with refusing(self.place), self._database.reading() as connection:
            yield AudienceSnapshot(connection, self.store_id, self.audience, self.own)

    def as_seen(self, node: Node) -> Node | None:
        """A node, as it is or as it once was, as the audience would see it now; None if not at all."""
        with self.snapshot() as now:
            assert isinstance(now, AudienceSnapshot)  # noqa: S101  (see ``page``)
            return now.as_seen(node)

    def apply(
        self, changes: Iterable[Change], *, actor: str, at: datetime, reason: str, since: int | None = None
    ) -> Applied:
        """Not here: raises ``TypeError``."""
        raise TypeError("an audience's store is read only")

    def undo(self, revision: int, *, actor: str, at: datetime, reason: str) -> Applied:
        """Not here: raises ``TypeError``."""
        raise TypeError("an audience's store is read only")

    def records_at(self, revision: int) -> Iterator[Change]:
        """Not here: raises ``TypeError``; an earlier moment holds what was hidden then."""
        raise TypeError("an audience's store knows the present only")

    def verify_history(self) -> list[Problem]:
        """Not here: raises ``TypeError``; what does not hold is told by the names of records."""
        raise _hidden_history()


class AudienceSnapshot(Snapshot):
    """One moment of a store as an audience may see it. Every read of ``Snapshot`` is narrowed or refused here."""

    def __init__(self, connection: Connection, store_id: str, audience: Visibility, own: str = "") -> None:
        super().__init__(connection, store_id)
        self._audience, self._own = audience, f"{own}:" if own else ""
        self._seen: ColumnElement[bool] = NODES.c.visibility.in_(levels_seen(audience))
        if own:
            # Everything that begins with "own:" comes before "own;", the next character. PostgreSQL knows no BETWEEN
            # with the collation of a key.
            self._seen |= (NODES.c.id >= f"{own}:") & (NODES.c.id < f"{own};")

    def get_many(self, kind: str, ids: Iterable[str]) -> dict[str, Node]:
        """Those of the nodes that exist for the audience, without their hidden columns."""
        wanted = [i for i in dict.fromkeys(ids) if clean_cell(i) == i]
        found: list[Node] = []
        for some in chunks(wanted):
            query = select(NODES.c.attributes).where(NODES.c.kind == kind, NODES.c.id.in_(some), self._seen)
            found += [node_from(kind, row.attributes) for row in self._connection.execute(query)]
        by_id = {node.id: node for node in self._projected(found)}
        return {i: by_id[i] for i in wanted if i in by_id}

    def nodes(self, kind: str | None = None) -> Iterator[Node]:
        """All nodes that exist for the audience, or those of a kind, ordered by kind and id."""
        query = select(NODES.c.kind, NODES.c.attributes).where(self._seen).order_by(NODES.c.kind, NODES.c.id)
        if kind is not None:
            query = query.where(NODES.c.kind == kind)
        rows = self._connection.execute(query.execution_options(yield_per=CHUNK))
        for some in chunks(rows):
            yield from self._projected([node_from(row.kind, row.attributes) for row in some])

    def page(self, kind: str, *, after: str, limit: int) -> list[Node]:
        """The ``limit`` next nodes of a kind that exist for the audience, by id, behind the id ``after``."""
        query = select(NODES.c.attributes).where(NODES.c.kind == kind, NODES.c.id > after, self._seen)
        rows = self._connection.execute(query.order_by(NODES.c.id).limit(limit))
        return self._projected([node_from(kind, row.attributes) for row in rows])

    def search(self, text: str, *, kind: str | None = None, limit: int = 50) -> list[Node]:
        """For staff as in any store; to others the texts of records are never matched against what they may not see."""
        if self._audience == "staff":
            return super().search(text, kind=kind, limit=limit)
        words = [word.casefold() for word in clean_cell(text).split()]
        found = (
            node
            for node in (self.nodes(kind) if words else ())
            if all(
                word in f"{node.id} {canonical(node.model_dump(mode='json'))}".casefold() for word in words
            )
        )
        return list(islice(found, max(0, limit)))

    def last_written(self, kind: str, ids: Iterable[str]) -> dict[str, str]:
        """For staff only: a change of what is hidden is a change too."""
        return super().last_written(kind, ids) if self._audience == "staff" else {}

    def as_seen(self, node: Node) -> Node | None:
        """See ``AudienceStore.as_seen``."""
        if not (may_see(self._audience, node.visibility) or self._is_own(node.id)):
            return None
        return self._projected([node])[0]

    def edges(self, relation: str | None = None) -> Iterator[Edge]:
        """The edges both ends of which exist for the audience; notes are staff's."""
        for some in chunks(super().edges(relation)):
            yield from self._between_seen(some)

    def edges_of(self, kind: str, id: str) -> list[Edge]:
        """Those of the node's edges both ends of which exist for the audience."""
        return self._between_seen(super().edges_of(kind, id))

    def edges_by_key(self, keys: Iterable[EdgeKey]) -> dict[EdgeKey, Edge]:
        """Those of the edges both ends of which exist for the audience, in the order asked for."""
        return {edge.key: edge for edge in self._between_seen(list(super().edges_by_key(keys).values()))}

    def judgements(self, scene: str | None = None) -> list[Judgement]:
        """The partner's own: those whose judge is named with its code; for staff all."""
        return [one for one in super().judgements(scene) if self._is_said_by_us(one.judge)]

    def outcomes(self, scene: str | None = None) -> list[Outcome]:
        """The partner's own: those recorded by a person named with its code; for staff all."""
        return [one for one in super().outcomes(scene) if self._is_said_by_us(one.by)]

    def scenes_spoken_of(self, kind: str) -> set[str]:
        """The ids of scenes with a judgement or an outcome (``kind``) of the partner's own."""
        return {one.scene for one in (self.judgements() if kind == "judgement" else self.outcomes())}

    def counts(self) -> dict[str, int]:
        """How many nodes of every kind and edges the audience may see; of everything else 0."""
        found = dict.fromkeys(super().counts(), 0)
        for node in self.nodes():
            found[node.kind] += 1
        found["edge"] = sum(1 for _ in self.edges())
        return found

    def process(self, kind: type[P], id: str) -> P | None:
        """The process of the kind, if it is the partner's own or staff ask."""
        found = super().process(kind, id)
        return found if found is not None and self._is_ours(found) else None

    def processes(
        self,
        kind: type[P],
        partner: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> Iterator[P]:
        """The partner's own processes of the kind; for staff as of the whole store."""
        if self._audience != "staff":
            if not self._own or partner not in (None, self._own[:-1]):
                return
            partner = self._own[:-1]
        yield from super().processes(kind, partner, state, after, limit)

    def late(self, kind: type[P], at: datetime) -> list[P]:
        """The partner's own processes that are late; for staff all of them."""
        return [one for one in super().late(kind, at) if self._is_ours(one)]

    def changes_since(self, revision: int) -> list[Touched]:
        """As of the whole store, and the relations and cases whose sight hangs on a node that changed.

        Keys of hidden records are among them, for whoever follows the store; they are not for people.
        """
        changes = super().changes_since(revision)
        nodes = [(c.key[0], c.key[1]) for c in changes if len(c.key) == 2]
        known = {change.key for change in changes}
        also: dict[EdgeKey | NodeKey, None] = {}
        for query in (*at_sources(nodes), *at_targets(nodes)):
            for source_kind, source, relation, target_kind, target, *_ in self._connection.execute(query):
                also[source_kind, source, relation, target_kind, target] = None
        also |= dict.fromkeys(self._cases_of(nodes))
        return changes + [
            Touched(key=key, revision=self.revision, removed=False) for key in also if key not in known
        ]

    def history_of(self, kind: str, id: str) -> list[Entry]:
        """Not here: raises ``TypeError``, as do all other reads of the history."""
        raise _hidden_history()

    def history_of_edge(self, key: EdgeKey) -> list[Entry]:
        """Not here."""
        raise _hidden_history()

    def history_of_feedback(self, key: FeedbackKey) -> list[Entry]:
        """Not here."""
        raise _hidden_history()

    def history_of_process(self, kind: str, id: str) -> list[Entry]:
        """Not here."""
        raise _hidden_history()

    def feedback_kinds(self, revision: int, action: str) -> dict[str, int]:
        """Not here."""
        raise _hidden_history()

    def revisions(self, limit: int = 20, before: int | None = None) -> list[Revision]:
        """Not here."""
        raise _hidden_history()

    def entries_before(
        self, seq: int, limit: int, *, text: str = "", revision: int | None = None
    ) -> list[Entry]:
        """Not here."""
        raise _hidden_history()

    def _projected(self, nodes: Sequence[Node]) -> list[Node]:
        """The nodes without hidden columns, cases without the ids of hidden scenes and achievements."""
        if self._audience == "staff":
            return list(nodes)
        seen = [node if self._is_own(node.id) else seen_by(self._audience, node) for node in nodes]
        wanted = {
            (kind, getattr(node, column))
            for node in seen
            if isinstance(node, Case) and not self._is_own(node.id)
            for column, kind in _REFERENCES.items()
        }
        if not wanted:
            return seen
        known = self._known(wanted)
        return [
            node.model_copy(
                update={
                    column: ""
                    for column, kind in _REFERENCES.items()
                    if (kind, getattr(node, column)) not in known
                }
            )
            if isinstance(node, Case) and not self._is_own(node.id)
            else node
            for node in seen
        ]

    def _is_said_by_us(self, name: str) -> bool:
        return self._audience == "staff" or self._is_own(name)

    def _is_ours(self, process: Process) -> bool:
        return self._audience == "staff" or (bool(self._own) and process.partner == self._own[:-1])

    def _is_own(self, id: str) -> bool:
        return bool(self._own) and id.startswith(self._own)

    def _between_seen(self, edges: Sequence[Edge]) -> list[Edge]:
        known = self._known({end for edge in edges for end in (edge.key[:2], edge.key[3:])})
        return [
            edge if self._audience == "staff" else edge.model_copy(update={"note": ""})
            for edge in edges
            if edge.key[:2] in known and edge.key[3:] in known
        ]

    def _known(self, keys: Iterable[NodeKey]) -> set[NodeKey]:
        """Those of the nodes that exist for the audience."""
        found: set[NodeKey] = set()
        for kind, ids in by_kind({key for key in keys if clean_cell(key[1]) == key[1]}):
            query = select(NODES.c.id).where(NODES.c.kind == kind, NODES.c.id.in_(ids), self._seen)
            found |= {(kind, row.id) for row in self._connection.execute(query)}
        return found

    def _cases_of(self, nodes: Sequence[NodeKey]) -> list[NodeKey]:
        """The cases that refer to any of the nodes."""
        columns = {kind: column for column, kind in _REFERENCES.items()}
        ends = [(columns[kind], id) for kind, id in nodes if kind in columns]
        if not ends:
            return []
        query = select(NODES.c.id).where(NODES.c.kind == Case.kind)
        if len(ends) <= _FEW:
            # Texts are canonical JSON: a column with its value stands there in just one way.
            told: list[Any] = [
                NODES.c.attributes.contains(canonical({column: id})[1:-1], autoescape=True)
                for column, id in ends
            ]
            query = query.where(or_(*told))
        return [(Case.kind, row.id) for row in self._connection.execute(query.order_by(NODES.c.id))]


def _hidden_history() -> TypeError:
    return TypeError("the history holds what is hidden: ask the whole store, and show what may be seen")
