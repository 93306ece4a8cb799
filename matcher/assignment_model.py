"""Rules as arrays: what the solvers see of an instance, whole or with some of its rules only."""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from matcher.assignment_instance import Instance, Mask, Pair, Rule, RuleKind, Whole

# Fits count in millionths: far below what a probability is known to, and whole numbers add up alike in any order.
MILLIONTHS = 1_000_000
# Costs times nodes must stay below this, or the scaling of the min-cost flow leaves 64 bits.
_COST_RANGE = 2**60
_LARGEST_LOT = 2**20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spread:
    """At most ``most`` chosen pairs with an achievement of the mask ``members``."""

    rule: Rule
    members: Mask
    most: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """What must hold, without ids. Pairs are those that may be chosen; ``pair`` is their place in the instance.

    ``needy`` are the scenes that must get one pair of ``good``. Limits are at most the number of pairs there are.
    """

    pair: Whole
    scene_at: Whole
    achievement_at: Whole
    fit: Whole  # in millionths
    forced: Mask
    good: Mask
    needy: Mask
    scene_least: Whole
    scene_most: Whole
    achievement_least: Whole
    achievement_most: Whole
    spreads: tuple[Spread, ...]

    @property
    def most_pairs(self) -> int:
        """A number of pairs that no plan exceeds."""
        scenes = np.minimum(self.scene_most, np.bincount(self.scene_at, minlength=len(self.scene_most)))
        others = np.bincount(self.achievement_at, minlength=len(self.achievement_most))
        return int(min(scenes.sum(), np.minimum(self.achievement_most, others).sum()))


def rules_of(instance: Instance) -> list[Rule]:
    """Every rule of the instance that can forbid something, needs before limits."""
    rules: list[Rule] = []
    entitled = np.array(instance.scenes, dtype=object)[needy(instance)]
    sides = (("scene", instance.scenes), ("achievement", instance.achievements))
    limits = {side: instance.limits(side) for side in ("scene", "achievement")}
    for side, ids in sides:
        least, _ = limits[side]
        rules += [_of(side, "least", ids[at], int(least[at])) for at in np.flatnonzero(least > 0)]
    floor = instance.floor if instance.floor is not None else 0.0
    rules += [Rule(kind="floor", scene=id, number=floor) for id in entitled]
    rules += [Rule(kind="forced", scene=s, achievement=a) for s, a in sorted(instance.forced)]
    for side, ids in sides:
        _, most = limits[side]
        rules += [_of(side, "most", id, int(number)) for id, number in zip(ids, most, strict=True)]
    rules += [Rule(kind="group", group=group.name, number=group.most) for group in instance.groups]
    rules += [Rule(kind="forbidden", scene=s, achievement=a) for s, a in sorted(instance.forbidden)]
    if instance.minimum > -np.inf:
        rules.append(Rule(kind="minimum", number=instance.minimum))
    return rules


def _of(side: str, end: str, id: str, number: int) -> Rule:
    kind: RuleKind = f"{side}_{end}"  # type: ignore[assignment]
    return Rule(kind=kind, number=number, **{side: id})


def eligible(
    instance: Instance, *, forced: bool = True, forbidden: bool = True, minimum: bool = True
) -> Mask:
    """Which pairs may be chosen, by each of these rules or without it."""
    mask = instance.points >= instance.minimum if minimum else np.ones(len(instance.fit), dtype=bool)
    if forbidden:
        mask = mask & ~chosen_mask(instance, instance.forbidden)
    if forced:
        mask = mask | chosen_mask(instance, instance.forced)
    return np.asarray(mask, dtype=bool)


def needy(instance: Instance) -> Mask:
    """The scenes that the floor holds for: those with a pair at it that may be chosen, on both sides not closed."""
    mask = np.zeros(len(instance.scenes), dtype=bool)
    if instance.floor is not None:
        _, scene_most = instance.limits("scene")
        _, achievement_most = instance.limits("achievement")
        good = eligible(instance) & (instance.points >= instance.floor)
        good &= (scene_most[instance.scene_at] > 0) & (achievement_most[instance.achievement_at] > 0)
        mask[instance.scene_at[good]] = True
    return mask


def chosen_mask(instance: Instance, pairs: Collection[Pair]) -> Mask:
    """The mask of these pairs; what is no candidate is passed over."""
    mask = np.zeros(len(instance.fit), dtype=bool)
    places = instance.places(sorted(pairs))
    mask[places[places >= 0]] = True
    return mask


