"""Vectors of texts that were asked a moment ago, in memory: a question put again is not encoded again."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from embeddings.vector_cache import Side

AskedText = tuple[Side, str]
Vector = NDArray[np.float32]


class RecentVectors:
    """The last ``most`` vectors by side and text, the least recently used forgotten first. Threads may share it.

    Unlike ``VectorCache`` it leaves nothing on the disk: what people ask is nobody's record.
    """

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._vectors: OrderedDict[AskedText, Vector] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, texts: Iterable[AskedText]) -> dict[AskedText, Vector]:
        """The vectors of those texts that are remembered."""
        with self._lock:
            found = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in found:
                self._vectors.move_to_end(text)
        return found

    def put(self, vectors: Mapping[AskedText, Vector]) -> None:
        """Remember vectors; they must not be written to afterwards."""
        with self._lock:
            for text, vector in vectors.items():
                self._vectors[text] = vector
                self._vectors.move_to_end(text)
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
