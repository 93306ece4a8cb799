"""Levels fitted to judgements: known cuts come back, and no neighbour of them is likelier."""

import csv
import json
import math
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from graph.resources import resource
from matcher import calibration
from matcher.calibration import fit_levels
from matcher.engine import Engine
from matcher.home import Home
from tests.factories import BigramEncoder, make_achievement, make_scene, put

Cuts = tuple[float, float, float]


def _simulated(slope: float, cuts: Cuts, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Scores and levels drawn from the model itself."""
    rng = np.random.default_rng(11)
    scores = rng.uniform(cuts[0] - 3 / slope, cuts[2] + 3 / slope, count)
    at_least = 1 / (1 + np.exp(-slope * (scores[:, None] - np.array(cuts))))
    return scores, 1 + np.sum(rng.random(count)[:, None] < at_least, axis=1)


def _log_likelihood(
    scores: NDArray[np.float64], levels: NDArray[np.int64], slope: float, cuts: Cuts
) -> float:
    """Written out pair by pair."""
    total = 0.0
    for score, level in zip(scores.tolist(), levels.tolist(), strict=True):
        odds = [1.0, *(1 / (1 + math.exp(-slope * (score - cut))) for cut in cuts), 0.0]
        total += math.log(max(odds[level - 1] - odds[level], 1e-12))
    return total


@pytest.mark.parametrize(
    ("slope", "cuts"),
    [(0.1, (20.0, 35.0, 50.0)), (0.02, (-300.0, 0.0, 40.0)), (6.0, (0.1, 0.5, 0.6))],
)
def test_known_slope_and_cuts_come_back(slope: float, cuts: Cuts) -> None:
    scores, levels = _simulated(slope, cuts, 5000)
    found_slope, found_cuts = fit_levels(scores, levels)
    assert found_slope == pytest.approx(slope, rel=0.1)
    assert found_cuts == pytest.approx(cuts, abs=0.4 / slope)
    assert list(found_cuts) == sorted(found_cuts)


@pytest.mark.parametrize("seed", range(3))
def test_no_neighbour_is_likelier(seed: int) -> None:
    scores, levels = _simulated(0.1, (20.0, 35.0, 50.0), 300)
    slope, cuts = fit_levels(scores, levels)
    best = _log_likelihood(scores, levels, slope, cuts)
    rng = np.random.default_rng(seed)
    for size in (0.3, 0.03, 0.003):
        for _ in range(20):
            low, middle, high = (cut + size * float(rng.normal()) / slope for cut in cuts)
            other = _log_likelihood(
                scores, levels, slope * math.exp(size * float(rng.normal())), (low, middle, high)
            )
            assert other <= best + 1e-4


def test_fit_does_not_depend_on_the_order_of_pairs() -> None:
    scores, levels = _simulated(0.1, (20.0, 35.0, 50.0), 200)
    slope, cuts = fit_levels(scores, levels)
    slope_back, cuts_back = fit_levels(scores[::-1], levels[::-1])
    assert (slope_back, *cuts_back) == pytest.approx((slope, *cuts), rel=1e-4)


def test_levels_parted_perfectly_give_finite_numbers_that_part_them() -> None:
    scores = np.array([1.0, 2, 3, 4, 11, 12, 13, 14])
    slope, (low, middle, high) = fit_levels(scores, np.array([1, 1, 2, 2, 3, 3, 4, 4]))
    assert math.isfinite(slope)
    assert 2 < low < 3
    assert 4 < middle < 11
    assert 12 < high < 13


@pytest.mark.parametrize("levels", [[1, 2, 3], [1, 2, 3, 3], [4, 4], [0, 1, 2, 3, 4], []])
def test_all_four_levels_must_occur(levels: list[int]) -> None:
    with pytest.raises(ValueError, match="all four levels"):
        fit_levels(np.arange(len(levels), dtype=np.float64), np.array(levels, dtype=np.int64))


def test_command_prints_what_fits_the_home(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with home.open_store(create=False) as store:
        put(
            store,
            make_scene(title="海岛无人机投送"),
            *(make_achievement(f"CG-{n}", title="海岛无人机投送"[: n + 1] + "某物") for n in range(7)),
        )
    judgements = tmp_path / "judgements.csv"
    rows = [("CJ-1", f"CG-{n}", level) for n, level in enumerate((1, 2, 1, 3, 2, 4, 3))]
    with judgements.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("scene_id", "achievement_id", "level"), *rows, ("CJ-9", "CG-1", 4)])
    monkeypatch.setattr(
        Engine,
        "open",
        lambda home, ranker: Engine(home, home.open_store(create=False), BigramEncoder(), ranker=ranker),
    )
    monkeypatch.setattr(sys, "argv", ["calibration", str(home.path), str(judgements)])
    calibration.main()
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    cold = resource("ranker", "cold_start.json")
    with Engine(home, home.open_store(create=False), BigramEncoder(), ranker=cold) as engine:
        found = engine.score_pairs(
            [(scene, achievement) for scene, achievement, _ in rows], today=date(2026, 3, 1)
        )
    slope, cuts = fit_levels(np.array([m.score for m in found if m]), np.array([level for *_, level in rows]))
    assert printed == {"slope": round(slope, 4), "cuts": [round(cut, 2) for cut in cuts], "pairs": 7}
