from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from graph.intake.importing import Counts, ImportPlan
from graph.intake.readers import read_tables
from graph.kinds import Enterprise, Scene
from graph.problems import Problem, Refused
from graph.relations import Edge
from graph.store.store import Store

Writer = Callable[..., Path]
Planner = Callable[..., ImportPlan]

SCENES = [
    ["编号", "名称", "建设单位", "预算"],
    ["CJ-1", "海岛投送", "某公司", "300"],
    ["CJ-2", "水质监测", "某局", ""],
]


def codes(problems: tuple[Problem, ...]) -> list[tuple[str, int | None, str | None]]:
    return [(p.code, p.row, p.column) for p in problems]


def scenes(store: Store) -> dict[str, str]:
    return {node.id: node.title for node in store.nodes("scene")}


def test_importing_a_file_twice_changes_nothing_the_second_time(
    xlsx: Writer, imported: Planner, plan: Planner, store: Store
) -> None:
    path = xlsx({"场景": SCENES})
    first = imported(path)
    assert first.counts == Counts(new=2)
    head = store.head()
    again = plan(path)
    assert (again.counts, again.changes) == (Counts(unchanged=2), ())
    again.commit(store, actor="李明", reason="再导一次")
    assert store.head() == head


def test_any_error_keeps_everything_out_unless_partial(xlsx: Writer, plan: Planner, store: Store) -> None:
    made = plan(xlsx({"场景": [*SCENES, ["CJ-3", "", "某局", "三百"], ["CJ-4", "巡检", "", "1"]]}))
    assert codes(made.errors) == [("value_missing", 4, "名称"), ("amount_unreadable", 4, "预算")]
    result = made.commit(store, actor="李明", reason="测试")
    assert (result.applied, result.errors) == (None, 2)
    assert scenes(store) == {}
    assert store.revision() == 0
    result = made.commit(store, actor="李明", reason="测试", partial=True)
    assert result.applied is not None
    assert (result.applied.revision, result.applied.added) == (1, 3)
    assert result.counts == Counts(new=3, refused=1)
    assert scenes(store) == {"CJ-1": "海岛投送", "CJ-2": "水质监测", "CJ-4": "巡检"}


def test_columns_absent_from_the_file_keep_their_values(
    xlsx: Writer, written: Writer, imported: Planner, store: Store
) -> None:
    imported(xlsx({"场景": SCENES}))
    made = imported(written("编号,简介,预算\nCJ-1,新简介,\n"), kind="scene")
    assert made.counts == Counts(changed=1)
    expected = {"id": "CJ-1", "title": "海岛投送", "owner": "某公司", "summary": "新简介"}
    assert store.get("scene", "CJ-1") == Scene.model_validate(expected)


def test_json_rows_change_only_the_keys_they_have(written: Writer, imported: Planner, store: Store) -> None:
    imported(written('{"id": "1", "title": "甲", "owner": "某公司"}\n', "a.jsonl"), kind="scene")
    imported(written('{"id": "1", "summary": "乙"}\n{"id": "2", "title": "丙"}\n', "b.jsonl"), kind="scene")
    expected = {"id": "1", "title": "甲", "owner": "某公司", "summary": "乙"}
    assert store.get("scene", "1") == Scene.model_validate(expected)


def test_a_workbook_of_several_kinds_is_one_transaction(
    xlsx: Writer, imported: Planner, store: Store
) -> None:
    relations = [
        ["起点类型", "起点编号", "关系", "终点类型", "终点编号", "说明"],
        ["企业", "QY-1", "发布", "场景", "CJ-1", "首批"],
    ]
    firms = [["企业编号", "企业名称", "主营产品"], ["QY-1", "某公司", "无人机"]]
    made = imported(xlsx({"关系": relations, "场景": SCENES, "企业": firms, "说明": [["请按要求填写"]]}))
    assert [(t.mapping.kind if t.mapping else None) for t in made.tables] == [
        "relation",
        "scene",
        "enterprise",
        None,
    ]
    assert made.counts == Counts(new=4)
    assert store.revision() == 1
    assert list(store.edges()) == [
        Edge(
            source_kind="enterprise", source_id="QY-1", relation="posts", target_kind="scene", target_id="CJ-1",
            note="首批",
        )
    ]  # fmt: skip
    assert [(p.code, p.sheet) for p in made.problems] == [("sheet_skipped", "说明")]


