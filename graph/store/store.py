"""The store as everything else sees it: open it, read it, change it in batches."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from graph.feedback import FeedbackKey, Judgement, Outcome
from graph.kinds import Node
from graph.problems import Problem
from graph.processes import Process
from graph.relations import Edge
from graph.store import applying, history, replaying, schema, undoing
from graph.store.accounts import Accounts
from graph.store.batch import gather, refuse_stale
from graph.store.changes import Applied, Change, EdgeKey, Touched
from graph.store.engine import Database, connect, refusing
from graph.store.history import Entry, Head, Revision
from graph.store.jobs import Jobs
from graph.store.moments import moment_text
from graph.store.outbox import Outbox
from graph.store.receipts import Receipts
from graph.store.settings import set_setting, setting
from graph.store.snapshot import Snapshot
from graph.values import clean_cell

P = TypeVar("P", bound=Process)

# The setting with what answers and webhooks are signed with.
_SIGNED_WITH = "signing_secret"


class Store:
    """One database of records and their history; threads and programs may share it.

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

    def apply(
        self, changes: Iterable[Change], *, actor: str, at: datetime, reason: str, since: int | None = None
    ) -> Applied:
        """Make all the changes or none, as one revision with one history row per changed record.

        A later change of a record in the batch overrides an earlier one. Unchanged records write
        nothing, and a batch without effect makes no revision. Removing a node removes its edges and
        keeps what people said of it. Raises ``Refused``: ``relation_dangling`` when an edge would end up
        without one of its nodes, ``feedback_dangling`` when feedback is put on a scene or achievement that
        is not there after the batch, ``plan_stale`` when a record that the changes name was changed after
        ``since`` (the revision they were worked out from; None: does not matter); ``ValueError`` for a time
        without zone or an empty actor.
        """
        written = _written(actor, at, reason)
        # The changes are drawn before the lock is taken: reading a sheet keeps no other writer waiting.
        batch = gather(changes)
        with refusing(self.place), self._database.writing() as connection:
            if since is not None:
                refuse_stale(connection, batch, since)
            return applying.write(connection, batch, **written)

    def undo(self, revision: int, *, actor: str, at: datetime, reason: str) -> Applied:
        """Put every record that the revision touched back to what it was before, as one new revision.

        The history keeps both. Undoing the new revision brings the undone one back. Raises ``Refused``:
        ``undo_unknown`` for a revision that does not exist, ``undo_conflict`` naming records that are no
        longer as the revision left them, or relations made or nodes removed since that stand in the way,
        ``undo_refused`` for a revision that changed a key (a revoked one must not come back);
        ``ValueError`` like ``apply``. Judgements and outcomes never stand in the way.
        """
        written = _written(actor, at, reason)
        with refusing(self.place), self._database.writing() as connection:
            batch = undoing.batch_before(connection, revision)
            return applying.write(connection, batch, **written)

    @cached_property
    def receipts(self) -> Receipts:
        """The answers given once per Idempotency-Key; not in the history."""
        return Receipts(self._database)

    @cached_property
    def accounts(self) -> Accounts:
        """How people sign in at the workbench; not in the history."""
        return Accounts(self._database)

    @cached_property
    def jobs(self) -> Jobs:
        """Long work and how far it is; not in the history."""
        return Jobs(self._database)

    @cached_property
    def outbox(self) -> Outbox:
        """What the history gives webhooks to be sent; not in the history."""
        return Outbox(self._database)

    def secret(self) -> str:
        """64 hexadecimal digits to sign with: made once, the same for every program that opens the store."""
        with refusing(self.place), self._database.reading() as connection:
            found = setting(connection, _SIGNED_WITH)
        if found is None:
            with refusing(self.place), self._database.writing() as connection:
                # Another program may have made it between the two looks.
                found = setting(connection, _SIGNED_WITH)
                if found is None:
                    found = secrets.token_hex(32)
                    set_setting(connection, _SIGNED_WITH, found)
        return found

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

    def page(self, kind: str, *, after: str, limit: int) -> list[Node]:
        """The ``limit`` next nodes of a kind by id, behind the id ``after``."""
        with self.snapshot() as now:
            return now.page(kind, after=after, limit=limit)

    def search(self, text: str, *, kind: str | None = None, limit: int = 50) -> list[Node]:
        """Nodes in which every word of ``text`` stands; see ``Snapshot.search``."""
        with self.snapshot() as now:
            return now.search(text, kind=kind, limit=limit)

    def last_written(self, kind: str, ids: Iterable[str]) -> dict[str, str]:
        """When those of the nodes that exist were last written, by id (UTC, ISO 8601)."""
        with self.snapshot() as now:
            return now.last_written(kind, ids)

    def entries_before(
        self, seq: int, limit: int, *, text: str = "", revision: int | None = None
    ) -> list[Entry]:
        """The ``limit`` last changes before a row of the history, newest first; see ``Snapshot.entries_before``."""
        with self.snapshot() as now:
            return now.entries_before(seq, limit, text=text, revision=revision)

    def edges(self, relation: str | None = None) -> Iterator[Edge]:
        """All edges, or those of a relation, ordered by key; read from the database as they are used."""
        with self.snapshot() as now:
            yield from now.edges(relation)

    def edges_of(self, kind: str, id: str) -> list[Edge]:
        """The edges that start or end at the node, ordered by key."""
        with self.snapshot() as now:
            return now.edges_of(kind, id)

    def judgements(self, scene: str | None = None) -> list[Judgement]:
        """All judgements, or those of a scene, ordered by key, also of nodes that are gone."""
        with self.snapshot() as now:
            return now.judgements(scene)

    def outcomes(self, scene: str | None = None) -> list[Outcome]:
        """All outcomes, or those of a scene, ordered by key (stages by name), also of nodes that are gone."""
        with self.snapshot() as now:
            return now.outcomes(scene)

    def process(self, kind: type[P], id: str) -> P | None:
        """The process of the kind, or None."""
        with self.snapshot() as now:
            return now.process(kind, id)

    def processes(
        self,
        kind: type[P],
        partner: str | None = None,
        state: str | None = None,
        after: str = "",
        limit: int | None = None,
    ) -> Iterator[P]:
        """The processes of the kind, ordered by id; see ``Snapshot.processes``."""
        with self.snapshot() as now:
            yield from now.processes(kind, partner, state, after, limit)

    def late(self, kind: type[P], at: datetime) -> list[P]:
        """The processes of the kind that were due before ``at``, ordered by due and id."""
        with self.snapshot() as now:
            return now.late(kind, at)

    def counts(self) -> dict[str, int]:
        """How many nodes of every kind, ``edge``, ``judgement``, ``outcome`` and ``process`` (0 included)."""
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

    def history_of_feedback(self, key: FeedbackKey) -> list[Entry]:
        """The changes of a judgement or outcome, oldest first, also of one that was removed."""
        with self.snapshot() as now:
            return now.history_of_feedback(key)

    def history_of_process(self, kind: str, id: str) -> list[Entry]:
        """The changes of a process, oldest first, also of one that was removed."""
        with self.snapshot() as now:
            return now.history_of_process(kind, id)

    def feedback_kinds(self, revision: int, action: str) -> dict[str, int]:
        """How many judgements and outcomes a revision changed by an action; kinds without any are left out."""
        with self.snapshot() as now:
            return now.feedback_kinds(revision, action)

    def revisions(self, limit: int = 20, before: int | None = None) -> list[Revision]:
        """The last ``limit`` batches that changed something (before one, if given), newest first."""
        with self.snapshot() as now:
            return now.revisions(limit, before)

    def records_at(self, revision: int) -> Iterator[Change]:
        """Every record that there was after an earlier revision, as the changes that make them in an empty store.

        Feedback of a node that was gone by then cannot be applied without it. Raises ``Refused``
        (``revision_unknown``).
        """
        with refusing(self.place), self._database.reading() as connection:
            yield from replaying.records_at(connection, revision)

    def verify_history(self) -> list[Problem]:
        """What does not hold: rows and links of the hash chain, and records that differ from it."""
        with refusing(self.place), self._database.reading() as connection:
            return list(history.verify(connection))


def _written(actor: str, at: datetime, reason: str) -> dict[str, str]:
    who = clean_cell(actor)
    if not who:
        raise ValueError("a change needs an actor")
    return {"actor": who, "at": moment_text(at), "reason": clean_cell(reason)}


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
