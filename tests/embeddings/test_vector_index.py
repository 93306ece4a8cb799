import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embeddings.neighbour_graph import NeighbourGraph
from embeddings.refusal import IndexRefused
from embeddings.vector_index import VectorIndex

DIMENSION = 7
Floats = NDArray[np.float32]


def directions(number: int, dimension: int = DIMENSION, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((number, dimension))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


# Ten vectors to draw from: a blank one, and few enough others for ties.
POOL = np.concatenate((np.zeros((1, DIMENSION), dtype=np.float32), directions(9)))
QUERY = directions(1, seed=9)[0]
# A change puts a vector of the pool under a slot, or removes (None) what is there.
CHANGES = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 9) | st.none()), max_size=30)


def filled(vectors: dict[int, int]) -> VectorIndex:
    index = VectorIndex(DIMENSION)
    index.put(list(vectors), POOL[list(vectors.values())])
    return index


def apply(index: VectorIndex, changes: list[tuple[int, int | None]]) -> dict[int, int]:
    vectors: dict[int, int] = {}
    for slot, number in changes:
        if number is not None:
            index.put([slot], POOL[number : number + 1])
            vectors[slot] = number
        elif slot in vectors:
            index.remove(slot)
            del vectors[slot]
    return vectors


def answers(index: VectorIndex, allowed: NDArray[np.bool_] | None = None) -> list[object]:
    """Everything that an index can be asked, as exact values."""
    return [
        len(index),
        [slot in index for slot in range(15)],
        [[array.tolist() for array in index.search(QUERY, k, allowed)] for k in range(17)],
        index.cosines(QUERY, range(15)).tolist(),
        index.mean().tolist(),
        index.spread(QUERY),
    ]


@given(CHANGES)
def test_any_puts_and_removes_answer_bit_for_bit_like_a_new_index(
    changes: list[tuple[int, int | None]],
) -> None:
    index = VectorIndex(DIMENSION)
    vectors = apply(index, changes)
    assert answers(index) == answers(filled(vectors))


@settings(max_examples=40)
@given(CHANGES, CHANGES)
def test_saved_and_loaded_in_between_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[int, int | None]],
    after: list[tuple[int, int | None]],
) -> None:
    folder = tmp_path_factory.mktemp("index")
    index = VectorIndex(DIMENSION)
    vectors = apply(index, before)
    index.save(folder)
    loaded = VectorIndex.load(folder)
    assert answers(loaded) == answers(index)
    for slot in vectors:
        loaded.remove(slot)
    rest = apply(loaded, after)
    assert answers(loaded) == answers(filled(rest))
    assert answers(VectorIndex.load(folder)) == answers(index)  # the files did not change


@given(
    st.dictionaries(st.integers(0, 14), st.integers(0, 9)),
    st.integers(0, 17),
    st.none() | st.lists(st.booleans(), max_size=20),
)
def test_search_is_the_head_of_everything_sorted(
    vectors: dict[int, int], k: int, mask: list[bool] | None
) -> None:
    index = filled(vectors)
    allowed = None if mask is None else np.array(mask, dtype=np.bool_)
    slots = [slot for slot in vectors if mask is None or (slot < len(mask) and mask[slot])]
    cosines = index.cosines(QUERY, range(15))
    expected = sorted(slots, key=lambda slot: (vectors[slot] == 0, -cosines[slot], slot))[:k]
    found, found_cosines = index.search(QUERY, k, allowed)
    assert found.tolist() == expected
    assert found_cosines.tolist() == cosines[expected].tolist()
    assert found.dtype == np.int64
    assert found_cosines.dtype == np.float32


@given(
    CHANGES,
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 16), st.none() | st.lists(st.booleans(), max_size=17)),
        max_size=6,
    ),
)
def test_many_queries_at_once_are_answered_bit_for_bit_like_each_alone(
    changes: list[tuple[int, int | None]], asked: list[tuple[int, int, list[bool] | None]]
) -> None:
    index = VectorIndex(DIMENSION)
    apply(index, changes)
    queries = [POOL[number] for number, _, _ in asked]
    numbers = [k for _, k, _ in asked]
    masks = [None if mask is None else np.array(mask, dtype=np.bool_) for _, _, mask in asked]
    alone = [index.search(*one) for one in zip(queries, numbers, masks, strict=True)]
    together = index.search_many(queries, numbers, masks)
    assert [[a.tolist() for a in found] for found in together] == [
        [a.tolist() for a in found] for found in alone
    ]


