"""A batch of changes: what it comes to as a whole, and writing just that."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from graph.feedback import FeedbackKey
from graph.problems import Refused
from graph.processes import ProcessKey
from graph.store.batch import Batch, NodeRow
from graph.store.changes import Applied, EdgeKey, NodeKey
from graph.store.feedback_rows import refuse_feedback_without_pair
from graph.store.history import Ledger, head
from graph.store.records import digest, edge_text, named, process_copies
from graph.store.snapshot import (
    at_sources,
    at_targets,
    by_kind,
    chunks,
    edge_notes,
    feedback_texts,
    missing_nodes,
    process_texts,
)
from graph.store.statements import at_key, key_columns, key_values, write_rows
from graph.store.tables import EDGES, FEEDBACK, NODES, PROCESSES
from graph.store.text_rows import TextPlan, plan_texts, write_texts

# Dangling edges named in one refusal.
_NAMED = 5


@dataclass(slots=True)
class _Plan:
    """What has to be written: keys in writing order, with the state before where it is small."""

    new_nodes: list[NodeKey] = field(default_factory=list)
    changed_nodes: list[NodeKey] = field(default_factory=list)
    removed_nodes: list[NodeKey] = field(default_factory=list)
    new_edges: list[tuple[EdgeKey, str]] = field(default_factory=list)
    changed_edges: list[tuple[EdgeKey, str, str]] = field(default_factory=list)
    removed_edges: list[tuple[EdgeKey, str]] = field(default_factory=list)
    feedback: TextPlan[FeedbackKey] = field(default_factory=TextPlan)
    processes: TextPlan[ProcessKey] = field(default_factory=TextPlan)
    unchanged: int = 0

    def applied(self, revision: int) -> Applied:
        texts = (self.feedback, self.processes)
        return Applied(
            revision=revision,
            added=len(self.new_nodes) + len(self.new_edges) + sum(len(plan.new) for plan in texts),
            changed=len(self.changed_nodes)
            + len(self.changed_edges)
            + sum(len(plan.changed) for plan in texts),
            unchanged=self.unchanged + sum(plan.unchanged for plan in texts),
            removed=len(self.removed_nodes)
            + len(self.removed_edges)
            + sum(len(plan.removed) for plan in texts),
        )


def write(connection: Connection, batch: Batch, *, actor: str, at: str, reason: str) -> Applied:
    """Write a batch inside the caller's transaction, as one revision.

    What is written, and kept in the history, is the difference between before the batch and after it.
    Raises ``Refused`` (``relation_dangling``, ``feedback_dangling``) when an edge would lack an end, or
    feedback is put on a scene or achievement that is not there.
    """
    plan = _Plan(
        feedback=plan_texts(feedback_texts(connection, batch.feedback), batch.feedback),
        processes=plan_texts(process_texts(connection, batch.processes), batch.processes),
    )
    _plan_nodes(connection, batch, plan)
    _plan_edges(connection, batch, plan)
    _refuse_dangling(connection, batch, plan)
    if not batch.restoring:
        refuse_feedback_without_pair(connection, batch.feedback, batch.nodes)
    last = head(connection)
    totals = plan.applied(last.revision)
    if not totals.added + totals.changed + totals.removed:
        return totals
    ledger = Ledger(connection, after=last, at=at, actor=actor, reason=reason)
    _write_removed_edges(connection, plan, ledger)
    _write_nodes(connection, plan, batch, ledger)
    _write_edges(connection, plan, ledger)
    _write_texts(connection, plan, ledger)
    ledger.flush()
    return plan.applied(ledger.revision)


def _plan_nodes(connection: Connection, batch: Batch, plan: _Plan) -> None:
    stored: dict[NodeKey, str] = {}
    for kind, ids in by_kind(batch.nodes):
        query = select(NODES.c.id, NODES.c.digest).where(NODES.c.kind == kind, NODES.c.id.in_(ids))
        stored.update(((kind, row.id), row.digest) for row in connection.execute(query))
    for key, record in batch.nodes.items():
        if key not in stored:
            if record is None:
                plan.unchanged += 1
            else:
                plan.new_nodes.append(key)
        elif record is None:
            plan.removed_nodes.append(key)
        elif stored[key] != digest(record.text):
            plan.changed_nodes.append(key)
        else:
            plan.unchanged += 1


def _plan_edges(connection: Connection, batch: Batch, plan: _Plan) -> None:
    stored = edge_notes(connection, batch.edges)
    for query in (*at_sources(batch.removals), *at_targets(batch.removals)):
        for source_kind, source_id, relation, target_kind, target_id, note, _ in connection.execute(query):
            stored[source_kind, source_id, relation, target_kind, target_id] = note
    for key, (position, asked) in batch.edges.items():
        note = None if position < _removed_at(batch, key) else asked
        before = stored.pop(key, None)
        if note == before:
            plan.unchanged += 1
        elif before is None and note is not None:
            plan.new_edges.append((key, note))
        elif before is not None and note is None:
            plan.removed_edges.append((key, before))
        elif before is not None and note is not None:
            plan.changed_edges.append((key, before, note))
    # What is left was not named: edges of removed nodes.
    plan.removed_edges += sorted(stored.items())


def _removed_at(batch: Batch, key: EdgeKey) -> int:
    """The last position at which one of the edge's ends was removed, -1 if none was."""
    ends = ((key[0], key[1]), (key[3], key[4]))
    return max(batch.removals.get(end, -1) for end in ends)


