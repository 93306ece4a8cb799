"""What another version of a ranker does to one ranking: who rises, who falls, and by which parts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from graph.kinds import Node
from matcher.corpus import Key
from matcher.features import features
from matcher.ranking import COUNTERPARTS, Match, Ranking

_LOOKED_AT = 200  # ranks beyond are not told
_MOVING_PARTS = 3
_TELLING = 0.05  # standard deviations of the score; less moves nothing worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What happened to one node between two rankings of the same subject.

    Ranks are None beyond those looked at (200). ``parts`` are (label, change): how much further above the
    other candidates a part lifts the node, in standard deviations of the score among them; they add up to
    ``standing``, the change of the whole score measured so. Scores of two rankers have no common scale,
    places among the same candidates have.
    """

    key: Key
    before: Match
    after: Match
    rank_before: int | None
    rank_after: int | None
    standing: float
    parts: tuple[tuple[str, float], ...]

    @property
    def rise(self) -> int:
        """1 if its rank is better after than before, -1 if worse, 0 if the same or beyond those looked at."""
        before, after = (math.inf if rank is None else rank for rank in (self.rank_before, self.rank_after))
        return (after < before) - (after > before)

    @property
    def telling(self) -> tuple[tuple[str, float], ...]:
        """The parts that moved it most, those that pull against its rise or fall left out; at most three."""
        with_it = [part for part in self.parts if part[1] * self.rise >= _TELLING]
        return tuple(sorted(with_it, key=lambda part: (-abs(part[1]), part[0]))[:_MOVING_PARTS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The ``top`` best by each of two rankers, and a move for every node among either, best by the second first."""

    before: tuple[Match, ...]
    after: tuple[Match, ...]
    moves: tuple[Move, ...]


def compare(before: Ranking, after: Ranking, node: Node, *, top: int, today: date) -> Comparison:
    """Both rankings of the counterparts of ``node``, and what moved; the same corpus must be behind both."""
    looked_at = max(top, _LOOKED_AT)
    sides = [ranking.match(node, top=looked_at, today=today) for ranking in (before, after)]
    keys = {match.key for side in sides for match in side[:top]}
    kind = COUNTERPARTS[node.kind]
    scored = [
        ranking.score(node, kind, sorted(id for _, id in keys), today=today) for ranking in (before, after)
    ]
    ranks = [{match.key: match.rank for match in side} for side in sides]
    standings = [_standings(list(found.values())) for found in scored]
    moves = [
        _move(
            key,
            [found[key[1]] for found in scored],
            [rank.get(key) for rank in ranks],
            [s[key] for s in standings],
        )
        for key in keys
    ]
    # The score settles what lies beyond the ranks looked at.
    moves.sort(key=lambda move: (-move.after.score, move.key))
    return Comparison(before=tuple(sides[0][:top]), after=tuple(sides[1][:top]), moves=tuple(moves))


def _standings(matches: Sequence[Match]) -> dict[Key, dict[str, float]]:
    """Each part of each match against the mean of all, in standard deviations of the score."""
    if not matches:
        return {}
    spread = float(np.std([match.score for match in matches])) or 1.0
    means = {name: float(np.mean([match.parts[name] for match in matches])) for name in matches[0].parts}
    return {
        match.key: {name: (points - means[name]) / spread for name, points in match.parts.items()}
        for match in matches
    }


def _move(
    key: Key,
    matches: Sequence[Match],
    ranks: Sequence[int | None],
    standings: Sequence[Mapping[str, float]],
) -> Move:
    before, after = standings
    names = list(dict.fromkeys((*before, *after)))
    changes = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in names}
    return Move(
        key=key, before=matches[0], after=matches[1], rank_before=ranks[0], rank_after=ranks[1],
        standing=sum(changes.values()),
        parts=tuple((_label(name), change) for name, change in changes.items()),
    )  # fmt: skip


def _label(name: str) -> str:
    feature = features().get(name)
    return feature.label if feature else name
