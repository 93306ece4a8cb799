import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc as oracle

from graph.identifiers.uscc import ALPHABET, organisation_check_digit, parse_uscc, uscc_check_digit
from graph.problems import BadValue

STANDARD = "91350100M000100Y43"
OTHER = "91110108551385082Q"


def refusal(text: str) -> BadValue:
    with pytest.raises(BadValue) as caught:
        parse_uscc(text)
    return caught.value


@st.composite
def codes(draw: st.DrawFn) -> str:
    """Valid codes: department and category, district digits, organisation code, both check characters."""
    department = draw(st.text(ALPHABET, min_size=2, max_size=2))
    district = draw(st.text("0123456789", min_size=6, max_size=6))
    body = draw(st.text(ALPHABET, min_size=8, max_size=8))
    first17 = department + district + body + organisation_check_digit(body)
    return first17 + uscc_check_digit(first17)


@pytest.mark.parametrize("code", [STANDARD, OTHER])
def test_uscc_published_example_is_kept(code: str) -> None:
    assert parse_uscc(code) == code


def test_uscc_clerks_writing_is_mended() -> None:
    written = [
        "９１３５０１００ｍ０００１００ｙ４３",
        " 9135 0100-m000100y-43\n",
        "91350100\u3000M000100Y\xa043",
        "统一社会信用代码：91350100M000100Y43；",
        "'91350100M000100Y43",
    ]
    assert [parse_uscc(text) for text in written] == [STANDARD] * len(written)


def test_uscc_kept_as_a_number_by_a_spreadsheet_is_refused_with_the_way_out() -> None:
    found = refusal("9.13501E+17")
    assert (found.code, found.message) == (
        "uscc_scientific_notation",
        "统一社会信用代码被表格软件改成了科学计数法“9.13501E+17”",
    )
    cut = refusal("911101085513850000")
    assert cut.code.endswith("check_digit")
    assert "把该列设为文本" in cut.remedy
    assert "把该列设为文本" not in refusal("91350100M000100Y44").remedy


def test_uscc_misread_letter_at_the_end_names_the_expected_character() -> None:
    found = refusal("91350100M000100Y4Z")
    assert (found.code, found.message, found.remedy) == (
        "uscc_misread_letter",
        "统一社会信用代码“91350100M000100Y4Z”第 18 位是字母 Z，这种代码不使用 I、O、Z、S、V",
        "请核对第 18 位，可能是 3",
    )


@pytest.mark.parametrize(
    ("letter", "hint"),
    [("I", "数字 1"), ("O", "数字 0"), ("Z", "数字 2"), ("S", "数字 5"), ("V", "字母 U 或 Y")],
)
def test_uscc_letter_that_is_not_used_is_refused_with_a_hint(letter: str, hint: str) -> None:
    found = refusal(STANDARD[:10] + letter + STANDARD[11:])
    assert (found.code, found.remedy) == ("uscc_misread_letter", f"请核对第 11 位，可能是{hint}")


def test_uscc_wrong_last_character_names_the_expected_code() -> None:
    found = refusal("91350100M000100Y44")
    assert (found.code, found.remedy) == (
        "uscc_check_digit",
        "请对照营业执照或法人证书逐位核对；若前 17 位无误，应为 91350100M000100Y43",
    )


def test_uscc_wrong_organisation_check_is_refused_though_the_last_character_fits() -> None:
    first17 = STANDARD[:16] + "5"
    code = first17 + uscc_check_digit(first17)
    assert oracle.is_valid(code)
    assert refusal(code).code == "uscc_organisation_check_digit"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "uscc_length"),
        ("91350100M000100Y4", "uscc_length"),
        ("M000100Y4", "uscc_length"),
        ("9135010AM000100Y43", "uscc_district"),
        ("91350100M000100Y4?", "uscc_character"),
        ("9135010٠M000100Y43", "uscc_character"),
    ],
)
def test_uscc_malformed_text_is_refused(text: str, code: str) -> None:
    assert refusal(text).code == code


def test_check_digits_that_are_ten_eleven_and_thirty_one_are_written_x_0_and_0() -> None:
    assert (organisation_check_digit("00000000"), uscc_check_digit("0" * 17)) == ("0", "0")
    # Weight 3 by hand: 11 − 4·3 mod 11 = 10.
    assert organisation_check_digit("40000000") == "X"


@pytest.mark.parametrize("call", [uscc_check_digit, organisation_check_digit])
def test_check_digit_of_the_wrong_length_is_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match="characters are needed"):
        call("1" * 9)


@given(st.text(ALPHABET, min_size=17, max_size=17))
def test_uscc_check_digit_agrees_with_python_stdnum(first17: str) -> None:
    assert uscc_check_digit(first17) == oracle.calc_check_digit(first17)


@given(codes())
def test_uscc_canonical_form_is_a_fixed_point(code: str) -> None:
    assert parse_uscc(code) == parse_uscc(code.lower()) == code


# C18 alone guarantees both properties: 31 is prime, values are distinct mod 31, no weight is 0 mod 31, and
# neighbouring weights differ (3^i ≠ 3^(i+1), and 28 ≠ 1 for the check itself). The organisation check could
# not: mod 11 A and L (10 and 21) weigh the same.
@given(codes(), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_uscc_every_single_substitution_is_caught(code: str, place: int, character: str) -> None:
    if character != code[place]:
        refusal(code[:place] + character + code[place + 1 :])


@given(codes(), st.integers(0, 16))
def test_uscc_every_adjacent_transposition_is_caught(code: str, place: int) -> None:
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    if swapped != code:
        refusal(swapped)


@given(st.one_of(st.text(), st.text(ALPHABET + "IOZSV ß-", min_size=16, max_size=20)))
def test_uscc_arbitrary_text_raises_nothing_but_bad_value(text: str) -> None:
    code = ""
    problem: BadValue | None = None
    try:
        code = parse_uscc(text)
    except BadValue as raised:
        problem = raised
    if problem is None:
        assert len(code) == 18
        assert parse_uscc(code) == code
    else:
        assert problem.code.startswith("uscc_")
        assert all((problem.message, problem.remedy))
