"""Ranked pairings as a workbook for people: one row a pair and its reasons, and a sheet of the parts of each score."""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from graph.problems import Refused
from matcher.comparison import compare
from matcher.explanation import Explanation
from matcher.features import features
from matcher.ranker import LEVELS
from matcher.ranking import Match

# The columns for people and their widths; up to 注意 they are printed.
_COLUMNS = {
    "对象编号": 16,
    "对象名称": 36,
    "名次": 6,
    "得分": 8,
    "等级": 10,
    "推荐编号": 16,
    "推荐名称": 40,
    "所属单位": 28,
    "理由": 70,
    "注意": 40,
    "逐条指标": 60,
    "共同用语": 30,
    "关联": 50,
    "与下一名相比": 60,
    "可改进": 50,
    "政策建议": 70,
    "所在区": 12,
    "成熟度": 10,
    "已回应的需求": 50,
    "未回应的需求": 50,
} | {f"概率·{LEVELS[level]}": 11 for level in (4, 3, 2, 1)}
_PRINTED = 10
_PARTS_HEAD = ("对象编号", "推荐编号", "得分")
Cell = tuple[str | float | None, str]
_CELL = 32_000  # characters; Excel takes 32,767 in a cell
STYLES: dict[str, dict[str, Any]] = {
    "head": {
        "bold": True,
        "bg_color": "#1F4E79",
        "font_color": "white",
        "valign": "vcenter",
        "text_wrap": True,
    },
    "text": {"text_wrap": True},
    "points": {"num_format": "0.0"},
    "share": {"num_format": "0%"},
    **{
        level: {"bg_color": colour, "border": 1, "border_color": "#D9D9D9"}
        for level, colour in zip(LEVELS.values(), ("#C6E0B4", "#E2EFDA", "#FFF2CC", "#EDEDED"), strict=True)
    },
}


