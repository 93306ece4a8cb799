"""From scores to the four levels: the proportional-odds model, fitted to graded pairs.

    python -m matcher.calibration HOME JUDGEMENTS.csv

prints slope and cuts for the scores of the cold start's weights, as they stand in data/ranker/cold_start.json.
"""

import csv
import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graph.resources import resource
from matcher.engine import Engine
from matcher.home import Home
from matcher.ranker import Ranker

Levels = tuple[float, tuple[float, float, float]]
# What a ranker already believes counts as this many graded pairs, spread evenly over the scores.
_BELIEVED, _POINTS = 20.0, 20


def fit_levels(
    scores: NDArray[np.float64],
    levels: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
    *,
    believed: Ranker | None = None,
) -> Levels:
    """Slope and cuts (for levels 2, 3, 4) of the proportional-odds model that makes ``levels`` likeliest.

    McCullagh, "Regression Models for Ordinal Data" (JRSS B 42, 1980), by maximum likelihood. ``scores``,
    ``levels`` and ``weights`` have one entry a pair. ``believed`` adds what another ranker of the same
    points would say, as 20 pairs: few judgements then move the levels little, and a level that nobody gave
    is no trouble. Without it raises ``ValueError`` unless all four levels occur.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    if believed is None and set(levels.tolist()) != {1, 2, 3, 4}:
        raise ValueError("all four levels must occur")
    mass = np.zeros((len(scores), 4))
    mass[np.arange(len(scores)), levels - 1] = 1.0 if weights is None else weights
    if believed is not None:
        spread_out = np.quantile(scores, (np.arange(_POINTS) + 0.5) / _POINTS)
        mass = np.vstack([mass, believed.level_probabilities(spread_out) * _BELIEVED / _POINTS])
        scores = np.concatenate([scores, spread_out])
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    standard = (scores - centre) / spread

    def unpack(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        # Logarithms keep the slope positive and the cuts in order.
        return float(np.exp(parameters[0])), parameters[1] + np.cumsum([0.0, *np.exp(parameters[2:])])

    def loss(parameters: NDArray[np.float64]) -> float:
        slope, cuts = unpack(parameters)
        at_least = expit(slope * (standard[:, None] - cuts))
        edges = np.hstack([np.ones((len(mass), 1)), at_least, np.zeros((len(mass), 1))])
        return float(-(mass * np.log(np.maximum(edges[:, :-1] - edges[:, 1:], 1e-12))).sum())

    found = minimize(
        loss, np.zeros(4), method="Nelder-Mead", options={"maxiter": 20000, "xatol": 1e-6, "fatol": 1e-6}
    )
    slope, cuts = unpack(found.x)
    low, middle, high = (float(cut * spread + centre) for cut in cuts)
    return slope / spread, (low, middle, high)


def main() -> None:
    """Print slope and cuts of the cold start's weights for a home and a file of judgements."""
    home, judgements = Path(sys.argv[1]), Path(sys.argv[2])
    with judgements.open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["scene_id"], row["achievement_id"], int(row["level"])) for row in csv.DictReader(file)]
    with Engine.open(Home(path=home), ranker=resource("ranker", "cold_start.json")) as engine:
        matches = engine.score_pairs(
            [(scene, achievement) for scene, achievement, _ in rows], today=date.today()
        )
    known = [(match.score, level) for match, (_, _, level) in zip(matches, rows, strict=True) if match]
    slope, cuts = fit_levels(np.array([score for score, _ in known]), np.array([level for _, level in known]))
    sys.stdout.write(
        json.dumps({"slope": round(slope, 4), "cuts": [round(cut, 2) for cut in cuts], "pairs": len(known)})
        + "\n"
    )


if __name__ == "__main__":
    main()
