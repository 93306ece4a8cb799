import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.identifiers.districts import (
    DISTRICTS,
    District,
    district,
    district_closeness,
    districts,
    parse_district,
)
from graph.problems import BadValue
from graph.resources import resource

NAMES = ["香洲区", "斗门区", "金湾区", "高新区", "万山区", "鹤洲新区", "横琴（合作区）", "市外"]


def test_districts_are_those_of_zhuhai_with_their_codes() -> None:
    codes = ["440402", "440403", "440404", "440402", "440402", "440402", "440402", ""]
    zones = {"高新区", "万山区", "鹤洲新区", "横琴（合作区）"}
    expected = tuple(
        District(name=name, code=code, zone=name in zones) for name, code in zip(NAMES, codes, strict=True)
    )
    assert districts() == expected
    assert list(DISTRICTS) == NAMES


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("香洲", "香洲区"),
        (" 珠海市 香洲区 ", "香洲区"),
        ("广东省珠海市金湾区", "金湾区"),
        ("珠海高新区", "高新区"),
        ("珠海国家高新技术产业开发区", "高新区"),
        ("横琴", "横琴（合作区）"),
        ("横琴(合作区)", "横琴（合作区）"),
        ("横琴粤澳深度合作区", "横琴（合作区）"),
        ("440402", "香洲区"),
        ("４４０４０３", "斗门区"),
        ("万山海洋开发试验区", "万山区"),
        ("鹤洲新区（筹）", "鹤洲新区"),
        ("珠海经开区", "金湾区"),
        ("高栏港经济区", "金湾区"),
        ("440403.0", "斗门区"),
        ("440404000000", "金湾区"),
        ("香洲区南屏镇", "香洲区"),
        ("珠海市香洲区南湾街道", "香洲区"),
        ("香洲区唐家湾镇", "高新区"),
        ("香洲区唐家湾镇淇澳村", "高新区"),
        ("香洲区高新区", "高新区"),
        ("高新区（唐家湾）", "高新区"),
        ("金湾区（珠海经开区）", "金湾区"),
        ("金湾区/经开区", "金湾区"),
    ],
)
def test_parse_district_reads_other_names(text: str, name: str) -> None:
    assert parse_district(text) == name


@pytest.mark.parametrize(
    "text",
    ["外地", "省外", "珠海市外", "广州", "广州高新区", "广东省中山市", "澳门特别行政区", "中国澳门",
     "湖北省宜昌市", "宜昌市", "盐城市", "广西壮族自治区", "北京市海淀区",
     "440307", "820000", "429004", "广州、深圳"],
)  # fmt: skip
def test_parse_district_of_another_city_is_outside(text: str) -> None:
    assert parse_district(text) == "市外"


@pytest.mark.parametrize(
    "text",
    ["", "、", "珠海", "珠海市", "440400", "440499", "519000", "全市", "广东省", "中国", "中山路", "智慧城市",
     "火星", "唐家湾区", "金湾区唐家湾镇", "高新区南屏镇", "高新区桂山镇", "香洲区什么", "香洲区" * 20_000],
    ids=lambda text: text[:10],
)  # fmt: skip
def test_parse_district_refuses_what_is_no_single_district(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_district(text)
    assert caught.value.code == "district_unknown"
    assert all(name in caught.value.remedy for name in NAMES)


@pytest.mark.parametrize(
    "text", ["香洲区、高新区", "香洲区/高新区", "香洲区|高新区", "香洲区\n440402；高新区"]
)
def test_parse_district_refuses_several_and_names_them(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_district(text)
    assert (caught.value.code, caught.value.message) == (
        "district_several",
        "这里只能填一个区，写了香洲区、高新区",
    )


def test_district_of_any_writing_is_the_row_of_its_name() -> None:
    assert [district(name) for name in NAMES] == list(districts())
    assert district("珠海高新区") == District(name="高新区", code="440402", zone=True)
    with pytest.raises(BadValue):
        district("火星")


def test_aliases_belong_to_one_district_each() -> None:
    table = json.loads(resource("codes", "districts.json").read_text(encoding="utf-8"))
    aliases = [alias for row in table["districts"] for alias in (row["name"], *row["aliases"])]
    assert len(aliases) == len(set(aliases))
    assert not any(set(alias) & set("；;、，,/|") for alias in aliases)
    for row in table["districts"]:
        assert {parse_district(alias) for alias in row["aliases"]} == {row["name"]}
    assert {parse_district(place) for place in table["outside"]} == {"市外"}


@given(st.text() | st.text(alphabet="珠海市香洲区广东省州中山外横琴（）合作、/4039镇"))
def test_parse_district_answers_a_fixed_point_or_bad_value(text: str) -> None:
    with suppress(BadValue):
        name = parse_district(text)
        assert name in NAMES
        assert parse_district(name) == name


def test_closeness_is_one_at_home_and_least_to_the_outside() -> None:
    for a in NAMES:
        for b in NAMES:
            expected = 1.0 if a == b else 0.3 if "市外" in (a, b) else 0.6
            assert district_closeness(a, b) == expected


def test_closeness_of_an_unknown_district_is_refused() -> None:
    with pytest.raises(BadValue):
        district_closeness("香洲区", "火星")
