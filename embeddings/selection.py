"""The k best of many, with ties decided by the smaller slot."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", np.float32, np.float64)


def best(
    slots: NDArray[np.int64], values: NDArray[Value], k: int
) -> tuple[NDArray[np.int64], NDArray[Value]]:
    """Return the ``k`` greatest ``values`` with their ``slots``, greatest first.

    Both have the same length n; fewer than ``k`` come back if n is smaller.  Among equal values,
    at the cut too, the smaller slot wins: the answer is one, whatever the order of the input.
    Linear in n.  Raises ``ValueError`` if ``k`` is negative.
    """
    if k < 0:
        raise ValueError("k must not be negative")
    if k == 0:
        return slots[:0], values[:0]
    if k < len(values):
        # Keep everything equal to the k-th value: which of these stay is for the sort to say.
        kept = values >= np.partition(values, len(values) - k)[len(values) - k]
        slots, values = slots[kept], values[kept]
    order = np.lexsort((slots, -values))[:k]
    return slots[order], values[order]


def best_slots(values: NDArray[Value], k: int, above: float) -> tuple[NDArray[np.int64], NDArray[Value]]:
    """Return what ``best`` gives of the slots whose value is greater than ``above``; ``values`` are by slot.

    Only what may be among the best is copied, which of 100,000 is a tenth of the work.
    """
    if 0 < k < len(values):
        least = np.partition(values, len(values) - k)[len(values) - k]
        kept = np.flatnonzero(values >= least if least > above else values > above)
    else:
        kept = np.flatnonzero(values > above)
    return best(kept, values[kept], k)


def allowed_slots(allowed: NDArray[np.bool_] | None, capacity: int) -> NDArray[np.bool_] | None:
    """Return ``allowed`` cut or filled with False to ``capacity``; None stays None (all allowed).

    Raises ``ValueError`` if the mask is not one-dimensional and boolean.
    """
    if allowed is None:
        return None
    if allowed.ndim != 1 or allowed.dtype != np.bool_:
        raise ValueError("allowed must be a boolean mask by slot")
    fitted = np.zeros(capacity, dtype=np.bool_)
    size = min(capacity, len(allowed))
    fitted[:size] = allowed[:size]
    return fitted
