"""The stable rule: no scene and achievement would both rather have each other than what the plan gives them."""

from collections.abc import Iterable

import numpy as np

from matcher.assignment_instance import Instance, Mask, Pair, Whole
from matcher.assignment_model import chosen_mask, eligible


def stable_choice(instance: Instance) -> Mask:
    """The pairs of the stable plan, by deferred acceptance with capacities on both sides, scenes proposing.

    Every side prefers more points, then the smaller id, and fills its places with the best that it can get. Each
    scene proposes to its next best while it has room; an achievement holds the best of those that propose and turns
    the worst away (Gale and Shapley, American Mathematical Monthly 69, 1962; several partners on both sides: Roth,
    Econometrica 52, 1984). Forced pairs are set before and take their places. Since both sides go by the same
    points, the stable plan is the only one: it would be the same with achievements proposing. Least numbers,
    floor and groups have no part in it. At most one proposal a pair.
    """
    forced = chosen_mask(instance, instance.forced)
    allowed = np.flatnonzero(eligible(instance) & ~forced)
    order = allowed[np.lexsort((instance.achievement_at[allowed], -instance.points[allowed]))]
    by_scene = order[np.argsort(instance.scene_at[order], kind="stable")]
    ends = np.searchsorted(instance.scene_at[by_scene], np.arange(len(instance.scenes) + 1)).tolist()
    scene_room = _room(instance, "scene", forced).tolist()
    room = _room(instance, "achievement", forced).tolist()
    liking = _liking(instance, instance.scene_at).tolist()
    lists, other = by_scene.tolist(), instance.achievement_at.tolist()
    holding: list[list[tuple[int, int]]] = [[] for _ in instance.achievements]
    following, owner = ends[:-1].copy(), instance.scene_at.tolist()
    waiting = list(range(len(instance.scenes) - 1, -1, -1))
    while waiting:
        scene = waiting.pop()
        while scene_room[scene] > 0 and following[scene] < ends[scene + 1]:
            pair = lists[following[scene]]
            following[scene] += 1
            held = holding[other[pair]]
            held.append((liking[pair], pair))
            scene_room[scene] -= 1
            if len(held) > room[other[pair]]:
                worst = max(held)
                held.remove(worst)
                turned_away = owner[worst[1]]
                scene_room[turned_away] += 1
                if turned_away != scene:
                    waiting.append(turned_away)
    chosen = forced.copy()
    chosen[[pair for held in holding for _, pair in held]] = True
    return chosen


def blocking_pairs(instance: Instance, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """The pairs that block any plan, made by hand or not, in the order of ids: both would rather have each other.

    A side would if it has room, or if a pair that it has, and that is not forced, is worse to it; a pair of the plan
    that is no candidate or may not be chosen is the worst of all. Whoever has more than its most has no room.
    """
    plan = set(pairs)
    places = instance.places(sorted(plan))
    chosen = np.zeros(len(instance.fit), dtype=bool)
    chosen[places[places >= 0]] = True
    strange = [pair for pair, at in zip(sorted(plan), places.tolist(), strict=True) if at < 0]
    allowed, forced = eligible(instance), chosen_mask(instance, instance.forced)
    willing = allowed & ~chosen
    for side, place in (("scene", instance.scene_at), ("achievement", instance.achievement_at)):
        ids = instance.scenes if side == "scene" else instance.achievements
        other = instance.achievement_at if side == "scene" else instance.scene_at
        liking = _liking(instance, other)
        worst = np.full(len(ids), -1)
        loose = chosen & ~forced
        np.maximum.at(worst, place[loose], np.where(allowed[loose], liking[loose], len(liking)))
        foreign = [pair[0] if side == "scene" else pair[1] for pair in strange]
        worst[np.isin(ids, foreign)] = len(liking)
        _, most = instance.limits(side)  # type: ignore[arg-type]
        count = np.bincount(place[chosen], minlength=len(ids)) + [foreign.count(id) for id in ids]
        willing &= ((count < most)[place]) | ((most > 0)[place] & (liking < worst[place]))
    return tuple(instance.pair(at) for at in np.flatnonzero(willing).tolist())


def _liking(instance: Instance, other: Whole) -> Whole:
    """The place of each pair from best to worst in the eyes of one side: by points, then by the other's id."""
    liking = np.empty(len(other), dtype=np.int64)
    liking[np.lexsort((other, -instance.points))] = np.arange(len(other))
    return liking


def _room(instance: Instance, side: str, forced: Mask) -> Whole:
    place = instance.scene_at if side == "scene" else instance.achievement_at
    _, most = instance.limits(side)  # type: ignore[arg-type]
    return np.asarray(np.maximum(most - np.bincount(place[forced], minlength=len(most)), 0), dtype=np.int64)
