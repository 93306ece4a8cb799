"""Writes sheets that no reader can take for formulas: every cell is a string."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from graph.intake.tables import GUARDED, LONE_SURROGATE

# Excel's own limits.
CELL_LIMIT = 32_767
SHEET_NAME_LIMIT = 31
# Same input, same bytes: the package carries a fixed date of making.
_MADE = datetime(2026, 1, 1)

HEADER_STYLE: Mapping[str, Any] = {
    "bold": True,
    "bg_color": "#D9E2F3",
    "border": 1,
    "text_wrap": True,
    "valign": "vcenter",
    "num_format": "@",
}
TEXT_STYLE: Mapping[str, Any] = {"num_format": "@", "text_wrap": True, "valign": "top"}


def new_workbook(path: Path) -> Any:
    """An empty xlsxwriter workbook that makes no text a formula, number or link; close it to write it."""
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    workbook = xlsxwriter.Workbook(str(path), options)
    workbook.set_properties({"created": _MADE})
    return workbook


def write_row(sheet: Any, row: int, texts: Sequence[str], styles: Sequence[Any] | Any = None) -> None:
    """Writes texts from column 0 on; ``styles`` is one format for all, or one per text."""
    for column, text in enumerate(texts):
        style = styles[column] if isinstance(styles, (list, tuple)) else styles
        if text:
            sheet.write_string(row, column, guarded(writable(text), csv=False), style)
        elif style is not None:
            sheet.write_blank(row, column, None, style)


def guarded(text: str, *, csv: bool) -> str:
    """The text with an apostrophe before it where a program might take it for a formula (csv only).

    The reader takes one apostrophe off before ``= + - @ '``, so a text that begins like that gets one more
    in every format.
    """
    doubled = text[:1] == "'" and text[1:2] in GUARDED
    return f"'{text}" if doubled or (csv and text[:1] in GUARDED - {"'"}) else text


def writable(text: str) -> str:
    """The text without what a workbook cannot hold: control characters and halves of surrogate pairs."""
    if text.isprintable():
        return text
    return LONE_SURROGATE.sub("\ufffd", re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text))


def _cut(text: str, limit: int) -> str:
    """The beginning of a text in so many UTF-16 units, as Excel counts: an emoji is two and is never halved."""
    return text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore")


def sheet_names(names: Sequence[str]) -> list[str]:
    """The names as a workbook allows them: 31 characters, none of ``[]:*?/\\``, different but for case."""
    used: set[str] = set()
    result = []
    for name in names:
        plain = _cut(re.sub(r"[\[\]:*?/\\]", "_", writable(name)), SHEET_NAME_LIMIT).strip(" '") or "表"
        chosen, number = plain, 2
        while chosen.casefold() in used:
            tail = f"({number})"
            chosen, number = _cut(plain, SHEET_NAME_LIMIT - len(tail)) + tail, number + 1
        used.add(chosen.casefold())
        result.append(chosen)
    return result
