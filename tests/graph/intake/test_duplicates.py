from typing import Any

from graph.intake.duplicates import WARNING_LIMIT, Incoming, duplicate_warnings
from graph.kinds import Enterprise, Expert, Node, Scene
from graph.problems import Problem

TEXT = "海岛应急物资无人机投送，覆盖万山各岛，抗七级风，载荷不低于十公斤，全年可用天数不少于三百天"


def scene(id: str, title: str, **values: Any) -> Scene:
    return Scene.model_validate({"id": id, "title": title, **values})


def coming(*nodes: Node) -> list[Incoming]:
    return [Incoming(node, "场景", row) for row, node in enumerate(nodes, start=2)]


def told(problems: list[Problem]) -> list[tuple[str, int | None]]:
    return [(p.code, p.row) for p in problems]


def test_the_same_text_under_another_id_is_told_with_both_ids() -> None:
    nodes = coming(scene("1", "海岛投送", summary="抗风 7 级。"), scene("2", "海岛 投送", summary="抗风７级"))
    assert duplicate_warnings(nodes, []) == [
        Problem(
            code="same_text",
            message="2 与 1的名称和简介相同",
            remedy="如为重复，请只保留一条；如确为两条，可不处理",
            severity="warning",
            sheet="场景",
            row=3,
        )
    ]
    known = duplicate_warnings(coming(scene("2", "海岛投送")), [scene("1", "海岛投送")])
    assert told(known) == [("same_text", 2)]


def test_nearly_the_same_text_is_told_and_another_is_not() -> None:
    known = [scene("1", TEXT), scene("3", "近海养殖网箱水质在线监测与预警")]
    found = duplicate_warnings(coming(scene("2", TEXT.replace("十公斤", "八公斤"))), known)
    assert told(found) == [("near_text", 2)]
    assert "2 与 1" in found[0].message


def test_a_record_is_not_compared_with_its_own_older_version_nor_known_ones_with_each_other() -> None:
    assert duplicate_warnings(coming(scene("1", TEXT + "新")), [scene("1", TEXT)]) == []
    assert duplicate_warnings(coming(scene("9", "别的")), [scene("1", TEXT), scene("2", TEXT)]) == []


def test_one_text_under_many_ids_is_one_warning_that_counts() -> None:
    nodes = coming(*(scene(str(n), "技术需求") for n in range(5000)))
    (problem,) = duplicate_warnings(nodes, [])
    assert problem.message == "1 与 0、2、3、4、5 等 4999 条的名称和简介相同"


def test_warnings_are_capped_with_a_count() -> None:
    nodes = coming(*(scene(f"{n}-{k}", f"第{n}号场景") for n in range(80) for k in range(2)))
    found = duplicate_warnings(nodes, [])
    assert len(found) == WARNING_LIMIT + 1
    assert (found[-1].code, found[-1].message) == (
        "warnings_capped",
        "内容相同的提示共 80 条，只列出前 50 条",
    )


def test_organisations_are_compared_by_name_and_code_across_kinds() -> None:
    firm = Enterprise.model_validate(
        {"id": "QY-1", "title": "珠海澜川装备有限公司", "uscc": "91350100M000100Y43"}
    )
    twin = Enterprise.model_validate({"id": "QY-2", "title": "珠海澜川装备有限责任公司"})
    owned = scene("CJ-1", "海岛投送", owner="澜川装备有限公司")
    found = duplicate_warnings(coming(owned, twin), [firm])
    assert told(found) == [("organisation_twice", 3), ("organisation_spelling", 2)]
    assert "“珠海澜川装备有限公司”（企业 QY-1，91350100M000100Y43）" in found[0].message


def test_people_of_one_name_in_two_houses_are_two_people() -> None:
    people = [
        Expert.model_validate({"id": str(n), "title": "王明", "organisation": house})
        for n, house in enumerate(["甲大学", "乙大学", "乙大学"])
    ]
    assert told(duplicate_warnings(coming(*people), [])) == [("same_text", 4)]
