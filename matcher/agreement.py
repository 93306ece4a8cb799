"""What people's records of pairs say together: how far judges agree, one level per pair, how far introductions came."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graph.feedback import STAGES, Judgement, Outcome, Stage

# A judge with this many judgements, all of one level, tells pairs apart no more than a stamp does.
STAMP = 20
# Two levels apart is a disagreement about whether to call, not about a shade.
CONFLICT = 2
_LEVELS = (1, 2, 3, 4)
_WAY: tuple[Stage, ...] = tuple(stage for stage in STAGES if stage != "declined")

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """One judge among the others.

    ``counts`` are the judgements of level 1, 2, 3, 4. ``deviation`` is the mean of own level minus the mean
    of the others' on the ``shared`` pairs that others judged too, in levels: above 0 is more lenient than
    they are; None without such pairs. ``stamp``: ``STAMP`` judgements or more, all of one level.
    """

    name: str
    judgements: int
    mean: float
    counts: tuple[int, int, int, int]
    shared: int
    deviation: float | None
    stamp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A pair on which two judges are ``CONFLICT`` levels or more apart; ``judgements`` highest level first."""

    scene: str
    achievement: str
    judgements: tuple[Judgement, ...]

    @property
    def spread(self) -> int:
        """Levels between the highest and the lowest judgement, 2 or 3."""
        return self.judgements[0].level - self.judgements[-1].level


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far the judges of ``pairs`` agree on the ``shared`` ones, which two judges or more have judged.

    ``alpha`` as ``ordinal_alpha``. ``exact`` and ``within_one`` are shares in [0, 1] of the shared pairs on
    which all judges gave the same level, or levels at most one apart; None without shared pairs. ``judges``
    by name; ``conflicts`` widest first, then by ids.
    """

    judgements: int
    pairs: int
    shared: int
    alpha: float | None
    exact: float | None
    within_one: float | None
    judges: tuple[Judge, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledLevel:
    """One level for a pair, the mean of ``judges`` judges, in [1, 4]; ``judges`` serves as its weight."""

    scene: str
    achievement: str
    level: float
    judges: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """One pair's way: ``stage`` is the furthest it came, ``declined`` the record that it came to nothing since.

    ``outcomes`` in the order of ``STAGES``. ``stage`` is None where only a refusal is recorded.
    """

    scene: str
    achievement: str
    stage: Stage | None
    declined: Outcome | None
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage of the funnel: pairs that came this far or further, and those of them that stand here now.

    ``of_first`` and ``of_previous`` are shares in [0, 1] of the pairs that reached the first and the
    previous stage; None where there are none.
    """

    stage: Stage
    reached: int
    standing: int
    of_first: float | None
    of_previous: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """The way of ``pairs`` pairs: a step for every stage but "declined", and why the ``declined`` ones were.

    ``declined_alone`` of them have no other stage recorded, so no step counts them. ``reasons`` are counted as written, the most frequent first, ties by text.
    """

    pairs: int
    steps: tuple[Step, ...]
    declined: int
    declined_alone: int
    reasons: tuple[tuple[str, int], ...]


def agreement(judgements: Iterable[Judgement]) -> Agreement:
    """Compare the judges with each other; of several judgements of one judge on one pair the latest counts."""
    standing = _standing(judgements)
    by_pair = _by_pair(standing)
    several = {pair: said for pair, said in by_pair.items() if len(said) > 1}
    spreads = [max(levels) - min(levels) for levels in map(_levels, several.values())]
    conflicts = [
        Conflict(
            scene=scene,
            achievement=achievement,
            judgements=tuple(sorted(said, key=lambda j: (-j.level, j.judge))),
        )
        for ((scene, achievement), said), spread in zip(several.items(), spreads, strict=True)
        if spread >= CONFLICT
    ]
    return Agreement(
        judgements=len(standing),
        pairs=len(by_pair),
        shared=len(several),
        alpha=ordinal_alpha(map(_levels, several.values())),
        exact=float(np.mean([spread == 0 for spread in spreads])) if spreads else None,
        within_one=float(np.mean([spread <= 1 for spread in spreads])) if spreads else None,
        judges=_judges(standing, several),
        conflicts=tuple(sorted(conflicts, key=lambda c: (-c.spread, c.scene, c.achievement))),
    )


