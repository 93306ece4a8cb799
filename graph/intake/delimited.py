"""Reads csv as offices save it: UTF-8 with or without BOM, GB18030, UTF-16; comma, semicolon or tab."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from graph.intake.headers import header_score
from graph.intake.tables import ABSENT, BadCell, Cell, Grid, Row, tidy_text
from graph.problems import Problem, Refused

DELIMITERS = (",", "\t", ";")
# Damaged UTF-8 rather than GB18030: when at most this share of the non-ASCII bytes is wrong.
DAMAGED_SHARE = 0.1
# Above these shares of undecodable bytes, or of control characters, it is no text.
UNREADABLE_SHARE = 0.3
CONTROL_SHARE = 0.1
_CONTROLS = bytes(b for b in range(32) if b not in b"\t\n\r")
ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def decode_text(data: bytes, name: str) -> tuple[str, str]:
    """The text of a file and its encoding; bytes that fit nowhere become lone surrogates (U+DC80 + byte).

    Raises ``Refused`` when the bytes are no text at all.
    """
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(
                encoding, "surrogateescape" if encoding == "utf-8" else "replace"
            ), encoding
    if data[:4096].count(0) * 5 > len(data[:4096]):
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
        text = data.decode(encoding, "replace")
        if text[:2000].count("\x00") or text.count("\ufffd"):
            raise _not_text(name)
        return text, encoding
    if len(data) - len(data.translate(None, _CONTROLS)) > len(data) * CONTROL_SHARE:
        raise _not_text(name)
    text = data.decode("utf-8", "surrogateescape")
    bad = len(ESCAPED_BYTE.findall(text))
    non_ascii = len(data) - len(data.decode("ascii", "ignore"))
    if bad <= non_ascii * DAMAGED_SHARE:
        return text, "utf-8"
    chinese = data.decode("gb18030", "surrogateescape")
    chinese_bad = len(ESCAPED_BYTE.findall(chinese))
    if min(bad, chinese_bad) > non_ascii * UNREADABLE_SHARE:
        raise _not_text(name)
    return (text, "utf-8") if bad < chinese_bad else (chinese, "gb18030")


def read_delimited(path: Path, data: bytes, extra: frozenset[str] = frozenset()) -> Grid:
    """The grid of a csv file; ragged rows, undecodable bytes and unbalanced quotes become problems."""
    text, encoding = decode_text(data, path.name)
    places = _bad_places(text, encoding, data)
    skipped = 0
    delimiter = ""
    declared = re.match(r"sep=(.)\r?\n", text)
    if declared:
        text, delimiter, skipped = text[declared.end() :], declared[1], 1
    delimiter = delimiter or _delimiter(text, extra)
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, record in _records(text, delimiter, problems, skipped):
        cells = tuple(_cell(value, places) for value in record)
        if any(cell is not None for cell in cells):
            rows.append(Row(number, cells))
    return Grid(source=path.name, sheet=None, rows=tuple(rows), problems=tuple(problems))


def fit_row(row: Row, width: int) -> tuple[Row, Problem | None]:
    """The row with exactly ``width`` cells: missing ones are ``ABSENT``, filled ones beyond are an error."""
    beyond = [cell for cell in row.cells[width:] if cell is not None]
    missing = width - len(row.cells)
    fitted = Row(row.number, row.cells[:width] + (ABSENT,) * missing)
    if beyond:
        return fitted, Problem(
            code="row_too_long",
            message=f"这一行有 {len(row.cells)} 格，比表头多 {len(row.cells) - width} 格",
            remedy="多半是某格里有逗号而没有加引号；请用 Excel 打开核对后另存为 .xlsx",
            row=row.number,
        )
    if missing > 0:
        return fitted, Problem(
            code="row_too_short",
            message=f"这一行只有 {len(row.cells)} 格，比表头少 {missing} 格；缺的格当作没有填写该列",
            remedy="如有遗漏请补齐",
            severity="warning",
            row=row.number,
        )
    return fitted, None


def _delimiter(text: str, extra: frozenset[str]) -> str:
    """The delimiter under which the top rows show the most known headers; then the most even columns."""

    def rank(delimiter: str) -> tuple[int, int]:
        top = list(islice(_records(text, delimiter, [], 0), 15))
        known = max((header_score(record, extra) for _, record in top), default=0)
        widths = [len(record) for _, record in top if len(record) > 1]
        return known, max((widths.count(w) for w in widths), default=0)

    return max(DELIMITERS, key=rank)


def _records(
    text: str, delimiter: str, problems: list[Problem], skipped: int
) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = skipped
    while True:
        number += 1
        try:
            yield number, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            too_long = "field larger" in str(error)
            problems.append(
                Problem(
                    code="cell_too_long" if too_long else "quotes_unbalanced",
                    message="有一格的内容太长" if too_long else "这一行的引号没有成对，后面的内容可能错位",
                    remedy="请用 Excel 或 WPS 打开核对，另存为 .xlsx 后再导入",
                    row=number,
                )
            )


def _cell(value: str, places: Iterator[tuple[int, int]]) -> Cell:
    bad = ESCAPED_BYTE.findall(value) if not value.isascii() and ESCAPED_BYTE.search(value) else []
    if not bad:
        return tidy_text(value)
    (place, byte), *_ = [next(places) for _ in bad]
    return BadCell(
        shown=ESCAPED_BYTE.sub("\ufffd", value),
        code="bytes_undecodable",
        message=f"有不能识别的字节（文件第 {place} 个字节，0x{byte:02X}）",
        remedy="请用 Excel 或 WPS 打开原文件核对该格，另存为 .xlsx 后再导入",
    )


def _bad_places(text: str, encoding: str, data: bytes) -> Iterator[tuple[int, int]]:
    """The undecodable bytes in order: where in the file (from 1) and which."""
    offset = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    done = 0
    for found in ESCAPED_BYTE.finditer(text):
        offset += len(text[done : found.start()].encode(encoding, "surrogateescape")) + 1
        done = found.end()
        yield offset, ord(found[0]) - 0xDC00


def _not_text(name: str) -> Refused:
    remedy = "请确认文件类型；可导入 .xlsx、.csv（UTF-8 或 GB18030）、.jsonl。"
    return Refused("file_not_text", f"“{name}”不是文本，也不是工作簿，读不懂。", remedy)
