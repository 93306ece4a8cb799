"""From features to a score and from a score to a level, and the file a ranker comes from."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.refusal import IndexRefused
from graph.resources import resource
from matcher.experience import Experience, learn_experience
from matcher.features import features
from matcher.ranker import LEVELS, Ranker, load_ranker, save_ranker, total

CONTENT: dict[str, Any] = {
    "format": 2, "name": "试", "weights": {"rights": 2, "headline_words": 60.5}, "slope": 0.1, "cuts": [20, 35, 50],
}  # fmt: skip


def _write(folder: Path, **changed: Any) -> Path:
    path = folder / "ranker.json"
    path.write_text(json.dumps(CONTENT | changed, ensure_ascii=False), encoding="utf-8")
    return path


def test_ranker_is_read_with_its_weights_in_the_order_of_features(tmp_path: Path) -> None:
    ranker = load_ranker(_write(tmp_path))
    assert ranker == Ranker(
        name="试", weights={"headline_words": 60.5, "rights": 2.0}, slope=0.1, cuts=(20, 35, 50)
    )
    assert list(ranker.weights) == ["headline_words", "rights"]


def test_the_ranker_that_comes_with_the_program_knows_every_feature() -> None:
    ranker = load_ranker(resource("ranker", "cold_start.json"))
    assert list(ranker.weights) == [name for name in features() if name not in ("experience", "reading")]
    assert all(weight > 0 for weight in ranker.weights.values())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": 1}, "格式为 1，应为 2"),
        ({"weights": {"rights": 1, "magic": 2, "alchemy": 3}}, "不认识的特征 alchemy、magic"),
        ({"weights": {"rights": "许多"}}, "许多"),
        ({"weights": {"rights": math.nan}}, "有限"),
        ({"weights": {"rights": math.inf}}, "有限"),
        ({"weights": {"rights": -0.5}}, "不能为负"),
        ({"weights": 5}, "int"),
        ({"cuts": [35, 20, 50]}, "由低到高"),
        ({"cuts": [20, 35]}, "unpack"),
        ({"cuts": [20, 35, 50, 60]}, "unpack"),
        ({"cuts": [20, math.nan, 50]}, "由低到高"),
        ({"cuts": [20, 35, math.inf]}, "有限"),
        ({"slope": 0}, "斜率须为正"),
        ({"slope": -1}, "斜率须为正"),
        ({"slope": math.nan}, "斜率须为正"),
        ({"slope": math.inf}, "有限"),
        ({"slope": "0.1"}, "str"),
    ],
)
def test_ranker_that_cannot_be_right_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(IndexRefused, match=said) as refused:
        load_ranker(_write(tmp_path, **changed))
    assert refused.value.code == "ranker_unusable"
    assert refused.value.remedy == "请改用随程序附带的排序模型，或用同一版本的程序重新生成。"


@pytest.mark.parametrize("missing", CONTENT)
def test_ranker_without_one_of_its_entries_is_refused(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "ranker.json"
    path.write_text(json.dumps({k: v for k, v in CONTENT.items() if k != missing}), encoding="utf-8")
    with pytest.raises(IndexRefused) as refused:
        load_ranker(path)
    assert refused.value.code == "ranker_unusable"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe"])
def test_file_that_is_no_ranker_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ranker.json"
    path.write_bytes(content)
    with pytest.raises(IndexRefused) as refused:
        load_ranker(path)
    assert refused.value.code == "ranker_unusable"


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IndexRefused, match=r"排序模型“没有\.json”无法使用") as refused:
        load_ranker(tmp_path / "没有.json")
    assert refused.value.code == "ranker_unusable"


VALUES = st.floats(-1, 1) | st.just(math.nan)
WEIGHTS = st.dictionaries(st.sampled_from(sorted(features())), st.floats(-100, 100), min_size=1)


@given(
    weights=WEIGHTS,
    rows=st.lists(st.lists(VALUES, min_size=len(features()), max_size=len(features())), max_size=4),
)
def test_parts_add_up_to_the_score_and_unknown_adds_nothing(
    weights: dict[str, float], rows: list[list[float]]
) -> None:
    ranker = Ranker(name="试", weights=weights, slope=1, cuts=(0, 1, 2))
    table = np.array(rows).reshape(len(rows), len(features()))
    values = {name: table[:, column] for column, name in enumerate(features())}
    points = ranker.points(values)
    assert list(points) == list(weights)
    for row, score in enumerate(total(points)):
        parts = [float(points[name][row]) for name in weights]
        expected = [0.0 if math.isnan(values[n][row]) else weights[n] * values[n][row] for n in weights]
        assert parts == pytest.approx(expected, abs=5.1e-7)
        assert float(score) == round(math.fsum(parts), 6)
        assert [math.copysign(1, part) for part in parts if part == 0] == [1.0] * parts.count(0)


CUTS = st.tuples(*[st.floats(-100, 100)] * 3).map(lambda cuts: tuple(sorted(cuts)))


@given(slope=st.floats(0.001, 50), cuts=CUTS, scores=st.lists(st.floats(-200, 200), min_size=1, max_size=20))
def test_probabilities_sum_to_one_and_rise_with_the_score(
    slope: float, cuts: tuple[float, float, float], scores: list[float]
) -> None:
    ranker = Ranker(name="试", weights={}, slope=slope, cuts=cuts)
    found = ranker.level_probabilities(np.array(sorted(scores)))
    assert found.shape == (len(scores), 4)
    assert found.min() >= 0
    assert found.sum(axis=1) == pytest.approx(np.ones(len(scores)))
    at_least = found[:, ::-1].cumsum(axis=1)[:, ::-1]
    assert np.all(np.diff(at_least, axis=0) >= -1e-12)
    for row, score in enumerate(sorted(scores)):
        odds = [1 / (1 + math.exp(min(-slope * (score - cut), 700))) for cut in cuts]
        assert at_least[row].tolist() == pytest.approx([1, *odds])


@given(slope=st.floats(0.001, 2), cuts=CUTS, scores=st.lists(st.floats(-200, 200), min_size=1, max_size=20))
def test_level_is_the_median_of_its_probabilities(
    slope: float, cuts: tuple[float, float, float], scores: list[float]
) -> None:
    ranker = Ranker(name="试", weights={}, slope=slope, cuts=cuts)
    levels = ranker.levels(np.array(scores))
    for level, probabilities in zip(
        levels.tolist(), ranker.level_probabilities(np.array(scores)), strict=True
    ):
        assert level in LEVELS
        assert probabilities[:level].sum() >= 0.5 - 1e-9
        assert probabilities[level - 1 :].sum() >= 0.5 - 1e-9


def test_level_changes_exactly_at_its_cut() -> None:
    ranker = Ranker(name="试", weights={}, slope=0.1, cuts=(20, 35, 50))
    scores = np.array([19.999999, 20, 34.999999, 35, 49.999999, 50, -1e4, 1e4])
    assert ranker.levels(scores).tolist() == [1, 2, 2, 3, 3, 4, 1, 4]


def _experienced() -> Ranker:
    rng = np.random.default_rng(5)
    experience = learn_experience(
        encoder="试", centre=np.zeros(6), scenes=rng.normal(size=(3, 6)).astype(np.float32),
        offers=rng.normal(size=(4, 6)).astype(np.float32), pairs=np.array([[0, 0], [1, 2], [2, 3]], dtype=np.int32),
        residuals=np.array([1.0, -0.5, 0.25]), certainty=np.ones(3), levels=np.array([4.0, 1.0, 2.0]),
        names=[("甲", "a"), ("乙", "b"), ("丙", "c")],
    )  # fmt: skip
    return Ranker(
        name="试",
        weights={"rights": 2.0, "experience": 40.0},
        slope=0.1,
        cuts=(20, 35, 50),
        experience=experience,
    )


def test_a_saved_ranker_reads_back_with_its_experience_and_is_the_same_file_twice(tmp_path: Path) -> None:
    ranker = _experienced()
    for name in ("一", "二"):
        (tmp_path / name).mkdir()
        save_ranker(ranker, tmp_path / name)
    read = load_ranker(tmp_path / "一")
    assert (read.name, read.weights, read.slope, read.cuts) == (
        ranker.name, ranker.weights, ranker.slope, ranker.cuts
    )  # fmt: skip
    first, second = ranker.experience, read.experience
    assert isinstance(first, Experience)
    assert isinstance(second, Experience)
    assert (first.encoder, first.names) == (second.encoder, second.names)
    for name in ("centre", "scenes", "offers", "pairs", "pull", "levels"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    files = [[(p.name, p.read_bytes()) for p in sorted((tmp_path / n).iterdir())] for n in ("一", "二")]
    assert files[0] == files[1]


def test_arrays_other_than_those_saved_are_refused(tmp_path: Path) -> None:
    save_ranker(_experienced(), tmp_path)
    packed = bytearray((tmp_path / "arrays.npz").read_bytes())
    packed[len(packed) // 2] ^= 1
    (tmp_path / "arrays.npz").write_bytes(packed)
    with pytest.raises(IndexRefused) as refused:
        load_ranker(tmp_path)
    assert refused.value.code == "ranker_unusable"
    assert "与保存时不同" in refused.value.message
    (tmp_path / "arrays.npz").unlink()
    with pytest.raises(IndexRefused):
        load_ranker(tmp_path)


def test_the_default_ranker_has_experience_but_names_nobody() -> None:
    ranker = load_ranker(resource("ranker", "default"))
    assert ranker.experience is not None
    assert ranker.experience.names == ()
    assert len(ranker.experience.pull) > 1000
    assert set(ranker.weights) == set(features()) - {"reading"}
