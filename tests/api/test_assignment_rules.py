"""The sheet of rules: what its rows say, every mistake with its place, what is passed over, and the template."""

from pathlib import Path

import pytest

from api.assignment_rules import RulesRefused, Scope, read_rules, write_rules_template
from graph.intake.readers import read_tables
from matcher.assignment_instance import Capacity

SCOPE = Scope(
    scenes=("CJ-1", "CJ-2"), achievements=("CG-1", "CG-2"),
    known={"scene": ("CJ-1", "CJ-2", "CJ-9"), "achievement": ("CG-1", "CG-2", "CG-9")},
)  # fmt: skip
HEAD = "规则,场景编号,成果编号,最少,最多,说明\n"


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return tmp_path / "规则.csv"


def test_rows_are_read_in_any_width_case_and_order_of_columns(sheet: Path) -> None:
    sheet.write_text(
        "一览,,,,\n至多,成果编号*,要求,场景编号,至少\n,cg-1,必须,ＣＪ-1,\n,CG-2,禁止对接,CJ-1,\n３,,名额,CJ-2,１\n0,CG-2,数量,,\n,,数量,CJ-1,2\n",
        encoding="gb18030",
    )
    found = read_rules(sheet, SCOPE, scene_most=1, achievement_most=1)
    assert found.forced == {("CJ-1", "CG-1")}
    assert found.forbidden == {("CJ-1", "CG-2")}
    assert found.scenes == {"CJ-2": Capacity(least=1, most=3), "CJ-1": Capacity(least=2, most=2)}
    assert found.achievements == {"CG-2": Capacity(least=0, most=0)}
    assert found.notices == ()


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("务必,CJ-1,CG-1,,,", "rule_unknown", "规则"), (",CJ-1,CG-1,,,", "rule_unknown", "规则"),
        ("必须,CJ-7,CG-1,,,", "id_unknown", "场景编号"), ("禁止,CJ-1,CG-7,,,", "id_unknown", "成果编号"),
        ("必须,CJ-1,,,,", "id_missing", "成果编号"), ("必须,CJ-9,CG-1,,,", "out_of_scope", "场景编号"),
        ("数量,CJ-1,CG-1,1,2,", "limit_of_what", "场景编号"), ("数量,,,1,2,", "limit_of_what", "场景编号"),
        ("数量,CJ-1,,五,,", "number_wrong", "最少"), ("数量,CJ-1,,,-1,", "number_wrong", "最多"),
        ("数量,CJ-1,,,,", "number_missing", "最多"), ("数量,CJ-1,,3,2,", "least_above_most", "最少"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(sheet: Path, row: str, code: str, column: str) -> None:
    sheet.write_text(f"{HEAD}禁止,CJ-1,CG-1,,,\n{row}\n", encoding="utf-8")
    with pytest.raises(RulesRefused) as refused:
        read_rules(sheet, SCOPE, scene_most=1, achievement_most=1)
    (problem,) = refused.value.problems
    assert (problem.code, problem.row, problem.column) == (code, 3, column)
    assert refused.value.message == "“规则.csv”有 1 处问题，没有使用"


def test_two_numbers_for_one_are_a_mistake_and_the_same_twice_is_none(sheet: Path) -> None:
    sheet.write_text(f"{HEAD}数量,CJ-1,,1,2,\n数量,CJ-1,,1,2,\n", encoding="utf-8")
    assert read_rules(sheet, SCOPE, scene_most=1, achievement_most=1).scenes == {
        "CJ-1": Capacity(least=1, most=2)
    }
    sheet.write_text(f"{HEAD}数量,CJ-1,,1,2,\n数量,CJ-1,,1,3,\n", encoding="utf-8")
    with pytest.raises(RulesRefused, match="1 处问题"):
        read_rules(sheet, SCOPE, scene_most=1, achievement_most=1)


def test_what_is_outside_the_scope_is_passed_over_and_said(sheet: Path) -> None:
    sheet.write_text(f"{HEAD}禁止,CJ-9,CG-1,,,\n数量,,CG-9,,3,\n", encoding="utf-8")
    found = read_rules(sheet, SCOPE, scene_most=1, achievement_most=1)
    assert (found.forbidden, found.achievements) == (frozenset(), {})
    assert [notice[:5] for notice in found.notices] == ["第 2 行", "第 3 行"]


def test_a_sheet_without_the_columns_is_refused_with_where_to_get_one(sheet: Path) -> None:
    sheet.write_text("编号,名称\nCJ-1,甲\n", encoding="utf-8")
    with pytest.raises(RulesRefused) as refused:
        read_rules(sheet, SCOPE, scene_most=1, achievement_most=1)
    assert "--template" in refused.value.problems[0].remedy


def test_the_template_has_every_column_and_its_examples_are_no_rules(tmp_path: Path) -> None:
    path = tmp_path / "规则.xlsx"
    write_rules_template(path)
    (table,) = read_tables(path)
    assert table.headers == ("规则", "场景编号", "成果编号", "最少", "最多", "说明")
    assert len(table.rows) == 4
    found = read_rules(path, SCOPE, scene_most=1, achievement_most=1)
    assert (found.forced, found.forbidden, found.scenes, found.achievements) == (
        frozenset(),
        frozenset(),
        {},
        {},
    )
