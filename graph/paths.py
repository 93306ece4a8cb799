"""Why two nodes belong together: evidence paths, closeness as a number, shared partners, near cases."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from typing import Any

import numpy as np

from graph.network import FIELD, IN_FIELD, RELATION_LABELS, Network
from graph.relations import RELATIONS
from graph.store.changes import NodeKey

# A node with more neighbours is a hub: no path runs on through it, two half paths may only meet there.
HUB_DEGREE = 200
# Half paths kept at each side of a search, and pairs of them tried: bounds on time and memory whatever the
# graph looks like.
HALF_PATHS = 20_000
PAIRS = 200_000

# Chance to take another step in the closeness walk, and steps after which the rest no longer matters.
WALK_ON = 0.7
WALK_STEPS = 5
# The raw closeness that reads 0.5: that of ends joined by one chain of three relations through two
# organisations with five relations each (a test holds it to that).
HALF_CLOSENESS = 0.01

_ORGANISATIONS = frozenset({"enterprise", "institution"})
_ORDER = {name: position for position, name in enumerate((*RELATIONS, IN_FIELD))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One relation along a path; ``forward`` if the path goes the way the relation points."""

    relation: str
    label: str
    forward: bool
    derived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A chain of nodes, each joined to the next by a step: one step fewer than nodes."""

    nodes: tuple[NodeKey, ...]
    titles: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def text(self) -> str:
        """The path for people, e.g. ``海岛投送 ←发布— 某集团 —合作→ 某大学 —拥有→ 某成果``."""
        words = [self.titles[0]]
        for step, title in zip(self.steps, self.titles[1:], strict=True):
            words += [f"—{step.label}→" if step.forward else f"←{step.label}—", title]
        return " ".join(words)


def evidence_paths(
    network: Network,
    source: NodeKey,
    target: NodeKey,
    *,
    max_length: int = 4,
    limit: int = 5,
) -> list[Path]:
    """The simple paths of at most ``max_length`` relations between two nodes, the best evidence first.

    Directions are ignored in walking and kept in telling. First come paths that do not run through a
    field (to share a field proves little), then shorter ones, then those through less connected nodes
    (sum of log2 of the inner nodes' degrees), then by ids. Cost is bounded by ``HALF_PATHS``: half paths are
    grown from both ends, never on through a hub (``HUB_DEGREE``), so that of paths with a hub only those are
    found that have it near the middle and at most one. Unknown or equal ends give an empty list.
    """
    if source == target or max_length < 1 or limit < 1:
        return []
    if source not in network.graph or target not in network.graph:
        return []
    ahead = _half_paths(network, source, target, (max_length + 1) // 2)
    back = _half_paths(network, target, source, max_length // 2)
    found = set(_joined(network, ahead, back, max_length))
    ranked = sorted(found, key=lambda nodes: _rank(network, nodes))
    return [_path(network, nodes) for nodes in ranked[:limit]]


def proximity(network: Network, source: NodeKey, candidates: Iterable[NodeKey]) -> dict[NodeKey, float]:
    """How closely related each candidate is to the source, in [0, 1]; 0 where no relation leads there.

    A walk with restart over the symmetrically normalised relations S = D^-1/2 A D^-1/2, cut off after
    ``WALK_STEPS`` steps: sum over k >= 1 of (1 - c) c^(k-1) S^k with c = ``WALK_ON`` (Zhou, Bousquet, Lal,
    Weston and Schölkopf, "Learning with Local and Global Consistency", NIPS 2003). Every step into and out
    of a node is divided by the root of its degree, so a path through a hub counts for little, and it is
    the same in both directions. Fields do not count as relations. The raw value x is shown as
    x / (x + ``HALF_CLOSENESS``), which keeps its order and spreads it over the range. Cost: ``WALK_STEPS``
    passes over the relations, whatever the number of candidates.
    """
    wanted = list(dict.fromkeys(candidates))
    _, position, _ = network.adjacency()
    if source not in position:
        return {key: float(key == source and source in network.graph) for key in wanted}
    raw = _closeness(network, position[source])
    result = {}
    for key in wanted:
        at = position.get(key)
        x = float(raw[at]) if at is not None and key != source else 0.0
        result[key] = 1.0 if key == source else x / (x + HALF_CLOSENESS)
    return result


def related(network: Network, source: NodeKey, kind: str, *, limit: int) -> list[NodeKey]:
    """The nodes of a kind most closely related to the source by ``proximity``, the closest first, equals by id.

    Nodes to which no relation leads within the walk are left out. Cost as ``proximity``.
    """
    keys, position, _ = network.adjacency()
    if source not in position:
        return []
    raw = _closeness(network, position[source])
    near = [
        (-float(raw[at]), keys[at])
        for at in np.flatnonzero(raw)
        if keys[at][0] == kind and keys[at] != source
    ]
    return [key for _, key in sorted(near)[:limit]]


def shared_partners(network: Network, left: NodeKey, right: NodeKey, *, limit: int = 5) -> list[NodeKey]:
    """Organisations that stand beside both nodes, the least connected first.

    Beside an organisation are those joined to it; beside any other node the organisations joined to it
    and those joined to one of them. The two nodes themselves are left out.
    """
    both = _beside(network, left) & _beside(network, right) - {left, right}
    return sorted(both, key=lambda key: (network.degree(key), key))[:limit]


def near_cases(network: Network, source: NodeKey, *, limit: int = 5) -> list[NodeKey]:
    """Cases related to a node, the closest by ``proximity`` first, then those that share a field with it."""
    if source not in network.graph:
        return []
    cases = [key for key in network.graph if key[0] == "case" and key != source]
    close = proximity(network, source, cases)
    fields = _fields(network, source)
    shared = {key: len(fields & _fields(network, key)) for key in cases}
    ranked = sorted(cases, key=lambda key: (-close[key], -shared[key], key))
    return [key for key in ranked if close[key] > 0 or shared[key] > 0][:limit]


def _half_paths(
    network: Network, start: NodeKey, other_end: NodeKey, depth: int
) -> dict[NodeKey, list[tuple[NodeKey, ...]]]:
    """Simple paths from ``start`` of at most ``depth`` relations, by where they end.

    They end at the other end at the latest, and at hubs. The least connected nodes are tried first, so
    that what ``HALF_PATHS`` cuts off is the weakest.
    """
    ended: dict[NodeKey, list[tuple[NodeKey, ...]]] = {start: [(start,)]}
    growing: list[tuple[NodeKey, ...]] = [(start,)]
    count = 1
    for _ in range(depth):
        grown: list[tuple[NodeKey, ...]] = []
        for path in growing:
            here = path[-1]
            if here == other_end or (here != start and _is_hub(network, here)):
                continue
            for following in _steps_from(network, here, HALF_PATHS - count):
                if following not in path:
                    grown.append((*path, following))
                    ended.setdefault(following, []).append(grown[-1])
                    count += 1
                    if count >= HALF_PATHS:
                        return ended
        growing = grown
    return ended


def _steps_from(network: Network, key: NodeKey, most: int) -> list[NodeKey]:
    following = sorted((network.degree(n), n) for n in network.neighbours(key))
    return [other for _, other in following[:most]]


def _joined(
    network: Network,
    ahead: dict[NodeKey, list[tuple[NodeKey, ...]]],
    back: dict[NodeKey, list[tuple[NodeKey, ...]]],
    max_length: int,
) -> Iterator[tuple[NodeKey, ...]]:
    """The simple paths that two half paths make."""
    tried = 0
    meetings = sorted(ahead.keys() & back.keys(), key=lambda n: (n[0] == FIELD, network.degree(n), n))
    for meeting in meetings:
        hub = _is_hub(network, meeting)
        for first in ahead[meeting]:
            for second in back[meeting]:
                tried += 1
                if tried > PAIRS:
                    return
                forward, backward = len(first) - 1, len(second) - 1
                # Away from hubs every path has one middle to meet at; at hubs any meeting will do.
                if forward + backward > max_length or not (hub or forward - backward in (0, 1)):
                    continue
                if len({*first, *second}) == forward + backward + 1:
                    yield (*first, *second[-2::-1])


def _is_hub(network: Network, key: NodeKey) -> bool:
    return key[0] == FIELD or network.degree(key) > HUB_DEGREE


def _rank(network: Network, nodes: tuple[NodeKey, ...]) -> tuple[bool, int, float, Any]:
    inner = nodes[1:-1]
    hubness = sum(log2(1 + network.degree(key)) for key in inner)
    # Rounded: sums of the same logarithms in another order must tie.
    return (any(key[0] == FIELD for key in inner), len(nodes), round(hubness, 9), nodes)


def _path(network: Network, nodes: tuple[NodeKey, ...]) -> Path:
    steps = [_links(network, here, there)[0] for here, there in pairwise(nodes)]
    titles = tuple(network.graph.nodes[key]["title"] for key in nodes)
    return Path(nodes=nodes, titles=titles, steps=tuple(steps))


def _links(network: Network, here: NodeKey, there: NodeKey) -> list[Step]:
    """The relations between two nodes: stored first, then in declared order."""
    found = []
    for source, target in ((here, there), (there, here)):
        for relation, about in (network.graph.get_edge_data(source, target) or {}).items():
            forward = source == here
            order = (about["derived"], _ORDER[relation], not forward)
            found.append((order, relation, forward, about["derived"]))
    return [
        Step(relation=relation, label=RELATION_LABELS[relation], forward=forward, derived=derived)
        for _, relation, forward, derived in sorted(found)
    ]


def _closeness(network: Network, source: int) -> Any:
    """The raw closeness of every node to the one at a position (NumPy, one entry per node)."""
    keys, _, matrix = network.adjacency()
    degrees = np.asarray(matrix.sum(axis=1)).ravel()
    scale = np.where(degrees > 0, 1 / np.sqrt(np.maximum(degrees, 1)), 0.0)
    here, total = np.zeros(len(keys)), np.zeros(len(keys))
    here[source] = 1.0
    weight = 1 - WALK_ON
    for _ in range(WALK_STEPS):
        here = scale * (matrix @ (scale * here))
        total += weight * here
        weight *= WALK_ON
    return total


def _beside(network: Network, key: NodeKey) -> set[NodeKey]:
    if key not in network.graph:
        return set()
    own = {other for other in network.neighbours(key) if other[0] in _ORGANISATIONS}
    if key[0] in _ORGANISATIONS:
        return own
    further = {other for each in own for other in network.neighbours(each) if other[0] in _ORGANISATIONS}
    return own | further


def _fields(network: Network, key: NodeKey) -> set[NodeKey]:
    return {other for other in network.graph.succ[key] if other[0] == FIELD}
