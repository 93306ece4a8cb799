"""Sums over vectors that have no history: adding and subtracting in any order gives the same bits."""

import math

import numpy as np
from numpy.typing import NDArray

# Components become integers of at most 4096, products of two at most 2^24.  float64 adds integers
# exactly below 2^53, in whatever order BLAS takes: safe for 2^29 vectors.
_SCALE = 4096.0
_BATCH = 8192


class Moments:
    """First and second moments of unit vectors, rounded to 1/4096 per component.

    Zero vectors (blank texts) are not counted.
    """

    def __init__(self, dimension: int, sums: NDArray[np.float64] | None = None) -> None:
        """Begin empty, or go on from ``sums`` as ``sums()`` returned them.

        Raises ``ValueError`` if they have another shape.
        """
        shape = (dimension + 2, dimension)
        self._sums = np.zeros(shape) if sums is None else sums
        if self._sums.shape != shape:
            raise ValueError(f"sums must have shape {shape}")

    def sums(self) -> NDArray[np.float64]:
        """Return everything there is: products, then sums, then the count in the last row."""
        return self._sums

    @property
    def count(self) -> int:
        """How many vectors that are not zero were added and not subtracted."""
        return int(self._sums[-1, 0])

    def add(self, rows: NDArray[np.float32]) -> None:
        """Count in the ``rows``; O(dimension²) for each."""
        self._change(rows, 1.0)

    def subtract(self, rows: NDArray[np.float32]) -> None:
        """Undo ``add`` of the same rows."""
        self._change(rows, -1.0)

    def mean(self) -> NDArray[np.float64]:
        """Return the mean vector; zero without vectors."""
        mean: NDArray[np.float64] = self._sums[-2] / (_SCALE * max(self.count, 1))
        return mean

    def spread(self, query: NDArray[np.float32]) -> tuple[float, float]:
        """Return mean and standard deviation of the inner product of ``query`` with them."""
        direction = query.astype(np.float64)
        mean = float(self.mean() @ direction)
        products = self._sums[:-2]
        square = float(direction @ products @ direction) / (_SCALE**2 * max(self.count, 1))
        return mean, math.sqrt(max(square - mean * mean, 0.0))

    def _change(self, rows: NDArray[np.float32], sign: float) -> None:
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            whole = np.rint(part.astype(np.float64) * _SCALE)
            self._sums[:-2] += sign * (whole.T @ whole)
            self._sums[-2] += sign * whole.sum(axis=0)
            self._sums[-1, 0] += sign * np.count_nonzero(part.any(axis=1))
