"""What an assignment is asked for, whichever way it comes in, and the instance that follows from it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from api.assignment_rules import RuleSheet
from graph.kinds import Achievement, Scene
from matcher.assignment import gather
from matcher.assignment_instance import Capacity, Group, Instance, Pair, arranged
from matcher.engine import Engine

_FAIR = 3  # the level of the floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How to assign; ``minimum`` is a level's word or points."""

    scene_most: int
    achievement_most: int
    minimum: str
    per_district: int | None
    per_field: int | None
    fair: bool
    rule: str


def instance_of(
    engine: Engine,
    wishes: Wishes,
    scenes: Mapping[str, Scene],
    achievements: Mapping[str, Achievement],
    sheet: RuleSheet,
    *,
    minimum: tuple[float, str],
    chosen: bool,
    today: date,
    extra: Collection[Pair] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Instance:
    """Candidates from the ranking under the wishes and the sheet; ``minimum`` are the least points and how people call them.

    With ``chosen`` every one of ``achievements`` is a candidate of every scene, else each scene's first 100; ``extra``
    pairs are candidates in any case.
    """
    least, called = minimum
    floor = max(least, engine.ranker.cuts[_FAIR - 2])
    found = gather(
        engine, list(scenes.values()), achievements.keys() if chosen else None, today=today,
        extra=sheet.forced | set(extra), progress=progress,
    )  # fmt: skip
    return arranged(
        found.scenes, found.achievements, scene_at=found.scene_at, achievement_at=found.achievement_at, fit=found.fit,
        points=found.points, level=found.level, minimum=least, minimum_called=called,
        scene_capacity=Capacity(most=wishes.scene_most), achievement_capacity=Capacity(most=wishes.achievement_most),
        scene_capacities=sheet.scenes or {}, achievement_capacities=sheet.achievements or {},
        forced=sheet.forced, forbidden=sheet.forbidden, floor=floor if wishes.fair else None,
        floor_called=called if floor == least else "较强相关", groups=groups_of(wishes, achievements, found.achievements),
    )  # fmt: skip


def groups_of(wishes: Wishes, achievements: Mapping[str, Achievement], among: Sequence[str]) -> list[Group]:
    """A group for each district and field of the achievements; what is not filled in is in none."""
    members: dict[tuple[str, int], set[str]] = {}
    for id in among:
        node = achievements[id]
        if wishes.per_district is not None and node.district:
            members.setdefault((node.district, wishes.per_district), set()).add(id)
        if wishes.per_field is not None:
            for name in node.field:
                members.setdefault((f"{name}领域", wishes.per_field), set()).add(id)
    return [
        Group(name=n, achievements=frozenset(ids), most=most) for (n, most), ids in sorted(members.items())
    ]
