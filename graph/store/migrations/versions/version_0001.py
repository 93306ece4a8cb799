"""The first version: nodes, edges, history, settings."""

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Spelled out here and not taken from tables.py: a step must stay what it was when it was first run.
KEY = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    from alembic import op

    op.create_table(
        "nodes",
        Column("kind", KEY, nullable=False),
        Column("id", KEY, nullable=False),
        Column("title", Text, nullable=False),
        Column("attributes", Text, nullable=False),
        Column("visibility", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("revision", BigInteger, nullable=False),
        PrimaryKeyConstraint("kind", "id"),
        Index("nodes_by_revision", "revision"),
    )
    op.create_table(
        "edges",
        Column("source_kind", KEY, nullable=False),
        Column("source_id", KEY, nullable=False),
        Column("relation", KEY, nullable=False),
        Column("target_kind", KEY, nullable=False),
        Column("target_id", KEY, nullable=False),
        Column("note", Text, nullable=False),
        Column("revision", BigInteger, nullable=False),
        PrimaryKeyConstraint("source_kind", "source_id", "relation", "target_kind", "target_id"),
        Index("edges_by_target", "target_kind", "target_id"),
        Index("edges_by_revision", "revision"),
    )
    op.create_table(
        "history",
        Column("seq", BigInteger, nullable=False, autoincrement=False),
        Column("revision", BigInteger, nullable=False),
        Column("at", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("subject", KEY, nullable=False),
        Column("before", Text, nullable=True),
        Column("after", Text, nullable=True),
        Column("reason", Text, nullable=False),
        Column("previous_hash", Text, nullable=False),
        Column("hash", Text, nullable=False),
        PrimaryKeyConstraint("seq"),
        Index("history_by_revision", "revision"),
        Index("history_by_subject", "subject", "seq"),
    )
    op.create_table(
        "settings",
        Column("key", KEY, nullable=False),
        Column("value", Text, nullable=False),
        PrimaryKeyConstraint("key"),
    )


def downgrade() -> None:
    """Refuse: a store is never taken back to nothing by a migration."""
    raise NotImplementedError
