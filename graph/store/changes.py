"""What can be asked of the store, what it answers, and how records are addressed."""

from dataclasses import dataclass

from graph.feedback import Feedback, FeedbackKey
from graph.kinds import Node
from graph.processes import Process, ProcessKey
from graph.relations import Edge

# (kind, id)
NodeKey = tuple[str, str]
# (source kind, source id, relation, target kind, target id)
EdgeKey = tuple[str, str, str, str, str]
RecordKey = NodeKey | EdgeKey | FeedbackKey | ProcessKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PutNode:
    """Add the node, or replace the one of the same kind and id as a whole."""

    node: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveNode:
    """Remove the node and every edge at it; no such node is no change. What people said of it stays."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PutEdge:
    """Add the edge, or replace the note of the one with the same ends and relation."""

    edge: Edge


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveEdge:
    """Remove the edge of this key; no such edge is no change."""

    key: EdgeKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFeedback:
    """Add the judgement or outcome, or replace the one of the same key as a whole."""

    record: Feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFeedback:
    """Remove the judgement or outcome of this key; no such record is no change."""

    key: FeedbackKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PutProcess:
    """Add the process, or replace the one of the same kind and id as a whole."""

    process: Process


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveProcess:
    """Remove the process; no such process is no change."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreProcess:
    """Put a process as the history has it: its kind's class need not be known."""

    key: ProcessKey
    text: str


Change = (
    PutNode
    | RemoveNode
    | PutEdge
    | RemoveEdge
    | PutFeedback
    | RemoveFeedback
    | PutProcess
    | RemoveProcess
    | RestoreProcess
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a batch came to: the store's revision after it, and records (of every sort) by outcome.

    ``removed`` counts edges that went with their node; ``unchanged`` counts records that the batch
    named and left as they were. A batch without effect leaves the revision as it was.
    """

    revision: int
    added: int
    changed: int
    unchanged: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The latest change of one record; ``key``: 2 parts for a node, 5 an edge, 4 feedback, 3 a process."""

    key: RecordKey
    revision: int
    removed: bool
