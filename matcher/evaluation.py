"""How good a ranking is: metrics against graded judgements, beside plain methods on the same pairs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from graph.kinds import Node
from matcher.engine import Engine
from matcher.features import centred_cosine
from matcher.texts import node_texts

Scores = NDArray[np.float64]
# A demand counts with at least this many judgements, one of which is level 2 or more.
_LEAST_JUDGED = 5
_SEED = 20250130  # the day of the policy; any fixed number does
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One graded pair: level 4 强相关 … 1 无相关."""

    scene: str
    achievement: str
    level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Means over demands, each in 0..1, of one way to rank.

    ``ndcg`` is nDCG@10 with gain 2^(level-1) - 1 (Järvelin and Kekäläinen, TOIS 20, 2002; gain after
    Burges et al., 2005); ``mrr`` the reciprocal rank of the first level 3 or 4 over the demands that have
    one; ``precision`` the share of level 3 or 4 among the first five; ``accuracy`` 1/(1+MAE) of the
    predicted level over all pairs, None for ways that predict none. ``interval`` is the 95 % bootstrap
    interval of ``ndcg`` over demands, ``gain`` that of the paired difference current - this.
    """

    name: str
    ndcg: float
    mrr: float
    precision: float
    accuracy: float | None
    interval: tuple[float, float]
    gain: tuple[float, float, float] | None


def evaluate(engine: Engine, judgements: Sequence[Judgement], *, today: date) -> list[Quality]:
    """The current ranker first, then random order, TF-IDF, dense only and lexical only, on the same pairs.

    Pairs with an id that is not in the store are left out; figures of nothing are 0.
    """
    matches = engine.score_pairs([(j.scene, j.achievement) for j in judgements], today=today)
    kept = [(judgement, match) for judgement, match in zip(judgements, matches, strict=True) if match]
    judged = [judgement for judgement, _ in kept]
    levels = np.array([judgement.level for judgement in judged])
    groups = demand_groups(judged)
    predicted = np.array([match.level for _, match in kept])
    accuracy = float(1 / (1 + np.mean(np.abs(predicted - levels)))) if len(kept) else 0.0
    ways: dict[str, Callable[[], Scores]] = {
        "当前排序": lambda: np.array([match.score for _, match in kept]),
        "随机顺序": lambda: np.random.default_rng(_SEED).random(len(kept)),
        "TF-IDF": lambda: _tfidf(engine, judged),
        "仅语义": lambda: _per_scene(engine, judged, _dense),
        "仅用词": lambda: _per_scene(engine, judged, _lexical),
    }
    ids = [judgement.achievement for judgement in judged]
    measured = {name: measure(scores(), levels, groups, ids) for name, scores in ways.items()}
    current = measured["当前排序"]["ndcg"]
    return [
        Quality(
            name=name, ndcg=mean_of(m["ndcg"]), mrr=mean_of(m["mrr"]), precision=mean_of(m["precision"]),
            accuracy=accuracy if name == "当前排序" else None, interval=interval_of(m["ndcg"])[1:],
            gain=None if name == "当前排序" else interval_of(current - m["ndcg"]),
        )
        for name, m in measured.items()
    ]  # fmt: skip


def demands_that_count(judgements: Sequence[Judgement]) -> tuple[int, int]:
    """(demands that enter the means, demands judged at all): five judgements and one of level 2 make one count."""
    return len(demand_groups(judgements)), len({judgement.scene for judgement in judgements})


def ndcg_at(levels: NDArray[np.int64], k: int = 10) -> float:
    """nDCG@k of levels in ranked order; 0 where no pair has a level above 1."""
    gains = 2.0 ** (levels - 1) - 1
    discounts = 1 / np.log2(np.arange(2, len(levels) + 2))
    best = float(np.sum((np.sort(gains)[::-1] * discounts)[:k]))
    return float(np.sum((gains * discounts)[:k])) / best if best else 0.0


def demand_groups(judged: Sequence[Judgement]) -> list[NDArray[np.int64]]:
    """Row numbers by demand, only demands that count."""
    rows: dict[str, list[int]] = {}
    for row, judgement in enumerate(judged):
        rows.setdefault(judgement.scene, []).append(row)
    return [
        np.array(members)
        for members in rows.values()
        if len(members) >= _LEAST_JUDGED and any(judged[row].level >= 2 for row in members)
    ]


def measure(
    scores: Scores, levels: NDArray[np.int64], groups: Sequence[NDArray[np.int64]], ids: Sequence[str]
) -> Mapping[str, Scores]:
    """nDCG@10, reciprocal rank and precision@5 of each group of rows, in the groups' order; see ``Quality``.

    Equal scores are ranked by ``ids``; the reciprocal rank is NaN where a group has no level 3 or 4.
    """
    ndcg, mrr, precision = [], [], []
    for rows in groups:
        order = sorted(rows.tolist(), key=lambda row: (-scores[row], ids[row]))
        ranked = levels[order]
        good = np.flatnonzero(ranked >= 3)
        ndcg.append(ndcg_at(ranked))
        precision.append(float(np.mean(ranked[:5] >= 3)))
        mrr.append(1 / (1 + good[0]) if len(good) else np.nan)
    return {"ndcg": np.array(ndcg), "mrr": np.array(mrr), "precision": np.array(precision)}


def mean_of(column: Scores) -> float:
    """The mean over the demands that have a figure; 0 of none."""
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else 0.0


def interval_of(column: Scores) -> tuple[float, float, float]:
    """Mean and 95 % percentile bootstrap interval (Efron, 1979) over demands."""
    if not len(column):
        return (0.0, 0.0, 0.0)
    low, high = np.quantile(resampled(column), [0.025, 0.975])
    return (float(column.mean()), float(low), float(high))


def resampled(column: Scores) -> Scores:
    """The means of 2,000 bootstrap draws of the demands, drawn with a fixed seed: paired for all columns."""
    draws = np.random.default_rng(_SEED).integers(0, len(column), size=(_RESAMPLES, len(column)))
    return np.asarray(column[draws].mean(axis=1), dtype=np.float64)


def _per_scene(
    engine: Engine, judged: Sequence[Judgement], channel: Callable[[Engine, Node, NDArray[np.int64]], Scores]
) -> Scores:
    scenes = engine.store.get_many("scene", {judgement.scene for judgement in judged})
    rows: dict[str, list[int]] = {}
    for row, judgement in enumerate(judged):
        rows.setdefault(judgement.scene, []).append(row)
    scores = np.zeros(len(judged))
    for scene, members in rows.items():
        slots = np.array([engine.corpus.slots["achievement", judged[row].achievement] for row in members])
        scores[members] = channel(engine, scenes[scene], slots)
    return scores


def _dense(engine: Engine, scene: Node, slots: NDArray[np.int64]) -> Scores:
    """The centred cosine of the headlines: the dense channel alone."""
    return centred_cosine(engine.corpus, "headline", engine.corpus.subject(scene).vectors["headline"], slots)


def _lexical(engine: Engine, scene: Node, slots: NDArray[np.int64]) -> Scores:
    """BM25 over the whole texts: the lexical channel alone."""
    scores = engine.corpus.words["whole"].scores(engine.corpus.subject(scene).terms["whole"])
    return scores[slots]


def _tfidf(engine: Engine, judged: Sequence[Judgement]) -> Scores:
    """Character 1-2-gram TF-IDF cosine of the titles, as scikit-learn makes it."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not judged:  # scikit-learn refuses to look at nothing
        return np.zeros(0)
    scenes, achievements = (
        {id: node_texts(node).headline for id, node in engine.store.get_many(kind, ids).items()}
        for kind, ids in (
            ("scene", {j.scene for j in judged}),
            ("achievement", {j.achievement for j in judged}),
        )
    )
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 2))
    vectorizer.fit([node.title for node in engine.store.nodes("achievement")] + list(scenes.values()))
    left = vectorizer.transform([scenes[j.scene] for j in judged])
    right = vectorizer.transform([achievements[j.achievement] for j in judged])
    return np.asarray(left.multiply(right).sum(axis=1)).ravel()
