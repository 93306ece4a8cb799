"""The list of tasks to publish: strings only, and nothing of a bid before its opening."""

from pathlib import Path

from api.task_workbook import write_tasks
from tests.matcher.boards import OPENING, make_posted


def test_a_sealed_task_tells_nothing_of_its_bids_and_an_opened_one_how_many(tmp_path: Path) -> None:
    import openpyxl

    sealed = make_posted().model_copy(update={"bids": 7, "title": "=1+1"})
    opened = sealed.model_copy(update={"id": "BD-2026-002", "unsealed_at": OPENING})
    path = tmp_path / "榜单.xlsx"
    write_tasks(path, [sealed, opened])
    sheet = openpyxl.load_workbook(path)["榜单"]
    head, *rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert [row[head.index("投标数")] for row in rows] == [None, "7"]
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}
    assert [row[head.index("榜单名称")] for row in rows] == ["=1+1", "=1+1"]