def model_of(instance: Instance, rules: Collection[Rule] | None = None) -> Model:
    """The model of all rules, or of the given ones alone: what has no rule is without limit."""
    given = None if rules is None else set(rules)

    def holds(kind: RuleKind) -> bool:
        return given is None or any(rule.kind == kind for rule in given)

    forced, forbidden = (_pairs(given, kind, getattr(instance, kind)) for kind in ("forced", "forbidden"))
    fixed = chosen_mask(instance, forced)
    allowed = instance.points >= instance.minimum if holds("minimum") else np.ones(len(fixed), dtype=bool)
    pair = np.flatnonzero((allowed & ~chosen_mask(instance, forbidden)) | fixed)
    scene_least, scene_most = instance.limits("scene")
    achievement_least, achievement_most = instance.limits("achievement")
    must = needy(instance)
    if given is not None:
        _keep(scene_least, "scene_least", instance.scenes, given, 0)
        _keep(scene_most, "scene_most", instance.scenes, given, len(pair))
        _keep(achievement_least, "achievement_least", instance.achievements, given, 0)
        _keep(achievement_most, "achievement_most", instance.achievements, given, len(pair))
        must &= np.isin(instance.scenes, [rule.scene for rule in given if rule.kind == "floor"])
    return Model(
        pair=pair, scene_at=instance.scene_at[pair], achievement_at=instance.achievement_at[pair],
        fit=np.rint(instance.fit[pair] * MILLIONTHS).astype(np.int64), forced=fixed[pair],
        good=instance.points[pair] >= (np.inf if instance.floor is None else instance.floor), needy=must,
        scene_least=scene_least, scene_most=np.minimum(scene_most, len(pair)),
        achievement_least=achievement_least, achievement_most=np.minimum(achievement_most, len(pair)),
        spreads=_spreads(instance, given),
    )  # fmt: skip


def _pairs(given: set[Rule] | None, kind: str, own: frozenset[Pair]) -> Collection[Pair]:
    if given is None:
        return own
    return [(rule.scene, rule.achievement) for rule in given if rule.kind == kind]


def _keep(limits: Whole, kind: str, ids: tuple[str, ...], given: set[Rule], otherwise: int) -> None:
    """Leave in place the limits that are among the rules given."""
    side = kind.partition("_")[0]
    kept = {getattr(rule, side) for rule in given if rule.kind == kind}
    limits[[id not in kept for id in ids]] = otherwise


def _spreads(instance: Instance, given: set[Rule] | None) -> tuple[Spread, ...]:
    found = []
    for group in instance.groups:
        rule = Rule(kind="group", group=group.name, number=group.most)
        if given is None or rule in given:
            members = np.array([id in group.achievements for id in instance.achievements], dtype=bool)
            found.append(Spread(rule=rule, members=members, most=group.most))
    return tuple(found)


def worth(instance: Instance, model: Model) -> Whole:
    """What choosing each pair of the model is worth, as one whole number: its fit, then fewer pairs, then a lot.

    The lot of a pair is drawn from its two ids by a digest: the same every time and whatever else there is, and
    no low number is favoured. It is so small that all lots of a plan together weigh less than one millionth of
    fit. With L possible lots and n pairs, two best plans are left with probability n / L at most (the isolation
    lemma: Mulmuley, Vazirani and Vazirani, Combinatorica 7, 1987).
    """
    most = max(model.most_pairs, 1)
    nodes = 2 * len(instance.scenes) + len(instance.achievements) + len(model.spreads) + 4
    largest = int(np.abs(model.fit).max(initial=1)) + 1
    lots = min(_LARGEST_LOT, _COST_RANGE // (nodes * largest * (most + 1)))
    if lots < 2:
        return model.fit * (most + 1) - 1
    digests = (
        _digests(instance.scenes)[model.scene_at] + 3 * _digests(instance.achievements)[model.achievement_at]
    )
    lot = 1 + (_mixed(digests) % np.uint64(lots)).astype(np.int64)
    return model.fit * (lots * most + 1) - lot


def _digests(ids: tuple[str, ...]) -> NDArray[np.uint64]:
    return np.array(
        [int.from_bytes(blake2b(id.encode(), digest_size=8).digest()) for id in ids], dtype=np.uint64
    )


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on every bit of a number (the finaliser of SplitMix64, Steele et al. 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
