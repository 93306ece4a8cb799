from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.intake.feedback_columns import CHINA, moment_text, parse_moment
from graph.problems import BadValue


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("２０２６年３月１日", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026.3", datetime(2026, 3, 31, tzinfo=UTC)),
        ("46082", datetime(2026, 3, 1, tzinfo=UTC)),
        (date(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2026, 3, 1), datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01 00:00:00", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026/3/1 9:05", datetime(2026, 3, 1, 1, 5, tzinfo=UTC)),
        ("2026年3月1日 14：30", datetime(2026, 3, 1, 6, 30, tzinfo=UTC)),
        (datetime(2026, 3, 1, 14, 30, 5), datetime(2026, 3, 1, 6, 30, 5, tzinfo=UTC)),
        ("2026-03-01T14:30:00.25Z", datetime(2026, 3, 1, 14, 30, 0, 250000, tzinfo=UTC)),
        ("2026-03-01T14:30:00-0230", datetime(2026, 3, 1, 17, 0, tzinfo=UTC)),
        ("2026-03-01T00:00:00+08:00", datetime(2026, 2, 28, 16, 0, tzinfo=UTC)),
        ("无", None),
        ("", None),
    ],
)
def test_parse_moment_reads_days_and_times_as_offices_write_them(
    cell: object, moment: datetime | None
) -> None:
    assert parse_moment(cell) == moment


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("2026-02-30", "date_not_real"),
        ("2026-02-30 10:00", "date_not_real"),
        ("2026-03-01 25:00", "date_not_real"),
        ("0001-01-01 00:30", "date_not_real"),
        ("2026-03-01T10:00+99:00", "date_not_real"),
        ("上周", "date_unreadable"),
    ],
)
def test_parse_moment_refuses_what_is_no_moment(cell: str, code: str) -> None:
    with pytest.raises(BadValue) as bad:
        parse_moment(cell)
    assert bad.value.code == code


@given(
    moment=st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    whole=st.booleans(),
)
def test_moment_text_is_read_back_as_the_same_second(moment: datetime, whole: bool) -> None:
    at = moment.replace(hour=0, minute=0, second=0, microsecond=0) if whole else moment
    assert parse_moment(moment_text(at)) == at.replace(microsecond=0)


def test_moment_text_shows_the_day_and_time_of_china() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    assert moment_text(day) == "2026-03-01"
    assert moment_text(day.astimezone(CHINA)) == "2026-03-01"
    assert moment_text(day + timedelta(hours=20)) == "2026-03-02T04:00:00+08:00"
