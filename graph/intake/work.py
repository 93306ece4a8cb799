"""Tables on their way into the store: which kind each is, what its columns mean, which rows count."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from graph.intake.guessing import guess_kind
from graph.intake.headers import header_score, normalise_header
from graph.intake.mapping import HeaderMapping, map_headers
from graph.intake.rows import SKIP_REASONS, Record, skip_reason
from graph.intake.secrecy import secret_table
from graph.intake.tables import Row, Table
from graph.intake.targets import KIND_NAMES, kind_label
from graph.problems import Problem, Refused

ROWS_NAMED = 10


@dataclass(slots=True)
class Work:
    """One table on its way: problems and tallies grow as its rows are read."""

    table: Table
    mapping: HeaderMapping | None = None
    problems: list[Problem] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)
    skipped: int = 0

    def add(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.problems.append(problem)
            if problem.severity == "error" and problem.row is not None:
                self.refused.add(problem.row)


@dataclass(frozen=True, slots=True)
class Found:
    """A record read from a row, and its like in the store; ``unstated`` are attributes the row says nothing of."""

    work: Work
    row: int
    record: Record
    stored: Record | None
    unstated: frozenset[str] = frozenset()


def where(other: Found, one: Found) -> str:
    """The row of ``other`` as it is named to the reader of ``one``: with the table where it is another."""
    row = f"第 {other.row} 行"
    return row if other.work is one.work else f"“{other.work.table.name}”{row}"


def header_of(found: Found, attribute: str) -> str | None:
    """The header of the column that carries the attribute in the record's table; ``None`` without one."""
    mapping = found.work.mapping
    return next((m.header for m in mapping.mapped if m.attribute == attribute), None) if mapping else None


def distinct(tables: list[Table]) -> list[Table]:
    """The tables with sheet names that tell them apart, so that a problem's place names one table only."""
    if len(tables) == 1:
        return tables
    names = [table.name for table in tables]
    return [
        replace(t, sheet=f"{t.source}：{t.sheet}" if names.count(t.name) > 1 and t.sheet else t.name)
        for t in tables
    ]


def map_tables(works: list[Work], kind: str | None, overrides: Mapping[str, str]) -> list[Problem]:
    """Decides each table's kind and columns; returns the problems that belong to no table."""
    if kind is not None and kind not in KIND_NAMES:
        known = "、".join(f"{kind_label(name)}（{name}）" for name in KIND_NAMES)
        raise Refused("kind_unknown", f"不认识的类型“{kind}”。", f"请从 {known} 中选一个。")
    filled = [w for w in works if w.table.headers]
    for work in works:
        work.add(replace(problem, sheet=work.table.sheet) for problem in work.table.problems)
        if work.table.headers:
            _map_table(work, kind, overrides, alone=len(filled) == 1)
    headers = {normalise_header(h) for w in works for h in w.table.headers}
    shown = "、".join(dict.fromkeys(h for w in works for h in w.table.headers if h))
    unknown = [
        Problem(
            code="map_header_unknown",
            message=f"表里没有“{header}”这一列，--map 用不上",
            remedy=f"等号左边请写表里的列名：{shown}",
        )
        for header in overrides
        if normalise_header(header) not in headers
    ]
    in_vain = not any(w.mapping or any(p.severity == "error" for p in w.problems) for w in works)
    return [*unknown, *([_nothing_found()] if in_vain else [])]


def _nothing_found() -> Problem:
    remedy = "请确认数据在可见的工作表里、表头用模板中的列名；列名不同的可用 --map 指定，类型可用 --kind 指明"
    return Problem(code="tables_unrecognised", message="没有一张表能认出来，没有可导入的内容", remedy=remedy)


def _map_table(work: Work, kind: str | None, overrides: Mapping[str, str], *, alone: bool) -> None:
    table = work.table
    secret = secret_table(table.sheet, (Path(table.source).stem, table.sheet or "", *table.banner))
    if secret:
        work.add([secret])
        return
    guess = guess_kind(table)
    if not alone and kind is not None and isinstance(guess, str) and guess != kind:
        work.add([_left_aside(table, f"看起来是{kind_label(guess)}表，没有按{kind_label(kind)}导入")])
        return
    if not alone and header_score(table.headers, frozenset(map(normalise_header, overrides))) < 2:
        work.add([_left_aside(table, "没有认出表头，跳过了这个工作表")])
        return
    chosen = kind or guess
    if isinstance(chosen, Problem):
        work.add([chosen])
        return
    mapping = map_headers(
        table.headers, chosen, overrides, banner=table.banner, sheet=table.sheet, header_row=table.header_row
    )
    work.add(mapping.problems)
    work.mapping = mapping
    if not table.rows:
        remedy = "请确认数据没有写在别的工作表里"
        problem = Problem(
            code="table_without_rows", message="只有表头，没有数据", remedy=remedy, severity="warning"
        )
        work.add([replace(problem, sheet=table.sheet)])


def _left_aside(table: Table, message: str) -> Problem:
    remedy = "如需导入，请单独导入它并用 --kind 指明类型"
    return Problem(
        code="sheet_skipped", message=message, remedy=remedy, severity="warning", sheet=table.sheet
    )


def rows_of(work: Work, mapping: HeaderMapping) -> Iterator[Row]:
    """The rows that should hold a record; none if the columns themselves are in doubt."""
    if any(p.severity == "error" for p in mapping.problems):
        return
    broken = {p.row for p in work.table.problems if p.severity == "error" and p.row is not None}
    passed: dict[str, list[int]] = {}
    for row in work.table.rows:
        reason = skip_reason(row, work.table, mapping)
        if reason:
            passed.setdefault(reason, []).append(row.number)
        elif row.number not in broken:
            yield row
    passed.pop("blank", None)
    for reason, numbers in passed.items():
        work.skipped += len(numbers)
        places = "、".join(map(str, numbers[:ROWS_NAMED])) + (" 等" if len(numbers) > ROWS_NAMED else "")
        work.add(
            [
                Problem(
                    code=f"rows_skipped_{reason}",
                    message=f"跳过了 {len(numbers)} 行{SKIP_REASONS[reason]}：第 {places} 行",
                    remedy="如其中有数据，请改写后再导入",
                    severity="warning",
                    sheet=work.table.sheet,
                )
            ]
        )
