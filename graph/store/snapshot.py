"""Reading the store as it was at one moment."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, func, or_, select, tuple_

from graph.feedback import Feedback, FeedbackKey, FeedbackKind, Judgement, Outcome
from graph.kinds import KINDS, Node
from graph.processes import Process, ProcessKey
from graph.relations import Edge
from graph.store.changes import EdgeKey, NodeKey, Touched
from graph.store.history import (
    Entry,
    Head,
    Revision,
    entries_before,
    entries_of,
    feedback_kinds,
    head,
    last_revisions,
    touched_since,
)
from graph.store.moments import moment_text
from graph.store.records import edge_from, feedback_from, key_from, node_from, process_from
from graph.store.tables import EDGES, FEEDBACK, HISTORY, NODES, PROCESSES
from graph.values import clean_cell

# Keys per look-up: below every database's limit of bound values, and few enough to plan quickly.
CHUNK = 500
# Words of a search that are looked at.
_WORDS = 8

Item = TypeVar("Item")
P = TypeVar("P", bound=Process)


def chunks(items: Iterable[Item], size: int = CHUNK) -> Iterator[list[Item]]:
    """The items in lists of at most ``size``."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


class Snapshot:
    """All reads of the store; those of one snapshot see one and the same revision."""

    def __init__(self, connection: Connection, store_id: str) -> None:
        # Reading the head first is what pins the moment: SQLite and PostgreSQL both take their snapshot
        # at a transaction's first read.
        self._connection = connection
        self.store_id = store_id
        self.head: Head = head(connection)
        self.revision: int = self.head.revision

    def get(self, kind: str, id: str) -> Node | None:
        """The node, or None."""
        return self.get_many(kind, [id]).get(id)

    def get_many(self, kind: str, ids: Iterable[str]) -> dict[str, Node]:
        """Those of the nodes that exist, by id, in the order asked for."""
        # An id that its own rule would have cleaned is in no store; drivers choke on some of them.
        wanted = [i for i in dict.fromkeys(ids) if clean_cell(i) == i]
        found: dict[str, Node] = {}
        for some in chunks(wanted):
            query = select(NODES.c.id, NODES.c.attributes).where(NODES.c.kind == kind, NODES.c.id.in_(some))
            for row in self._connection.execute(query):
                found[row.id] = node_from(kind, row.attributes)
        return {i: found[i] for i in wanted if i in found}

    def nodes(self, kind: str | None = None) -> Iterator[Node]:
        """All nodes, or those of a kind, ordered by kind and id; read from the database as they are used."""
        query = select(NODES.c.kind, NODES.c.attributes).order_by(NODES.c.kind, NODES.c.id)
        if kind is not None:
            query = query.where(NODES.c.kind == kind)
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield node_from(row.kind, row.attributes)

    def page(self, kind: str, *, after: str, limit: int) -> list[Node]:
        """The ``limit`` next nodes of a kind by id, behind the id ``after``."""
        query = select(NODES.c.attributes).where(NODES.c.kind == kind, NODES.c.id > clean_cell(after))
        rows = self._connection.execute(query.order_by(NODES.c.id).limit(max(0, limit)))
        return [node_from(kind, row.attributes) for row in rows]

    def search(self, text: str, *, kind: str | None = None, limit: int = 50) -> list[Node]:
        """Nodes in which every word of ``text`` stands, those that have all in id or title first, then by kind and id.

        Letters of ASCII count without their case. Cost: one pass over the titles, and where these are not enough one
        over all texts.
        """
        words = clean_cell(text).split()[:_WORDS]
        named = [or_(*(c.icontains(w, autoescape=True) for c in (NODES.c.id, NODES.c.title))) for w in words]
        anywhere = [NODES.c.attributes.icontains(w, autoescape=True) for w in words]
        found: dict[NodeKey, Node] = {}
        for wanted in (named, anywhere) if words else ():
            query = select(NODES.c.kind, NODES.c.id, NODES.c.attributes).where(*wanted)
            if kind is not None:
                query = query.where(NODES.c.kind == kind)
            query = query.order_by(NODES.c.kind, NODES.c.id).limit(max(0, limit))
            for row in self._connection.execute(query):
                if len(found) < limit:
                    found.setdefault((row.kind, row.id), node_from(row.kind, row.attributes))
            if len(found) >= limit:
                break
        return list(found.values())

    def last_written(self, kind: str, ids: Iterable[str]) -> dict[str, str]:
        """When those of the nodes that exist were last written, by id (UTC, ISO 8601)."""
        found: dict[str, str] = {}
        for some in chunks(i for i in dict.fromkeys(ids) if clean_cell(i) == i):
            query = select(NODES.c.id, NODES.c.revision).where(NODES.c.kind == kind, NODES.c.id.in_(some))
            revisions = {row.id: row.revision for row in self._connection.execute(query)}
            # All rows of a revision have its time, and an import as many as it has records: one is enough.
            at = {revision: self._time_of(revision) for revision in set(revisions.values())}
            found.update((id, at[revision]) for id, revision in revisions.items())
        return found

    def _time_of(self, revision: int) -> str:
        any_row = select(HISTORY.c.at).where(HISTORY.c.revision == revision).limit(1)
        return str(self._connection.execute(any_row).scalar_one())

    def edges(self, relation: str | None = None) -> Iterator[Edge]:
        """All edges, or those of a relation, ordered by key; read from the database as they are used."""
        query = select(EDGES).order_by(*EDGES.primary_key.columns)
        if relation is not None:
            query = query.where(EDGES.c.relation == relation)
        for row in self._connection.execute(query.execution_options(yield_per=CHUNK)):
            yield _edge(row)

    def edges_of(self, kind: str, id: str) -> list[Edge]:
        """The edges that start or end at the node, ordered by key."""
        if clean_cell(id) != id:
            return []
        at = or_(
            (EDGES.c.source_kind == kind) & (EDGES.c.source_id == id),
            (EDGES.c.target_kind == kind) & (EDGES.c.target_id == id),
        )
        query = select(EDGES).where(at).order_by(*EDGES.primary_key.columns)
        return [_edge(row) for row in self._connection.execute(query)]

    def edges_by_key(self, keys: Iterable[EdgeKey]) -> dict[EdgeKey, Edge]:
        """Those of the edges that exist, by key, in the order asked for."""
        wanted = list(dict.fromkeys(keys))
        notes = edge_notes(self._connection, wanted)
        return {key: edge_from(key, notes[key]) for key in wanted if key in notes}

    def judgements(self, scene: str | None = None) -> list[Judgement]:
        """All judgements, or those of a scene, ordered by key, also of nodes that are gone."""
        return [record for record in self._feedback("judgement", scene) if isinstance(record, Judgement)]

    def outcomes(self, scene: str | None = None) -> list[Outcome]:
        """All outcomes, or those of a scene, ordered by key (stages by name), also of nodes that are gone."""
        return [record for record in self._feedback("outcome", scene) if isinstance(record, Outcome)]

    def scenes_spoken_of(self, kind: str) -> set[str]:
        """The ids of scenes with a judgement or an outcome (``kind``), cheaply."""
        return set(
            self._connection.execute(
                select(FEEDBACK.c.scene).where(FEEDBACK.c.kind == kind).distinct()
            ).scalars()
        )

    def process(self, kind: type[P], id: str) -> P | None:
        """The process of the kind, or None."""
        if clean_cell(id) != id:
            return None
        query = select(PROCESSES.c.attributes).where(PROCESSES.c.kind == kind.kind, PROCESSES.c.id == id)
        text = self._connection.execute(query).scalar_one_or_none()
        return None if text is None else process_from(kind, text)

    def processes(
        self,
        kind: type[P],
        partner: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> Iterator[P]:
        """The processes of the kind, of a partner and in a state if given, ordered by id.

        At most ``limit`` of those whose id comes after ``after``; read from the database as they are used.
        """
        if any(value is not None and clean_cell(value) != value for value in (partner, state)):
            return
        query = select(PROCESSES.c.attributes).where(PROCESSES.c.kind == kind.kind)
        query = query.where(PROCESSES.c.id > clean_cell(after)).order_by(PROCESSES.c.id)
        if partner is not None:
            query = query.where(PROCESSES.c.partner == partner)
        if state is not None:
            query = query.where(PROCESSES.c.state == state)
        if limit is not None:
            query = query.limit(max(0, limit))
        # A reader may leave off early, and a row may not be readable: PostgreSQL's cursor is closed all the same.
        with self._connection.execute(query.execution_options(yield_per=CHUNK)) as rows:
            for row in rows:
                yield process_from(kind, row.attributes)

    def late(self, kind: type[P], at: datetime) -> list[P]:
        """The processes of the kind that were due before ``at``, ordered by due and id.

        Raises ``ValueError`` for a time without zone.
        """
        mine = (PROCESSES.c.kind == kind.kind, PROCESSES.c.due < moment_text(at))
        query = select(PROCESSES.c.attributes).where(*mine).order_by(PROCESSES.c.due, PROCESSES.c.id)
        return [process_from(kind, row.attributes) for row in self._connection.execute(query)]

    def counts(self) -> dict[str, int]:
        """How many nodes of every kind, ``edge``, ``judgement``, ``outcome`` and ``process`` (0 included)."""
        query = select(NODES.c.kind, func.count()).group_by(NODES.c.kind).order_by(NODES.c.kind)
        found: dict[str, int] = dict.fromkeys(KINDS, 0)
        found.update((kind, count) for kind, count in self._connection.execute(query))
        for name, table in (("edge", EDGES), ("process", PROCESSES)):
            found[name] = self._connection.execute(select(func.count()).select_from(table)).scalar_one()
        found.update({"judgement": 0, "outcome": 0})
        query = select(FEEDBACK.c.kind, func.count()).group_by(FEEDBACK.c.kind)
        found.update((kind, count) for kind, count in self._connection.execute(query))
        return found

    def changes_since(self, revision: int) -> list[Touched]:
        """The latest change of every record changed after the revision, in the order they were made."""
        return [
            Touched(key=key_from(subject), revision=at, removed=action.startswith("remove"))
            for subject, action, at in touched_since(self._connection, revision)
        ]

    def history_of(self, kind: str, id: str) -> list[Entry]:
        """The changes of a node, oldest first, also of one that was removed."""
        return entries_of(self._connection, (kind, id))

    def history_of_edge(self, key: EdgeKey) -> list[Entry]:
        """The changes of an edge, oldest first, also of one that was removed."""
        return entries_of(self._connection, key)

    def history_of_feedback(self, key: FeedbackKey) -> list[Entry]:
        """The changes of a judgement or outcome, oldest first, also of one that was removed."""
        return entries_of(self._connection, key)

    def history_of_process(self, kind: str, id: str) -> list[Entry]:
        """The changes of a process, oldest first, also of one that was removed."""
        return entries_of(self._connection, ("process", kind, id))

    def feedback_kinds(self, revision: int, action: str) -> dict[str, int]:
        """How many judgements and outcomes a revision changed by an action; kinds without any are left out."""
        return feedback_kinds(self._connection, revision, action)

    def entries_before(
        self, seq: int, limit: int, *, text: str = "", revision: int | None = None
    ) -> list[Entry]:
        """The ``limit`` last changes before a row of the history, newest first; see ``history.entries_before``."""
        return entries_before(self._connection, seq, limit, text, revision)

    def revisions(self, limit: int = 20, before: int | None = None) -> list[Revision]:
        """The last ``limit`` batches that changed something (before one, if given), newest first."""
        return last_revisions(self._connection, limit, before)

    def _feedback(self, kind: FeedbackKind, scene: str | None) -> Iterator[Feedback]:
        query = select(FEEDBACK.c.attributes).where(FEEDBACK.c.kind == kind)
        query = query.order_by(*FEEDBACK.primary_key.columns)
        if scene is not None:
            if clean_cell(scene) != scene:
                return
            query = query.where(FEEDBACK.c.scene == scene)
        for row in self._connection.execute(query):
            yield feedback_from(kind, row.attributes)


def edge_notes(connection: Connection, keys: Iterable[EdgeKey]) -> dict[EdgeKey, str]:
    """The notes of those of the edges that exist."""
    wanted = set(keys)
    found = {}
    for query in at_sources({(key[0], key[1]) for key in wanted}):
        for row in connection.execute(query):
            if (key := _key(row)) in wanted:
                found[key] = row.note
    return found


def feedback_texts(connection: Connection, keys: Iterable[FeedbackKey]) -> dict[FeedbackKey, str]:
    """The texts of those of the judgements and outcomes that exist."""
    columns = list(FEEDBACK.primary_key.columns)
    found: dict[FeedbackKey, str] = {}
    for some in chunks(keys):
        query = select(FEEDBACK).where(tuple_(*columns).in_(some))
        for kind, scene, achievement, mark, text, _ in connection.execute(query):
            found[kind, scene, achievement, mark] = text
    return found


def process_texts(connection: Connection, keys: Iterable[ProcessKey]) -> dict[ProcessKey, str]:
    """The texts of those of the processes that exist."""
    columns = (PROCESSES.c.kind, PROCESSES.c.id)
    found: dict[ProcessKey, str] = {}
    for some in chunks(keys):
        query = select(*columns, PROCESSES.c.attributes)
        for kind, id, text in connection.execute(query.where(tuple_(*columns).in_([k[1:] for k in some]))):
            found["process", kind, id] = text
    return found


def missing_nodes(
    connection: Connection, wanted: Iterable[NodeKey], batch: Mapping[NodeKey, object]
) -> set[NodeKey]:
    """Those of the nodes that will not be there after a batch, which has the last word on nodes (None: removed)."""
    wanted = set(wanted)
    missing = {key for key in wanted if key in batch and batch[key] is None}
    for kind, ids in by_kind(wanted - batch.keys()):
        query = select(NODES.c.id).where(NODES.c.kind == kind, NODES.c.id.in_(ids))
        missing |= {(kind, i) for i in ids} - {(kind, row.id) for row in connection.execute(query)}
    return missing


def at_sources(nodes: Iterable[NodeKey]) -> Iterator[Select[Any]]:
    """Queries that together give every edge that starts at one of the nodes."""
    for kind, ids in by_kind(nodes):
        yield select(EDGES).where(EDGES.c.source_kind == kind, EDGES.c.source_id.in_(ids))


def at_targets(nodes: Iterable[NodeKey]) -> Iterator[Select[Any]]:
    """Queries that together give every edge that ends at one of the nodes."""
    for kind, ids in by_kind(nodes):
        yield select(EDGES).where(EDGES.c.target_kind == kind, EDGES.c.target_id.in_(ids))


def by_kind(nodes: Iterable[NodeKey]) -> Iterator[tuple[str, list[str]]]:
    """The ids of each kind, in order, in lists of at most ``CHUNK``."""
    ids: dict[str, list[str]] = {}
    for kind, id in sorted(nodes):
        ids.setdefault(kind, []).append(id)
    for kind, several in ids.items():
        for some in chunks(several):
            yield kind, some


def _edge(row: Any) -> Edge:
    return edge_from(_key(row), row.note)


def _key(row: Any) -> EdgeKey:
    return (row.source_kind, row.source_id, row.relation, row.target_kind, row.target_id)
