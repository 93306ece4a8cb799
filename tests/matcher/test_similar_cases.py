"""Similar cases: what is like comes first and says why, what is hidden was never there, and nothing unlike is told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graph.kinds import Node
from graph.values import Visibility
from matcher.engine import Engine, written_scene
from matcher.features import centred_cosine
from matcher.similar_cases import SimilarCase, similar_cases
from tests.factories import make_achievement, make_case, make_edge, make_enterprise, make_scene, unlike_scenes

FIGURES = "航次：3→12 次/日（来源：台账）"
ISLAND, NETS = make_scene("CJ-1", field="低空经济"), make_scene("CJ-2", title="鲍鱼养殖网箱清洗")
DRONE, ROBOT = make_achievement("CG-1"), make_achievement("CG-2", title="网箱清洗机器人")
CASES = [
    make_case("AL-1", scene_id="CJ-1", achievement_id="CG-1", title="海岛邮件投送", measures=FIGURES, field="低空经济"),
    make_case("AL-2", scene_id="CJ-2", achievement_id="CG-2", title="网箱清洗", effect="清洗省工"),
    make_case("AL-3", scene_id="", achievement_id="", title="停车场收费"),
]  # fmt: skip
WORLD: list[Any] = [ISLAND, NETS, DRONE, ROBOT, *unlike_scenes(50), *CASES]


@pytest.fixture
def world(engine_over: Callable[..., Engine]) -> Callable[..., Engine]:
    return lambda *more, **options: engine_over(*WORLD, *more, **options)


def found(engine: Engine, *asked: Node, top: int = 10) -> list[SimilarCase]:
    return similar_cases(
        engine.corpus, engine.network, asked, top=top, records=lambda key: engine.store.get(*key)
    )


def test_a_case_of_this_very_scene_stands_first_and_says_so(world: Callable[..., Engine]) -> None:
    first, *others = found(world(), ISLAND)
    assert (first.rank, first.case.id, first.measured) == (1, "AL-1", "航次：3→12 次/日")
    assert first.reasons[0] == "就在本场景试用"
    assert "同属低空经济" in first.reasons
    assert first.path == "海岛物资无人机投送 ←验证于— 海岛邮件投送"
    assert "AL-3" not in {one.case.id for one in others}


def test_parts_are_those_of_meaning_words_graph_and_field_and_add_up(world: Callable[..., Engine]) -> None:
    engine = world()
    near = make_scene("CJ-9", title="海岛物资无人机投送航线", field="低空经济")
    (one,) = [one for one in found(engine, near) if one.case.id == "AL-1"]
    corpus = engine.corpus
    subject = corpus.subject(near)
    keys = [("case", "AL-1"), ("scene", "CJ-1")]
    slots = np.array([corpus.slots[key] for key in keys])
    meaning = centred_cosine(corpus, "gist", subject.vectors["gist"], slots).max()
    words = corpus.words["whole"].tfidf_cosine(subject.terms["whole"], slots).max()
    assert dict(one.parts) == {
        "语义": pytest.approx(0.6 * meaning, abs=1e-6), "用词": pytest.approx(0.2 * words, abs=1e-6), "图谱": 0.0,
        "领域": 0.05,
    }  # fmt: skip
    assert one.likeness == pytest.approx(sum(share for _, share in one.parts), abs=1e-9)
    assert one.reasons[0] == "用于的场景“海岛物资无人机投送”（CJ-1）与所问场景语义相近"


def test_for_an_achievement_it_is_the_adopted_one_and_for_a_pair_both(world: Callable[..., Engine]) -> None:
    engine = world()
    assert [(one.case.id, one.reasons[0]) for one in found(engine, ROBOT, top=1)] == [
        ("AL-2", "采用的就是本成果")
    ]
    pair = {one.case.id: one.reasons for one in found(engine, ISLAND, ROBOT)}
    assert pair["AL-1"][0] == "就在本场景试用"
    assert "采用的就是本成果" in pair["AL-2"]


def test_a_text_just_written_finds_what_the_same_record_would(world: Callable[..., Engine]) -> None:
    engine = world()
    text = written_scene("海岛物资无人机投送")
    plain = make_scene("CJ-77", title="海岛物资无人机投送")
    assert [replace(one, reasons=()) for one in found(engine, text)] == [
        replace(one, reasons=()) for one in found(engine, plain)
    ]


def test_relations_bring_a_case_near(world: Callable[..., Engine]) -> None:
    firm = make_enterprise()
    scene = make_scene("CJ-8", title="停车场收费改造")
    edges = (make_edge(firm, "posts", scene), make_edge(firm, "implements", CASES[2]))
    without, with_path = (found(world(scene, *more), scene) for more in ((), (firm, *edges)))
    shares = [{one.case.id: dict(one.parts)["图谱"] for one in each} for each in (without, with_path)]
    assert shares[0]["AL-3"] == 0.0 < shares[1]["AL-3"]
    assert (
        next(one.path for one in with_path if one.case.id == "AL-3")
        == "停车场收费改造 ←发布— 珠海某某航空有限公司 —实施→ 停车场收费"
    )


@pytest.mark.parametrize("audience", ["partner", "public"])
def test_what_is_hidden_was_never_there(world: Callable[..., Engine], audience: Visibility) -> None:
    hidden = make_case(
        "AL-9", scene_id="CJ-1", achievement_id="CG-1", title="海岛内部试投", visibility="内部"
    )
    column = make_case(
        "AL-8",
        scene_id="CJ-2",
        achievement_id="CG-2",
        title="网箱清洗二期",
        replicable="内部条件",
        field_visibility="可复制条件=内部",
    )
    blank = column.model_copy(update={"replicable": "", "field_visibility": {}})
    for asked in ((ISLAND,), (ROBOT,), (NETS, DRONE), (written_scene("海岛无人机"),)):
        assert found(world(hidden, column, audience=audience), *asked) == found(
            world(blank, audience=audience), *asked
        )


def test_equals_stand_by_id_and_top_cuts(world: Callable[..., Engine]) -> None:
    twins = [CASES[0].model_copy(update={"id": id}) for id in ("AL-5", "AL-4")]
    several = [one.case.id for one in found(world(*twins), ISLAND, top=3)]
    assert several == ["AL-1", "AL-4", "AL-5"]
    assert found(world(), ISLAND, top=1) == found(world(), ISLAND)[:1]
