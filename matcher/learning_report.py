"""What a learning came to: the figures of every way to rank on held-out scenes, and what is needed to repeat it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise

import numpy as np

from embeddings.generation import current
from matcher.calibration import fit_levels
from matcher.engine import Engine
from matcher.evaluation import interval_of, mean_of, measure, resampled
from matcher.features import features
from matcher.fitting import Fit, Places, Rows, Table, base_scores
from matcher.lessons import Taught
from matcher.ranker import Ranker

FOLDS = 5
NEW, CURRENT, COLD = "新模型", "现用模型", "冷启动"
NEW_BY_NEED = f"{NEW}（重复发布的需求归入同一折）"
NEW_BY_PAIR = f"{NEW}（场景已评过其他成果）"
_BINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
# Promoted only if this share of the paired bootstrap draws is on its side.
_CHANCE = 0.9
_WORSE, _NAMED = 0.05, 10
# A gain in nDCG@10 below this is none worth the name.
_SLIGHT = 0.005
_CONTRARY = -0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Figures of one way to rank on held-out judgements; see ``matcher.evaluation.Quality``."""

    name: str
    ndcg: float
    ndcg_low: float
    ndcg_high: float
    mrr: float
    precision: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """How much higher the new model's nDCG@10 is, paired by scene: mean, 95 % interval, share of draws above 0."""

    against: str
    mean: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Held-out pairs whose P(level >= 3) lies in [low, high): how many, mean predicted, share observed."""

    low: float
    high: float
    pairs: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """A scene that the new model ranks worse, by nDCG@10 before and after."""

    scene: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Points of a feature at value 1, now and in the ranker learned from."""

    name: str
    label: str
    weight: float
    before: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a learning was made from, what it came to, and what is needed to repeat it."""

    made_on: str
    seed: int
    program: str
    store_id: str
    revision: int
    head_hash: str
    generation: str
    encoder: str
    lessons_digest: str
    judgements: int
    outcomes: int
    pairs: int
    scenes: int
    judges: int
    levels: tuple[int, int, int, int]
    left_out: tuple[str, ...]
    folds: int
    ways: tuple[Way, ...]
    gains: tuple[Gain, ...]
    ece: float
    reliability: tuple[Bin, ...]
    worse: tuple[Worse, ...]
    features: tuple[Weight, ...]
    limits: tuple[str, ...]
    better: bool


def report_of(
    engine: Engine,
    data: Table,
    taught: Taught,
    whole: Fit,
    cold: Ranker,
    ways: Mapping[str, tuple[Rows, Places | None]],
    rankers: Mapping[str, Ranker],
    *,
    today: date,
    seed: int,
) -> Report:
    """The report on ``whole``, a fit begun from ``cold``.

    ``ways`` gives of each way the held-out scores of every row, and the folds they were held out by where its
    levels have yet to be fitted; ``rankers`` those whose levels stand.
    """
    groups = data.groups()
    measured = {name: measure(scores, data.graded, groups, data.ids) for name, (scores, _) in ways.items()}
    probabilities = {
        name: rankers[name].level_probabilities(scores)
        if name in rankers
        else _calibrated(data, scores, fold, cold)
        for name, (scores, fold) in ways.items()
    }
    new, before = measured[NEW]["ndcg"], measured[CURRENT]["ndcg"]
    gains = tuple(_gain(name, new - measured[name]["ndcg"]) for name in (CURRENT, COLD))
    ece, bins = _reliability(data, probabilities[NEW])
    scene = [data.scene_ids[data.scene[group[0]]] for group in groups]
    fell = sorted(((float(a - b), s, float(b), float(a)) for s, b, a in zip(scene, before, new, strict=True)))
    published = current(engine.home.index)
    return Report(
        made_on=today.isoformat(), seed=seed, program=_program(), store_id=engine.store.store_id,
        revision=taught.revision, head_hash=taught.head_hash, generation=str(published.number) if published else "",
        encoder=data.encoder, lessons_digest=taught.digest, judgements=taught.judgements,
        outcomes=taught.outcomes, pairs=len(data.level), scenes=len(data.scene_ids), judges=taught.judges,
        levels=tuple(np.bincount(data.graded, minlength=5)[1:5].tolist()),
        left_out=_left_out(data, taught), folds=FOLDS,
        ways=tuple(_way(name, measured[name], probabilities[name], data) for name in ways),
        gains=gains, ece=ece, reliability=bins,
        worse=tuple(Worse(scene=s, before=b, after=a) for d, s, b, a in fell[:_NAMED] if d < -_WORSE),
        features=tuple(
            Weight(name=name, label=features()[name].label, weight=weight, before=cold.weights.get(name, 0.0))
            for name, weight in whole.weights.items()
        ),
        limits=_limits(data, taught, whole, cold, measured),
        better=gains[0].mean > 0 and gains[0].chance >= _CHANCE and not _contrary(data, cold),
    )  # fmt: skip


def _calibrated(data: Table, scores: Rows, fold: Places | None, cold: Ranker) -> Rows:
    """Level probabilities of held-out scores, from levels fitted to the other folds' held-out scores."""
    found = np.zeros((len(scores), 4))
    assert fold is not None  # noqa: S101 - only held-out scores come here
    for number in np.unique(fold):
        rest, rows = fold != number, fold == number
        slope, cuts = fit_levels(scores[rest], data.graded[rest], data.weight[rest], believed=cold)
        found[rows] = Ranker(name="", weights={}, slope=slope, cuts=cuts).level_probabilities(scores[rows])
    return found


