"""What is to be assigned to what, and the rules that an assignment must keep: ids, candidate pairs, limits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Pair = tuple[str, str]
Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]

RuleKind = Literal[
    "scene_least", "scene_most", "achievement_least", "achievement_most", "group",
    "forced", "forbidden", "minimum", "floor",
]  # fmt: skip
# A fit beyond this is no probability and no score either; it would leave no digits for the solver.
_LARGEST_FIT = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How many partners one side must and may get: at least ``least``, at most ``most``, neither negative.

    That ``least`` is above ``most`` is a contradiction of rules, which ``conflicts`` explains.
    """

    least: int = 0
    most: int = 1

    def __post_init__(self) -> None:
        if self.least < 0 or self.most < 0:
            raise ValueError("a capacity cannot be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """At most ``most`` chosen pairs have one of ``achievements``; ``name`` is how people call them (香洲区)."""

    name: str
    achievements: frozenset[str]
    most: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    """One rule of an instance, by itself: what a conflict is made of and what a plan may break.

    ``number`` is the limit of a capacity or group, or the points of ``minimum`` and ``floor``.
    """

    kind: RuleKind
    scene: str = ""
    achievement: str = ""
    group: str = ""
    number: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instance:
    """Scenes, achievements, candidate pairs and rules, in the order of ids: made by ``arranged``.

    Pair ``i`` joins ``scenes[scene_at[i]]`` and ``achievements[achievement_at[i]]``; what is no pair cannot be
    chosen. ``fit`` is what a chosen pair adds to the total. From the ranking it is the calibrated probability
    that people would call the pair 较强相关 or better, so that a total is the expected number of good
    introductions. Points would not do: they have no upper end and grow with the length of texts, so that a sum of
    them gives the one long scene a second-best gain at the price of a short scene's only fit. ``points`` are the
    score, which preferences, ``minimum`` and ``floor`` go by (the probability comes so near to 1 that it no
    longer tells strong pairs apart). ``level`` is 1..4, 0 where unknown.

    A pair may be chosen unless it is ``forbidden`` or below ``minimum`` points; a ``forced`` one is chosen
    whatever its points. With a ``floor``, every scene that has a pair of at least so many points that may be
    chosen must get one such pair.
    """

    scenes: tuple[str, ...]
    achievements: tuple[str, ...]
    scene_at: Whole
    achievement_at: Whole
    fit: Floats
    points: Floats
    level: Whole
    scene_capacity: Capacity = Capacity()
    achievement_capacity: Capacity = Capacity()
    scene_capacities: Mapping[str, Capacity] = field(default_factory=dict)
    achievement_capacities: Mapping[str, Capacity] = field(default_factory=dict)
    forced: frozenset[Pair] = frozenset()
    forbidden: frozenset[Pair] = frozenset()
    minimum: float = -np.inf
    floor: float | None = None
    groups: tuple[Group, ...] = ()
    # How people call these two (较强相关); their points stand in where this is empty.
    minimum_called: str = ""
    floor_called: str = ""

    def pair(self, at: int) -> Pair:
        """The ids of pair ``at``."""
        return self.scenes[self.scene_at[at]], self.achievements[self.achievement_at[at]]

    def places(self, pairs: Iterable[Pair]) -> Whole:
        """Where the pairs stand, in the order given; -1 for what is no candidate."""
        pairs = list(pairs)
        scene = {id: at for at, id in enumerate(self.scenes)} if pairs else {}
        achievement = {id: at for at, id in enumerate(self.achievements)} if pairs else {}
        known = np.array(
            [(scene.get(s, -1), achievement.get(a, -1)) for s, a in pairs], dtype=np.int64
        ).reshape(-1, 2)
        width = len(self.achievements)
        codes = np.where((known >= 0).all(axis=1), known[:, 0] * width + known[:, 1], -1)
        own = self.scene_at * width + self.achievement_at
        at = np.searchsorted(own, codes)
        found = (at < len(own)) & (codes >= 0)
        found[found] = own[at[found]] == codes[found]
        return np.where(found, at, -1)

    def limits(self, side: Literal["scene", "achievement"]) -> tuple[Whole, Whole]:
        """The least and most of every scene or achievement, in the order of ids."""
        ids = self.scenes if side == "scene" else self.achievements
        default = self.scene_capacity if side == "scene" else self.achievement_capacity
        own = self.scene_capacities if side == "scene" else self.achievement_capacities
        least, most = np.full(len(ids), default.least), np.full(len(ids), default.most)
        if own:
            for at, id in enumerate(ids):
                if id in own:
                    least[at], most[at] = own[id].least, own[id].most
        return least.astype(np.int64), most.astype(np.int64)


def arranged(
    scenes: Sequence[str],
    achievements: Sequence[str],
    *,
    scene_at: ArrayLike,
    achievement_at: ArrayLike,
    fit: ArrayLike,
    points: ArrayLike | None = None,
    level: ArrayLike | None = None,
    **rules: Any,
) -> Instance:
    """The instance of these ids and pairs in one order, so that the order of what comes in decides nothing.

    ``scene_at`` and ``achievement_at`` are places in the ids as given; ``fit`` is rounded to millionths, as it is added
    up; ``points`` are ``fit`` unless given;
    ``rules`` are the further columns of ``Instance``. Raises ``ValueError`` for ids, pairs or groups given twice,
    places out of range, and numbers that are not finite or beyond ±1000 (fit).
    """
    first, scene_order = _ordered(scenes)
    second, achievement_order = _ordered(achievements)
    s, a = np.asarray(scene_at, dtype=np.int64), np.asarray(achievement_at, dtype=np.int64)
    f: Floats = np.asarray(np.round(np.asarray(fit, dtype=np.float64), 6) + 0.0, dtype=np.float64)
    p: Floats = f if points is None else np.asarray(points, dtype=np.float64)
    grades = np.zeros(len(f), dtype=np.int64) if level is None else np.asarray(level, dtype=np.int64)
    if not len(s) == len(a) == len(f) == len(p) == len(grades):
        raise ValueError("every pair needs a scene, an achievement, a fit, points and a level")
    if len(s) and not (s.min() >= 0 and s.max() < len(first) and a.min() >= 0 and a.max() < len(second)):
        raise ValueError("a pair names a place that is not there")
    if not (np.isfinite(f).all() and np.isfinite(p).all() and (np.abs(f) <= _LARGEST_FIT).all()):
        raise ValueError("fits must be finite numbers from -1000 to 1000, points finite")
    s, a = scene_order[s], achievement_order[a]
    code = s * len(second) + a
    order = np.argsort(code, kind="stable")
    if (np.diff(code[order]) == 0).any():
        raise ValueError("a pair is given twice")
    groups = tuple(sorted(rules.pop("groups", ()), key=lambda group: group.name))
    if len({group.name for group in groups}) < len(groups):
        raise ValueError("two groups have one name")
    return Instance(
        scenes=first, achievements=second, scene_at=s[order], achievement_at=a[order], fit=f[order], points=p[order],
        level=grades[order], groups=groups, **rules,
    )  # fmt: skip


def _ordered(ids: Sequence[str]) -> tuple[tuple[str, ...], Whole]:
    """The ids in order, and the new place of each old one."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    if len(set(ids)) < len(ids):
        raise ValueError("an id is given twice")
    places = np.empty(len(ids), dtype=np.int64)
    places[order] = np.arange(len(ids))
    return tuple(ids[at] for at in order), places