def ordinal_alpha(units: Iterable[Sequence[int]]) -> float | None:
    """Krippendorff's alpha for ordinal values: 1 full agreement, 0 no more than chance, below 0 against each other.

    ``units`` holds for each thing judged the values it was given, in any order; units with fewer than two
    say nothing and are passed over. None where it is undefined: nothing shared, or one value throughout.

    Krippendorff, Content Analysis: An Introduction to Its Methodology (2004), chapter 11: one minus observed
    over expected disagreement, both from the coincidence matrix. The squared distance of two values is the
    square of the number of values given from the one to the other, each end counted half.
    """
    shared = [list(unit) for unit in units if len(unit) > 1]
    values = sorted({value for unit in shared for value in unit})
    if len(values) < 2:
        return None
    place = {value: position for position, value in enumerate(values)}
    coincidences = np.zeros((len(values), len(values)))
    for unit in shared:
        counts = np.bincount([place[value] for value in unit], minlength=len(values)).astype(float)
        coincidences += (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    given = coincidences.sum(axis=1)
    middle = np.cumsum(given) - given / 2
    distance = np.subtract.outer(middle, middle) ** 2
    observed = (coincidences * distance).sum()
    expected = (np.outer(given, given) * distance).sum() / (given.sum() - 1)
    return float(1 - observed / expected)


def stamps(judgements: Iterable[Judgement]) -> tuple[str, ...]:
    """The judges who gave ``STAMP`` judgements or more, all of one level, by name."""
    return tuple(judge.name for judge in _judges(_standing(judgements), {}) if judge.stamp)


def pooled(judgements: Iterable[Judgement]) -> tuple[PooledLevel, ...]:
    """One level per pair, ordered by scene and achievement: the mean of its judges, ``stamps`` left out.

    A mean, because pairs have two or three judges at most and a median of two is the same; nobody's levels
    are shifted to the others' mean, because most judges share too few pairs to know by how much. A pair that
    only stamps have judged is left out.
    """
    standing = _standing(judgements)
    telling_nothing = set(stamps(standing))
    by_pair = _by_pair(judgement for judgement in standing if judgement.judge not in telling_nothing)
    return tuple(
        PooledLevel(
            scene=scene, achievement=achievement, level=float(np.mean(_levels(said))), judges=len(said)
        )
        for (scene, achievement), said in by_pair.items()
    )


def introductions(outcomes: Iterable[Outcome]) -> tuple[Introduction, ...]:
    """The way of each pair, ordered by scene and achievement.

    A refusal counts as the end unless a later stage than "shown" was recorded after it: being shown once
    more does not take a refusal back, a new meeting does.
    """
    by_pair: dict[Pair, dict[Stage, Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda o: o.at):
        by_pair.setdefault((outcome.scene, outcome.achievement), {})[outcome.stage] = outcome
    return tuple(_introduction(pair, by_pair[pair]) for pair in sorted(by_pair))


def funnel(outcomes: Iterable[Outcome]) -> Funnel:
    """How many introductions came how far. Who came to a stage has come to those before it, recorded or not."""
    ways = introductions(outcomes)
    reached = [sum(way.stage in _WAY[place:] for way in ways) for place in range(len(_WAY))]
    steps = tuple(
        Step(
            stage=stage,
            reached=reached[place],
            standing=sum(way.stage == stage and way.declined is None for way in ways),
            of_first=reached[place] / reached[0] if reached[0] else None,
            of_previous=reached[place] / reached[place - 1] if place and reached[place - 1] else None,
        )
        for place, stage in enumerate(_WAY)
    )
    reasons: dict[str, int] = {}
    refusals = [way.declined for way in ways if way.declined is not None]
    for refusal in refusals:
        reasons[refusal.reason] = reasons.get(refusal.reason, 0) + 1
    return Funnel(
        pairs=len(ways),
        steps=steps,
        declined=len(refusals),
        declined_alone=sum(way.declined is not None and way.stage is None for way in ways),
        reasons=tuple(sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))),
    )


def _introduction(pair: Pair, found: Mapping[Stage, Outcome]) -> Introduction:
    passed = [stage for stage in _WAY if stage in found]
    refusal = found.get("declined")
    since = refusal and any(found[stage].at > refusal.at for stage in passed if stage != "shown")
    return Introduction(
        scene=pair[0],
        achievement=pair[1],
        stage=passed[-1] if passed else None,
        declined=None if since else refusal,
        outcomes=tuple(found[stage] for stage in STAGES if stage in found),
    )


def _standing(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The latest judgement of each judge and pair, ordered by key."""
    latest = {judgement.key: judgement for judgement in sorted(judgements, key=lambda j: (j.at, j.level))}
    return [latest[key] for key in sorted(latest)]


def _by_pair(judgements: Iterable[Judgement]) -> dict[Pair, list[Judgement]]:
    by_pair: dict[Pair, list[Judgement]] = {}
    for judgement in judgements:
        by_pair.setdefault((judgement.scene, judgement.achievement), []).append(judgement)
    return by_pair


def _levels(judgements: Iterable[Judgement]) -> list[int]:
    return [judgement.level for judgement in judgements]


def _judges(standing: Iterable[Judgement], several: Mapping[Pair, Sequence[Judgement]]) -> tuple[Judge, ...]:
    by_judge: dict[str, list[Judgement]] = {}
    for judgement in standing:
        by_judge.setdefault(judgement.judge, []).append(judgement)
    return tuple(_judge(name, by_judge[name], several) for name in sorted(by_judge))


def _judge(name: str, own: Sequence[Judgement], several: Mapping[Pair, Sequence[Judgement]]) -> Judge:
    levels = _levels(own)
    deviations = [
        judgement.level - np.mean([other.level for other in said if other.judge != name])
        for judgement in own
        if (said := several.get((judgement.scene, judgement.achievement)))
    ]
    none, weak, fair, strong = (levels.count(level) for level in _LEVELS)
    return Judge(
        name=name,
        judgements=len(own),
        mean=float(np.mean(levels)),
        counts=(none, weak, fair, strong),
        shared=len(deviations),
        deviation=float(np.mean(deviations)) if deviations else None,
        stamp=len(own) >= STAMP and len(set(levels)) == 1,
    )
