"""The addends of a score: always the whole of it."""

import math

from hypothesis import given
from hypothesis import strategies as st

from matcher.features import features
from matcher.parts import parts_of

NAMES = tuple(features())
POINTS = st.fixed_dictionaries({name: st.floats(-9, 9).map(lambda x: round(x, 6)) for name in NAMES})


@given(points=POINTS, unknown=st.frozensets(st.sampled_from(NAMES)))
def test_parts_are_the_points_by_label_and_of_what_is_unknown_no_value(
    points: dict[str, float], unknown: frozenset[str]
) -> None:
    values = {name: math.nan if name in unknown else 0.5 for name in NAMES}
    parts = parts_of(points, values, {"rights": "已授权"})
    assert [(part.name, part.label, part.points) for part in parts] == [
        (name, features()[name].label, given) for name, given in points.items()
    ]
    assert {part.name for part in parts if part.value is None} == unknown
    assert [part.name for part in parts if part.note] == ["rights"]
