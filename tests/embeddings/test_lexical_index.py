import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings.lexical_index import LexicalIndex
from embeddings.refusal import IndexRefused

DOCUMENTS = {
    0: ["污泥", "干化", "污泥", "低温"],
    1: ["石墨烯", "导热", "薄膜"],
    3: ["污泥", "焚烧"],
    4: [],
    7: ["石墨烯", "石墨烯", "电池", "电池", "电池", "低温", "导热"],
}
QUERY = ["污泥", "低温", "低温", "机器人", "石墨烯"]

TERMS = st.sampled_from(["甲", "乙", "丙", "丁", "＃戊己", "pm2.5", "庚 辛"])
BAGS = st.lists(TERMS, max_size=8)
# A change is a document for a slot, or None to remove what is there.
CHANGES = st.lists(st.tuples(st.integers(0, 9), BAGS | st.none()), max_size=25)


def filled(documents: dict[int, list[str]]) -> LexicalIndex:
    index = LexicalIndex()
    index.put_many(list(documents), list(documents.values()))
    return index


def answers(index: LexicalIndex, query: Sequence[str], slots: Sequence[int]) -> list[object]:
    """Everything that an index can be asked, as exact values."""
    scores = np.zeros(10)
    scores[: index.capacity] = index.scores(query)
    found = index.search(query, 4)
    return [
        len(index),
        index.average_length,
        [(index.document_frequency(term), index.idf(term)) for term in sorted({*query, "甲", "乙"})],
        scores.tolist(),
        [array.tolist() for array in found],
        index.self_score(query),
        index.coverage(query, slots).tolist(),
        index.tfidf_cosine(query, slots).tolist(),
        [index.terms_of(slot) for slot in slots if slot in index],
        [index.contributions(query, slot) for slot in slots if slot in index],
    ]


def apply(index: LexicalIndex, changes: list[tuple[int, list[str] | None]]) -> dict[int, list[str]]:
    documents: dict[int, list[str]] = {}
    for slot, terms in changes:
        if terms is not None:
            index.put(slot, terms)
            documents[slot] = terms
        elif slot in documents:
            index.remove(slot)
            del documents[slot]
    return documents


@given(CHANGES, BAGS)
def test_any_puts_and_removes_answer_bit_for_bit_like_a_new_index(
    changes: list[tuple[int, list[str] | None]], query: list[str]
) -> None:
    index = LexicalIndex()
    documents = apply(index, changes)
    assert answers(index, query, range(10)) == answers(filled(documents), query, range(10))


@settings(max_examples=40)
@given(CHANGES, CHANGES, BAGS)
def test_saved_and_loaded_in_between_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[int, list[str] | None]],
    after: list[tuple[int, list[str] | None]],
    query: list[str],
) -> None:
    folder = tmp_path_factory.mktemp("index")
    index = LexicalIndex(k1=0.9, b=0.4)
    documents = apply(index, before)
    index.save(folder)
    loaded = LexicalIndex.load(folder)
    assert answers(loaded, query, range(10)) == answers(index, query, range(10))

    for slot in documents:
        loaded.remove(slot)
    rest = apply(loaded, after)
    again = LexicalIndex(k1=0.9, b=0.4)
    again.put_many(list(rest), list(rest.values()))
    assert answers(loaded, query, range(10)) == answers(again, query, range(10))


def test_save_writes_equal_bytes_for_equal_contents(tmp_path: Path) -> None:
    changed = LexicalIndex()
    for slot in (7, 2, 0):
        changed.put(slot, ["一时", "污泥"])
    for slot, terms in reversed(DOCUMENTS.items()):
        changed.put(slot, terms)
    changed.remove(2)
    for name, index in (("new", filled(DOCUMENTS)), ("changed", changed)):
        (tmp_path / name).mkdir()
        index.save(tmp_path / name)
    written = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("new", "changed")
    ]
    assert written[0] == written[1]


