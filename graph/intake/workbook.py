"""Reads xlsx workbooks: visible sheets, merged cells spread, cached formula values only.

The package is measured before it is parsed: python-calamine builds a dense rectangle of all cells, so a
single cell at XFD1048576 or a zip bomb would exhaust memory inside native code where nothing can be caught.
"""

import html
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graph.intake.tables import BadCell, Cell, Grid, Row, error_value, is_blank_cell, tidy_cell
from graph.problems import Problem, Refused

UNPACKED_LIMIT = 400 * 2**20
RECTANGLE_LIMIT = 20_000_000
SPREAD_LIMIT = 2_000_000
REPACK = "请在 Excel 或 WPS 中打开，另存为“Excel 工作簿（.xlsx）”后再导入。"

SHEET = re.compile(r"<(?:\w+:)?sheet\s[^>]*>")
RELATIONSHIP = re.compile(r"<(?:\w+:)?Relationship\s[^>]*>")
# Far rows and columns only: looking at every cell's place would take longer than parsing them. Rows are told
# by their own number, and by the cells' from six digits on (a cell need not stand in the row it names).
# The patterns follow quotes and not tags, for an attribute may hold ">" or "/>".
ROW_NUMBER = re.compile(rb"""<(?:\w+:)?row\s[^<]*?\br\s*=\s*["'](\d+)""")
_EMPTY_TAG_END = rb"""(?:\s+[\w:]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/>"""
FAR_PLACE = re.compile(
    rb"""\sr\s*=\s*["']([A-Za-z]+\d{6,}|[A-Za-z]{2,}\d+)["'](?!""" + _EMPTY_TAG_END + rb")"
)
CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*[^/>])>(.*?)</(?:\w+:)?c>", re.DOTALL)
CELL_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})(\d{1,7})["']""")
ERROR_TYPE = re.compile(rb"""\bt\s*=\s*["']e["']""")
TEXT_TYPE = re.compile(rb"""\bt\s*=\s*["']str["']""")
HAS_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
HAS_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^>]*)?>[^<]")


@dataclass(frozen=True, slots=True)
class _Part:
    """What a look at a sheet's XML told: its far corner, and cells whose value is not to be trusted."""

    rows: int
    columns: int
    bad: dict[tuple[int, int], BadCell]


def read_workbook(path: Path) -> list[Grid]:
    """The grids of all visible sheets with content, in workbook order; a hidden sheet is said, not read.

    Raises ``Refused`` for a damaged, oversized or encrypted package.
    """
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    parts = _inspect(path)
    try:
        workbook = CalamineWorkbook.from_path(path)
    except (CalamineError, OSError, ValueError) as error:
        raise _damaged(path) from error
    grids = []
    for place, about in enumerate(workbook.sheets_metadata):
        if about.typ != SheetTypeEnum.WorkSheet:
            continue
        if about.visible != SheetVisibleEnum.Visible:
            grids.append(Grid(source=path.name, sheet=about.name, rows=(), problems=(_hidden(about.name),)))
            continue
        try:
            sheet = workbook.get_sheet_by_index(place)
            raw = sheet.to_python(skip_empty_area=False)
            merged = sheet.merged_cell_ranges or []
        except (CalamineError, ValueError) as error:
            raise _damaged(path) from error
        grids.append(_grid(path.name, about.name, raw, merged, parts.get(about.name)))
    return grids


def _grid(source: str, name: str, raw: list[list[Any]], merged: list[Any], part: _Part | None) -> Grid:
    cells: list[list[Cell]] = [[tidy_cell(value) for value in row] for row in raw]
    if part is not None:
        for (row, column), bad in part.bad.items():
            if row < len(cells) and column < len(cells[row]):
                cells[row][column] = bad
    _spread(cells, merged)
    rows = tuple(
        Row(number, tuple(row))
        for number, row in enumerate(cells, start=1)
        if not all(is_blank_cell(cell) for cell in row)
    )
    return Grid(source=source, sheet=name, rows=rows)


def _spread(cells: list[list[Cell]], merged: list[Any]) -> None:
    """Writes the value of each merged range's first cell into its other cells, within the sheet's content."""
    written = 0
    for (top, left), (bottom, right) in merged:
        if top >= len(cells) or left >= len(cells[top]):
            continue
        value = cells[top][left]
        if is_blank_cell(value):
            continue
        for row in cells[top : bottom + 1]:
            stop = min(right + 1, len(row))
            written += max(0, stop - left)
            if written > SPREAD_LIMIT:
                return
            row[left:stop] = [value if is_blank_cell(old) else old for old in row[left:stop]]


