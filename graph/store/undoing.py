"""Undoing a revision: the batch that puts its records back, or what stands in the way."""

import json
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from graph.problems import Refused
from graph.store.batch import Batch, NodeRow
from graph.store.changes import EdgeKey, NodeKey, RecordKey
from graph.store.history import head
from graph.store.records import digest, edge_text, key_from, key_text, named
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
from graph.store.tables import HISTORY, NODES

# Records named in one refusal.
_NAMED = 5

# Kinds of processes whose changes are not undone: a revoked key, a disabled account, or a secret that was changed, would come back.
_FINAL_KINDS = {
    "key": ("访问钥匙", "请改为吊销这把钥匙，或新建一把"),
    "user": ("工作台账号", "请改为停用这个账号，或新建一个"),
    "webhook": ("回调", "请由登记它的平台删除、换密钥或重新登记"),
}


def batch_before(connection: Connection, revision: int) -> Batch:
    """The batch that puts every record the revision touched back to what it was before.

    A record stands in the way only if it is not as the revision left it: one changed since and changed
    back does not. Raises ``Refused`` (``undo_unknown``, ``undo_refused``, ``undo_done``, ``undo_conflict``).
    """
    last = head(connection).revision
    if not 1 <= revision <= last:
        raise Refused(
            "undo_unknown",
            f"没有第 {revision} 次改动（最近一次是第 {last} 次）。"
            if last
            else "还没有写入过数据，没有可撤销的改动。",
            "请核对改动的编号。",
        )
    batch = Batch(restoring=True)
    left: dict[RecordKey, str | None] = {}
    rows = select(HISTORY.c.subject, HISTORY.c.before, HISTORY.c.after).where(HISTORY.c.revision == revision)
    for row in connection.execute(rows.order_by(HISTORY.c.seq).execution_options(yield_per=1000)):
        key = key_from(row.subject)
        left[key] = None if row.after is None else digest(row.after)
        _put_back(batch, key, row.before)
    final = next((_FINAL_KINDS[key[1]] for key in left if len(key) == 3 and key[1] in _FINAL_KINDS), None)
    if final is not None:
        label, remedy = final
        raise Refused(
            "undo_refused",
            f"第 {revision} 次改动涉及{label}；{label}的改动不能撤销。",
            f"{remedy}；本次没有写入任何内容。",
        )
    present = _digests(connection, list(left))
    changed = {key for key, after in left.items() if present.get(key) != after}
    changed |= _edges_in_the_way(connection, batch) | _ends_gone(connection, batch)
    if changed:
        raise _conflict(connection, revision, sorted(changed, key=key_text))
    return batch


def _put_back(batch: Batch, key: RecordKey, before: str | None) -> None:
    if len(key) == 2:
        batch.nodes[key] = None if before is None else _node_row(before)
    elif len(key) == 5:
        note = None if before is None else json.loads(before).get("note", "")
        batch.edges[key] = (0, note)
    elif len(key) == 3:
        batch.processes[key] = before
    else:
        batch.feedback[key] = before


def _node_row(text: str) -> NodeRow:
    values = json.loads(text)
    return NodeRow(title=values["title"], visibility=values.get("visibility", "public"), text=text)


def _digests(connection: Connection, keys: list[RecordKey]) -> dict[RecordKey, str]:
    """The digests of those of the records that exist."""
    found: dict[RecordKey, str] = {}
    for kind, ids in by_kind(key for key in keys if len(key) == 2):
        query = select(NODES.c.id, NODES.c.digest).where(NODES.c.kind == kind, NODES.c.id.in_(ids))
        found.update(((kind, row.id), row.digest) for row in connection.execute(query))
    notes = edge_notes(connection, [key for key in keys if len(key) == 5])
    found.update((key, digest(edge_text(key, note))) for key, note in notes.items())
    texts = feedback_texts(connection, [key for key in keys if len(key) == 4])
    found.update((key, digest(text)) for key, text in texts.items())
    processes = process_texts(connection, [key for key in keys if len(key) == 3])
    found.update((key, digest(text)) for key, text in processes.items())
    return found


def _edges_in_the_way(connection: Connection, batch: Batch) -> set[EdgeKey]:
    """Edges at nodes that would go, other than those that the same revision made."""
    going = [key for key, row in batch.nodes.items() if row is None]
    found: set[EdgeKey] = set()
    for query in (*at_sources(going), *at_targets(going)):
        for source_kind, source_id, relation, target_kind, target_id, _, _ in connection.execute(query):
            found.add((source_kind, source_id, relation, target_kind, target_id))
    return found - batch.edges.keys()


def _ends_gone(connection: Connection, batch: Batch) -> set[NodeKey]:
    """Nodes gone since, to which edges would come back."""
    back = [key for key, (_, note) in batch.edges.items() if note is not None]
    return missing_nodes(connection, {end for key in back for end in (key[:2], key[3:])}, batch.nodes)


def _conflict(connection: Connection, revision: int, keys: list[RecordKey]) -> Refused:
    said = "；".join(named(key) for key in keys[:_NAMED])
    more = f" 等 {len(keys)} 条" if len(keys) > _NAMED else ""
    later = max(_last_touches(connection, keys))
    if _reverses(connection, later, revision):
        return Refused(
            "undo_done",
            f"第 {revision} 次已由第 {later} 次撤销。",
            f"若要恢复：jiebang undo {later}；本次没有写入任何内容。",
        )
    return Refused(
        "undo_conflict",
        f"第 {revision} 次改动之后，这些记录又有改动，不能直接撤销：{said}{more}。",
        f"请先撤销后来的改动（最近的是第 {later} 次），再撤销第 {revision} 次；本次没有写入任何内容。",
    )


def _reverses(connection: Connection, later: int, revision: int) -> bool:
    """Whether one revision changed just the records of another, and all of them back."""
    one, other = HISTORY.alias(), HISTORY.alias()
    back = (
        select(func.count())
        .select_from(one.join(other, one.c.subject == other.c.subject))
        .where(
            one.c.revision == revision,
            other.c.revision == later,
            one.c.before.is_not_distinct_from(other.c.after),
            one.c.after.is_not_distinct_from(other.c.before),
        )
    )
    sizes = [
        connection.execute(
            select(func.count()).select_from(HISTORY).where(HISTORY.c.revision == number)
        ).scalar_one()
        for number in (revision, later)
    ]
    return sizes == [connection.execute(back).scalar_one()] * 2


def _last_touches(connection: Connection, keys: list[RecordKey]) -> Iterator[int]:
    """Revisions in which some of the records were last changed, the last of all among them."""
    for some in chunks(keys):
        query = select(func.max(HISTORY.c.revision)).where(HISTORY.c.subject.in_(map(key_text, some)))
        yield connection.execute(query).scalar_one()
