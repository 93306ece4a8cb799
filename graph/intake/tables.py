"""What a reader hands on: raw cells with their places, before anything is known about their meaning."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from graph.problems import Problem

# Excel keeps 15 significant digits; from here on a number has lost its tail before it reaches us.
EXACT_BELOW = 1e15
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+?(?:1[1-9]|[2-9]\d)")
# Exports put an apostrophe before these, so that no program takes the text for a formula; see ``writing``.
GUARDED = frozenset("=+-@'")
_ERROR_VALUES = frozenset(
    {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"}
)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Absent(Enum):
    """The mark of a cell that is not there at all (missing JSON key, short csv row); blank is ``None``."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCell:
    """A cell whose value could not be had: what was shown, and why, as ``BadValue`` would say it."""

    shown: str
    code: str
    message: str
    remedy: str


# str, int, float, bool, date, datetime, None (blank), ABSENT, BadCell; from JSON also list and dict.
Cell = Any


@dataclass(frozen=True, slots=True)
class Row:
    """One row of raw cells; ``number`` counts from 1 as the spreadsheet shows it."""

    number: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A sheet as read: all rows with content, and what went wrong while reading."""

    source: str
    sheet: str | None
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A sheet whose header row is known. Every row has one cell per header.

    ``banner`` is the text above the header row; ``header_row`` is 0 where keys are the headers (JSON).
    ``problems`` are those of reading, each with its place.
    """

    source: str
    sheet: str | None
    banner: tuple[str, ...]
    header_row: int
    headers: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """How people call it: the sheet's name, else the file's."""
        return self.sheet or self.source


def precision_lost(shown: str) -> BadCell:
    """The mark of a long number that a spreadsheet has rounded to 15 digits."""
    return BadCell(
        shown=shown,
        code="precision_lost",
        message=f"“{shown}”是长数字，已被表格软件舍入，超过 15 位的部分丢失",
        remedy="请把该列设为“文本”格式后重新录入完整号码",
    )


def error_value(shown: str) -> BadCell:
    """The mark of a spreadsheet's error value."""
    message, remedy = f"单元格是错误值 {shown}", "请改正公式，或直接填写结果"
    return BadCell(shown=shown, code="cell_error", message=message, remedy=remedy)


def tidy_text(value: str, *, guarded: bool = True) -> Cell:
    """A text as it stands; blank is ``None``. What a spreadsheet or a conversion has ruined is ``BadCell``.

    Ruined are long numbers written with an exponent, error values, and U+FFFD where bytes were lost.
    With ``guarded`` an apostrophe that keeps ``=1+1`` from being a formula is taken off.
    """
    if not value or value.isspace():
        return None
    if guarded and value[0] == "'" and value[1:2] in GUARDED:
        return value[1:] or value
    if value[0].isdigit() and _SCIENTIFIC.fullmatch(value):
        return precision_lost(value)
    if value[0] == "#" and value in _ERROR_VALUES:
        return error_value(value)
    if "\ufffd" in value:
        message, remedy = "有乱码（此前转换编码时已经丢字）", "请对照原件重新录入该格"
        return BadCell(shown=value, code="text_garbled", message=message, remedy=remedy)
    return value


def tidy_cell(value: object) -> Cell:
    """A spreadsheet's value as people see it: whole floats as ints, midnight as a day, blank as ``None``.

    Floats keep 15 significant digits (what Excel shows); from 1e15 on they are ``BadCell``.
    """
    if isinstance(value, str):
        return tidy_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        if abs(value) >= EXACT_BELOW or value != value:
            return precision_lost(f"{value:.15g}")
        return int(value) if value.is_integer() else float(f"{value:.15g}")
    if isinstance(value, datetime):
        return value.date() if value.time() == time() else value.replace(microsecond=0)
    if isinstance(value, (time, timedelta)):
        return str(value)
    return value


def is_blank_cell(cell: Cell) -> bool:
    """Whether nothing was written in the cell (space counts as nothing)."""
    return cell is None or cell is ABSENT or (isinstance(cell, str) and (not cell or cell.isspace()))


def shown(cell: Cell) -> str:
    """The cell as text for people: a report's cell, a message."""
    if cell is None or cell is ABSENT:
        return ""
    if isinstance(cell, BadCell):
        return cell.shown
    if isinstance(cell, float):
        return plain_number(cell)
    if isinstance(cell, list):
        return "；".join(shown(entry) for entry in cell)
    if isinstance(cell, dict):
        return json.dumps(cell, ensure_ascii=False)
    if isinstance(cell, bool):
        return "是" if cell else "否"
    return str(cell)


def plain_number(value: float) -> str:
    """A number without exponent and without a trailing ``.0``: ``1e-07`` is ``0.0000001``."""
    if value.is_integer():
        return str(int(value))
    return format(Decimal(repr(value)), "f")
