"""As few of some conflicting things as still conflict (deletion filter: Chinneck and Dravnieks, ORSA J. Comput. 3, 1991)."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
# So often a smaller set is tried; what is left then conflicts all the same, but may not be the smallest.
_TRIES = 600


def fewest(items: Sequence[T], conflicting: Callable[[Sequence[T]], bool]) -> list[T]:
    """Of items in conflict as few as still are: whatever can be left out is, in halves, quarters … and one by one.

    What stands first is left out first. ``conflicting`` says of any of them whether they still conflict.
    """
    kept, size, tries = list(items), max(len(items) // 2, 1), 0
    while size:
        at = 0
        while at < len(kept) and tries < _TRIES:
            rest = kept[:at] + kept[at + size :]
            tries += 1
            if conflicting(rest):
                kept = rest
            else:
                at += size
        size //= 2
    return kept