def test_many_queries_over_several_blocks_have_the_bits_of_the_cosines() -> None:
    rows = directions(2500, seed=3)
    index = VectorIndex(DIMENSION)
    index.put(range(len(rows)), rows)
    queries = [*directions(3, seed=4)]
    for query, (slots, cosines) in zip(
        queries, index.search_many(queries, [2500] * 3, [None] * 3), strict=True
    ):
        assert sorted(slots.tolist()) == list(range(2500))
        assert cosines.tolist() == index.cosines(query, slots).tolist()


def test_cosines_are_inner_products_whatever_the_way_to_them() -> None:
    rows = directions(3000, 384)
    query = directions(1, 384, seed=1)[0]
    index = VectorIndex(384)
    index.put(range(3000), rows)
    exact = rows.astype(np.float64) @ query.astype(np.float64)
    np.testing.assert_allclose(index.cosines(query, range(3000)), exact, atol=1e-6)

    # Compared in order, by number, and through a narrow mask: equal to the bit.
    slots, cosines = index.search(query, 3000)
    assert cosines.tolist() == index.cosines(query, slots).tolist()
    narrow = np.zeros(3000, dtype=np.bool_)
    narrow[slots[::7]] = True
    few, few_cosines = index.search(query, 3000, narrow)
    assert (few.tolist(), few_cosines.tolist()) == (slots[::7].tolist(), cosines[::7].tolist())


def test_equal_vectors_tie_wherever_they_stand() -> None:
    rows = directions(50, 384)
    rows[[3, 8, 17, 18, 19, 42]] = rows[8]
    index = VectorIndex(384)
    index.put(range(50), rows)
    assert index.search(rows[8], 4)[0].tolist() == [3, 8, 17, 18]


def test_blank_vectors_come_last_and_a_blank_query_finds_nothing() -> None:
    index = filled({4: 0, 2: 1, 9: 0, 7: 2})
    slots, cosines = index.search(-POOL[1], 10)
    assert slots.tolist()[2:] == [4, 9]
    assert cosines.tolist()[2:] == [0.0, 0.0]
    assert index.search(-POOL[1], 2)[0].tolist() == slots.tolist()[:2]
    assert index.search(np.zeros(DIMENSION, dtype=np.float32), 10)[0].tolist() == []


def test_spread_is_mean_and_deviation_of_all_cosines() -> None:
    rows = np.concatenate((directions(20_000, 64) * 0.6 + directions(1, 64, seed=5), np.zeros((3, 64))))
    rows[:20_000] /= np.linalg.norm(rows[:20_000], axis=1, keepdims=True)
    index = VectorIndex(64)
    index.put(range(20_003), rows.astype(np.float32))
    query = directions(1, 64, seed=6)[0]
    cosines = index.cosines(query, range(20_000)).astype(np.float64)
    np.testing.assert_allclose(index.spread(query), (cosines.mean(), cosines.std()), atol=2e-5)
    np.testing.assert_allclose(index.mean(), rows[:20_000].mean(axis=0), atol=2e-5)


def test_empty_index_answers_emptily() -> None:
    index = VectorIndex(DIMENSION)
    index.put([], np.zeros((0, DIMENSION), dtype=np.float32))
    assert index.search(QUERY, 5)[0].tolist() == []
    assert (len(index), index.capacity, index.spread(QUERY)) == (0, 0, (0.0, 0.0))
    assert index.mean().tolist() == [0.0] * DIMENSION


def test_vectors_gives_copies_and_refuses_absent_slots() -> None:
    index = filled({4: 1, 2: 0})
    rows = index.vectors([2, 4, 2])
    assert np.array_equal(rows, POOL[[0, 1, 0]])
    rows[:] = 9
    assert np.array_equal(index.vectors([4]), POOL[[1]])
    for absent in (-1, 3, 99):
        with pytest.raises(KeyError, match=str(absent)):
            index.vectors([4, absent])
        with pytest.raises(KeyError):
            index.remove(absent)


