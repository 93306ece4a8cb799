import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.intake.tables import tidy_text
from graph.intake.writing import SHEET_NAME_LIMIT, guarded, sheet_names, writable

SIGNS = st.text(st.sampled_from("=+-@'甲a"), min_size=1, max_size=4)


@pytest.mark.parametrize("csv", [True, False])
@given(text=SIGNS)
def test_guarded_text_is_read_back_and_is_no_formula_in_csv(csv: bool, text: str) -> None:
    kept = guarded(text, csv=csv)
    assert tidy_text(kept) == text
    assert not csv or kept[0] not in "=+-@"


@given(names=st.lists(st.text(max_size=40), max_size=6))
def test_sheet_names_are_allowed_and_different(names: list[str]) -> None:
    made = sheet_names(names)
    assert len(made) == len(names)
    assert len({name.casefold() for name in made}) == len(names)
    assert all(
        0 < len(name.encode("utf-16-le", "replace")) <= 2 * SHEET_NAME_LIMIT
        and not set(name) & set("[]:*?/\\")
        for name in made
    )
    assert not any(name.startswith("'") or name.endswith("'") for name in made)


def test_sheet_names_are_as_long_as_excel_counts() -> None:
    assert sheet_names(["🚁" + "长" * 40, "长" * 30 + "🚁"]) == ["🚁" + "长" * 29, "长" * 30]


def test_sheet_names_keep_what_they_can() -> None:
    assert sheet_names(["场景", "a/b", "场景", "", "长" * 40, "长" * 40]) == [
        "场景",
        "a_b",
        "场景(2)",
        "表",
        "长" * 31,
        "长" * 28 + "(2)",
    ]


def test_writable_text_keeps_everything_a_workbook_can_hold() -> None:
    assert writable("🚁 第一行\n第二\t行\u3000") == "🚁 第一行\n第二\t行\u3000"
    assert writable("甲\x00乙\x1f丙\ud83d") == "甲乙丙\ufffd"
