"""Writing many rows of one table at once."""

from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam

from graph.store.snapshot import chunks


def at_key(table: Table) -> Any:
    """The condition that a row has the key of ``key_values``."""
    columns = enumerate(table.primary_key.columns)
    return and_(*(column == bindparam(f"key_{i}") for i, column in columns))


def key_values(key: tuple[str, ...]) -> dict[str, Any]:
    """The values that ``at_key`` asks for."""
    return {f"key_{i}": part for i, part in enumerate(key)}


def key_columns(table: Table, key: tuple[str, ...]) -> dict[str, Any]:
    """The key as values of a new row."""
    names = (column.name for column in table.primary_key.columns)
    return dict(zip(names, key, strict=True))


def write_rows(connection: Connection, statement: Any, rows: list[dict[str, Any]]) -> None:
    """Run the statement for every row; for none nothing is sent."""
    for some in chunks(rows, 5000):
        connection.execute(statement, some)
