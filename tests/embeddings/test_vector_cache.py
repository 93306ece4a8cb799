import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from embeddings.refusal import IndexRefused
from embeddings.vector_cache import VectorCache

TEXTS = [f"第 {number} 项技术" for number in range(100)]


class Recording:
    """Passes on to another encoder, remembers what was asked, and can fail after some batches."""

    def __init__(self, encoder: Encoder, *, identity: str = "", batches: int = 1000) -> None:
        self._encoder = encoder
        self._left = batches
        self.identity = identity or encoder.identity
        self.dimension = encoder.dimension
        self.asked: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._ask(texts, self._encoder.encode_queries(texts))

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._ask(texts, self._encoder.encode_documents(texts))

    def _ask(self, texts: Sequence[str], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        self.asked += texts
        return rows


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "vectors.sqlite")


def test_encode_gives_what_the_encoder_gives(cache: VectorCache, tiny_encoder: Encoder) -> None:
    texts = [*TEXTS, "", "第\u30001\u200b 项技术"]
    for _ in range(2):
        assert np.array_equal(cache.encode(tiny_encoder, "query", texts), tiny_encoder.encode_queries(texts))
        assert np.array_equal(
            cache.encode(tiny_encoder, "document", texts), tiny_encoder.encode_documents(texts)
        )
    assert cache.encode(tiny_encoder, "query", []).shape == (0, tiny_encoder.dimension)


def test_encode_asks_for_each_distinct_clean_text_once(cache: VectorCache, tiny_encoder: Encoder) -> None:
    encoder = Recording(tiny_encoder)
    cache.encode(encoder, "document", ["污泥", "石墨烯", "污泥", "石\u200b墨烯 "])
    cache.encode(encoder, "document", ["污泥", "机器人"])
    assert encoder.asked == ["污泥", "石墨烯", "机器人"]


def test_encode_keeps_sides_and_encoders_apart(cache: VectorCache, tiny_encoder: Encoder) -> None:
    first, second = Recording(tiny_encoder), Recording(tiny_encoder, identity="tiny/2")
    cache.encode(first, "document", ["污泥"])
    cache.encode(first, "query", ["污泥"])
    cache.encode(second, "document", ["污泥"])
    assert (first.asked, second.asked) == (["污泥", "污泥"], ["污泥"])


def test_encode_goes_on_where_it_was_interrupted(cache: VectorCache, tiny_encoder: Encoder) -> None:
    interrupted = Recording(tiny_encoder, batches=2)
    with pytest.raises(KeyboardInterrupt):
        cache.encode(interrupted, "document", TEXTS)
    resumed = Recording(tiny_encoder)
    cache.encode(resumed, "document", TEXTS)
    assert interrupted.asked + resumed.asked == TEXTS
    assert len(interrupted.asked) == 64


def test_progress_counts_distinct_texts(cache: VectorCache, tiny_encoder: Encoder) -> None:
    seen: list[tuple[int, int]] = []
    cache.encode(tiny_encoder, "document", TEXTS[:10])
    cache.encode(tiny_encoder, "document", TEXTS + TEXTS, lambda *done: seen.append(done))
    assert seen == [(10, 100), (42, 100), (74, 100), (100, 100)]


@pytest.mark.parametrize("damage", ["no database", "torn pages"])
def test_damaged_file_is_set_aside_and_rebuilt(damage: str, tmp_path: Path, tiny_encoder: Encoder) -> None:
    path = tmp_path / "vectors.sqlite"
    cache = VectorCache(path)
    cache.encode(tiny_encoder, "document", TEXTS)
    content = bytearray(path.read_bytes())
    if damage == "torn pages":
        content[4096:] = b"\xff" * (len(content) - 4096)
    else:
        content[:100] = b"x" * 100
    path.write_bytes(content)

    for _ in range(2):
        rows = cache.encode(tiny_encoder, "document", TEXTS)
        assert np.array_equal(rows, tiny_encoder.encode_documents(TEXTS))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vectors.sqlite", "vectors.sqlite.damaged-1"]
    assert (tmp_path / "vectors.sqlite.damaged-1").read_bytes() == bytes(content)


