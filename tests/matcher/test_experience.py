"""What judged pairs tell of pairs like them: checked against the textbook's formula written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from matcher.experience import LIMIT, Experience, from_arrays, learn_experience, linked_scenes, to_arrays

Rows = NDArray[np.float32]


def _rows(rng: np.random.Generator, count: int, dimension: int = 8) -> Rows:
    return rng.normal(size=(count, dimension)).astype(np.float32)


def _learned(seed: int, *, alike: bool = True) -> tuple[Experience, Rows, Rows]:
    """Three scenes, the first two alike or none alike, six offers, nine judged pairs."""
    rng = np.random.default_rng(seed)
    scenes = np.eye(8, dtype=np.float32)[:3]
    if alike:
        scenes[1] = scenes[0] + 0.3 * scenes[2]
    offers = _rows(rng, 6)
    pairs = np.array([[s, o] for s in range(3) for o in rng.permutation(6)[:3].tolist()], dtype=np.int32)
    experience = learn_experience(
        encoder="试", centre=np.zeros(8), scenes=scenes, offers=offers, pairs=pairs,
        residuals=rng.normal(size=9), certainty=rng.integers(1, 4, 9).astype(float), levels=np.full(9, 3.0),
        names=[(f"S{s}", f"O{o}") for s, o in pairs.tolist()],
    )  # fmt: skip
    return experience, scenes, offers


def _unit(row: NDArray[np.int8]) -> list[float]:
    length = math.sqrt(sum(float(x) ** 2 for x in row.tolist())) or 1.0
    return [float(x) / length for x in row.tolist()]


def _dot(a: list[float], b: list[float]) -> float:
    return min(sum(x * y for x, y in zip(a, b, strict=True)), 1.0)


def test_pulls_solve_the_regression_written_out_for_scenes_that_are_linked() -> None:
    rng = np.random.default_rng(3)
    scenes, offers = np.ones((2, 5), dtype=np.float32), _rows(rng, 4, 5)
    pairs = np.array([[0, 0], [0, 1], [1, 2], [1, 3]], dtype=np.int32)
    residuals, certainty = rng.normal(size=4), np.array([1.0, 2.0, 1.0, 0.5])
    found = learn_experience(
        encoder="试", centre=np.full(5, 0.1), scenes=scenes, offers=offers, pairs=pairs, residuals=residuals,
        certainty=certainty, levels=np.ones(4),
    )  # fmt: skip
    o = [_unit(row) for row in found.offers]
    # Both scenes read the same: exp(8 (1 - 1)) = 1.
    kernel = [[0.5 + 2 * math.exp(3 * (_dot(o[i], o[j]) - 1)) for j in range(4)] for i in range(4)]
    left = [
        sum(kernel[i][j] * float(found.pull[j]) for j in range(4)) + float(found.pull[i]) / certainty[i]
        for i in range(4)
    ]
    assert left == pytest.approx(residuals.tolist(), abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_value_is_the_sum_over_judged_pairs_written_out(seed: int) -> None:
    experience, scenes, offers = _learned(seed)
    found = experience.values(scenes[:1], offers)
    for at, offer in enumerate(offers):
        raw = offer.astype(float) / np.linalg.norm(offer.astype(float))
        expected = 0.0
        for (s, o), pull in zip(experience.pairs.tolist(), experience.pull.tolist(), strict=True):
            scene = scenes[0].astype(float) / np.linalg.norm(scenes[0].astype(float))
            near = (math.exp(8 * (_dot(_unit(experience.scenes[s]), scene.tolist()) - 1)) - 0.02) / 0.98
            kernel = 0.5 + 2 * math.exp(3 * (_dot(_unit(experience.offers[o]), raw.tolist()) - 1))
            expected += max(near, 0.0) * kernel * pull
        assert found[at] == pytest.approx(max(-LIMIT, min(LIMIT, expected)), abs=1e-6)


@given(seed=st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_a_pair_has_one_value_from_either_side_and_in_any_company(seed: int) -> None:
    experience, scenes, offers = _learned(seed)
    by_scene = np.array([experience.values(scenes[[s]], offers) for s in range(3)])
    by_offer = np.array([experience.values(scenes, offers[[o]]) for o in range(6)])
    alone = np.array([[experience.values(scenes[[s]], offers[[o]])[0] for o in range(6)] for s in range(3)])
    assert np.allclose(by_scene, by_offer.T, atol=1e-12)
    assert np.allclose(by_scene, alone, atol=1e-12)


def test_a_scene_like_none_judged_is_unknown_not_zero() -> None:
    experience, _, offers = _learned(1)
    stranger = np.eye(8, dtype=np.float32)[[7]]
    assert np.isnan(experience.values(stranger, offers)).all()
    assert experience.nearest(stranger[0], offers[0], 5) == []


def test_nothing_learned_in_one_scene_moves_an_unlike_one() -> None:
    experience, scenes, offers = _learned(2, alike=False)
    before = experience.values(scenes[[2]], offers)
    others = experience.pairs[:, 0] != 2
    pull = np.where(others, 9.0, experience.pull).astype(np.float32)
    moved = Experience(
        encoder="试", centre=experience.centre, scenes=experience.scenes, offers=experience.offers,
        pairs=experience.pairs, pull=pull, levels=experience.levels,
    )  # fmt: skip
    assert np.array_equal(before, moved.values(scenes[[2]], offers))


def test_the_nearest_pairs_told_add_up_to_the_value() -> None:
    experience, scenes, offers = _learned(4)
    told = experience.nearest(scenes[0], offers[2], 99)
    assert sum(added for _, _, _, added in told) == pytest.approx(
        experience.values(scenes[:1], offers[2:3])[0]
    )
    assert [abs(added) for *_, added in told] == sorted((abs(added) for *_, added in told), reverse=True)
    assert {(scene, offer) for scene, offer, _, _ in told} <= set(experience.names)


def test_blank_titles_are_neither_alike_nor_unlike() -> None:
    experience, scenes, offers = _learned(5)
    assert np.isnan(experience.values(np.zeros((1, 8), dtype=np.float32), offers)).all()
    assert np.isfinite(experience.values(scenes[:1], np.zeros((1, 8), dtype=np.float32))).all()


@pytest.mark.parametrize("name", ["pairs", "pull", "offers", "centre"])
def test_arrays_that_do_not_fit_together_are_refused(name: str) -> None:
    told, arrays = to_arrays(_learned(6)[0])
    broken = dict(arrays)
    broken[name] = arrays[name][:-1] if name != "pairs" else arrays[name] + 5
    with pytest.raises(ValueError, match="互不相符"):
        from_arrays(told, broken)


def test_scenes_are_linked_by_chains_of_like_titles() -> None:
    a, b = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
    rows = np.array([a, a + 0.5 * b, b, a + b, np.array([0, 0, 1.0])], dtype=np.float32)
    group = linked_scenes(rows, np.zeros(3), 0.8)
    assert [group[i] == group[0] for i in range(5)] == [True, True, False, True, False]


def test_a_group_too_large_is_solved_scene_by_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    together, scenes, offers = _learned(7)
    monkeypatch.setattr("matcher.experience._MOST", 3)
    apart, _, _ = _learned(7)
    alone, _, _ = _learned(7, alike=False)
    assert not np.allclose(together.pull, apart.pull)
    # Unlike scenes are solved alone, so they are what solving scene by scene gives, for the first scene at least.
    first = apart.pairs[:, 0] == 0
    assert np.allclose(apart.pull[first], alone.pull[first], atol=1e-6)
    assert np.isfinite(apart.values(scenes[:1], offers)).all()
