import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from graph.identifiers.patents import (
    PatentNumber,
    PatentType,
    application_check_digit,
    parse_patent_number,
    parse_patent_numbers,
)
from graph.problems import BadValue

PUBLISHED = [
    "201710601862.3",
    "95115608.X",
    "97101765.4",
    "202211250898.9",
    "202111023408.7",
    "202511052777.7",
]


def refusal(text: str) -> BadValue:
    with pytest.raises(BadValue) as caught:
        parse_patent_number(text)
    return caught.value


def invention(number: str, year: int, granted: bool = False) -> PatentNumber:
    return PatentNumber(number=number, kind="application", type="invention", year=year, granted=granted)


@st.composite
def applications(draw: st.DrawFn) -> str:
    """Valid canonical application numbers of both lengths."""
    kind = draw(st.sampled_from("12389"))
    if draw(st.booleans()):
        digits = f"{draw(st.integers(2003, 2099))}{kind}{draw(st.integers(0, 9_999_999)):07}"
    else:
        digits = f"{draw(st.integers(1985, 2003)) % 100:02}{kind}{draw(st.integers(0, 99_999)):05}"
    return f"{digits}.{application_check_digit(digits)}"


publications = st.one_of(
    st.builds("CN1{:08}{}".format, st.integers(0, 99_999_999), st.sampled_from(["A", "B", "C", "A8", "B2"])),
    st.builds("CN2{:06}{}".format, st.integers(0, 999_999), st.sampled_from("UY")),
    st.builds("CN3{:08}{}".format, st.integers(0, 99_999_999), st.sampled_from("SD")),
    st.builds("CN{}1{:05}A".format, st.integers(85, 88), st.integers(0, 99_999)),
)
software = st.builds("{}SR{:07}".format, st.integers(1991, 2099), st.integers(0, 9_999_999))
written = st.one_of(applications(), applications().map(lambda n: f"ZL{n}"), publications, software)


@pytest.mark.parametrize("number", PUBLISHED)
def test_patent_published_number_is_kept(number: str) -> None:
    year = int(number[:4]) if len(number) == 14 else 1900 + int(number[:2])
    assert parse_patent_number(number) == invention(number, year)


@pytest.mark.parametrize(
    "text",
    [
        "ZL201710601862.3",
        "zl2017106018623",
        "CN ZL 2017 1 0601862.3",
        "ZL 2017 1 0601862 .3",
        "ＺＬ２０１７１０６０１８６２．３",
        "ZL2017-1-0601862.3",
        "专利号：ZL 2017 1 0601862.3（已授权）",
        "1.ZL201710601862.3。",
        "专利No.ZL201710601862。3",
        "①ZL201710601862.3",
        "ZL201710601862.3②",
    ],
)
def test_patent_clerks_writing_of_a_grant_is_mended(text: str) -> None:
    assert parse_patent_number(text) == invention("201710601862.3", 2017, granted=True)


@pytest.mark.parametrize("text", ["95115608x", "CN95115608.x", "95115608.×", "95115608·X"])
def test_patent_check_x_is_read_in_every_writing(text: str) -> None:
    assert parse_patent_number(text) == invention("95115608.X", 1995)


def test_patent_number_kept_as_a_number_by_a_spreadsheet_is_read() -> None:
    assert parse_patent_number("2017106018623.0") == invention("201710601862.3", 2017)
    found = refusal("2.01711E+12")
    assert (found.code, found.message) == (
        "patent_scientific_notation",
        "专利号被表格软件改成了科学计数法“2.01711E+12”",
    )


@pytest.mark.parametrize(
    ("text", "has_check"),
    [("95115608.X", True), ("ZL95115608.X", True), ("CN112345678B", False), ("2021SR0123456", False)],
)
def test_patent_check_digit_vouches_for_applications_only(text: str, has_check: bool) -> None:
    assert parse_patent_number(text).has_check is has_check


@pytest.mark.parametrize(
    ("text", "year"), [("2003SR1234", 2003), ("2010SR01234", 2010), ("2013SR012345", 2013)]
)
def test_software_copyright_of_earlier_years_is_shorter(text: str, year: int) -> None:
    assert parse_patent_number(text).year == year


def test_patent_type_digit_gives_the_type() -> None:
    digits = [f"2021{kind}0234567" for kind in "12389"]
    types = [parse_patent_number(d + application_check_digit(d)).type for d in digits]
    assert types == ["invention", "utility_model", "design", "invention", "utility_model"]


def test_patent_eight_digits_of_2003_are_read() -> None:
    number = "03123456." + application_check_digit("03123456")
    assert parse_patent_number(number) == invention(number, 2003)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cn112345678a", ("CN112345678A", "invention", None, False)),
        ("CN 112345678 B", ("CN112345678B", "invention", None, True)),
        ("1123456C", ("CN1123456C", "invention", None, True)),
        ("CN212345678U", ("CN212345678U", "utility_model", None, True)),
        ("CN2123456Y", ("CN2123456Y", "utility_model", None, True)),
        ("CN312345678S", ("CN312345678S", "design", None, True)),
        ("CN85100001A", ("CN85100001A", "invention", 1985, False)),
        ("CN87200001U", ("CN87200001U", "utility_model", 1987, False)),
    ],
)
def test_publication_number_is_read(text: str, expected: tuple[str, PatentType, int | None, bool]) -> None:
    number, kind, year, granted = expected
    assert parse_patent_number(text) == PatentNumber(
        number=number, kind="publication", type=kind, year=year, granted=granted
    )