def test_log_of_a_damaged_file_does_not_reach_the_new_one(tmp_path: Path, tiny_encoder: Encoder) -> None:
    path, log = tmp_path / "vectors.sqlite", tmp_path / "vectors.sqlite-wal"
    cache = VectorCache(path)
    open_elsewhere = sqlite3.connect(path)  # while it is open, the log is kept
    cache.encode(tiny_encoder, "document", TEXTS)
    open_elsewhere.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cache.encode(tiny_encoder, "document", ["污泥"])
    left = log.read_bytes()
    open_elsewhere.close()
    path.write_bytes(b"x" * 9000)
    log.write_bytes(left)
    for texts in (TEXTS, ["污泥", "石墨烯"]):
        rows = cache.encode(tiny_encoder, "document", texts)
        assert np.array_equal(rows, tiny_encoder.encode_documents(texts))


def test_damaged_vectors_are_encoded_again(tmp_path: Path, tiny_encoder: Encoder) -> None:
    path = tmp_path / "vectors.sqlite"
    cache = VectorCache(path)
    cache.encode(tiny_encoder, "document", ["污泥", "石墨烯", "机器人"])
    with sqlite3.connect(path) as connection:
        not_a_number = np.full(tiny_encoder.dimension, np.nan, dtype=np.float32).tobytes()
        connection.execute("UPDATE vector SET vector = ? WHERE rowid = 1", (b"short",))
        connection.execute("UPDATE vector SET vector = ? WHERE rowid = 2", (not_a_number,))
    connection.close()
    encoder = Recording(tiny_encoder)
    rows = cache.encode(encoder, "document", ["污泥", "石墨烯", "机器人"])
    assert encoder.asked == ["污泥", "石墨烯"]
    assert np.array_equal(rows, tiny_encoder.encode_documents(["污泥", "石墨烯", "机器人"]))


def test_full_disk_is_refused_and_keeps_what_was_done(
    cache: VectorCache, tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.encode(tiny_encoder, "document", TEXTS[:50])
    connect = sqlite3.connect

    def connect_to_full_disk(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*arguments, **options)  # type: ignore[call-overload]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite then answers "full"
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect_to_full_disk)
    with pytest.raises(IndexRefused) as refused:
        cache.encode(tiny_encoder, "document", TEXTS)
    assert refused.value.code == "cache_disk_full"
    monkeypatch.undo()
    encoder = Recording(tiny_encoder)
    cache.encode(encoder, "document", TEXTS)
    assert encoder.asked == TEXTS[-len(encoder.asked) :]
    assert 0 < len(encoder.asked) <= 50


def test_locked_file_is_refused(
    tmp_path: Path, tiny_encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = VectorCache(tmp_path / "vectors.sqlite")
    cache.encode(tiny_encoder, "document", TEXTS[:1])
    monkeypatch.setattr("embeddings.vector_cache._BUSY_SECONDS", 0.05)
    other = sqlite3.connect(tmp_path / "vectors.sqlite")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(IndexRefused) as refused:
        cache.encode(tiny_encoder, "document", TEXTS)
    other.close()
    assert refused.value.code == "cache_locked"


def test_missing_folder_is_refused(tmp_path: Path, tiny_encoder: Encoder) -> None:
    with pytest.raises(IndexRefused) as refused:
        VectorCache(tmp_path / "absent" / "vectors.sqlite").encode(tiny_encoder, "query", ["污泥"])
    assert refused.value.code == "cache_unusable"


WORKER = """
import sys
from pathlib import Path
import numpy as np
from embeddings.vector_cache import VectorCache

class Ones:
    identity, dimension = "ones", 4
    def encode_queries(self, texts):
        return np.tile(np.float32([1, 0, 0, 0]), (len(texts), 1))
    encode_documents = encode_queries

texts = [f"text {number}" for number in range(int(sys.argv[2]), int(sys.argv[2]) + 400)]
rows = VectorCache(Path(sys.argv[1])).encode(Ones(), "query", texts)
assert rows.tolist() == [[1, 0, 0, 0]] * 400
"""


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "vectors.sqlite"
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(path), str(start)])
        for start in (0, 100, 200, 300)
    ]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0, 0]
    with sqlite3.connect(path) as connection:
        counts = connection.execute("SELECT count(*), count(DISTINCT digest) FROM vector").fetchone()
    connection.close()
    assert counts == (700, 700)
