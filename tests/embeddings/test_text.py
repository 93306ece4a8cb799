import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.text import clean_text, truncate

# Hypothesis leaves lone surrogates out of text() unless told otherwise.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("", ""),
        (" \t\n\u3000", ""),
        ("电池\x00电极", "电池 电极"),
        ("电\u200b池\ufeff\u00ad", "电池"),
        ("e\u200b\u0301", "é"),
        ("ＰＭ２．５　浓度", "PM2.5 浓度"),
        ("LiFePO₄ 25℃ 10μm 5m²", "LiFePO4 25°C 10μm 5m2"),
        ("a\ud800b", "a\ufffdb"),
        ("👩\u200d🔬❤\ufe0f", "👩🔬❤"),
        ("一\r\n\r\n二\x85三", "一 二 三"),
    ],
)
def test_clean_text_gives_the_one_form(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


def test_clean_text_expands_the_code_point_that_overruns_the_engine() -> None:
    assert clean_text("\ufdfa") == "صلى الله عليه وسلم"


@given(ANY_TEXT)
def test_clean_text_is_idempotent_and_leaves_nothing_unsafe(text: str) -> None:
    clean = clean_text(text)
    assert clean_text(clean) == clean
    assert {unicodedata.category(character) for character in clean}.isdisjoint({"Cc", "Cf", "Cs"})
    assert clean == " ".join(clean.split())
    clean.encode("utf-8")


def test_clean_text_treats_every_code_point_safely() -> None:
    # All of Unicode in one text: what survives must be clean whatever stands beside it.
    everything = "".join(map(chr, range(0x110000)))
    clean = clean_text(everything)
    assert clean_text(clean) == clean
    assert {unicodedata.category(character) for character in clean}.isdisjoint({"Cc", "Cf", "Cs"})


@pytest.mark.parametrize(
    ("limit", "cut"), [(0, ""), (2, "高镍"), (3, "高镍"), (4, "高镍 三"), (99, "高镍 三元")]
)
def test_truncate_keeps_at_most_that_many_characters(limit: int, cut: str) -> None:
    assert truncate("高镍 三元", limit) == cut


def test_truncate_refuses_a_negative_limit() -> None:
    with pytest.raises(ValueError, match="negative"):
        truncate("高镍", -1)
