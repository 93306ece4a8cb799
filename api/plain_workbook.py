"""Tables as a workbook for people: a sheet each, with a head that stays, ready to be filtered and printed."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from api.match_workbook import STYLES
from matcher.ranker import LEVELS

Cell = str | int | float | None
Sheet = tuple[Sequence[str], Sequence[Sequence[Cell]]]
_WIDTH = 12


def write_sheets(
    path: Path, sheets: Mapping[str, Sheet], widths: Mapping[str, int], shares: Collection[str] = ()
) -> None:
    """Write each sheet's headers and rows. Cells are strings or numbers, never formulas; what is unknown stays blank.

    ``widths`` are those of columns by header; numbers under one of ``shares`` are shown as per cent.
    """
    from xlsxwriter import Workbook

    workbook = Workbook(
        str(path), {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    styles = {name: workbook.add_format({"valign": "top"} | style) for name, style in STYLES.items()}
    for title, (headers, rows) in sheets.items():
        sheet = workbook.add_worksheet(title)
        for column, text in enumerate(headers):
            sheet.set_column(column, column, widths.get(text, _WIDTH))
            sheet.write_string(0, column, text, styles["head"])
        for number, row in enumerate(rows, 1):
            for column, value in enumerate(row):
                if isinstance(value, str):
                    style = styles[value if value in LEVELS.values() else "text"]
                    sheet.write_string(number, column, value, style)
                elif value is not None:
                    plain = "points" if isinstance(value, float) else "text"
                    sheet.write_number(
                        number, column, value, styles["share" if headers[column] in shares else plain]
                    )
        sheet.freeze_panes(1, 0)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.repeat_rows(0)
        sheet.fit_to_pages(1, 0)
        if rows:
            sheet.autofilter(0, 0, len(rows), len(headers) - 1)
    workbook.close()
