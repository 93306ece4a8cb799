import pytest

from graph.intake.headers import normalise_header
from graph.intake.mapping import map_headers
from graph.intake.targets import KIND_NAMES, targets


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_every_label_and_attribute_name_maps_to_its_own_attribute(kind: str) -> None:
    labels = [t.label for t in targets(kind).values()]
    assert len({normalise_header(label) for label in labels}) == len(labels)
    mapping = map_headers(labels, kind)
    assert [c.attribute for c in mapping.columns] == list(targets(kind))
    assert mapping.problems == ()


def test_map_headers_says_of_each_column_what_it_became_or_why_not() -> None:
    headers = [
        "序号",
        "场景名称",
        "场景简介",
        "内容",
        "建设单位名称",
        "密级",
        "",
        "行号",
        "问题",
        "怎么改",
        "星期",
    ]
    mapping = map_headers(headers, "scene", sheet="场景", header_row=3)
    assert [(c.attribute, c.reason) for c in mapping.columns] == [
        ("", "序号只是行的次序，不作编号"),
        ("title", ""),
        ("summary", ""),
        ("", "与“场景简介”同为“场景简介”，只取前一列"),
        ("", '不认识的列；如果就是“建设单位”，可用 --map "建设单位名称=建设单位" 指定'),
        ("", "密级列，只用于检查"),
        ("", "没有表头"),
        ("", "错误报告的附加列"),
        ("", "错误报告的附加列"),
        ("", "错误报告的附加列"),
        ("", "不认识的列，未导入"),
    ]
    assert [(p.code, p.severity, p.row, p.column) for p in mapping.problems] == [
        ("column_repeated", "warning", 3, "内容")
    ]
    assert [c.is_secrecy for c in mapping.columns].index(True) == 5


def test_map_headers_follows_overrides_by_label_alias_or_attribute() -> None:
    headers = ["名称", "甲方", "说明", "类型", "不存在"]
    overrides = {
        "甲方（全称）": "建设单位",
        "说明": "summary",
        "类型": "痛点",
        "不存在": "月亮",
        "别的": "太阳",
    }
    mapping = map_headers(headers, "scene", overrides)
    assert [c.attribute for c in mapping.columns] == ["title", "owner", "summary", "problem", ""]
    (problem,) = mapping.problems
    assert problem.code == "map_target_unknown"
    assert "月亮" in problem.message
    assert "建设单位" in problem.remedy


def test_map_headers_prefers_an_override_to_a_column_of_that_name() -> None:
    mapping = map_headers(["名称", "建设单位", "甲方"], "scene", {"甲方": "建设单位"})
    assert [c.attribute for c in mapping.columns] == ["title", "", "owner"]
    assert mapping.problems == ()


@pytest.mark.parametrize(
    ("header", "banner", "unit", "codes"),
    [
        ("预算（万元）", "", "", []),
        ("预算（元）", "", "元", []),
        ("预算(单位：亿元)", "", "亿", []),
        ("预算", "填表人：某某　单位：元", "元", []),
        ("预算（万元）", "单位：元", "", []),
        ("预算（含税）", "", "", []),
        ("预算（万美元）", "", "", ["unit_unknown"]),
        ("预算", "单位：千元", "", ["unit_unknown"]),
    ],
)
def test_map_headers_reads_the_money_unit(header: str, banner: str, unit: str, codes: list[str]) -> None:
    mapping = map_headers(["名称", header], "scene", banner=(banner,))
    assert mapping.columns[1].unit == unit
    assert [p.code for p in mapping.problems] == codes


@pytest.mark.parametrize(
    ("kind", "headers", "missing"),
    [
        ("scene", ["建设单位", "预算"], "名称"),
        ("relation", ["起点类型", "起点编号", "关系"], "终点类型"),
        ("judgement", ["场景编号", "成果编号"], "等级"),
        ("outcome", ["场景编号", "阶段"], "成果编号"),
        ("judgement", ["场景编号", "成果编号", "等级"], None),
        ("scene", ["编号", "预算"], None),
        ("scene", ["名称"], None),
    ],
)
def test_map_headers_needs_a_title_or_an_id(kind: str, headers: list[str], missing: str | None) -> None:
    problems = map_headers(headers, kind).problems
    assert [p.code for p in problems] == (["column_missing"] if missing else [])
    assert all(missing is not None and missing in p.message for p in problems)


@pytest.mark.parametrize(
    ("kind", "headers", "attributes"),
    [
        (
            "scene",  # a published list of opportunities (重庆市 2025 年第一批低空经济应用场景机会清单)
            ["场景类型", "序号", "场景机会名称", "单位名称", "合作需求", "联系方式"],
            ["category", "", "title", "owner", "wanted", "contact_phone"],
        ),
        (
            "scene",  # a sub-district's list
            ["名称", "应用领域", "场景简介", "拟落地应用区域", "牵头部门", "主要技术", "来源", "状态"],
            ["title", "field", "summary", "district", "lead_department", "wanted", "source", "status"],
        ),
        (
            "enterprise",  # a sub-district's list of capabilities
            ["企业名", "简介", "场景能力", "资质", "主营", "核心产品"],
            ["title", "summary", "capabilities", "qualifications", "products", ""],
        ),
    ],
)
def test_map_headers_reads_lists_as_cities_publish_them(
    kind: str, headers: list[str], attributes: list[str]
) -> None:
    assert [c.attribute for c in map_headers(headers, kind).columns] == attributes
