"""What text models are tuned on: graded pairs of texts, cleaned, told apart by demand, and measured."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from embeddings.refusal import IndexRefused
from embeddings.text import clean_text, truncate
from embeddings.training import Schedule

MAX_CHARACTERS = 500
_CUT = 10
_HELD_OUT_STREAM = 1_000_003  # beside the epochs, which draw from streams 0, 1, 2 …
_REDO = "请补充人工评级后再试。"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One judgement: how well ``offer`` answers ``demand``, ``level`` 1 (not) to 4 (strongly), or a mean.

    ``group`` names the demand: examples of a group are ranked against each other, and held out together.
    ``weight`` (0 or more) is how many such judgements this one counts for.
    """

    demand: str
    offer: str
    level: float
    group: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for a level beyond 1 to 4 or a weight that is negative or not finite."""
        if not 1 <= self.level <= 4 or not (np.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"level {self.level} or weight {self.weight} out of range")


def usable_examples(examples: Sequence[Example]) -> list[Example]:
    """The examples with clean, capped texts, in an order of their own; blank or weightless ones left out."""
    clean = [
        Example(
            demand=truncate(clean_text(example.demand), MAX_CHARACTERS),
            offer=truncate(clean_text(example.offer), MAX_CHARACTERS),
            level=float(example.level),
            group=example.group,
            weight=float(example.weight),
        )
        for example in examples
    ]
    kept = [example for example in clean if example.demand and example.offer and example.weight]
    return sorted(kept, key=lambda e: (e.group, e.demand, e.offer, e.level, e.weight))


def inputs_digest(examples: Sequence[Example], settings: Schedule, base: str) -> str:
    """A digest of everything that decides what training gives; for a checkpoint to be told from another's."""
    content = json.dumps([[asdict(e) for e in examples], settings.deciding(), base], sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()


def require_two_levels(examples: Sequence[Example], *, groups: int) -> None:
    """Raise ``IndexRefused`` (``tuning_examples``) unless so many groups have examples of different levels."""
    levels: dict[str, set[float]] = {}
    for example in examples:
        levels.setdefault(example.group, set()).add(example.level)
    telling = sum(len(seen) > 1 for seen in levels.values())
    if telling < groups:
        raise IndexRefused(
            "tuning_examples",
            f"可用的评级有 {len(examples)} 条、涉及 {len(levels)} 个场景，"
            f"其中评级有高有低的场景只有 {telling} 个，至少要 {groups} 个。",
            _REDO,
        )


def ndcg(levels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """nDCG@10 with gain 2^(level-1) - 1 (Järvelin and Kekäläinen, TOIS 2002), ties in the given order."""
    gains = 2.0 ** (levels - 1) - 1
    discounts = 1 / np.log2(np.arange(2, len(gains) + 2))
    best = float(np.sum((np.sort(gains)[::-1] * discounts)[:_CUT]))
    found = float(np.sum((gains[np.argsort(-scores, kind="stable")] * discounts)[:_CUT]))
    return found / best if best else 0.0


def split(examples: Sequence[Example], settings: Schedule) -> tuple[list[Example], list[Example]]:
    """Examples to train on and examples held out, by group: the share ``settings.held_out`` of the groups.

    Only groups with different levels can be held out, and one at least is left to train on.
    """
    levels: dict[str, set[float]] = {}
    for example in examples:
        levels.setdefault(example.group, set()).add(example.level)
    telling = sorted(group for group, seen in levels.items() if len(seen) > 1)
    count = min(round(settings.held_out * len(telling)), len(telling) - 1)
    random = np.random.default_rng([settings.seed, _HELD_OUT_STREAM])
    held = {telling[place] for place in random.permutation(len(telling))[:count]}
    return [e for e in examples if e.group not in held], [e for e in examples if e.group in held]
