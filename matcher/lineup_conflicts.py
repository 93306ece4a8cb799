"""Why no lineup keeps all rules: the fewest that cannot hold together, and which of them would give the least."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graph.problems import Problem
from matcher.deletion_filter import fewest
from matcher.lineup import RULE_LABELS, Mask, Pool, Row, Rule, Terms, rows_of
from matcher.lineup_exchange import in_points
from matcher.lineup_program import Found, Switched, best_lineup, can_hold

_EFFORT = 3.0
# Whose number is lowered step by step: what bars a candidate alone.
_LOWERED = frozenset({"maturity", "rest", "fit"})
# What one would rather not blame is left out first, so that what stays is what an organiser set.
_ORDER = (
    "must_not", "rest", "likeness", "stages", "fields", "stage", "field", "institution", "team", "fit", "maturity",
    "coverage", "must", "lock", "pitches",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """One rule that gives as little as possible: ``text`` in Chinese; ``setting`` and ``value`` say how to set it so.

    ``total`` is the objective that a lineup then reaches, in millionths; ``steps`` by how much the rule gives.
    """

    rule: Rule
    text: str
    steps: int
    total: int
    setting: str
    value: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """Rules that cannot hold together: without any one of them the others can.

    ``ways`` each mend it alone, the cheapest first: it gives the fewest steps, then leaves the best lineup. Where there
    is another conflict beside and no single rule mends all, ``together`` do, as few as were found.
    """

    rules: tuple[Rule, ...]
    ways: tuple[Relaxation, ...]
    together: tuple[Rule, ...]
    problem: Problem


def clash(pool: Pool, rows: Sequence[Row], terms: Terms) -> Clash | None:
    """Why no lineup keeps the rows that bind; None if one does, or if that cannot be told within the effort."""
    binding = [row for row in rows if row.rule.binds]
    rules = sorted(
        dict.fromkeys(row.rule for row in binding), key=lambda rule: (_ORDER.index(rule.kind), rule)
    )

    model = Switched(pool, binding, terms, effort=_EFFORT)
    named = model.conflict(rules)
    if named is None:
        return None
    left = fewest(named, lambda some: model.conflict(some) is not None)
    least = sorted(left, key=lambda rule: (-_ORDER.index(rule.kind), rule))
    ways = [way for rule in least if (way := _relaxed(pool, binding, terms, rule)) is not None]
    ways.sort(key=lambda way: (way.steps, -way.total, -_ORDER.index(way.rule.kind), way.rule))
    together = () if ways else tuple(model.fewest_off())
    problem = _problem(pool, least, ways, together)
    return Clash(rules=tuple(least), ways=tuple(ways), together=together, problem=problem)


def _problem(
    pool: Pool, rules: Sequence[Rule], ways: Sequence[Relaxation], together: Sequence[Rule]
) -> Problem:
    told = "；".join(rule.text for rule in rules)
    have = (
        f"（候选共 {len(pool.ids)} 项）"
        if {rule.kind for rule in rules} <= {"pitches", "fit", "maturity", "rest"}
        else ""
    )
    message = f"这几条规则不能同时做到：{told}{have}" if len(rules) > 1 else f"做不到：{told}{have}"
    if ways:
        first, *others = ways
        remedy = f"最省的办法：{first.text}，总适配度可达 {in_points(first.total)}"
        if others:
            remedy += "；也可以" + "，或".join(f"{way.text}（{in_points(way.total)}）" for way in others[:3])
    elif together:
        remedy = f"还有别的矛盾，只放宽一条不够；一起放宽这几条就排得出：{'；'.join(rule.text for rule in together)}"
    else:
        remedy = "还有别的矛盾，只放宽其中一条不够；请先去掉其中一条再试"
    return Problem(code="lineup_infeasible", message=message, remedy=remedy)


def _relaxed(pool: Pool, rows: Sequence[Row], terms: Terms, rule: Rule) -> Relaxation | None:
    if rule.kind in _LOWERED:
        return _lowered(pool, rows, terms, rule)
    found = best_lineup(pool, rows, terms, relaxed=rule, effort=_EFFORT)
    if not isinstance(found, Found):
        return None
    text, value = _how(pool, [row for row in rows if row.rule == rule], rule, found.chosen, found.slack)
    return _way(rule, text, found.slack, found.total, value)


def _way(rule: Rule, text: str, steps: int, total: int, value: int | None) -> Relaxation:
    return Relaxation(
        rule=rule, text=text, steps=steps, total=total, setting=RULE_LABELS[rule.kind], value=value
    )


def _lowered(pool: Pool, rows: Sequence[Row], terms: Terms, rule: Rule) -> Relaxation | None:
    """The highest number below the rule's own with which a lineup is found."""
    others = [row for row in rows if row.rule != rule]
    for number in range(rule.number - 1, -1, -1):
        lower = rows_of(
            pool, replace(terms, numbers={rule.kind: number}, must=(), must_not={}, locks=(), coverage={})
        )
        kept = [*others, *(row for row in lower if row.rule.kind == rule.kind)]
        if not can_hold(pool, kept, effort=_EFFORT):
            continue
        found = best_lineup(pool, kept, terms, effort=_EFFORT)
        if not isinstance(found, Found):
            return None
        off = [at for row in rows if row.rule == rule for at in row.members.tolist() if found.chosen[at]]
        to = {"maturity": f"TRL{number}" if number else "不作要求", "rest": f"{number} 场"}.get(
            rule.kind, str(number)
        )
        text = f"{RULE_LABELS[rule.kind]}改为 {to}（放进{names(pool, off)}）"
        return _way(rule, text, rule.number - number, found.total, number)
    return None


def names(pool: Pool, places: Sequence[int]) -> str:
    """The first three of some candidates as people call them, and how many there are if more."""
    told = "、".join(pool.called(pool.ids[at]) for at in places[:3])
    return told + (f"等 {len(places)} 项" if len(places) > 3 else "")


def _how(pool: Pool, rows: Sequence[Row], rule: Rule, chosen: Mask, steps: int) -> tuple[str, int | None]:
    """How the rule has to be set for the lineup, in Chinese and as a number."""
    label = RULE_LABELS[rule.kind]
    match rule.kind:
        case "pitches":
            return f"项目数改为 {int(chosen.sum())}", int(chosen.sum())
        case "coverage":
            left = rule.number - steps
            return f"场景{pool.called(rule.about)}" + (f"只要 {left} 项" if left else "不作要求"), left
        case "team" | "institution" | "field" | "stage":
            return f"{label}改为 {rule.number + steps} 项", rule.number + steps
        case "fields" | "stages":
            return f"{label}改为 {rule.number - steps}", rule.number - steps
        case "likeness":
            pairs = [row for row in rows if row.count(chosen) > row.most]
            most = max(percent for a, b, percent in pool.twins if chosen[a] and chosen[b]) + 1
            both = list(dict.fromkeys(np.concatenate([row.members for row in pairs]).tolist()))
            return f"允许内容相近的{names(pool, both)}同台（{label}改为 {most}）", most
        case "lock":
            return f"解除{rule.text}", None
    return f"不再要求“{rule.text}”", None