def _way(name: str, measured: Mapping[str, Rows], probabilities: Rows, data: Table) -> Way:
    _, low, high = interval_of(measured["ndcg"])
    # The median of the levels' distribution: what loses least under absolute error.
    levels = 1 + (np.cumsum(probabilities, axis=1)[:, :3] < 0.5).sum(axis=1)
    return Way(
        name=name, ndcg=mean_of(measured["ndcg"]), ndcg_low=low, ndcg_high=high, mrr=mean_of(measured["mrr"]),
        precision=mean_of(measured["precision"]), accuracy=float(1 / (1 + np.abs(levels - data.graded).mean())),
    )  # fmt: skip


def _gain(against: str, difference: Rows) -> Gain:
    mean, low, high = interval_of(difference)
    return Gain(
        against=against, mean=mean, low=low, high=high, chance=float((resampled(difference) > 0).mean())
    )


def _reliability(data: Table, probabilities: Rows) -> tuple[float, tuple[Bin, ...]]:
    """Expected calibration error of P(level >= 3) and its table (Naeini, Cooper and Hauskrecht, AAAI 2015)."""
    strong, happened = probabilities[:, 2:].sum(axis=1), data.graded >= 3
    bins, error = [], 0.0
    for low, high in pairwise(_BINS):
        inside = (strong >= low) & ((strong < high) | (high == 1.0))
        if inside.any():
            predicted, observed = float(strong[inside].mean()), float(happened[inside].mean())
            bins.append(
                Bin(low=low, high=high, pairs=int(inside.sum()), predicted=predicted, observed=observed)
            )
            error += abs(predicted - observed) * float(inside.mean())
    return error, tuple(bins)


def _left_out(data: Table, taught: Taught) -> tuple[str, ...]:
    missing = len(taught.lessons) - len(data.level)
    gone = (f"{missing} 对的场景或成果不在库中，没有采用",) if missing else ()
    return (*taught.left_out, *gone)


def _contrary(data: Table, cold: Ranker) -> bool:
    """Whether the levels go against what every text says: 4 for 1 in a sheet, more likely than a new insight."""
    scores = base_scores(data, cold.weights)
    return bool(scores.std() > 0) and float(np.corrcoef(scores, data.level)[0, 1]) < _CONTRARY


def _limits(
    data: Table, taught: Taught, whole: Fit, cold: Ranker, measured: Mapping[str, Mapping[str, Rows]]
) -> tuple[str, ...]:
    found = []
    gain, apart = (mean_of(measured[name]["ndcg"] - measured[COLD]["ndcg"]) for name in (NEW, NEW_BY_NEED))
    if gain > _SLIGHT and apart < gain / 2:
        found.append(
            f"比冷启动高出的 {gain:.3f} 大半来自重复发布的需求（题目几乎相同、以前评过）；"
            f"这些需求归入同一折后只高 {apart:+.3f}，全新的需求上不能指望更好"
        )
    if _contrary(data, cold):
        found.append("评级与各项得分相反，请先核对等级有没有填反；这样学到的模型不自动启用")
    if len(data.groups()) < 20:
        found.append(f"只有 {len(data.groups())} 个场景能计入检验，区间很宽，数字只能参考")
    if taught.judges == 1:
        found.append("全部评级来自一人，学到的可能是他一个人的尺度")
    if np.isinf(whole.hold):
        found.append("各项权重没有证明需要改动，保持原样；新学到的是评级经验和等级分界")
    if 0 in np.bincount(data.graded, minlength=5)[1:]:
        found.append("有的等级一条评级也没有，这一级的分界主要沿用原模型")
    found.append("评级经验只对与已评场景题目相近的场景起作用；全新的场景按各项权重排序")
    return tuple(found)


def _program() -> str:
    try:
        return version("jiebang")
    except PackageNotFoundError:
        return ""
