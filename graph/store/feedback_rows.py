"""Judgements and outcomes of a batch: whether what they are said of is there."""

from collections.abc import Mapping

from sqlalchemy import Connection

from graph.feedback import FeedbackKey
from graph.problems import Refused
from graph.store.changes import NodeKey
from graph.store.records import named
from graph.store.snapshot import missing_nodes

# Records named in one refusal.
_NAMED = 5


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


def _pair(key: FeedbackKey) -> tuple[NodeKey, NodeKey]:
    return ("scene", key[1]), ("achievement", key[2])
