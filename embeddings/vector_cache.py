"""Vectors by content, so that a text is encoded once and an interrupted build goes on where it was.

One SQLite file beside the indexes.  It holds nothing that cannot be encoded again: it may be
deleted at any time.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from embeddings.refusal import IndexRefused
from embeddings.text import clean_text
from embeddings.unit_rows import is_unit_or_zero

Side = Literal["query", "document"]
Progress = Callable[[int, int], None]

_ENCODE_BATCH = 32  # the unit of work lost at a kill: about a second of titles on one core
_READ_BATCH = 500  # below the 999 parameters that every SQLite allows
_BUSY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS encoder (
    id INTEGER PRIMARY KEY, identity TEXT NOT NULL, side TEXT NOT NULL, UNIQUE (identity, side));
CREATE TABLE IF NOT EXISTS vector (
    encoder INTEGER NOT NULL, digest BLOB NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (encoder, digest));
"""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class VectorCache:
    """Encodes through a file of what was encoded before.

    The key is (encoder identity, side, BLAKE2b of the clean text); the value is the vector.  Safe
    to use from several threads and processes at once: every call opens its own connection.
    """

    def __init__(self, path: Path) -> None:
        """Use the file ``path``, made at the first ``encode``; its folder must exist."""
        self._path = path

    def encode(
        self,
        encoder: Encoder,
        side: Side,
        texts: Sequence[str],
        progress: Progress | None = None,
    ) -> NDArray[np.float32]:
        """Return ``encoder``'s vectors of ``texts``, shape ``(len(texts), encoder.dimension)``.

        Only texts not yet in the file are encoded, each distinct clean text once, in batches
        that are committed one by one: after a kill the next call goes on from there.
        ``progress(done, total)`` is called first with what the file held and then after each
        batch; both count distinct texts.  A damaged file is set aside (``.damaged-1``, …) and a
        new one begun; a damaged vector is encoded again.

        Raises ``IndexRefused`` with code ``cache_disk_full``, ``cache_locked`` or
        ``cache_unusable``, and whatever the encoder refuses.
        """
        by_digest = {_digest(clean): clean for clean in map(clean_text, texts)}
        try:
            vectors = self._encode(encoder, side, by_digest, progress)
        except sqlite3.DatabaseError as error:
            if _primary_code(error) not in _DAMAGED:
                raise self._refusal(error) from error
            self._set_aside()
            vectors = self._encode(encoder, side, by_digest, progress)
        position = {digest: row for row, digest in enumerate(by_digest)}
        return vectors[[position[_digest(clean_text(text))] for text in texts]]

    def _encode(
        self,
        encoder: Encoder,
        side: Side,
        by_digest: dict[bytes, str],
        progress: Progress | None,
    ) -> NDArray[np.float32]:
        digests = list(by_digest)
        vectors = np.zeros((len(digests), encoder.dimension), dtype=np.float32)
        encode = encoder.encode_queries if side == "query" else encoder.encode_documents
        with self._connection() as connection:
            key = _encoder_key(connection, encoder.identity, side)
            found = _read(connection, key, digests, vectors)
            missing = np.flatnonzero(~found)
            done = len(digests) - len(missing)
            if progress:
                progress(done, len(digests))
            for start in range(0, len(missing), _ENCODE_BATCH):
                batch = missing[start : start + _ENCODE_BATCH]
                vectors[batch] = encode([by_digest[digests[row]] for row in batch])
                rows = ((key, digests[row], vectors[row].tobytes()) for row in batch)
                with connection:
                    connection.executemany("REPLACE INTO vector VALUES (?, ?, ?)", rows)
                done += len(batch)
                if progress:
                    progress(done, len(digests))
        return vectors

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as connection:
            # WAL lets readers and one writer work side by side; NORMAL loses at most the last
            # batches at a power cut, never the file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            yield connection

    def _set_aside(self) -> None:
        number = 1
        while (aside := _suffixed(self._path, f".damaged-{number}")).exists():
            number += 1
        # The log files belong to the damaged file: left behind, they would damage the new one.
        for suffix in ("-wal", "-shm"):
            _suffixed(self._path, suffix).unlink(missing_ok=True)
        if self._path.exists():  # another process may have set it aside just now
            self._path.replace(aside)

    def _refusal(self, error: sqlite3.DatabaseError) -> IndexRefused:
        code = _primary_code(error)
        if code == sqlite3.SQLITE_FULL:
            return IndexRefused(
                "cache_disk_full",
                f"磁盘已满，无法写入向量缓存“{self._path.name}”。",
                "请清理磁盘空间后重试；已完成的部分不会丢失。",
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return IndexRefused(
                "cache_locked",
                f"向量缓存“{self._path.name}”被其他程序占用超过 {_BUSY_SECONDS:.0f} 秒。",
                "请等待其他导入或重建结束后重试。",
            )
        return IndexRefused(
            "cache_unusable",
            f"向量缓存“{self._path}”无法读写（{error}）。",
            "请检查所在文件夹是否存在、是否可写；该文件可以删除，程序会重新生成。",
        )


def _digest(clean: str) -> bytes:
    return hashlib.blake2b(clean.encode(), digest_size=20).digest()


def _encoder_key(connection: sqlite3.Connection, identity: str, side: Side) -> int:
    query = "SELECT id FROM encoder WHERE identity = ? AND side = ?"
    row = connection.execute(query, (identity, side)).fetchone()
    if row is None:
        with connection:
            insert = "INSERT OR IGNORE INTO encoder (identity, side) VALUES (?, ?)"
            connection.execute(insert, (identity, side))
        row = connection.execute(query, (identity, side)).fetchone()
    return int(row[0])


def _read(
    connection: sqlite3.Connection, key: int, digests: list[bytes], vectors: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Fill the rows of ``vectors`` that the file holds undamaged; return which those are."""
    found = np.zeros(len(digests), dtype=np.bool_)
    size = vectors.shape[1] * vectors.itemsize
    for start in range(0, len(digests), _READ_BATCH):
        part = digests[start : start + _READ_BATCH]
        marks = ",".join("?" * len(part))
        query = f"SELECT digest, vector FROM vector WHERE encoder = ? AND digest IN ({marks})"
        stored = dict(connection.execute(query, (key, *part)))
        for row, digest in enumerate(part, start):
            blob = stored.get(digest, b"")
            if len(blob) == size:
                vectors[row] = np.frombuffer(blob, dtype="<f4")
                found[row] = True
    return found & is_unit_or_zero(vectors)


def _primary_code(error: sqlite3.DatabaseError) -> int:
    """Return SQLite's primary result code (the low byte of the extended one), 0 if unknown."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _suffixed(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
