"""Which addresses are pages for people, and which are answered to programs."""

from collections.abc import Iterable


class Pages:
    """The paths whose first part is one of the workbench's."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._first = frozenset(path.split("/")[1] for path in paths)

    def has(self, path: str) -> bool:
        """Whether a path is a page's."""
        return path.startswith("/") and path.split("/", 2)[1] in self._first
