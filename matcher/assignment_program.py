"""Assignment where groups overlap: a linear program for the bound, and CP-SAT for the few pairs that it leaves open.

The relaxation is nearly whole, so its dual prices tell of all but a few pairs whether a best plan has them: whoever
goes against the price of a pair loses that much (fixing by reduced cost: Crowder, Johnson and Padberg, Operations
Research 31, 1983). Only the pairs nearest to price 0, the core, go to CP-SAT. If the plan found there is nearer to
the bound than any pair outside to its price, no pair outside can be otherwise in a best plan, and the plan is proven.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from matcher.assignment_flow import best_flow, disjoint
from matcher.assignment_instance import Floats, Mask, Whole
from matcher.assignment_model import MILLIONTHS, Model

# Up to so many pairs the linear program takes all at once; beyond, it begins with the best of each scene.
_ALL = 5000
_FIRST = 8
# The core begins with so many pairs beside those at price 0.
_CORE = 600
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The rules as ``matrix @ x <= bound`` over the pairs of a model; ``rules`` says which each row is."""

    matrix: Any
    bound: Floats
    rules: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What was found: the chosen pairs, None where there is no plan (``proven``) or none was found.

    ``bound`` is what no plan exceeds, in millionths of fit.
    """

    chosen: Mask | None
    bound: int
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Prices:
    """Reduced cost of each pair (what having it gains), and the bound, both in millionths."""

    reduced: Floats
    bound: float


def rows(model: Model) -> Rows:
    """The rules of a model as rows: only those that can fail. A row's rule is its block and its place in it."""
    import scipy.sparse as sparse

    pairs, columns = len(model.pair), np.arange(len(model.pair))
    ones = np.ones(pairs)
    scenes = sparse.csr_array((ones, (model.scene_at, columns)), shape=(len(model.scene_most), pairs))
    others = sparse.csr_array(
        (ones, (model.achievement_at, columns)), shape=(len(model.achievement_most), pairs)
    )
    good = sparse.csr_array((model.good.astype(float), (model.scene_at, columns)), shape=scenes.shape)
    members = [s.members[model.achievement_at].astype(float) for s in model.spreads]
    spreads = sparse.csr_array(np.array(members).reshape(len(members), pairs))
    blocks = (
        ("scene_most", scenes, model.scene_most < scenes.sum(axis=1), model.scene_most),
        ("achievement_most", others, model.achievement_most < others.sum(axis=1), model.achievement_most),
        ("scene_least", -scenes, model.scene_least > 0, -model.scene_least),
        ("achievement_least", -others, model.achievement_least > 0, -model.achievement_least),
        ("floor", -good, model.needy, -np.ones(len(model.needy))),
        ("group", spreads, np.ones(len(members), dtype=bool), np.array([s.most for s in model.spreads])),
    )
    return Rows(
        matrix=sparse.vstack([matrix[np.flatnonzero(kept)] for _, matrix, kept, _ in blocks]).tocsc(),
        bound=np.concatenate([bound[kept] for _, _, kept, bound in blocks]).astype(np.float64),
        rules=tuple((name, int(at)) for name, _, kept, _ in blocks for at in np.flatnonzero(kept)),
    )


def best_choice(model: Model, worth: Whole, *, effort: float) -> Answer:
    """The pairs of the greatest worth, with a bound.

    ``effort`` is CP-SAT's deterministic time (about seconds of the inventors' machine), so that the answer does not
    depend on how busy the computer is. Found in time: 0.7 s for 300 x 500 dense with 22 groups.
    """
    ruled = rows(model)
    if len(model.pair) == 0:
        kept = bool((ruled.bound >= 0).all())
        return Answer(chosen=np.zeros(0, dtype=bool) if kept else None, bound=0, proven=True)
    prices = _prices(model, ruled)
    if prices is None:
        return Answer(chosen=None, bound=0, proven=True)
    near = np.where(model.forced, np.inf, np.abs(prices.reduced))
    reach = float(np.sort(near)[min(int((near < 1).sum()) + _CORE, len(near) - 1)])
    chosen: Mask | None = None
    bound = int(np.floor(prices.bound + 0.5))
    while True:
        core = (near <= reach) & ~model.forced
        whole = bool((core | model.forced).all())
        found, spent, reached = _in_core(model, ruled, prices, core, worth, chosen, effort)
        effort -= spent
        if found is None:
            if whole or effort <= 0:
                return Answer(chosen=chosen, bound=bound, proven=whole and reached)
            wider = float(np.sort(near)[min(4 * int(core.sum()) + _CORE, len(near) - 1)])
            reach = wider if wider < np.inf else float(near[near < np.inf].max(initial=0.0))
            continue
        chosen, total = found, int(model.fit[found].sum())
        lost = prices.bound - total + 1  # at this price or beyond, no pair outside can pay
        if reached and (whole or lost <= reach):
            return Answer(chosen=chosen, bound=total, proven=True)
        if not reached or effort <= 0:
            return Answer(chosen=chosen, bound=max(bound, total), proven=False)
        reach = lost


def _prices(model: Model, ruled: Rows) -> _Prices | None:
    """Prices by the linear program, by column generation where there are many pairs; None where it has no solution.

    Whatever the dual values, the bound made of them holds (weak duality): rounding in the solver costs at most
    some of its sharpness.
    """
    fit = model.fit.astype(np.float64)
    active = _first(model) | model.forced
    while True:
        dual = _dual(fit, ruled, model.forced, active)
        if dual is None:
            if active.all():
                return None
            active = np.ones_like(active)
            continue
        reduced = fit - ruled.matrix.T @ dual
        missing = ~active & (reduced > 1)
        if not missing.any():
            gains = np.where(model.forced, reduced, np.maximum(reduced, 0))
            return _Prices(reduced=reduced, bound=float(dual @ ruled.bound + gains.sum()))
        active = active | missing


