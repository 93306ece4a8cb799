"""Grading: checks of the sheets, arithmetic against fractions, and an order that does not depend on theirs."""

import statistics
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from matcher.grading import Criterion, Grading, GradingRules, Rubric, Sheet, check_sheets, grade, rounded

RUBRIC = Rubric(
    criteria=(Criterion(name="方案", weight=Decimal(60)), Criterion(name="团队", weight=Decimal(40)))
)
EXPERTS = ("甲", "乙", "丙", "丁", "戊")


def rules(**changed: object) -> GradingRules:
    entries = {"normalise": "none", "average": "mean", "order": "unrounded"} | changed
    return GradingRules(**entries)  # type: ignore[arg-type]


def sheet(expert: str, entry: str, *marks: object) -> Sheet:
    given_ = {c.name: Decimal(str(mark)) for c, mark in zip(RUBRIC.criteria, marks, strict=True)}
    return Sheet(expert=expert, entry=entry, marks=given_)


def graded(totals: dict[str, list[object]], **changed: object) -> Grading:
    """Of every entry the marks of 方案 by the experts in order; 团队 is 40 for all."""
    sheets = [
        sheet(x, entry, m, 40)
        for entry, marks in totals.items()
        for x, m in zip(EXPERTS, marks, strict=False)
    ]
    return grade(sheets, RUBRIC, rules(**changed), ["B2", "B1"])


def order(found: Grading) -> list[tuple[str, str]]:
    return [(one.entry, str(one.score)) for one in found.standings]


@pytest.mark.parametrize(
    ("sheets", "told"),
    [
        ([sheet("甲", "B1", 60, 40), sheet("乙", "B1", 0, 0)], []),
        ([sheet("甲", "B1", "60.01", -1), sheet("乙", "B1", 1, 1)],
         ["score_range 专家 甲 对标书 B1 “方案”是 60.01 分，超出 0 到 60", "score_range 专家 甲 对标书 B1 “团队”是 -1 分，超出 0 到 40"]),
        ([Sheet(expert="甲", entry="B1", marks={"方案": Decimal(1), "价格": Decimal(1)})],
         ["score_unknown 专家 甲 对标书 B1 多了评分项“价格”", "score_blank 专家 甲 对标书 B1 没有填“团队”",
          "score_missing 缺专家 乙 对标书 B1 的评分"]),
        ([sheet("甲", "B1", 1, 1), sheet("甲", "B1", 2, 2), sheet("乙", "B1", 1, 1), sheet("丙", "B1", 1, 1), sheet("丁", "B1", 1, 1)],
         ["score_excluded 专家 丙 对标书 B1 应回避，却有评分", "score_unexpected 专家 丁 对标书 B1 没有分配，却有评分",
          "score_twice 专家 甲 对标书 B1 有 2 份评分"]),
        ([sheet("甲", "B1", "NaN", 1), sheet("乙", "B1", 1, 1)],
         ["score_range 专家 甲 对标书 B1 “方案”是 NaN 分，超出 0 到 60"]),
    ],
)  # fmt: skip
def test_check_sheets_names_whatever_is_wrong(sheets: list[Sheet], told: list[str]) -> None:
    found = check_sheets(sheets, RUBRIC, {"B1": ["甲", "乙"]}, barred=[("丙", "B1")])
    assert [f"{one.code} {one.message}" for one in found] == told


@pytest.mark.parametrize("weights", [{"方案": 60, "团队": 30}, {"方案": 110, "团队": -10}, {"": 100}])
def test_rubric_refuses_weights_that_are_not_100(weights: dict[str, int]) -> None:
    with pytest.raises(Refused):
        Rubric(criteria=tuple(Criterion(name=name, weight=Decimal(w)) for name, w in weights.items()))


MARKS = st.lists(st.integers(0, 600), min_size=3, max_size=5)


@settings(max_examples=80)
@given(
    marks=st.dictionaries(st.sampled_from(["B1", "B2", "B3", "B4"]), MARKS, min_size=1),
    average=st.sampled_from(["mean", "trimmed"]),
    shuffle=st.randoms(use_true_random=False),
)
def test_grade_agrees_with_fractions_in_any_order_of_sheets(
    marks: dict[str, list[int]], average: str, shuffle: Random
) -> None:
    sheets = [
        sheet(expert, entry, Decimal(m) / 10, Decimal(m % 41))
        for entry, some in marks.items()
        for expert, m in zip(EXPERTS, some, strict=False)
    ]
    expected = {}
    for entry, some in marks.items():
        totals = sorted(Fraction(m, 10) + m % 41 for m in some)
        kept = totals[1:-1] if average == "trimmed" else totals
        expected[entry] = Fraction(sum(kept), len(kept))
    found = grade(sheets, RUBRIC, rules(average=average))
    for one in found.standings:
        assert abs(Fraction(one.exact) - expected[one.entry]) <= Fraction(1, 2 * 10**12)
        hundredths = expected[one.entry] * 100
        assert one.score == Decimal(int(hundredths + Fraction(1, 2))) / 100
        assert sum(total.counts for total in one.totals) == len(marks[one.entry]) - 2 * (average == "trimmed")
    values = [expected[one.entry] for one in found.standings]
    assert values == sorted(values, reverse=True)
    assert [one.rank for one in found.standings] == list(range(1, len(marks) + 1))
    mixed = list(sheets)
    shuffle.shuffle(mixed)
    assert grade(mixed, RUBRIC, rules(average=average)) == found


