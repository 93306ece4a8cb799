"""The store as everything else sees it: open it, read it, change it in batches."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from graph.kinds import Node
from graph.problems import Problem
from graph.relations import Edge
from graph.store import applying, history, schema
from graph.store.changes import Applied, Change, EdgeKey, Touched
from graph.store.engine import Database, connect, refusing
from graph.store.history import Entry, Head
from graph.store.snapshot import Snapshot
from graph.values import clean_cell


class Store:
    """One database of nodes, edges and their history; threads and processes may share it.

    Each read sees one moment; ``snapshot`` gives several reads of the same moment. Writers take turns
    and readers never wait for them. Every method raises ``Refused`` when the database fails.
    """

    def __init__(self, database: Database, store_id: str) -> None:
        self._database = database
        self.store_id = store_id
        self.place = database.place

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; a store used again connects again."""
        self._database.engine.dispose()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Several reads of one moment; close it soon, it keeps the database from tidying up."""
        with refusing(self.place), self._database.reading() as connection:
            yield Snapshot(connection, self.store_id)

    def apply(self, changes: Iterable[Change], *, actor: str, at: datetime, reason: str) -> Applied:
        """Make all the changes or none, as one revision with one history row per changed record.

        A later change of a record in the batch overrides an earlier one. Unchanged records write
        nothing, and a batch without effect makes no revision. Removing a node removes its edges.
        Raises ``Refused`` (``relation_dangling``) when an edge would end up without one of its nodes;
        ``ValueError`` for a time without zone or an empty actor.
        """
        if at.tzinfo is None:
            raise ValueError("the time of a change needs a time zone")
        who, why = clean_cell(actor), clean_cell(reason)
        if not who:
            raise ValueError("a change needs an actor")
        moment = at.astimezone(UTC).isoformat(timespec="microseconds")
        # The changes are drawn before the lock is taken: reading a sheet keeps no other writer waiting.
        batch = applying.gather(changes)
        with refusing(self.place), self._database.writing() as connection:
            return applying.write(connection, batch, actor=who, at=moment, reason=why)

    def revision(self) -> int:
        """The number of the last batch that changed anything; 0 for a new store."""
        return self.head().revision

    def head(self) -> Head:
        """The end of the history, with its hash."""
        with self.snapshot() as now:
            return now.head

    def get(self, kind: str, id: str) -> Node | None:
        """The node, or None."""
        with self.snapshot() as now:
            return now.get(kind, id)

    def get_many(self, kind: str, ids: Iterable[str]) -> dict[str, Node]:
        """Those of the nodes that exist, by id, in the order asked for."""
        with self.snapshot() as now:
            return now.get_many(kind, ids)

    def nodes(self, kind: str | None = None) -> Iterator[Node]:
        """All nodes, or those of a kind, ordered by kind and id; read from the database as they are used."""
        with self.snapshot() as now:
            yield from now.nodes(kind)

    def edges(self, relation: str | None = None) -> Iterator[Edge]:
        """All edges, or those of a relation, ordered by key; read from the database as they are used."""
        with self.snapshot() as now:
            yield from now.edges(relation)

    def edges_of(self, kind: str, id: str) -> list[Edge]:
        """The edges that start or end at the node, ordered by key."""
        with self.snapshot() as now:
            return now.edges_of(kind, id)

    def counts(self) -> dict[str, int]:
        """How many nodes of every kind (0 included), and under ``edge`` how many edges."""
        with self.snapshot() as now:
            return now.counts()

    def changes_since(self, revision: int) -> list[Touched]:
        """The latest change of every record changed after the revision, in the order they were made."""
        with self.snapshot() as now:
            return now.changes_since(revision)

    def history_of(self, kind: str, id: str) -> list[Entry]:
        """The changes of a node, oldest first, also of one that was removed."""
        with self.snapshot() as now:
            return now.history_of(kind, id)

    def history_of_edge(self, key: EdgeKey) -> list[Entry]:
        """The changes of an edge, oldest first, also of one that was removed."""
        with self.snapshot() as now:
            return now.history_of_edge(key)

    def verify_history(self) -> list[Problem]:
        """What does not hold: rows and links of the hash chain, and records that differ from it."""
        with refusing(self.place), self._database.reading() as connection:
            return list(history.verify(connection))


def open_store(where: str | Path, *, create: bool = True, lock_timeout: float = 5.0) -> Store:
    """The store in an SQLite file (a path) or a PostgreSQL database (``postgresql://…``).

    An older store is brought up to this version in one transaction. With ``create`` a missing or empty
    database becomes a store. ``lock_timeout`` is how many seconds a writer waits for another. Raises
    ``Refused`` (codes in graph/store/engine.py, and ``store_newer``, ``store_foreign``, ``store_address``,
    ``store_driver``), having changed nothing.
    """
    database = connect(where, create=create, lock_timeout=lock_timeout)
    try:
        with refusing(database.place):
            schema.prepare(database, create=create)
            with database.reading() as connection:
                return Store(database, schema.store_id(connection))
    except BaseException:
        database.engine.dispose()
        raise