def _first(model: Model) -> Mask:
    """All pairs if they are few, else the best of each scene and those of the best flow that overlooks some groups."""
    if len(model.pair) <= _ALL:
        return np.ones(len(model.pair), dtype=bool)
    order = np.lexsort((-model.fit, model.scene_at))
    starts = np.searchsorted(model.scene_at[order], np.arange(len(model.scene_most)))
    mask = np.zeros(len(order), dtype=bool)
    mask[order] = np.arange(len(order)) - starts[model.scene_at[order]] < _FIRST
    flow = best_flow(model, model.fit, disjoint(model.spreads))
    return mask if flow is None else mask | flow


def _dual(fit: Floats, ruled: Rows, forced: Mask, active: Mask) -> Floats | None:
    """The dual values of the rows for the active pairs, in millionths; None where these cannot keep the rules."""
    from scipy.optimize import linprog

    columns = np.flatnonzero(active)
    if len(ruled.rules) == 0:
        return np.zeros(0)
    solved = linprog(
        -fit[columns] / MILLIONTHS,
        A_ub=ruled.matrix[:, columns],
        b_ub=ruled.bound,
        bounds=np.column_stack([forced[columns].astype(float), np.ones(len(columns))]),
        method="highs-ds",
    )
    if solved.status == 2:
        return None
    if solved.status != 0:
        raise RuntimeError(f"the linear program ended with: {solved.message}")
    return np.asarray(np.maximum(-solved.ineqlin.marginals, 0) * MILLIONTHS, dtype=np.float64)


def _in_core(
    model: Model, ruled: Rows, prices: _Prices, core: Mask, worth: Whole, known: Mask | None, effort: float
) -> tuple[Mask | None, float, bool]:
    """The best choice with every pair outside ``core`` as its price says; what it took; whether that is certain."""
    from ortools.sat.python.cp_model import FEASIBLE, INFEASIBLE, OPTIMAL, CpModel, CpSolver, LinearExpr

    outside = (model.forced | (prices.reduced > 0)) & ~core
    left = ruled.bound - ruled.matrix @ outside.astype(float)
    columns = np.flatnonzero(core)
    inner = ruled.matrix[:, columns].tocsr()
    if (inner.minimum(0).sum(axis=1) > left).any():  # not even with all pairs that would help
        return None, 0.0, True
    if len(columns) == 0:
        return outside, 0.0, True
    program = CpModel()
    variables = [program.new_bool_var("") for _ in columns]
    for row in range(inner.shape[0]):
        at = slice(inner.indptr[row], inner.indptr[row + 1])
        weights = inner.data[at]
        if weights[weights > 0].sum() > left[row]:
            terms = LinearExpr.weighted_sum(
                [variables[c] for c in inner.indices[at]], weights.astype(int).tolist()
            )
            program.add_linear_constraint(terms, -len(columns), int(left[row]))
    program.maximize(LinearExpr.weighted_sum(variables, worth[columns].tolist()))
    if known is not None:
        for variable, value in zip(variables, known[columns].tolist(), strict=True):
            program.add_hint(variable, value)
    solver = CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = _SEED
    solver.parameters.linearization_level = 2
    solver.parameters.max_deterministic_time = max(effort, 0.01)
    status = solver.solve(program)
    spent = float(solver.response_proto.deterministic_time)
    if status not in (OPTIMAL, FEASIBLE):
        return None, spent, status == INFEASIBLE
    chosen = outside.copy()
    chosen[columns] = [bool(solver.value(variable)) for variable in variables]
    return chosen, spent, status == OPTIMAL


def relaxed_conflict(model: Model) -> list[tuple[str, int]] | None:
    """Rows that even fractions of pairs cannot keep together, with forced pairs as rows; None where they can.

    The dual values of the least violation are a certificate (Farkas 1902): rows at price 0 take no part in it.
    """
    import scipy.sparse as sparse
    from scipy.optimize import linprog

    ruled = rows(model)
    forced = np.flatnonzero(model.forced)
    pairs = len(model.pair)
    must = sparse.csr_array(
        (-np.ones(len(forced)), (np.arange(len(forced)), forced)), shape=(len(forced), pairs)
    )
    matrix = sparse.vstack([ruled.matrix, must]).tocsr()
    bound = np.concatenate([ruled.bound, -np.ones(len(forced))])
    rules: list[tuple[str, int]] = [*ruled.rules, *(("forced", int(at)) for at in forced)]
    needs = np.flatnonzero(bound < 0)
    if len(needs) == 0:
        return None
    slack = sparse.csr_array(
        (-np.ones(len(needs)), (needs, np.arange(len(needs)))), shape=(len(bound), len(needs))
    )
    solved = linprog(
        np.concatenate([np.zeros(pairs), np.ones(len(needs))]),
        A_ub=sparse.hstack([matrix, slack]).tocsc(), b_ub=bound,
        bounds=np.column_stack([np.zeros(pairs + len(needs)), np.r_[np.ones(pairs), np.full(len(needs), np.inf)]]),
        method="highs-ds",
    )  # fmt: skip
    if solved.fun < 1e-6:
        return None
    return [rules[at] for at in np.flatnonzero(np.abs(solved.ineqlin.marginals) > 1e-9)]
