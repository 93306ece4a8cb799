"""Metrics against their definitions written out, and which demands count."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.engine import Engine
from matcher.evaluation import Judgement, Quality, evaluate, interval_of, ndcg_at
from tests.factories import TODAY, make_achievement, make_scene, put

LEVELS = st.lists(st.integers(1, 4), min_size=1, max_size=30)
NAMES = ["当前排序", "随机顺序", "TF-IDF", "仅语义", "仅用词"]


def _dcg(levels: Sequence[int], k: int) -> float:
    return math.fsum(
        (2.0 ** (level - 1) - 1) / math.log2(rank + 1) for rank, level in enumerate(levels[:k], 1)
    )


def _ndcg(levels: Sequence[int], k: int = 10) -> float:
    best = _dcg(sorted(levels, reverse=True), k)
    return _dcg(levels, k) / best if best else 0.0


@given(levels=LEVELS, k=st.integers(1, 12))
def test_ndcg_equals_its_definition(levels: list[int], k: int) -> None:
    assert ndcg_at(np.array(levels), k) == pytest.approx(_ndcg(levels, k))


@given(levels=st.lists(st.integers(1, 4), min_size=2, max_size=30), k=st.integers(1, 12))
def test_ndcg_equals_that_of_scikit_learn(levels: list[int], k: int) -> None:
    from sklearn.metrics import ndcg_score

    gains = 2.0 ** (np.array(levels) - 1) - 1
    falling = -np.arange(len(levels), dtype=np.float64)
    assert ndcg_at(np.array(levels), k) == pytest.approx(ndcg_score([gains], [falling], k=k))


@given(levels=LEVELS)
def test_ndcg_is_best_in_order_and_never_beyond_one(levels: list[int]) -> None:
    best = ndcg_at(np.array(sorted(levels, reverse=True)))
    assert best == pytest.approx(1.0 if max(levels) > 1 else 0.0)
    assert ndcg_at(np.array(levels)) <= best + 1e-12


@pytest.fixture
def judged(engine: Engine) -> list[Judgement]:
    """Six scenes and eight achievements; levels by a rule that has little to do with the texts."""
    words = ["海岛", "无人机", "投送", "网箱", "清洗", "防腐", "涂层", "检测"]
    scenes = [make_scene(f"CJ-{n}", title="".join(words[n : n + 3]), summary=words[n] * 5) for n in range(6)]
    achievements = [make_achievement(f"CG-{n}", title="".join(words[n - 2 :][:3]) + "装置") for n in range(8)]
    put(engine.store, *scenes, *achievements)
    return [
        Judgement(scene=f"CJ-{s}", achievement=f"CG-{a}", level=max(1, 4 - abs(s - a)))
        for s in range(6)
        for a in range(8)
    ]


def _by_hand(engine: Engine, judgements: Sequence[Judgement]) -> dict[str, Any]:
    """The current ranking's figures, demand by demand."""
    ndcg, mrr, precision, errors = [], [], [], []
    for scene in dict.fromkeys(j.scene for j in judgements):
        levels = {j.achievement: j.level for j in judgements if j.scene == scene}
        node = engine.store.get("scene", scene)
        if node is None:
            continue
        found = engine.ranking.score(node, "achievement", list(levels), today=TODAY)
        ranked = [levels[m.key[1]] for m in sorted(found.values(), key=lambda m: (-m.score, m.key[1]))]
        errors += [abs(m.level - levels[m.key[1]]) for m in found.values()]
        if len(ranked) < 5 or max(ranked) < 2:
            continue
        ndcg.append(_ndcg(ranked))
        precision.append(sum(level >= 3 for level in ranked[:5]) / 5)
        if max(ranked) >= 3:
            mrr.append(1 / (1 + next(i for i, level in enumerate(ranked) if level >= 3)))
    return {
        "ndcg": np.mean(ndcg), "mrr": np.mean(mrr), "precision": np.mean(precision), "accuracy": 1 / (1 + np.mean(errors))
    }  # fmt: skip


def _figures(quality: Quality) -> dict[str, Any]:
    return {name: getattr(quality, name) for name in ("ndcg", "mrr", "precision", "accuracy")}


def test_figures_of_the_current_ranking_equal_those_by_hand(engine: Engine, judged: list[Judgement]) -> None:
    found = evaluate(engine, judged, today=TODAY)
    assert [quality.name for quality in found] == NAMES
    assert _figures(found[0]) == pytest.approx(_by_hand(engine, judged))
    assert found[0].gain is None
    assert [quality.accuracy is None for quality in found] == [False, True, True, True, True]


def test_evaluation_is_the_same_every_time_and_in_any_order(engine: Engine, judged: list[Judgement]) -> None:
    found = evaluate(engine, judged, today=TODAY)
    assert evaluate(engine, judged, today=TODAY) == found
    shuffled = [judged[i] for i in np.random.default_rng(1).permutation(len(judged))]
    for one, other in zip(found, evaluate(engine, shuffled, today=TODAY), strict=True):
        if one.name != "随机顺序":  # random order is drawn row by row
            assert _figures(other) == pytest.approx(_figures(one))


