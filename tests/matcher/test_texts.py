"""Which texts of a node are compared, and that what is private is in none of them."""

import re
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.kinds import KINDS, Node, columns
from matcher.texts import (
    GIST_CHARACTERS,
    NodeTexts,
    characters_said,
    core,
    need_of,
    node_texts,
    texts_identity,
    without_repeats,
    word_list,
)
from tests.factories import (
    make_achievement,
    make_broker,
    make_case,
    make_enterprise,
    make_institution,
    make_scene,
)

# Long enough texts of a few marks, so that sentences repeat and cuts fall everywhere.
SENTENCES = st.text(alphabet="海岛风电0a。；！\n， ", max_size=80)


def test_node_texts_of_a_scene_hold_need_and_not_what_is_already_there() -> None:
    scene = make_scene(
        title="海岛物资投送技术研发及产业化",
        summary="需求内容：往返航程。现有工作基础：已有码头。",
        problem="阵风大。",
        wanted="整机",
        existing_basis="保障船一艘",
        indicators="载荷≥20kg",
        keywords="无人机、航程",
    )
    body = "往返航程。阵风大。整机\n载荷≥20kg\n无人机"
    assert node_texts(scene) == NodeTexts(
        headline="海岛物资投送技术研发及产业化",
        core="海岛物资投送",
        gist=f"海岛物资投送技术研发及产业化。{body}",
        whole=f"海岛物资投送技术研发及产业化\n{body}",
    )


def test_node_texts_of_an_achievement_hold_everything_offered() -> None:
    achievement = make_achievement(
        title="复合翼无人机", summary="简介。", advantages="优势。", applications="应用。",
        indicators="航程45km。", keywords=["新词", "复合翼"],
    )  # fmt: skip
    assert node_texts(achievement).whole == "复合翼无人机\n简介。优势。应用。航程45km。新词"


def test_node_texts_of_a_bare_title_have_no_body() -> None:
    assert node_texts(make_achievement(title="复合翼无人机")) == NodeTexts(
        headline="复合翼无人机", core="复合翼无人机", gist="复合翼无人机", whole="复合翼无人机\n"
    )


@pytest.mark.parametrize(
    ("node", "headline"),
    [
        (make_enterprise(title="甲公司", products="无人机整机", capabilities="气动"), "无人机整机"),
        (make_enterprise(title="甲公司", capabilities="气动设计"), "气动设计"),
        (make_enterprise(title="甲公司"), "甲公司"),
        (make_institution(title="乙大学", strengths="海洋装备"), "海洋装备"),
        (make_institution(title="乙大学"), "乙大学"),
        (make_broker(title="程某", field="低空经济", scenes=["海岛物流"]), "低空经济、海岛物流"),
        (make_broker(title="程某"), "程某"),
        (make_case(title="飞巡应用"), "飞巡应用"),
    ],
)
def test_headline_says_what_a_node_is_about(node: Node, headline: str) -> None:
    assert node_texts(node).headline == headline


def _with_private_contact(kind: type[Node]) -> Node:
    """A node whose every text column says its own name, and whose contact is unmistakable."""
    values = {"id": "X-1", "title": "题目", "contact": "机密联系人", "contact_phone": "13900001111"}
    free = {
        name: f"关于{name}的话。"
        for name in columns(kind)
        if kind.model_fields[name].annotation is str and name not in values
    }
    return kind(**free | values)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_private_contact_is_in_no_text(kind: type[Node]) -> None:
    said = "".join(astuple(node_texts(_with_private_contact(kind))))
    assert "机密联系人" not in said
    assert "13900001111" not in said
    assert "题目" in said or kind.kind in ("broker", "expert", "enterprise", "institution")


@pytest.mark.parametrize(
    ("content", "need"),
    [
        ("无人机投送", "无人机投送"),
        ("需求内容：甲。预期目标：乙。现有工作基础：丙。", "甲。乙。"),
        ("需求内容: 甲 现有基础：丙。技术指标：丁", "甲 丁"),
        ("现有工作基础：丙。", "现有工作基础：丙。"),
        ("企业简介：丙。主要内容：甲。联系人：张三", "甲。"),
        ("背景：甲。联系方式：139", "甲。"),
        ("", ""),
    ],
)
def test_need_of_leaves_out_sections_on_what_is_there(content: str, need: str) -> None:
    assert need_of(content) == need


