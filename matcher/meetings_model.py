"""What chains leave open, as programs: the greatest worth where not everybody is always there, and the least waiting.

CP-SAT with one worker, a fixed seed and deterministic time, begun from what the chains found, so that it never ends worse.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from matcher.meetings import MUST, MeetingDay, Pair, Someone, share

_SEED = 1


class _Program:
    """A variable for each pair in each round; nobody twice in a round, no more meetings in one than tables.

    ``every``: all of the pairs meet.
    """

    def __init__(
        self, day: MeetingDay, pairs: Sequence[Pair], fixed: Mapping[Pair, int], *, every: bool = False
    ) -> None:
        from ortools.sat.python.cp_model import CpModel

        self.day, self.program = day, CpModel()
        self.at: dict[tuple[Pair, int], Any] = {}
        self.meets: dict[Pair, Any] = {}
        self.here: dict[tuple[Someone, int], list[Any]] = defaultdict(list)
        for pair in sorted({*pairs, *fixed}):
            sides: tuple[Someone, Someone] = (("guest", pair[0]), ("team", pair[1]))
            rounds = [fixed[pair]] if pair in fixed else sorted(day.free[sides[0]] & day.free[sides[1]])
            for number in rounds:
                variable = self.at[pair, number] = self.program.new_bool_var("")
                for side in sides:
                    self.here[side, number].append(variable)
            self.meets[pair] = sum(self.at[pair, number] for number in rounds)
            if pair in fixed:
                self.program.add(self.meets[pair] == 1)
            elif every:
                self.program.add_exactly_one(self.at[pair, number] for number in rounds)
            elif rounds:
                self.program.add_at_most_one(self.at[pair, number] for number in rounds)
        self.busy: dict[tuple[str, int], Any] = {}
        for (someone, number), variables in self.here.items():
            if someone[0] == "team":
                self.program.add_at_most_one(variables)
            else:
                self.busy[someone[1], number] = busy = self.program.new_bool_var("")
                self.program.add(sum(variables) == busy)
        for number in range(1, len(day.rounds) + 1):
            self.program.add(sum(b for (_, n), b in self.busy.items() if n == number) <= day.tables)

    def best(self, start: Mapping[Pair, int], effort: float) -> tuple[dict[Pair, int], int]:
        """What was found, at least as good as ``start``, and the bound of the objective."""
        from ortools.sat.python.cp_model import FEASIBLE, OPTIMAL, CpSolver

        for (pair, number), variable in self.at.items():
            self.program.add_hint(variable, start.get(pair) == number)
        solver = CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = _SEED
        solver.parameters.max_deterministic_time = max(effort, 0.01)
        status = solver.solve(self.program)
        bound = float(solver.best_objective_bound)
        if status not in (OPTIMAL, FEASIBLE):
            return dict(start), round(bound) if math.isfinite(bound) else 0
        found = {pair: number for (pair, number), variable in self.at.items() if solver.value(variable)}
        return found, round(bound)


def most_worth(
    day: MeetingDay,
    pairs: Sequence[Pair],
    fixed: Mapping[Pair, int],
    start: Mapping[Pair, int],
    effort: float,
    stay: Mapping[Pair, int] | None = None,
) -> tuple[dict[Pair, int], int]:
    """Rounds of the meetings of the greatest worth with ``fixed`` among them, and what no such worth exceeds.

    With ``stay``, after the pairs that must meet, as many meetings as possible are in those rounds; then the bound says
    nothing of worth.
    """
    model = _Program(day, pairs, fixed)
    shares = []
    counts: dict[Someone, list[Any]] = defaultdict(list)
    for (someone, _), variables in sorted(model.here.items()):
        counts[someone] += variables
    for someone, variables in counts.items():
        limit = min(day.most[someone], len(variables))
        steps = [model.program.new_bool_var("") for _ in range(limit)]
        model.program.add(sum(steps) == sum(variables))
        shares += [share(number) * step for number, step in enumerate(steps, 1)]
    worth = sum(day.worths.get(pair, 0) * meets for pair, meets in model.meets.items()) + sum(shares)
    if stay is None:
        model.program.maximize(worth)
    else:
        scale = 100 * len(model.meets) + 1  # above all worth but that of MUST
        staying = sum(model.at[pair, number] for pair, number in stay.items() if (pair, number) in model.at)
        musts = sum(day.worths.get(pair, 0) // MUST * meets for pair, meets in model.meets.items())
        model.program.maximize(musts * scale * (len(stay) + 1) + staying * scale + worth - MUST * musts)
    return model.best(start, effort)


def least_waiting(
    day: MeetingDay, rounds: Mapping[Pair, int], fixed: Collection[Pair], effort: float
) -> tuple[dict[Pair, int], int]:
    """The same meetings in rounds with which guests wait least between theirs, and what no such waiting falls below."""
    model = _Program(day, list(rounds), {pair: rounds[pair] for pair in fixed}, every=True)
    numbers = range(1, len(day.rounds) + 1)
    waiting = []
    for guest in sorted({guest for guest, _ in rounds}):
        came = [model.program.new_bool_var("") for _ in numbers]
        stays = [model.program.new_bool_var("") for _ in numbers]
        for number in numbers:
            busy = model.busy.get((guest, number), 0)
            model.program.add(came[number - 1] >= busy)
            model.program.add(stays[number - 1] >= busy)
            if number > 1:
                model.program.add_implication(came[number - 2], came[number - 1])
                model.program.add_implication(stays[number - 1], stays[number - 2])
            waits = model.program.new_bool_var("")
            model.program.add(waits >= came[number - 1] + stays[number - 1] - 1 - busy)
            waiting.append(waits)
    model.program.minimize(sum(waiting))
    return model.best(rounds, effort)


def waiting_bound(day: MeetingDay, pairs: Collection[Pair]) -> int:
    """What the waiting of guests with these meetings cannot fall below, whatever the teams do: a linear program.

    Every guest is there from one round to another; in each round as many of those there meet as there are tables.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    rounds = len(day.rounds)
    alike = Counter(
        (number, day.free["guest", guest]) for guest, number in Counter(g for g, _ in pairs).items()
    )
    groups = sorted(alike, key=lambda group: (group[0], sorted(group[1])))
    stays = [
        (at, first, last)
        for at, (number, free) in enumerate(groups)
        for first in range(1, rounds + 1)
        for last in range(first, rounds + 1)
        if sum(n in free for n in range(first, last + 1)) >= number
    ]
    columns = len(stays)
    there = [
        (n - 1, c, -1.0)
        for c, (at, first, last) in enumerate(stays)
        for n in range(first, last + 1)
        if n in groups[at][1]
    ]
    there += [(n, columns + n, 1.0) for n in range(rounds)]  # who meets in a round is there
    rows, at, values = zip(*there, strict=True)
    meets = [(g, c, 1.0) for c, (g, _, _) in enumerate(stays)]
    meets += [(len(groups), columns + n, 1.0) for n in range(rounds)]
    equal_rows, equal_at, equal_values = zip(*meets, strict=True)
    total = columns + rounds
    solved = linprog(
        [float(last - first + 1) for _, first, last in stays] + [0.0] * rounds,
        A_ub=coo_array((values, (rows, at)), shape=(rounds, total)).tocsr(), b_ub=np.zeros(rounds),
        A_eq=coo_array((equal_values, (equal_rows, equal_at)), shape=(len(groups) + 1, total)).tocsr(),
        b_eq=np.array([*(alike[group] for group in groups), len(pairs)], dtype=float),
        bounds=[(0, None)] * columns + [(0, day.tables)] * rounds,
        method="highs-ds",
    )  # fmt: skip
    return max(0, math.ceil(solved.fun - len(pairs) - 1e-6)) if solved.status == 0 else 0
