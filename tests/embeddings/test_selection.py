import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.selection import allowed_slots, best, best_slots


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from([-1.5, 0.0, 0.25, 0.25, 2.0])), unique_by=lambda p: p[0]
    ),
    st.integers(0, 12),
)
def test_best_is_the_head_of_the_whole_sorted(pairs: list[tuple[int, float]], k: int) -> None:
    slots = np.array([slot for slot, _ in pairs], dtype=np.int64)
    values = np.array([value for _, value in pairs], dtype=np.float64)
    expected = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
    found = best(slots, values, k)
    assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == expected


@given(
    st.lists(st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 2.0]), max_size=12),
    st.integers(0, 14),
    st.sampled_from([-np.inf, 0.0, 0.25]),
)
def test_best_slots_is_best_of_those_above(values: list[float], k: int, above: float) -> None:
    pairs = [(slot, value) for slot, value in enumerate(values) if value > above]
    found = best_slots(np.array(values, dtype=np.float32), k, above)
    expected = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
    assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == expected


def test_best_refuses_a_negative_number() -> None:
    with pytest.raises(ValueError, match="negative"):
        best(np.zeros(0, dtype=np.int64), np.zeros(0), -1)


def test_allowed_slots_fits_a_mask_to_the_capacity() -> None:
    mask = np.array([True, False, True])
    assert allowed_slots(None, 2) is None
    assert [np.asarray(allowed_slots(mask, size)).tolist() for size in (0, 2, 5)] == [
        [],
        [True, False],
        [True, False, True, False, False],
    ]


@pytest.mark.parametrize("mask", [np.array([0, 1]), np.array([[True]]), np.array([1.0])])
def test_allowed_slots_refuses_what_is_no_mask(mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    with pytest.raises(ValueError, match="mask"):
        allowed_slots(mask, 3)
