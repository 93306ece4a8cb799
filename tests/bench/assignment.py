"""Times assignment at the sizes that it is made for, each in a process of its own, and prints the figures as JSON.

    python -m tests.bench.assignment

Fits are logistic in a draw per scene, per achievement and per pair (fixed seed), so that scenes compete for the same
achievements. Groups are 12 fields, each with one achievement in eight, and 10 districts; peak memory is that of the
whole process. The square case with one place each stands beside SciPy's linear_sum_assignment on the same matrix.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from matcher.assignment import assign
from matcher.assignment_conflicts import conflicts
from matcher.assignment_instance import Capacity, Group, Instance, arranged
from matcher.assignment_plan import Plan
from matcher.stable import stable_choice

# scenes, achievements, candidates a scene, places of a scene and of an achievement, most of a field and a district
_CASES: dict[str, tuple[int, int, int, int, int, int, int]] = {
    "300 x 500 dense": (300, 500, 500, 1, 1, 0, 0),
    "300 x 500 dense, 22 groups": (300, 500, 500, 1, 1, 30, 25),
    "2,000 x 10,000, 50 a scene": (2000, 10000, 50, 3, 2, 0, 0),
    "2,000 x 10,000, 50 a scene, 22 groups": (2000, 10000, 50, 3, 2, 500, 450),
    "500 x 500 dense, one each": (500, 500, 500, 1, 1, 0, 0),
    "1,500 x 1,500 dense, one each": (1500, 1500, 1500, 1, 1, 0, 0),
    "2,000 x 10,000, every scene needs 3, 100 cannot": (2000, 10000, 50, 3, 2, 0, 0),
}


def main() -> None:
    """Each case in a process of its own, so that peak memory is its own; or the one that is named."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(_measured(sys.argv[1])))
        return
    told = {}
    for name in _CASES:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.assignment", name], capture_output=True, text=True, check=True
        )
        told[name] = json.loads(done.stdout)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


def _measured(name: str) -> dict[str, Any]:
    scenes, achievements, each, places, others, per_field, per_district = _CASES[name]
    game = _instance(
        scenes, achievements, each, places, others, per_field, per_district, crowd="cannot" in name
    )
    assign(_instance(3, 3, 3, 1, 1, 0, 0))  # what is imported once is no part of it
    start = time.perf_counter()
    answer = assign(game)
    seconds = time.perf_counter() - start
    told: dict[str, Any] = {"seconds": round(seconds, 2)}
    if isinstance(answer, Plan):
        told |= {
            "proven": answer.optimal,
            "gap": answer.gap,
            "pairs": len(answer.pairs),
            "total": answer.total,
        }
        if "one each" in name:
            told |= _beside(game, answer, seconds)
        if not per_field:
            start = time.perf_counter()
            stable_choice(game)
            told["stable_rule_seconds"] = round(time.perf_counter() - start, 2)
    else:
        told |= {"conflicts": len(answer), "rules_of_the_first": len(answer[0].rules)}
        assert answer == conflicts(game)
    return told | {"memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def _instance(
    scenes: int, achievements: int, each: int, places: int, others: int, per_field: int, per_district: int, crowd: bool = False
) -> Instance:  # fmt: skip
    draw = np.random.default_rng(20260301)
    at = np.concatenate([draw.choice(achievements, each, replace=False) for _ in range(scenes)])
    of = np.repeat(np.arange(scenes), each)
    if crowd:  # a hundred scenes, all with the same fifty candidates
        at[: 100 * each] = np.tile(np.arange(each), 100)
    odds = draw.normal(size=scenes)[of] + 0.7 * draw.normal(size=achievements)[at] + draw.normal(size=len(of))
    names = [f"CG-{n:05d}" for n in range(achievements)]
    groups: list[Group] = []
    if per_field:
        fields = [np.flatnonzero(draw.random(achievements) < 0.12) for _ in range(12)]
        districts = draw.integers(0, 10, achievements)
        groups = [_group(f"领域{n:02d}", names, field, per_field) for n, field in enumerate(fields)]
        groups += [
            _group(f"区{n:02d}", names, np.flatnonzero(districts == n), per_district) for n in range(10)
        ]
    return arranged(
        [f"CJ-{n:04d}" for n in range(scenes)], names, scene_at=of, achievement_at=at, fit=1 / (1 + np.exp(-odds)),
        groups=groups, scene_capacity=Capacity(least=places if crowd else 0, most=places),
        achievement_capacity=Capacity(most=others),
    )  # fmt: skip


def _group(name: str, names: list[str], members: np.ndarray, most: int) -> Group:
    return Group(name=name, achievements=frozenset(names[at] for at in members), most=most)


def _beside(game: Instance, plan: Plan, seconds: float) -> dict[str, float]:
    from scipy.optimize import linear_sum_assignment

    matrix = np.zeros((len(game.scenes), len(game.achievements)))
    matrix[game.scene_at, game.achievement_at] = game.fit
    start = time.perf_counter()
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    theirs = time.perf_counter() - start
    total = float(matrix[rows, columns].sum())
    return {
        "scipy_seconds": round(theirs, 2),
        "times_scipy": round(seconds / theirs, 1),
        "scipy_total": total,
    }


if __name__ == "__main__":
    main()
