"""Single values that a store keeps about itself, by name."""

from sqlalchemy import Connection, delete, insert, select

from graph.store.tables import SETTINGS


def setting(connection: Connection, key: str) -> str | None:
    """The value, or None."""
    found: str | None = connection.execute(
        select(SETTINGS.c.value).where(SETTINGS.c.key == key)
    ).scalar_one_or_none()
    return found


def set_setting(connection: Connection, key: str, value: str) -> None:
    """Keep the value, in place of an earlier one."""
    connection.execute(delete(SETTINGS).where(SETTINGS.c.key == key))
    connection.execute(insert(SETTINGS).values(key=key, value=value))
