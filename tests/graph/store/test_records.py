"""Records as text: what goes in comes out, of every kind, and the text is the one canonical text."""

import json
from datetime import date
from typing import Any

import pytest

from graph.kinds import KINDS, Case, Node, Scene
from graph.problems import Refused
from graph.store.records import canonical, digest, node_from, node_text

# One value for every attribute of any kind, as a clerk would type it.
CELLS: dict[str, str] = {
    "field": "低空经济、海洋经济",
    "district": "香洲区",
    "keywords": "无人机；unmanned aerial vehicle；抗风",
    "visibility": "合作方",
    "field_visibility": "来源=内部；关键词=合作方",
    "owner_uscc": "91440400MA4W000031",
    "uscc": "91440400MA4W000031",
    "maturity_floor": "TRL6",
    "maturity": "TRL7",
    "cooperation": "联合建设、采购",
    "budget": "100-200万元",
    "price": "1.2亿",
    "investment": "不超过80万",
    "size": "300000.5",
    "deadline": "2026年2月",
    "granted_on": "0999-01-01",
    "inventors": "张三、Anna van der Berg",
    "ip_numbers": "ZL202110234567.5；ZL202110234567.5；202110234567.5",
    "ipc": "B64U 10/13",
    "industry_code": "C3963",
    "qualifications": "高新技术企业",
    "scenes": "海岛",
    "deals": "12",
    "load": "0",
    "capacity": "7",
    "first_use": "否",
}


def _full(kind: type[Node]) -> Node:
    return kind(**{name: CELLS.get(name, f"第一行\n“{name}” {{}}\\ 😀") for name in kind.model_fields})


@pytest.mark.parametrize("kind", KINDS)
def test_node_text_and_node_from_are_inverse_for_every_attribute_of_every_kind(kind: str) -> None:
    node = _full(KINDS[kind])
    back = node_from(kind, node_text(node))
    assert (back, type(back), back.model_fields_set) == (node, type(node), node.model_fields_set)
    assert node_text(back) == node_text(node)
    assert [type(v) for v in dict(back).values()] == [type(v) for v in dict(node).values()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_dumped_node_passes_the_door_again_unchanged(kind: str) -> None:
    node = _full(KINDS[kind])
    assert KINDS[kind].model_validate(json.loads(node_text(node))) == node
    assert KINDS[kind].model_validate(node.model_dump(mode="json")) == node


def test_node_text_leaves_defaults_out_and_sorts() -> None:
    node = Scene(title="海岛", id="CJ-1", visibility="公开", deadline=date(2026, 3, 1), budget="5")
    assert node_text(node) == '{"budget":[5.0,5.0],"deadline":"2026-03-01","id":"CJ-1","title":"海岛"}'


def test_canonical_refuses_what_json_has_no_number_for() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"budget": float("nan")})


def test_digest_is_sha256() -> None:
    assert digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_node_from_reads_what_a_stricter_door_would_now_refuse() -> None:
    text = canonical({"id": "CJ-1", "title": "名" * 999, "district": "撤了的区", "attribute_of_old": 1})
    node = node_from("scene", text)
    assert (len(node.title), node.district) == (999, "撤了的区")


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("planet", {"id": "1", "title": "地球"}, "store_newer"),
        ("case", {"id": "1", "title": "案例", "investment": "many"}, "record_unreadable"),
        ("case", [], "record_unreadable"),
    ],
)
def test_node_from_refuses_what_it_cannot_read(kind: str, values: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        node_from(kind, canonical(values))
    assert refused.value.code == code


def test_node_from_gives_nodes_that_cannot_be_changed() -> None:
    node = node_from("case", node_text(Case(id="AL-1", title="案例")))
    with pytest.raises(ValueError, match="frozen"):
        node.title = "别的"  # type: ignore[misc]