def test_scores_follow_the_formula() -> None:
    index = filled(DOCUMENTS)
    average = sum(map(len, DOCUMENTS.values())) / len(DOCUMENTS)
    expected = [0.0] * 8
    for slot, terms in DOCUMENTS.items():
        for term, frequency in Counter(terms).items():
            holding = sum(term in other for other in DOCUMENTS.values())
            idf = math.log(1 + (len(DOCUMENTS) - holding + 0.5) / (holding + 0.5))
            norm = 1.2 * (1 - 0.75 + 0.75 * len(terms) / average)
            expected[slot] += QUERY.count(term) * idf * frequency / (frequency + norm)
    np.testing.assert_allclose(index.scores(QUERY), expected, rtol=1e-12)


def test_scores_agree_with_bm25s() -> None:
    import bm25s

    random = np.random.default_rng(7)
    words = [f"w{number}" for number in range(60)]
    documents = [random.choice(words, random.integers(1, 40)).tolist() for _ in range(200)]
    oracle = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    oracle.index(documents, show_progress=False)
    index = filled(dict(enumerate(documents)))
    for query in (words[:3], words[10:40], [words[5]]):
        np.testing.assert_allclose(index.scores(query), oracle.get_scores(query), rtol=2e-5, atol=1e-5)


def test_scores_of_many_postings_are_those_of_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled(DOCUMENTS)
    expected = index.scores(QUERY).tolist()
    monkeypatch.setattr("embeddings.lexical_index._SCORED", 2)
    assert index.scores(QUERY).tolist() == expected


@given(BAGS, st.randoms(use_true_random=False))
def test_the_order_of_query_terms_does_not_matter(query: list[str], random: Random) -> None:
    index = filled(
        {
            slot: terms * (slot + 1)
            for slot, terms in enumerate([["甲", "乙", "丙"], ["丁", "甲"], ["乙"] * 3])
        }
    )
    shuffled = random.sample(query, len(query))
    assert answers(index, query, range(10)) == answers(index, shuffled, range(10))


def test_contributions_add_up_to_the_score() -> None:
    index = filled(DOCUMENTS)
    scores = index.scores(QUERY)
    parts = {slot: index.contributions(QUERY, slot) for slot in DOCUMENTS}
    assert {slot: list(part) for slot, part in parts.items()} == {
        0: ["低温", "污泥"],
        1: ["石墨烯"],
        3: ["污泥"],
        4: [],
        7: ["低温", "石墨烯"],
    }
    assert [sum(part.values()) for part in parts.values()] == [scores[slot] for slot in DOCUMENTS]


def test_search_returns_only_matches_the_best_first() -> None:
    index = filled({5: ["甲"], 2: ["甲"], 9: ["甲", "乙"], 1: ["丙"]})
    assert index.search(["甲"], 10)[0].tolist() == [2, 5, 9]
    assert index.search(["甲"], 1)[0].tolist() == [2]
    assert index.search(["甲"], 0)[0].tolist() == []
    assert index.search(["丁"], 10)[0].tolist() == []
    assert index.search([], 10)[0].tolist() == []
    assert LexicalIndex().search(["甲"], 10)[0].tolist() == []


@pytest.mark.parametrize(("length", "expected"), [(0, []), (3, [2]), (6, [2, 5]), (20, [2, 5])])
def test_search_stays_within_the_mask(length: int, expected: list[int]) -> None:
    index = filled({5: ["甲"], 2: ["甲"], 9: ["甲", "乙"], 1: ["丙"]})
    allowed = np.ones(length, dtype=np.bool_)
    allowed[9:10] = False
    assert index.search(["甲"], 10, allowed)[0].tolist() == expected


def test_self_score_bounds_every_score_and_coverage_is_a_share() -> None:
    index = filled({**DOCUMENTS, 8: ["污泥"] * 50 + ["低温"] * 50 + ["石墨烯"] * 50})
    known = ["污泥", "低温", "石墨烯"]
    assert index.scores(known)[8] < index.self_score(known)
    assert index.coverage(known, [8, 4, 2, 99]).tolist() == [1.0, 0.0, 0.0, 0.0]
    assert index.coverage([*known, "机器人"], [8])[0] < 1
    shares = index.coverage(QUERY, [0, 7])
    mass = {term: index.idf(term) for term in set(QUERY)}
    np.testing.assert_allclose(
        shares * sum(mass.values()),
        [mass["污泥"] + mass["低温"], mass["低温"] + mass["石墨烯"]],
    )


