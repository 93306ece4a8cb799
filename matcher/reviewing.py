"""Which expert reads which entry: as fitting and as even as can be, never where there is a conflict.

A min-cost flow: entries to experts to a sink, one unit a reading. Each further reading of one expert costs more than
the last (a convex cost), which evens loads out; an expert's least load is paid with a bonus above any fit. The
constraint matrix is totally unimodular, so the flow is whole and the optimum exact (Ahuja, Magnanti and Orlin, Network
Flows, 1993, 9 and 14). What has no solution is explained by a cut of a maximum flow: those entries need more than
the experts open to them can give (Hall's condition), or those experts cannot get their least.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from graph.problems import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

# Fits are compared to this part of 1: below it two are equal.
SCALE = 1_000_000
_NAMED = 6

Fits = NDArray[np.float64]
Bars = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRules:
    """Readings per entry, least and most readings per expert, alternates per entry, and what evenness is worth.

    An expert's n-th reading counts 2(n-1) x ``balance`` less than its fit (0..1); 0 looks at fit alone.
    """

    per_entry: int
    most: int
    least: int = 0
    alternates: int = 0
    balance: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if self.per_entry < 1 or self.least < 0 or self.most < max(self.least, 1) or self.alternates < 0:
            raise Refused(
                "review_rule",
                f"每份标书 {self.per_entry} 位专家、每位专家 {self.least} 到 {self.most} 份，这几个数不合理。",
                "每份标书至少 1 位专家；每位专家的最多份数不小于最少份数，也不小于 1。",
            )
        if self.balance < 0:
            raise Refused("review_rule", "均衡的份量不能是负数。", "请写 0 到 1 之间的数。")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """By entry its experts and then who stands by, both the most fitting first; by expert the number of readings.

    ``fit`` is the sum of the fits of all readings, 0..1 each.
    """

    readers: dict[str, tuple[str, ...]]
    alternates: dict[str, tuple[str, ...]]
    loads: dict[str, int]
    fit: float


def assign(
    entries: Sequence[str], experts: Sequence[str], fits: Fits, barred: Bars, rules: ReviewRules
) -> Assignment | list[Problem]:
    """The best assignment, or which entries, experts or rules make one impossible.

    ``fits`` (0..1) and ``barred`` have a row an entry and a column an expert. Best: every rule kept, then the sum of
    fits less the cost of uneven loads is greatest. Ties are settled by the solver over ids in order, so that the same
    input, however ordered, gives the same output. Raises ``ValueError`` for shapes that do not fit, fits outside 0..1
    and ids that repeat.
    """
    _check(entries, experts, fits, barred)
    rows, columns = np.argsort(np.array(entries, dtype=object)), np.argsort(np.array(experts, dtype=object))
    ids, people = [entries[i] for i in rows], [experts[j] for j in columns]
    fits, barred = fits[np.ix_(rows, columns)], barred[np.ix_(rows, columns)]
    if problems := _impossible(ids, people, ~barred, rules):
        return problems
    chosen = _solve(np.rint(fits * SCALE).astype(np.int64), ~barred, rules)
    return _assignment(ids, people, fits, barred, chosen, rules)


def _check(entries: Sequence[str], experts: Sequence[str], fits: Fits, barred: Bars) -> None:
    shape = (len(entries), len(experts))
    if fits.shape != shape or barred.shape != shape:
        raise ValueError(f"fits and bars must have the shape {shape}")
    if len(set(entries)) != len(entries) or len(set(experts)) != len(experts):
        raise ValueError("an id is there twice")
    if fits.size and not bool(((fits >= 0) & (fits <= 1)).all()):
        raise ValueError("a fit must be from 0 to 1")


def _solve(worth: NDArray[np.int64], open_: Bars, rules: ReviewRules) -> Bars:
    """Who reads what (entries x experts) at the least cost; there is a solution."""
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    entries, experts = worth.shape
    step = int(rules.balance * SCALE)
    # More than all else together can gain: whoever lacks its least is served first.
    bonus = (SCALE + 2 * step * rules.most + 1) * max(1, entries * rules.per_entry)
    pairs = np.argwhere(open_)
    readings = np.arange(rules.most)
    costs = 2 * step * readings - np.where(readings < rules.least, bonus, 0)
    first, sink = 1 + entries, 1 + entries + experts
    tails = np.concatenate(
        [np.zeros(entries, np.int64), 1 + pairs[:, 0], first + np.repeat(np.arange(experts), rules.most)]
    )
    heads = np.concatenate([1 + np.arange(entries), first + pairs[:, 1], np.full(experts * rules.most, sink)])
    room = np.concatenate(
        [np.full(entries, rules.per_entry), np.ones(len(pairs) + experts * rules.most, np.int64)]
    )
    cost = np.concatenate([np.zeros(entries, np.int64), -worth[open_], np.tile(costs, experts)])
    flow = SimpleMinCostFlow()
    arcs = flow.add_arcs_with_capacity_and_unit_cost(tails, heads, room, cost)
    total = entries * rules.per_entry
    flow.set_nodes_supplies(np.array([0, sink]), np.array([total, -total]))
    if flow.solve() != flow.OPTIMAL:
        raise RuntimeError("an assignment that was found to be possible could not be solved")
    used = flow.flows(arcs[entries : entries + len(pairs)]) > 0
    chosen = np.zeros(worth.shape, dtype=np.bool_)
    chosen[tuple(pairs[used].T)] = True
    return chosen


def _assignment(
    ids: Sequence[str], people: Sequence[str], fits: Fits, barred: Bars, chosen: Bars, rules: ReviewRules
) -> Assignment:
    loads = chosen.sum(axis=0)
    readers, alternates = {}, {}
    for row, id in enumerate(ids):
        ranked = sorted(range(len(people)), key=lambda j: (-fits[row, j], people[j]))
        readers[id] = tuple(people[j] for j in ranked if chosen[row, j])
        free = [j for j in ranked if not chosen[row, j] and not barred[row, j]]
        free.sort(key=lambda j: bool(loads[j] >= rules.most))  # who has no room left stands by last
        alternates[id] = tuple(people[j] for j in free[: rules.alternates])
    return Assignment(
        readers=readers,
        alternates=alternates,
        loads={person: int(load) for person, load in zip(people, loads, strict=True)},
        fit=float(fits[chosen].sum()),
    )


def _impossible(
    entries: Sequence[str], experts: Sequence[str], open_: Bars, rules: ReviewRules
) -> list[Problem]:
    """Why there is no assignment; empty where there is one.

    Each side is looked at by itself: if every entry can be served within the most and every expert can get its least
    within what entries need, both can be had at once (Mendelsohn and Dulmage, 1958; Hoffman's condition on this
    network falls into these two).
    """
    problems = []
    short = _violator(open_, rules.per_entry, rules.most)
    if short is not None:
        problems.append(_short_entries(entries, experts, open_, rules, short))
    idle = _violator(open_.T, rules.least, rules.per_entry)
    if idle is not None:
        problems.append(_idle_experts(entries, experts, open_, rules, idle))
    return problems


def _violator(open_: Bars, need: int, room: int) -> list[int] | None:
    """Rows that together need more than the columns open to them can give; None where every row can be served.

    By a maximum flow and its minimum cut: rows on the source's side. The smallest such set of one row is preferred.
    """
    from ortools.graph.python.max_flow import SimpleMaxFlow

    rows, columns = open_.shape
    if not rows or not need:
        return None
    alone = [row for row in range(rows) if int(open_[row].sum()) < need]
    if alone:
        return alone
    pairs = np.argwhere(open_)
    sink = 1 + rows + columns
    flow = SimpleMaxFlow()
    tails = np.concatenate([np.zeros(rows, np.int64), 1 + pairs[:, 0], 1 + rows + np.arange(columns)])
    heads = np.concatenate([1 + np.arange(rows), 1 + rows + pairs[:, 1], np.full(columns, sink)])
    capacities = np.concatenate([np.full(rows, need), np.ones(len(pairs), np.int64), np.full(columns, room)])
    flow.add_arcs_with_capacity(tails, heads, capacities)
    flow.solve(0, sink)
    if flow.optimal_flow() == rows * need:
        return None
    return sorted(node - 1 for node in flow.get_source_side_min_cut() if 1 <= node <= rows)


def _given(open_: Bars, rows: Sequence[int], room: int) -> tuple[int, list[int]]:
    """What the columns can give to the rows at most, and which are open to any of them."""
    counts = open_[list(rows)].sum(axis=0)
    return int(np.minimum(counts, room).sum()), np.flatnonzero(counts).tolist()


def _short_entries(
    entries: Sequence[str], experts: Sequence[str], open_: Bars, rules: ReviewRules, short: Sequence[int]
) -> Problem:
    most, open_to = _given(open_, short, rules.most)
    who = _several(experts[j] for j in open_to)
    some = _several(entries[i] for i in short)
    shared = f"每位至多 {rules.most} 份，一共只能评 {most} 人次"
    if all(int(open_[i].sum()) < rules.per_entry for i in short):
        some = _several(f"{entries[i]}（可评的 {int(open_[i].sum())} 位）" for i in short)
        message = f"这些标书没有回避的专家不足 {rules.per_entry} 位：{some}"
        remedy = "请增加与它们没有利害关系的专家，核实身份未明的，或减少每份标书的专家人数"
    else:
        message = f"标书 {some} 共需 {len(short) * rules.per_entry} 人次，能评它们的专家只有 {len(open_to)} 位（{who}），{shared}"
        remedy = "请增加能评这些标书的专家，或提高每位专家的最多份数，或减少每份标书的专家人数"
    return Problem(code="review_short", message=message, remedy=remedy)


def _idle_experts(
    entries: Sequence[str], experts: Sequence[str], open_: Bars, rules: ReviewRules, idle: Sequence[int]
) -> Problem:
    most, open_to = _given(open_.T, idle, rules.per_entry)
    who = _several(experts[j] for j in idle)
    return Problem(
        code="review_least",
        message=(
            f"专家 {who} 每位至少要评 {rules.least} 份，共 {len(idle) * rules.least} 人次，"
            f"可他们能评的标书只有 {len(open_to)} 份，最多 {most} 人次"
        ),
        remedy="请降低每位专家的最少份数，或让这些专家不参加分配",
    )


def _several(names: "Iterable[str]") -> str:
    every = list(names)
    return "、".join(every[:_NAMED]) + (f" 等 {len(every)} 个" if len(every) > _NAMED else "")
