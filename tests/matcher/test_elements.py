"""A demand in parts, and which part an achievement answers."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings.lexical_index import LexicalIndex
from embeddings.segmentation import Segmenter
from embeddings.text import clean_text
from graph.kinds import Node
from matcher.elements import (
    ANSWERED,
    KIND_LABELS,
    PARTIAL,
    Element,
    ElementAnswer,
    answer_elements,
    answer_indicators,
    clauses_of,
    elements_of,
    terms_of,
    weighed,
)
from matcher.facts import indicators_of
from matcher.indicators import answers
from matcher.phrases import reading
from matcher.texts import node_texts
from tests.factories import make_achievement, make_scene, nodes

Answers = Callable[..., dict[str, tuple[str, str]]]


@pytest.fixture(scope="module")
def index(segmenter: Segmenter) -> LexicalIndex:
    """Fifty other texts, so that words can be rare."""
    index = LexicalIndex()
    for slot in range(50):
        index.put(slot, segmenter.terms(f"另外的{slot}号系统，设备运行平稳"))
    return index


@pytest.fixture(scope="module")
def needs(segmenter: Segmenter, index: LexicalIndex) -> Callable[..., dict[str, list[str]]]:
    def run(**columns: Any) -> dict[str, list[str]]:
        scene = make_scene(**({"title": "某事"} | columns))
        found = elements_of(scene, reading(segmenter, scene), index)
        return {kind: [e.text for e in found if e.kind == kind] for kind in KIND_LABELS}

    return run


def test_a_demand_is_told_in_its_parts(needs: Callable[..., dict[str, list[str]]]) -> None:
    found = needs(
        title="海岛无人机投送",
        problem="台风使电池失效；要求解决盐雾环境下电机轴承的公网信号断续",
        wanted="提高分选精度，研制石墨烯防腐涂层，建立缺陷识别算法",
    )
    assert found["application"] == ["海岛", "盐雾环境"]
    assert found["product"] == ["无人机", "电机轴承"]
    assert found["material"] == ["石墨烯防腐涂层"]
    assert "缺陷识别算法" in found["method"]
    assert {"公网信号断续", "提高分选精度"} <= set(found["effect"])


@pytest.mark.parametrize(
    "columns",
    [
        {"problem": "光学手段失效；浸膏黏性大；网箱邮件积压"},  # how it is
        {"summary": "目前只能到中心训练，全靠激光雷达，需人工更换电机轴承"},  # how it is done now
        {"wanted": "网箱的知识产权归医院，无人机整机租赁，参与航线安全评估报告编制"},  # the contract
        {"title": "外伶仃海岛巡视"},  # pieces of words: 外/伶仃
        {"wanted": "水下环境，平台，运行效率"},  # what is general
        {"wanted": "实现驻点式无人机按计划"},  # a verb without an effect
    ],
)
def test_what_nobody_asks_for_and_what_is_no_whole_phrase_is_no_need(
    needs: Callable[..., dict[str, list[str]]], columns: dict[str, str]
) -> None:
    told = [text for texts in needs(**columns).values() for text in texts]
    assert [text for text in told if text not in ("外伶仃海岛", "外伶仃海岛巡视", "网箱", "无人机")] == []


def test_words_that_say_nothing_by_themselves_are_no_need(
    needs: Callable[..., dict[str, list[str]]],
) -> None:
    assert not any(needs(problem="需要设备和系统，平台可行性", wanted="采购设备").values())


def test_what_is_ruled_out_and_what_is_an_indicator_is_no_need_in_words(
    needs: Callable[..., dict[str, list[str]]],
) -> None:
    found = needs(problem="番茄采摘机器人用不上。", indicators="货舱涂层≥2mm", summary="需要荔枝采收机器人")
    assert found["product"] == ["荔枝采收机器人"]
    assert found["material"] == []


def test_of_many_needs_four_of_a_kind_are_told_and_the_title_goes_first(
    needs: Callable[..., dict[str, list[str]]],
) -> None:
    several = "、".join(f"{name}传感器" for name in ("湿度", "盐度", "扭矩", "浊度", "光照", "氨氮"))
    found = needs(title="网衣清洗机器人", summary=f"另需{several}。")
    assert len(found["product"]) == 4
    assert found["product"][0] == "网衣清洗机器人"


@pytest.fixture(scope="module")
def answered(segmenter: Segmenter, index: LexicalIndex) -> Answers:
    def run(elements: list[Element], **columns: Any) -> dict[str, tuple[str, str]]:
        read = reading(segmenter, make_achievement(**({"title": "某成果"} | columns)))
        found = answer_elements(weighed(elements, index), clauses_of(read), bare=read.bare)
        return {answer.element.text: (answer.status, answer.said) for answer in found}

    return run


PRODUCT = Element(kind="product", text="耐盐雾电机轴承", words=("耐", "盐雾", "电机", "轴承"))


@pytest.mark.parametrize(
    ("said", "status", "clause"),
    [
        ("成熟。耐盐雾电机轴承已量产，好用", "answered", "耐盐雾电机轴承已量产"),
        ("电机轴承采用陶瓷球", "partial", "电机轴承采用陶瓷球"),
        ("轴向盐水环境雾化电热", "silent", ""),
        # A part has the last word and one more, all of them whole.
        ("以汽油机带发电机为主电源的轴承", "silent", ""),
        ("盐雾试验和电机", "silent", ""),
        # A limitation or a need of the achievement itself answers nothing.
        ("成熟。耐盐雾电机轴承需加装过滤器", "silent", ""),
        ("成熟。目前仅有耐盐雾电机轴承", "silent", ""),
        ("成熟。耐盐雾电机轴承尚未验证", "silent", ""),
        ("成熟。无需更换耐盐雾电机轴承", "answered", "无需更换耐盐雾电机轴承"),
        # The words must stand together: not one in each clause.
        ("耐盐。盐雾。雾电。电机。机轴。轴承", "silent", ""),
        ("成熟。耐盐雾电机轴承不适用。", "denied", "耐盐雾电机轴承不适用"),
    ],
)
def test_an_element_is_answered_by_the_clause_that_says_most_of_it(
    answered: Answers, said: str, status: str, clause: str
) -> None:
    assert answered([PRODUCT], summary=said) == {PRODUCT.text: (status, clause)}


def test_a_bare_title_answers_what_it_says_and_leaves_the_rest_unknown(answered: Answers) -> None:
    other = Element(kind="effect", text="公网信号断续")
    assert answered([PRODUCT, other], title="耐盐雾电机轴承", summary="") == {
        PRODUCT.text: ("answered", "耐盐雾电机轴承"),
        other.text: ("unknown", ""),
    }


def test_words_are_looked_for_by_themselves_and_one_character_with_its_neighbour() -> None:
    whole, cut = (
        Element(kind="method", text="铜回收监测", words=words) for words in ((), ("铜", "回收", "监测"))
    )
    assert whole.units == ("铜回收监测",)
    assert cut.units == ("铜回收", "监测")
    assert Element(kind="method", text="监测铜", words=("监测", "铜")).units == ("监测铜",)


def test_codes_are_compared_whole(answered: Answers) -> None:
    code = Element(kind="product", text="PCB")
    assert answered([code], summary="用于PCB钻孔")["PCB"] == ("answered", "用于PCB钻孔")
    assert answered([code], summary="用于PCBA测试")["PCB"] == ("silent", "")


def test_indicators_are_elements_with_the_verdict_of_their_comparison() -> None:
    demand = make_scene(indicators="航程≥30km；抗风≥7级；续航45min；噪声≤60dB")
    offer = make_achievement(indicators="航程45km；抗风5级；续航52min")
    replies = answers(indicators_of(demand), indicators_of(offer))
    found = answer_indicators(replies, bare=False)
    assert [(a.element.text, a.status, a.said) for a in found] == [
        ("航程≥30km", "answered", "航程45km"),
        ("抗风≥7级", "short", "抗风5级"),
        ("续航45min", "check", "续航52min"),
        ("噪声≤60dB", "silent", ""),
    ]
    assert answer_indicators(replies, bare=True)[-1].status == "unknown"
    assert found[1].sentence == "指标“抗风≥7级”：未达到（抗风5级）"


def test_sentence_says_kind_words_and_status() -> None:
    assert ElementAnswer(element=PRODUCT, status="partial", said="电机轴承").sentence == (
        "产品/装备“耐盐雾电机轴承”：部分（电机轴承）"
    )
    assert ElementAnswer(element=PRODUCT, status="unknown", said="").sentence == (
        "产品/装备“耐盐雾电机轴承”：成果只有题目，无法判断"
    )


def _possible_share(element: Element, offer: Node, index: LexicalIndex, segmenter: Segmenter) -> float:
    """The greatest share of an element's words in one clause, as if words could begin anywhere."""
    masses = {unit: sum(index.idf(term) for term in terms_of(unit)) for unit in element.units}
    clauses = [
        clean_text(text).lower().replace(" ", "") for text in clauses_of(reading(segmenter, offer)).written
    ]
    return max(
        (sum(masses[unit] for unit in masses if unit in text) / sum(masses.values()) for text in clauses),
        default=0.0,
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    demand=nodes("scene"),
    offer=nodes("achievement"),
    words=st.sampled_from(["无人机投送", "网箱清洗", "藤壶"]),
)
def test_status_never_exceeds_the_share_of_words_in_one_clause(
    segmenter: Segmenter, index: LexicalIndex, demand: Node, offer: Node, words: str
) -> None:
    read = reading(segmenter, demand)
    elements = (*elements_of(demand, read, index), Element(kind="product", text=words))
    assert elements_of(demand, read, index) == elements[:-1]
    theirs = reading(segmenter, offer)
    for answer in answer_elements(weighed(elements, index), clauses_of(theirs), bare=theirs.bare):
        share = _possible_share(answer.element, offer, index, segmenter)
        if share < PARTIAL - 1e-6:
            assert answer.status == ("unknown" if theirs.bare else "silent")
        if answer.status == "answered":
            assert share >= ANSWERED - 1e-6, (answer, share)
        assert answer.said in node_texts(offer).whole
        assert (answer.said == "") == (answer.status in ("silent", "unknown"))
