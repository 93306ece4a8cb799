"""Values of tasks and bids: money in whole 元, moments to the second, no secrets."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.problems import BadValue, Refused
from matcher.process_values import in_china, in_wan, parse_moment, parse_points, parse_yuan
from tests.matcher.boards import make_task


@pytest.mark.parametrize(
    ("text", "yuan"),
    [("300", 3_000_000), ("３００万元", 3_000_000), ("1.2亿", 120_000_000), ("3,000,000元", 3_000_000), ("0.0001", 1),
     ("12.5 万", 125_000), ("", None), ("面议", None), (7, 7), (None, None), ("0", 0)],
)  # fmt: skip
def test_yuan_is_read_from_what_offices_write(text: object, yuan: int | None) -> None:
    assert parse_yuan(text) == yuan


@pytest.mark.parametrize("text", ["-3", "100-200", "不超过80", "0.00001", "1e5", "9" * 20, -1, "三百"])
def test_yuan_refuses_what_is_no_single_whole_amount(text: object) -> None:
    with pytest.raises(BadValue):
        parse_yuan(text)


@given(st.integers(0, 10**13))
def test_yuan_shown_in_wan_reads_back_as_the_same(amount: int) -> None:
    assert parse_yuan(in_wan(amount)) == amount


@pytest.mark.parametrize(
    ("text", "moment"),
    [("2026-09-30", datetime(2026, 9, 30, 15, 59, 59, tzinfo=UTC)),
     (date(2026, 9, 30), datetime(2026, 9, 30, 15, 59, 59, tzinfo=UTC)),
     ("2026年9月30日 17:00", datetime(2026, 9, 30, 9, tzinfo=UTC)),
     ("2026-09-30 17:00:07", datetime(2026, 9, 30, 9, 0, 7, tzinfo=UTC)),
     ("2026-09-30T09:00:07.9Z", datetime(2026, 9, 30, 9, 0, 7, tzinfo=UTC)), ("", None)],
)  # fmt: skip
def test_moment_is_to_the_second_and_a_day_is_its_last_one(text: object, moment: datetime | None) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize("text", ["2026-02-30", "2026-09-30 25:00", "明天"])
def test_moment_refuses_what_is_none(text: str) -> None:
    with pytest.raises(BadValue):
        parse_moment(text)


def test_moment_is_shown_as_a_clock_in_china_shows_it() -> None:
    assert in_china(datetime(2026, 9, 30, 15, 59, 59, tzinfo=UTC)) == "2026-09-30 23:59:59"


def test_points_are_of_a_hundred_with_two_decimals() -> None:
    assert [parse_points(text) for text in ("88.5", "100分", "")] == [Decimal("88.50"), Decimal(100), None]
    for wrong in ("101", "-1", "88.555", "优"):
        with pytest.raises(BadValue):
            parse_points(wrong)


@pytest.mark.parametrize("text", ["机密★10年 航线", "【秘密】航线"])
def test_a_text_with_a_mark_of_secrecy_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="内容标有密级"):
        make_task(problem=text)
