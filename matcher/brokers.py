"""Brokers for a pair: who knows the field and the scene, has done it before, and has a hand free."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from graph.identifiers.fields import field_relatedness
from graph.kinds import Achievement, Broker, Scene
from graph.network import Network
from matcher.corpus import Corpus
from matcher.features import centred_cosine

_LEVEL_POINTS = {"高级技术经理人": 10.0, "中级技术经纪人": 6.0, "初级技术经纪人": 3.0}
# Points by reasoning: knowing the field weighs most, then the scene, then record and free capacity.
_FIELD, _SCENE, _RECORD, _FREE = 40.0, 25.0, 15.0, 10.0
_MANY_DEALS = 20  # a record of this many reads as full; more says little more


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerMatch:
    """A broker for a pair: ``parts`` (by Chinese label) add up to ``score`` (0..100); ``notes`` say what to mind."""

    broker: Broker
    score: float
    parts: dict[str, float]
    notes: tuple[str, ...]


def rank_brokers(
    scene: Scene,
    achievement: Achievement,
    brokers: Iterable[Broker],
    corpus: Corpus,
    network: Network,
    *,
    top: int,
) -> list[BrokerMatch]:
    """The ``top`` best brokers for a pair, best first, equals by id.

    One at full load stands behind every other. One who serves a side is said to: it is a reason to ask
    and an interest to declare.
    """
    ranked = [_assess(broker, scene, achievement, corpus, network) for broker in brokers]
    ranked.sort(key=lambda match: (_is_full(match.broker), -match.score, match.broker.id))
    return ranked[:top]


def _assess(
    broker: Broker, scene: Scene, achievement: Achievement, corpus: Corpus, network: Network
) -> BrokerMatch:
    wanted = set(scene.field) | set(achievement.field)
    field = max((field_relatedness(a, b) for a in wanted for b in broker.field), default=0.0)
    parts = {
        "专业领域": _FIELD * field,
        "擅长场景": _SCENE * _knows(broker, scene, corpus),
        "成交记录": _RECORD * min((broker.deals or 0) / _MANY_DEALS, 1.0),
        "职业等级": _LEVEL_POINTS.get(broker.level, 0.0),
        "余力": _FREE * _free_share(broker),
    }
    parts = {label: round(points, 6) for label, points in parts.items()}
    return BrokerMatch(
        broker=broker,
        score=round(sum(parts.values()), 6),
        parts=parts,
        notes=_notes(broker, scene, achievement, network),
    )


def _knows(broker: Broker, scene: Scene, corpus: Corpus) -> float:
    slot = corpus.slots.get(("broker", broker.id))
    if slot is None:
        return 0.0
    query = corpus.subject(scene).vectors["gist"]
    return float(min(2 * centred_cosine(corpus, "gist", query, np.array([slot]))[0], 1.0))


def _free_share(broker: Broker) -> float:
    if not broker.capacity:
        return 0.5
    return max(0.0, 1 - (broker.load or 0) / broker.capacity)


def _is_full(broker: Broker) -> bool:
    return bool(broker.capacity) and (broker.load or 0) >= (broker.capacity or 0)


def _notes(broker: Broker, scene: Scene, achievement: Achievement, network: Network) -> tuple[str, ...]:
    notes = []
    if _is_full(broker):
        notes.append(f"在办 {broker.load} 项，已到承载上限 {broker.capacity} 项")
    served = (
        {target for _, target in network.graph.out_edges(("broker", broker.id))}
        if ("broker", broker.id) in network.graph
        else set()
    )
    sides = [
        label for label, node in (("场景", scene), ("成果", achievement)) if (node.kind, node.id) in served
    ]
    if len(sides) == 2:
        notes.append("同时服务场景方与成果方，须向双方说明")
    elif sides:
        notes.append(f"已服务{sides[0]}一方，须说明利益关系")
    return tuple(notes)
