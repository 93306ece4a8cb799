"""The one pipeline: retrieve on every channel, score every candidate on every feature, order, give levels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.kinds import Node
from graph.network import Network
from graph.paths import proximity, related
from matcher.corpus import Corpus, Key, Subject, keys_at
from matcher.facts import FactRows
from matcher.features import Pairs, values
from matcher.filters import Filters, allowed_slots
from matcher.links import link_values
from matcher.precedents import precedent_values
from matcher.ranker import Ranker, total

# How many each channel proposes. Where no more than _ALL pass the filters, all of them are scored.
_PROPOSED = 150
_ALL = 1000
# The core proposes hardly anything that the headline does not.
_RETRIEVING_VECTORS = ("headline", "gist")
# Looked at beyond the cut, so that equals at the cut come in together and not by their place in the index.
_TIES = 50
Found = tuple[NDArray[np.int64], NDArray[Any]]
# What a free text or a thin record can be matched to.
COUNTERPARTS = {"scene": "achievement", "achievement": "scene"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One ranked pair: ``key`` is the found node; ``parts`` are the points that add up to ``score``.

    ``values`` are the features behind the parts, NaN where unknown. ``probabilities`` are those of levels
    1 to 4; ``rank`` counts from 1.
    """

    rank: int
    key: Key
    score: float
    level: int
    probabilities: tuple[float, float, float, float]
    parts: dict[str, float]
    values: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question to the ranking, see ``Ranking.match``."""

    node: Node
    top: int
    today: date
    kind: str | None = None
    filters: Filters | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Search:
    """A question made ready: ``mask`` is what may be found; ``retrieves`` unless that is few enough to score it all."""

    subject: Subject
    kind: str
    mask: NDArray[np.bool_]
    top: int
    retrieves: bool

    @property
    def wanted(self) -> int:
        """How many each channel proposes."""
        return max(_PROPOSED, 2 * self.top)


class Ranking:
    """Ranks counterparts for a subject over one corpus and network, with one ranker."""

    def __init__(self, corpus: Corpus, network: Network, ranker: Ranker) -> None:
        self.corpus, self.network, self.ranker = corpus, network, ranker

    def match(
        self, node: Node, *, top: int, today: date, kind: str | None = None, filters: Filters | None = None
    ) -> list[Match]:
        """The ``top`` best nodes of ``kind`` for ``node``, best first; fewer only if no more pass ``filters``.

        ``kind`` is the counterpart of the node's own unless given: achievements for a scene, scenes for an
        achievement. Equal scores are in the order of their ids.
        """
        return self.match_many([Asked(node=node, top=top, today=today, kind=kind, filters=filters)])[0]

    def match_many(self, asked: Sequence["Asked"]) -> list[list[Match]]:
        """What ``match`` gives of each; the vectors of the whole corpus are gone through once for all of them."""
        searches = [self._search(one) for one in asked]
        nearest = self._nearest([search for search in searches if search.retrieves])
        return [
            self._ranked(search.subject, self._candidates(search, nearest), search.top, one.today)
            for one, search in zip(asked, searches, strict=True)
        ]

    def score(self, node: Node, kind: str, ids: Sequence[str], *, today: date) -> dict[str, Match]:
        """The named pairs, scored as ``match`` scores them; ids that are not in the corpus are left out."""
        slots = [
            self.corpus.slots[(kind, id)] for id in dict.fromkeys(ids) if (kind, id) in self.corpus.slots
        ]
        matches = self._ranked(self.corpus.subject(node), np.array(slots, dtype=np.int64), len(slots), today)
        return {match.key[1]: match for match in matches}

    def _own(self, subject: Subject, kind: str) -> list[int]:
        """Slots that are no answer: the subject itself, and for a scene's enterprises those that pose it."""
        key = (subject.node.kind, subject.node.id)
        own = [key] if kind == key[0] else []
        if subject.slot is not None and kind == "enterprise" and key in self.network.graph:
            own += [
                source
                for source, _, relation in self.network.graph.in_edges(key, keys=True)
                if relation == "posts"
            ]
        return [self.corpus.slots[other] for other in own if other in self.corpus.slots]

    def _search(self, asked: "Asked") -> "_Search":
        kind = asked.kind or COUNTERPARTS[asked.node.kind]
        subject = self.corpus.subject(asked.node)
        mask = allowed_slots(self.corpus, kind, asked.filters or Filters())
        for own in self._own(subject, kind):
            mask[own] = False
        few = int(mask.sum()) <= max(_ALL, asked.top)
        return _Search(subject=subject, kind=kind, mask=mask, top=asked.top, retrieves=not few)

    def _nearest(self, searches: Sequence["_Search"]) -> dict[tuple[int, str], Found]:
        """What each search finds by each of the retrieving vectors, by the search's identity and the view."""
        found: dict[tuple[int, str], Found] = {}
        for view in _RETRIEVING_VECTORS if searches else ():
            several = self.corpus.vectors[view].search_many(
                [search.subject.vectors[view] for search in searches],
                [search.wanted + _TIES for search in searches],
                [search.mask for search in searches],
            )
            found |= {(id(search), view): one for search, one in zip(searches, several, strict=True)}
        return found

    def _candidates(self, search: "_Search", nearest: Mapping[tuple[int, str], Found]) -> NDArray[np.int64]:
        subject, mask, top = search.subject, search.mask, search.top
        if not search.retrieves:
            return np.flatnonzero(mask)
        proposals: list[NDArray[np.int64]] = []
        for view in _RETRIEVING_VECTORS:
            find = partial(self.corpus.vectors[view].search, subject.vectors[view], allowed=mask)
            proposals.append(_with_ties(find, search.wanted, nearest[id(search), view]))
        for view, words in self.corpus.words.items():
            find_words = partial(words.search, subject.terms[view], allowed=mask)
            proposals.append(_with_ties(find_words, search.wanted, find_words(search.wanted + _TIES)))
        proposals.append(self._near(subject, search.kind, mask))
        slots = np.unique(np.concatenate(proposals))
        if len(slots) < top:  # blank texts find nothing: fill up in the order of ids
            rest = np.setdiff1d(np.flatnonzero(mask), slots)
            by_key = sorted(zip(keys_at(self.corpus, rest.tolist()), rest.tolist(), strict=True))
            slots = np.union1d(slots, [slot for _, slot in by_key[: top - len(slots)]])
        return slots

    def _near(self, subject: Subject, kind: str, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The graph's proposals: what is related to the subject within a few steps."""
        if subject.slot is None:
            return np.zeros(0, dtype=np.int64)
        found = related(self.network, (subject.node.kind, subject.node.id), kind, limit=_PROPOSED)
        slots = np.array(
            [self.corpus.slots[key] for key in found if key in self.corpus.slots], dtype=np.int64
        )
        return slots[mask[slots]]

    def _ranked(self, subject: Subject, slots: NDArray[np.int64], top: int, today: date) -> list[Match]:
        keys = keys_at(self.corpus, slots.tolist())
        theirs = self.corpus.facts.rows(slots)
        demand, offer = _sides(subject, theirs)
        pairs = Pairs(
            corpus=self.corpus, subject=subject, slots=slots, demand=demand, offer=offer, today=today,
            proximity=self._proximity(subject, keys), precedent=precedent_values(self.corpus, self.network, subject, keys),
            links=link_values(self.corpus, self.network, subject, keys),
            experience=self._experience(subject, slots),
        )  # fmt: skip
        computed = values(pairs)
        points = self.ranker.points(computed)
        scores = total(points)
        probabilities = self.ranker.level_probabilities(scores)
        levels = self.ranker.levels(scores)
        order = sorted(range(len(keys)), key=lambda row: (-scores[row], keys[row]))[:top]
        return [
            Match(
                rank=rank, key=keys[row], score=float(scores[row]), level=int(levels[row]),
                probabilities=tuple(probabilities[row].tolist()),
                parts={name: float(column[row]) for name, column in points.items()},
                values={name: float(column[row]) for name, column in computed.items()},
            )
            for rank, row in enumerate(order, 1)
        ]  # fmt: skip

    def _experience(self, subject: Subject, slots: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """What judged pairs tell of these, by the titles of both; None without any, or of another encoder's."""
        experience = self.ranker.experience
        kinds = {subject.node.kind, *(key[0] for key in keys_at(self.corpus, slots[:1].tolist()))}
        if experience is None or kinds != {"scene", "achievement"}:
            return None
        if experience.encoder != self.corpus.encoder.identity:
            return None
        own, theirs = subject.vectors["headline"][None], self.corpus.vectors["headline"].vectors(slots)
        if subject.node.kind == "achievement":
            return experience.values(theirs, own)
        return experience.values(own, theirs)

    def _proximity(self, subject: Subject, keys: Sequence[Key]) -> NDArray[np.float64]:
        key = (subject.node.kind, subject.node.id)
        if subject.slot is None or key not in self.network.graph:
            return np.full(len(keys), np.nan)
        near = proximity(self.network, key, keys)
        return np.array([near.get(k, 0.0) or np.nan for k in keys], dtype=np.float64)


def _sides(subject: Subject, theirs: FactRows) -> tuple[FactRows, FactRows]:
    """(demand, offer): an achievement is an offer, everything else asks."""
    return (theirs, subject.facts) if subject.node.kind == "achievement" else (subject.facts, theirs)


def _with_ties(find: Callable[[int], Found], wanted: int, first: Found) -> NDArray[np.int64]:
    """The ``wanted`` best and all that score the same as the last of them, whatever their number.

    ``first`` is what ``find`` gives of ``wanted + _TIES``.
    """
    most = wanted + _TIES
    slots, scores = first
    while True:
        if len(slots) <= wanted:
            return slots
        if len(slots) < most or scores[-1] < scores[wanted - 1]:
            return np.asarray(slots[scores >= scores[wanted - 1]], dtype=np.int64)
        most *= 4
        slots, scores = find(most)
