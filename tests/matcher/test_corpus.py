"""The corpus follows the store, and after any changes answers as one taken in anew."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings.refusal import IndexRefused
from embeddings.segmentation import Segmenter
from embeddings.vector_cache import VectorCache
from graph.kinds import KINDS, Node
from graph.network import Network
from graph.store.changes import Change, PutNode, RemoveNode
from graph.store.store import Store, open_store
from matcher.corpus import VECTOR_VIEWS, WORD_VIEWS, Corpus, keys_at
from matcher.facts import facts_of
from matcher.ranker import Ranker
from matcher.ranking import COUNTERPARTS, Ranking
from matcher.texts import node_texts
from tests.factories import (
    TODAY,
    BigramEncoder,
    apply,
    changes,
    make_achievement,
    make_edge,
    make_enterprise,
    make_scene,
    nodes,
    put,
    shown,
)

MakeCorpus = Callable[[], Corpus]
# Many examples share the store and the vector cache; each begins with ``emptied``.
shared_store = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _said(corpus: Corpus) -> dict[tuple[str, str], tuple[Any, ...]]:
    """All that a corpus knows of each node, whatever its slot."""
    result = {}
    for key, slot in corpus.slots.items():
        facts = corpus.facts.rows(np.array([slot]))
        result[key] = (
            *(corpus.vectors[view].vectors([slot]).tobytes() for view in VECTOR_VIEWS),
            *(tuple(corpus.words[view].terms_of(slot).items()) for view in WORD_VIEWS),
            *(column.tobytes() for column in facts.columns.values()),
            facts.indicators,
            facts.cooperation,
        )
    return result


def _statistics(corpus: Corpus) -> list[Any]:
    """What the corpus knows of all nodes together."""
    means = [index.mean().tobytes() for index in corpus.vectors.values()]
    terms = sorted(
        {
            term
            for words in corpus.words.values()
            for slot in corpus.slots.values()
            for term in words.terms_of(slot)
        }
    )
    words = [
        (len(w), w.average_length, [w.document_frequency(t) for t in terms]) for w in corpus.words.values()
    ]
    masks = {kind: sorted(keys_at(corpus, np.flatnonzero(corpus.mask(kind)).tolist())) for kind in KINDS}
    return [*means, words, terms, masks]


def _all_matches(corpus: Corpus, store: Store, ranker: Ranker) -> dict[tuple[str, str], Any]:
    """Every match of every scene and achievement, without NaN."""
    ranking = Ranking(corpus, Network.build(store), ranker)
    return {
        (node.kind, node.id): shown(ranking.match(node, top=100, today=TODAY))
        for kind in COUNTERPARTS
        for node in store.nodes(kind)
    }


def _taken_in(store: Store, corpus: Corpus) -> Corpus:
    corpus.catch_up(store)
    return corpus


def test_catch_up_gives_the_number_of_changes_looked_at(store: Store, corpus: Corpus) -> None:
    scene, achievement = make_scene(), make_achievement()
    put(store, scene, achievement, make_enterprise(), make_edge(make_enterprise(), "owns", achievement))
    assert corpus.catch_up(store) == 4
    assert corpus.catch_up(store) == 0
    put(store, make_edge(make_enterprise(), "posts", scene))
    assert corpus.catch_up(store) == 1
    apply(store, RemoveNode(kind="scene", id="CJ-1"), PutNode(node=make_achievement("CG-2")))
    assert corpus.catch_up(store) == 3  # the scene, its relation, the achievement
    assert sorted(corpus.slots) == [("achievement", "CG-1"), ("achievement", "CG-2"), ("enterprise", "QY-1")]
    assert corpus.revision == store.revision()


def test_freed_slots_are_used_again(store: Store, corpus: Corpus) -> None:
    put(store, make_scene("CJ-1"), make_scene("CJ-2"))
    corpus.catch_up(store)
    before = set(corpus.slots.values())
    apply(store, RemoveNode(kind="scene", id="CJ-1"))
    corpus.catch_up(store)
    put(store, make_scene("CJ-3"))
    corpus.catch_up(store)
    assert set(corpus.slots.values()) == before


@shared_store
@given(batches=st.lists(st.lists(changes(), max_size=4), max_size=8), looks=st.sets(st.integers(0, 7)))
def test_any_changes_equal_a_corpus_taken_in_anew(
    emptied: Callable[[], Store],
    make_corpus: MakeCorpus,
    ranker: Ranker,
    batches: list[list[Change]],
    looks: set[int],
) -> None:
    store, followed = emptied(), make_corpus()
    followed.catch_up(store)
    for number, batch in enumerate(batches):
        apply(store, *batch)
        if number in looks:
            followed.catch_up(store)
    followed.catch_up(store)
    anew = _taken_in(store, make_corpus())
    assert _said(followed) == _said(anew)
    assert _statistics(followed) == _statistics(anew)
    assert _all_matches(followed, store, ranker) == _all_matches(anew, store, ranker)


@pytest.mark.parametrize("proposed", [1, 3])
def test_any_changes_equal_a_corpus_taken_in_anew_where_not_all_are_scored(
    emptied: Callable[[], Store],
    make_corpus: MakeCorpus,
    ranker: Ranker,
    proposed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("matcher.ranking._ALL", 2)
    monkeypatch.setattr("matcher.ranking._PROPOSED", proposed)
    monkeypatch.setattr("matcher.ranking._TIES", 1)

    @settings(max_examples=40)
    @given(batches=st.lists(st.lists(changes(most=9), max_size=8), max_size=6), top=st.integers(1, 4))
    def same(batches: list[list[Change]], top: int) -> None:
        store, followed = emptied(), make_corpus()
        for batch in batches:
            apply(store, *batch)
            followed.catch_up(store)
        rankings = [
            Ranking(corpus, Network.build(store), ranker)
            for corpus in (followed, _taken_in(store, make_corpus()))
        ]
        for kind in COUNTERPARTS:
            for node in store.nodes(kind):
                one, other = (shown(ranking.match(node, top=top, today=TODAY)) for ranking in rankings)
                assert one == other

    same()


@settings(shared_store, max_examples=30)
@given(before=st.lists(changes(), max_size=10), after=st.lists(changes(), max_size=6))
def test_published_generation_caught_up_equals_a_corpus_taken_in_anew(
    emptied: Callable[[], Store],
    make_corpus: MakeCorpus,
    ranker: Ranker,
    tmp_path_factory: pytest.TempPathFactory,
    before: list[Change],
    after: list[Change],
) -> None:
    store, root = emptied(), tmp_path_factory.mktemp("index")
    apply(store, *before)
    _taken_in(store, make_corpus()).publish(root)
    apply(store, *after)
    loaded = make_corpus()
    loaded.load(root, store, verify=True)
    loaded.catch_up(store)
    anew = _taken_in(store, make_corpus())
    assert _said(loaded) == _said(anew)
    assert _statistics(loaded) == _statistics(anew)
    assert _all_matches(loaded, store, ranker) == _all_matches(anew, store, ranker)


@pytest.mark.parametrize("gone", [["CJ-1"], ["CJ-3"], ["CJ-2", "CJ-3"], ["CJ-1", "CJ-2", "CJ-3"]])
def test_records_removed_after_publishing_are_forgotten_on_loading(
    store: Store, make_corpus: MakeCorpus, tmp_path: Path, gone: list[str]
) -> None:
    ids = ["CJ-1", "CJ-2", "CJ-3"]
    put(store, *(make_scene(id) for id in ids))
    _taken_in(store, make_corpus()).publish(tmp_path / "index")
    apply(store, *(RemoveNode(kind="scene", id=id) for id in gone))
    loaded = make_corpus()
    loaded.load(tmp_path / "index", store)
    assert loaded.catch_up(store) == len(gone)
    assert sorted(loaded.slots) == [("scene", id) for id in ids if id not in gone]
    assert _statistics(loaded) == _statistics(_taken_in(store, make_corpus()))


def test_loading_encodes_nothing_and_a_missing_generation_loads_nothing(
    store: Store, segmenter: Segmenter, tmp_path: Path
) -> None:
    put(store, make_scene(), make_achievement())
    first = Corpus(BigramEncoder(), segmenter, VectorCache(tmp_path / "a.db"))
    first.load(tmp_path / "index", store)
    assert first.slots == {}
    first.catch_up(store)
    first.publish(tmp_path / "index")
    encoder = BigramEncoder()
    second = Corpus(encoder, segmenter, VectorCache(tmp_path / "b.db"))
    second.load(tmp_path / "index", store)
    assert second.catch_up(store) == 0
    assert encoder.encoded == 0
    assert _said(second) == _said(first)


def test_generation_of_another_encoder_is_refused(
    store: Store, make_corpus: MakeCorpus, segmenter: Segmenter, tmp_path: Path
) -> None:
    put(store, make_scene())
    _taken_in(store, make_corpus()).publish(tmp_path / "index")
    other = Corpus(BigramEncoder("bigrams/2"), segmenter, VectorCache(tmp_path / "vectors.db"))
    with pytest.raises(IndexRefused, match='编码器应为 "bigrams/2"，索引中为 "bigrams/1"') as refused:
        other.load(tmp_path / "index", store)
    assert refused.value.code == "index_mismatch"


@pytest.mark.parametrize("what", ["lexicon", "texts"])
def test_generation_of_other_words_or_texts_is_refused(
    store: Store, make_corpus: MakeCorpus, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, make_scene())
    _taken_in(store, make_corpus()).publish(tmp_path / "index")
    corpus = make_corpus()
    if what == "lexicon":
        corpus.segmenter = Segmenter(["某新词"])
    else:
        monkeypatch.setattr("matcher.corpus.texts_identity", lambda: "rules=0")
    with pytest.raises(IndexRefused) as refused:
        corpus.load(tmp_path / "index", store)
    assert refused.value.code == "index_mismatch"


def test_damaged_generation_is_refused(store: Store, make_corpus: MakeCorpus, tmp_path: Path) -> None:
    put(store, make_scene())
    _taken_in(store, make_corpus()).publish(tmp_path / "index")
    (keys,) = (tmp_path / "index").rglob("keys.json")
    keys.write_text(json.dumps([["scene", "CJ-9"]]), encoding="utf-8")
    with pytest.raises(IndexRefused) as refused:
        make_corpus().load(tmp_path / "index", store, verify=True)
    assert refused.value.code == "index_damaged"


def test_store_replaced_by_another_is_taken_in_anew(
    store: Store, make_corpus: MakeCorpus, ranker: Ranker, tmp_path: Path
) -> None:
    put(store, make_scene("CJ-1"), make_scene("CJ-2"), make_achievement())
    followed = _taken_in(store, make_corpus())
    followed.publish(tmp_path / "index")
    with open_store(tmp_path / "other.db") as other:
        put(other, make_scene("CJ-1", title="别的场景"), make_achievement("CG-9"))
        followed.catch_up(other)
        loaded = make_corpus()
        loaded.load(tmp_path / "index", other)
        loaded.catch_up(other)
        anew = _taken_in(other, make_corpus())
        assert _said(followed) == _said(loaded) == _said(anew)
        assert followed.store_id == loaded.store_id == other.store_id
        assert _all_matches(loaded, other, ranker) == _all_matches(anew, other, ranker)


def test_store_set_back_is_taken_in_anew(
    emptied: Callable[[], Store], make_corpus: MakeCorpus, tmp_path: Path
) -> None:
    store = emptied()
    put(store, make_scene("CJ-1"))
    put(store, make_scene("CJ-2"))
    followed = _taken_in(store, make_corpus())
    followed.publish(tmp_path / "index")
    put(emptied(), make_achievement("CG-1"))  # the same store, one revision old
    followed.catch_up(store)
    loaded = make_corpus()
    loaded.load(tmp_path / "index", store)
    loaded.catch_up(store)
    assert _said(followed) == _said(loaded) == _said(_taken_in(store, make_corpus()))
    assert sorted(followed.slots) == [("achievement", "CG-1")]


@shared_store
@given(several=st.lists(nodes(), min_size=1, max_size=8), node=nodes())
def test_subject_is_the_same_stored_and_just_written(
    emptied: Callable[[], Store], make_corpus: MakeCorpus, several: list[Node], node: Node
) -> None:
    store, corpus = emptied(), make_corpus()
    put(store, *several, node)
    corpus.catch_up(store)
    stored = corpus.subject(node)
    written = corpus.subject(node.model_copy(update={"id": "新"}))
    assert stored.slot == corpus.slots[node.kind, node.id]
    assert written.slot is None
    assert [v.tobytes() for v in stored.vectors.values()] == [v.tobytes() for v in written.vectors.values()]
    assert {view: sorted(terms) for view, terms in stored.terms.items()} == {
        view: sorted(terms) for view, terms in written.terms.items()
    }
    for facts in (written.facts, facts_of(node)):
        assert {name: column.tobytes() for name, column in stored.facts.columns.items()} == {
            name: column.tobytes() for name, column in facts.columns.items()
        }
        assert (stored.facts.indicators, stored.facts.cooperation) == (facts.indicators, facts.cooperation)


def test_views_are_encoded_on_their_side(store: Store, corpus: Corpus) -> None:
    node = make_scene(title="海岛物资投送技术研发", summary="两条航线。")
    put(store, node)
    corpus.catch_up(store)
    encoder, texts = BigramEncoder(), node_texts(node)
    for view, side in VECTOR_VIEWS.items():
        encode = encoder.encode_queries if side == "query" else encoder.encode_documents
        expected = encode([getattr(texts, view)])
        assert corpus.vectors[view].vectors([corpus.slots["scene", "CJ-1"]]).tobytes() == expected.tobytes()


def test_progress_counts_nodes_up_to_all(
    store: Store, segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("matcher.corpus._BATCH", 40)
    put(store, *(make_scene(f"CJ-{number}", title=f"第{number}处") for number in range(100)))
    told: list[tuple[int, int]] = []
    corpus = Corpus(BigramEncoder(), segmenter, VectorCache(tmp_path / "vectors.db"))
    corpus.catch_up(store, lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {100}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (100, 100)
    assert len({done for done, _ in told}) > 4


@pytest.mark.parametrize(
    ("looked_at", "nodes_held", "stale"),
    [(0, 10, False), (500, 10, False), (501, 10, True), (900, 9000, False), (901, 9000, True)],
)
def test_generation_is_stale_after_a_tenth_and_five_hundred(
    corpus: Corpus, looked_at: int, nodes_held: int, stale: bool
) -> None:
    assert corpus.is_stale(0)  # none was published
    corpus.slots = {("scene", str(number)): number for number in range(nodes_held)}
    corpus._published_revision = 3
    assert corpus.is_stale(looked_at) is stale


def _titles(titles: Sequence[str]) -> list[Node]:
    return [make_scene(f"CJ-{number}", title=title) for number, title in enumerate(titles)]


def test_mask_tells_kinds_apart(store: Store, corpus: Corpus) -> None:
    put(store, *_titles(["甲", "乙"]), make_achievement())
    corpus.catch_up(store)
    assert {kind: int(corpus.mask(kind).sum()) for kind in KINDS if corpus.mask(kind).any()} == {
        "scene": 2,
        "achievement": 1,
    }
