"""What a ranked list has shown, kept as outcomes "shown": so "never shown" stays apart from "not fitting"."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from graph.feedback import Outcome
from graph.store.changes import PutFeedback
from graph.store.store import Store

# By it histories leave these batches out.
SHOWN_REASON = "匹配时展示"


def shown_pairs(kind: str, id: str, found: Iterable[tuple[str, str, int]]) -> dict[tuple[str, str], int]:
    """The pairs of scene and achievement in what was found (kind, id, rank) for a node, each with its rank."""
    return {
        (id, other) if kind == "scene" else (other, id): rank
        for other_kind, other, rank in found
        if {kind, other_kind} == {"scene", "achievement"}
    }


def record_shown(store: Store, pairs: Mapping[tuple[str, str], int], *, ranker: str, by: str, at: datetime) -> int:  # fmt: skip
    """Record of every pair that it was shown, and at which rank, if that is not known yet; gives how many were new.

    One batch, which makes no revision where all is known. Raises ``Refused`` where the store cannot be written.
    """
    with store.snapshot() as before:
        known = {
            (one.scene, one.achievement)
            for scene in dict.fromkeys(scene for scene, _ in pairs)
            for one in before.outcomes(scene)
            if one.stage == "shown"
        }
    new = [
        Outcome(scene=scene, achievement=achievement, stage="shown", by=by, at=at, rank=rank, ranker=ranker)
        for (scene, achievement), rank in pairs.items()
        if (scene, achievement) not in known
    ]
    if new:
        store.apply([PutFeedback(record=record) for record in new], actor=by, at=at, reason=SHOWN_REASON)
    return len(new)
