import csv
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from graph.identifiers.districts import DISTRICTS
from graph.identifiers.fields import FIELDS
from graph.intake.exporting import cell_text, write_edges, write_nodes
from graph.intake.importing import ImportPlan, plan_import
from graph.intake.secrecy import has_secret_star, is_bare_mark, is_marked_secret
from graph.intake.tables import BadCell, tidy_text
from graph.intake.targets import targets
from graph.kinds import KINDS, Node, Scene
from graph.problems import Refused
from graph.relations import Edge
from graph.store.changes import PutNode
from graph.store.store import Store, open_store
from graph.values import Visibility
from graph.visibility import visible_attributes

AT = datetime(2026, 11, 1, tzinfo=UTC)

# Everything a cell can hold: formula signs, apostrophes, separators, escapes, emoji, but no characters that
# the door takes off anyway, and not U+FFFD, which says that bytes were lost.
CHARACTERS = st.one_of(
    st.sampled_from(list("=+-@'\"，；;、,\n\t 　0-")),
    st.characters(exclude_categories=["C"], exclude_characters="\ufffd"),
)


def passes(text: str) -> bool:
    """Whether the door lets the text in: Hypothesis also draws the words that this program's own rules refuse."""
    ruined = isinstance(tidy_text(text), BadCell)
    return not ruined and not is_bare_mark(text) and not is_marked_secret(text) and not has_secret_star(text)


TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=30).filter(passes),
    st.sampled_from(
        ["=1+1", "'=1", "''", "_x0041_", "🚁", "a,b;c", "007", "1.50", "TRUE", "2026-03-01", "无", "-"]
    ),
)
VISIBILITIES: st.SearchStrategy[Visibility] = st.sampled_from(["public", "partner", "staff"])


def load_workbook(path: Path) -> Any:
    import openpyxl

    return openpyxl.load_workbook(path)


def values_of(kind: str, attribute: str) -> st.SearchStrategy[Any]:
    """Raw values that the attribute's own rule accepts, mostly."""
    amounts = st.floats(0, 1e12, allow_nan=False)
    special: dict[str, st.SearchStrategy[Any]] = {
        "field": st.lists(st.sampled_from(sorted(FIELDS)), max_size=3).map("、".join),
        "district": st.sampled_from(sorted(DISTRICTS)),
        "visibility": VISIBILITIES,
        "field_visibility": st.dictionaries(st.sampled_from(sorted(targets(kind))), VISIBILITIES, max_size=3),
        "uscc": st.sampled_from(["91350100M000100Y43", "91110108551385082Q"]),
        "owner_uscc": st.sampled_from(["91350100M000100Y43", "91110108551385082Q"]),
        "maturity": st.sampled_from(["TRL1", "中试", "13级制第8级"]),
        "maturity_floor": st.sampled_from(["TRL9", "小试"]),
        "ip_numbers": st.sampled_from(["ZL201710601862.3", "202211250898.9；95115608.X"]),
        "ipc": st.sampled_from(["B64U 10/13", "B64U；G06F 17/00"]),
        "industry_code": st.sampled_from(["C3963", "I65"]),
        "deadline": st.dates(date(1990, 1, 1), date(2099, 12, 31)),
        "granted_on": st.dates(date(1990, 1, 1), date(2099, 12, 31)),
        "first_use": st.sampled_from(["是", "否"]),
    }
    if attribute in special:
        return special[attribute]
    if targets(kind)[attribute].is_amount:
        return st.tuples(amounts, amounts).map(sorted)
    if KINDS[kind].model_fields[attribute].annotation == int | None:
        return st.integers(0, 999_999_999)
    return TEXTS


@st.composite
def nodes_of(draw: st.DrawFn, kind: str) -> list[Node]:
    nodes = []
    for number in range(draw(st.integers(1, 4))):
        values = {}
        for name in targets(kind):
            if name in {"id", "title"} or draw(st.booleans()):
                values[name] = draw(values_of(kind, name))
        values["id"] = f"{number}{values['id']}"
        values["title"] = f"题{values['title']}"
        nodes.append(KINDS[kind].model_validate(values))
    return nodes


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(tmp_path_factory.mktemp("empty") / "store.db")


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".jsonl"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_importing_what_was_exported_gives_the_same_records(
    data: st.DataObject, suffix: str, empty: Store, tmp_path: Path
) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    nodes = data.draw(nodes_of(kind))
    path = tmp_path / f"导出{suffix}"
    write_nodes(nodes, path, "staff")
    plan = plan_import(path, store=empty, at=AT, kind=kind)
    assert plan.errors == ()
    assert [change.node for change in plan.changes if isinstance(change, PutNode)] == nodes


@settings(max_examples=50, deadline=None)
@given(data=st.data(), audience=VISIBILITIES)
def test_nothing_leaves_that_the_audience_may_not_see(data: st.DataObject, audience: Visibility) -> None:
    rank = ["public", "partner", "staff"].index
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    for node in data.draw(nodes_of(kind)):
        seen = visible_attributes(node, audience)
        expected = {
            name
            for name, target in targets(kind).items()
            if rank(node.visibility) <= rank(audience)
            and rank(node.field_visibility.get(name, target.visibility)) <= rank(audience)
        }
        assert seen == expected