def test_relations_to_unknown_ids_are_errors(
    xlsx: Writer, written: Writer, imported: Planner, plan: Planner, store: Store
) -> None:
    imported(xlsx({"场景": SCENES}))
    text = "起点类型,起点编号,关系,终点类型,终点编号\n企业,QY-1,发布,场景,CJ-1\n机构,JG-1,发布,场景,CJ-9\n"
    made = plan(written(text))
    assert codes(made.errors) == [
        ("relation_end_unknown", 2, "起点编号"),
        ("relation_end_unknown", 3, "起点编号"),
        ("relation_end_unknown", 3, "终点编号"),
    ]
    assert "没有编号为“CJ-9”的应用场景" in made.errors[2].message


def test_partial_import_leaves_out_relations_to_rows_with_errors(
    xlsx: Writer, plan: Planner, store: Store
) -> None:
    relations = [
        ["起点类型", "起点编号", "关系", "终点类型", "终点编号"],
        ["企业", "QY-1", "发布", "场景", "CJ-1"],
        ["企业", "QY-2", "发布", "场景", "CJ-1"],
    ]
    firms = [["编号", "企业名称", "主营产品"], ["QY-1", "某公司", "甲"], ["QY-2", None, "乙"]]
    made = plan(xlsx({"场景": SCENES, "企业": firms, "关系": relations}))
    made.commit(store, actor="李明", reason="测试", partial=True)
    assert [edge.source_id for edge in store.edges()] == ["QY-1"]


def test_relations_without_a_note_column_keep_their_note(
    xlsx: Writer, written: Writer, imported: Planner, plan: Planner
) -> None:
    firms = [["编号", "企业名称", "主营产品"], ["QY-1", "某公司", "甲"]]
    relations = [
        ["起点类型", "起点编号", "关系", "终点类型", "终点编号", "说明"],
        ["企业", "QY-1", "发布", "场景", "CJ-1", "首批"],
    ]
    imported(xlsx({"场景": SCENES, "企业": firms, "关系": relations}))
    text = "起点类型,起点编号,关系,终点类型,终点编号\n企业,QY-1,发布,场景,CJ-1\n"
    assert plan(written(text)).counts == Counts(unchanged=1)
    assert plan(written(text.replace("编号\n", "编号,说明\n").replace("CJ-1\n", "CJ-1,\n"))).counts == Counts(
        changed=1
    )


def test_repeated_rows_are_warned_of_and_contradicting_ones_fail_both(xlsx: Writer, plan: Planner) -> None:
    rows = [
        *SCENES,
        ["CJ-1", "海岛投送", "某公司", 300],
        ["CJ-2", "另一个", "某局", None],
        ["CJ-5", "巡检", "", ""],
    ]
    made = plan(xlsx({"场景": rows}))
    assert codes(made.problems) == [
        ("id_repeated", 3, "编号"),
        ("row_repeated", 4, "编号"),
        ("id_repeated", 5, "编号"),
    ]
    assert "与第 5 行重复" in made.problems[0].message
    assert "与第 3 行重复" in made.problems[2].message
    assert (made.counts, len(made.changes)) == (Counts(new=2, refused=2), 2)


def test_repeated_ids_in_two_sheets_name_the_other_sheet(xlsx: Writer, plan: Planner) -> None:
    other = [SCENES[0], ["CJ-1", "别的", "", ""]]
    made = plan(xlsx({"场景一": SCENES, "场景二": other}))
    assert [(p.sheet, p.row) for p in made.errors] == [("场景一", 2), ("场景二", 2)]
    assert "与“场景二”第 2 行重复" in made.errors[0].message


def test_ids_are_derived_where_there_is_no_id_column(
    written: Writer, imported: Planner, plan: Planner
) -> None:
    first = imported(written("序号,场景名称,建设单位,简介\n1,海岛投送,某公司,甲\n2,海岛投送,另一公司,乙\n"))
    assert first.counts == Counts(new=2)
    assert [p.code for p in first.problems] == ["id_derived"]
    reordered = written("序号,场景名称,建设单位,简介\n1,海岛投送,另一公司,乙\n2,海岛投送,某公司,丙\n")
    assert plan(reordered).counts == Counts(changed=1, unchanged=1)


