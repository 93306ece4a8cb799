import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.identifiers.fields import FIELDS, field_relatedness, fields, parse_fields
from graph.problems import BadValue
from graph.resources import resource

NAMES = (
    "低空经济", "海洋经济", "AI大模型", "绿色新能源", "云上智城", "人形机器人", "开源生态", "类脑智能",
    "大健康", "智能制造", "集成电路", "新材料", "生态环保", "现代农业", "文体会展", "其他",
)  # fmt: skip


def test_fields_are_the_declared_ones_in_order() -> None:
    assert fields() == NAMES


def test_measures_name_the_fields_the_policy_names() -> None:
    by_measure = {
        number: {name for name, field in FIELDS.items() if number in field.measures}
        for number in (3, 4, 5, 6, 11, 16)
    }
    assert by_measure == {
        3: {"人形机器人", "开源生态", "云上智城"},
        4: {"低空经济", "海洋经济", "AI大模型"},
        5: {"绿色新能源", "海洋经济", "低空经济", "云上智城", "AI大模型"},
        6: {"AI大模型", "低空经济", "绿色新能源", "类脑智能", "开源生态", "人形机器人"},
        11: {"低空经济", "人形机器人"},
        16: {"大健康", "文体会展", "AI大模型", "云上智城"},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("低空经济", ("低空经济",)),
        ("无人机、芯片", ("低空经济", "集成电路")),
        ("人工智能；智慧城市", ("AI大模型", "云上智城")),
        ("生物医药,医疗健康", ("大健康",)),
        ("半导体/储能，光伏", ("集成电路", "绿色新能源")),
        ("海洋经济 低空经济", ("海洋经济", "低空经济")),
        ("ＡＩ 大模型", ("AI大模型",)),
        ("“云上智城”\nevtol", ("云上智城", "低空经济")),
        ("低空经济与海洋经济", ("低空经济", "海洋经济")),
        ("低空经济（无人机）和AI", ("低空经济", "AI大模型")),
        ("软件和信息技术", ("云上智城",)),
        ("海洋经济领域", ("海洋经济",)),
        ("其他（教育、心理）；低空", ("其他", "低空经济")),
        ("其他：教育；低空", ("其他", "低空经济")),
    ],
)
def test_parse_fields_reads_several_and_other_names(text: str, expected: tuple[str, ...]) -> None:
    assert parse_fields(text) == expected


def test_parse_fields_refuses_the_unknown_with_the_nearest() -> None:
    with pytest.raises(BadValue) as caught:
        parse_fields("低空经济、海样经济")
    assert caught.value.code == "field_unknown"
    assert caught.value.message == "不认识的产业领域“海样经济”"
    assert caught.value.remedy == f"最接近的是“海洋经济”；请从 {'、'.join(NAMES)} 中选"


@pytest.mark.parametrize("text", ["激光切割", "低空经济与教育", "领域", "低空经济(海样经济)"])
def test_parse_fields_refuses_a_cell_with_any_unknown_part(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_fields(text)
    assert (caught.value.code, caught.value.message) == ("field_unknown", f"不认识的产业领域“{text}”")


def test_parse_fields_offers_no_far_fetched_nearest() -> None:
    with pytest.raises(BadValue) as caught:
        parse_fields("金融科技")
    assert caught.value.remedy == f"请从 {'、'.join(NAMES)} 中选"


@pytest.mark.parametrize("text", ["", "  ", "；、"])
def test_parse_fields_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_fields(text)
    assert caught.value.code == "field_missing"


def test_aliases_belong_to_one_field_each() -> None:
    names = [name for field in FIELDS.values() for name in (field.name, *field.aliases)]
    assert len(names) == len({name.casefold() for name in names})
    for field in FIELDS.values():
        assert {parse_fields(alias) for alias in field.aliases} == {(field.name,)}


@given(st.text() | st.lists(st.sampled_from([*NAMES, "无人机", "x"]), max_size=4).map("、".join))
def test_parse_fields_answers_fixed_points_or_bad_value(text: str) -> None:
    with suppress(BadValue):
        found = parse_fields(text)
        assert set(found) <= set(NAMES)
        assert len(found) == len(set(found)) > 0
        assert parse_fields("、".join(found)) == found


def test_relatedness_is_the_table_read_both_ways() -> None:
    table = json.loads(resource("codes", "fields.json").read_text(encoding="utf-8"))["relatedness"]
    expected = {(a, b): value for a, b, value in table} | {(b, a): value for a, b, value in table}
    assert len(expected) == 2 * len(table)
    assert all(a in NAMES and b in NAMES and a != b and 0 < value < 1 for a, b, value in table)
    for a in NAMES:
        for b in NAMES:
            assert field_relatedness(a, b) == (1.0 if a == b else expected.get((a, b), 0.0))


def test_relatedness_of_named_pairs() -> None:
    assert field_relatedness("人形机器人", "类脑智能") == 0.6
    assert field_relatedness("AI大模型", "低空经济") == 0.4
    assert field_relatedness("文体会展", "集成电路") == 0.0
    with pytest.raises(BadValue):
        field_relatedness("低空经济", "元宇宙")
