"""Approximate nearest neighbours for corpora too large to compare with one by one.

An HNSW graph (Malkov and Yashunin, 2016) of faiss over half-precision copies of the vectors.  It
is a snapshot: faiss cannot remove from it, and adding to a mapped one aborts the process, so
what changes afterwards is the business of ``VectorIndex``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.array_files import mapped
from embeddings.single_thread import single_threaded_faiss

_LINKS = 32
_BUILD_BREADTH = 100
_SEARCH_BREADTH = 512  # with 3 k: 96 to 98 % of the k nearest of 250,000 mixed e5 vectors
_ADD_BATCH = 16_384


class NeighbourGraph:
    """Finds rows near a query; ``slots[row]`` says whose vector a row is, -1 that it is stale."""

    def __init__(self, index: Any, slots: NDArray[np.int64]) -> None:
        """Use ``build`` or ``load``."""
        self._index = index
        self._slots = slots

    @property
    def slots(self) -> NDArray[np.int64]:
        """Slot by row; -1 where the vector has since been replaced or removed."""
        return self._slots

    @classmethod
    def build(
        cls, slots: NDArray[np.int64], rows: Callable[[NDArray[np.int64]], NDArray[np.float32]]
    ) -> "NeighbourGraph":
        """Build over ``slots``, whose unit vectors ``rows`` returns a batch at a time.

        About 1 ms a vector, on one thread (see ``single_threaded_faiss``).
        """
        with single_threaded_faiss() as faiss:
            quantizer = faiss.ScalarQuantizer.QT_fp16
            dimension = rows(slots[:1]).shape[1]
            index = faiss.IndexHNSWSQ(dimension, quantizer, _LINKS, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = _BUILD_BREADTH
            for start in range(0, len(slots), _ADD_BATCH):
                index.add(rows(slots[start : start + _ADD_BATCH]))
        return cls(index, slots.copy())

    def mark_stale(self, slots: NDArray[np.int64]) -> None:
        """Never return ``slots`` again: their vectors are not those of the graph any more."""
        self._slots[np.isin(self._slots, slots)] = -1

    def search(self, query: NDArray[np.float32], k: int, eligible: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return up to ``k`` slots near ``query`` among ``eligible`` (a mask by slot).

        Most of the true ``k`` nearest, not surely all; without order.
        """
        passing = (self._slots >= 0) & eligible[self._slots]
        share = float(passing.mean())
        if not share:
            return np.zeros(0, dtype=np.int64)
        bits = np.packbits(passing, bitorder="little")
        # Rows that do not pass are walked through but not kept: look further for as many.
        breadth = int(max(_SEARCH_BREADTH, 3 * k) / max(share, 0.125))
        with single_threaded_faiss() as faiss:
            selector = faiss.IDSelectorBitmap(len(passing), faiss.swig_ptr(bits))
            parameters = faiss.SearchParametersHNSW(efSearch=breadth, sel=selector)
            _, rows = self._index.search(query[np.newaxis], k, params=parameters)
        found: NDArray[np.int64] = self._slots[rows[rows >= 0]]
        return found

    def save(self, folder: Path) -> None:
        """Write ``graph.faiss`` and ``graph_slots.npy``."""
        with single_threaded_faiss() as faiss:
            faiss.write_index(self._index, str(folder / "graph.faiss"))
        np.save(folder / "graph_slots.npy", self._slots, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "NeighbourGraph":
        """Map what ``save`` wrote.  Raises ``ValueError`` if graph and slots do not fit."""
        try:
            with single_threaded_faiss() as faiss:
                index = faiss.read_index(str(folder / "graph.faiss"), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:  # what faiss raises for whatever it cannot read
            raise ValueError(str(error)) from error
        slots = mapped(folder / "graph_slots.npy")
        if index.ntotal != len(slots):
            raise ValueError("graph and slots do not belong together")
        return cls(index, slots)
