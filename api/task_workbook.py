"""The list of tasks (榜单) as a workbook or csv to publish: every cell a string, nothing of a bid before its opening."""

import csv
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from graph.intake.writing import HEADER_STYLE, TEXT_STYLE, guarded, new_workbook, write_row
from matcher.process_values import WAN, in_china
from matcher.tasks import LABELS, MODES, SCORINGS, SELECTIONS, TIE_RULES, Task

_COLUMNS = {
    "序号": 6, "榜单编号": 16, "榜单名称": 36, "榜单类别": 12, "遴选方式": 12, "发榜单位": 28, "技术难点": 50, "技术指标": 44,
    "研究内容": 40, "榜金（万元）": 12, "投标截止": 20, "验收条件": 40, "评分标准": 36, "计分办法": 24, "同分规则": 24, "状态": 14,
    "投标数": 8, "中榜单位": 36,
}  # fmt: skip


def write_tasks(path: Path, tasks: Sequence[Task]) -> None:
    """Write the tasks in their order (.xlsx, .csv). How many bid, and who won, is told only once it is open."""
    if path.suffix == ".csv":
        rows = [list(_COLUMNS), *(_row(number, task) for number, task in enumerate(tasks, 1))]
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([guarded(cell, csv=True) for cell in row] for row in rows)
        return
    workbook = new_workbook(path)
    head, text = workbook.add_format(dict(HEADER_STYLE)), workbook.add_format(dict(TEXT_STYLE))
    sheet = workbook.add_worksheet("榜单")
    for column, width in enumerate(_COLUMNS.values()):
        sheet.set_column(column, column, width, text)
    write_row(sheet, 0, list(_COLUMNS), head)
    for number, task in enumerate(tasks, 1):
        write_row(sheet, number, _row(number, task), text)
    sheet.freeze_panes(1, 3)
    sheet.autofilter(0, 0, max(len(tasks), 1), len(_COLUMNS) - 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    workbook.close()


def _row(number: int, task: Task) -> list[str]:
    bounty = "" if task.bounty is None else f"{(Decimal(task.bounty) / WAN).normalize():f}"
    bidders = {decision.bid: decision.bidder for decision in task.decisions}
    winners = [bidders[bid] for bid in task.winners]
    rubric = "；".join(f"{criterion.name} {criterion.weight}" for criterion in task.rubric)
    return [
        str(number), task.id, task.title, MODES[task.mode], SELECTIONS[task.selection], task.poster, task.problem,
        task.indicators, task.content, bounty, in_china(task.deadline), task.acceptance, rubric,
        SCORINGS[task.scoring], TIE_RULES[task.tie_rule], LABELS[task.state][0], str(task.bids) if task.is_unsealed else "",
        "、".join(winners),
    ]  # fmt: skip
