"""A plan: the chosen pairs, the scenes left without one and why; as JSON, and beside another plan."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from graph.problems import Refused
from matcher.assignment_instance import Instance, Mask, Pair, Rule
from matcher.assignment_model import eligible, needy

RuleName = Literal["best", "stable"]
Why = Literal["closed", "no_candidate", "below_minimum", "forbidden", "taken", "group_full", "free"]
_FORMAT = 1
_NAMED = 3
_KEPT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A pair of a plan: what it adds to the total, its score and level (1..4, 0 where unknown), if it was forced."""

    scene: str
    achievement: str
    fit: float
    points: float
    level: int
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A scene without an achievement and why, as a code and in Chinese.

    ``achievements`` are those that it could have had by their score, the best ten of them.
    """

    scene: str
    why: Why
    message: str
    achievements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Pairs in the order of ids. ``total`` is the sum of their fits, ``bound`` what no plan exceeds.

    ``optimal`` says that no plan under the same rules has a greater total, proven.
    """

    rule: RuleName
    pairs: tuple[Chosen, ...]
    left: tuple[LeftOut, ...]
    total: float
    bound: float
    optimal: bool

    @property
    def gap(self) -> float:
        """How far the total is below the bound, as a share of the bound; 0 for an optimum."""
        return max(self.bound - self.total, 0.0) / abs(self.bound) if self.bound and not self.optimal else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a plan changes: pairs added, removed (with their fit then) and kept (with their fit now), and in total.

    ``refitted`` is the part of ``change`` that comes from kept pairs whose fit is another now.
    """

    added: tuple[Chosen, ...]
    removed: tuple[Chosen, ...]
    kept: tuple[Chosen, ...]
    change: float
    refitted: float


def plan_of(instance: Instance, chosen: Mask, *, rule: RuleName, bound: float, optimal: bool) -> Plan:
    """The plan of the chosen pairs of an instance."""
    places = np.flatnonzero(chosen)
    pairs = []
    for at in places.tolist():
        scene, achievement = instance.pair(at)
        pairs.append(
            Chosen(
                scene=scene, achievement=achievement, fit=float(instance.fit[at]), points=float(instance.points[at]),
                level=int(instance.level[at]), forced=(scene, achievement) in instance.forced,
            )
        )  # fmt: skip
    return Plan(
        rule=rule, pairs=tuple(pairs), left=tuple(left_out(instance, chosen)), total=total(pairs), bound=bound,
        optimal=optimal,
    )  # fmt: skip


def total(pairs: Iterable[Chosen]) -> float:
    """The sum of fits, to a millionth."""
    return round(math.fsum(pair.fit for pair in pairs), 6) + 0.0


def left_out(instance: Instance, chosen: Mask) -> Iterable[LeftOut]:
    """Why each scene that has no pair among ``chosen`` has none, in the order of ids; for any choice of pairs."""
    allowed, unbarred = eligible(instance), eligible(instance, forbidden=False)
    served = np.zeros(len(instance.scenes), dtype=bool)
    served[instance.scene_at[chosen]] = True
    state = _state(instance, chosen)
    _, scene_most = instance.limits("scene")
    starts = np.searchsorted(instance.scene_at, np.arange(len(instance.scenes) + 1))
    for scene in np.flatnonzero(~served).tolist():
        mine = np.arange(starts[scene], starts[scene + 1])
        mine = mine[np.lexsort((instance.achievement_at[mine], -instance.points[mine]))]
        id = instance.scenes[scene]
        if scene_most[scene] == 0:
            yield LeftOut(scene=id, why="closed", message="规则中它的最多数为 0")
        elif len(mine) == 0:
            yield LeftOut(scene=id, why="no_candidate", message="没有候选成果")
        elif not unbarred[mine].any():
            name, points = instance.pair(mine[0])[1], instance.points[mine[0]]
            message = f"没有达到最低要求的成果，最好的是 {name}（得分 {points:.1f}）"
            yield LeftOut(scene=id, why="below_minimum", message=message, achievements=(name,))
        elif not allowed[mine].any():
            names = [instance.pair(at)[1] for at in mine[unbarred[mine]].tolist()]
            message = f"达到最低要求的成果 {_listed(names)} 都被禁止对接"
            yield LeftOut(scene=id, why="forbidden", message=message, achievements=tuple(names[:_KEPT]))
        else:
            yield _missed(state, id, [instance.pair(at)[1] for at in mine[allowed[mine]].tolist()])


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Who has each achievement, how many may, and the full group that closes it."""

    holders: Mapping[str, Sequence[str]]
    room: Mapping[str, int]
    closed: Mapping[str, str]


def _state(instance: Instance, chosen: Mask) -> _State:
    holders: dict[str, list[str]] = {}
    for at in np.flatnonzero(chosen).tolist():
        scene, achievement = instance.pair(at)
        holders.setdefault(achievement, []).append(scene)
    _, most = instance.limits("achievement")
    closed: dict[str, str] = {}
    for group in instance.groups:
        if sum(len(holders.get(id, ())) for id in group.achievements) >= group.most:
            closed |= dict.fromkeys(group.achievements, group.name)
    return _State(
        holders=holders, room=dict(zip(instance.achievements, most.tolist(), strict=True)), closed=closed
    )


