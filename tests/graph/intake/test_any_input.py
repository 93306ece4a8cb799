"""Whatever is handed in, something a clerk can read comes back."""

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.intake.error_report import write_error_report
from graph.intake.importing import plan_import
from graph.intake.readers import read_tables
from graph.intake.tables import ABSENT, Row, Table
from graph.intake.targets import KIND_NAMES, targets
from graph.problems import Refused
from graph.store.store import Store

WORDS = [
    "企业",
    "发布",
    "TRL9",
    "2026-02-30",
    "91350100M000100Y43",
    "A=公开",
    "合计",
    "★",
    "１２",
    "1e999",
    "\ud800",
]
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from(WORDS),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)
CELLS = st.one_of(JSON_VALUES, st.just(ABSENT), st.dates(), st.datetimes())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_cells_hold_a_plan_and_a_report_come_of_it(
    data: st.DataObject, store: Store, tmp_path: Path
) -> None:
    kind = data.draw(st.sampled_from(KIND_NAMES))
    headers = [t.label for t in targets(kind).values()]
    filled = st.dictionaries(st.integers(0, len(headers) - 1), CELLS, min_size=1, max_size=6)
    drawn = data.draw(st.lists(filled, min_size=1, max_size=3))
    rows = [tuple(cells.get(n) for n in range(len(headers))) for cells in drawn]
    table = Table(
        source="表.jsonl",
        sheet=None,
        banner=(),
        header_row=0,
        headers=tuple(headers),
        rows=tuple(Row(n, cells) for n, cells in enumerate(rows, start=1)),
    )
    made = plan_import(table, store=store, at=datetime(2026, 11, 1, tzinfo=UTC), kind=kind)
    assert len(made.changes) <= len(rows)
    assert all(p.message and p.remedy and p.code for p in made.problems)
    write_error_report(made, tmp_path / "错误.xlsx")


def read_or_refuse(path: Path) -> tuple[list[Table], Refused | None]:
    try:
        return read_tables(path), None
    except Refused as refusal:
        return [], refusal


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), name=st.sampled_from(["a.csv", "a.jsonl", "a.xlsx", "a.json"]))
def test_whatever_bytes_a_file_holds_it_is_read_or_refused(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for head in (b"", "编号,名称\n".encode(), '{"编号": "1"}\n'.encode(), b"PK\x03\x04"):
        path.write_bytes(head + content)
        tables, refusal = read_or_refuse(path)
        assert all(len(row.cells) == len(t.headers) for t in tables for row in t.rows)
        assert refusal is None or (refusal.message.endswith("。") and refusal.remedy.endswith("。"))