@given(content=st.text(alphabet="需求内容现有工作基础：: 甲。"))
def test_need_of_never_empties_a_text(content: str) -> None:
    assert bool(need_of(content).strip()) == bool(content.strip())


def test_without_repeats_keeps_each_sentence_once_in_order() -> None:
    assert without_repeats("甲。乙；甲。\n丙！乙；甲") == "甲。乙；丙！甲"


@given(text=st.text(alphabet="海岛风电。；！", max_size=60))
def test_without_repeats_equals_listing_each_sentence_once(text: str) -> None:
    sentences = re.findall("[^。；！]*[。；！]|[^。；！]+$", text)
    assert without_repeats(text) == "".join(dict.fromkeys(sentences))


@given(text=SENTENCES)
def test_without_repeats_changes_nothing_the_second_time(text: str) -> None:
    assert without_repeats(without_repeats(text)) == without_repeats(text)


@pytest.mark.parametrize(
    ("title", "left"),
    [
        ("海上风电运维机器人关键技术研发及产业化", "海上风电运维机器人"),
        ("关键技术研究", "关键技术研究"),
        ("一种石墨烯的制备方法", "石墨烯"),
        ("石墨烯", "石墨烯"),
        ("基于AI的检测系统设计", "AI 检测"),
    ],
)
def test_core_drops_words_that_every_title_has(title: str, left: str) -> None:
    assert core(title) == left


@given(title=st.text(alphabet="".join(word_list("generic_words.txt"))[:60] + "石墨烯 、", max_size=30))
def test_core_is_part_of_the_title_or_the_title(title: str) -> None:
    left = core(title)
    assert left == title or (len(left) >= 2 and set(left) <= set(title) | {" "})


@given(
    title=st.text(alphabet="风电机组。，；", min_size=1, max_size=40),
    summary=st.text(alphabet="风电。，；", max_size=400),
)
def test_gist_is_the_beginning_cut_at_a_mark_where_that_keeps_half(title: str, summary: str) -> None:
    scene = make_scene(title=title, summary=summary)
    body = without_repeats(need_of(scene.summary))
    everything = f"{scene.title}。{body}" if body else scene.title
    gist = node_texts(scene).gist
    assert everything.startswith(gist)
    if len(everything) <= GIST_CHARACTERS:
        assert gist == everything
    else:
        later = everything[len(gist) : GIST_CHARACTERS]
        assert GIST_CHARACTERS // 2 < len(gist) <= GIST_CHARACTERS
        assert not set(later) & set("。；，")


def test_gist_without_a_mark_in_its_second_half_is_cut_where_it_is_full() -> None:
    assert (
        node_texts(make_scene(title="风电", summary="机组" * 300)).gist
        == "风电。" + ("机组" * 99)[: GIST_CHARACTERS - 3]
    )
    marked = "机" * 100 + "，" + "组" * 300
    assert node_texts(make_scene(title="风电", summary=marked)).gist == "风电。" + "机" * 100 + "，"


def test_characters_said_counts_what_stands_beside_the_headline() -> None:
    assert characters_said(make_scene()) == 0
    assert characters_said(make_scene(summary="三个字", problem="两字", existing_basis="不算")) == 5
    assert characters_said(make_achievement(advantages="四个字呢", applications="一", contact="不算")) == 5


def test_texts_identity_changes_with_the_words_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    before = texts_identity()
    assert texts_identity() == before
    words = (*word_list("generic_words.txt"), "石墨烯")
    monkeypatch.setattr("matcher.texts.word_list", lambda name: words)
    assert texts_identity() != before
    monkeypatch.undo()
    monkeypatch.setattr("matcher.texts.GIST_CHARACTERS", GIST_CHARACTERS + 1)
    assert texts_identity() != before


def test_word_lists_hold_no_comments_and_no_word_twice() -> None:
    for name in ("generic_words.txt", "domain_words.txt"):
        words = word_list(name)
        assert len(words) == len(set(words)) > 10
        assert not [word for word in words if word.startswith("#") or word != word.strip()]
