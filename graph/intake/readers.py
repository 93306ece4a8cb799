"""Opens whatever a clerk hands in and finds the tables in it, or says why it cannot."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from graph.intake.delimited import fit_row, read_delimited
from graph.intake.headers import OUR_SHEETS, find_header_row, header_text, normalise_header
from graph.intake.json_lines import read_json
from graph.intake.tables import Grid, Row, Table, is_blank_cell, shown
from graph.intake.workbook import REPACK, read_workbook
from graph.problems import Problem, Refused

FILE_LIMIT = 50 * 2**20
JSON_SUFFIXES = frozenset({".jsonl", ".ndjson", ".json"})
ENCRYPTED_MARK = "EncryptedPackage".encode("utf-16-le")


def read_tables(path: Path, known_headers: Iterable[str] = ()) -> list[Table]:
    """The tables of an xlsx, csv or JSON file, each with its header row found.

    The file's content decides how it is read, not its extension. ``known_headers`` are headers that the
    caller will map by hand; they help to find the header row. Raises ``Refused`` for a file that cannot be
    read at all (encrypted, older formats, damaged, too large, empty).
    """
    path = Path(path)
    data = _load(path)
    extra = frozenset(normalise_header(h) for h in known_headers)
    if data[:4] == b"PK\x03\x04":
        grids = [g for g in read_workbook(path) if g.sheet not in OUR_SHEETS]
        tables = [table_of(grid, extra) for grid in grids if grid.rows or grid.problems]
    elif path.suffix.lower() in JSON_SUFFIXES or data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        tables = [read_json(path, data)]
    else:
        tables = [table_of(read_delimited(path, data, extra), extra)]
    if not any(table.rows or table.headers or table.problems for table in tables):
        raise Refused("file_empty", f"“{path.name}”里没有内容。", "请确认选对了文件，数据在可见的工作表里。")
    return tables


def table_of(grid: Grid, extra: frozenset[str] = frozenset()) -> Table:
    """The grid as a table: the best-fitting row of the top is the header, what stands above is the banner.

    Where no row fits, the first row of at least two filled cells is taken, so that headers can be shown.
    """
    place = find_header_row(grid.rows, extra)
    if place is None:
        wide = (n for n, row in enumerate(grid.rows) if sum(not is_blank_cell(c) for c in row.cells) > 1)
        place = next(wide, 0)
    header = grid.rows[place] if grid.rows else Row(0, ())
    width = min(max((_filled(row) for row in grid.rows[place:]), default=0), len(header.cells))
    headers = tuple(header_text(cell) for cell in header.cells[:width])
    rows: list[Row] = []
    problems = list(grid.problems)
    for row in grid.rows[place + 1 :]:
        fitted, problem = fit_row(row, len(headers))
        rows.append(fitted)
        if problem:
            problems.append(replace(problem, sheet=grid.sheet))
    above = dict.fromkeys(
        shown(cell) for row in grid.rows[:place] for cell in row.cells if not is_blank_cell(cell)
    )
    return Table(
        source=grid.source,
        sheet=grid.sheet,
        banner=tuple(above),
        header_row=header.number,
        headers=headers,
        rows=tuple(rows),
        problems=tuple(problems),
    )


def _filled(row: Row) -> int:
    """How many cells a row has up to its last filled one."""
    return next((n for n in range(len(row.cells), 0, -1) if not is_blank_cell(row.cells[n - 1])), 0)


def _load(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise Refused("file_is_folder", f"“{path.name}”是文件夹。", "请指定其中的一个文件。")
        size = path.stat().st_size
        if size > FILE_LIMIT:
            limit = FILE_LIMIT // 2**20
            message = f"“{path.name}”有 {size // 2**20} MB，超过上限 {limit} MB。"
            raise Refused("file_too_large", message, "请删去图片，或拆成几个文件后再导入。")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise Refused("file_missing", f"找不到文件“{path}”。", "请核对路径和文件名。") from error
    except OSError as error:
        raise Refused(
            "file_unreadable", f"打不开文件“{path.name}”。", "请确认有读取权限，且文件没有被独占。"
        ) from error
    if not data.strip(b"\xef\xbb\xbf \t\r\n\x00"):
        raise Refused("file_empty", f"“{path.name}”里没有内容。", "请确认选对了文件。")
    _refuse_other_formats(path, data)
    return data


def _refuse_other_formats(path: Path, data: bytes) -> None:
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if ENCRYPTED_MARK in data:
            raise Refused(
                "file_encrypted", f"“{path.name}”设有密码，不能读取。", "请先取消打开密码，另存后再导入。"
            )
        raise Refused(
            "file_old_format", f"“{path.name}”是旧格式（.xls、.et、.wps、.doc），不能读取。", REPACK
        )
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype", b"<html", b"<table", b"<?xml", b"<meta", b"<style")):
        raise Refused("file_html", f"“{path.name}”其实是网页或 XML，只是改了扩展名。", REPACK)
    for mark, name in (
        (b"%pdf", "PDF"),
        (b"rar!", "RAR 压缩包"),
        (b"7z\xbc\xaf", "7z 压缩包"),
        (b"\x89png", "图片"),
    ):
        if start.startswith(mark):
            message = f"“{path.name}”是 {name}，不是表格。"
            raise Refused("file_wrong_kind", message, "请导入 .xlsx、.csv 或 .jsonl 文件。")
    if data[:2] == b"PK" and data[2:4] != b"\x03\x04":
        raise Refused("file_empty", f"“{path.name}”是空的压缩包。", "请确认选对了文件。")


def file_problem(refusal: Refused) -> Problem:
    """A refusal as a ``Problem``, for a report that lists several files."""
    return Problem(code=refusal.code, message=refusal.message, remedy=refusal.remedy)
