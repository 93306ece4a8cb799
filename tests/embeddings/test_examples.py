import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.examples import Example, ndcg, split
from embeddings.training import Schedule

JUDGED = [
    Example(demand=f"需求{number}", offer=f"成果{place}", level=1 + (number + place) % 4, group=f"{number}")
    for number in range(8)
    for place in range(5)
]


@pytest.mark.parametrize(
    "wrong", [{"level": 0.9}, {"level": 5}, {"level": math.nan}, {"weight": -1.0}, {"weight": math.nan}]
)
def test_example_refuses_levels_and_weights_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="out of range"):
        replace(JUDGED[0], **wrong)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.integers(-50, 50)), min_size=1, max_size=15, unique_by=lambda x: x[1]
    )
)
def test_ndcg_agrees_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    from sklearn.metrics import ndcg_score

    levels, scores = (
        np.array([float(level) for level, _ in rows]),
        np.array([float(score) for _, score in rows]),
    )
    gains = 2.0 ** (levels - 1) - 1
    expected = float(ndcg_score([gains], [scores], k=10)) if len(rows) > 1 else float(gains[0] > 0)
    assert ndcg(levels, scores) == pytest.approx(expected)


@given(share=st.floats(0, 0.99), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_split_holds_out_whole_groups_and_leaves_some(share: float, seed: int) -> None:
    examples = JUDGED
    learnt, held = split(examples, Schedule(held_out=share, seed=seed))
    assert sorted(map(repr, learnt + held)) == sorted(map(repr, examples))
    apart = {e.group for e in learnt}, {e.group for e in held}
    assert apart[0] & apart[1] == set()
    assert len(apart[1]) == min(round(share * 8), 7)
