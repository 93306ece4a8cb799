"""Files as offices hand them in, and a store to import them into."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graph.intake.importing import ImportPlan, plan_import
from graph.store.store import Store, open_store

Rows = Sequence[Sequence[Any]]


@pytest.fixture
def at() -> datetime:
    return datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def xlsx(tmp_path: Path) -> Callable[..., Path]:
    """Writes a workbook with openpyxl: sheets by name, cells as given, ranges to merge in the first sheet."""

    def write(sheets: Rows | Mapping[str, Rows], *, name: str = "表.xlsx", merge: Sequence[str] = ()) -> Path:
        import openpyxl

        workbook = openpyxl.Workbook()
        workbook.remove(workbook.active)
        for title, rows in (sheets if isinstance(sheets, Mapping) else {"Sheet1": sheets}).items():
            sheet = workbook.create_sheet(title)
            for number, row in enumerate(rows, start=1):
                for column, value in enumerate(row, start=1):
                    sheet.cell(number, column).value = value
        for area in merge:
            workbook.worksheets[0].merge_cells(area)
        path = tmp_path / name
        workbook.save(path)
        return path

    return write


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of bytes, or of text in an encoding."""

    def write(content: bytes | str, name: str = "表.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def plan(store: Store, at: datetime) -> Callable[..., ImportPlan]:
    """Plans an import into the test's store."""

    def run(source: Any, **options: Any) -> ImportPlan:
        return plan_import(source, store=store, at=at, **options)

    return run


@pytest.fixture
def imported(plan: Callable[..., ImportPlan], store: Store) -> Callable[..., ImportPlan]:
    """Plans and commits; fails the test if there was an error."""

    def run(source: Any, **options: Any) -> ImportPlan:
        made = plan(source, **options)
        assert made.errors == ()
        made.commit(store, actor="李明", reason="测试")
        return made

    return run


@pytest.fixture
def sheet_names() -> Callable[[Path], list[str]]:
    """The names of a workbook's sheets, in order."""

    def names(path: Path) -> list[str]:
        import openpyxl

        return list(openpyxl.load_workbook(path).sheetnames)

    return names
