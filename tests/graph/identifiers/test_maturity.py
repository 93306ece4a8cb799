from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.identifiers.maturity import Maturity, maturity_label, parse_maturity, trl
from graph.problems import BadValue


def nine(level: int) -> Maturity:
    return Maturity(scale="GB/T 22900", level=level)


def thirteen(level: int) -> Maturity:
    return Maturity(scale="TRL13", level=level)


ALL = [*map(nine, range(1, 10)), *map(thirteen, range(1, 14))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TRL6", nine(6)),
        ("trl 6", nine(6)),
        ("ＴＲＬ６", nine(6)),
        ("TRL 6-7", nine(6)),
        ("TRL7～TRL6", nine(6)),
        ("6至7级", nine(6)),
        ("6级", nine(6)),
        ("第六级", nine(6)),
        ("6", nine(6)),
        ("TRL6及以上", nine(6)),
        ("≥TRL6", nine(6)),
        ("不低于6级", nine(6)),
        ("技术成熟度：7级", nine(7)),
        ("9级制第7级", nine(7)),
        ("TRL6、TRL5", nine(5)),
        ("13级制第8级", thirteen(8)),
        ("十三级制第八级", thirteen(8)),
        ("13级制第12级", thirteen(12)),
        ("13级制第8-9级", thirteen(8)),
        ("TRL13-8", thirteen(8)),
        ("TRL13-13", thirteen(13)),
        ("13级第8级", thirteen(8)),
        ("6.0", nine(6)),
        ("TRL6或7", nine(6)),
    ],
)
def test_parse_maturity_reads_levels(text: str, expected: Maturity) -> None:
    assert parse_maturity(text) == expected


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("初期", 3),
        ("实验室", 4),
        ("实验室阶段", 4),
        ("实验室（阶段）", 4),
        ("小试", 4),
        ("中期阶段", 5),
        ("样机", 5),
        ("中试", 6),
        ("已完成中试", 6),
        ("中试已完成", 6),
        ("小试阶段完成", 4),
        ("小试/中试", 4),
        ("成熟应用", 8),
        ("批量生产", 9),
        ("已产业化", 9),
        ("中试（TRL5）", 5),
        ("TRL7（中试）", 7),
    ],
)
def test_parse_maturity_reads_stage_words(text: str, level: int) -> None:
    assert parse_maturity(text) == nine(level)


@pytest.mark.parametrize("text", ["TRL12", "12级", "TRL 0", "TRL6-12", "2026"])
def test_parse_maturity_refuses_levels_off_the_9_scale_and_says_how_to_write_the_other(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_maturity(text)
    assert caught.value.code == "maturity_out_of_range"
    assert caught.value.remedy == "请填 1 至 9 之间的整数级别；13 级制的请写成 13级制第8级"


@pytest.mark.parametrize("text", ["13级制第14级", "TRL13-0"])
def test_parse_maturity_refuses_levels_off_the_13_scale(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_maturity(text)
    assert caught.value.code == "maturity_out_of_range"
    assert caught.value.remedy == "请填 1 至 13 之间的整数级别"


@pytest.mark.parametrize(
    "text", ["", "好", "TRL", "TRL6以下", "6.5", "阶段", "未产业化", "尚未中试", "小试未完成"]
)
def test_parse_maturity_refuses_what_it_cannot_read(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_maturity(text)
    assert caught.value.code == "maturity_unreadable"
    assert "13级制第8级" in caught.value.remedy


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"scale": "GB/T 22900", "level": 10}, "maturity_out_of_range"),
        ({"scale": "GB/T 22900", "level": 0}, "maturity_out_of_range"),
        ({"scale": "TRL13", "level": 14}, "maturity_out_of_range"),
        ({"scale": "GB/T 22900", "level": True}, "maturity_out_of_range"),
        ({"scale": "GB/T 22900", "level": 6.5}, "maturity_out_of_range"),
        ({"scale": "TRL5", "level": 3}, "maturity_scale_unknown"),
    ],
)
def test_maturity_checks_itself(values: dict[str, Any], code: str) -> None:
    with pytest.raises(BadValue) as caught:
        Maturity(**values)
    assert caught.value.code == code


@pytest.mark.parametrize("maturity", ALL, ids=str)
def test_text_of_a_maturity_is_read_back(maturity: Maturity) -> None:
    assert parse_maturity(str(maturity)) == maturity


def test_trl_keeps_nine_levels_and_folds_the_market_levels() -> None:
    assert [trl(m) for m in ALL] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9]


def test_stage_of_each_level_and_its_word_agree() -> None:
    assert [maturity_label(level) for level in range(1, 10)] == ["初期"] * 4 + ["中期"] * 3 + ["成熟应用"] * 2
    for name in ("初期", "中期", "成熟应用"):
        assert maturity_label(trl(parse_maturity(name))) == name
    with pytest.raises(BadValue):
        maturity_label(10)


PIECES = ["TRL", "13", "级制", "第", "8", "级", "-", "中试", "（", "）", "以上"]


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=7).map("".join))
def test_parse_maturity_answers_a_fixed_point_or_bad_value(text: str) -> None:
    with suppress(BadValue):
        maturity = parse_maturity(text)
        assert parse_maturity(str(maturity)) == maturity