@pytest.mark.parametrize(
    ("slots", "rows"),
    [
        ([1, 1], POOL[1:3]),
        ([-1], POOL[1:2]),
        ([1], POOL[1:3]),
        ([1], POOL[1:2, 1:]),
        ([1], POOL[1:2] * 2),
        ([1], np.full((1, DIMENSION), np.nan, dtype=np.float32)),
    ],
    ids=["repeated", "negative", "too many", "narrow", "not unit", "nan"],
)
def test_put_refuses_and_stores_nothing(slots: list[int], rows: Floats) -> None:
    index = filled({1: 4, 2: 5})
    with pytest.raises(ValueError, match=r"unit|distinct"):
        index.put(slots, rows)
    assert answers(index) == answers(filled({1: 4, 2: 5}))


@pytest.mark.parametrize("query", [QUERY[1:], QUERY * 3, np.full(DIMENSION, np.nan), QUERY[np.newaxis]])
def test_search_refuses_what_is_no_unit_vector(query: Floats) -> None:
    with pytest.raises(ValueError, match="query"):
        filled({1: 4}).search(query, 1)


def test_growth_one_by_one_loses_nothing() -> None:
    rows = directions(3000)
    index = VectorIndex(DIMENSION)
    for slot, row in enumerate(rows):
        index.put([slot], row[np.newaxis])
    assert np.array_equal(index.vectors(range(3000)), rows)


def test_save_writes_equal_bytes_for_equal_contents(tmp_path: Path) -> None:
    vectors = {0: 3, 5: 0, 9: 7}
    changed = filled({9: 1, 5: 2, 3: 3})
    changed.remove(3)
    changed.put(list(vectors), POOL[list(vectors.values())])
    for name, index in (("new", filled(vectors)), ("changed", changed)):
        (tmp_path / name).mkdir()
        index.save(tmp_path / name)
    written = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("new", "changed")
    ]
    assert written[0] == written[1]


