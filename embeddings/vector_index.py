"""Unit vectors by slot: nearest neighbours, and exact moments of the cosine to all of them.

Up to ``exact_limit`` vectors a search compares with every one (faiss kernels over one mapped
matrix).  There are no ids beside the row numbers, so nothing can shift, repeat or come back as -1.
Above it, a saved index carries a ``NeighbourGraph``: its finds are compared exactly, and so is
every vector put since; a filter that leaves at most ``exact_limit`` is searched exactly as ever.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.array_files import grown, mapped, save_with_room
from embeddings.inner_products import with_first, with_rows
from embeddings.moments import Moments
from embeddings.neighbour_graph import NeighbourGraph
from embeddings.refusal import IndexRefused
from embeddings.selection import allowed_slots, best, best_slots
from embeddings.unit_rows import is_unit_or_zero

EXACT_LIMIT = 200_000  # about 15 ms a search on one core at 384 dimensions
_FORMAT = 1
_ABSENT, _BLANK, _FILLED = 0, 1, 2
_SCAN_SHARE = 0.6  # comparing with all in order is faster than with 60 % of them by number
_STALE_SHARE = 0.1
_NONE = float("-inf")

Slots = Sequence[int] | NDArray[np.int64]


class VectorIndex:
    """Vectors of one field of text by slot (an integer from 0, chosen by the caller).

    A vector has length 1, or is all zero for a blank text.  Arrays by slot have ``capacity``
    entries: the greatest slot ever put, plus one.  ``put`` and ``remove`` are O(1) in the corpus.
    Many threads may read at once; a writer needs the index for itself.
    """

    def __init__(self, dimension: int, *, exact_limit: int = EXACT_LIMIT) -> None:
        """Begin empty."""
        self._dimension = dimension
        self._exact_limit = exact_limit
        self._matrix = np.zeros((0, dimension), dtype=np.float32)
        self._states = np.zeros(0, dtype=np.uint8)
        self._capacity = 0
        self._moments = Moments(dimension)
        self._graph: NeighbourGraph | None = None

    def __len__(self) -> int:
        """Return how many vectors are stored, blank ones included."""
        return int(np.count_nonzero(self._states))

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._dimension

    @property
    def capacity(self) -> int:
        """Length of masks by slot."""
        return self._capacity

    @property
    def is_exact(self) -> bool:
        """Whether every search compares with every vector."""
        return self._graph is None

    def __contains__(self, slot: int) -> bool:
        """Return whether a vector is stored under ``slot``."""
        return 0 <= slot < self._capacity and bool(self._states[slot] != _ABSENT)

    def put(self, slots: Slots, vectors: NDArray[np.float32]) -> None:
        """Store ``vectors`` (shape ``(len(slots), dimension)``) in place of any others there.

        Raises ``ValueError`` for repeated or negative slots, another shape, and rows that are
        neither of length 1 (within 0.001) nor zero; then nothing was stored.
        """
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        if rows.shape != (len(slots), self._dimension) or not np.all(is_unit_or_zero(rows)):
            raise ValueError(f"one unit or zero row of {self._dimension} per slot")
        where = np.asarray(slots, dtype=np.int64)
        if not len(where):
            return
        if where.min() < 0 or len(np.unique(where)) != len(where):
            raise ValueError("slots must be distinct and not negative")
        self._ensure_capacity(int(where.max()) + 1)
        self._moments.subtract(self._matrix[where])  # zero where absent
        self._matrix[where] = rows
        self._moments.add(rows)
        self._states[where] = np.where(rows.any(axis=1), _FILLED, _BLANK)
        self._mark_stale(where)

    def remove(self, slot: int) -> None:
        """Forget the vector under ``slot``.  Raises ``KeyError`` if there is none."""
        if slot not in self:
            raise KeyError(slot)
        self._moments.subtract(self._matrix[slot : slot + 1])
        self._matrix[slot] = 0.0
        self._states[slot] = _ABSENT
        self._mark_stale(np.array([slot]))

    def vectors(self, slots: Slots) -> NDArray[np.float32]:
        """Return a copy of the vectors under ``slots``.  Raises ``KeyError`` if one is absent."""
        where = np.asarray(slots, dtype=np.int64)
        outside = (where < 0) | (where >= self._capacity)
        if np.any(outside) or np.any(self._states[where] == _ABSENT):
            raise KeyError([slot for slot in where.tolist() if slot not in self])
        return self._matrix[where]

    def cosines(self, query: NDArray[np.float32], slots: Slots) -> NDArray[np.float32]:
        """Return the cosine of ``query`` to each of ``slots``, with the bits ``search`` gives.

        0 for a blank or absent one.  Raises ``ValueError`` as ``search`` does.
        """
        where = np.asarray(slots, dtype=np.int64)
        known = (where >= 0) & (where < self._capacity)
        cosines = np.zeros(len(where), dtype=np.float32)
        cosines[known] = with_rows(self._checked(query), self._matrix, where[known])
        return cosines

    def search(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return slots and cosines of the ``k`` nearest to ``query``, the nearest first.

        ``allowed`` is a mask by slot; slots beyond its end are not allowed.  At most ``k`` come
        back, each once, fewer only if fewer are stored and allowed.  Blank ones come last, to
        fill up.  Ties, at the cut too, go to the smaller slot.  A zero query finds nothing.
        Raises ``ValueError`` for a query of another shape, length or with a NaN.
        """
        return self.search_many([query], [k], [allowed])[0]

    def search_many(
        self,
        queries: Sequence[NDArray[np.float32]],
        numbers: Sequence[int],
        allowed: Sequence[NDArray[np.bool_] | None],
    ) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Return for each query, number and mask what ``search`` would, bit for bit.

        Those that have to be compared with most vectors are in one pass over memory.
        """
        vectors = [self._checked(query) for query in queries]
        masks = [self._states_among(mask) for mask in allowed]
        scanned = self._scanned(vectors, masks)
        found = []
        for number, (vector, k, states) in enumerate(zip(vectors, numbers, masks, strict=True)):
            if not vector.any():
                found.append((np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)))
                continue
            filled = states == _FILLED
            if number in scanned:
                slots, cosines = best_slots(np.where(filled, scanned[number], np.float32(_NONE)), k, _NONE)
            else:
                slots, cosines = best(*self._candidates(vector, k, filled), k)
            blank = np.flatnonzero(states == _BLANK)[: k - len(slots)] if len(slots) < k else slots[:0]
            found.append((np.concatenate((slots, blank)), grown(cosines, len(slots) + len(blank))))
        return found

    def mean(self) -> NDArray[np.float64]:
        """Return the mean of all vectors that are not blank, shape ``(dimension,)``; 0 if none."""
        return self._moments.mean()

    def spread(self, query: NDArray[np.float32]) -> tuple[float, float]:
        """Return mean and standard deviation of the cosine of ``query`` to all not blank ones.

        O(dimension²), whatever the size of the corpus; (0, 0) if there are none.  Exact for
        vectors rounded to 1/4096 per component, that is within 0.0002 of the cosines themselves.
        """
        return self._moments.spread(self._checked(query))

    def save(self, folder: Path) -> None:
        """Write the index into ``folder``, which must exist; equal contents give equal bytes.

        Above ``exact_limit`` this builds the graph (minutes) if there is none or a tenth of it
        is out of date.
        """
        self._renew_graph()
        used = self._capacity
        save_with_room(folder / "vectors.npy", self._matrix[:used], used // 8 + 1024)
        np.save(folder / "states.npy", self._states[:used], allow_pickle=False)
        np.save(folder / "moments.npy", self._moments.sums(), allow_pickle=False)
        if self._graph:
            self._graph.save(folder)
        parameters = {"format": _FORMAT, "dimension": self._dimension}
        parameters |= {"exact_limit": self._exact_limit, "graph": self._graph is not None}
        (folder / "vectors.json").write_text(json.dumps(parameters), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "VectorIndex":
        """Map what ``save`` wrote; later changes stay in memory.

        Raises ``IndexRefused`` with code ``index_damaged`` if the files do not fit together.
        """
        try:
            return cls._load(folder)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise IndexRefused(
                "index_damaged",
                f"向量索引“{folder.name}”无法载入（{error}）。",
                "请运行 jiebang index rebuild 重建索引。",
            ) from error

    @classmethod
    def _load(cls, folder: Path) -> "VectorIndex":
        parameters = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
        if parameters["format"] != _FORMAT:
            raise ValueError(f"format {parameters['format']} is not {_FORMAT}")
        index = cls(parameters["dimension"], exact_limit=parameters["exact_limit"])
        index._matrix = mapped(folder / "vectors.npy")
        states = np.load(folder / "states.npy", allow_pickle=False)
        index._capacity = len(states)
        index._states = grown(states, len(index._matrix))
        sums = np.load(folder / "moments.npy", allow_pickle=False)
        index._moments = Moments(index._dimension, sums)
        if index._matrix.shape[1:] != (index._dimension,):
            raise ValueError(f"vectors have shape {index._matrix.shape}")
        if index._moments.count != np.count_nonzero(states == _FILLED):
            raise ValueError("vectors and moments do not belong together")
        if parameters["graph"]:
            index._graph = NeighbourGraph.load(folder)
        return index

    def _states_among(self, allowed: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
        mask = allowed_slots(allowed, self._capacity)
        states = self._states[: self._capacity]
        return states if mask is None else states * mask

    def _scanned(
        self, vectors: Sequence[NDArray[np.float32]], masks: Sequence[NDArray[np.uint8]]
    ) -> dict[int, NDArray[np.float32]]:
        """Cosines to all slots, of those queries that have to be compared with most of them."""
        counts = [np.count_nonzero(states == _FILLED) for states in masks]
        most = [
            number
            for number, count in enumerate(counts)
            if vectors[number].any()
            and count > _SCAN_SHARE * self._capacity
            and not (self._graph and count > self._exact_limit)
        ]
        products = with_first([vectors[number] for number in most], self._matrix, self._capacity)
        return dict(zip(most, products, strict=True))

    def _candidates(
        self, query: NDArray[np.float32], k: int, filled: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return slots and cosines among which the ``k`` best of ``filled`` are, without looking at most of them."""
        slots = np.flatnonzero(filled)
        if self._graph and len(slots) > self._exact_limit:
            near = self._graph.search(query, k, filled)
            fresh = filled.copy()
            fresh[self._graph.slots[self._graph.slots >= 0]] = False
            found = np.concatenate((near, np.flatnonzero(fresh)))
            if len(found) >= k:
                return found, with_rows(query, self._matrix, found)
        return slots, with_rows(query, self._matrix, slots)

    def _checked(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        vector = np.ascontiguousarray(query, dtype=np.float32)
        if vector.shape != (self._dimension,) or not is_unit_or_zero(vector[np.newaxis])[0]:
            raise ValueError(f"a query is one unit or zero vector of {self._dimension}")
        return vector

    def _ensure_capacity(self, capacity: int) -> None:
        if capacity > len(self._matrix):
            size = max(capacity, 2 * len(self._matrix))
            self._matrix, self._states = grown(self._matrix, size), grown(self._states, size)
        self._capacity = max(self._capacity, capacity)

    def _mark_stale(self, slots: NDArray[np.int64]) -> None:
        if self._graph:
            self._graph.mark_stale(slots)

    def _renew_graph(self) -> None:
        filled = np.flatnonzero(self._states[: self._capacity] == _FILLED)
        if len(filled) <= self._exact_limit:
            self._graph = None
            return
        if self._graph:
            current = np.count_nonzero(self._graph.slots >= 0)
            changed = len(self._graph.slots) + len(filled) - 2 * current  # stale and new
            if changed <= _STALE_SHARE * len(filled):
                return
        self._graph = NeighbourGraph.build(filled, lambda slots: self._matrix[slots])
