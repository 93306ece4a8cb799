"""One fit: it leans on the old ranker, learns what differs within scenes, and never turns a feature round."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.features import features
from matcher.fitting import EXPERIENCE, Rows, Table, base_scores, fit, folds_of, old_scores, scores_of
from matcher.lessons import Lesson
from matcher.ranker import Ranker

NAMES = tuple(name for name in features() if name not in (EXPERIENCE, "reading"))
OLD = Ranker(
    name="旧",
    weights={"headline_words": 60.0, "whole_words": 60.0, "rights": 2.0},
    slope=0.08,
    cuts=(20, 50, 80),
)


def _table(
    seed: int, truth: dict[str, float], *, scenes: int = 12, each: int = 12, noise: float = 0.3
) -> Table:
    """Scenes unlike each other; levels follow ``truth`` plus a strictness of each scene's own."""
    rng = np.random.default_rng(seed)
    count = scenes * each
    values = np.full((count, len(NAMES)), np.nan)
    for name in ("headline_words", "whole_words", "rights", "maturity_fit"):
        values[:, NAMES.index(name)] = rng.random(count)
    weights = np.array([truth.get(name, 0.0) for name in NAMES])
    strictness = np.repeat(rng.normal(size=scenes), each)
    level = (
        2
        + np.nan_to_num(values) @ weights
        - weights.sum() / 2
        + 0.3 * strictness
        + noise * rng.normal(size=count)
    )
    scene = np.repeat(np.arange(scenes), each)
    return Table(
        lessons=tuple(
            Lesson(scene=f"S{s:02}", achievement=f"A{i:03}", level=2.0, weight=1.0)
            for i, s in enumerate(scene.tolist())
        ),
        names=NAMES,
        values=values,
        level=np.clip(level, 1, 4),
        weight=np.ones(count),
        scene=scene,
        offer=np.arange(count),
        scene_ids=tuple(f"S{s:02}" for s in range(scenes)),
        scene_vectors=np.eye(scenes, 32, dtype=np.float32),
        offer_vectors=rng.normal(size=(count, 32)).astype(np.float32),
        encoder="试",
        centre=np.zeros(32),
    )


