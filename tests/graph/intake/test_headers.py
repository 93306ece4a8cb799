import pytest

from graph.intake.headers import find_header_row, header_score, header_text, normalise_header, vocabulary
from graph.intake.tables import Row


@pytest.mark.parametrize(
    "header",
    [
        "预算（万元）",
        "预算(万元)",
        " 预 算 ",
        "*预算",
        "预算*",
        "预算\n（万元）",
        "※预算【必填】",
        "1.预算",
        "二、预算：",
        "ＢＵＤＧＥＴ",
    ],
)
def test_normalise_header_drops_what_offices_put_around_a_name(header: str) -> None:
    assert vocabulary("scene")[normalise_header(header)] == "budget"


def test_normalise_header_keeps_a_name_that_is_all_bracket() -> None:
    assert normalise_header("（名称）") == "名称"
    assert normalise_header("scene_id") == "scene_id"


def test_find_header_row_takes_the_first_of_the_best_and_helps_itself_with_overrides() -> None:
    rows = [
        Row(1, ("名称清单", None)),
        Row(2, ("甲方", "乙方")),
        Row(3, ("名称", "编号")),
        Row(5, ("名称", "编号")),
    ]
    assert find_header_row(rows) == 2
    assert find_header_row(rows[:2]) is None
    assert find_header_row(rows[:2], frozenset({"甲方"})) == 1
    assert header_score(["名称", "名 称", "*编号", 7, None, "名称" * 50]) == 2


def test_header_text_is_on_one_line() -> None:
    assert header_text(" 预算\n（万元） ") == "预算 （万元）"
    assert header_text(None) == ""
