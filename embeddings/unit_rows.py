"""The guard around every model: only clean, capped text goes in, only unit or zero rows come out."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.refusal import IndexRefused
from embeddings.text import clean_text, truncate

# float32 models are normalised to about 1e-6; anything further off is not a normalised vector.
_UNIT_TOLERANCE = 1e-3


def unit_rows(
    texts: Sequence[str],
    dimension: int,
    max_characters: int,
    encode: Callable[[list[str]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Clean and cap ``texts``, encode those that are not blank, and check what comes back.

    ``encode`` sees clean, non-empty texts of at most ``max_characters`` code points.  Returns
    shape ``(len(texts), dimension)``; a blank text gives a zero row.  Raises ``TypeError`` if
    ``texts`` is itself a ``str`` or holds anything but ``str``, and ``IndexRefused`` with code
    ``encoder_output`` if the model returned another shape or a row that is not of unit length.
    """
    if isinstance(texts, str):
        raise TypeError("texts must be a sequence of str, not one str")
    capped = [truncate(clean_text(text), max_characters) for text in texts]
    filled = [position for position, text in enumerate(capped) if text]
    rows = np.zeros((len(capped), dimension), dtype=np.float32)
    if filled:
        encoded = encode([capped[position] for position in filled])
        if encoded.shape != (len(filled), dimension) or not _all_unit(encoded):
            raise IndexRefused(
                "encoder_output",
                f"编码器返回的向量不可用：应为 {len(filled)} 行 {dimension} 维的单位向量。",
                "请检查模型文件是否完整，必要时重新安装或更换编码器。",
            )
        rows[filled] = encoded
    return rows


def is_unit_or_zero(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return, row by row, whether a vector is finite and of length 1 (within 0.001) or all zero."""
    squared = np.einsum("ij,ij->i", rows, rows)  # NaN and infinity fail both comparisons
    sound: NDArray[np.bool_] = (np.abs(squared - 1.0) < 2 * _UNIT_TOLERANCE) | (squared == 0.0)
    return sound


def _all_unit(rows: NDArray[np.float32]) -> bool:
    return bool(np.all(is_unit_or_zero(rows)) and np.all(rows.any(axis=1)))
