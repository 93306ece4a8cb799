"""Assignments as jobs: solved for the caller's audience in a process of its own, with progress, stopped when cancelled."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from api.assignment_rules import RuleSheet
from api.assignment_wishes import Wishes, instance_of
from api.bulk import ATTEMPTS, JobRunner, kept_alive
from api.settings import ServeSettings
from api.wire_tasks import AssignmentSent, CapacitySent
from embeddings.encoder import open_encoder
from embeddings.refusal import IndexRefused
from graph.kinds import KINDS, Achievement, Scene
from graph.problems import Problem, Refused
from graph.store.jobs import Job
from graph.store.store import Store
from matcher.assignment import assign, assign_stable
from matcher.assignment_instance import Capacity, Instance, Pair
from matcher.assignment_plan import Chosen, LeftOut, Plan, broken_rules, left_out, plan_of
from matcher.assignment_words import rule_words
from matcher.engine import Engine
from matcher.gaps import is_open
from matcher.ranker import LEVELS
from matcher.stable import blocking_pairs

KIND = "assignment"
_LEASE = timedelta(seconds=60)
# Seconds between words about how far it is.
_PAUSE = 1.0
_LOG = logging.getLogger("jiebang.assignments")


class _Cancelled(Exception):
    """The job is no longer wanted."""


def assignment_runner(settings: ServeSettings, store: Store) -> JobRunner:
    """The runner of assignments."""
    work = partial(run_assignment, settings)
    return JobRunner(store, kind=KIND, work=work, unfinished=_unfinished)


def _unfinished(job: Job, code: str) -> dict[str, Any]:
    message = (
        f"算了 {ATTEMPTS} 次都没有算完，不再重试" if code == "job_given_up" else "统筹对接的进程意外结束"
    )
    return _refused([Problem(code=code, message=message, remedy="请缩小场景或成果的范围再试")])


def run_assignment(settings: ServeSettings, id: str) -> None:
    """Do one job, which has been taken; every end of it is written into the job."""
    with settings.home.open_store(create=False) as store:
        job = store.jobs.get(id)
        if job is None or job.state != "running":
            return
        with kept_alive(store, job):
            try:
                result = _solved(settings, store, job)
            except _Cancelled:
                return
            except (Refused, IndexRefused) as refused:
                result = _refused(
                    [Problem(code=refused.code, message=refused.message, remedy=refused.remedy)]
                )
            except Exception:
                _LOG.exception("an assignment failed", extra={"job": id})
                result = _refused([Problem(code="internal", message="出了没有预料到的错误", remedy="请把编号交给管理员")])  # fmt: skip
        now = store.jobs.get(id)
        if now is not None:
            store.jobs.progress(id, now.total, now.total, datetime.now(UTC), _LEASE)
        store.jobs.finish(id, "failed" if result["plan"] is None else "done", result, datetime.now(UTC))


def chosen_from(pairs: Iterable[Mapping[str, Any]]) -> tuple[Chosen, ...]:
    """The pairs of a plan as it is shown."""
    names = ("scene", "achievement", "fit", "points", "level", "forced")
    return tuple(Chosen(**{name: pair[name] for name in names}) for pair in pairs)


def _solved(settings: ServeSettings, store: Store, job: Job) -> dict[str, Any]:
    asked = AssignmentSent.model_validate(job.attributes["asked"])
    today = date.fromisoformat(job.attributes["today"])
    audience = job.attributes["audience"]
    engine = Engine(
        settings.home, store, open_encoder(settings.encoder), ranker=settings.ranker, audience=audience
    )
    engine.load()
    scenes, closed = _scenes(engine, asked.scenes, today)
    achievements = _achievements(engine, asked.achievements)
    if problems := _strange(asked, scenes, achievements):
        return _refused(problems)
    pairs = [(pair.scene, pair.achievement) for pair in asked.pairs] if asked.rule == "given" else []
    instance = instance_of(
        engine, _wishes(asked), scenes, achievements, _sheet(asked), minimum=_minimum(engine, asked),
        chosen=bool(asked.achievements), today=today, extra=pairs, progress=_Progress(store, job, len(scenes)),
    )  # fmt: skip
    if asked.rule == "given":
        shown = _of_hand(instance, pairs)
    else:
        answer = assign_stable(instance) if asked.rule == "stable" else assign(instance)
        if not isinstance(answer, Plan):
            return _refused([conflict.problem for conflict in answer])
        shown = _of_plan(answer)
    titles = ({id: node.title for id, node in nodes.items()} for nodes in (scenes, achievements))
    return {"plan": _titled(shown, *titles) | {"rule": asked.rule, "closed": closed}, "problems": []}


class _Progress:
    """Says how far a job is, now and then; raises where it has been cancelled."""

    def __init__(self, store: Store, job: Job, scenes: int) -> None:
        self._store, self._job, self._total, self._next = store, job, scenes + 1, 0.0

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() < self._next and done < total:
            return
        self._next = time.monotonic() + _PAUSE
        if not self._store.jobs.progress(self._job.id, done, self._total, datetime.now(UTC), _LEASE):
            raise _Cancelled


def _scenes(engine: Engine, ids: Sequence[str], today: date) -> tuple[dict[str, Scene], int]:
    """The scenes to serve, in the order of ids, and how many of all were left out as closed; of named ones none is."""
    if ids:
        found = engine.store.get_many("scene", ids).values()
        return {one.id: one for one in sorted(found, key=lambda one: one.id) if isinstance(one, Scene)}, 0
    every = {node.id: node for node in engine.store.nodes("scene") if isinstance(node, Scene)}
    still_open = {id: every[id] for id in sorted(every) if is_open(every[id], today)}
    return still_open, len(every) - len(still_open)


def _achievements(engine: Engine, ids: Sequence[str]) -> dict[str, Achievement]:
    found = engine.store.get_many("achievement", ids).values() if ids else engine.store.nodes("achievement")
    return {one.id: one for one in sorted(found, key=lambda one: one.id) if isinstance(one, Achievement)}


def _strange(
    asked: AssignmentSent, scenes: Mapping[str, Scene], achievements: Mapping[str, Achievement]
) -> list[Problem]:
    """Ids that are named and do not take part; what is hidden is told like what is not there."""
    must = [*asked.forced, *(asked.pairs if asked.rule == "given" else [])]
    wanted = {
        "scene": ([*asked.scenes, *(pair.scene for pair in must)], scenes),
        "achievement": ([*asked.achievements, *(pair.achievement for pair in must)], achievements),
    }
    return [
        Problem(
            code="out_of_scope", message=f"{KINDS[kind].label}“{id[:100]}”不在这次的范围之内，或没有这个编号",
            remedy="请核对编号；已过期、已落地的要在范围里写明",
        )
        for kind, (ids, known) in wanted.items() for id in dict.fromkeys(ids) if id not in known
    ]  # fmt: skip


def _wishes(asked: AssignmentSent) -> Wishes:
    return Wishes(
        scene_most=asked.scene_most, achievement_most=asked.achievement_most, minimum="", per_district=asked.per_district,
        per_field=asked.per_field, fair=asked.fair, rule=asked.rule,
    )  # fmt: skip


def _minimum(engine: Engine, asked: AssignmentSent) -> tuple[float, str]:
    if asked.least_points is not None:
        return asked.least_points, f"得分 {asked.least_points:g}"
    level = asked.least_level
    return (float("-inf") if level == 1 else float(engine.ranker.cuts[level - 2])), LEVELS[level]


def _sheet(asked: AssignmentSent) -> RuleSheet:
    def pairs(sent: Iterable[Any]) -> frozenset[Pair]:
        return frozenset((pair.scene, pair.achievement) for pair in sent)

    def limits(sent: Iterable[CapacitySent]) -> dict[str, Capacity]:
        return {one.id: Capacity(least=one.least, most=one.most) for one in sent}

    return RuleSheet(
        forced=pairs(asked.forced), forbidden=pairs(asked.forbidden), scenes=limits(asked.scene_capacities),
        achievements=limits(asked.achievement_capacities),
    )  # fmt: skip


def _of_plan(plan: Plan) -> dict[str, Any]:
    return _shown(plan.pairs, plan.left) | {
        "total": plan.total, "bound": plan.bound, "gap": plan.gap, "optimal": plan.optimal, "broken": [], "blocking": [],
    }  # fmt: skip


def _of_hand(instance: Instance, pairs: Sequence[Pair]) -> dict[str, Any]:
    """A plan made by hand: what it comes to, which rules it breaks, which pairs block it."""
    chosen = np.zeros(len(instance.fit), dtype=bool)
    places = instance.places(pairs)
    chosen[places[places >= 0]] = True
    plan = plan_of(instance, chosen, rule="best", bound=0.0, optimal=False)
    return _shown(plan.pairs, tuple(left_out(instance, chosen))) | {
        "total": plan.total, "bound": None, "gap": None, "optimal": None,
        "broken": rule_words(broken_rules(instance, pairs), instance),
        "blocking": [{"scene": scene, "achievement": id} for scene, id in blocking_pairs(instance, pairs)],
    }  # fmt: skip


def _shown(pairs: Iterable[Chosen], left: Iterable[LeftOut]) -> dict[str, Any]:
    return {
        "pairs": [
            {
                "scene": pair.scene, "achievement": pair.achievement, "fit": pair.fit, "points": pair.points,
                "level": pair.level, "level_label": LEVELS.get(pair.level, ""), "forced": pair.forced,
            }
            for pair in pairs
        ],
        "left": [
            {"scene": one.scene, "why": one.why, "message": one.message, "achievements": list(one.achievements)}
            for one in left
        ],
    }  # fmt: skip


def _titled(
    shown: dict[str, Any], scenes: Mapping[str, str], achievements: Mapping[str, str]
) -> dict[str, Any]:
    pairs = [
        pair | {"scene_title": scenes[pair["scene"]], "achievement_title": achievements[pair["achievement"]]}
        for pair in shown["pairs"]
    ]
    left = [one | {"title": scenes[one["scene"]]} for one in shown["left"]]
    return shown | {"pairs": pairs, "left": left}


def _refused(problems: Iterable[Problem]) -> dict[str, Any]:
    told = [
        {
            "code": one.code,
            "message": one.message,
            "remedy": one.remedy,
            "place": one.place,
            "severity": one.severity,
        }
        for one in problems
    ]
    return {"plan": None, "problems": told}
