"""Records that are one text under a key (feedback, processes): what a batch comes to, and writing just that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Table, delete, insert, update

from graph.store.changes import RecordKey
from graph.store.history import Action, Ledger
from graph.store.statements import at_key, key_columns, key_values, write_rows

Key = TypeVar("Key", bound=RecordKey)


@dataclass(slots=True)
class TextPlan(Generic[Key]):
    """What has to be written, in the batch's order, with the texts before and after."""

    new: list[tuple[Key, str]] = field(default_factory=list)
    changed: list[tuple[Key, str, str]] = field(default_factory=list)
    removed: list[tuple[Key, str]] = field(default_factory=list)
    unchanged: int = 0


def plan_texts(stored: Mapping[Key, str], wanted: Mapping[Key, str | None]) -> TextPlan[Key]:
    """What the last word on each key (a text, or None for removal) comes to."""
    plan: TextPlan[Key] = TextPlan()
    for key, text in wanted.items():
        before = stored.get(key)
        if text == before:
            plan.unchanged += 1
        elif before is None and text is not None:
            plan.new.append((key, text))
        elif before is not None and text is None:
            plan.removed.append((key, before))
        elif before is not None and text is not None:
            plan.changed.append((key, before, text))
    return plan


def write_texts(
    connection: Connection,
    table: Table,
    plan: TextPlan[Any],
    ledger: Ledger,
    *,
    put: Action,
    remove: Action,
    copies: Callable[[str], dict[str, Any]] = lambda text: {},
) -> None:
    """Write the plan, one history row per record; ``copies`` gives a text's columns besides key and text.

    The key's last parts are the table's: a process's first part only says that it is one.
    """
    parts = len(table.primary_key.columns)
    for key, before in plan.removed:
        ledger.add(remove, key, before, None)
    gone = [key_values(key[-parts:]) for key, _ in plan.removed]
    write_rows(connection, delete(table).where(at_key(table)), gone)
    rows = []
    for key, after in plan.new:
        ledger.add(put, key, None, after)
        columns = {"attributes": after, "revision": ledger.revision, **copies(after)}
        rows.append({**key_columns(table, key[-parts:]), **columns})
    write_rows(connection, insert(table), rows)
    rows = []
    for key, before, after in plan.changed:
        ledger.add(put, key, before, after)
        columns = {"attributes": after, "revision": ledger.revision, **copies(after)}
        rows.append({**key_values(key[-parts:]), **columns})
    write_rows(connection, update(table).where(at_key(table)), rows)
