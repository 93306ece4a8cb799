"""Pictures of the graph: an evidence path as a chain, a neighbourhood as rings around a node."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from api.workbench.rendering import link

# Drawn widths are in a unit of which a Chinese character of a label takes about one.
_BOX, _GAP, _ROW = 150, 74, 46
_CHAIN_LETTERS, _RING_LETTERS = 9, 9
WIDE, HIGH = 1100, 760


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A node as it is drawn: where (its middle), what stands in it, where it leads."""

    x: float
    y: float
    kind: str
    label: str
    title: str
    href: str
    wide: float = _BOX
    is_centre: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A relation as it is drawn, from end to end; ``forward``: it points from the first to the second."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str
    forward: bool = True
    derived: bool = False

    @property
    def middle(self) -> tuple[float, float]:
        """Where the label stands."""
        return ((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture, and the same in words for those who do not see it."""

    wide: float
    high: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    text: str


def drawn(path: Mapping[str, Any]) -> Drawing:
    """An evidence path from left to right."""
    boxes = [
        Box(
            x=_BOX / 2 + at * (_BOX + _GAP), y=_ROW / 2, kind=node["kind"],
            label=shortened(node["title"], _CHAIN_LETTERS), title=node["title"], href=place_of(node),
        )
        for at, node in enumerate(path["nodes"])
    ]  # fmt: skip
    lines = [
        Line(
            x1=one.x + _BOX / 2, y1=one.y, x2=other.x - _BOX / 2, y2=other.y, label=step["label"], forward=step["forward"],
        )
        for (one, other), step in zip(pairwise(boxes), path["steps"], strict=True)
    ]  # fmt: skip
    wide = len(boxes) * _BOX + (len(boxes) - 1) * _GAP
    return Drawing(wide=wide, high=_ROW, boxes=tuple(boxes), lines=tuple(lines), text=path["text"])


def neighbourhood(nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]) -> Drawing:
    """Nodes on rings by their distance from the first; a ring's nodes stand near the one that they hang on."""
    places: dict[tuple[str, str], tuple[float, float, float]] = {}
    parents = _parents(nodes, edges)
    for distance in sorted({node["distance"] for node in nodes}):
        ring = [node for node in nodes if node["distance"] == distance]
        if distance == 0:
            places[_key(ring[0])] = (WIDE / 2, HIGH / 2, 0.0)
            continue
        if distance > 1:
            ring.sort(key=lambda node: (places[parents[_key(node)]][2], _key(node)))
        across, down = _radii(distance, max(node["distance"] for node in nodes))
        for at, node in enumerate(ring):
            angle = 2 * math.pi * at / len(ring) - math.pi / 2
            # Neighbours on a crowded ring stand a little in and out, so that their names do not run together.
            out = 1.0 - 0.16 * (at % 2) * (len(ring) > 8)
            places[_key(node)] = (
                WIDE / 2 + across * out * math.cos(angle),
                HIGH / 2 + down * out * math.sin(angle),
                angle,
            )
    boxes = tuple(
        Box(
            x=round(places[_key(node)][0], 1), y=round(places[_key(node)][1], 1), kind=node["kind"],
            label=shortened(node["title"], _RING_LETTERS), title=f"{node['label']}：{node['title']}",
            href=walk_to(node), wide=148, is_centre=node["distance"] == 0,
        )
        for node in nodes
    )  # fmt: skip
    lines = tuple(_line(edge, places) for edge in edges)
    told = f"{len(nodes)} 个对象、{len(edges)} 条关系"
    return Drawing(wide=WIDE, high=HIGH, boxes=boxes, lines=lines, text=told)


def shortened(text: str, most: int) -> str:
    """The beginning of a text, with a mark where there is more; two narrow letters count as one."""
    size, kept = 0.0, ""
    for letter in text:
        size += 0.55 if letter.isascii() else 1.0
        if size > most:
            return kept.rstrip() + "…"
        kept += letter
    return kept


def place_of(node: Mapping[str, Any]) -> str:
    """Where a node leads: to its record; of a field to the records in it."""
    if node["kind"] == "field":
        return link("/records/achievement", field=node["id"])
    return link(f"/records/{node['kind']}", open=node["id"])


def walk_to(node: Mapping[str, Any]) -> str:
    """Where a node of a neighbourhood leads: to its own neighbourhood."""
    if node["kind"] == "field":
        return link("/records/achievement", field=node["id"])
    return link("/graph", kind=node["kind"], id=node["id"])


def _radii(distance: int, most: int) -> tuple[float, float]:
    share = distance / most
    return (WIDE / 2 - 80) * share, (HIGH / 2 - 40) * share


def _key(node: Mapping[str, Any]) -> tuple[str, str]:
    return (node["kind"], node["id"])


def _parents(
    nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], tuple[str, str]]:
    """Of each node but the first one a step nearer to the middle that it is joined to."""
    distance = {_key(node): node["distance"] for node in nodes}
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for edge in edges:
        ends = _key(edge["source"]), _key(edge["target"])
        for one, other in (ends, ends[::-1]):
            if distance[one] == distance[other] + 1:
                found[one] = min(other, found.get(one, other))
    first = _key(nodes[0])
    return {key: found.get(key, first) for key in distance}


def _line(edge: Mapping[str, Any], places: Mapping[tuple[str, str], tuple[float, float, float]]) -> Line:
    (x1, y1, _), (x2, y2, _) = places[_key(edge["source"])], places[_key(edge["target"])]
    return Line(
        x1=round(x1, 1), y1=round(y1, 1), x2=round(x2, 1), y2=round(y2, 1), derived=edge["derived"],
        # A field looks like a field: what it means to be joined to one need not be written a dozen times.
        label="" if edge["target"]["kind"] == "field" else edge["label"],
    )  # fmt: skip