@pytest.mark.parametrize("name", ["vectors.json", "vectors.npy", "states.npy", "moments.npy"])
@pytest.mark.parametrize("damage", ["absent", "empty", "other", "cut"])
def test_load_refuses_files_that_do_not_fit(name: str, damage: str, tmp_path: Path) -> None:
    filled({1: 4, 2: 5}).save(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    path.unlink()
    if damage != "absent":
        path.write_bytes({"empty": b"", "other": b"{}", "cut": content[:-5]}[damage])
    with pytest.raises(IndexRefused) as refused:
        VectorIndex.load(tmp_path)
    assert refused.value.code == "index_damaged"
    assert "jiebang index rebuild" in refused.value.remedy


class TestAboveTheExactLimit:
    """The same promises with a graph, whose finds are compared with the exact ones."""

    rows = directions(2000, 32, seed=2)
    queries = directions(20, 32, seed=3)

    def pair(self, folder: Path) -> tuple[VectorIndex, VectorIndex]:
        """An index with a graph, saved and loaded, and an exact one with the same vectors."""
        large, exact = VectorIndex(32, exact_limit=500), VectorIndex(32)
        for index in (large, exact):
            index.put(range(2000), self.rows)
        assert large.is_exact
        large.save(folder)
        return VectorIndex.load(folder), exact

    def test_search_finds_nearly_all_with_exact_cosines(self, tmp_path: Path) -> None:
        large, exact = self.pair(tmp_path)
        assert not large.is_exact
        hits = 0
        for query in self.queries:
            slots, cosines = large.search(query, 50)
            assert len(set(slots.tolist())) == 50
            assert cosines.tolist() == exact.cosines(query, slots).tolist()
            hits += len(set(slots.tolist()) & set(exact.search(query, 50)[0].tolist()))
        assert hits >= 0.98 * 50 * len(self.queries)

    def test_narrow_filters_are_exact(self, tmp_path: Path) -> None:
        large, exact = self.pair(tmp_path)
        narrow = np.zeros(2000, dtype=np.bool_)
        narrow[::100] = True
        for query in self.queries:
            found, expected = large.search(query, 30, narrow), exact.search(query, 30, narrow)
            assert [part.tolist() for part in found] == [part.tolist() for part in expected]

    def test_wide_filters_let_nothing_else_through(self, tmp_path: Path) -> None:
        large, exact = self.pair(tmp_path)
        wide = np.arange(2000) % 2 == 0
        for query in self.queries:
            slots = large.search(query, 50, wide)[0]
            assert np.all(slots % 2 == 0)
            assert len(set(slots.tolist()) & set(exact.search(query, 50, wide)[0].tolist())) >= 45

    def test_changes_after_the_graph_count_at_once(self, tmp_path: Path) -> None:
        large, _ = self.pair(tmp_path)
        query = self.queries[0]
        first = int(large.search(query, 1)[0][0])
        large.remove(first)
        assert first not in large.search(query, 200)[0]
        second = int(large.search(query, 1)[0][0])
        large.put([first, second, 2500], np.stack((-query, -query, query)))
        assert large.search(query, 1)[0].tolist() == [2500]
        assert second not in large.search(query, 200)[0]
        assert first not in large.search(query, 200)[0]
        assert large.search(-query, 2)[0].tolist() == sorted([first, second])

    def test_more_than_the_graph_can_give_is_exact(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        large, exact = self.pair(tmp_path)
        monkeypatch.setattr(NeighbourGraph, "search", lambda *_: np.arange(29))
        found, expected = large.search(self.queries[0], 30), exact.search(self.queries[0], 30)
        assert [part.tolist() for part in found] == [part.tolist() for part in expected]

    def test_saving_again_keeps_a_graph_that_is_nearly_current(self, tmp_path: Path) -> None:
        large, _ = self.pair(tmp_path)
        query = self.queries[0]
        large.put([2500], query[np.newaxis])
        large.remove(7)
        (tmp_path / "next").mkdir()
        large.save(tmp_path / "next")
        graph = (tmp_path / "graph.faiss").read_bytes()
        assert (tmp_path / "next" / "graph.faiss").read_bytes() == graph
        again = VectorIndex.load(tmp_path / "next")
        assert again.search(query, 1)[0].tolist() == [2500]
        assert 7 not in again.search(self.rows[7], 100)[0]

    @pytest.mark.parametrize("change", ["put", "remove", "replace"])
    def test_saving_again_renews_a_graph_that_is_out_of_date(self, change: str, tmp_path: Path) -> None:
        large, _ = self.pair(tmp_path)
        if change == "remove":
            for slot in range(300):
                large.remove(slot)
        else:
            start = 0 if change == "replace" else 3000
            large.put(range(start, start + 300), directions(300, 32, seed=8))
        (tmp_path / "next").mkdir()
        large.save(tmp_path / "next")
        slots = np.load(tmp_path / "next" / "graph_slots.npy")
        assert slots.tolist() == [slot for slot in range(3300) if slot in large]

    def test_graph_is_the_same_every_time(self, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            self.pair(tmp_path / name)
        one, two = ((tmp_path / name / "graph.faiss").read_bytes() for name in ("one", "two"))
        assert one == two

    def test_damaged_graph_is_refused(self, tmp_path: Path) -> None:
        self.pair(tmp_path)
        (tmp_path / "graph.faiss").write_bytes(b"no graph")
        with pytest.raises(IndexRefused) as refused:
            VectorIndex.load(tmp_path)
        assert refused.value.code == "index_damaged"


FORK = """
import os, pathlib, sys
import numpy as np
from embeddings.vector_index import VectorIndex
rows = np.eye(64, dtype=np.float32)[np.arange(5000) % 64]
index = VectorIndex(64, exact_limit=int(sys.argv[1]))
index.put(range(5000), rows)
index.save(pathlib.Path(sys.argv[2]))
def search():
    index.search(rows[0], 10)
    index.search(rows[0], 10, np.arange(5000) < 50)
search()
child = os.fork()
if child == 0:
    search()
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("exact_limit", [100, 10_000])
def test_search_still_works_in_a_fork(exact_limit: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, str(exact_limit), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"OMP_NUM_THREADS": "2"},
    )
    assert (done.stdout.strip(), done.stderr) == ("7", "")
