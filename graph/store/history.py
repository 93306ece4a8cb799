"""The history: one row per changed record, each bound to the one before it by a hash."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, func, insert, or_, select

from graph.feedback import FEEDBACK as FEEDBACK_MODELS
from graph.problems import Problem
from graph.store.changes import RecordKey
from graph.store.records import canonical, digest, edge_text, key_from, key_text, process_copies
from graph.store.tables import EDGES, FEEDBACK, HISTORY, NODES, PROCESSES

Action = Literal[
    "put_node",
    "remove_node",
    "put_edge",
    "remove_edge",
    "put_feedback",
    "remove_feedback",
    "put_process",
    "remove_process",
]

# What the first row names as the hash before it.
GENESIS = "0" * 64

_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change of one record: who, when, from what to what, why.

    ``at`` is UTC in ISO 8601. ``before`` is None for a record that is new, ``after`` for one removed.
    """

    seq: int
    revision: int
    at: str
    actor: str
    action: Action
    key: RecordKey
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the history: note it elsewhere to prove later that nothing before it was rewritten."""

    revision: int
    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One batch that changed something: who, when (UTC, ISO 8601), why, and its records by what was done."""

    revision: int
    at: str
    actor: str
    reason: str
    counts: Mapping[Action, int]


def head(connection: Connection) -> Head:
    """The last row's revision, number and hash; zeros for an empty history."""
    columns = (HISTORY.c.revision, HISTORY.c.seq, HISTORY.c.hash)
    row = connection.execute(select(*columns).order_by(HISTORY.c.seq.desc()).limit(1)).first()
    return Head(revision=row[0], seq=row[1], hash=row[2]) if row else Head(revision=0, seq=0, hash=GENESIS)


class Ledger:
    """Writes the rows of one revision, in the order they are given."""

    def __init__(self, connection: Connection, *, after: Head, at: str, actor: str, reason: str) -> None:
        self.revision = after.revision + 1
        self._connection = connection
        self._seq = after.seq
        self._hash = after.hash
        self._shared = {"revision": self.revision, "at": at, "actor": actor, "reason": reason}
        self._waiting: list[dict[str, Any]] = []

    def add(self, action: Action, key: RecordKey, before: str | None, after: str | None) -> None:
        """Add the row of one record; ``before`` and ``after`` are canonical JSON."""
        self._seq += 1
        row: dict[str, Any] = {
            **self._shared,
            "seq": self._seq,
            "action": action,
            "subject": key_text(key),
            "before": before,
            "after": after,
            "previous_hash": self._hash,
        }
        self._hash = row["hash"] = row_hash(row)
        self._waiting.append(row)
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand the waiting rows to the database."""
        if self._waiting:
            self._connection.execute(insert(HISTORY), self._waiting)
            self._waiting = []


def row_hash(row: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of all the row's other columns, ``previous_hash`` among them."""
    return digest(canonical({name: value for name, value in row.items() if name != "hash"}))


def entries_of(connection: Connection, key: RecordKey) -> list[Entry]:
    """The changes of one record, oldest first."""
    found = select(HISTORY).where(HISTORY.c.subject == key_text(key)).order_by(HISTORY.c.seq)
    return [_entry(row) for row in connection.execute(found)]


def entries_since(connection: Connection, seq: int, limit: int) -> list[Entry]:
    """The first ``limit`` changes after the row of this number, oldest first."""
    found = select(HISTORY).where(HISTORY.c.seq > seq).order_by(HISTORY.c.seq).limit(max(0, limit))
    return [_entry(row) for row in connection.execute(found)]


