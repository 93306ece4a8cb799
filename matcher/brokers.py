"""Brokers for a pair: who knows the field and the scene, has done it before, has a hand free, and is not a party."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import normalize

import numpy as np

from graph.feedback import Outcome
from graph.identifiers.fields import field_relatedness
from graph.intake.organisations import organisation_key
from graph.kinds import Achievement, Broker, Scene
from graph.network import Network
from graph.paths import Path, evidence_paths
from graph.store.changes import NodeKey
from matcher.corpus import Corpus
from matcher.features import centred_cosine
from matcher.links import joined_by, owners, titled

_LEVEL_POINTS = {"高级技术经理人": 10.0, "中级技术经纪人": 6.0, "初级技术经纪人": 3.0}
# Points by reasoning: knowing the field weighs most, then the scene, then what came of it, then free capacity.
_FIELD, _SCENE, _DEALS, _CASES, _FREE = 35.0, 25.0, 8.0, 12.0, 10.0
_MANY_DEALS = 20  # a record of this many reads as full; more says little more
_MANY_CASES = 2.0  # likewise of this much relevance in cases and signed outcomes
_SIGNED = ("contract", "landed")
_ELSEWHERE = 0.5  # relevance of a signed outcome between others, whose fields are not looked up
_RELATED = 0.5  # relevance from which a case is named in a reason
_NAMED = 2  # cases named in a reason
_OWN_FORM = re.compile("公司|附属|医院|学校|学院|集团|厂$")
_ENDS = {"scene": "场景方", "achievement": "成果方"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """An interest of a broker in one side: ``hard`` if a party pays the broker's wage, else to be declared.

    ``path`` is the evidence in the graph where there is one; a broker's own organisation column has none.
    """

    hard: bool
    text: str
    path: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerMatch:
    """A broker for a pair: ``parts`` (by Chinese label) add up to ``score`` (0..100).

    ``reasons`` say what the parts rest on, ``notes`` what to mind: load, then conflicts.
    """

    broker: Broker
    score: float
    parts: dict[str, float]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


def rank_brokers(
    scene: Scene,
    achievement: Achievement,
    brokers: Iterable[Broker],
    corpus: Corpus,
    network: Network,
    *,
    top: int,
    outcomes: Iterable[Outcome] = (),
) -> list[BrokerMatch]:
    """The ``top`` best brokers for a pair, best first, equals by id.

    One who is employed by a side stands behind every other, before them one at full load. Serving a side
    is no bar: it is a reason to ask and an interest to declare. ``outcomes`` count where they are signed
    and by the broker (id, or name).
    """
    signed = [outcome for outcome in outcomes if outcome.stage in _SIGNED]
    pair = _Pair(scene=scene, achievement=achievement, network=network)
    ranked = []
    for broker in brokers:
        own = [outcome for outcome in signed if outcome.by in (broker.id, broker.title)]
        ranked.append(_assess(broker, pair, corpus, own))
    ranked.sort(key=lambda match: (_is_party(match), _is_full(match.broker), -match.score, match.broker.id))
    return ranked[:top]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    scene: Scene
    achievement: Achievement
    network: Network

    @property
    def ends(self) -> tuple[tuple[NodeKey, Scene | Achievement], ...]:
        return (
            (("scene", self.scene.id), self.scene),
            (("achievement", self.achievement.id), self.achievement),
        )

    @property
    def field(self) -> frozenset[str]:
        return frozenset((*self.scene.field, *self.achievement.field))

    def owners(self, end: NodeKey) -> list[NodeKey]:
        return owners(self.network, end)


def _is_party(match: BrokerMatch) -> bool:
    return any(conflict.hard for conflict in match.conflicts)


def _assess(broker: Broker, pair: _Pair, corpus: Corpus, signed: Sequence[Outcome]) -> BrokerMatch:
    field = max((field_relatedness(a, b) for a in sorted(pair.field) for b in broker.field), default=0.0)
    scene = _knows(broker, pair.scene, corpus)
    cases = _cases(broker, pair)
    here = {pair.scene.id, pair.achievement.id}
    relevance = sum(worth for worth, _ in cases)
    relevance += sum(1.0 if here & {one.scene, one.achievement} else _ELSEWHERE for one in signed)
    parts = {
        "专业领域": _FIELD * field,
        "擅长场景": _SCENE * scene,
        "成交记录": _DEALS * min((broker.deals or 0) / _MANY_DEALS, 1.0),
        "案例实绩": _CASES * min(relevance / _MANY_CASES, 1.0),
        "职业等级": _LEVEL_POINTS.get(broker.level, 0.0),
        "余力": _FREE * _free_share(broker),
    }
    parts = {label: round(points, 6) for label, points in parts.items()}
    conflicts = _conflicts(broker, pair)
    return BrokerMatch(
        broker=broker,
        score=round(sum(parts.values()), 6),
        parts=parts,
        reasons=tuple(_reasons(broker, pair, parts, cases, signed)),
        notes=(*_load_notes(broker), *(conflict.text for conflict in conflicts)),
        conflicts=conflicts,
    )


def _knows(broker: Broker, scene: Scene, corpus: Corpus) -> float:
    slot = corpus.slots.get(("broker", broker.id))
    if slot is None:
        return 0.0
    query = corpus.subject(scene).vectors["gist"]
    return float(min(2 * centred_cosine(corpus, "gist", query, np.array([slot]))[0], 1.0))


def _cases(broker: Broker, pair: _Pair) -> list[tuple[float, NodeKey]]:
    """The cases a broker brought about, the most relevant first: 1 with a party of this pair in it, else by field.

    A party is the scene, the achievement, or an organisation behind either.
    """
    graph, key = pair.network.graph, ("broker", broker.id)
    if key not in graph:
        return []
    parties = {end for end, _ in pair.ends} | {owner for end, _ in pair.ends for owner in pair.owners(end)}
    found = []
    for _, case, relation in graph.out_edges(key, keys=True):
        if relation == "brokered":
            of_case = graph.nodes[case]["field"]
            related = max((field_relatedness(a, b) for a in sorted(pair.field) for b in of_case), default=0.0)
            beside = set(pair.network.neighbours(case))
            ends = [end for end in beside if end[0] in _ENDS]
            beside |= {owner for end in ends for owner in pair.owners(end)}
            found.append((1.0 if beside & parties else related, case))
    return sorted(found, key=lambda one: (-one[0], one[1]))


def _free_share(broker: Broker) -> float:
    if not broker.capacity:
        return 0.5
    return max(0.0, 1 - (broker.load or 0) / broker.capacity)


def _is_full(broker: Broker) -> bool:
    return bool(broker.capacity) and (broker.load or 0) >= (broker.capacity or 0)


def _reasons(
    broker: Broker,
    pair: _Pair,
    parts: dict[str, float],
    cases: Sequence[tuple[float, NodeKey]],
    signed: Sequence[Outcome],
) -> Iterable[str]:
    if shared := [name for name in broker.field if name in pair.field]:
        yield f"专业领域含{'、'.join(shared)}"
    if broker.scenes and parts["擅长场景"] > 0:
        yield f"擅长{'、'.join(broker.scenes)}"
    if broker.deals:
        yield f"累计成交 {broker.deals} 项"
    if told := [case for worth, case in cases if worth >= _RELATED]:
        more = f"等 {len(told)} 个相关案例" if len(told) > _NAMED else ""
        yield f"撮合过{'、'.join(titled(pair.network, case) for case in told[:_NAMED])}{more}"
    if signed:
        yield f"经手签约或落地 {len(signed)} 项"
    if broker.capacity and not _is_full(broker):
        yield f"在办 {broker.load or 0} 项，上限 {broker.capacity} 项"


def _load_notes(broker: Broker) -> list[str]:
    return [f"在办 {broker.load} 项，已到承载上限 {broker.capacity} 项"] if _is_full(broker) else []


def _conflicts(broker: Broker, pair: _Pair) -> tuple[Conflict, ...]:
    """Hard ones first, of each end the gravest."""
    found = [_conflict(broker, pair, end, node) for end, node in pair.ends]
    conflicts = [conflict for conflict in found if conflict]
    if len(conflicts) == 2 and not any(conflict.hard for conflict in conflicts):
        conflicts.insert(
            0, Conflict(hard=False, text="与场景方、成果方都有利益关系，须向双方说明", path=None)
        )
    return tuple(sorted(conflicts, key=lambda conflict: not conflict.hard))


def _conflict(broker: Broker, pair: _Pair, end: NodeKey, node: Scene | Achievement) -> Conflict | None:
    network, key, side = pair.network, ("broker", broker.id), _ENDS[end[0]]
    behind = pair.owners(end)
    employers = _employers(network, key)
    titles = [str(network.graph.nodes[owner]["title"]) for owner in behind]
    employed = next((owner for owner in behind if owner in employers), None)
    if employed or any(_works_at(broker, title) for title in (*titles, node.owner)):
        path = _path(network, key, employed) if employed else None
        stated = f"（所在机构：{broker.organisation}）" if broker.organisation else ""
        return Conflict(hard=True, text=f"受雇于{side}单位{stated}，不宜居中，请另选或回避", path=path)
    for owner in behind:
        if any(joined_by(network, employer, owner) not in ("", "合作") for employer in employers):
            text = f"所在单位与{side}单位同属一个集团，须说明利益关系"
            return Conflict(hard=False, text=text, path=_path(network, key, owner))
    for served in (end, *behind):
        if key in network.graph and network.graph.has_edge(key, served, "serves"):
            whom = "场景" if end[0] == "scene" else "成果"
            text = f"已服务{whom}一方{'' if served == end else '的单位'}，须说明利益关系"
            return Conflict(hard=False, text=text, path=_path(network, key, served))
    return None


def _employers(network: Network, broker: NodeKey) -> list[NodeKey]:
    if broker not in network.graph:
        return []
    joined = network.graph.in_edges(broker, keys=True)
    return sorted({employer for employer, _, relation in joined if relation == "employs"})


def _works_at(broker: Broker, title: str) -> bool:
    """Whether a broker's organisation is the one so called, in another spelling, or a department of it.

    What has the name of another and then its own legal form (an affiliated hospital, a spun-off firm) is
    somebody else.
    """
    if not title or not broker.organisation:
        return False
    if organisation_key(broker.organisation) == organisation_key(title):
        return True
    place, whole = ("".join(normalize("NFKC", text).split()) for text in (broker.organisation, title))
    return place.startswith(whole) and not _OWN_FORM.search(place.removeprefix(whole))


def _path(network: Network, one: NodeKey, other: NodeKey) -> Path | None:
    paths = evidence_paths(network, one, other, max_length=2, limit=1)
    return paths[0] if paths else None
