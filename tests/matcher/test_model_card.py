"""What is said of a ranker: every figure of its report, and nothing broken by what people wrote."""

import math
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.model_card import card, verdict
from tests.factories import make_report


def table_under(text: str, heading: str) -> list[list[str]]:
    """The rows of the table of a section, without its headers; cells as Markdown shows them."""
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    return [[re.sub(r"\\(.)", r"\1", cell) for cell in row] for row in cells[2:]]


def test_card_tells_data_figures_weights_and_how_to_reproduce_and_go_back() -> None:
    text = card(make_report(), version=3)
    assert text.startswith("# 排序模型说明：第 3 版\n")
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [
        "用了什么数据", "怎样检验，结果如何", "变差的场景", "概率可信吗", "看重什么", "已知局限", "如何复现", "如何退回",
    ]  # fmt: skip
    for said in (
        "2026-03-01 由人工评级和对接结果学得",
        "**结论：留出场景上的 nDCG@10 比现用模型高 0.0200（95% 区间 +0.0050～+0.0350），优于现用模型。**",
        "人工评级 120 条，对接结果 8 条，来自 3 位评级人",
        "合并为 110 对“场景—成果”，涉及 20 个场景：强相关 10 对、较强相关 20 对、弱相关 30 对、无相关 50 对",
        "没有计入：评级人甲的 3 条都是 4 级",
        "场景分成 5 份",
        "- 比冷启动高 0.0400（95% 区间 -0.0100～+0.0900）；重抽样中有 90% 的次数为正",
        "期望校准误差 0.031",
        "- 评级只来自一个区",
        "`jiebang learn --seed 7 --dry-run`",
        "- 数据版本：`12`", "- 历史末端摘要：`ab12`", "- 索引：`000003`", "- 编码器：`bigrams/1`", "- 学习材料摘要（SHA-256）：`cd34`",
        "`jiebang models use 3`", "`jiebang models rollback`", "`jiebang models use default`", "`jiebang models compare default 3 场景编号`",
    ):  # fmt: skip
        assert said in text, said
    assert table_under(text, "怎样检验，结果如何") == [
        ["新模型", "0.720（0.670–0.770）", "0.600", "0.400", "0.700"],
        ["现用模型", "0.700（0.650–0.750）", "0.600", "0.400", "0.700"],
        ["冷启动", "0.680（0.630–0.730）", "0.600", "0.400", "0.700"],
    ]
    assert table_under(text, "变差的场景") == [
        ["CJ-9", "0.700", "0.400", "-0.300"],
        ["CJ-2", "0.900", "0.800", "-0.100"],
    ]
    assert table_under(text, "概率可信吗") == [
        ["0%–50%", "80", "12.5%", "10.0%"],
        ["50%–100%", "30", "75.0%", "80.0%"],
    ]
    assert table_under(text, "看重什么") == [
        ["题目用词", "60.00", "60.25"],
        ["知识产权", "1.00", "2.50"],
    ]


def test_card_of_a_ranker_that_is_not_better_says_so_and_without_a_number_has_none() -> None:
    from matcher.learning_report import _WORSE, Gain

    lost = Gain(against="现用模型", mean=-0.01, low=-0.03, high=0.01, chance=0.2)
    text = card(make_report(better=False, gains=(lost,), worse=(), limits=(), left_out=()))
    assert text.startswith("# 排序模型说明\n")
    assert "比现用模型低 0.0100（95% 区间 -0.0300～+0.0100），没有证明优于现用模型。**" in text
    assert f"没有场景明显变差（下降超过 {_WORSE}）。" in text
    assert "已知局限" not in text
    assert "jiebang models use 版本号" not in text
    assert verdict(make_report(gains=())) == "没有可比的模型"


def test_the_verdict_is_against_the_ranker_in_use_wherever_it_stands() -> None:
    gains = make_report().gains
    assert verdict(make_report(gains=gains[::-1])) == verdict(make_report(gains=gains))


def test_only_the_scenes_that_lost_most_are_listed() -> None:
    from matcher.learning_report import Worse

    worse = tuple(Worse(scene=f"CJ-{n}", before=0.9, after=0.9 - n / 100) for n in range(1, 31))
    text = card(make_report(worse=worse))
    assert "下列 20 个场景明显变差（nDCG@10 下降超过 0.05），变差最多的在前。" in text
    assert [row[0] for row in table_under(text, "变差的场景")] == [f"CJ-{n}" for n in range(30, 10, -1)]


def test_figures_of_nothing_are_a_dash() -> None:
    from matcher.learning_report import Bin

    empty = Bin(low=0.0, high=1.0, pairs=0, predicted=math.nan, observed=math.nan)
    text = card(make_report(reliability=(empty,), ece=math.nan))
    assert table_under(text, "概率可信吗") == [["0%–100%", "0", "—", "—"]]
    assert "nan" not in text


@settings(max_examples=30)
@given(
    name=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Z")), min_size=1).filter(
        str.strip
    )
)
def test_no_name_of_a_scene_breaks_the_table(name: str) -> None:
    from matcher.learning_report import Worse

    text = card(make_report(worse=(Worse(scene=name, before=0.5, after=0.25),)))
    assert table_under(text, "变差的场景") == [[" ".join(name.split()), "0.500", "0.250", "-0.250"]]
