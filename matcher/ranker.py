"""From features to a score, and from a score to the four levels staff use."""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.refusal import IndexRefused
from matcher.experience import Experience, from_arrays, to_arrays
from matcher.features import Values, features

LEVELS = {4: "强相关", 3: "较强相关", 2: "弱相关", 1: "无相关"}
_FORMAT = 2
# What reading a file that somebody made up can end in.
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, OverflowError, MemoryError, RecursionError, AttributeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_RANKER, _ARRAYS = "ranker.json", "arrays.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranker:
    """An additive score with an ordinal calibration.

    ``weights``: points of each feature at value 1, never negative (every feature is better when higher); a
    score is the sum of weight x value over the known features. ``slope`` and ``cuts`` (for levels 2, 3, 4,
    ascending) give the proportional odds P(level >= k) = 1 / (1 + exp(-slope (score - cut_k))) (McCullagh,
    JRSS B 42, 1980). ``experience`` is what the feature of that name is computed from, None before anything
    was learned.
    """

    name: str
    weights: Mapping[str, float]
    slope: float
    cuts: tuple[float, float, float]
    experience: Experience | None = None

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


def without_own_cases(ranker: Ranker) -> Ranker:
    """The ranker without experience whose judged pairs are named: those of a city are for its staff only."""
    own = ranker.experience is not None and bool(ranker.experience.names)
    return replace(ranker, experience=None) if own else ranker


def total(points: Mapping[str, Values]) -> Values:
    """The score: the sum of its parts."""
    return _rounded(np.sum(list(points.values()), axis=0))


def _rounded(column: Values) -> Values:
    return np.asarray(np.round(column, 6) + 0.0, dtype=np.float64)  # + 0.0: no negative zero


def save_ranker(ranker: Ranker, folder: Path) -> None:
    """Write a ranker into an existing folder: ``ranker.json``, and ``arrays.npz`` if it has experience."""
    content: dict[str, Any] = {
        "format": _FORMAT,
        "name": ranker.name,
        "weights": dict(ranker.weights),
        "slope": ranker.slope,
        "cuts": list(ranker.cuts),
    }
    if ranker.experience is not None:
        told, arrays = to_arrays(ranker.experience)
        packed = _packed(arrays)
        (folder / _ARRAYS).write_bytes(packed)
        content["experience"] = told | {"sha256": hashlib.sha256(packed).hexdigest()}
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (folder / _RANKER).write_text(text + "\n", encoding="utf-8")


def load_ranker(path: Path) -> Ranker:
    """The ranker in a folder as ``save_ranker`` writes it, or in a JSON file alone.

    Raises ``IndexRefused`` (``ranker_unusable``) for another version of the file, features that this program
    does not know, weights that make no sense, and arrays that are not those it was saved with.
    """
    remedy = "请改用随程序附带的排序模型，或用同一版本的程序重新生成。"
    file = path / _RANKER if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        ranker = _read(content)
        if "experience" in content:
            ranker = replace(ranker, experience=_experience(content["experience"], file.with_name(_ARRAYS)))
    except _UNREADABLE as error:
        raise IndexRefused(
            "ranker_unusable", f"排序模型“{path.name}”无法使用（{error}）。", remedy
        ) from error
    return ranker


def _read(content: Any) -> Ranker:
    if content["format"] != _FORMAT:
        raise ValueError(f"格式为 {content['format']}，应为 {_FORMAT}")
    unknown = set(content["weights"]) - set(features())
    if unknown:
        raise ValueError(f"不认识的特征 {'、'.join(sorted(unknown))}")
    low, middle, high = (float(cut) for cut in content["cuts"])
    slope = content["slope"]
    if not low <= middle <= high or not slope > 0:
        raise ValueError("等级分界须由低到高，斜率须为正")
    weights = {name: float(content["weights"][name]) for name in features() if name in content["weights"]}
    if not np.all(np.isfinite([*weights.values(), low, high, float(slope)])):
        raise ValueError("权重、等级分界和斜率须为有限的数")
    if min(weights.values(), default=0.0) < 0:
        raise ValueError("权重不能为负")
    return Ranker(name=str(content["name"]), weights=weights, slope=float(slope), cuts=(low, middle, high))


def _experience(told: Any, file: Path) -> Experience:
    packed = file.read_bytes()
    if hashlib.sha256(packed).hexdigest() != told["sha256"]:
        raise ValueError(f"{file.name} 与保存时不同")
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        return from_arrays(told, {name: arrays[name] for name in arrays.files})


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An .npz whose bytes depend on the arrays alone: NumPy's own writer puts the time of day in."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            part = io.BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, part.getvalue())
    return whole.getvalue()
