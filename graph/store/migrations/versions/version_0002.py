"""The second version: what people say of a pair, and what came of it."""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table; what is stored stays as it is."""
    from alembic import op

    op.create_table(
        "feedback",
        Column("kind", KEY, nullable=False),
        Column("scene", KEY, nullable=False),
        Column("achievement", KEY, nullable=False),
        Column("mark", KEY, nullable=False),
        Column("attributes", Text, nullable=False),
        Column("revision", BigInteger, nullable=False),
        PrimaryKeyConstraint("kind", "scene", "achievement", "mark"),
    )


def downgrade() -> None:
    """Refuse: going back would throw people's judgements away."""
    raise NotImplementedError