def test_tfidf_cosine_follows_the_formula() -> None:
    index = filled(DOCUMENTS)

    def vector(terms: Sequence[str]) -> dict[str, float]:
        return {term: (1 + math.log(n)) * index.idf(term) for term, n in Counter(terms).items()}

    def cosine(left: dict[str, float], right: dict[str, float]) -> float:
        norms = math.hypot(*left.values()) * math.hypot(*right.values())
        return sum(left[term] * right.get(term, 0) for term in left) / norms if norms else 0.0

    expected = [cosine(vector(QUERY), vector(DOCUMENTS.get(slot, []))) for slot in range(9)]
    np.testing.assert_allclose(index.tfidf_cosine(QUERY, range(9)), expected, rtol=1e-12)
    assert index.tfidf_cosine(DOCUMENTS[0], [0])[0] == pytest.approx(1.0)
    assert index.tfidf_cosine([], range(9)).tolist() == [0.0] * 9


def test_put_replaces_and_remove_forgets() -> None:
    index = filled(DOCUMENTS)
    index.put(0, ["机器人"])
    index.remove(3)
    assert (index.document_frequency("污泥"), len(index), 3 in index, 4 in index) == (0, 4, False, True)
    assert index.terms_of(0) == {"机器人": 1}
    with pytest.raises(KeyError):
        index.remove(3)
    with pytest.raises(KeyError):
        index.terms_of(3)


@pytest.mark.parametrize(
    ("slots", "documents"),
    [([-1], [["甲"]]), ([1, 1], [["甲"], ["乙"]]), ([1], []), ([1], [[""]]), ([1], [["甲\n乙"]])],
)
def test_put_refuses_what_it_could_not_keep(slots: list[int], documents: list[list[str]]) -> None:
    index = filled(DOCUMENTS)
    with pytest.raises(ValueError, match=r"slot|term"):
        index.put_many(slots, documents)
    assert answers(index, QUERY, range(10)) == answers(filled(DOCUMENTS), QUERY, range(10))


@pytest.mark.parametrize("parameters", [{"k1": -0.1}, {"b": 1.1}, {"b": -0.1}])
def test_parameters_out_of_range_are_refused(parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="k1"):
        LexicalIndex(**parameters)


def test_slots_must_not_be_negative_when_asked_about() -> None:
    with pytest.raises(ValueError, match="negative"):
        filled(DOCUMENTS).coverage(QUERY, [-1])


@pytest.mark.parametrize("name", ["lexical.json", "terms.txt", "postings_keys.npy", "documents_rows.npy"])
@pytest.mark.parametrize("damage", ["absent", "empty", "other"])
def test_load_refuses_files_that_do_not_fit(name: str, damage: str, tmp_path: Path) -> None:
    filled(DOCUMENTS).save(tmp_path)
    path = tmp_path / name
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else b"{}\n\xff\xfe other\n")
    with pytest.raises(IndexRefused) as refused:
        LexicalIndex.load(tmp_path)
    assert refused.value.code == "index_damaged"
    assert "jiebang index rebuild" in refused.value.remedy


def test_many_documents_grow_the_storage_without_losing_any() -> None:
    random = np.random.default_rng(3)
    words = [f"w{number}" for number in range(300)]
    documents = {slot: random.choice(words, random.integers(0, 30)).tolist() for slot in range(3000)}
    one_by_one = LexicalIndex()
    for slot, terms in documents.items():
        one_by_one.put(slot, terms)
    at_once = filled(documents)
    assert [one_by_one.terms_of(slot) for slot in documents] == [
        dict(sorted(Counter(terms).items())) for terms in documents.values()
    ]
    assert one_by_one.scores(words[:40]).tolist() == at_once.scores(words[:40]).tolist()
