"""Expected failures as values: a code, a place, a Chinese message and a remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with what was handed in, said so that a clerk can mend it.

    ``code`` is stable English for programs; ``message`` and ``remedy`` are Chinese for people.
    ``sheet``, ``row`` (from 1, as a spreadsheet counts) and ``column`` say where, as far as known.
    """

    code: str
    message: str
    remedy: str
    severity: Severity = "error"
    sheet: str | None = None
    row: int | None = None
    column: str | None = None

    @property
    def place(self) -> str:
        """The place in Chinese, e.g. ``工作表“场景”第 17 行“统一社会信用代码”列``; empty if unknown."""
        sheet = f"工作表“{self.sheet}”" if self.sheet else ""
        row = f"第 {self.row} 行" if self.row is not None else ""
        column = f"“{self.column}”列" if self.column else ""
        return sheet + row + column


class BadValue(ValueError):
    """A single value that breaks its own rule; a ``ValueError`` so that pydantic carries it."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy


class Refused(Exception):
    """An operation that could not be done at all (locked store, newer schema, unreadable file).

    ``problems``: where several things stand in the way, each with its own remedy; message and remedy name them all.
    """

    def __init__(self, code: str, message: str, remedy: str, *, problems: Sequence[Problem] = ()) -> None:
        super().__init__(f"{message}{remedy}")
        self.code = code
        self.message = message
        self.remedy = remedy
        self.problems = tuple(problems)
