"""The third version: processes, and what a server has to remember of its own doing."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEY = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables; what is stored stays as it is."""
    _create_processes()
    _create_receipts()
    _create_jobs()
    _create_deliveries()


def _create_processes() -> None:
    from alembic import op

    op.create_table(
        "processes",
        Column("kind", KEY, nullable=False),
        Column("id", KEY, nullable=False),
        Column("state", KEY, nullable=False),
        Column("partner", KEY, nullable=False),
        Column("due", KEY, nullable=True),
        Column("attributes", Text, nullable=False),
        Column("revision", BigInteger, nullable=False),
        PrimaryKeyConstraint("kind", "id"),
        Index("processes_by_partner", "kind", "partner", "id"),
        Index("processes_by_state", "kind", "state", "id"),
        Index("processes_by_due", "kind", "due"),
    )


def _create_receipts() -> None:
    from alembic import op

    op.create_table(
        "receipts",
        Column("scope", KEY, nullable=False),
        Column("key", KEY, nullable=False),
        Column("fingerprint", Text, nullable=False),
        Column("at", KEY, nullable=False),
        Column("status", Integer, nullable=True),
        Column("headers", Text, nullable=True),
        Column("body", LargeBinary, nullable=True),
        PrimaryKeyConstraint("scope", "key"),
        Index("receipts_by_at", "at"),
    )


def _create_jobs() -> None:
    from alembic import op

    op.create_table(
        "jobs",
        Column("id", KEY, nullable=False),
        Column("kind", KEY, nullable=False),
        Column("partner", KEY, nullable=False),
        Column("actor", Text, nullable=False),
        Column("state", KEY, nullable=False),
        Column("created_at", KEY, nullable=False),
        Column("updated_at", KEY, nullable=False),
        Column("lease_until", KEY, nullable=True),
        Column("done", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("attributes", Text, nullable=False),
        Column("result", Text, nullable=True),
        PrimaryKeyConstraint("id"),
        Index("jobs_by_state", "kind", "state", "created_at", "id"),
        Index("jobs_by_partner", "partner", "created_at", "id"),
        Index("jobs_by_age", "created_at", "id"),
    )


def _create_deliveries() -> None:
    from alembic import op

    op.create_table(
        "deliveries",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("webhook", KEY, nullable=False),
        Column("partner", KEY, nullable=False),
        Column("subject", KEY, nullable=False),
        Column("event", Text, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
        Column("state", KEY, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("due_at", KEY, nullable=False),
        Column("last_at", KEY, nullable=True),
        Column("last_status", Integer, nullable=True),
        Column("last_error", Text, nullable=False),
        Column("created_at", KEY, nullable=False),
        Index("deliveries_by_due", "state", "due_at", "id"),
        Index("deliveries_by_subject", "webhook", "subject", "state", "id"),
        Index("deliveries_by_webhook", "webhook", "id"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Refuse: going back would throw orders and keys away."""
    raise NotImplementedError
