"""Ranked pairings as a workbook for people: one row a pair, its reason and its parts; every cell a text or a number."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from graph.problems import Refused
from matcher.explanation import Explanation
from matcher.features import features
from matcher.ranker import LEVELS
from matcher.ranking import Match

_HEAD = ("对象编号", "对象名称", "名次", "得分", "等级", "推荐编号", "推荐名称", "所属单位", "所在区", "理由")
_WIDTHS = (16, 36, 6, 8, 10, 16, 40, 28, 12, 80)
_TAIL = {"成熟度": 10, "逐条指标": 60}
_STYLES: dict[str, dict[str, Any]] = {
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
    """Write the results to ``path`` (.xlsx), the reasons and the parts as on screen; gives the number of rows.

    Cells are written as strings or numbers, never as formulas. Raises ``Refused`` if the file cannot be
    written (open in Excel, folder missing).
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    workbook = Workbook(str(path), options)
    styles = {name: workbook.add_format({"valign": "top"} | style) for name, style in _STYLES.items()}
    sheet = workbook.add_worksheet("匹配结果")
    headers = _headers()
    for column, text in enumerate(headers):
        sheet.set_column(column, column, _WIDTHS[column] if column < len(_WIDTHS) else _TAIL.get(text, 11))
        sheet.write_string(0, column, text, styles["head"])
    row = 0
    for matches, explanations in results:
        for match, why in zip(matches, explanations, strict=True):
            row += 1
            for column, (value, style) in enumerate(_cells(match, why)):
                if isinstance(value, str):
                    sheet.write_string(row, column, value, styles[style])
                elif value is not None:
                    sheet.write_number(row, column, value, styles[style])
    _lay_out(sheet, row, len(headers))
    try:
        workbook.close()
    except (FileCreateError, OSError) as error:
        remedy = "请先在 Excel 中关闭该文件，或换一个可写的位置。"
        raise Refused("export_unwritable", f"无法写入“{path}”（{error}）。", remedy) from error
    return row


def _headers() -> list[str]:
    chances = [f"概率·{LEVELS[level]}" for level in (4, 3, 2, 1)]
    return [*_HEAD, *chances, *(f"分项·{feature.label}" for feature in features().values()), *_TAIL]


def _cells(match: Match, why: Explanation) -> list[tuple[str | float | None, str]]:
    """Value and style of each cell of a row; what is unknown stays blank, so that it is not taken for nought."""
    subject, found = why.subject, why.found
    indicators = "\n".join(answer.sentence for answer in why.answers)
    return [
        (subject.id, "text"), (subject.title, "text"), (match.rank, "text"), (match.score, "points"), (why.level, why.level),
        (found.id, "text"), (found.title, "text"), (owner_of(found), "text"), (found.district or "", "text"), (why.reason, "text"),
        *((probability, "share") for probability in reversed(match.probabilities)),
        *((None if part.value is None else part.points, "points") for part in why.parts),
        (str(getattr(found, "maturity", None) or ""), "text"), (indicators, "text"),
    ]  # fmt: skip


def _lay_out(sheet: Any, rows: int, columns: int) -> None:
    """Headers that stay, a filter, and a print on A4 across of what a reader needs."""
    sheet.freeze_panes(1, 2)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.repeat_rows(0)
    sheet.fit_to_pages(1, 0)
    # To the last row, not of whole columns: openpyxl, and with it much else, cannot read that.
    sheet.print_area(0, 0, rows, len(_HEAD) - 1)
    if rows:
        sheet.autofilter(0, 0, rows, columns - 1)


def owner_of(node: Any) -> str:
    """Whose it is, for people: the owner of a scene or achievement, the organisation of a broker."""
    return str(getattr(node, "owner", "") or getattr(node, "organisation", "") or "")
