"""Arrays that grow in memory and files that are mapped instead of read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def grown(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Return a copy of ``array`` with its first axis filled up with zeros to ``size``."""
    larger = np.zeros((size, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def save_with_room(path: Path, array: NDArray[Any], room: int) -> None:
    """Write ``array`` as .npy with ``room`` zero rows after it that take no space on disk."""
    shape = (len(array) + room, *array.shape[1:])
    file = np.lib.format.open_memmap(path, mode="w+", dtype=array.dtype, shape=shape)
    file[: len(array)] = array
    file.flush()


def mapped(path: Path) -> NDArray[Any]:
    """Map a .npy file; changes stay in memory.  A plain array: slicing a memmap is slow."""
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
