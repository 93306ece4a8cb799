"""Why no assignment keeps all rules: the fewest rules that cannot hold together, said with what would mend it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from graph.problems import Problem
from matcher.assignment_flow import binding, disjoint, tight_cut
from matcher.assignment_instance import Instance, Pair, Rule, RuleKind
from matcher.assignment_model import Model, eligible, model_of, rules_of
from matcher.assignment_program import best_choice, relaxed_conflict
from matcher.assignment_words import conflict_words
from matcher.deletion_filter import fewest

# So many conflicts are looked for: whoever has mended these asks again.
_TOLD = 5
_EFFORT = 5.0
_NEEDS: tuple[RuleKind, ...] = ("scene_least", "achievement_least", "floor", "forced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Rules that cannot hold together, whatever the others are; ``problem`` says so in Chinese and what would mend it.

    Of code ``rules_conflict`` none can be spared: without any one of them the rest can hold together.
    """

    rules: tuple[Rule, ...]
    problem: Problem


def contradictions(instance: Instance) -> list[Conflict]:
    """What contradicts itself without looking at the candidates: all of it, in the order of ids.

    A pair both forced and forbidden, forced though it is no candidate, a least above its most, and more forced pairs
    than a capacity or a group allows.
    """
    found = [
        _told((_forced(pair), Rule(kind="forbidden", scene=pair[0], achievement=pair[1])))
        for pair in sorted(instance.forced & instance.forbidden)
    ]
    pairs = sorted(instance.forced)
    unknown = [pair for pair, at in zip(pairs, instance.places(pairs).tolist(), strict=True) if at < 0]
    found += [
        Conflict(
            rules=(_forced(pair),),
            problem=Problem(
                code="forced_unknown",
                message=f"必须对接的“{pair[0]}—{pair[1]}”不在候选之中",
                remedy="请核对两个编号，并确认场景和成果都在这次的范围之内",
            ),
        )
        for pair in unknown
    ]
    pairs = [pair for pair in pairs if pair not in set(unknown)]
    for side in ("scene", "achievement"):
        found += _crowded(instance, side, pairs)
    for group in instance.groups:
        inside = [pair for pair in pairs if pair[1] in group.achievements]
        if len(inside) > group.most:
            limit = Rule(kind="group", group=group.name, number=group.most)
            found.append(_told((*map(_forced, inside[: group.most + 1]), limit)))
    return found


def _crowded(
    instance: Instance, side: Literal["scene", "achievement"], forced: Sequence[Pair]
) -> Iterator[Conflict]:
    ids = instance.scenes if side == "scene" else instance.achievements
    least, most = instance.limits(side)
    number = 0 if side == "scene" else 1
    fixed = Counter(pair[number] for pair in forced)
    for at, id in enumerate(ids):
        limit = Rule(kind=f"{side}_most", number=int(most[at]), **{side: id})  # type: ignore[arg-type]
        if least[at] > most[at]:
            need = Rule(kind=f"{side}_least", number=int(least[at]), **{side: id})  # type: ignore[arg-type]
            yield _told((need, limit))
        if fixed[id] > most[at]:
            mine = [pair for pair in forced if pair[number] == id]
            yield _told((*map(_forced, mine[: int(most[at]) + 1]), limit))


def conflicts(instance: Instance) -> tuple[Conflict, ...]:
    """Why no choice of pairs keeps all rules; empty if one does.

    First what contradicts itself. Else a conflict is sought, its needs are set aside, and the next is sought among
    the rest, up to five. Where capacities cannot be met, a minimum cut names the scenes and achievements; where
    groups overlap, the dual values of a linear program do; only what is not seen by either is searched among all
    rules. What was named is then made as small as it gets by leaving rules out one after the other (deletion
    filter: Chinneck and Dravnieks, ORSA Journal on Computing 3, 1991).
    """
    if plain := contradictions(instance):
        return tuple(plain)
    found: list[Conflict] = []
    rules = rules_of(instance)
    while len(found) < _TOLD and (suspects := _suspects(instance, rules)) is not None:
        fewest = _fewest(suspects, lambda some: _cannot(instance, some))
        found.append(_told(fewest, instance))
        set_aside = {rule for rule in fewest if rule.kind in _NEEDS}
        rules = [rule for rule in rules if rule not in set_aside]
    return tuple(found)


def _suspects(instance: Instance, rules: Sequence[Rule]) -> list[Rule] | None:
    """Rules among which a conflict is, those that one would rather not blame first; None where all can hold."""
    model = model_of(instance, rules)
    spreads = binding(model)
    named = _cut_rules(instance, model)
    if named is None and disjoint(spreads) != spreads:
        seen = relaxed_conflict(_reduced(model))
        if seen is not None:
            named = {_row_rule(instance, _reduced(model), row) for row in seen}
        elif _cannot(instance, rules):
            named = set(rules)
    if named is None:
        return None
    scenes, others = ({getattr(rule, side) for rule in named} - {""} for side in ("scene", "achievement"))
    near = [
        rule
        for rule in rules
        if rule.kind == "minimum"
        or (rule.kind == "forbidden" and (rule.scene in scenes or rule.achievement in others))
    ]
    suspects = [*near, *(rule for rule in reversed(rules) if rule in named and rule not in near)]
    return suspects if _cannot(instance, suspects) else list(reversed(rules))


