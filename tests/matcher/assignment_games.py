"""Small instances for tests of assignment, and the answer by trying every choice of pairs."""

from collections.abc import Collection, Iterable
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import strategies as st

from matcher.assignment_instance import Capacity, Group, Instance, Pair, Rule, arranged
from matcher.assignment_model import needy

SCENES, ACHIEVEMENTS = ("CJ-1", "CJ-2", "CJ-3"), ("CG-1", "CG-2", "CG-3")
# Few values, so that plans tie.
FITS = (0.0, 0.2, 0.5, 0.5, 0.8, 0.9)


def made(pairs: dict[Pair, float], **rules: Any) -> Instance:
    """The instance of these pairs with their fits, in the order of the dict."""
    scenes = list(dict.fromkeys(s for s, _ in pairs)) or ["CJ-1"]
    others = list(dict.fromkeys(a for _, a in pairs)) or ["CG-1"]
    scenes += [s for s in rules.pop("scenes", ()) if s not in scenes]
    return arranged(
        scenes, others, scene_at=[scenes.index(s) for s, _ in pairs], achievement_at=[others.index(a) for _, a in pairs],
        fit=list(pairs.values()), **rules,
    )  # fmt: skip


@st.composite
def capacities(draw: st.DrawFn, ids: Collection[str]) -> dict[str, Capacity]:
    numbers = st.tuples(st.sampled_from([0, 0, 0, 1, 1, 2]), st.sampled_from([0, 1, 1, 2, 2, 3]))
    own = draw(st.dictionaries(st.sampled_from(sorted(ids)), numbers, max_size=3))
    return {id: Capacity(least=least, most=most) for id, (least, most) in own.items()}


@st.composite
def instances(draw: st.DrawFn, *, rules: bool = True, needs: bool = True) -> Instance:
    """Any instance of up to three by three, with every kind of rule, or with limits and single pairs alone."""
    every = [(s, a) for s in SCENES for a in ACHIEVEMENTS]
    pairs = draw(st.dictionaries(st.sampled_from(every), st.sampled_from(FITS), min_size=1, max_size=8))
    some = st.frozensets(st.sampled_from(every), max_size=2)
    if not rules:
        return made(pairs)
    single: dict[str, Any] = {
        "forced": draw(st.frozensets(st.sampled_from(sorted(pairs)), max_size=2)),
        "forbidden": draw(some),
        "minimum": draw(st.sampled_from([-np.inf, 0.2, 0.5])),
    }
    scenes, others = {s for s, _ in pairs}, {a for _, a in pairs}
    single["scene_capacities"] = draw(capacities(scenes))
    single["achievement_capacities"] = draw(capacities(others))
    if not needs:
        for name in ("scene_capacities", "achievement_capacities"):
            single[name] = {id: Capacity(most=own.most) for id, own in single[name].items()}
        return made(pairs, **single)
    members = draw(st.lists(st.frozensets(st.sampled_from(ACHIEVEMENTS), min_size=1), max_size=3))
    limits = draw(st.lists(st.integers(0, 3), min_size=3, max_size=3))
    groups = [Group(name=f"组{n}", achievements=m, most=limits[n]) for n, m in enumerate(members)]
    floor = draw(st.sampled_from([None, None, 0.5, 0.8]))
    return made(pairs, floor=floor, groups=groups, **single)


def choices(instance: Instance) -> Iterable[tuple[Pair, ...]]:
    """Every choice of candidate pairs."""
    pairs = [instance.pair(at) for at in range(len(instance.fit))]
    for size in range(len(pairs) + 1):
        yield from combinations(pairs, size)


def keeps(instance: Instance, rule: Rule, chosen: Collection[Pair], forced: Collection[Pair]) -> bool:
    """Whether a choice keeps one rule, told from the rule's words alone; ``forced`` are exempt from the minimum."""
    points = {instance.pair(at): instance.points[at] for at in range(len(instance.fit))}
    of_scene = [pair for pair in chosen if pair[0] == rule.scene]
    of_achievement = [pair for pair in chosen if pair[1] == rule.achievement]
    groups = {group.name: group.achievements for group in instance.groups}
    return {
        "scene_least": lambda: len(of_scene) >= rule.number,
        "scene_most": lambda: len(of_scene) <= rule.number,
        "achievement_least": lambda: len(of_achievement) >= rule.number,
        "achievement_most": lambda: len(of_achievement) <= rule.number,
        "forced": lambda: (rule.scene, rule.achievement) in chosen,
        "forbidden": lambda: (rule.scene, rule.achievement) not in chosen,
        "minimum": lambda: all(points[pair] >= rule.number or pair in forced for pair in chosen),
        "floor": lambda: any(points[pair] >= rule.number for pair in of_scene),
        "group": lambda: sum(a in groups[rule.group] for _, a in chosen) <= rule.number,
    }[rule.kind]()


def keepers(instance: Instance, rules: Collection[Rule]) -> list[tuple[Pair, ...]]:
    """Every choice that keeps all of these rules."""
    forced = [(rule.scene, rule.achievement) for rule in rules if rule.kind == "forced"]
    return [chosen for chosen in choices(instance) if all(keeps(instance, r, chosen, forced) for r in rules)]


def all_rules(instance: Instance) -> list[Rule]:
    """Every rule, spelled out by hand and not by the program."""
    rules = [Rule(kind="forced", scene=s, achievement=a) for s, a in instance.forced]
    rules += [Rule(kind="forbidden", scene=s, achievement=a) for s, a in instance.forbidden]
    rules += [Rule(kind="group", group=g.name, number=g.most) for g in instance.groups]
    for id in instance.scenes:
        own = instance.scene_capacities.get(id, instance.scene_capacity)
        rules += [
            Rule(kind="scene_least", scene=id, number=own.least),
            Rule(kind="scene_most", scene=id, number=own.most),
        ]
    for id in instance.achievements:
        own = instance.achievement_capacities.get(id, instance.achievement_capacity)
        rules.append(Rule(kind="achievement_least", achievement=id, number=own.least))
        rules.append(Rule(kind="achievement_most", achievement=id, number=own.most))
    rules.append(Rule(kind="minimum", number=instance.minimum))
    entitled = [id for id, must in zip(instance.scenes, needy(instance), strict=True) if must]
    return rules + [Rule(kind="floor", scene=id, number=instance.floor or 0.0) for id in entitled]


def worth_of(instance: Instance, chosen: Collection[Pair]) -> float:
    """The total fit of a choice."""
    fits = {instance.pair(at): float(instance.fit[at]) for at in range(len(instance.fit))}
    return round(sum(fits[pair] for pair in chosen), 6)