def _all(data: Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(len(data.level))


def test_held_for_ever_the_weights_stay_as_they_were() -> None:
    data = _table(1, {"whole_words": 2.0})
    learned = fit(data, _all(data), OLD, seed=1, hold=float("inf"))
    assert {
        name: weight for name, weight in learned.weights.items() if weight and name != EXPERIENCE
    } == OLD.weights


def test_what_the_judges_go_by_gains_weight_and_what_they_do_not_loses_it() -> None:
    data = _table(2, {"whole_words": 2.5, "maturity_fit": 1.5}, scenes=30)
    learned = fit(data, _all(data), OLD, seed=1)
    assert not np.isinf(learned.hold)
    before, after = OLD.weights, learned.weights
    assert (
        after["whole_words"] / after["headline_words"] > 2 * before["whole_words"] / before["headline_words"]
    )
    assert after["maturity_fit"] > 5
    true = np.nan_to_num(data.values) @ np.array(
        [{"whole_words": 2.5, "maturity_fit": 1.5}.get(name, 0.0) for name in NAMES]
    )
    old, new = (np.corrcoef(base_scores(data, weights), true)[0, 1] for weights in (before, after))
    assert new > 0.97 > old


@given(seed=st.integers(0, 100), hold=st.sampled_from([0.3, 3.0, 10.0]))
@settings(max_examples=8, deadline=None)
def test_no_weight_is_ever_negative_and_the_spread_of_scores_stays(seed: int, hold: float) -> None:
    data = _table(seed, {"whole_words": -2.0, "headline_words": 2.0, "rights": -1.0}, scenes=6)
    learned = fit(data, _all(data), OLD, seed=1, hold=hold)
    assert min(learned.weights.values()) >= 0

    def spread(weights: Rows) -> float:
        within = weights.reshape(6, -1) - weights.reshape(6, -1).mean(axis=1, keepdims=True)
        return float(within.std())

    assert spread(base_scores(data, learned.weights)) == pytest.approx(
        spread(base_scores(data, OLD.weights)), rel=1e-3
    )


def test_how_strict_a_judge_is_does_not_move_the_weights() -> None:
    data = _table(4, {"whole_words": 2.0}, noise=0.1)
    shifted = Table(
        **{name: getattr(data, name) for name in Table.__dataclass_fields__}
        | {"level": data.level + np.repeat(np.linspace(-1, 1, 12), 12)}
    )
    first, second = (fit(d, _all(d), OLD, seed=1, hold=1.0).weights for d in (data, shifted))
    first.pop(EXPERIENCE)
    second.pop(EXPERIENCE)
    assert first == pytest.approx(second, abs=1e-3)


def test_features_missing_for_half_the_rows_are_learned_from_the_other_half() -> None:
    data = _table(5, {"whole_words": 2.0, "maturity_fit": 2.0}, scenes=20)
    column = NAMES.index("maturity_fit")
    data.values[::2, column] = np.nan
    learned = fit(data, _all(data), OLD, seed=1, hold=0.3)
    assert learned.weights["maturity_fit"] > 0
    assert np.isfinite(scores_of(data, _all(data), learned)).all()


def test_scenes_never_judged_get_nothing_from_experience_and_judged_ones_do() -> None:
    data = _table(6, {"whole_words": 2.0})
    rows = np.flatnonzero(data.scene < 6)
    learned = fit(data, rows, OLD, seed=1, hold=float("inf"))
    unseen, seen = np.flatnonzero(data.scene >= 6), rows
    base = base_scores(data, learned.weights)
    assert np.array_equal(scores_of(data, unseen, learned), base[unseen])
    assert not np.allclose(scores_of(data, seen, learned), base[seen])
    errors = [
        np.corrcoef(scores, data.level[seen])[0, 1] for scores in (base[seen], scores_of(data, seen, learned))
    ]
    assert errors[1] > errors[0]


def test_scores_of_a_fit_are_those_of_the_ranker_made_of_it() -> None:
    data = _table(7, {"whole_words": 2.0})
    learned = fit(data, _all(data), OLD, seed=1)
    ranker = Ranker(
        name="新", weights=learned.weights, slope=0.1, cuts=(1, 2, 3), experience=learned.experience
    )
    assert old_scores(data, ranker) == pytest.approx(scores_of(data, _all(data), learned), abs=1e-4)


def test_folds_are_even_and_follow_the_seed() -> None:
    fold = folds_of(23, 5, 9)
    assert sorted(np.bincount(fold).tolist()) == [4, 4, 5, 5, 5]
    assert np.array_equal(fold, folds_of(23, 5, 9))
    assert not np.array_equal(fold, folds_of(23, 5, 10))


def test_a_feature_that_a_handful_of_pairs_have_gets_no_great_weight() -> None:
    data = _table(8, {"whole_words": 2.0})
    column = NAMES.index("partner_path")
    data.values[:, column] = np.nan
    best = np.argsort(-data.level)[:3]
    data.values[best, column] = 0.2
    learned = fit(data, _all(data), OLD, seed=1, hold=1.0)
    assert 0 < learned.weights["partner_path"] < learned.weights["whole_words"] / 2


def test_levels_that_say_nothing_leave_experience_a_bounded_weight() -> None:
    data = _table(9, {}, scenes=30, each=20)
    learned = fit(data, _all(data), OLD, seed=1, hold=float("inf"))
    scores = base_scores(data, OLD.weights)
    per_point = np.polyfit(scores, OLD.level_probabilities(scores) @ np.arange(1, 5), 1)[0]
    assert learned.weights[EXPERIENCE] == pytest.approx(2 / per_point, rel=1e-3)