def scene(id: str, **values: Any) -> Scene:
    return Scene.model_validate({"id": id, "title": f"场景{id}", **values})


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.reader(stream))


def test_export_leaves_out_records_columns_and_cells_by_audience(tmp_path: Path) -> None:
    nodes = [
        scene("1", contact="张某", source="某局来文", budget="300"),
        scene("2", budget="500", field_visibility="预算（万元）=内部"),
        scene("3", visibility="合作方"),
        scene("4", visibility="内部", source="内部来源"),
    ]
    found = {}
    audiences: list[Visibility] = ["public", "partner", "staff"]
    for audience in audiences:
        path = tmp_path / f"{audience}.csv"
        write_nodes(nodes, path, audience)
        head, *rows = rows_of(path)
        found[audience] = [{k: v for k, v in zip(head, row, strict=True) if v} for row in rows]
        assert ("联系人" in head, "来源" in head) == (audience == "staff", audience != "public")
    public = {"编号": "1", "名称": "场景1", "预算（万元）": "300", "可见范围": "公开"}
    assert found["public"] == [public, {"编号": "2", "名称": "场景2", "可见范围": "公开"}]
    assert [row["编号"] for row in found["partner"]] == ["1", "2", "3"]
    assert found["partner"][0] == {**public, "来源": "某局来文"}
    assert [row.get("预算（万元）") for row in found["staff"]] == ["300", "500", None, None]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@甲", "=cmd|' /C calc'!A0", "\t=1+1"])
def test_export_holds_no_formula(text: str, tmp_path: Path) -> None:
    node = scene("1", summary=text)
    write_nodes([node], tmp_path / "a.csv", "staff")
    head, row = rows_of(tmp_path / "a.csv")
    assert row[head.index("场景简介")] == f"'{text.strip()}"
    write_nodes([node], tmp_path / "a.xlsx", "staff")
    (sheet,) = load_workbook(tmp_path / "a.xlsx").worksheets
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}
    with zipfile.ZipFile(tmp_path / "a.xlsx") as package:
        assert b"<f>" not in package.read("xl/worksheets/sheet1.xml")


def test_export_of_several_kinds_is_a_sheet_each(tmp_path: Path, empty: Store) -> None:
    nodes: list[Node] = [
        KINDS["enterprise"].model_validate({"id": "QY-1", "title": "某公司"}),
        scene("1"),
    ]
    write_nodes(nodes, tmp_path / "全部.xlsx", "staff")
    assert load_workbook(tmp_path / "全部.xlsx").sheetnames == ["应用场景", "企业"]
    plan = plan_import(tmp_path / "全部.xlsx", store=empty, at=AT)
    assert [c.node for c in plan.changes if isinstance(c, PutNode)] == [nodes[1], nodes[0]]
    with pytest.raises(Refused) as refused:
        write_nodes(nodes, tmp_path / "全部.csv", "staff")
    assert refused.value.code == "export_kinds"


def test_export_that_a_workbook_cannot_hold_is_refused_not_cut(tmp_path: Path) -> None:
    node = scene("1", summary="长" * 40_000)
    with pytest.raises(Refused) as refused:
        write_nodes([node], tmp_path / "a.xlsx", "staff")
    assert refused.value.code == "export_cell_too_long"
    assert not (tmp_path / "a.xlsx").exists()
    write_nodes([node], tmp_path / "a.jsonl", "staff")
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))["场景简介"] == node.summary


def test_export_to_an_unknown_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        write_nodes([scene("1")], tmp_path / "a.pdf", "staff")
    assert refused.value.code == "export_format"


def test_export_of_nothing_is_an_empty_file(tmp_path: Path) -> None:
    for name in ("a.xlsx", "a.csv", "a.jsonl"):
        write_nodes([scene("1", visibility="内部")], tmp_path / name, "public")
        assert (tmp_path / name).exists()


def test_export_is_the_same_for_the_same_nodes(tmp_path: Path) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_nodes([scene("1"), scene("2")], tmp_path / name, "staff")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


@given(text=st.text(CHARACTERS, max_size=20))
@example(text="a b；")
@example(text="无；")
def test_lists_survive_as_cells(text: str) -> None:
    node = scene("1", keywords=text)
    assume(node.keywords)
    assert scene("1", keywords=cell_text(node, "keywords")).keywords == node.keywords


@pytest.mark.parametrize("suffix", [".xlsx", ".csv", ".jsonl"])
def test_importing_exported_relations_changes_nothing(
    suffix: str, store: Store, imported: Callable[..., ImportPlan], tmp_path: Path
) -> None:
    nodes: list[Node] = [
        KINDS["enterprise"].model_validate({"id": "=1", "title": "某公司"}),
        scene("CJ-1"),
    ]
    write_nodes(nodes, tmp_path / "节点.xlsx", "staff")
    edge = Edge(
        source_kind="enterprise",
        source_id="=1",
        relation="posts",
        target_kind="scene",
        target_id="CJ-1",
        note="-",
    )
    path = tmp_path / f"关系{suffix}"
    write_edges([edge], path)
    imported([tmp_path / "节点.xlsx", path])
    assert list(store.edges()) == [edge]
