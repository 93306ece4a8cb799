"""A score drawn as its parts: which part is of which sort, and how wide it stands in a bar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Sorts of parts in the order in which a bar shows them, with what they are called.
SORTS: Mapping[str, str] = {
    "meaning": "语义", "words": "用词", "indicator": "指标", "terms": "条件", "graph": "图谱", "experience": "经验",
}  # fmt: skip
_OF = {
    "headline_meaning": "meaning", "core_meaning": "meaning", "gist_meaning": "meaning", "headline_words": "words",
    "whole_words": "words", "full_words": "words", "indicator_fit": "indicator", "proximity": "graph", "precedent": "graph",
    "partner_path": "graph", "team_record": "graph", "broker_link": "graph", "experience": "experience", "reading": "meaning",
}  # fmt: skip
WIDTH = 200.0


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the bar: its sort, its points, where it begins and how wide it is."""

    sort: str
    label: str
    points: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """The positive parts by sort in a bar of ``WIDTH``; ``minus`` are the points taken away, as a number below 0."""

    segments: tuple[Segment, ...]
    sum: float
    minus: float

    @property
    def told(self) -> str:
        """The bar in words, for those who do not see it."""
        added = "、".join(f"{one.label} {one.points:+.1f}" for one in self.segments)
        return added + (f"；扣分 {self.minus:.1f}" if self.minus <= -0.05 else "")


def bar_of(parts: Sequence[Mapping[str, Any]], most: float) -> Bar:
    """The bar of a score's parts, scaled so that ``most`` points fill it."""
    sums = dict.fromkeys(SORTS, 0.0)
    minus = 0.0
    for part in parts:
        points = float(part["points"])
        if points > 0:
            sums[_OF.get(part["name"], "terms")] += points
        else:
            minus += points
    x, segments = 0.0, []
    for sort, points in sums.items():
        width = WIDTH * points / most if most > 0 else 0.0
        if points >= 0.05:
            segments.append(Segment(sort, SORTS[sort], points, round(x, 2), round(width, 2)))
        x += width
    return Bar(tuple(segments), sum(sums.values()), minus)
