import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.identifiers.industries import industry_name, parse_industry_code
from graph.problems import BadValue
from graph.resources import resource

# The first division of each section, GB/T 4754-2017, section 5.
FIRST_DIVISIONS = {
    "A": 1, "B": 6, "C": 13, "D": 44, "E": 47, "F": 51, "G": 53, "H": 61, "I": 63, "J": 66, "K": 70, "L": 71,
    "M": 73, "N": 76, "O": 80, "P": 83, "Q": 84, "R": 86, "S": 91, "T": 97,
}  # fmt: skip


def letter_of(division: int) -> str:
    return [letter for letter, first in FIRST_DIVISIONS.items() if first <= division][-1]


def test_every_division_has_its_letter_and_a_name() -> None:
    for division in range(1, 98):
        code = f"{letter_of(division)}{division:02d}"
        assert parse_industry_code(f"{division:02d}") == code
        assert parse_industry_code(industry_name(code)) == code


def test_table_holds_20_sections_and_97_divisions() -> None:
    table = json.loads(resource("codes", "gbt4754.json").read_text(encoding="utf-8"))["sections"]
    assert [row["letter"] for row in table] == list(FIRST_DIVISIONS)
    assert [digits for row in table for digits in row["divisions"]] == [f"{i:02d}" for i in range(1, 98)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("C39", "C39"),
        ("c3963", "C3963"),
        ("3963", "C3963"),
        ("Ｃ３９", "C39"),
        ("C 396", "C396"),
        ("I65 软件和信息技术服务业", "I65"),
        ("65软件和信息技术服务业", "I65"),
        ("3963 智能无人飞行器制造", "C3963"),
        ("软件和信息技术服务业", "I65"),
        ("计算机,通信和其他电子设备制造业", "C39"),
        ("C", "C"),
        ("制造业", "C"),
        ("C制造业", "C"),
        ("教育", "P83"),
        ("智能无人飞行器制造（C3963）", "C3963"),
        ("行业代码：c39", "C39"),
        ("（C39）", "C39"),
        ("C39（GB/T 4754-2017）", "C39"),
    ],
)
def test_parse_industry_code_completes_and_normalises(text: str, code: str) -> None:
    assert parse_industry_code(text) == code


def test_parse_industry_code_refuses_the_wrong_letter_with_the_right_one() -> None:
    with pytest.raises(BadValue) as caught:
        parse_industry_code("I3963")
    assert caught.value.code == "industry_letter_mismatch"
    assert caught.value.remedy == "大类 39（计算机、通信和其他电子设备制造业）属于门类 C，请改为 C3963"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("98", "industry_division_unknown"),
        ("C00", "industry_division_unknown"),
        ("Z", "industry_unknown"),
        ("", "industry_unknown"),
        ("3", "industry_unknown"),
        ("39631", "industry_unknown"),
        ("39号文", "industry_unknown"),
        ("A股", "industry_unknown"),
        ("好行业", "industry_unknown"),
        ("2017 年", "industry_unknown"),
        ("成立于（2017）", "industry_unknown"),
        ("C39;I65", "industry_several"),
        ("C39、6510", "industry_several"),
        ("3963 i65", "industry_several"),
    ],
)
def test_parse_industry_code_refuses_what_is_no_code(text: str, code: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_industry_code(text)
    assert caught.value.code == code


def test_industry_name_is_that_of_the_division_or_section() -> None:
    assert industry_name("C3963") == "计算机、通信和其他电子设备制造业"
    assert industry_name("65") == "软件和信息技术服务业"
    assert industry_name("M") == "科学研究和技术服务业"


@given(st.text() | st.from_regex(r"[A-Za-z]?\d{0,5}.?", fullmatch=True))
def test_parse_industry_code_answers_a_fixed_point_or_bad_value(text: str) -> None:
    with suppress(BadValue):
        code = parse_industry_code(text)
        assert code[0] in FIRST_DIVISIONS
        assert code.isascii()
        assert parse_industry_code(code) == code
