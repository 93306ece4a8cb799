"""The parameters, and the end of a public notice."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from graph.resources import resource
from matcher.task_policy import task_policy


def test_every_parameter_says_where_it_comes_from_or_that_nothing_states_it() -> None:
    content = json.loads(resource("policy", "tasks.json").read_text(encoding="utf-8"))
    named = {name: about for name, about in content.items() if isinstance(about, dict)}
    assert len(named) >= 15
    assert [name for name, about in named.items() if not (about.get("source") or about.get("note"))] == []


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (datetime(2026, 3, 5, 2, tzinfo=UTC), 5, datetime(2026, 3, 12, 16, tzinfo=UTC)),  # Thursday to Thursday, 24:00
        (datetime(2026, 3, 6, 17, tzinfo=UTC), 1, datetime(2026, 3, 9, 16, tzinfo=UTC)),  # Saturday in China already
        (datetime(2026, 3, 6, 2, tzinfo=UTC), 0, datetime(2026, 3, 6, 2, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_notice_counts_working_days_in_china_after_the_day_it_starts(
    start: datetime, days: int, end: datetime
) -> None:
    assert task_policy().notice_ends(start, days) == end


def test_notice_leaves_out_holidays_and_counts_days_that_are_worked_for_them() -> None:
    policy = replace(
        task_policy(), holidays=frozenset({date(2026, 3, 6)}), workdays=frozenset({date(2026, 3, 7)})
    )
    start = datetime(2026, 3, 5, 2, tzinfo=UTC)
    assert policy.notice_ends(start, 1) == datetime(2026, 3, 7, 16, tzinfo=UTC)
