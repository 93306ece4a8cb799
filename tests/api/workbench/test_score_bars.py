"""A score's bar holds its positive parts, in their order and to scale."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.workbench.score_bars import _OF, SORTS, WIDTH, bar_of
from matcher.features import features

parts = st.lists(
    st.tuples(st.sampled_from(sorted(features())), st.floats(-50, 50, allow_nan=False)), max_size=12, unique_by=lambda p: p[0]
).map(lambda rows: [{"name": name, "points": points} for name, points in rows])  # fmt: skip


@given(parts)
def test_a_bar_is_its_positive_parts_to_scale(given_parts: list[dict[str, object]]) -> None:
    plus = sum(p for one in given_parts if (p := float(str(one["points"]))) > 0)
    bar = bar_of(given_parts, 100.0)
    assert bar.sum == pytest.approx(plus)
    assert bar.minus == pytest.approx(sum(min(0.0, float(str(one["points"]))) for one in given_parts))
    assert [one.sort for one in bar.segments] == [s for s in SORTS if s in {one.sort for one in bar.segments}]
    assert all(one.width == pytest.approx(WIDTH * one.points / 100, abs=0.01) for one in bar.segments)
    assert all(here.x + here.width <= then.x + 0.02 for here, then in pairwise(bar.segments))


def test_nothing_is_drawn_of_nothing_and_every_sort_named_is_known() -> None:
    assert bar_of([], 0.0).segments == ()
    assert set(_OF.values()) <= set(SORTS)
    assert set(_OF) - {"reading"} <= set(features())
