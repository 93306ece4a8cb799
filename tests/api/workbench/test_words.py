"""Phrases marked in texts that hold anything, and times as they are written in China."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from api.workbench.words import china_time, highlighted, points

texts = st.text(alphabet="海岛无人机<>&\"'aB ", max_size=30)


@given(texts, st.lists(texts, max_size=4))
def test_marks_are_all_that_is_added_and_stand_around_phrases_only(text: str, phrases: list[str]) -> None:
    shown = str(highlighted(text, phrases))
    assert shown.replace("<mark>", "").replace("</mark>", "") == str(escape(text))
    marked = [piece.split("</mark>")[0] for piece in shown.split("<mark>")[1:]]
    assert all(piece.lower() in {str(escape(p)).lower() for p in phrases} for piece in marked)
    assert bool(marked) == any(p.strip() and p.lower() in text.lower() for p in phrases)


def test_a_longer_phrase_is_not_cut_by_a_shorter_one() -> None:
    assert highlighted("海岛无人机", ["海岛", "海岛无人"]) == "<mark>海岛无人</mark>机"


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-03-01T16:30:00.000000+00:00", "2026-03-02 00:30"), (datetime(2026, 3, 1, 1, tzinfo=UTC), "2026-03-01 09:00"), (None, ""), ("", ""),
    ],
)  # fmt: skip
def test_times_are_those_of_china(at: datetime | str | None, told: str) -> None:
    assert china_time(at) == told


@pytest.mark.parametrize(
    ("value", "told"), [(3.04, "+3.0"), (-3.06, "-3.1"), (0.04, "0"), (-0.04, "0"), (0.0, "0")]
)
def test_points_have_a_sign_unless_they_are_nought(value: float, told: str) -> None:
    assert points(value) == told
