from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graph.intake.importing import Counts, ImportPlan
from graph.intake.readers import read_tables
from graph.intake.targets import KIND_NAMES, kind_label, targets
from graph.intake.templates import GUIDANCE, write_template
from graph.kinds import KINDS, Scene
from graph.problems import Refused
from graph.relations import Edge
from graph.store.changes import PutNode
from graph.store.store import Store

Planner = Callable[..., ImportPlan]


def load_workbook(path: Path) -> Any:
    import openpyxl

    return openpyxl.load_workbook(path)


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_template_is_recognised_and_its_example_row_is_skipped(
    kind: str, plan: Planner, tmp_path: Path
) -> None:
    path = tmp_path / f"{kind_label(kind)}.xlsx"
    write_template(kind, path)
    made = plan(path)
    (planned,) = made.tables
    assert planned.mapping is not None
    assert planned.mapping.kind == kind
    assert [c.attribute for c in planned.mapping.columns] == list(targets(kind))
    assert (made.counts, made.errors, made.changes) == (Counts(skipped=1), (), ())


@pytest.mark.parametrize("kind", KINDS)
def test_template_examples_are_values_that_the_import_accepts(
    kind: str, imported: Planner, store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "模板.xlsx"
    write_template(kind, path)
    book = load_workbook(path)
    sheet = book[kind_label(kind)]
    names = list(targets(kind))
    for column, value in (("id", "X-1"), ("title", "某某")):
        cell = sheet.cell(2, names.index(column) + 1)
        cell.value = value
    book.save(path)
    assert imported(path).counts == Counts(new=1)
    assert store.get(kind, "X-1") is not None


def test_template_is_filled_in_and_imported(imported: Planner, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "应用场景.xlsx"
    write_template("scene", path)
    book = load_workbook(path)
    sheet = book["应用场景"]
    headers = [cell.value for cell in sheet[1]]
    assert headers[:2] == ["*编号", "*名称"]
    values = {
        "*编号": "CJ-7",
        "*名称": "海岛投送",
        "预算（万元）": 300,
        "可见范围": "合作方",
        "截止日期": "2026年3月",
    }
    for header, value in values.items():
        sheet.cell(3, headers.index(header) + 1).value = value
    book.save(path)
    assert imported(path).counts == Counts(new=1, skipped=1)
    expected = {
        "id": "CJ-7",
        "title": "海岛投送",
        "budget": "300",
        "visibility": "partner",
        "deadline": "2026-03-31",
    }
    assert store.get("scene", "CJ-7") == Scene.model_validate(expected)


def test_relation_template_is_filled_in_and_imported(imported: Planner, store: Store, tmp_path: Path) -> None:
    paths = []
    rows = {
        "scene": ["CJ-1", "海岛投送"],
        "enterprise": ["QY-1", "某公司"],
        "relation": ["企业", "QY-1", "发布", "应用场景", "CJ-1", "首批"],
    }
    for kind, row in rows.items():
        paths.append(tmp_path / f"{kind}.xlsx")
        write_template(kind, paths[-1])
        book = load_workbook(paths[-1])
        for column, value in enumerate(row, start=1):
            book[kind_label(kind)].cell(3, column).value = value
        book.save(paths[-1])
    assert imported(paths).counts == Counts(new=3, skipped=3)
    edge = Edge(
        source_kind="enterprise",
        source_id="QY-1",
        relation="posts",
        target_kind="scene",
        target_id="CJ-1",
        note="首批",
    )
    assert list(store.edges()) == [edge]


def test_template_offers_lists_for_choices_districts_fields_and_visibility(tmp_path: Path) -> None:
    path = tmp_path / "应用场景.xlsx"
    write_template("scene", path)
    book = load_workbook(path)
    sheet, lists = book["应用场景"], book["代码表"]
    assert lists.sheet_state == "hidden"
    headers = [cell.value for cell in sheet[1]]
    offered = {}
    for rule in sheet.data_validations.dataValidation:
        column = next(iter(rule.sqref.ranges)).min_col
        area = rule.formula1.split("!")[1].replace("$", "")
        offered[headers[column - 1]] = [cell.value for (cell,) in lists[area]]
    assert offered["状态"] == ["储备", "在推", "已落地"]
    assert offered["可见范围"] == ["公开", "合作方", "内部"]
    assert "低空经济" in offered["产业领域"]
    assert "香洲区" in offered["所在区"]
    assert set(offered) == {"成熟度要求", "状态", "产业领域", "所在区", "可见范围"}


@pytest.mark.parametrize(
    ("kind", "header", "options", "only_these"),
    [
        ("judgement", "*等级", ["强相关", "较强相关", "弱相关", "无相关"], False),
        ("outcome", "*阶段", ["已展示", "已联系", "已见面", "有意向", "已签约", "已落地", "未成"], True),
    ],
)
def test_feedback_template_offers_its_list_and_is_filled_in_and_imported(
    imported: Planner,
    store: Store,
    tmp_path: Path,
    kind: str,
    header: str,
    options: list[str],
    only_these: bool,
) -> None:
    for node in ("scene", "achievement"):
        store.apply(
            [PutNode(node=KINDS[node].model_validate({"id": "1", "title": "甲"}))],
            actor="李明",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            reason="",
        )
    path = tmp_path / "模板.xlsx"
    write_template(kind, path)
    book = load_workbook(path)
    sheet, lists = book[kind_label(kind)], book["代码表"]
    (rule,) = sheet.data_validations.dataValidation
    column = next(iter(rule.sqref.ranges)).min_col
    assert sheet.cell(1, column).value == header
    assert [cell.value for (cell,) in lists[rule.formula1.split("!")[1].replace("$", "")]] == options
    # Excel leaves out the style that is its default, which stops what is not in the list.
    assert (rule.errorStyle in (None, "stop")) == only_these
    for line, option in enumerate(options, start=3):
        row = ["1", "1", option, f"评级人{line}", "2026-03-01", "看过"]
        for position, value in enumerate(row, start=1):
            sheet.cell(line, position).value = value
    book.save(path)
    assert imported(path).counts == Counts(new=len(options), skipped=1)
    assert len([*store.judgements(), *store.outcomes()]) == len(options)


def test_template_columns_are_text_so_that_long_numbers_survive(tmp_path: Path) -> None:
    path = tmp_path / "企业.xlsx"
    write_template("enterprise", path)
    sheet = load_workbook(path)["企业"]
    formats = {dimension.number_format for dimension in sheet.column_dimensions.values()}
    assert formats == {"@"}


def test_template_guide_has_a_line_for_every_column(tmp_path: Path) -> None:
    for kind in KIND_NAMES:
        path = tmp_path / f"{kind}.xlsx"
        write_template(kind, path)
        guide = load_workbook(path)["填写说明"]
        told = [row[0].value for row in guide.iter_rows(min_row=2, max_row=len(targets(kind)) + 1)]
        assert told == [target.label for target in targets(kind).values()]
        assert len(read_tables(path)) == 1


def test_guidance_is_for_columns_that_exist() -> None:
    known = {name for kind in KIND_NAMES for name in targets(kind)}
    assert set(GUIDANCE) <= known


def test_template_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        write_template("项目", tmp_path / "x.xlsx")
    assert refused.value.code == "kind_unknown"
    assert all(kind in refused.value.remedy for kind in KINDS)
