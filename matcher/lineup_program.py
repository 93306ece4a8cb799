"""The best lineup by CP-SAT: one worker, a fixed seed and deterministic time, so that the same question has one answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matcher.lineup import MILLIONTHS, VARIED, Mask, Pool, Row, Rule, Terms, groups_of, objective

EFFORT = 20.0
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A lineup: its objective, what no lineup exceeds, whether it is proven the best; both in millionths.

    ``slack`` is by how much the relaxed rule had to give, 0 where none was relaxed.
    """

    chosen: Mask
    total: int
    bound: int
    proven: bool
    slack: int = 0

    @property
    def gap(self) -> float:
        """How much better a lineup could be at most, as a share of its total; 0 if proven."""
        return 0.0 if self.proven else (self.bound - self.total) / max(abs(self.total), 1)


@dataclass(frozen=True, slots=True)
class Undecided:
    """Neither a lineup nor a proof that there is none was found within the effort."""


def best_lineup(
    pool: Pool,
    rows: Sequence[Row],
    terms: Terms,
    *,
    before: Mask | None = None,
    forced: Collection[int] = (),
    relaxed: Rule | None = None,
    hint: Mask | None = None,
    effort: float = EFFORT,
) -> Found | Undecided | None:
    """The lineup that keeps the rows that bind and is worth most; None if there is none.

    In this order: the rule ``relaxed`` gives as little as possible, as many of ``before`` as possible stay, the
    objective is the highest, and of equal ones the sum of places in the order of ids is the lowest. ``bound`` is of
    the lineups that are the best by what comes before the objective. ``effort`` is CP-SAT's deterministic time.
    """
    from ortools.sat.python.cp_model import LinearExpr

    binding = [row for row in rows if row.rule.binds]
    model, variables, slack = _model(pool, binding, forced, relaxed)
    if model is None:
        return None
    start, proven = hint, True
    wishes = [(-1, slack)] if slack else []
    if before is not None and before.any():
        wishes.append((1, [variables[at] for at in np.flatnonzero(before).tolist()]))
    for sign, counted in wishes:
        answer = _solved(model, variables, sign * LinearExpr.sum(counted), start, effort)
        if not isinstance(answer, _Answer):
            return answer
        start, proven = answer.chosen, proven and answer.proven
        model.add(sign * LinearExpr.sum(counted) >= answer.value)
    counted, weights = _objective(pool, terms, model, variables)
    # The places of a whole lineup weigh less than a millionth of fit.
    scale = len(pool.ids) ** 2 + 1
    most = min((row.most for row in binding if row.rule.kind == "pitches"), default=len(pool.ids))
    scale = min(scale, len(pool.ids) * (most + len(pool.ids) * bool(slack)) + 1)
    weights = [weight * scale - (at if at < len(pool.ids) else 0) for at, weight in enumerate(weights)]
    worth = LinearExpr.weighted_sum(counted, weights)
    answer = _solved(model, variables, worth, start, effort)
    if not isinstance(answer, _Answer):
        return answer
    total = objective(pool, terms, answer.chosen)
    bound = total if answer.proven else max(total, -int(-answer.bound // scale))
    given = sum(row.rule == relaxed for row in binding) and _given(binding, relaxed, answer.chosen)
    return Found(chosen=answer.chosen, total=total, bound=bound, proven=proven and answer.proven, slack=given)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answer:
    chosen: Mask
    value: int
    bound: float
    proven: bool


def _solved(
    model: Any, variables: Sequence[Any], goal: Any, start: Mask | None, effort: float
) -> "_Answer | Undecided | None":
    from ortools.sat.python.cp_model import FEASIBLE, INFEASIBLE, OPTIMAL

    model.clear_hints()
    for at, value in enumerate([] if start is None else start.tolist()):
        model.add_hint(variables[at], value)
    model.maximize(goal)
    solver = _solver(effort)
    status = solver.solve(model)
    if status not in (OPTIMAL, FEASIBLE):
        return None if status == INFEASIBLE else Undecided()
    chosen = np.array([bool(solver.value(variable)) for variable in variables], dtype=bool)
    return _Answer(
        chosen=chosen, value=round(solver.objective_value), bound=solver.best_objective_bound, proven=status == OPTIMAL
    )  # fmt: skip


def _solver(effort: float) -> Any:
    from ortools.sat.python.cp_model import CpSolver

    solver = CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = _SEED
    solver.parameters.linearization_level = 2
    solver.parameters.max_deterministic_time = max(effort, 0.01)
    return solver


def _given(rows: Sequence[Row], relaxed: Rule | None, chosen: Mask) -> int:
    """By how much the rule is missed: of twins the number of pairs, else the furthest."""
    misses = [
        max(row.least - (count := row.count(chosen)), count - row.most, 0)
        for row in rows
        if row.rule == relaxed
    ]
    twins = relaxed is not None and relaxed.kind == "likeness"
    return sum(misses) if twins else max(misses, default=0)


def can_hold(pool: Pool, rows: Sequence[Row], *, effort: float = EFFORT) -> bool:
    """Whether some lineup keeps the rows; True also where that cannot be told within the effort."""
    from ortools.sat.python.cp_model import INFEASIBLE

    model, _, _ = _model(pool, [row for row in rows if row.rule.binds], (), None)
    if model is None:
        return False
    solver = _solver(effort)
    return bool(solver.solve(model) != INFEASIBLE)


class Switched:
    """A model in which every rule that binds can be switched off, built once to be asked many times."""

    def __init__(self, pool: Pool, rows: Sequence[Row], terms: Terms, *, effort: float = EFFORT) -> None:
        """``effort`` is the deterministic time for one question."""
        from ortools.sat.python.cp_model import CpModel, LinearExpr

        self._pool, self._terms, self._effort = pool, terms, effort
        self._rows = [row for row in rows if row.rule.binds]
        self._model = CpModel()
        self._variables = [self._model.new_bool_var("") for _ in pool.ids]
        self._on = {
            rule: self._model.new_bool_var("") for rule in dict.fromkeys(row.rule for row in self._rows)
        }
        for row in self._rows:
            counted = [self._variables[at] for at in row.members.tolist()]
            if row.groups:
                counted = [_used(self._model, self._variables, group) for group in row.groups]
            if row.least:
                self._model.add(LinearExpr.sum(counted) >= row.least).only_enforce_if(self._on[row.rule])
            if row.most < len(counted):
                self._model.add(LinearExpr.sum(counted) <= row.most).only_enforce_if(self._on[row.rule])

    def conflict(self, rules: Sequence[Rule]) -> list[Rule] | None:
        """Rules among these that cannot hold together, not always the fewest; None where all can, or it is not known."""
        from ortools.sat.python.cp_model import INFEASIBLE

        self._model.clear_assumptions()
        self._model.add_assumptions([self._on[rule] for rule in rules])
        solver = _solver(self._effort)
        if solver.solve(self._model) != INFEASIBLE:
            return None
        named = set(solver.sufficient_assumptions_for_infeasibility())
        return [rule for rule in rules if self._on[rule].index in named]

    def fewest_off(self) -> list[Rule]:
        """Rules without which there is a lineup: as few as a third of the effort finds, of those what leaves it worth most.

        Empty where none are found. The model is not to be asked again.
        """
        from ortools.sat.python.cp_model import LinearExpr

        self._model.clear_assumptions()
        kept = LinearExpr.sum(list(self._on.values()))
        found = _solved(self._model, self._variables, kept, None, self._effort / 3)
        if not isinstance(found, _Answer):
            return []
        self._model.add(kept >= found.value)
        counted, weights = _objective(self._pool, self._terms, self._model, self._variables)
        worth = LinearExpr.weighted_sum(counted, weights)
        best = _solved(self._model, self._variables, worth, found.chosen, self._effort / 3)
        chosen = best.chosen if isinstance(best, _Answer) else found.chosen
        missed = {row.rule for row in self._rows if not row.least <= row.count(chosen) <= row.most}
        return [rule for rule in self._on if rule in missed]


def _model(
    pool: Pool, rows: Sequence[Row], forced: Collection[int], relaxed: Rule | None
) -> tuple[Any, list[Any], list[Any]]:
    """A model of the rows, a variable per candidate, what the relaxed rule gives; no model where a row cannot hold."""
    from ortools.sat.python.cp_model import CpModel, LinearExpr

    model, n = CpModel(), len(pool.ids)
    variables = [model.new_bool_var("") for _ in range(n)]
    given: list[Any] = []
    for at in forced:
        model.add(variables[at] == 1)
    for row in rows:
        slack: Any = 0
        if relaxed is not None and row.rule == relaxed:
            # One number gives for all groups of a rule; each pair of twins is let off by itself.
            if not given or row.rule.kind == "likeness":
                given.append(model.new_int_var(0, max(n, row.least), ""))
            slack = given[-1]
        if row.groups:
            used = [_used(model, variables, group) for group in row.groups]
            model.add(LinearExpr.sum(used) + slack >= row.least)
            continue
        inside = [variables[at] for at in row.members.tolist()]
        if row.least > len(inside) and isinstance(slack, int):
            return None, [], []
        if row.least:
            model.add(LinearExpr.sum(inside) + slack >= row.least)
        if row.most < len(inside):
            model.add(LinearExpr.sum(inside) - slack <= row.most)
    return model, variables, given


def _used(model: Any, variables: Sequence[Any], group: Any) -> Any:
    """Whether anybody of a group pitches, at most."""
    used = model.new_bool_var("")
    model.add_bool_or([*(variables[at] for at in group.tolist()), used.negated()])
    return used


def _objective(pool: Pool, terms: Terms, model: Any, variables: Sequence[Any]) -> tuple[list[Any], list[int]]:
    counted, weights = list(variables), pool.value.tolist()
    if terms.variety:
        groups = groups_of(pool)
        for kind in VARIED:
            for group in groups[kind]:
                counted.append(_used(model, variables, group))
                weights.append(terms.variety * MILLIONTHS // 100)
    return counted, weights