def test_plain_ways_use_their_channel_alone(engine: Engine, judged: list[Judgement]) -> None:
    """Each way's figures follow from the scores of that channel, computed here once more."""
    found = {quality.name: quality for quality in evaluate(engine, judged, today=TODAY)}
    corpus, ndcg = engine.corpus, dict[str, list[float]]()
    for scene in sorted({j.scene for j in judged}):
        levels = {j.achievement: j.level for j in judged if j.scene == scene}
        node = engine.store.get("scene", scene)
        assert node is not None
        values = {m.key[1]: m.values for m in engine.match(node, top=100, today=TODAY)}
        bm25 = corpus.words["whole"].scores(corpus.subject(node).terms["whole"])
        ways = {
            "仅语义": {id: values[id]["headline_meaning"] for id in levels},
            "仅用词": {id: bm25[corpus.slots["achievement", id]] for id in levels},
        }
        for name, scores in ways.items():
            ranked = [levels[id] for id in sorted(levels, key=lambda id: (-scores[id], id))]
            ndcg.setdefault(name, []).append(_ndcg(ranked))
    for name, several in ndcg.items():
        assert found[name].ndcg == pytest.approx(np.mean(several))


def test_demands_with_few_judgements_or_nothing_related_are_left_out(
    engine: Engine, judged: list[Judgement]
) -> None:
    full = evaluate(engine, judged, today=TODAY)
    few = [Judgement(scene="CJ-8", achievement=f"CG-{n}", level=4) for n in range(4)]
    unrelated = [Judgement(scene="CJ-9", achievement=f"CG-{n}", level=1) for n in range(8)]
    put(engine.store, make_scene("CJ-8", title="别的"), make_scene("CJ-9", title="另外"))
    found = evaluate(engine, [*judged, *few, *unrelated], today=TODAY)
    for name in ("ndcg", "mrr", "precision"):
        # Two more records move the statistics of words a little, so the figures are taken by hand once more.
        assert getattr(found[0], name) == pytest.approx(_by_hand(engine, judged)[name])
    assert found[0].accuracy != full[0].accuracy
    assert _figures(found[0]) == pytest.approx(_by_hand(engine, [*judged, *few, *unrelated]))


def test_demand_with_five_judgements_and_one_weakly_related_counts(
    engine: Engine, judged: list[Judgement]
) -> None:
    only = [Judgement(scene="CJ-1", achievement=f"CG-{n}", level=2 if n == 4 else 1) for n in range(5)]
    found = evaluate(engine, only, today=TODAY)[0]
    assert found.ndcg > 0
    assert (found.mrr, found.precision) == (0.0, 0.0)  # nothing of level 3 or more: no rank to speak of


def test_unknown_ids_are_left_out(engine: Engine, judged: list[Judgement]) -> None:
    strange = [
        Judgement(scene="CJ-99", achievement="CG-1", level=4),
        Judgement(scene="CJ-1", achievement="CG-99", level=4),
    ]
    assert evaluate(engine, [*strange, *judged], today=TODAY)[0] == evaluate(engine, judged, today=TODAY)[0]


def test_nothing_judged_gives_zeros(engine: Engine, judged: list[Judgement]) -> None:
    only = [judgement for judgement in judged if judgement.scene == "CJ-1"][:3]
    for quality in evaluate(engine, only, today=TODAY):
        assert (quality.ndcg, quality.mrr, quality.precision, quality.interval) == (0.0, 0.0, 0.0, (0.0, 0.0))


def test_nothing_known_gives_zeros(engine: Engine) -> None:
    nobody = [Judgement(scene="CJ-99", achievement="CG-99", level=4)]
    for judgements in ([], nobody):
        found = evaluate(engine, judgements, today=TODAY)
        assert [quality.name for quality in found] == NAMES
        assert {(q.ndcg, q.mrr, q.precision, q.accuracy or 0.0, q.interval) for q in found} == {
            (0, 0, 0, 0, (0, 0))
        }


def test_intervals_hold_their_mean_and_gains_are_differences(engine: Engine, judged: list[Judgement]) -> None:
    current, *others = evaluate(engine, judged, today=TODAY)
    for quality in (current, *others):
        assert quality.interval[0] <= quality.ndcg <= quality.interval[1]
        assert 0 <= quality.interval[0] <= quality.interval[1] <= 1
    for quality in others:
        assert quality.gain is not None
        mean, low, high = quality.gain
        assert mean == pytest.approx(current.ndcg - quality.ndcg)
        assert low <= mean <= high


@settings(max_examples=20)
@given(column=st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_interval_is_the_percentile_bootstrap_and_deterministic(column: list[float]) -> None:
    mean, low, high = interval_of(np.array(column))
    assert (mean, low, high) == interval_of(np.array(column))
    assert min(column) - 1e-12 <= low <= high <= max(column) + 1e-12
    spread = float(np.std(column)) / math.sqrt(len(column))
    if len(column) >= 20 and spread > 0.01:  # where the normal approximation is fair
        assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.35)
    assert mean == pytest.approx(float(np.mean(column)))
