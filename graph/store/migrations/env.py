"""Runs the steps inside the transaction that the caller holds; there is no ini file and no offline mode."""

from graph.store.tables import METADATA


def run() -> None:
    """Bring the caller's connection (``config.attributes["connection"]``) to the version asked for."""
    from alembic import context

    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