def entries_before(
    connection: Connection, seq: int, limit: int, text: str = "", revision: int | None = None
) -> list[Entry]:
    """The ``limit`` last changes before the row of this number, newest first.

    Only those with ``text`` in who, what or why, and only of one ``revision`` if given.
    """
    query = select(HISTORY).where(HISTORY.c.seq < seq).order_by(HISTORY.c.seq.desc()).limit(max(0, limit))
    if revision is not None:
        query = query.where(HISTORY.c.revision == revision)
    if text:
        told = (HISTORY.c.actor, HISTORY.c.reason, HISTORY.c.subject)
        query = query.where(or_(*(column.icontains(text, autoescape=True) for column in told)))
    return [_entry(row) for row in connection.execute(query)]


def last_revisions(connection: Connection, limit: int, before: int | None = None) -> list[Revision]:
    """The last batches (before one, if given), newest first, ``counts`` by action in alphabetical order."""
    columns = (HISTORY.c.revision, HISTORY.c.at, HISTORY.c.actor, HISTORY.c.reason, HISTORY.c.action)
    # Revisions have no gaps, so the last ones are found by number and the rest of the history is not read.
    end = head(connection).revision + 1 if before is None else before
    query = (
        select(*columns, func.count())
        .where(HISTORY.c.revision < end, HISTORY.c.revision >= end - max(0, limit))
        .group_by(*columns)
        .order_by(HISTORY.c.revision.desc(), HISTORY.c.action)
    )
    found: dict[tuple[int, str, str, str], dict[Action, int]] = {}
    for revision, at, actor, reason, action, count in connection.execute(query):
        found.setdefault((revision, at, actor, reason), {})[action] = count
    return [
        Revision(revision=revision, at=at, actor=actor, reason=reason, counts=counts)
        for (revision, at, actor, reason), counts in found.items()
    ]


def feedback_kinds(connection: Connection, revision: int, action: str) -> dict[str, int]:
    """How many judgements and outcomes a revision changed by an action; kinds without any are left out."""
    found = {}
    for kind in FEEDBACK_MODELS:
        # Subjects are canonical JSON lists, so the kind stands first (see ``key_text``).
        mine = HISTORY.c.subject.like(f'["{kind}",%')
        query = select(func.count()).where(HISTORY.c.revision == revision, HISTORY.c.action == action, mine)
        if count := connection.execute(query).scalar_one():
            found[kind] = count
    return found


def verify(connection: Connection) -> Iterator[Problem]:
    """What does not hold: broken rows and links of the chain, then records that differ from it.

    Finds rows edited, removed, inserted or reordered, and records changed past the history. The chain
    alone cannot show that its last rows were cut off or rewritten whole; the records give that away
    unless they were rewritten too (compare a ``Head`` noted elsewhere). Memory grows with the number
    of records, not of history rows.
    """
    last: dict[str, tuple[int, str | None]] = {}
    seq, revision, previous = 0, 0, GENESIS
    for found in connection.execute(_streamed(select(HISTORY).order_by(HISTORY.c.seq))):
        row = dict(found._mapping)
        yield from _row_problems(row, seq, revision, previous)
        known = last.get(row["subject"], (0, None))[1]
        if known != (digest(row["before"]) if row["before"] is not None else None):
            yield _altered(row["seq"], "history_before", "“改动前”与该记录上一次的“改动后”不符")
        after = digest(row["after"]) if row["after"] is not None else None
        last[row["subject"]] = (row["revision"], after)
        seq, revision, previous = row["seq"], row["revision"], row["hash"]
    yield from _record_problems(connection, last)


def _row_problems(row: dict[str, Any], seq: int, revision: int, previous: str) -> Iterator[Problem]:
    if row["seq"] != seq + 1:
        yield _altered(row["seq"], "history_gap", f"它前面缺了第 {seq + 1} 条起的 {row['seq'] - seq - 1} 条")
    elif row["revision"] not in (revision, revision + 1) or row["revision"] == 0:
        yield _altered(row["seq"], "history_revision", "修订号不连续")
    if row["previous_hash"] != previous:
        yield _altered(row["seq"], "history_unlinked", "与前一条接不上")
    if row["hash"] != row_hash(row):
        yield _altered(row["seq"], "history_altered", "内容在写入之后被改过")


