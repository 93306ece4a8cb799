"""A small world and an encoder of milliseconds; commands run in this process, their output caught."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from api.cli.app import run
from matcher.models import Models
from tests.factories import NOON, make_learned


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def jiebang(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command on ``home``."""

    def call(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = run(["--home", str(home), *map(str, arguments)])
        streams = capsys.readouterr()
        return Outcome(code=code, out=streams.out, err=streams.err)

    return call


@pytest.fixture
def world(home: Path, jiebang: Command, world_files: list[Path]) -> Path:
    """``home`` with the world in it; no index yet."""
    assert jiebang("import", *world_files).code == 0
    return home


@pytest.fixture
def models(home: Path) -> Models:
    """The versions of learned rankers of ``home``."""
    return Models(home / "models")


def keep_models(models: Models, *weights: float, use: tuple[int, ...] = ()) -> None:
    """Keep a version per weight, then put versions in use, one after the other."""
    for weight in weights:
        models.add(make_learned({"rights": weight, "headline_words": 60.0}))
    for number in use:
        models.use(number, by="程某", at=NOON, why="试")


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of bytes, or of text in an encoding."""

    def write(content: bytes | str, name: str = "表.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


@pytest.fixture
def rows_of() -> Callable[[Path], list[list[str]]]:
    """The rows of a csv file."""

    def read(path: Path) -> list[list[str]]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))

    return read


@pytest.fixture(scope="session")
def sheets_of() -> Callable[[Path], dict[str, list[list[object]]]]:
    """The sheets of a workbook as openpyxl reads them: rows of cell values, and no formula anywhere."""

    def read(path: Path) -> dict[str, list[list[object]]]:
        import openpyxl

        workbook = openpyxl.load_workbook(path)
        cells = [cell for sheet in workbook for row in sheet.iter_rows() for cell in row]
        assert {cell.data_type for cell in cells} <= {"s", "n"}
        return {sheet.title: [[c.value for c in row] for row in sheet.iter_rows()] for sheet in workbook}

    return read


@dataclass(slots=True)
class Clock:
    """The moment at which commands of tasks, bids, races and cases do their work; a test moves it."""

    at: datetime = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands at noon of a day of March until it is moved."""
    from api.cli import awards, bids, cases, panels, racing, reviewing, task_moves, task_pages, tasks

    made = Clock()
    for module in (awards, bids, cases, panels, racing, reviewing, task_moves, task_pages, tasks):
        monkeypatch.setattr(module, "now", made)
    monkeypatch.setenv("JIEBANG_USER", "李明")
    return made
