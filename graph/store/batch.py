"""A batch: the last word of some changes on each record, and whether others were quicker."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from graph.feedback import FeedbackKey
from graph.problems import Refused
from graph.processes import ProcessKey
from graph.store.changes import (
    Change,
    EdgeKey,
    NodeKey,
    PutEdge,
    PutFeedback,
    PutNode,
    PutProcess,
    RecordKey,
    RemoveEdge,
    RemoveFeedback,
    RemoveNode,
    RemoveProcess,
    RestoreProcess,
)
from graph.store.history import touched_since
from graph.store.records import feedback_text, key_text, node_text, process_text


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A node as it will be stored."""

    title: str
    visibility: str
    text: str


@dataclass(slots=True)
class Batch:
    """The last word of a batch on each record, and when a node was last removed (positions in the batch).

    ``restoring``: feedback goes back to where it was, be its scene and achievement there or not.
    """

    nodes: dict[NodeKey, NodeRow | None] = field(default_factory=dict)
    edges: dict[EdgeKey, tuple[int, str | None]] = field(default_factory=dict)
    removals: dict[NodeKey, int] = field(default_factory=dict)
    feedback: dict[FeedbackKey, str | None] = field(default_factory=dict)
    processes: dict[ProcessKey, str | None] = field(default_factory=dict)
    restoring: bool = False


def gather(changes: Iterable[Change]) -> Batch:
    """What the changes come to one after the other. Memory: the text of every node in the batch."""
    batch = Batch()
    for position, change in enumerate(changes):
        match change:
            case PutNode(node=node):
                batch.nodes[node.kind, node.id] = NodeRow(
                    title=node.title, visibility=node.visibility, text=node_text(node)
                )
            case RemoveNode(kind=kind, id=id):
                batch.nodes[kind, id] = None
                batch.removals[kind, id] = position
            case PutEdge(edge=edge):
                batch.edges[edge.key] = (position, edge.note)
            case RemoveEdge(key=key):
                batch.edges[key] = (position, None)
            case PutFeedback(record=record):
                batch.feedback[record.key] = feedback_text(record)
            case RemoveFeedback(key=feedback_key):
                batch.feedback[feedback_key] = None
            case PutProcess(process=process):
                batch.processes[process.key] = process_text(process)
            case RemoveProcess(kind=kind, id=id):
                batch.processes["process", kind, id] = None
            case RestoreProcess(key=process_key, text=text):
                batch.processes[process_key] = text
    return batch


def refuse_stale(connection: Connection, batch: Batch, since: int) -> None:
    """Raise ``Refused`` (``plan_stale``) if a record that the batch names was changed after the revision."""
    touched = {subject for subject, _, _ in touched_since(connection, since)}
    named_here: list[RecordKey] = [*batch.nodes, *batch.edges, *batch.feedback, *batch.processes]
    if touched and any(key_text(key) in touched for key in named_here):
        message = "核对期间，库里的同一条记录已被别人改动，没有写入任何内容。"
        raise Refused("plan_stale", message, "请重新导入一次。")