def _missed(state: _State, scene: str, names: Sequence[str]) -> LeftOut:
    """Where a scene has candidates, what became of each: with whom it is, or which group is full."""
    taken, barred, free = [], [], []
    for name in names:
        holders = state.holders.get(name, ())
        if len(holders) >= state.room[name]:
            taken.append(f"{name} 已给 {_listed(holders)}" if holders else f"{name} 最多数为 0")
        elif name in state.closed:
            barred.append(f"{name} 所在的“{state.closed[name]}”已满")
        else:
            free.append(name)
    kept = tuple(names[:_KEPT])
    if free:
        message = f"还有可用的成果 {_listed(free)}，没有排上"
        return LeftOut(scene=scene, why="free", message=message, achievements=kept)
    said = "；".join(part for part in (_listed(taken, "，"), _listed(barred, "，")) if part)
    why: Why = "taken" if taken else "group_full"
    return LeftOut(
        scene=scene, why=why, message=f"够格的 {len(names)} 项成果都排不上：{said}", achievements=kept
    )


def _listed(names: Sequence[str], joint: str = "、") -> str:
    return joint.join(names[:_NAMED]) + (f" 等 {len(names)} 项" if len(names) > _NAMED else "")


def broken_rules(instance: Instance, pairs: Iterable[Pair]) -> tuple[Rule, ...]:
    """The rules that any choice of pairs breaks, made by hand or not; a pair that is no candidate breaks ``minimum``."""
    chosen = set(pairs)
    places = instance.places(sorted(chosen))
    inside = [at for at in places.tolist() if at >= 0]
    broken: list[Rule] = []
    for side, number in (("scene", 0), ("achievement", 1)):
        ids = instance.scenes if side == "scene" else instance.achievements
        least, most = instance.limits(side)  # type: ignore[arg-type]
        counts: dict[str, int] = {}
        for pair in chosen:
            counts[pair[number]] = counts.get(pair[number], 0) + 1
        for id, low, high in zip(ids, least.tolist(), most.tolist(), strict=True):
            if counts.get(id, 0) < low:
                broken.append(Rule(kind=f"{side}_least", number=low, **{side: id}))  # type: ignore[arg-type]
            if counts.get(id, 0) > high:
                broken.append(Rule(kind=f"{side}_most", number=high, **{side: id}))  # type: ignore[arg-type]
    broken += [Rule(kind="forced", scene=s, achievement=a) for s, a in instance.forced - chosen]
    broken += [Rule(kind="forbidden", scene=s, achievement=a) for s, a in instance.forbidden & chosen]
    low_ones = chosen - {instance.pair(at) for at in inside if instance.points[at] >= instance.minimum}
    if low_ones - instance.forced:
        broken.append(Rule(kind="minimum", number=instance.minimum))
    if instance.floor is not None:
        good = {instance.scene_at[at] for at in inside if instance.points[at] >= instance.floor}
        missing = [at for at in np.flatnonzero(needy(instance)).tolist() if at not in good]
        broken += [Rule(kind="floor", scene=instance.scenes[at], number=instance.floor) for at in missing]
    for group in instance.groups:
        if sum(achievement in group.achievements for _, achievement in chosen) > group.most:
            broken.append(Rule(kind="group", group=group.name, number=group.most))
    return tuple(sorted(broken))


def plan_difference(before: Plan, after: Plan) -> Difference:
    """What ``after`` changes against ``before``, by ids."""
    old = {(pair.scene, pair.achievement): pair for pair in before.pairs}
    new = {(pair.scene, pair.achievement): pair for pair in after.pairs}
    kept = tuple(new[key] for key in sorted(old.keys() & new.keys()))
    refitted = total(kept) - total(old[pair.scene, pair.achievement] for pair in kept)
    return Difference(
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        kept=kept,
        change=round(after.total - before.total, 6) + 0.0,
        refitted=round(refitted, 6) + 0.0,
    )


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan as values of JSON, from which ``plan_from_json`` makes it again; ``gap`` is there to be read."""
    return {"format": _FORMAT, **asdict(plan), "gap": plan.gap}


def plan_from_json(text: str) -> Plan:
    """The plan that a JSON text holds. Raises ``Refused`` (``plan_unreadable``) for anything else."""
    try:
        content = json.loads(text)
        if content["format"] != _FORMAT or content["rule"] not in ("best", "stable"):
            raise ValueError("format or rule")
        pairs = [Chosen(**pair) for pair in content["pairs"]]
        left = [LeftOut(**(row | {"achievements": tuple(row["achievements"])})) for row in content["left"]]
        if not all(isinstance(v, str) for p in pairs for v in (p.scene, p.achievement)):
            raise ValueError("ids")
        return Plan(
            rule=content["rule"], pairs=tuple(pairs), left=tuple(left), total=float(content["total"]),
            bound=float(content["bound"]), optimal=bool(content["optimal"]),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        remedy = "请指定 jiebang assign --json 输出并保存的文件。"
        raise Refused("plan_unreadable", "这不是对接方案文件，或文件不完整。", remedy) from error
