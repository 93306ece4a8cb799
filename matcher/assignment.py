"""Many-to-many assignment of achievements to scenes: the best plan under rules, or the stable one, or why there is none."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from graph.kinds import Scene
from graph.problems import Problem
from matcher.assignment_conflicts import Conflict, conflicts, contradictions
from matcher.assignment_flow import best_flow, binding, disjoint
from matcher.assignment_instance import Floats, Instance, Mask, Pair, Whole
from matcher.assignment_model import MILLIONTHS, Model, model_of, worth
from matcher.assignment_plan import Plan, broken_rules, plan_of
from matcher.assignment_program import Answer, best_choice
from matcher.engine import Engine
from matcher.ranking import Match
from matcher.stable import stable_choice

Progress = Callable[[int, int], None]
# Of each scene's ranking so many are candidates.
LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Pairs from the ranking, as ``arranged`` takes them: places in ``scenes`` and ``achievements``."""

    scenes: tuple[str, ...]
    achievements: tuple[str, ...]
    scene_at: Whole
    achievement_at: Whole
    fit: Floats
    points: Floats
    level: Whole


def assign(instance: Instance, *, effort: float = 60.0) -> Plan | tuple[Conflict, ...]:
    """The plan of the greatest total fit that keeps every rule; where none does, the conflicts that prevent it.

    Objective: the sum of the fits of the chosen pairs in millionths, then fewer pairs, then a lot drawn from the ids
    (``worth``): with overwhelming probability one plan is the best, and it does not depend on the order of the input.
    Where no two groups that can bind share an achievement it is found as a flow and proven. Elsewhere ``effort`` is
    the deterministic time that CP-SAT may use; a plan that is not proven within it says so by ``bound`` and ``gap``.
    If not even a plan was found within it, the conflict is that alone (``undecided``); so it is if there is none but
    the cause was not found (``unexplained``).
    """
    if plain := contradictions(instance):
        return tuple(plain)
    model = model_of(instance)
    answer = _best(model, instance, effort)
    if answer.chosen is None:
        return (conflicts(instance) or (_unexplained(),)) if answer.proven else (_undecided(),)
    chosen = _whole(instance, model, answer.chosen)
    _check(instance, chosen)
    return plan_of(instance, chosen, rule="best", bound=answer.bound / MILLIONTHS, optimal=answer.proven)


def assign_stable(instance: Instance) -> Plan | tuple[Conflict, ...]:
    """The stable plan, its bound being the total of the best plan; or why the rules rule it out.

    Least numbers, the floor and groups cannot be promised together with stability: that is refused
    (``stable_with_needs``), never passed over.
    """
    if plain := contradictions(instance):
        return tuple(plain)
    needs = [side for side in ("scene", "achievement") if instance.limits(side)[0].any()]
    if needs or instance.floor is not None or instance.groups:
        return (_unstable(),)
    model = model_of(instance)
    best = _best(model, instance, 0.0)
    chosen = stable_choice(instance)
    _check(instance, chosen)
    total = int(np.rint(instance.fit[chosen] * MILLIONTHS).sum())
    return plan_of(
        instance, chosen, rule="stable", bound=best.bound / MILLIONTHS, optimal=total == best.bound
    )


def gather(
    engine: Engine,
    scenes: Sequence[Scene],
    achievements: Collection[str] | None,
    *,
    today: date,
    extra: Collection[Pair] = (),
    progress: Progress | None = None,
) -> Candidates:
    """The candidates of each scene from the one ranking: its first 100, or of ``achievements`` every one.

    ``extra`` pairs are candidates even if they stand further down. The fit is the probability of level 3 or 4. Cost:
    one ranking a scene.
    """
    engine.refresh()
    wanted: dict[str, list[str]] = {}
    for scene_id, achievement_id in sorted(extra):
        wanted.setdefault(scene_id, []).append(achievement_id)
    names = dict.fromkeys(sorted(achievements)) if achievements is not None else None
    places: dict[str, int] = {id: at for at, id in enumerate(names or ())}
    rows: list[tuple[int, int, float, float, int]] = []
    for done, scene in enumerate(scenes, 1):
        found = _candidates(engine, scene, names, wanted.get(scene.id, ()), today)
        for id, match in found.items():
            fit = match.probabilities[2] + match.probabilities[3]
            rows.append((done - 1, places.setdefault(id, len(places)), fit, match.score, match.level))
        if progress:
            progress(done, len(scenes))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Candidates(
        scenes=tuple(scene.id for scene in scenes), achievements=tuple(places),
        scene_at=table[:, 0].astype(np.int64), achievement_at=table[:, 1].astype(np.int64),
        fit=table[:, 2], points=table[:, 3], level=table[:, 4].astype(np.int64),
    )  # fmt: skip


def _candidates(
    engine: Engine, scene: Scene, names: Collection[str] | None, extra: Sequence[str], today: date
) -> dict[str, Match]:
    if names is not None:
        return engine.ranking.score(scene, "achievement", [*names, *extra], today=today)
    found = {match.key[1]: match for match in engine.ranking.match(scene, top=LISTED, today=today)}
    missing = [id for id in extra if id not in found]
    return found | (engine.ranking.score(scene, "achievement", missing, today=today) if missing else {})


def _best(model: Model, instance: Instance, effort: float) -> Answer:
    spreads = binding(model)
    values = worth(instance, model)
    if disjoint(spreads) == spreads:
        chosen = best_flow(model, values, spreads)
        return Answer(chosen=chosen, bound=0 if chosen is None else int(model.fit[chosen].sum()), proven=True)
    return best_choice(model, values, effort=effort)


def _whole(instance: Instance, model: Model, chosen: Mask) -> Mask:
    mask = np.zeros(len(instance.fit), dtype=bool)
    mask[model.pair[chosen]] = True
    return mask


def _check(instance: Instance, chosen: Mask) -> None:
    """No plan leaves this room that breaks a rule, whatever solver made it."""
    broken = broken_rules(instance, [instance.pair(at) for at in np.flatnonzero(chosen).tolist()])
    if broken:
        raise RuntimeError(f"the plan breaks {broken[0]}")


def _undecided() -> Conflict:
    return Conflict(
        rules=(),
        problem=Problem(
            code="undecided",
            message="在限定的计算量内没有找到方案，也没有证明方案不存在",
            remedy="请减少每区、每领域的上限规则，或缩小场景的范围",
        ),
    )


def _unexplained() -> Conflict:
    return Conflict(
        rules=(),
        problem=Problem(
            code="unexplained",
            message="全部规则合在一起不能同时做到，但在限定的计算量内没有找出是哪几条",
            remedy="请先去掉每区、每领域的上限，再逐条加回",
        ),
    )


def _unstable() -> Conflict:
    return Conflict(
        rules=(),
        problem=Problem(
            code="stable_with_needs",
            message="按稳定规则排时，不能同时保证最少数、公平保底和每区、每领域的上限",
            remedy="请去掉这些要求，或改用 --rule best",
        ),
    )
