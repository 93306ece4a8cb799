"""Places every pitch in a slot: the rules first, then the fewest moves, no idle slots, then the draw.

CP-SAT with one worker, a fixed seed and deterministic time, so that the same programme gives the same timetable on any
machine. The aims come one after the other, each kept while the next is sought: rules that may not be broken hold; of
those to be settled before release as few as possible are broken; as few pitches as possible leave where they stood; as
few slots as possible are free before the last pitch of their session; as few hints as possible remain; and the pitches
follow their lots (the sum of the distances between the place of a pitch in time and its number in the draw is the least; to
have no place is further than any). Without rules the order is the draw itself.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.problems import Problem, Refused
from matcher.deletion_filter import fewest
from matcher.lineup import RuleLevel
from matcher.timetable import RULES, Pitch, Places, Programme, RuleKind, Slot, check, is_free, lots, slots
from matcher.timetable_conflicts import adjacent, judging, standing
from matcher.timetable_words import Rule, rule_words, ways_out

_SEED = 1
# Deterministic seconds for one aim; 12 to 40 pitches need a fraction.
_EFFORT = 4.0
# A free slot before the last pitch outweighs all hints there may be.
_GAP = 10_000
# What it costs to give a rule up once, when not all can hold: the cheapest are named as the way out.
_EASE: Mapping[str, int] = {
    "institution_apart": 1, "scene_together": 1, "locked": 2, "judge_free": 3, "judge_conflict": 3, "precedence": 3,
    "session": 4, "presenter_free": 6, "placed": 9, "presenter_twice": 40,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """Where each pitch stands, how often rules below 禁止 are broken, and how many pitches left their place.

    ``proven``: no timetable is better by the aims in their order; otherwise it is good as far as the time went, and no
    timetable that is as good in the aims before has fewer hints than ``hints_bound``.
    """

    places: Mapping[str, tuple[str, int]]
    broken: int
    moved: int
    hints: int
    hints_bound: int
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """Why there is no timetable: rules none of which can be spared from the clash, and the cheapest to give up.

    ``problem`` says both in Chinese; ``places`` is the timetable that comes of giving up ``relaxed``.
    """

    clash: tuple[Rule, ...]
    relaxed: tuple[Rule, ...]
    places: Mapping[str, tuple[str, int]]
    problem: Problem


def arrange(
    programme: Programme,
    *,
    before: Places | None = None,
    locked: Collection[str] = (),
    effort: float = _EFFORT,
) -> Timetable | Infeasible:
    """The timetable of a programme; with ``before``, the one that leaves most pitches where they stand.

    ``locked`` pitches stay where ``before`` has them. Raises ``Refused`` for a programme with errors (``check``), with
    rooms or judges in two sessions at once where that is 禁止, and for a lock on a pitch without a place.
    """
    _refuse_errors(programme)
    stood = {id: place for id, place in (before or {}).items() if id in {one.id for one in programme.pitches}}
    _refuse_locks(programme, stood, locked)
    if crowded := _crowded(programme):
        return _infeasible(programme, stood, locked, effort, crowded)
    model = _Model(programme, stood, locked)
    model.require(model.hard)
    proven = True
    hints, gaps = model.cost("hint"), model.gaps()
    calm = _GAP * gaps + hints
    for aim in (model.cost("resolve"), model.moves, hints, calm, model.distance):
        # Hints alone are only a start: with the gaps at once the search takes much longer.
        done = model.least(aim, effort, keep=aim is not hints)
        if done is None:
            return _infeasible(programme, stood, locked, effort, ())
        proven &= done or aim is hints
        if aim is calm and not isinstance(calm, int):
            model.hints_bound = max(0, model.bound() - _GAP * model.value(gaps))
    return Timetable(
        places=model.places(),
        broken=model.value(model.cost("resolve")),
        moved=model.value(model.moves),
        hints=model.value(model.cost("hint")),
        hints_bound=model.hints_bound,
        proven=proven,
    )


def _refuse_errors(programme: Programme) -> None:
    for problem in check(programme):
        if problem.severity == "error":
            raise Refused(problem.code, f"{problem.message}。", f"{problem.remedy}。")
    for one in standing(programme):
        if one.level == "forbid":
            raise Refused(
                f"timetable_{one.rule}", f"{one.message}。", "请改其中一场的时间或会场、评委，再排日程。"
            )


def _refuse_locks(programme: Programme, stood: Places, locked: Collection[str]) -> None:
    known = {slot.place for slot in slots(programme)}
    for id in sorted(locked):
        if stood.get(id) not in known:
            title = next((one.title for one in programme.pitches if one.id == id), id)
            raise Refused("lock_unplaced", f"“{title}”没有排在任何时段，锁不住。", "请先排上，再锁定。")


class _Model:
    """The program: a variable for each pitch in each slot, and for each rule how often it is broken."""

    def __init__(self, programme: Programme, before: Places, locked: Collection[str]) -> None:
        from ortools.sat.python.cp_model import CpModel

        self.programme, self.before, self.slots = programme, before, slots(programme)
        self.pitches = sorted(programme.pitches, key=lambda one: one.id)
        self.program = CpModel()
        self.at: dict[tuple[str, tuple[str, int]], Any] = {
            (pitch.id, slot.place): self.program.new_bool_var("")
            for pitch in self.pitches
            for slot in self.slots
        }
        for slot in self.slots:
            self.program.add_at_most_one(self.at[pitch.id, slot.place] for pitch in self.pitches)
        for pitch in self.pitches:
            self.program.add_at_most_one(self.at[pitch.id, slot.place] for slot in self.slots)
        self.program.add(
            sum(self.at.values()) <= len(self.slots)
        )  # follows from the above, and spares a long search
        self.broken: dict[Rule, Any] = {}
        self._each(locked)
        self._pairs()
        self._runs()
        self.hard = [rule for rule in self.broken if self.level(rule) == "forbid"]
        self.moves = sum(
            1 - self.at[pitch.id, before[pitch.id]] if (pitch.id, before[pitch.id]) in self.at else 1
            for pitch in self.pitches
            if pitch.id in before
        )
        drawn, place = lots(programme), {slot.place: n for n, slot in enumerate(self.slots, 1)}
        away = len(self.slots) + len(self.pitches)  # further than any slot: without one is never nearer
        self.distance = away * len(self.pitches) + sum(
            (abs(place[slot] - drawn[id]) - away) * variable for (id, slot), variable in self.at.items()
        )
        self._found: list[bool] = []
        self.hints_bound = 0

    def level(self, rule: Rule) -> RuleLevel:
        return "forbid" if rule.kind == "locked" else self.programme.level(rule.kind)

    def cost(self, level: RuleLevel) -> Any:
        return sum(broken for rule, broken in self.broken.items() if self.level(rule) == level)

    def _each(self, locked: Collection[str]) -> None:
        """Rules about one pitch in one slot."""
        for pitch in self.pitches:
            here = {slot.place: self.at[pitch.id, slot.place] for slot in self.slots}
            self.broken[Rule(kind="placed", about=(pitch.id,))] = 1 - sum(here.values())
            if pitch.id in locked:
                self.broken[Rule(kind="locked", about=(pitch.id,))] = 1 - here[self.before[pitch.id]]
            counts: dict[Rule, list[Any]] = defaultdict(list)
            for slot in self.slots:
                for rule in _against(self.programme, pitch, slot):
                    counts[rule].append(here[slot.place])
            for rule, variables in counts.items():
                self.broken[rule] = sum(variables)

    def _pairs(self) -> None:
        """Rules about two pitches: the first in a slot, the second in one of those that do not go with it."""
        for first in self.pitches:
            for second in self.pitches:
                if first.id < second.id and set(first.presenters) & set(second.presenters):
                    self._apart("presenter_twice", first.id, second.id, lambda a, b: a.span.overlaps(b.span))
        for before, after in sorted(set(self.programme.before)):
            self._apart("precedence", before, after, lambda a, b: a.span.end > b.span.start)

    def _apart(self, kind: RuleKind, first: str, second: str, clash: Any) -> None:
        broken = self.program.new_bool_var("")
        for slot in self.slots:
            others = [self.at[second, other.place] for other in self.slots if clash(slot, other)]
            if others:
                self.program.add(self.at[first, slot.place] + sum(others) <= 1 + broken)
        self.broken[Rule(kind=kind, about=(first, second))] = broken

    def _runs(self) -> None:
        """Rules about slots one after the other."""
        following = {b.place: a for a in self.slots for b in self.slots if adjacent(a, b)}
        for name, ids in _groups((pitch.institution, pitch.id) for pitch in self.pitches):
            clashes = []
            for place, slot in following.items():
                clash = self.program.new_bool_var("")
                self.program.add(self._any(ids, slot.place) + self._any(ids, place) <= 1 + clash)
                clashes.append(clash)
            self.broken[Rule(kind="institution_apart", about=(name,))] = sum(clashes)
        for name, ids in _groups((pitch.scene, pitch.id) for pitch in self.pitches):
            starts = []
            for slot in self.slots:
                start, last = self.program.new_bool_var(""), (slot.session, slot.number - 1)
                before = self._any(ids, last) if slot.number > 1 else 0
                self.program.add(start >= self._any(ids, slot.place) - before)
                starts.append(start)
            gaps = self.program.new_int_var(0, len(ids), "")
            self.program.add(gaps >= sum(starts) - 1)
            self.broken[Rule(kind="scene_together", about=(name,))] = gaps

    def gaps(self) -> Any:
        """How many slots are free before the last pitch of their session."""
        found, later = [], dict[str, Any]()
        for slot in sorted(self.slots, key=lambda slot: slot.place, reverse=True):
            taken = sum(self.at[pitch.id, slot.place] for pitch in self.pitches)
            after = later.get(slot.session)
            later[slot.session] = here = self.program.new_bool_var("")
            self.program.add(here >= taken)
            if after is not None:
                gap = self.program.new_bool_var("")
                self.program.add(gap >= after - taken)
                self.program.add_implication(after, here)
                found.append(gap)
        return sum(found)

    def _any(self, ids: Iterable[str], place: tuple[str, int]) -> Any:
        return sum(self.at[id, place] for id in ids)

    def require(self, rules: Iterable[Rule]) -> None:
        """Let none of the rules be broken."""
        for rule in rules:
            if not isinstance(self.broken[rule], int):
                self.program.add(self.broken[rule] == 0)
            elif self.broken[rule]:
                self.program.add_bool_or([])

    def least(self, aim: Any, effort: float, *, keep: bool = True) -> bool | None:
        """Make the aim least and (``keep``) keep it so; whether that is proven, None where nothing fits."""
        from ortools.sat.python.cp_model import FEASIBLE, INFEASIBLE, OPTIMAL

        if isinstance(aim, int) and self._found:
            return True
        if not isinstance(aim, int):
            self.program.minimize(aim)
        solver = _solver(effort)
        self.program.clear_hints()
        start = self._found or [self.before.get(id) == place for id, place in self.at]
        for variable, value in zip(self.at.values(), start, strict=True):
            self.program.add_hint(variable, value)
        status = solver.solve(self.program)
        if status == INFEASIBLE:
            return None
        if status not in (OPTIMAL, FEASIBLE):
            if self._found:
                return False
            raise Refused("timetable_unsolved", "限定的时间内没有排出日程。", "请减少项目或规则后再试。")
        self._found = [bool(solver.value(variable)) for variable in self.at.values()]
        if not isinstance(aim, int):
            if keep:
                self.program.add(aim <= round(solver.objective_value))
            self.program.clear_objective()
        self._solver = solver
        return bool(status == OPTIMAL)

    def bound(self) -> int:
        """What the aim sought last cannot fall below."""
        return math.ceil(float(self._solver.best_objective_bound) - 1e-6)

    def value(self, expression: Any) -> int:
        """What an expression comes to in what was found last."""
        return expression if isinstance(expression, int) else int(self._solver.value(expression))

    def places(self) -> dict[str, tuple[str, int]]:
        return {id: place for (id, place), here in zip(self.at, self._found, strict=True) if here}

    def impossible(self, rules: Sequence[Rule], effort: float) -> list[Rule] | None:
        """Some of the rules that cannot hold together, None where all can (or nobody knows)."""
        from ortools.sat.python.cp_model import INFEASIBLE

        program = self.program.clone()
        literals = {rule: program.new_bool_var("") for rule in rules}
        for rule, literal in literals.items():
            if isinstance(self.broken[rule], int):
                if self.broken[rule]:
                    program.add_implication(literal, ~literal)
            else:
                program.add(self.broken[rule] == 0).only_enforce_if(literal)
        program.add_assumptions(list(literals.values()))
        solver = _solver(effort)
        if solver.solve(program) != INFEASIBLE:
            return None
        core = set(solver.sufficient_assumptions_for_infeasibility())
        return [rule for rule, literal in literals.items() if literal.index in core]


def _solver(effort: float) -> Any:
    from ortools.sat.python.cp_model import CpSolver

    solver = CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = _SEED
    solver.parameters.max_deterministic_time = max(effort, 0.01)
    return solver


def _groups(named: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Ids by a name that at least two have."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, id in named:
        if name:
            groups[name].append(id)
    return [(name, ids) for name, ids in sorted(groups.items()) if len(ids) > 1]


def _against(programme: Programme, pitch: Pitch, slot: Slot) -> list[Rule]:
    """What would be broken by this pitch in this slot, whatever stands elsewhere."""
    found = []
    if not is_free(pitch.free, slot.span):
        found.append(Rule(kind="presenter_free", about=(pitch.id,)))
    if pitch.sessions and slot.session not in pitch.sessions:
        found.append(Rule(kind="session", about=(pitch.id,)))
    for judge in judging(programme, pitch, slot.session):
        if not is_free(judge.free, slot.span):
            found.append(Rule(kind="judge_free", about=(judge.id, pitch.id)))
        if {pitch.id, pitch.institution} & set(judge.conflicts):
            found.append(Rule(kind="judge_conflict", about=(judge.id, pitch.id)))
    return found


def _infeasible(
    programme: Programme, before: Places, locked: Collection[str], effort: float, crowded: Sequence[Rule]
) -> Infeasible:
    model = _Model(programme, before, locked)
    clash = crowded or _smallest(model, model.hard, effort)
    model.least(sum(_EASE[rule.kind] * model.broken[rule] for rule in model.hard), effort)
    relaxed = tuple(rule for rule in model.hard if model.value(model.broken[rule]))
    told = "；".join(rule_words(programme, clash))
    way = "；".join(ways_out(programme, relaxed))
    return Infeasible(
        clash=tuple(clash),
        relaxed=relaxed,
        places=model.places(),
        problem=Problem(
            code="timetable_infeasible",
            message=f"排不成：这几条合在一起做不到：{told}",
            remedy=f"代价最小的办法：{way}" if way else "请放宽其中一条",
        ),
    )


def _crowded(programme: Programme) -> list[Rule]:
    """Pitches that have fewer slots between them than they are many, with the rules that keep them to these.

    By Hall's theorem (1935) such pitches are there whenever a greatest matching leaves one out: those that alternating paths
    from it reach. Empty where every pitch has a slot of its own, or need not have one.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    every, pitches = slots(programme), sorted(programme.pitches, key=lambda one: one.id)
    if programme.level("placed") != "forbid" or not pitches:
        return []
    strict = {kind for kind in RULES if programme.level(kind) == "forbid"}
    barred = [
        [[rule for rule in _against(programme, pitch, slot) if rule.kind in strict] for slot in every]
        for pitch in pitches
    ]
    allowed = [[at for at, rules in enumerate(row) if not rules] for row in barred]
    cells = [(row, at) for row, some in enumerate(allowed) for at in some]
    graph = csr_array(([True] * len(cells), tuple(zip(*cells, strict=True)) or ((), ())), shape=(len(pitches), max(len(every), 1)))  # fmt: skip
    slot_of = maximum_bipartite_matching(graph, perm_type="column").tolist()
    if min(slot_of) >= 0:
        return []
    holder = {at: row for row, at in enumerate(slot_of) if at >= 0}
    reached, waiting, taken = {slot_of.index(-1)}, [slot_of.index(-1)], set()
    while waiting:
        for at in allowed[waiting.pop()]:
            taken.add(at)
            if holder[at] not in reached:
                reached.add(holder[at])
                waiting.append(holder[at])
    found = {Rule(kind="placed", about=(pitches[row].id,)) for row in reached}
    for row in reached:
        outside = [rules for at, rules in enumerate(barred[row]) if at not in taken]
        needed = sorted({rule for rules in outside for rule in rules})
        for rule in list(needed):
            if all(set(rules) & set(needed) - {rule} for rules in outside):
                needed.remove(rule)
        found |= set(needed)
    return sorted(found)


def _smallest(model: _Model, rules: Sequence[Rule], effort: float) -> list[Rule]:
    """Rules of which none can be spared from the clash."""
    core = model.impossible(rules, effort) or list(rules)
    return sorted(fewest(core, lambda some: model.impossible(some, effort) is not None))
