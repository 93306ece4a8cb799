"""The store as it was after an earlier revision, read from its history."""

import json
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from graph.problems import Refused
from graph.store.changes import Change, PutEdge, PutFeedback, PutNode, RestoreProcess
from graph.store.history import head
from graph.store.records import edge_from, feedback_from, key_from, node_from
from graph.store.tables import HISTORY


def records_at(connection: Connection, revision: int) -> Iterator[Change]:
    """Every record that there was after ``revision``, as the change that puts it: nodes, relations, feedback, processes.

    Applied to an empty store they make the store of that moment. Raises ``Refused`` (``revision_unknown``) for
    a revision that has not been.
    """
    last = head(connection).revision
    if not 0 <= revision <= last:
        raise Refused(
            "revision_unknown", f"没有第 {revision} 次改动（最近一次是第 {last} 次）。", "请核对改动的编号。"
        )
    latest = (
        select(func.max(HISTORY.c.seq).label("seq"))
        .where(HISTORY.c.revision <= revision)
        .group_by(HISTORY.c.subject)
        .subquery()
    )
    rows = select(HISTORY.c.subject, HISTORY.c.after).join(latest, HISTORY.c.seq == latest.c.seq)
    # Edges need their ends, feedback its pair: in passes, none of which holds more than a few rows.
    for length in (2, 5, 4, 3):
        query = rows.where(HISTORY.c.after.is_not(None)).order_by(HISTORY.c.seq)
        for row in connection.execute(query.execution_options(yield_per=1000)):
            key = key_from(row.subject)
            if len(key) == length:
                yield _put(key, row.after)


def _put(key: tuple[str, ...], after: str) -> Change:
    if len(key) == 2:
        return PutNode(node=node_from(key[0], after))
    if len(key) == 5:
        source_kind, source_id, relation, target_kind, target_id = key
        note = json.loads(after).get("note", "")
        return PutEdge(edge=edge_from((source_kind, source_id, relation, target_kind, target_id), note))
    if len(key) == 3:
        return RestoreProcess(key=(key[0], key[1], key[2]), text=after)
    return PutFeedback(record=feedback_from("judgement" if key[0] == "judgement" else "outcome", after))
