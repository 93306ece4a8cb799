from collections.abc import Callable
from pathlib import Path
from typing import Any

from graph.intake.error_report import write_error_report
from graph.intake.importing import Counts, ImportPlan
from graph.kinds import Scene
from graph.store.store import Store

Writer = Callable[..., Path]
Planner = Callable[..., ImportPlan]

HEADERS = ["编号", "名称", "建设单位", "预算（元）", "截止日期"]
ROWS = [
    ["CJ-1", "海岛投送", "某公司", 3000000, "2026-02-30"],
    ["CJ-2", "'=1+1", "'=某局", "多", None],
    ["CJ-3", "水质监测", "某局", 500000, "2026-12-31"],
]


def load_workbook(path: Path) -> Any:
    import openpyxl

    return openpyxl.load_workbook(path)


def report(plan: ImportPlan, tmp_path: Path) -> tuple[Path, Any]:
    path = tmp_path / "错误.xlsx"
    write_error_report(plan, path)
    return path, load_workbook(path)


def grid(sheet: Any) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def colours(sheet: Any, row: int) -> list[str]:
    return [cell.fill.fgColor.rgb for cell in sheet[row]]


def test_error_report_shows_rows_problems_and_colours(written: Writer, plan: Planner, tmp_path: Path) -> None:
    made = plan(
        written("编号,名称,建设单位,预算\nCJ-1,海岛投送,某公司,很多\nCJ-2,,某局,5\nCJ-3,监测,某局,5\n")
    )
    _, book = report(made, tmp_path)
    sheet = book["表.csv"]
    rows = grid(sheet)
    assert rows[0] == ["行号", "问题", "怎么改", "编号", "名称", "建设单位", "预算"]
    assert rows[1][:2] == ["2", "“预算”：看不懂金额“很多”"]
    assert rows[1][3:] == ["CJ-1", "海岛投送", "某公司", "很多"]
    assert rows[2] == ["3", "“名称”：必填项为空", "请补填后再导入", "CJ-2", None, "某局", "5"]
    assert rows[3] == ["4", None, None, "CJ-3", "监测", "某局", "5"]
    assert [n for n, colour in enumerate(colours(sheet, 2)) if colour == "FFF8CBAD"] == [6]
    assert [n for n, colour in enumerate(colours(sheet, 3)) if colour == "FFF8CBAD"] == [4]
    assert grid(book["问题汇总"])[1][:3] == ["错误", "第 2 行“预算”列", "看不懂金额“很多”"]


def test_error_report_is_mended_and_imported_as_it_is(
    xlsx: Writer, plan: Planner, imported: Planner, store: Store, tmp_path: Path
) -> None:
    made = plan(xlsx({"场景": [["填表说明　单位：元", *[None] * 4], HEADERS, *ROWS]}))
    assert [(p.code, p.row) for p in made.errors] == [("date_not_real", 3), ("amount_unreadable", 4)]
    path, book = report(made, tmp_path)
    sheet = book["场景"]
    # Still wrong, at the same cells, however often it is written and read.
    again = plan(path)
    assert [(p.code, p.row) for p in again.errors] == [("date_not_real", 3), ("amount_unreadable", 4)]
    sheet["H3"], sheet["G4"] = "2026-02-28", "200000"
    book.save(path)
    mended = imported(path)
    assert mended.counts == Counts(new=3)
    expected = {"id": "CJ-2", "title": "=1+1", "owner": "=某局", "budget": (20.0, 20.0)}
    assert store.get("scene", "CJ-2") == Scene.model_validate(expected)
    first = store.get("scene", "CJ-1")
    assert isinstance(first, Scene)
    assert first.budget == (300.0, 300.0)


def test_error_report_of_a_report_has_its_columns_once(xlsx: Writer, plan: Planner, tmp_path: Path) -> None:
    path, _ = report(plan(xlsx({"场景": [HEADERS, *ROWS]})), tmp_path)
    _, book = report(plan(path), tmp_path)
    assert grid(book["场景"])[0] == ["行号", "问题", "怎么改", *HEADERS]
    assert book.sheetnames == ["场景", "问题汇总"]


def test_error_report_holds_no_formula_and_no_secret(xlsx: Writer, plan: Planner, tmp_path: Path) -> None:
    rows = [
        ["编号", "名称", "建设单位", "密级"],
        ["1", "某型装备", "某局", "机密"],
        ["2", "@甲", "+1", "公开"],
    ]
    made = plan(xlsx({"场景": [*rows, ["3", "", "-1", ""]]}))
    path, book = report(made, tmp_path)
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert all(cell.value is None for cell in cells if cell.data_type == "n")
    assert not any("某型装备" in str(cell.value) for cell in cells)
    assert grid(book["场景"])[1][3:] == [None] * 4
    # The place of the secret row is blank now, so what is left can be imported.
    assert [(p.code, p.row) for p in plan(path).errors] == [("value_missing", 4)]


def test_error_report_leaves_out_a_sheet_that_is_secret(xlsx: Writer, plan: Planner, tmp_path: Path) -> None:
    secret = [["机密★5年", None, None], ["编号", "名称", "建设单位"], ["1", "某型装备", "某局"]]
    made = plan(xlsx({"场景": [HEADERS, *ROWS], "底稿": secret}))
    _, book = report(made, tmp_path)
    assert book.sheetnames == ["场景", "问题汇总"]
    assert not any("某型装备" in str(cell) for sheet in book for row in grid(sheet) for cell in row)


def test_error_report_leaves_out_what_a_workbook_cannot_hold(
    written: Writer, plan: Planner, tmp_path: Path
) -> None:
    text = "长" * 40_000
    made = plan(
        written(
            f"编号,名称,建设单位,简介\nCJ-1,,某局,{text}\nCJ-2,坏\x00字\ud83d,某局,\n".encode(
                "utf-8", "replace"
            )
        )
    )
    path, book = report(made, tmp_path)
    assert [row[3] for row in grid(book["表.csv"])[1:]] == ["CJ-2"]
    assert "cell_beyond_workbook" in [row[4] for row in grid(book["问题汇总"])]
    assert path.exists()


def test_error_report_is_the_same_for_the_same_plan(xlsx: Writer, plan: Planner, tmp_path: Path) -> None:
    made = plan(xlsx({"场景": [HEADERS, *ROWS]}))
    write_error_report(made, tmp_path / "a.xlsx")
    write_error_report(made, tmp_path / "b.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
