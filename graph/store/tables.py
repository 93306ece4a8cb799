"""The tables of the store, as this version of the program reads and writes them."""

from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text

# The newest step under migrations/versions; a test keeps the two equal.
VERSION = "0002"

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
