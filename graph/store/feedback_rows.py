"""Judgements and outcomes of a batch: what they come to, and writing just that."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, update

from graph.feedback import FeedbackKey
from graph.problems import Refused
from graph.store.changes import NodeKey
from graph.store.history import Ledger
from graph.store.records import named
from graph.store.snapshot import feedback_texts, missing_nodes
from graph.store.statements import at_key, key_columns, key_values, write_rows
from graph.store.tables import FEEDBACK

# Records named in one refusal.
_NAMED = 5


@dataclass(slots=True)
class FeedbackPlan:
    """What has to be written, in the batch's order, with the texts before and after."""

    new: list[tuple[FeedbackKey, str]] = field(default_factory=list)
    changed: list[tuple[FeedbackKey, str, str]] = field(default_factory=list)
    removed: list[tuple[FeedbackKey, str]] = field(default_factory=list)
    unchanged: int = 0


def plan_feedback(connection: Connection, wanted: Mapping[FeedbackKey, str | None]) -> FeedbackPlan:
    """What the last word on each key (a text, or None for removal) comes to."""
    plan = FeedbackPlan()
    stored = feedback_texts(connection, wanted)
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


def refuse_feedback_without_pair(
    connection: Connection, wanted: Mapping[FeedbackKey, str | None], nodes: Mapping[NodeKey, object]
) -> None:
    """Raise ``Refused`` (``feedback_dangling``) where feedback is put on a scene or achievement not there.

    ``nodes`` has the batch's last word on nodes: None for one that it removes.
    """
    puts = sorted(key for key, text in wanted.items() if text is not None)
    missing = missing_nodes(connection, {end for key in puts for end in _pair(key)}, nodes)
    lost = [key for key in puts if not missing.isdisjoint(_pair(key))]
    if not lost:
        return
    said = "；".join(named(key, missing) for key in lost[:_NAMED])
    more = f" 等 {len(lost)} 条" if len(lost) > _NAMED else ""
    raise Refused(
        "feedback_dangling",
        f"场景或成果不存在：{said}{more}。",
        "请先导入缺少的场景或成果，或改正编号；本次没有写入任何内容。",
    )


def write_feedback(connection: Connection, plan: FeedbackPlan, ledger: Ledger) -> None:
    """Write the plan, one history row per record."""
    for key, before in plan.removed:
        ledger.add("remove_feedback", key, before, None)
    write_rows(
        connection, delete(FEEDBACK).where(at_key(FEEDBACK)), [key_values(key) for key, _ in plan.removed]
    )
    rows = []
    for key, after in plan.new:
        ledger.add("put_feedback", key, None, after)
        rows.append({**key_columns(FEEDBACK, key), "attributes": after, "revision": ledger.revision})
    write_rows(connection, insert(FEEDBACK), rows)
    rows = []
    for key, before, after in plan.changed:
        ledger.add("put_feedback", key, before, after)
        rows.append({**key_values(key), "attributes": after, "revision": ledger.revision})
    write_rows(connection, update(FEEDBACK).where(at_key(FEEDBACK)), rows)


def _pair(key: FeedbackKey) -> tuple[NodeKey, NodeKey]:
    return ("scene", key[1]), ("achievement", key[2])
