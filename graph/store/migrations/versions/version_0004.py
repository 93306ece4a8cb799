"""The fourth version: how often a job was begun."""

from sqlalchemy import Column, Integer

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what is stored stays as it is."""
    from alembic import op

    op.add_column("jobs", Column("attempts", Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Refuse, as the versions before do."""
    raise NotImplementedError