def write_matches(path: Path, results: Iterable[tuple[Sequence[Match], Sequence[Explanation]]]) -> int:
    """Write the results to ``path`` (.xlsx), the reasons as on screen; gives the number of rows.

    The second sheet, 分项得分, has the parts of each score in the same order of rows, without parts that are
    empty in every row. Cells are written as strings or numbers, never as formulas. Raises ``Refused`` if the
    file cannot be written (open in Excel, folder missing).
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    workbook = Workbook(str(path), options)
    styles = {name: workbook.add_format({"valign": "top"} | style) for name, style in STYLES.items()}
    sheet = workbook.add_worksheet("匹配结果")
    _write_head(sheet, _COLUMNS, styles)
    names = list(features())
    pairs: list[tuple[str, str, float]] = []
    points = array("d")  # of all parts, row by row; not a number where unknown
    for matches, explanations in results:
        below_each = [*explanations[1:], None][: len(explanations)]
        for match, why, below in zip(matches, explanations, below_each, strict=True):
            pairs.append((why.subject.id, why.found.id, match.score))
            known = {p.name: p.points for p in why.parts if p.value is not None}
            points.extend(known.get(name, math.nan) for name in names)
            _write_row(sheet, len(pairs), _cells(match, why, below), styles)
    _lay_out(sheet, len(pairs), len(_COLUMNS), _PRINTED)
    _write_parts(workbook.add_worksheet("分项得分"), names, pairs, points, styles)
    try:
        workbook.close()
    except (FileCreateError, OSError) as error:
        remedy = "请先在 Excel 中关闭该文件，或换一个可写的位置。"
        raise Refused("export_unwritable", f"无法写入“{path}”（{error}）。", remedy) from error
    return len(pairs)


def _write_parts(
    sheet: Any,
    names: Sequence[str],
    pairs: Sequence[tuple[str, str, float]],
    points: Sequence[float],
    styles: Mapping[str, Any],
) -> None:
    """What is unknown stays blank, so that it is not taken for nought; a part unknown everywhere has no column."""
    labels = {name: feature.label for name, feature in features().items()}
    count = len(names)
    kept = [at for at in range(count) if any(not math.isnan(value) for value in points[at::count])]
    head = [*_PARTS_HEAD, *(labels[names[at]] for at in kept)]
    _write_head(sheet, dict.fromkeys(head, 14), styles)
    for row, (subject, found, score) in enumerate(pairs):
        values = points[row * count : (row + 1) * count]
        given: list[Cell] = [(subject, "text"), (found, "text"), (score, "points")]
        given += [(None if math.isnan(values[at]) else values[at], "points") for at in kept]
        _write_row(sheet, row + 1, given, styles)
    _lay_out(sheet, len(pairs), len(head), len(head))


def _cells(match: Match, why: Explanation, below: Explanation | None) -> list[Cell]:
    """Value and style of each column for people; what is unknown stays blank."""
    subject, found = why.subject, why.found
    # What to watch out for has a column of its own.
    reason = replace(why, cautions=(), parts=tuple(p for p in why.parts if p.name != "deadline")).reason
    rest = [e for e in why.elements if e.element.kind != "indicator"]
    answered = [e.sentence for e in rest if e.status in ("answered", "partial")]
    unanswered = [e.sentence for e in rest if e.status not in ("answered", "partial")]
    texts: list[Sequence[str]] = [
        [reason],
        list(warnings_of(why)),
        _indicators(why),
        ["、".join(why.phrases)],
        [path.text for path in why.paths],
        [compare(why, below) if below else ""],
        [lift.sentence for lift in why.lifts],
        [advice.sentence for advice in why.advice],
        [found.district or ""],
        [str(getattr(found, "maturity", None) or "")],
        answered,
        unanswered,
    ]
    return [
        (subject.id, "text"), (subject.title, "text"), (match.rank, "text"), (match.score, "points"), (why.level, why.level),
        (found.id, "text"), (found.title, "text"), (owner_of(found), "text"),
        *(("\n".join(lines)[:_CELL], "text") for lines in texts),
        *((probability, "share") for probability in reversed(match.probabilities)),
    ]  # fmt: skip


def warnings_of(why: Explanation) -> Iterator[str]:
    """What to watch out for: a deadline that has passed, a scene that has landed, what one side rules out, what is missing."""
    yield from (p.note for p in why.parts if p.name == "deadline" and p.note and (p.value or 0) < 0)
    if any(getattr(node, "status", "") == "已落地" for node in (why.subject, why.found)):
        yield "该场景已落地"
    yield from (caution.removeprefix("注意：") for caution in why.cautions)
    if why.missing:
        yield why.missing


def _indicators(why: Explanation) -> Sequence[str]:
    """The demand's indicators one by one, or in a sentence that nothing answers them."""
    if why.answers:
        return [answer.sentence for answer in why.answers]
    if any(e.element.kind == "indicator" for e in why.elements):
        return [f"{'企业' if why.found.kind == 'enterprise' else '成果'}没有可比的数值"]
    return []


def _write_head(sheet: Any, columns: Mapping[str, int], styles: Mapping[str, Any]) -> None:
    for column, (text, width) in enumerate(columns.items()):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, text, styles["head"])


def _write_row(sheet: Any, row: int, cells: Sequence[Cell], styles: Mapping[str, Any]) -> None:
    for column, (value, style) in enumerate(cells):
        if isinstance(value, str):
            sheet.write_string(row, column, value, styles[style])
        elif value is not None:
            sheet.write_number(row, column, value, styles[style])


def _lay_out(sheet: Any, rows: int, columns: int, printed: int) -> None:
    """Headers that stay, a filter, and a print on A4 across of what a reader needs."""
    sheet.freeze_panes(1, 2)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.repeat_rows(0)
    sheet.fit_to_pages(1, 0)
    # To the last row, not of whole columns: openpyxl, and with it much else, cannot read that.
    sheet.print_area(0, 0, rows, printed - 1)
    if rows:
        sheet.autofilter(0, 0, rows, columns - 1)


def owner_of(node: Any) -> str:
    """Whose it is, for people: the owner of a scene or achievement, the organisation of a broker."""
    return str(getattr(node, "owner", "") or getattr(node, "organisation", "") or "")
