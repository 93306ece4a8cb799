"""From features to a score, and from a score to the four levels staff use."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.refusal import IndexRefused
from matcher.features import Values, features

LEVELS = {4: "强相关", 3: "较强相关", 2: "弱相关", 1: "无相关"}
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranker:
    """An additive score with an ordinal calibration.

    ``weights``: points of each feature at value 1; a score is the sum of weight x value over the known
    features. ``slope`` and ``cuts`` (for levels 2, 3, 4, ascending) give the proportional odds
    P(level >= k) = 1 / (1 + exp(-slope (score - cut_k))) (McCullagh, JRSS B 42, 1980).
    """

    name: str
    weights: Mapping[str, float]
    slope: float
    cuts: tuple[float, float, float]

    def points(self, values: Mapping[str, Values]) -> dict[str, Values]:
        """Each feature's contribution to the score of each pair; 0 where unknown.

        Rounded to six decimals, so that the parts as given add up to the score as given and the last bits
        of a sum in another order decide nothing.
        """
        return {name: _rounded(np.nan_to_num(weight * values[name])) for name, weight in self.weights.items()}

    def level_probabilities(self, scores: Values) -> NDArray[np.float64]:
        """P(level = 1), …, P(level = 4) of each score; shape ``(len(scores), 4)``, rows sum to 1."""
        cuts = np.array(self.cuts)
        # Beyond 700 the exponential overflows; there the odds are 0 or 1 to every digit.
        odds = np.clip(self.slope * (np.asarray(scores)[:, None] - cuts), -700, 700)
        at_least = 1 / (1 + np.exp(-odds))
        edges = np.hstack([np.ones((len(scores), 1)), at_least, np.zeros((len(scores), 1))])
        return np.asarray(edges[:, :-1] - edges[:, 1:], dtype=np.float64)

    def levels(self, scores: Values) -> NDArray[np.int64]:
        """The level of each score: the most that is at least as likely as not reached (median level)."""
        return np.asarray(
            1 + np.sum(np.asarray(scores)[:, None] >= np.array(self.cuts), axis=1), dtype=np.int64
        )


def total(points: Mapping[str, Values]) -> Values:
    """The score: the sum of its parts."""
    return _rounded(np.sum(list(points.values()), axis=0))


def _rounded(column: Values) -> Values:
    return np.asarray(np.round(column, 6) + 0.0, dtype=np.float64)  # + 0.0: no negative zero


def load_ranker(path: Path) -> Ranker:
    """The ranker in a JSON file. Raises ``IndexRefused`` (``ranker_unusable``) for another version or features."""
    remedy = "请改用随程序附带的排序模型，或用同一版本的程序重新生成。"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"格式为 {content['format']}，应为 {_FORMAT}")
        unknown = set(content["weights"]) - set(features())
        if unknown:
            raise ValueError(f"不认识的特征 {'、'.join(sorted(unknown))}")
        low, middle, high = (float(cut) for cut in content["cuts"])
        if not low <= middle <= high or not content["slope"] > 0:
            raise ValueError("等级分界须由低到高，斜率须为正")
        weights = {name: float(content["weights"][name]) for name in features() if name in content["weights"]}
        if not np.all(np.isfinite([*weights.values(), low, high, float(content["slope"])])):
            raise ValueError("权重、等级分界和斜率须为有限的数")
        name = str(content["name"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexRefused(
            "ranker_unusable", f"排序模型“{path.name}”无法使用（{error}）。", remedy
        ) from error
    return Ranker(name=name, weights=weights, slope=float(content["slope"]), cuts=(low, middle, high))