def _refuse_dangling(connection: Connection, batch: Batch, plan: _Plan) -> None:
    # Edges that only change their note are checked too: an end may have been removed before them.
    keys = [key for key, _ in plan.new_edges] + [key for key, _, _ in plan.changed_edges]
    keys += [k for k, (p, note) in batch.edges.items() if note is not None and p > _removed_at(batch, k) >= 0]
    ends = {end for key in keys for end in ((key[0], key[1]), (key[3], key[4]))}
    missing = missing_nodes(connection, ends, batch.nodes)
    if not missing:
        return
    lost = sorted({k for k in keys if (k[0], k[1]) in missing or (k[3], k[4]) in missing})
    said = "；".join(named(key, missing) for key in lost[:_NAMED])
    more = f" 等 {len(lost)} 条" if len(lost) > _NAMED else ""
    raise Refused(
        "relation_dangling",
        f"关系的一端不存在：{said}{more}。",
        "请先导入缺少的记录，或改正关系里的编号；本次没有写入任何内容。",
    )


def _write_removed_edges(connection: Connection, plan: _Plan, ledger: Ledger) -> None:
    for key, before in plan.removed_edges:
        ledger.add("remove_edge", key, edge_text(key, before), None)
    write_rows(
        connection, delete(EDGES).where(at_key(EDGES)), [key_values(key) for key, _ in plan.removed_edges]
    )


def _write_nodes(connection: Connection, plan: _Plan, batch: Batch, ledger: Ledger) -> None:
    """By key, whether new, changed or removed: who is told of them in this order learns nothing else from it."""
    for some, texts in _stored_texts(
        connection, sorted([*plan.new_nodes, *plan.changed_nodes, *plan.removed_nodes])
    ):
        new, changed, removed = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
        for key in some:
            record, before = batch.nodes[key], texts.get(key)
            if record is None:
                ledger.add("remove_node", key, before, None)
                removed.append(key_values(key))
                continue
            columns = _columns(record, ledger.revision)
            ledger.add("put_node", key, before, columns["attributes"])
            if before is None:
                new.append({"kind": key[0], "id": key[1], **columns})
            else:
                changed.append({**key_values(key), **columns})
        write_rows(connection, insert(NODES), new)
        write_rows(connection, update(NODES).where(at_key(NODES)), changed)
        write_rows(connection, delete(NODES).where(at_key(NODES)), removed)


def _write_edges(connection: Connection, plan: _Plan, ledger: Ledger) -> None:
    rows = []
    for key, note in plan.new_edges:
        ledger.add("put_edge", key, None, edge_text(key, note))
        rows.append({**key_columns(EDGES, key), "note": note, "revision": ledger.revision})
    write_rows(connection, insert(EDGES), rows)
    rows = []
    for key, before, note in plan.changed_edges:
        ledger.add("put_edge", key, edge_text(key, before), edge_text(key, note))
        rows.append({**key_values(key), "note": note, "revision": ledger.revision})
    write_rows(connection, update(EDGES).where(at_key(EDGES)), rows)


def _write_texts(connection: Connection, plan: _Plan, ledger: Ledger) -> None:
    write_texts(connection, FEEDBACK, plan.feedback, ledger, put="put_feedback", remove="remove_feedback")
    write_texts(
        connection,
        PROCESSES,
        plan.processes,
        ledger,
        put="put_process",
        remove="remove_process",
        copies=process_copies,
    )


def _stored_texts(
    connection: Connection, keys: list[NodeKey]
) -> Iterator[tuple[list[NodeKey], dict[NodeKey, str]]]:
    """The keys in lists, each with the texts of those of its nodes that are stored."""
    for some in chunks(keys):
        texts: dict[NodeKey, str] = {}
        for kind, ids in by_kind(some):
            query = select(NODES.c.id, NODES.c.attributes).where(NODES.c.kind == kind, NODES.c.id.in_(ids))
            texts.update(((kind, row.id), row.attributes) for row in connection.execute(query))
        yield some, texts


def _columns(record: NodeRow, revision: int) -> dict[str, Any]:
    return {
        "title": record.title,
        "attributes": record.text,
        "visibility": record.visibility,
        "digest": digest(record.text),
        "revision": revision,
    }
