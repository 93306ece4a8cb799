"""The tables of the store, as this version of the program reads and writes them."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

# The newest step under migrations/versions; a test keeps the two equal.
VERSION = "0005"

METADATA = MetaData()

# On PostgreSQL keys sort by code point whatever the database's locale, as SQLite and Python do.
_KEY = Text().with_variant(Text(collation="C"), "postgresql")

NODES = Table(
    "nodes",
    METADATA,
    Column("kind", _KEY, primary_key=True),
    Column("id", _KEY, primary_key=True),
    Column("title", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("nodes_by_revision", "revision"),
)

EDGES = Table(
    "edges",
    METADATA,
    Column("source_kind", _KEY, primary_key=True),
    Column("source_id", _KEY, primary_key=True),
    Column("relation", _KEY, primary_key=True),
    Column("target_kind", _KEY, primary_key=True),
    Column("target_id", _KEY, primary_key=True),
    Column("note", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("edges_by_target", "target_kind", "target_id"),
    Index("edges_by_revision", "revision"),
)

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("kind", _KEY, primary_key=True),
    Column("scene", _KEY, primary_key=True),
    Column("achievement", _KEY, primary_key=True),
    # The judge of a judgement, the stage of an outcome.
    Column("mark", _KEY, primary_key=True),
    Column("attributes", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
)

PROCESSES = Table(
    "processes",
    METADATA,
    Column("kind", _KEY, primary_key=True),
    Column("id", _KEY, primary_key=True),
    Column("state", _KEY, nullable=False),
    Column("partner", _KEY, nullable=False),
    Column("due", _KEY),
    Column("attributes", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("processes_by_partner", "kind", "partner", "id"),
    Index("processes_by_state", "kind", "state", "id"),
    Index("processes_by_due", "kind", "due"),
)

HISTORY = Table(
    "history",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", _KEY, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("reason", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("history_by_revision", "revision"),
    Index("history_by_subject", "subject", "seq"),
)

SETTINGS = Table(
    "settings",
    METADATA,
    Column("key", _KEY, primary_key=True),
    Column("value", Text, nullable=False),
)

# What follows says what a server is doing, not what is true: no history, and no undoing.

RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("scope", _KEY, primary_key=True),
    Column("key", _KEY, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("at", _KEY, nullable=False),
    # Null until there is an answer.
    Column("status", Integer),
    Column("headers", Text),
    Column("body", LargeBinary),
    Index("receipts_by_at", "at"),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", _KEY, primary_key=True),
    Column("kind", _KEY, nullable=False),
    Column("partner", _KEY, nullable=False),
    Column("actor", Text, nullable=False),
    Column("state", _KEY, nullable=False),
    Column("created_at", _KEY, nullable=False),
    Column("updated_at", _KEY, nullable=False),
    Column("lease_until", _KEY),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("attributes", Text, nullable=False),
    Column("result", Text),
    Index("jobs_by_state", "kind", "state", "created_at", "id"),
    Index("jobs_by_partner", "partner", "created_at", "id"),
    Index("jobs_by_age", "created_at", "id"),
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    # Only "INTEGER PRIMARY KEY AUTOINCREMENT" counts on in SQLite, and never gives a number twice.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("webhook", _KEY, nullable=False),
    Column("partner", _KEY, nullable=False),
    Column("subject", _KEY, nullable=False),
    Column("event", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", _KEY, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", _KEY, nullable=False),
    Column("last_at", _KEY),
    Column("last_status", Integer),
    Column("last_error", Text, nullable=False),
    Column("created_at", _KEY, nullable=False),
    Index("deliveries_by_due", "state", "due_at", "id"),
    Index("deliveries_by_subject", "webhook", "subject", "state", "id"),
    Index("deliveries_by_webhook", "webhook", "id"),
    sqlite_autoincrement=True,
)

# How people sign in at the workbench. Never in the history, which others may read and which forgets nothing.

CREDENTIALS = Table(
    "credentials",
    METADATA,
    Column("person", _KEY, primary_key=True),
    Column("secret_hash", Text, nullable=False),
    Column("must_change", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", _KEY),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("digest", _KEY, primary_key=True),
    Column("person", _KEY, nullable=False),
    Column("seen_at", _KEY, nullable=False),
    Column("until", _KEY, nullable=False),
    Index("sessions_by_person", "person"),
    Index("sessions_by_end", "until"),
)
