from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.refusal import IndexRefused
from embeddings.unit_rows import is_unit_or_zero, unit_rows


def test_unit_rows_cleans_caps_and_leaves_blank_rows_zero() -> None:
    seen: list[str] = []

    def encode(clean: list[str]) -> NDArray[np.float32]:
        seen.extend(clean)
        return np.array([[0.6, 0.8]] * len(clean), dtype=np.float32)

    rows = unit_rows(["", "Ａ\x00Ｂ", "\u200b \n", "x" * 9], 2, 3, encode)

    assert seen == ["A B", "xxx"]
    assert rows.tolist() == np.array([[0, 0], [0.6, 0.8], [0, 0], [0.6, 0.8]], dtype=np.float32).tolist()


@pytest.mark.parametrize("texts", [[], ["", " "]])
def test_unit_rows_does_not_call_the_model_for_nothing(texts: list[str]) -> None:
    def encode(clean: list[str]) -> NDArray[np.float32]:
        raise AssertionError(clean)

    assert unit_rows(texts, 2, 3, encode).tolist() == [[0, 0]] * len(texts)


@pytest.mark.parametrize(
    "output",
    [[[1.0, 0.0, 0.0]], [[2.0, 0.0]], [[0.0, 0.0]], [[np.nan, 1.0]], [[np.inf, 0.0]], [[1, 0], [1, 0]]],
    ids=["wide", "long", "zero", "nan", "infinite", "too many"],
)
def test_unit_rows_refuses_what_is_no_unit_vector(output: list[list[float]]) -> None:
    with pytest.raises(IndexRefused) as refused:
        unit_rows(["text"], 2, 3, lambda _: np.array(output, dtype=np.float32))
    assert refused.value.code == "encoder_output"


@pytest.mark.parametrize("texts", ["one text", [b"bytes"], [None], [7]])
def test_unit_rows_takes_nothing_but_sequences_of_str(texts: Any) -> None:
    with pytest.raises(TypeError):
        unit_rows(texts, 2, 3, lambda clean: np.zeros((len(clean), 2), dtype=np.float32))


def test_is_unit_or_zero_tells_row_by_row() -> None:
    rows = np.array([[1, 0], [0, 0], [0.9, 0], [np.nan, 0], [0.6, 0.8]], dtype=np.float32)
    assert is_unit_or_zero(rows).tolist() == [True, True, False, False, True]