def _altered(seq: int, code: str, what: str) -> Problem:
    return Problem(
        code=code,
        message=f"第 {seq} 条历史记录：{what}",
        remedy="请停止写入，保留现场，并与备份比对",
        row=seq,
    )


def _record_problems(connection: Connection, last: dict[str, tuple[int, str | None]]) -> Iterator[Problem]:
    present = set()
    for subject, expected, actual in _current(connection):
        present.add(subject)
        if last.get(subject, (0, None))[1] is None:
            yield _differs(subject, "record_extra", "不在历史里，是绕过历史加进来的")
        elif last[subject] != expected or not actual:
            yield _differs(subject, "record_differs", "与历史里最后一次改动不符")
    for subject, (_, after) in last.items():
        if after is not None and subject not in present:
            yield _differs(subject, "record_missing", "历史里有，库里没有")


def _current(connection: Connection) -> Iterator[tuple[str, tuple[int, str], bool]]:
    """Of every record its subject, (revision, digest), and whether its columns agree with each other."""
    for row in connection.execute(_streamed(select(NODES).order_by(NODES.c.kind, NODES.c.id))):
        text = digest(row.attributes)
        agrees = text == row.digest and _columns_agree(row)
        yield key_text((row.kind, row.id)), (row.revision, text), agrees
    for row in connection.execute(_streamed(select(EDGES).order_by(*EDGES.primary_key.columns))):
        key = (row.source_kind, row.source_id, row.relation, row.target_kind, row.target_id)
        yield key_text(key), (row.revision, digest(edge_text(key, row.note))), True
    for row in connection.execute(_streamed(select(FEEDBACK).order_by(*FEEDBACK.primary_key.columns))):
        subject = key_text((row.kind, row.scene, row.achievement, row.mark))
        yield subject, (row.revision, digest(row.attributes)), True
    for row in connection.execute(_streamed(select(PROCESSES).order_by(*PROCESSES.primary_key.columns))):
        subject = key_text(("process", row.kind, row.id))
        yield subject, (row.revision, digest(row.attributes)), _copies_agree(row)


def _streamed(query: Select[Any]) -> Select[Any]:
    return query.execution_options(yield_per=_BATCH)


def _columns_agree(row: Row[Any]) -> bool:
    try:
        values = json.loads(row.attributes)
        told = (values["id"], values["title"], values.get("visibility", "public"))
    except (ValueError, KeyError, AttributeError):
        return False
    return told == (row.id, row.title, row.visibility)


def _copies_agree(row: Row[Any]) -> bool:
    try:
        told = {"id": json.loads(row.attributes)["id"], **process_copies(row.attributes)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return told == {"id": row.id, "state": row.state, "partner": row.partner, "due": row.due}


def _differs(subject: str, code: str, what: str) -> Problem:
    name = " ".join(key_from(subject))
    return Problem(code=code, message=f"记录 {name}：{what}", remedy="请停止写入，保留现场，并与备份比对")


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        seq=row.seq,
        revision=row.revision,
        at=row.at,
        actor=row.actor,
        action=row.action,
        key=key_from(row.subject),
        before=None if row.before is None else json.loads(row.before),
        after=None if row.after is None else json.loads(row.after),
        reason=row.reason,
        hash=row.hash,
    )


def touched_since(connection: Connection, revision: int) -> list[tuple[str, str, int]]:
    """(subject, action, revision) of the latest row per record after a revision, oldest first."""
    # Grouping in the database reads the whole history by subject; this reads only what is new, by revision.
    columns = (HISTORY.c.subject, HISTORY.c.action, HISTORY.c.revision)
    rows = select(*columns).where(HISTORY.c.revision > revision).order_by(HISTORY.c.revision, HISTORY.c.seq)
    latest: dict[str, tuple[str, str, int]] = {}
    for row in connection.execute(rows):
        latest.pop(row.subject, None)
        latest[row.subject] = (row.subject, row.action, row.revision)
    return list(latest.values())
