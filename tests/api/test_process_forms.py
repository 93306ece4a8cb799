"""Forms of tasks and bids: what is written reads back, what cannot be meant is told with its place."""

from pathlib import Path

import pytest

from api.process_forms import (
    read_bid_form,
    read_case_form,
    read_task_form,
    write_bid_form,
    write_case_form,
    write_task_form,
)
from graph.processes import opened
from matcher.cases import CaseFile, case_rules
from tests.factories import NOON
from tests.matcher.boards import make_task


def _fill(path: Path, sheet: str, *rows: tuple[object, ...], at: int) -> None:
    import openpyxl

    book = openpyxl.load_workbook(path)
    for line, row in enumerate(rows, at):
        for column, value in enumerate(row, 1):
            book[sheet].cell(line, column, value)
    book.save(path)


def test_an_empty_form_says_that_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "榜单表.xlsx"
    write_task_form(path)
    form = read_task_form(path)
    assert (dict(form.values), [p.code for p in form.problems]) == ({}, ["form_empty"])


def test_fields_and_lists_read_back(tmp_path: Path) -> None:
    path = tmp_path / "投标表.xlsx"
    write_bid_form(path, make_task())
    _fill(path, "投标", ("投标单位", "甲公司"), at=2)
    _fill(path, "投标", ("申请金额（万元）", 200.5), at=7)
    _fill(path, "指标应答", ("抗风等级≥7级", "7级"), at=2)
    _fill(path, "联合体", ("甲公司", "", "是"), at=2)
    form = read_bid_form(path)
    assert (dict(form.values), form.problems) == ({"bidder": "甲公司", "amount": "200.5"}, ())
    assert form.lists["单位名称"] == ({"单位名称": "甲公司", "统一社会信用代码": "", "是否牵头": "是"},)
    assert [line["指标"] for line in form.lists["指标"]] == ["抗风等级≥7级", "航程≥30km"]


@pytest.mark.parametrize(
    ("row", "code"),
    [(("颜色", "红"), "form_field_unknown"), (("榜单名称", "海岛送药二"), "form_field_twice"), (("技术难点", "#REF!"), "cell_error")],
)  # fmt: skip
def test_a_line_that_cannot_be_meant_is_told_with_its_row(
    tmp_path: Path, row: tuple[str, str], code: str
) -> None:
    path = tmp_path / "榜单表.xlsx"
    write_task_form(path)
    _fill(path, "榜单", ("榜单名称", "海岛送药"), at=2)
    _fill(path, "榜单", row, at=40)
    form = read_task_form(path)
    assert [(p.code, p.sheet, p.row, p.column) for p in form.problems] == [(code, "榜单", 40, "填写内容")]
    assert form.values["title"] == "海岛送药"


def test_a_sheet_marked_secret_is_refused_whole(tmp_path: Path) -> None:
    path = tmp_path / "机密★5年榜单.xlsx"
    write_task_form(path)
    _fill(path, "榜单", ("榜单名称", "海岛送药"), at=2)
    assert [p.code for p in read_task_form(path).problems] == ["secret_refused"]


def test_a_case_reads_back_as_it_was_and_takes_figures_line_by_line(tmp_path: Path) -> None:
    path, said = (
        tmp_path / "案例表.xlsx",
        {"title": "海岛送药", "investment": "80-100", "field": "低空经济", "first_use": "是"},
    )
    measures = "登塔次数：120→17 次/年（来源：用户证明）；漏检率：待补→待补 %（来源：待补）"
    case = opened(CaseFile, case_rules(), id="AL-1", at=NOON, measures=measures, **said)
    write_case_form(path, case)
    form = read_case_form(path)
    again = opened(CaseFile, case_rules(), id="AL-1", at=NOON, **form.values)
    assert (again, form.problems) == (case, ())
    _fill(path, "成效指标", ("漏检率", 5, "2.5", "%", "检测报告"), ("", "", 3, "", ""), at=3)
    form = read_case_form(path)
    assert form.values["measures"].endswith("漏检率：5→2.5 %（来源：检测报告）")
    assert [one.message for one in form.problems] == ["“成效指标”表里“3”这一行没有写是哪项指标"]