@settings(max_examples=40)
@given(marks=st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=2, max_size=5))
def test_grade_by_z_scores_gives_every_expert_the_common_mean_and_spread(marks: list[list[int]]) -> None:
    found = graded({f"B{i}": list(some) for i, some in enumerate(marks)}, normalise="z")
    every = [m + 40 for some in marks for m in some]
    for place, expert in enumerate(EXPERTS[:3]):
        own = [total.adjusted for one in found.standings for total in one.totals if total.expert == expert]
        assert float(statistics.fmean(own)) == pytest.approx(statistics.fmean(every))
        flat = len({some[place] for some in marks}) == 1
        assert statistics.pstdev(map(float, own)) == pytest.approx(0 if flat else statistics.pstdev(every))
    assert grade([], RUBRIC, rules(normalise="none")).standings == ()


def test_grade_by_z_scores_undoes_a_severe_expert() -> None:
    # 丙 gives half of what others give and reads the weaker entry last: on raw marks the order is another.
    sheets = [
        sheet("甲", "B1", 50, 40), sheet("甲", "B2", 40, 40), sheet("乙", "B2", 41, 40), sheet("乙", "B3", 30, 40),
        sheet("丙", "B1", 25, 20), sheet("丙", "B3", 10, 20),
    ]  # fmt: skip
    assert [one.entry for one in grade(sheets, RUBRIC, rules()).standings] == ["B2", "B1", "B3"]
    assert [one.entry for one in grade(sheets, RUBRIC, rules(normalise="z")).standings] == ["B1", "B2", "B3"]


@pytest.mark.parametrize(
    ("value", "shown"), [("0.005", "0.01"), ("2.675", "2.68"), ("91.044999", "91.04"), ("91.045", "91.05")]
)
def test_rounded_rounds_half_up(value: str, shown: str) -> None:
    assert str(rounded(Decimal(value))) == shown


def test_grade_orders_on_unrounded_or_rounded_values_as_the_rule_says() -> None:
    marks: dict[str, list[object]] = {"B1": [40, 40, "40.01"], "B2": [40, 40, "40.011"]}
    assert order(graded(marks)) == [("B2", "80.00"), ("B1", "80.00")]
    found = graded(marks, order="rounded")
    assert [(one.entry, one.tie) for one in found.standings] == [("B2", "同分，编号小者在前"), ("B1", "")]


def test_grade_settles_ties_by_the_rule_of_the_task_and_says_so() -> None:
    sheets = [
        sheet("甲", "B1", 50, 30),
        sheet("甲", "B2", 51, 29),
        sheet("甲", "B3", 50, 30),
        sheet("甲", "B4", 0, 0),
    ]
    for precedence, expected in (
        ((), ["B1", "B2", "B3", "B4"]), (("B3", "B1", "B2"), ["B3", "B1", "B2", "B4"]), (("B3",), ["B3", "B1", "B2", "B4"]),
    ):  # fmt: skip
        found = grade(sheets[::-1], RUBRIC, rules(tie="报价低者在前"), precedence)
        assert [one.entry for one in found.standings] == expected
        assert [one.tie for one in found.standings] == ["同分，报价低者在前"] * 2 + ["", ""]
    assert found.rules.text.endswith("；同分报价低者在前")


def test_grade_points_out_totals_far_from_the_others() -> None:
    (one,) = graded({"B1": [50, 51, 49, 50, 10]}).standings
    # Median 90, absolute deviations 0 1 1 0 40: their median is 1.
    assert [(t.expert, str(t.distance), t.is_outlier) for t in one.totals] == [
        ("丁", "0.00", False), ("丙", "0.67", False), ("乙", "0.67", False), ("戊", "26.98", True), ("甲", "0.00", False),
    ]  # fmt: skip
    assert not any(t.is_outlier for t in graded({"B1": [50, 50, 50]}).standings[0].totals)


def test_grade_refuses_to_trim_two_totals() -> None:
    with pytest.raises(Refused, match="标书 B1 只有 2 份评分"):
        graded({"B1": [50, 51]}, average="trimmed")