def _cut_rules(instance: Instance, model: Model) -> set[Rule] | None:
    """The rules at a minimum cut; None where capacities and the groups of which no two overlap can be met."""
    spreads = disjoint(binding(model))
    cut = tight_cut(model, spreads)
    if cut is None:
        return None
    net, entering, leaving = cut
    scenes, floors, pairs, others, groups, _ = net.blocks(model)
    found = (
        ("scene_least", np.flatnonzero(entering[scenes])),
        ("scene_most", np.flatnonzero(leaving[scenes])),
        ("floor", net.needy[entering[floors]]),
        ("forced", np.flatnonzero(entering[pairs])),
        ("achievement_least", np.flatnonzero(entering[others])),
        ("achievement_most", np.flatnonzero(leaving[others])),
    )
    named = [_row_rule(instance, model, (kind, at)) for kind, places in found for at in places.tolist()]
    named += [spreads[at].rule for at in np.flatnonzero(leaving[groups]).tolist()]
    return set(named)


def _row_rule(instance: Instance, model: Model, row: tuple[str, int]) -> Rule:
    """The rule that a row of the program or an arc of the network stands for."""
    kind, at = row
    if kind == "group":
        return model.spreads[at].rule
    if kind == "forced":
        return _forced(instance.pair(int(model.pair[at])))
    if kind == "floor":
        return Rule(kind="floor", scene=instance.scenes[at], number=instance.floor or 0.0)
    side, _, end = kind.partition("_")
    ids = instance.scenes if side == "scene" else instance.achievements
    least, most = instance.limits(side)  # type: ignore[arg-type]
    number = int((least if end == "least" else most)[at])
    return Rule(kind=kind, number=number, **{side: ids[at]})  # type: ignore[arg-type]


def _cannot(instance: Instance, rules: Sequence[Rule]) -> bool:
    """Whether no choice keeps these rules; False also where that cannot be told within the effort."""
    model = _reduced(model_of(instance, rules))
    spreads = binding(model)
    if tight_cut(model, disjoint(spreads)) is not None:
        return True
    if disjoint(spreads) == spreads:
        return False
    if relaxed_conflict(model) is not None:
        return True
    answer = best_choice(model, model.fit, effort=_EFFORT)
    return answer.chosen is None and answer.proven


def _reduced(model: Model) -> Model:
    """The model with the pairs of those alone that need something: what others get only takes room away."""
    scenes = model.needy | (model.scene_least > 0)
    kept = scenes[model.scene_at] | (model.achievement_least > 0)[model.achievement_at] | model.forced
    return replace(
        model, pair=model.pair[kept], scene_at=model.scene_at[kept], achievement_at=model.achievement_at[kept],
        fit=model.fit[kept], forced=model.forced[kept], good=model.good[kept],
    )  # fmt: skip


def _fewest(rules: Sequence[Rule], conflicting: Callable[[Sequence[Rule]], bool]) -> tuple[Rule, ...]:
    """Of rules in conflict as few as still are, needs first."""
    return tuple(sorted(fewest(rules, conflicting), key=lambda rule: (rule.kind not in _NEEDS, rule)))


def _forced(pair: tuple[str, str]) -> Rule:
    return Rule(kind="forced", scene=pair[0], achievement=pair[1])


def _told(rules: tuple[Rule, ...], instance: Instance | None = None) -> Conflict:
    short = _shortage(rules, instance) if instance else ""
    code, message, remedy = conflict_words(rules, instance, short)
    return Conflict(rules=rules, problem=Problem(code=code, message=message, remedy=remedy))


def _shortage(rules: tuple[Rule, ...], instance: Instance) -> str:
    """Where one scene or achievement alone needs more than there is: what there is, and what the rules took away."""
    needs = [rule for rule in rules if rule.kind in _NEEDS]
    if len(needs) != 1 or needs[0].kind not in ("scene_least", "achievement_least"):
        return ""
    if any(rule.kind not in ("forbidden", "minimum") for rule in rules if rule not in needs):
        return ""
    scene = needs[0].scene
    ids, place = (
        (instance.scenes, instance.scene_at) if scene else (instance.achievements, instance.achievement_at)
    )
    mine = place == ids.index(scene or needs[0].achievement)
    left = int((mine & eligible(instance)).sum())
    low = int((mine & ~eligible(instance, forbidden=False)).sum())
    unit = "项成果" if scene else "个场景"
    barred = int(mine.sum()) - left - low
    told = [f"{low} {unit[0]}达不到最低要求"] * (low > 0) + [f"{barred} {unit[0]}被禁止"] * (barred > 0)
    have = f"可用的只有 {left} {unit}" if left else f"没有可用的{unit[1:]}"
    return f"候选中{have}" + (f"（{'、'.join(told)}）" if told else "")
