"""Rows of different lengths in one flat array: the storage under the lexical index.

A row is a set of (key, count) pairs of 32-bit integers.  Appending is amortised O(1): a row that
is full moves to the end of the arena with half more room, an arena that is full is copied into a
larger one.  Saved compactly and loaded by mapping the file, so that loading costs nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.array_files import grown, mapped, save_with_room

Integers = NDArray[np.int64]


class RaggedRows:
    """Append, remove and gather (key, count) pairs by row number, from 0."""

    def __init__(self) -> None:
        """Begin without rows."""
        self._keys = np.zeros(0, dtype=np.int32)
        self._counts = np.zeros(0, dtype=np.int32)
        self._used = 0
        self._starts = np.zeros(0, dtype=np.int64)
        self._lengths = np.zeros(0, dtype=np.int64)
        self._room = np.zeros(0, dtype=np.int64)

    @classmethod
    def of(cls, keys: NDArray[np.int32], counts: NDArray[np.int32], lengths: Integers) -> "RaggedRows":
        """Return rows that stand one after the other in these arrays, without room to grow."""
        return cls._over(keys, counts, lengths, lengths.copy())

    @classmethod
    def _over(
        cls,
        keys: NDArray[np.int32],
        counts: NDArray[np.int32],
        lengths: Integers,
        room: Integers,
    ) -> "RaggedRows":
        rows = cls()
        rows._keys, rows._counts, rows._lengths, rows._room = keys, counts, lengths, room
        rows._starts = np.cumsum(room) - room
        rows._used = int(room.sum())
        if not len(keys) == len(counts) >= rows._used or np.any(lengths > room):
            raise ValueError("keys, counts and lengths do not belong together")
        return rows

    def __len__(self) -> int:
        """Return how many rows were made."""
        return len(self._lengths)

    def ensure_rows(self, number: int) -> None:
        """Make at least ``number`` rows exist; new ones are empty."""
        if number > len(self._starts):
            size = max(number, len(self._starts) * 2, 64)
            self._starts, self._lengths, self._room = (
                grown(array, size) for array in (self._starts, self._lengths, self._room)
            )

    def length(self, row: int) -> int:
        """Return how many pairs ``row`` has; 0 for a row never made."""
        return int(self._lengths[row]) if row < len(self._lengths) else 0

    def lengths(self, rows: NDArray[np.integer[Any]]) -> Integers:
        """Return how many pairs each of ``rows`` has."""
        lengths: Integers = self._lengths[rows]
        return lengths

    def row(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return keys and counts of ``row`` as views, in order of appending."""
        part = slice(int(self._starts[row]), int(self._starts[row] + self._lengths[row]))
        return self._keys[part], self._counts[part]

    def gather(self, rows: Sequence[int] | Integers) -> tuple[NDArray[np.int32], NDArray[np.int32], Integers]:
        """Return keys and counts of all ``rows`` one after the other, and the rows' lengths.

        A row never made is empty.  Raises ``ValueError`` for a negative row.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        if len(wanted) and wanted.min() < 0:
            raise ValueError("rows must not be negative")
        lengths = np.zeros(len(wanted), dtype=np.int64)
        made = wanted < len(self._lengths)
        lengths[made] = self._lengths[wanted[made]]
        parts = [self.row(row) for row in wanted[lengths > 0].tolist()]
        keys = np.concatenate([part[0] for part in parts]) if parts else self._keys[:0]
        counts = np.concatenate([part[1] for part in parts]) if parts else self._counts[:0]
        return keys, counts, lengths

    def append(
        self, rows: Integers, keys: NDArray[np.integer[Any]], counts: NDArray[np.integer[Any]]
    ) -> None:
        """Append one pair per entry to its row; equal rows must stand together."""
        if not len(rows):
            return
        firsts = np.flatnonzero(np.concatenate(([True], rows[1:] != rows[:-1])))
        touched, added = rows[firsts], np.diff(firsts, append=len(rows))
        self._make_room(touched, self._lengths[touched] + added)
        places = spans(self._starts[touched] + self._lengths[touched], added)
        self._keys[places] = keys
        self._counts[places] = counts
        self._lengths[touched] += added

    def remove(self, row: int, key: int) -> None:
        """Remove the pair of ``key`` from ``row``, where it must be; O(length of the row)."""
        keys, counts = self.row(row)
        place = int(np.flatnonzero(keys == key)[0])
        keys[place], counts[place] = keys[-1], counts[-1]
        self._lengths[row] -= 1

    def clear(self, row: int) -> None:
        """Remove all pairs from ``row``; its room is kept for the next."""
        self._lengths[row] = 0

    def save(self, folder: Path, name: str, *, spare: bool) -> None:
        """Write ``{name}_keys``, ``{name}_counts`` and ``{name}_rows.npy`` (length and room).

        With ``spare`` every row gets room for an eighth more; the arena always gets that at its
        end, as a hole in the file.  So the first appends after loading do not copy the arena.
        """
        room = self._lengths + (self._lengths // 8 + 1 if spare else 0)
        used = int(room.sum())
        keys, counts, _ = self._laid_out(room, used)
        for part, arena in (("keys", keys), ("counts", counts)):
            save_with_room(folder / f"{name}_{part}.npy", arena, used // 8 + 4096)
        rows = np.stack((self._lengths, room))
        np.save(folder / f"{name}_rows.npy", rows, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str) -> "RaggedRows":
        """Map what ``save`` wrote; changes stay in memory.  Raises ``ValueError`` if damaged."""
        keys, counts = (mapped(folder / f"{name}_{part}.npy") for part in ("keys", "counts"))
        lengths, room = np.load(folder / f"{name}_rows.npy", allow_pickle=False)
        return cls._over(keys, counts, lengths.copy(), room.copy())

    def _make_room(self, rows: Integers, needed: Integers) -> None:
        """Give each of the distinct ``rows`` room for ``needed`` pairs, moving those without."""
        full = needed > self._room[rows]
        rows, needed = rows[full], needed[full]
        lengths = self._lengths[rows]
        # A row's first pairs get just what they need: most rows of a bulk load never grow.
        room = np.where(lengths == 0, needed, needed + needed // 2 + 1)
        total = int(room.sum())
        if self._used + total > len(self._keys):
            self._copy_to_larger_arena(total)
        starts = self._used + np.cumsum(room) - room
        source, target = spans(self._starts[rows], lengths), spans(starts, lengths)
        self._keys[target] = self._keys[source]
        self._counts[target] = self._counts[source]
        self._starts[rows], self._room[rows] = starts, room
        self._used += total

    def _copy_to_larger_arena(self, extra: int) -> None:
        """Copy every row, with its room, into an arena with space for ``extra`` and half more."""
        used = int(self._room.sum())
        size = (used + extra) * 3 // 2 + 1024
        self._keys, self._counts, self._starts = self._laid_out(self._room, size)
        self._used = used

    def _laid_out(self, room: Integers, size: int) -> tuple[NDArray[np.int32], NDArray[np.int32], Integers]:
        """Return keys, counts (length ``size``) and starts with every row in its ``room``."""
        starts = np.cumsum(room) - room
        source, target = spans(self._starts, self._lengths), spans(starts, self._lengths)
        keys, counts = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.int32)
        keys[target], counts[target] = self._keys[source], self._counts[source]
        return keys, counts, starts


def spans(starts: Integers, lengths: Integers) -> Integers:
    """Return ``starts[i], starts[i] + 1, …`` (``lengths[i]`` of them) for all i, one array."""
    before = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    return np.repeat(starts - before, lengths) + np.arange(total, dtype=np.int64)
