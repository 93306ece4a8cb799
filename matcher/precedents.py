"""What worked here before: published cases of an achievement, and how like this scene the places are where it was tried.

Only what is in the store counts, and a case is there from its publication to its retirement (``matcher.cases``); an
audience's store has those cases alone that the audience may see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.kinds import Case
from graph.measures import measures_in
from graph.network import Network
from matcher.corpus import Corpus, Key, Subject
from matcher.features import centred_cosine
from matcher.links import titled

ALIKE = 0.2  # centred cosine from which two places are called alike, as in ``matcher.links``
_FEW_MEASURES = 2
_SHORT = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Precedent:
    """A case that adopted the achievement, and how like its place is to the scene, 0..1.

    ``place`` is the scene in which it was tried; the case itself where that scene is not known.
    """

    case: Key
    place: Key
    likeness: float


def precedent_values(
    corpus: Corpus, network: Network, subject: Subject, keys: Sequence[Key]
) -> NDArray[np.float64]:
    """Of each pair of the subject and a key the likeness of the likest place, 0..1; NaN without a case.

    The subject is the scene (stored or just written) or the achievement; the value is the same from either side.
    """
    result = np.full(len(keys), np.nan)
    if subject.node.kind == "achievement":
        slots = np.array([corpus.slots[key] for key in keys], dtype=np.int64)
        for place in sorted(
            {place for _, place in _tried(corpus, network, (subject.node.kind, subject.node.id))}
        ):
            gist = corpus.vectors["gist"].vectors([corpus.slots[place]])[0]
            result = np.fmax(result, centred_cosine(corpus, "gist", gist, slots))
        return result
    adopted = _adopted(network)
    tried = {
        row: places
        for row, key in enumerate(keys)
        if key in adopted and (places := _tried(corpus, network, key))
    }
    likeness = _likeness(corpus, subject, {place for places in tried.values() for _, place in places})
    for row, places in tried.items():
        result[row] = max(likeness[place] for _, place in places)
    return result


def precedents(corpus: Corpus, network: Network, scene: Subject, achievement: Key) -> list[Precedent]:
    """The cases behind the value of a pair, the likest first, then by id."""
    tried = _tried(corpus, network, achievement)
    likeness = _likeness(corpus, scene, {place for _, place in tried})
    found = [Precedent(case=case, place=place, likeness=likeness[place]) for case, place in tried]
    return sorted(found, key=lambda one: (-one.likeness, one.case, one.place))


def precedent_note(network: Network, scene: Key, found: Precedent, record: Case | None) -> str:
    """The case by name, how its place is like the scene, and what was measured there."""
    case = f"案例{titled(network, found.case)}（{found.case[1]}）"
    if found.place == scene:
        told = f"已在本场景试用：{case}"
    elif found.place == found.case:
        told = f"该成果已有{'与本场景相近的' if found.likeness >= ALIKE else ''}{case}"
    else:
        near = "相近" if found.likeness >= ALIKE else "其他"
        told = f"该成果已在{near}场景{titled(network, found.place)}中用过：{case}"
    if record is None:
        return told
    figures = _figures(record)
    return (
        f"{told}，实测{figures}"
        if figures
        else f"{told}，成效：{shown}"
        if (shown := _first(record))
        else told
    )


def measured_in(case: Case) -> str:
    """What a case measured, short: the first figures before and after, else the beginning of its effect."""
    return _figures(case) or _first(case)


def _figures(case: Case) -> str:
    return "、".join([one.change for one in measures_in(case.measures) if one.is_measured][:_FEW_MEASURES])


def _first(case: Case) -> str:
    first = case.effect.replace("\n", "；").replace("。", "；").split("；")[0]
    return first if len(first) <= _SHORT else f"{first[:_SHORT]}…"


def _tried(corpus: Corpus, network: Network, achievement: Key) -> list[tuple[Key, Key]]:
    """(case, place) of every case that adopted an achievement, by ids."""
    graph = network.graph
    if achievement not in graph or not graph.pred[achievement]:
        return []
    found: set[tuple[Key, Key]] = set()
    for case in _cases(graph.in_edges(achievement, keys=True)):
        scenes = [scene for _, scene, relation in graph.out_edges(case, keys=True) if relation == "tried_in"]
        known = [scene for scene in scenes if scene in corpus.slots]
        # Of a case whose scene is hidden or was never stored its own text says what the place was like.
        found |= {(case, place) for place in known or [case] if place in corpus.slots}
    return sorted(found)


def _adopted(network: Network) -> set[Key]:
    """Every achievement that some case adopted; worked out once a revision of the network."""
    known: set[Key] | None = network.derived.get("adopted")
    if known is None:
        cases = [key for key in network.graph if key[0] == "case"]
        out = network.graph.out_edges(cases, keys=True)
        known = network.derived["adopted"] = {key for _, key, relation in out if relation == "adopts"}
    return known


def _cases(edges: Iterable[tuple[Key, Key, str]]) -> list[Key]:
    return [source for source, _, relation in edges if relation == "adopts"]


def _likeness(corpus: Corpus, subject: Subject, places: set[Key]) -> dict[Key, float]:
    ordered = sorted(places)
    slots = np.array([corpus.slots[place] for place in ordered], dtype=np.int64)
    cosines = centred_cosine(corpus, "gist", subject.vectors["gist"], slots)
    return dict(zip(ordered, cosines.tolist(), strict=True))