@pytest.mark.parametrize("text", ["2021SR0123456", "2021 sr 0123456", "登记号：２０２１SR0123456"])
def test_software_copyright_is_read(text: str) -> None:
    assert parse_patent_number(text) == PatentNumber(
        number="2021SR0123456", kind="software_copyright", type=None, year=2021, granted=False
    )


def test_patent_wrong_check_digit_names_the_expected_one() -> None:
    found = refusal("ZL201710601862.4")
    assert (found.code, found.message, found.remedy) == (
        "patent_check_digit",
        "专利号“ZL201710601862.4”的校验位不对：应为 3，写的是 4",
        "请对照受理通知书或证书核对；若前面各位无误，应为 201710601862.3",
    )


def test_patent_without_check_digit_names_the_expected_number() -> None:
    found = refusal("95115608")
    assert (found.code, found.remedy) == ("patent_check_digit", "请核对；若各位无误，应为 95115608.X")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "patent_missing"),
        ("专利号：", "patent_missing"),
        ("2021-03-05", "patent_missing"),
        ("20171060186", "patent_unreadable"),
        ("ZL2017", "patent_unreadable"),
        ("2021SR01234", "patent_unreadable"),
        ("2021SR0123 4567", "patent_unreadable"),
        ("201740601862.3", "patent_type"),
        ("190010601862.3", "patent_year"),
        ("84115608.X", "patent_year"),
        ("1980SR0123456", "patent_year"),
        ("CN89100001A", "patent_year"),
        ("CN112345678", "patent_kind_code"),
        ("CN1123456", "patent_kind_code"),
        ("CN212345678A", "patent_kind_code"),
        ("CN912345678Y", "patent_kind_code"),
        ("ZL112345678A", "patent_not_granted"),
        ("US1234567B2", "patent_foreign"),
        ("PCT/CN2021/123456", "patent_international"),
        ("201710601862.3；95115608.X", "patent_several"),
    ],
)
def test_patent_other_text_is_refused(text: str, code: str) -> None:
    assert refusal(text).code == code


def test_patent_list_is_split_on_every_separator_and_duplicates_dropped() -> None:
    text = (
        "专利号：201710601862.3；95115608x;97101765.4、202211250898.9，"
        "202111023408.7 202511052777.7\n95115608.X"
    )
    assert [str(n) for n in parse_patent_numbers(text)] == PUBLISHED


def test_patent_list_tolerates_words_counts_and_dates_around_numbers() -> None:
    text = (
        "1、发明专利2项：一种5G天线 ZL 2017 1 0601862.3（授权日2021-03-05）\n2、软著 2021SR0123456 (AI平台V2)"
    )
    assert [str(n) for n in parse_patent_numbers(text)] == ["ZL201710601862.3", "2021SR0123456"]


def test_patent_given_with_and_without_zl_counts_once_as_granted() -> None:
    assert parse_patent_numbers("201710601862.3；ZL95115608.X；ZL201710601862.3；95115608.X") == (
        invention("201710601862.3", 2017, granted=True),
        invention("95115608.X", 1995, granted=True),
    )


def test_patent_list_with_one_wrong_number_is_refused() -> None:
    with pytest.raises(BadValue, match="应为 3，写的是 4"):
        parse_patent_numbers("95115608.X；201710601862.4")


@given(written)
def test_patent_canonical_form_is_a_fixed_point(text: str) -> None:
    number = parse_patent_number(text)
    assert str(number) == text
    assert parse_patent_number(str(number)) == number


@given(st.lists(written, min_size=1, max_size=5), st.sampled_from(["；", "、", "\n", " ", "，和"]))
def test_patent_list_gives_what_its_entries_give(texts: list[str], separator: str) -> None:
    entries = {n.number: n for n in map(parse_patent_number, texts)}
    assume(len(entries) == len(set(texts)))
    assert parse_patent_numbers(separator.join(texts)) == tuple(entries.values())


# Guaranteed for digits: 11 is prime, digits differ mod 11, no weight (2…9, and −1 for the check digit) is 0
# mod 11, and neighbouring weights differ (also 9 and 2, 5 and −1, 9 and −1). Not guaranteed: a check digit
# mistaken for A, B, C, U, Y, S or D may give a publication number, which has no check.
@given(applications(), st.data())
def test_patent_every_single_substitution_of_a_digit_is_caught(number: str, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([i for i, c in enumerate(number) if c != "."]))
    character = data.draw(st.sampled_from("0123456789X").filter(lambda c: c != number[place]))
    refusal(number[:place] + character + number[place + 1 :])


@given(applications(), st.data())
def test_patent_every_adjacent_transposition_is_caught(number: str, data: st.DataObject) -> None:
    bare = number.replace(".", "")
    place = data.draw(st.integers(0, len(bare) - 2))
    swapped = bare[:place] + bare[place + 1] + bare[place] + bare[place + 2 :]
    assume(swapped != bare)
    refusal(swapped)


@given(st.one_of(st.text(), st.text("0123456789XZLCNABUSR./ -；专", max_size=40)))
def test_patent_arbitrary_text_raises_nothing_but_bad_value(text: str) -> None:
    numbers: tuple[PatentNumber, ...] = ()
    problem: BadValue | None = None
    try:
        numbers = parse_patent_numbers(text)
    except BadValue as raised:
        problem = raised
    if problem is None:
        assert numbers
        assert tuple(parse_patent_number(str(n)) for n in numbers) == numbers
    else:
        assert problem.code.startswith("patent_")
        assert all((problem.message, problem.remedy))
