import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.identifiers.ipc import parse_ipc, parse_ipcs
from graph.problems import BadValue

subclasses = st.from_regex(r"[A-H](0[1-9]|[1-9][0-9])[A-Z]", fullmatch=True)
symbols = st.one_of(
    subclasses,
    st.builds(
        "{} {}/{}".format, subclasses, st.integers(1, 9999), st.text("0123456789", min_size=2, max_size=6)
    ),
)


def refusal(text: str) -> str:
    with pytest.raises(BadValue) as caught:
        parse_ipc(text)
    assert caught.value.remedy
    return caught.value.code


@pytest.mark.parametrize(
    "text",
    [
        "B64U 10/13",
        "b64u10/13",
        "Ｂ６４Ｕ　１０／１３",
        "B64U-10/13",
        " B64U 0010 / 13 ",
        "B64U 10/13 (2023.01)",
        "B64U10/13(2023.01)I",
        "Int.Cl. B64U 10/13 2023.01",
        "IPC分类号：B64U10/13",
        "B64U0010130000",
    ],
)
def test_ipc_clerks_writing_is_mended(text: str) -> None:
    assert parse_ipc(text) == "B64U 10/13"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b64u", "B64U"),
        ("G06F 17", "G06F 17/00"),
        ("A61K 31/4152", "A61K 31/4152"),
        ("A61K0031415200", "A61K 31/4152"),
        ("G06F0017000000", "G06F 17/00"),
        ("B64U (2023.01)", "B64U"),
    ],
)
def test_ipc_other_depths_are_read(text: str, expected: str) -> None:
    assert parse_ipc(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "ipc_missing"),
        ("无人机", "ipc_missing"),
        ("B64", "ipc_unreadable"),
        ("Y02E 10/50", "ipc_unreadable"),
        ("GO6F 17/30", "ipc_unreadable"),
        ("B64U 10/1", "ipc_unreadable"),
        ("B64U 10/", "ipc_unreadable"),
        ("B64U /13", "ipc_unreadable"),
        ("B64U 10/13 13", "ipc_unreadable"),
        ("B64U 0/13", "ipc_unreadable"),
        ("A00B", "ipc_unreadable"),
        ("B64U0000130000", "ipc_unreadable"),
        ("B64U；B64C", "ipc_several"),
    ],
)
def test_ipc_other_text_is_refused(text: str, code: str) -> None:
    assert refusal(text) == code


def test_ipc_unreadable_part_is_named() -> None:
    with pytest.raises(BadValue, match="“50/30”不是 IPC 分类号"):
        parse_ipcs("G06Q 10/04；50/30")


def test_ipcs_are_split_on_every_separator_and_duplicates_dropped() -> None:
    assert parse_ipcs("A61K31/00//A61P35/00") == ("A61K 31/00", "A61P 35/00")
    text = "G06F 17/30 (2006.01) I；B64U10/13、B64C 39/02，G05D G06Q 10/04;b64u 10/13\nH04W4"
    assert parse_ipcs(text) == ("G06F 17/30", "B64U 10/13", "B64C 39/02", "G05D", "G06Q 10/04", "H04W 4/00")


@given(symbols)
def test_ipc_canonical_form_is_a_fixed_point(symbol: str) -> None:
    assert parse_ipc(symbol) == parse_ipc(symbol.lower().replace(" ", "")) == symbol


@given(st.lists(symbols, min_size=1, max_size=5), st.sampled_from(["；", "、", "\n", " ", ","]))
def test_ipcs_of_a_list_are_its_entries_once_each(entries: list[str], separator: str) -> None:
    assert parse_ipcs(separator.join(entries)) == tuple(dict.fromkeys(entries))


@given(st.one_of(st.text(), st.text("ABHUY0123456789/. ()-；", max_size=30)))
def test_ipc_arbitrary_text_raises_nothing_but_bad_value(text: str) -> None:
    found: tuple[str, ...] = ()
    problem: BadValue | None = None
    try:
        found = parse_ipcs(text)
    except BadValue as raised:
        problem = raised
    if problem is None:
        assert parse_ipcs("；".join(found)) == found
    else:
        assert problem.code.startswith("ipc_")
        assert all((problem.message, problem.remedy))