def _inspect(path: Path) -> dict[str, _Part]:
    """Looks through the package without trusting it; raises ``Refused`` where it must not be parsed."""
    try:
        with zipfile.ZipFile(path) as package:
            names = set(package.namelist())
            if len(names) != len(package.namelist()):
                # Two parts of one name: which of them is read depends on the reader.
                raise _damaged(path)
            _check_contents(path, names)
            if sum(info.file_size for info in package.infolist()) > UNPACKED_LIMIT:
                raise _too_large(path)
            if any(info.flag_bits & 1 for info in package.infolist()):
                raise _encrypted(path)
            found = {}
            for sheet, part in _sheet_parts(package, names).items():
                found[sheet] = _look(path, sheet, package.read(part))
            # Reading a part to its end proves that it is no longer than it says (the checksum would differ).
            for part in names & {"xl/sharedStrings.xml", "xl/styles.xml"}:
                with package.open(part) as stream:
                    while stream.read(1 << 20):
                        pass
            return found
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise _damaged(path) from error


def _check_contents(path: Path, names: set[str]) -> None:
    if "xl/workbook.xml" in names:
        return
    if "xl/workbook.bin" in names:
        raise Refused("file_xlsb", f"“{path.name}”是二进制工作簿（.xlsb），不能读取。", REPACK)
    if "word/document.xml" in names:
        raise Refused(
            "file_word", f"“{path.name}”是 Word 文档，不是表格。", "请把表格复制到 Excel 后另存为 .xlsx。"
        )
    if "content.xml" in names:
        raise Refused("file_ods", f"“{path.name}”是 ODF 文档（.ods/.odt），不能读取。", REPACK)
    message = f"“{path.name}”是压缩包，里面没有工作簿。"
    raise Refused(
        "file_zip", message, "请先解压，再导入其中的 .xlsx 或 .csv 文件；改扩展名不能改变文件格式。"
    )


def _sheet_parts(package: zipfile.ZipFile, names: set[str]) -> dict[str, str]:
    """Part name by sheet name, from the workbook's own list."""
    links = {}
    if "xl/_rels/workbook.xml.rels" in names:
        text = package.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
        for tag in RELATIONSHIP.findall(text):
            links[_attribute(tag, "Id")] = _attribute(tag, "Target")
    parts = {}
    for tag in SHEET.findall(package.read("xl/workbook.xml").decode("utf-8", "replace")):
        target = links.get(_attribute(tag, r"\w+:id"), "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if part in names and "worksheets" in part:
            parts[_attribute(tag, "name")] = part
    return parts


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf"""\s{name}\s*=\s*("[^"]*"|'[^']*')""", tag)
    return html.unescape(found[1][1:-1]) if found else ""


def _look(path: Path, sheet: str, xml: bytes) -> _Part:
    far = [
        (_column_number(letters), int(digits))
        for letters, digits in map(_split_place, FAR_PLACE.findall(xml))
    ]
    rows = max([int(n) for n in ROW_NUMBER.findall(xml)] + [row for _, row in far], default=0)
    columns = max([column for column, _ in far], default=26)
    if rows * columns > RECTANGLE_LIMIT:
        raise Refused(
            "sheet_too_large",
            f"“{path.name}”的工作表“{sheet}”占用范围太大（{rows} 行 × {columns} 列）。",
            "请删除数据区以外的内容（常见原因：很远的单元格里误输了字符），或拆成几个文件后再导入。",
        )
    bad = {}
    if ERROR_TYPE.search(xml) or HAS_FORMULA.search(xml):
        for attributes, body in CELL.findall(xml):
            place = CELL_PLACE.search(attributes)
            marked = _bad_cell(attributes, body)
            if place and marked:
                bad[int(place[2]) - 1, _column_number(place[1]) - 1] = marked
    return _Part(rows, columns, bad)


def _bad_cell(attributes: bytes, body: bytes) -> BadCell | None:
    if ERROR_TYPE.search(attributes):
        found = re.search(rb">(#[^<]*)<", body)
        text = found[1].decode("utf-8", "replace") if found else "#"
        return error_value(text)
    if not TEXT_TYPE.search(attributes) and HAS_FORMULA.search(body) and not HAS_VALUE.search(body):
        remedy = "请在 Excel 或 WPS 中打开并保存一次，或把公式“选择性粘贴”为数值"
        return BadCell(shown="", code="formula_without_value", message="公式没有保存计算结果", remedy=remedy)
    return None


def _split_place(place: bytes) -> tuple[bytes, bytes]:
    letters = place.rstrip(b"0123456789")
    return letters, place[len(letters) :]


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + (letter & 0xDF) - 64
    return number


def _hidden(sheet: str) -> Problem:
    return Problem(
        code="sheet_hidden",
        message="这个工作表是隐藏的，没有读取",
        remedy="如需导入，请先取消隐藏",
        severity="warning",
        sheet=sheet,
    )


def _damaged(path: Path) -> Refused:
    return Refused("file_damaged", f"“{path.name}”已损坏或不完整，打不开。", REPACK)


def _encrypted(path: Path) -> Refused:
    return Refused("file_encrypted", f"“{path.name}”设有密码，不能读取。", "请先取消打开密码，另存后再导入。")


def _too_large(path: Path) -> Refused:
    size = UNPACKED_LIMIT // 2**20
    remedy = "请删去图片和多余的工作表，或拆成几个文件后再导入。"
    return Refused("file_too_large", f"“{path.name}”解开后超过 {size} MB，没有读取。", remedy)
