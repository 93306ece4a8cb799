"""What the two sides have had to do with each other: features of a pair from typed paths of the knowledge graph.

A path counts as the product of 1 / log2(degree) over its inner nodes (Adamic and Adar, "Friends and
neighbors on the web", Social Networks 25, 2003): 1 through nodes that join nothing else, little through a
broker who serves everybody. PathSim (Sun et al., VLDB 2011) compares nodes of one kind, and a random walk
mixes all paths of a pair; this needs one path, so that the value and the path that is told are the same thing.

``python -m matcher.links HOME JUDGEMENTS.csv`` prints what they add (``matcher/link_ablation.py``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import log2
from typing import TypeVar

import numpy as np

from graph.network import Network
from graph.paths import HUB_DEGREE
from matcher.corpus import Corpus, Key, Subject
from matcher.features import Values, centred_cosine

LINKS: tuple[str, ...] = ("partner_path", "team_record", "broker_link")
# Neighbours of one relation and records of one team looked at, the first by id: bounds the work for a pair
# whatever the graph looks like, and is the same from either side.
_MOST = 10
_KEPT = 50  # records kept of one organisation or person, the first by id
_ALIKE = 0.2  # centred cosine from which two scenes are called alike
_OWNING = {"scene": "posts", "achievement": "owns"}
_TRYING = {"scene": "tried_in", "achievement": "adopts"}

_EVERYBODY = ("", "")

_T = TypeVar("_T")
Route = tuple[float, tuple[Key, ...]]  # the weight of the nodes between an end and what it reaches, and these


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The strongest typed path of a pair: the feature's value, the nodes from scene to achievement, a sentence."""

    value: float
    nodes: tuple[Key, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Another achievement (``other``) of a team that a case tried in a scene.

    The team is one by the ``names`` of its people (``weight`` 1), else by its ``owner`` (the owner's weight).
    """

    weight: float
    owner: Key | None
    names: tuple[str, ...]
    other: Key
    case: Key
    scene: Key


def link_values(corpus: Corpus, network: Network, subject: Subject, keys: Sequence[Key]) -> dict[str, Values]:
    """The features ``LINKS`` between the subject and each key, 0..1, NaN where there is no such path.

    The subject is walked out from once; of each candidate only what it is joined to is looked up, hubs are
    never walked through. A pair has the same values from either side. Only stored scenes against stored
    achievements have any.
    """
    result = {name: np.full(len(keys), np.nan) for name in LINKS}
    own = (subject.node.kind, subject.node.id)
    if subject.slot is None or own not in network.graph or own[0] not in _OWNING:
        return result
    asks = own[0] == "scene"
    posing, known = owners(network, own), _brokers(network, own)
    counterparts = [(row, key) for row, key in enumerate(keys) if key[0] in _OWNING and key[0] != own[0]]
    for row, key in counterparts if posing or known else ():
        ends = (own, key) if asks else (key, own)
        if posing and (theirs := owners(network, key)):
            meeting = _organisations(network, ends, *((posing, theirs) if asks else (theirs, posing)))
            result["partner_path"][row] = meeting.value if meeting else np.nan
        if known and (others := _brokers(network, key)):
            meeting = _broker(network, ends, *((known, others) if asks else (others, known)))
            result["broker_link"][row] = meeting.value if meeting else np.nan
    result["team_record"] = _records_of_all(corpus, network, subject, keys)
    return result


def link_chains(corpus: Corpus, network: Network, scene: Key, achievement: Key) -> dict[str, Chain]:
    """The path behind each feature of ``LINKS`` that a pair has; its value is the feature's."""
    ends = (scene, achievement)
    if not all(end in network.graph and end in corpus.slots for end in ends):
        return {}
    found = {
        "partner_path": _organisations(network, ends, *(owners(network, end) for end in ends)),
        "team_record": _record(corpus, network, scene, achievement),
        "broker_link": _broker(network, ends, *(_brokers(network, end) for end in ends)),
    }
    return {name: chain for name, chain in found.items() if chain}


def link_notes(corpus: Corpus, network: Network, scene: Key, achievement: Key) -> dict[str, str]:
    """A Chinese sentence for each feature of ``LINKS`` that the pair has."""
    chains = link_chains(corpus, network, scene, achievement)
    return {name: chain.sentence for name, chain in chains.items()}


def owners(network: Network, key: Key) -> list[Key]:
    """The organisations that post a scene or own an achievement; at most ``_MOST``, by id."""
    return _once(network, "owners", key, lambda: _before(network, key, _OWNING[key[0]]))


def joined_by(network: Network, one: Key, other: Key) -> str:
    """How an organisation stands to another: 控股, 由其控股, 合作; empty if neither."""
    ahead, back = (network.graph.get_edge_data(*ends, default={}) for ends in ((one, other), (other, one)))
    if "controls" in ahead or "controls" in back:
        return "控股" if "controls" in ahead else "由其控股"
    return "合作" if "partners" in ahead or "partners" in back else ""


def titled(network: Network, key: Key) -> str:
    """A title in quotation marks; those within it become single ones."""
    title = str(network.graph.nodes[key]["title"])
    return f"“{title.replace('“', '‘').replace('”', '’')}”"


def _once(network: Network, name: str, key: Key, work_out: Callable[[], _T]) -> _T:
    """What is asked again for every subject: worked out once a node and revision of the network."""
    known: dict[Key, _T] = network.derived.setdefault(name, {})
    if key not in known:
        known[key] = work_out()
    return known[key]


def _weight(network: Network, key: Key) -> float:
    return 1 / log2(max(network.degree(key), 2))


def _before(network: Network, key: Key, relation: str) -> list[Key]:
    return _named(network.graph.pred[key], relation) if key in network.graph else []


def _after(network: Network, key: Key, relation: str) -> list[Key]:
    return _named(network.graph.succ[key], relation) if key in network.graph else []


def _named(beside: Mapping[Key, Mapping[str, object]], relation: str) -> list[Key]:
    if not beside or len(beside) > HUB_DEGREE:
        return []
    return sorted(other for other, edges in beside.items() if relation in edges)[:_MOST]


def _organisations(
    network: Network, ends: tuple[Key, Key], posters: list[Key], holders: list[Key]
) -> Chain | None:
    """Poster and owner are partners or of one group.

    One organisation that is both counts nothing: who asks has found that what it owns does not do.
    """
    found = [
        (_weight(network, poster) * _weight(network, holder), poster, holder, how)
        for poster, holder in product(posters, holders)
        if poster != holder and (how := joined_by(network, poster, holder))
    ]
    if not found:
        return None
    value, poster, holder, how = min(found, key=lambda one: (-one[0], one[1:]))
    asking, offering = titled(network, poster), titled(network, holder)
    sentence = f"发布单位{asking}与完成单位{offering}有合作关系"
    if how != "合作":
        parent, child = (asking, offering) if how == "控股" else (offering, asking)
        sentence = f"发布单位与完成单位同属一个集团：{parent}控股{child}"
    return Chain(value=value, nodes=(ends[0], poster, holder, ends[1]), sentence=sentence)


def _brokers(network: Network, key: Key) -> dict[Key, list[Route]]:
    """Brokers around an end: who serve it, serve an organisation that owns it, or brokered a case of it."""
    return _once(network, "brokers", key, lambda: _brokers_anew(network, key))


def _brokers_anew(network: Network, key: Key) -> dict[Key, list[Route]]:
    routes: dict[Key, list[Route]] = {}
    for broker in _before(network, key, "serves"):
        routes.setdefault(broker, []).append((1.0, ()))
    cases = _before(network, key, _TRYING[key[0]])
    for relation, inner in (("serves", owners(network, key)), ("brokered", cases)):
        for node in inner:
            for broker in _before(network, node, relation):
                routes.setdefault(broker, []).append((_weight(network, node), (node,)))
    return routes


def _broker(
    network: Network, ends: tuple[Key, Key], left: dict[Key, list[Route]], right: dict[Key, list[Route]]
) -> Chain | None:
    """A broker who knows both sides, over different nodes on either side."""
    found = [
        (one * other * _weight(network, broker), (*before, broker, *after), broker)
        for broker in left.keys() & right.keys()
        for (one, before), (other, after) in product(left[broker], right[broker])
        if not set(before) & set(after)
    ]
    if not found:
        return None
    value, nodes, broker = min(found, key=lambda one: (-one[0], one[1]))
    at = nodes.index(broker)
    asking = _tell_broker(network, nodes[:at], "该场景", "发布单位")
    offering = _tell_broker(network, nodes[at + 1 :], "该成果", "完成单位")
    sentence = f"技术经纪人{network.graph.nodes[broker]['title']}{asking}，并{offering}"
    return Chain(value=value, nodes=(ends[0], *nodes, ends[1]), sentence=sentence)


def _tell_broker(network: Network, between: tuple[Key, ...], end: str, owner: str) -> str:
    if not between:
        return f"服务{end}"
    title = titled(network, between[0])
    return f"撮合过{end}的案例{title}" if between[0][0] == "case" else f"服务{owner}{title}"


def team_records(network: Network, achievement: Key) -> list[Record]:
    """What the team of an achievement has delivered before, the surest first, then by id; at most ``_MOST``.

    Another achievement counts if a case adopted it and it has the same owner, the same expert as inventor,
    or people of the same name at the same or at joined organisations (elsewhere a name may be another's).
    """
    return _once(network, "records", achievement, lambda: _records_anew(network, achievement))


def _records_anew(network: Network, achievement: Key) -> list[Record]:
    delivered, own, people = _delivered(network), owners(network, achievement), _people(network, achievement)
    found: set[Record] = set()
    for other, case, scene in {record for who in (*own, *people) for record in delivered.get(who, ())}:
        theirs = owners(network, other)
        near = any(a == b or joined_by(network, a, b) for a, b in product(own, theirs))
        both = people.keys() & _people(network, other).keys()
        names = tuple(sorted({people[who] for who in both if who[0] == "expert" or near}))
        shared = sorted((-_weight(network, owner), owner) for owner in own if owner in theirs)
        if other != achievement and (names or shared):
            worth, owner = (1.0, None) if names else (-shared[0][0], shared[0][1])
            found.add(Record(weight=worth, owner=owner, names=names, other=other, case=case, scene=scene))
    return sorted(found, key=lambda r: (-r.weight, r.case, r.other, r.scene))[:_MOST]


def _delivered(network: Network) -> Mapping[Key, Sequence[tuple[Key, Key, Key]]]:
    """By organisation and inventor: (achievement, case, scene) of every case; made once a revision of the network."""
    return _once(network, "delivered", _EVERYBODY, lambda: _delivered_anew(network))


def _delivered_anew(network: Network) -> Mapping[Key, Sequence[tuple[Key, Key, Key]]]:
    found: dict[Key, list[tuple[Key, Key, Key]]] = {}
    for case in sorted(key for key in network.graph if key[0] == "case"):
        for adopted, scene in product(_after(network, case, "adopts"), _after(network, case, "tried_in")):
            for who in (*owners(network, adopted), *_people(network, adopted)):
                records = found.setdefault(who, [])
                if len(records) < _KEPT:
                    records.append((adopted, case, scene))
    return found


def _people(network: Network, achievement: Key) -> dict[Key, str]:
    """Names of inventors: experts joined to an achievement, and its column without departments before a colon."""
    if achievement not in network.graph:
        return {}
    about = network.graph.nodes
    found = {who: str(about[who]["title"]) for who in _before(network, achievement, "invented")}
    for text in about[achievement].get("inventors", ())[:_MOST]:
        if name := text.replace("：", ":").rpartition(":")[2].strip():
            found["name", name] = name
    return found


def _records_of_all(corpus: Corpus, network: Network, subject: Subject, keys: Sequence[Key]) -> Values:
    """The weight of a team's record times how like the scene it was in is to this one; the best record counts.

    What the team did in this very scene counts nothing: that need is met.
    """
    result, own = np.full(len(keys), np.nan), (subject.node.kind, subject.node.id)
    if not _delivered(network):
        return result
    if own[0] == "achievement":
        known = np.array([key in network.graph for key in keys], dtype=np.bool_)
        for record in team_records(network, own):
            if record.scene in corpus.slots:
                worth = record.weight * _likeness(corpus, record.scene, keys)
                elsewhere = known & np.array([key != record.scene for key in keys], dtype=np.bool_)
                result = np.fmax(result, np.where(elsewhere, worth, np.nan))
        return result
    rows = {row: team_records(network, key) for row, key in enumerate(keys) if key[0] == "achievement"}
    scenes = {record.scene for records in rows.values() for record in records} & corpus.slots.keys() - {own}
    ordered = sorted(scenes)
    alike = dict(zip(ordered, _likeness(corpus, own, ordered).tolist(), strict=True))
    for row, records in rows.items():
        worths = [record.weight * alike[record.scene] for record in records if record.scene in alike]
        result[row] = max(worths, default=np.nan)
    return result


def _record(corpus: Corpus, network: Network, scene: Key, achievement: Key) -> Chain | None:
    known = corpus.slots.keys() - {scene}
    records = [record for record in team_records(network, achievement) if record.scene in known]
    alike = _likeness(corpus, scene, [record.scene for record in records]).tolist()
    ranked = sorted(zip(records, alike, strict=True), key=lambda one: -one[0].weight * one[1])
    if not ranked:
        return None
    record, likeness = ranked[0]
    who = f"完成单位{titled(network, record.owner)}" if record.owner else f"完成人{'、'.join(record.names)}"
    other, case, place = (titled(network, key) for key in (record.other, record.case, record.scene))
    sentence = (
        f"{who}的另一成果{other}已用于{'相近' if likeness >= _ALIKE else '其他'}场景{place}（案例{case}）"
    )
    owner = (record.owner,) if record.owner else ()
    nodes = (scene, record.scene, record.case, record.other, *owner, achievement)
    return Chain(value=record.weight * likeness, nodes=nodes, sentence=sentence)


def _likeness(corpus: Corpus, scene: Key, others: Sequence[Key]) -> Values:
    """Centred cosine of what scenes say, 0..1."""
    gist = corpus.vectors["gist"].vectors([corpus.slots[scene]])[0]
    slots = np.array([corpus.slots[other] for other in others], dtype=np.int64)
    return centred_cosine(corpus, "gist", gist, slots)


if __name__ == "__main__":
    from matcher.link_ablation import main

    main()
