"""Times lineups at the sizes they are made for, and sets them beside what one would do by hand.

    python -m tests.bench.roadshow [--out roadshow.json]

Made up with a fixed seed: fits are logistic in whether the fields are the same, a draw per achievement and one per pair;
few fields and few organisations have many achievements, scenes are of all fields; texts are unit vectors around that of
their field, so that some are near duplicates. All rules at once. Beside the exact lineup stand the first N by
total fit; the first N by fit that no cap rules out (``greedy``); and N by maximal marginal relevance, 0.7 fit and 0.3 likeness to
who is chosen already (Carbonell and Goldstein, SIGIR 1998), also within the caps. ``broken`` counts the places where
rules are broken. Times are of one thread, median of three.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from matcher.lineup import MILLIONTHS, Mask, Pool, Row, Terms, broken, rows_of
from matcher.lineup_conflicts import clash
from matcher.lineup_exchange import Exchanges, alternates, left_out
from matcher.lineup_program import Found, best_lineup

# candidates, scenes, pitches, and how many each scene needs
_CASES = {"12 of 200": (200, 8, 12, 1), "40 of 2,000": (2000, 20, 40, 2)}
_SEEDS = (0, 1, 2, 3, 4)
_TOGETHER = 70  # percent of likeness
_FIELDS = 8


def main() -> None:
    """Every case and seed; a table on standard output, all figures to ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    measured: list[dict[str, Any]] = [
        {"case": name, "seed": seed} | _measured(*sizes, seed)
        for name, sizes in _CASES.items()
        for seed in _SEEDS
    ]
    if asked.out:
        asked.out.write_text(json.dumps(measured, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(
        "| case, seed | exact | seconds | gap | top by fit (broken) | greedy (broken) | MMR (broken) | one cancels | 10 left out told | clash told |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    )
    for one in measured:
        beside = " | ".join(
            f"{one[name]['total']:.2f} ({one[name]['broken']})" for name in ("top", "greedy", "mmr")
        )
        sys.stdout.write(
            f"| {one['case']}, {one['seed']} | {one['exact']['total']:.2f} ({one['exact']['broken']}) | {one['seconds']:.2f} | {one['gap']:.4f} | {beside}"
            f" | {one['cancel_seconds']:.2f} s | {one['left_out_seconds']:.1f} s | {one['clash_seconds']:.1f} s |\n"
        )


def _measured(n: int, scenes: int, pitches: int, each: int, seed: int) -> dict[str, Any]:
    pool, alike = _world(n, scenes, seed)
    good = ((pool.level >= 3) & (np.array(pool.trl) >= 4)).sum(axis=1)
    terms = Terms(
        numbers={
            "pitches": pitches, "coverage": 0, "team": 1, "institution": 2, "field": pitches // 3, "stage": pitches // 2,
            "fields": 5, "stages": 3, "likeness": _TOGETHER, "maturity": 4, "rest": 1, "fit": 2,
        },
        # Scenes that hardly anything fits ask for nothing: there is not always a lineup else.
        coverage={id: each for id, number in zip(pool.listeners, good.tolist(), strict=True) if number >= 4},
    )  # fmt: skip
    rows = rows_of(pool, terms)
    best_lineup(*_small())  # what is imported once is no part of it
    seconds, found = _timed(lambda: best_lineup(pool, rows, terms))
    if not isinstance(found, Found):
        raise RuntimeError(f"no lineup: {found}")
    caps = [row for row in rows if row.rule.kind != "pitches" and not row.least]
    told = {
        "exact": found.chosen,
        "top": _first(pool, pool.value.astype(float), pitches),
        "greedy": _greedy(pool, caps, pitches, lambda chosen: pool.value / MILLIONTHS),
        "mmr": _greedy(pool, caps, pitches, lambda chosen: _marginal(pool, alike, chosen)),
    }
    out = int(np.flatnonzero(found.chosen)[0])
    gone = replace(terms, must_not={pool.ids[out]: "取消"})
    again, _ = _timed(
        lambda: Exchanges(pool, rows_of(pool, gone), gone, found.chosen).for_place(out), times=3
    )
    others = [at for at in np.argsort(-pool.value).tolist() if not found.chosen[at]][:10]
    left, _ = _timed(lambda: [left_out(pool, rows, terms, found, at) for at in others], times=1)
    hard = replace(terms, numbers={**terms.numbers, "maturity": 9, "institution": 1, "pitches": 4 * pitches})
    named, why = _timed(lambda: clash(pool, rows_of(pool, hard), hard), times=1)
    if why is None:
        raise RuntimeError("rules that cannot hold were not found to clash")
    return {
        **{
            name: {
                "total": int(pool.value[chosen].sum()) / MILLIONTHS,
                "broken": len(broken(pool, rows, chosen)),
                "fields": len({one for at in np.flatnonzero(chosen) for one in pool.fields[at]}),
            }
            for name, chosen in told.items()
        },
        "seconds": seconds, "gap": found.gap, "proven": found.proven, "cancel_seconds": again, "left_out_seconds": left,
        "clash_seconds": named, "clash": why.problem.message,
        "alternates": len(alternates(pool, rows, terms, found.chosen, 5)),
    }  # fmt: skip


def _timed(what: Callable[[], Any], times: int = 3) -> tuple[float, Any]:
    spent, found = [], None
    for _ in range(times):
        start = time.perf_counter()
        found = what()
        spent.append(time.perf_counter() - start)
    return median(spent), found


def _first(pool: Pool, worth: Any, pitches: int) -> Mask:
    chosen = np.zeros(len(pool.ids), dtype=bool)
    chosen[np.argsort(-worth, kind="stable")[:pitches]] = True
    return chosen


def _greedy(pool: Pool, caps: list[Row], pitches: int, worth: Callable[[Mask], Any]) -> Mask:
    """One after the other the best that no cap rules out."""
    chosen, closed = np.zeros(len(pool.ids), dtype=bool), np.zeros(len(pool.ids), dtype=bool)
    for row in caps:
        closed[row.members] |= row.most == 0
    for _ in range(pitches):
        at = int(np.argmax(np.where(chosen | closed, -np.inf, worth(chosen))))
        chosen[at] = True
        for row in caps:
            if row.most and chosen[row.members].sum() >= row.most:
                closed[row.members] = True
    return chosen


def _marginal(pool: Pool, alike: Any, chosen: Mask) -> Any:
    fit = pool.value / max(int(pool.value.max()), 1)
    return 0.7 * fit - 0.3 * (alike[:, chosen].max(axis=1) if chosen.any() else 0.0)


def _world(n: int, scenes: int, seed: int) -> tuple[Pool, Any]:
    draw = np.random.default_rng(seed)
    # Fields are of very different size; scenes are spread over all of them, so that the crowd is not where the need is.
    field = np.minimum(draw.zipf(1.4, n) - 1, _FIELDS - 1)
    wanted = np.arange(scenes) % _FIELDS
    logits = (
        3.5 * (field[None, :] == wanted[:, None])
        + 1.2 * draw.normal(size=(1, n))
        + draw.normal(size=(scenes, n))
        - 3.5
    )
    fit = 1 / (1 + np.exp(-logits))
    owners = [f"单位{int(rank) % (n // 5):03d}" for rank in draw.zipf(1.5, n)]
    people = [[f"{owner}·{draw.integers(6)}" for _ in range(2)] for owner in owners]
    vectors = draw.normal(size=(n, 8)) + 1.5 * np.eye(_FIELDS, 8)[field]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = np.clip(vectors @ vectors.T, 0, 1) ** 4  # most pairs unlike, as texts are
    twins = tuple(
        (int(a), int(b), int(alike[a, b] * 100)) for a, b in np.argwhere(np.triu(alike >= _TOGETHER / 100, 1))
    )
    ids = tuple(f"CG-{at:05d}" for at in range(n))
    pool = Pool(
        ids=ids, listeners=tuple(f"CJ-{at:02d}" for at in range(scenes)), fit=np.rint(fit * MILLIONTHS).astype(np.int64),
        level=np.digitize(fit, [0.05, 0.4, 0.8]) + 1, teams=tuple(map(frozenset, people)), institution=tuple(owners),
        fields=tuple((f"领域{one:02d}",) for one in field.tolist()), trl=tuple(int(level) for level in draw.integers(0, 10, n)),
        twins=twins, shown=(("上一场", frozenset(ids[: n // 10])),),
    )  # fmt: skip
    return pool, alike


def _small() -> tuple[Pool, list[Row], Terms]:
    pool, _ = _world(20, 2, 0)
    terms = Terms(numbers={"pitches": 3})
    return pool, rows_of(pool, terms), terms


if __name__ == "__main__":
    main()
