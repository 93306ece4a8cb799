import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings.segmentation import CHARACTER_MARK, Segmenter
from embeddings.text import clean_text

LEXICON = [
    "高镍三元",
    "石墨烯",
    "α-淀粉酶",
    "C/C复合材料",
    "CAR-T细胞治疗",
    "5G 基站",
    "５G基站",
    "人工智能+制造",
    "数字孪生",
    "PM2.5监测",
]
PLAIN = Segmenter()
DOMAIN = Segmenter(LEXICON)


@pytest.mark.parametrize("word", LEXICON)
def test_words_keeps_a_word_of_the_lexicon_whole(word: str) -> None:
    clean = clean_text(word).lower()
    assert DOMAIN.words(word) == [clean]
    assert DOMAIN.words(f"研究，{word}。") == ["研究", ",", clean, "。"]


@pytest.mark.parametrize(
    "code",
    [
        "LiNi0.8Co0.1Mn0.1O2",
        "Li[Ni0.8Co0.1Mn0.1]O2",
        "Ca(OH)2",
        "Al2O3·SiO2",
        "PM2.5",
        "R123-78",
        "COVID-19",
        "Ca2+",
        "C++",
        "98.5%",
        "10-20mm",
        "α-Fe2O3",
        "LiFePO₄",
        "Ｘ射线".replace("射线", "-1"),
    ],
)
def test_words_keeps_codes_and_formulas_whole(code: str) -> None:
    assert PLAIN.words(f"采用{code}的材料") == ["采用", clean_text(code).lower(), "的", "材料"]


def test_words_does_not_find_a_word_of_the_lexicon_inside_a_code() -> None:
    assert DOMAIN.words("15G基站") == ["15g", "基站"]
    assert DOMAIN.words("βα-淀粉酶") == ["βα", "-", "淀粉酶"]


@given(
    st.text(st.characters(exclude_categories=()) | st.sampled_from("石墨烯5g基站α-淀粉酶(.) "), max_size=60)
)
def test_words_lose_nothing_but_spaces(text: str) -> None:
    clean = clean_text(text).lower()
    assert "".join(DOMAIN.words(text)).replace(" ", "") == "".join(clean.split())


def test_terms_are_codes_and_words_of_the_lexicon_then_characters_and_pairs() -> None:
    assert PLAIN.terms("石墨烯的PM2.5，治理") == [
        "pm2.5",
        *("＃石", "＃墨", "＃烯", "＃石墨", "＃墨烯", "＃治", "＃理", "＃治理"),
    ]
    assert DOMAIN.terms("石墨烯") == ["石墨烯", "＃石", "＃墨", "＃烯", "＃石墨", "＃墨烯"]


@pytest.mark.parametrize("text", ["", " ", "。、！", "的和与以及", "the of", "\x00\ud800"])
def test_terms_of_nothing_to_search_for_are_none(text: str) -> None:
    assert PLAIN.terms(text) == []


def test_terms_share_a_net_where_dictionaries_cut_differently() -> None:
    shared = set(PLAIN.terms("石墨烯薄膜")) & set(DOMAIN.terms("石墨烯薄膜"))
    assert {"＃石墨", "＃墨烯", "＃薄膜"} <= shared


def test_content_words_leave_gaps_for_punctuation_and_function_words() -> None:
    assert PLAIN.content_words("电池的研发，PM2.5") == ["电池", "", "研发", "", "pm2.5"]


@given(st.text(max_size=60))
def test_terms_of_the_net_cannot_collide_with_words(text: str) -> None:
    assert not any(CHARACTER_MARK in word for word in DOMAIN.words(text))


def test_terms_do_not_depend_on_width_case_or_invisible_characters() -> None:
    assert PLAIN.terms("Ｐｍ２．５\u200b\x00治\ufeff理") == PLAIN.terms("PM2.5 治理")


def test_two_segmenters_do_not_disturb_each_other() -> None:
    first, second = Segmenter(["动力电解液"]), Segmenter(["三元动力"])
    text = "三元动力电解液"
    assert first.words(text) == ["三元", "动力电解液"]
    assert second.words(text) == ["三元动力", "电解液"]
    assert Segmenter().words(text) == ["三元", "动力", "电解液"]


def test_identity_is_that_of_the_set_of_words() -> None:
    assert (
        Segmenter(["石墨烯", "数字孪生", "石墨\u200b烯", ""]).identity
        == Segmenter(["数字孪生", "石墨烯"]).identity
    )
    assert len({PLAIN.identity, DOMAIN.identity, Segmenter(["石墨烯"]).identity}) == 3
    assert Segmenter(["a b"]).identity != Segmenter(["a", "b"]).identity


def test_long_and_hostile_texts_are_cut_too() -> None:
    assert len(DOMAIN.words("高镍三元" * 25_000)) == 25_000
    assert len(DOMAIN.words("a(" * 50_000)) == 100_000
    assert DOMAIN.words("\ufdfa" * 1000)


def test_cutting_is_the_same_on_many_threads() -> None:
    text = "高镍三元正极材料的制备与评价" * 50
    expected, results = DOMAIN.terms(text), []
    threads = [threading.Thread(target=lambda: results.append(DOMAIN.terms(text))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8