def test_a_firm_on_several_lines_without_ids_is_one_record(
    xlsx: Writer, imported: Planner, plan: Planner, store: Store
) -> None:
    rows = [
        ["企业名称", "核心产品", "核心能力", "资质"],
        ["珠海某某装备有限公司", "无人机", "整机", "高新技术企业"],
        [None, "飞控", None, "专精特新"],
        [None, "无人机", "集成", None],
        ["另一公司", "水泵", None, None],
    ]
    path = xlsx({"企业": rows}, merge=["A2:A4"])
    made = imported(path)
    assert made.counts == Counts(new=2)
    assert [(p.code, p.row) for p in made.problems if p.row] == [("rows_joined", 3), ("rows_joined", 4)]
    firm = next(node for node in store.nodes("enterprise") if "装备" in node.title)
    assert isinstance(firm, Enterprise)
    assert (firm.products, firm.capabilities) == ("无人机\n飞控", "整机\n集成")
    assert firm.qualifications == ("高新技术企业", "专精特新")
    assert plan(path).counts == Counts(unchanged=2)


def test_lines_of_a_firm_that_contradict_each_other_fail(written: Writer, plan: Planner) -> None:
    text = "企业名称,主营产品,所在区\n某公司,甲,香洲区\n某公司,乙,金湾区\n"
    assert codes(plan(written(text)).errors) == [("id_repeated", 2, None), ("id_repeated", 3, None)]


def test_kind_that_cannot_be_told_is_asked_for(written: Writer, plan: Planner, imported: Planner) -> None:
    path = written("题名,内容\n海岛投送,抗风\n")
    assert [p.code for p in plan(path).errors] == ["kind_unclear"]
    assert imported(path, kind="achievement").counts == Counts(new=1)
    with pytest.raises(Refused) as refused:
        plan(path, kind="项目")
    assert refused.value.code == "kind_unknown"


def test_files_in_which_nothing_is_recognised_are_an_error(xlsx: Writer, plan: Planner) -> None:
    made = plan(xlsx({"封面": [["某某局", "二〇二六年"]], "目录": [["第一章", "第 1 页"]]}))
    assert [(p.code, p.severity) for p in made.problems] == [
        ("tables_unrecognised", "error"),
        ("sheet_skipped", "warning"),
        ("sheet_skipped", "warning"),
    ]


def test_a_given_kind_leaves_sheets_of_another_kind_aside(xlsx: Writer, plan: Planner) -> None:
    firms = [["企业编号", "企业名称", "主营产品"], ["QY-1", "某公司", "无人机"]]
    made = plan(xlsx({"场景": SCENES, "企业": firms}), kind="scene")
    assert (made.counts, [p.code for p in made.problems]) == (Counts(new=2), ["sheet_skipped"])


def test_overrides_find_the_header_row_and_unknown_ones_are_errors(
    written: Writer, imported: Planner, plan: Planner, store: Store
) -> None:
    path = written("一览,,\n代号,题,甲方\nCJ-1,海岛投送,某公司\n")
    overrides: Mapping[str, str] = {"代号": "编号", "题": "名称", "甲方": "建设单位"}
    imported(path, kind="scene", overrides=overrides)
    expected = {"id": "CJ-1", "title": "海岛投送", "owner": "某公司"}
    assert store.get("scene", "CJ-1") == Scene.model_validate(expected)
    made = plan(path, kind="scene", overrides={**overrides, "乙方": "联系人", "题": "题目之外"})
    assert {p.code for p in made.errors} == {"map_header_unknown", "map_target_unknown"}


def test_a_table_whose_columns_are_in_doubt_gives_no_rows_even_partially(
    written: Writer, plan: Planner, store: Store
) -> None:
    made = plan(written("编号,名称,建设单位,预算（万美元）\nCJ-1,海岛投送,某公司,3\n"))
    assert codes(made.errors) == [("unit_unknown", 1, "预算（万美元）")]
    made.commit(store, actor="李明", reason="测试", partial=True)
    assert scenes(store) == {}


