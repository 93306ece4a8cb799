"""The fifth version: how people sign in at the workbench."""

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

KEY = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables; what is stored stays as it is."""
    from alembic import op

    op.create_table(
        "credentials",
        Column("person", KEY, nullable=False),
        Column("secret_hash", Text, nullable=False),
        Column("must_change", Integer, nullable=False),
        Column("failures", Integer, nullable=False),
        Column("locked_until", KEY, nullable=True),
        PrimaryKeyConstraint("person"),
    )
    op.create_table(
        "sessions",
        Column("digest", KEY, nullable=False),
        Column("person", KEY, nullable=False),
        Column("seen_at", KEY, nullable=False),
        Column("until", KEY, nullable=False),
        PrimaryKeyConstraint("digest"),
        Index("sessions_by_person", "person"),
        Index("sessions_by_end", "until"),
    )


def downgrade() -> None:
    """Refuse: going back would lock everybody out."""
    raise NotImplementedError
