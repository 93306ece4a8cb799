"""Writes what is wrong back into the clerk's own table, to be mended and imported again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from graph.intake.headers import (
    PROBLEM_HEADER,
    PROBLEM_SHEET,
    REMEDY_HEADER,
    REPORT_HEADERS,
    ROW_NUMBER_HEADER,
    normalise_header,
)
from graph.intake.importing import ImportPlan, PlannedTable
from graph.intake.tables import Row, shown
from graph.intake.writing import CELL_LIMIT, HEADER_STYLE, TEXT_STYLE, new_workbook, sheet_names, write_row
from graph.problems import Problem

_STYLES: dict[str, dict[str, Any]] = {
    "header": dict(HEADER_STYLE),
    "plain": dict(TEXT_STYLE),
    "error": {**TEXT_STYLE, "bg_color": "#F8CBAD"},
    "warning": {**TEXT_STYLE, "bg_color": "#FFF2CC"},
}
_SEVERITIES = {"error": "错误", "warning": "提示"}


def write_error_report(plan: ImportPlan, path: Path) -> None:
    """Writes an xlsx with every row of every table, wrong cells coloured, and 行号/问题/怎么改 in front.

    The file can be mended and imported as it is: those three columns and the sheet 问题汇总 (all problems)
    are known and passed over. Rows refused for secrecy are named without their content, and a sheet refused
    for it is left out. A row with a cell longer than a workbook can hold stands in 问题汇总 only.
    """
    workbook = new_workbook(path)
    styles = {name: workbook.add_format(style) for name, style in _STYLES.items()}
    tables = [t for t in plan.tables if t.table.headers and not _is_secret(t)]
    unplaced: list[Problem] = []
    names = sheet_names([PROBLEM_SHEET, *(t.table.name for t in tables)])[1:]
    for planned, name in zip(tables, names, strict=True):
        unplaced += _write_table(workbook.add_worksheet(name), planned, styles)
    _write_summary(workbook.add_worksheet(PROBLEM_SHEET), [*plan.problems, *unplaced], styles)
    workbook.close()


def _is_secret(planned: PlannedTable) -> bool:
    return any(p.code == "secret_refused" and p.row is None for p in planned.problems)


def _write_table(sheet: Any, planned: PlannedTable, styles: dict[str, Any]) -> list[Problem]:
    table = planned.table
    kept = [n for n, header in enumerate(table.headers) if normalise_header(header) not in REPORT_HEADERS]
    top = 0
    if table.banner:
        # A unit stated above the header ("单位：元") keeps its meaning only if it is kept.
        write_row(sheet, 0, ["", "", "", "　".join(table.banner)[:CELL_LIMIT]])
        top = 1
    headers = [ROW_NUMBER_HEADER, PROBLEM_HEADER, REMEDY_HEADER, *(table.headers[n] for n in kept)]
    write_row(sheet, top, headers, styles["header"])
    sheet.freeze_panes(top + 1, 0)
    sheet.set_column(0, 0, 6)
    sheet.set_column(1, 2, 36)
    sheet.set_column(3, len(headers) - 1, 18, styles["plain"])
    by_row: dict[int, list[Problem]] = {}
    for problem in planned.problems:
        if problem.row is not None and problem.row != table.header_row:
            by_row.setdefault(problem.row, []).append(problem)
    line, unplaced = top, []
    for row in table.rows:
        problems = sorted(by_row.get(row.number, []), key=lambda p: p.severity)
        if any(len(shown(row.cells[n])) > CELL_LIMIT for n in kept):
            unplaced.append(_too_long(planned, row))
            continue
        line += 1
        _write_row(sheet, line, planned, row, kept, problems, styles)
    return unplaced


def _write_row(
    sheet: Any,
    line: int,
    planned: PlannedTable,
    row: Row,
    kept: Sequence[int],
    problems: list[Problem],
    styles: dict[str, Any],
) -> None:
    secret = any(p.code == "secret_refused" for p in problems)
    texts = [str(row.number), _lines(problems, "message"), _lines(problems, "remedy")]
    marks = [styles["plain"]] * 3
    for n in kept:
        header = planned.table.headers[n]
        found = [p.severity for p in problems if p.column == header]
        texts.append("" if secret else shown(row.cells[n]))
        marks.append(styles[min(found)] if found else styles["plain"])
    write_row(sheet, line, texts, marks)


def _lines(problems: Sequence[Problem], part: str) -> str:
    told = []
    for problem in problems:
        place = f"“{problem.column}”：" if problem.column and part == "message" else ""
        hint = "（提示）" if problem.severity == "warning" and part == "message" else ""
        told.append(f"{hint}{place}{getattr(problem, part)}")
    return "\n".join(dict.fromkeys(told))[:CELL_LIMIT]


def _write_summary(sheet: Any, problems: Sequence[Problem], styles: dict[str, Any]) -> None:
    write_row(sheet, 0, ["级别", "位置", PROBLEM_HEADER, REMEDY_HEADER, "代码"], styles["header"])
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, 0, 6)
    sheet.set_column(1, 1, 30)
    sheet.set_column(2, 3, 60)
    sheet.set_column(4, 4, 20)
    for line, problem in enumerate(problems, start=1):
        texts = [_SEVERITIES[problem.severity], problem.place, problem.message, problem.remedy, problem.code]
        write_row(sheet, line, [text[:CELL_LIMIT] for text in texts], styles[problem.severity])


def _too_long(planned: PlannedTable, row: Row) -> Problem:
    return Problem(
        code="cell_beyond_workbook",
        message=f"有一格超过 {CELL_LIMIT} 字，工作簿放不下，这一行没有写进报告",
        remedy="请在原文件中改正这一行",
        severity="warning",
        sheet=planned.table.sheet,
        row=row.number,
    )
