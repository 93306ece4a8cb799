"""Figures before and after: read as clerks write them, written back the same, refused where they cannot be compared."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.measures import Measure, measures_in, parse_measures
from graph.problems import BadValue


def _measure(name: str, before: str | None, after: str | None, unit: str, source: str) -> Measure:
    figures = [None if figure is None else Decimal(figure) for figure in (before, after)]
    return Measure(name=name, before=figures[0], after=figures[1], unit=unit, source=source)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("登塔次数：120→17 次/年（来源：用户证明）", [("登塔次数", "120", "17", "次/年", "用户证明")]),
        ("漏检率:1.7%->0.2% (比对记录；客户台账)", [("漏检率", "1.7", "0.2", "%", "比对记录;客户台账")]),
        ("气温：－3→－１.５℃；用水：1,200→900 m³", [("气温", "-3", "-1.5", "℃", ""), ("用水", "1200", "900", "m³", "")]),
        ("航程：待补→45km（来源：待补）", [("航程", None, "45", "km", "")]),
        ("查准率（50路；白天）：81→95 %", [("查准率(50路;白天)", "81", "95", "%", "")]),
        ("", []),
    ],
)  # fmt: skip
def test_measures_are_read_as_they_are_written(
    text: str, found: list[tuple[str, str | None, str | None, str, str]]
) -> None:
    assert parse_measures(text) == tuple(_measure(*one) for one in found)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("成效很好", "measure_unreadable"),
        ("航程：提高很多", "measure_unreadable"),
        ("航程：30km→45m", "measure_units"),
        ("航程：30→45 km；航程：20→45 km", "measure_repeated"),
        ("；".join(f"第{n}项：1→2 个" for n in range(41)), "measures_too_many"),
    ],
)
def test_what_is_no_figure_before_and_after_is_refused(text: str, code: str) -> None:
    with pytest.raises(BadValue) as refused:
        parse_measures(text)
    assert refused.value.code == code


_WORDS = st.text(alphabet="航程登塔次数证明abc", min_size=1, max_size=8)
_FIGURES = st.none() | st.decimals(-10_000, 10_000, places=2, allow_nan=False)


@given(
    st.lists(
        st.builds(
            Measure, name=_WORDS, before=_FIGURES, after=_FIGURES, unit=st.sampled_from(["", "次/年", "%", "km", "℃"]),
            source=st.just("") | _WORDS,
        ),
        max_size=5, unique_by=lambda one: one.name,
    )
)  # fmt: skip
def test_measures_come_back_from_their_text(measures: list[Measure]) -> None:
    assert parse_measures("；".join(one.text for one in measures)) == tuple(measures)


def test_of_what_a_sheet_has_only_figures_are_told() -> None:
    text = "登塔次数：120→17 次/年"
    assert (measures_in(text), measures_in("成效很好")) == (parse_measures(text), ())