def test_secret_rows_and_sheets_do_not_come_in(xlsx: Writer, plan: Planner, store: Store) -> None:
    rows = [["编号", "名称", "建设单位", "密级"], ["1", "甲", "某局", "公开"], ["2", "乙", "某局", "机密"]]
    banner = [["机密★5年", None, None, None], *rows]
    made = plan(xlsx({"场景": rows, "场景底稿": banner}))
    assert [(p.code, p.sheet, p.row) for p in made.errors] == [
        ("secret_refused", "场景", 3),
        ("secret_refused", "场景底稿", None),
    ]
    made.commit(store, actor="李明", reason="测试", partial=True)
    assert scenes(store) == {"1": "甲"}


def test_rows_without_records_are_skipped_and_said(xlsx: Writer, plan: Planner) -> None:
    extra = [["合计", "", "", 300], [None] * 4, ["填表人：某某", None, None, None]]
    made = plan(xlsx({"场景": [*SCENES, *extra]}))
    assert made.counts == Counts(new=2, skipped=2)
    assert [(p.code, p.message) for p in made.problems] == [
        ("rows_skipped_footer", "跳过了 2 行合计或落款行：第 4、6 行")
    ]


def test_broken_rows_are_left_out_of_a_partial_import(written: Writer, plan: Planner, store: Store) -> None:
    made = plan(written("编号,场景名称,建设单位\nCJ-1,海岛投送,某公司,还有\nCJ-2,监测,某局\n"))
    assert codes(made.errors) == [("row_too_long", 2, None)]
    made.commit(store, actor="李明", reason="测试", partial=True)
    assert scenes(store) == {"CJ-2": "监测"}


def test_words_off_the_list_are_counted_not_refused(written: Writer, imported: Planner) -> None:
    rows = "".join(f"CJ-{n},场景{n},某局,{'推进中' if n % 2 else '在推'}\n" for n in range(6))
    made = imported(written(f"编号,名称,建设单位,状态\n{rows}"))
    (problem,) = made.problems
    assert (problem.code, problem.row, problem.column) == ("choice_unknown", 3, "状态")
    assert "共 3 行" in problem.message


def test_near_duplicates_are_warned_of_against_store_and_file(
    xlsx: Writer, written: Writer, imported: Planner, plan: Planner
) -> None:
    imported(xlsx({"场景": SCENES}))
    made = plan(written("编号,场景名称,建设单位\nCJ-8,海岛投送,某公司\nCJ-9,海岛投送,某公司\n"))
    assert [(p.code, p.row, p.severity) for p in made.problems] == [("same_text", 2, "warning")]
    assert plan(xlsx({"场景": SCENES})).problems == ()


def test_a_plan_is_refused_when_its_records_were_changed_meanwhile(
    xlsx: Writer, written: Writer, plan: Planner, imported: Planner, store: Store
) -> None:
    imported(xlsx({"场景": SCENES}))
    stale = plan(written("编号,场景名称,建设单位\nCJ-1,海岛快送,某公司\n"))
    imported(written("编号,场景名称,建设单位\nCJ-9,别的,某公司\n", "别.csv"))
    imported(written("编号,预算,建设单位,名称\nCJ-1,500,某公司,海岛投送\n", "预算.csv"))
    with pytest.raises(Refused) as refused:
        stale.commit(store, actor="李明", reason="测试")
    assert refused.value.code == "plan_stale"
    assert scenes(store)["CJ-1"] == "海岛投送"


def test_several_files_are_one_plan_with_places_that_name_the_file(written: Writer, plan: Planner) -> None:
    first = written("编号,名称,建设单位\nCJ-1,甲,\n", "场景一.csv")
    second = written("编号,名称,建设单位\nCJ-2,,\nCJ-3,乙,某局,多余\n", "场景二.csv")
    made = plan([first, *read_tables(second)])
    places = ["工作表“场景二.csv”第 2 行“名称”列", "工作表“场景二.csv”第 3 行"]
    assert [p.place for p in made.errors] == places
    assert made.counts == Counts(new=1, refused=2)


def test_a_table_of_headers_only_says_so(written: Writer, plan: Planner) -> None:
    made = plan(written("编号,名称,建设单位,技术难点\n"))
    assert [(p.code, p.severity) for p in made.problems] == [("table_without_rows", "warning")]
