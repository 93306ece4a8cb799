"""The breakdown of a pair is made from its match and says nothing that was not computed."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings.text import clean_text
from graph.kinds import Node
from graph.paths import evidence_paths
from graph.relations import Edge
from graph.store.audience import AudienceStore
from graph.store.store import Store
from graph.values import Visibility
from matcher.comparison import compare
from matcher.corpus import Corpus
from matcher.engine import Engine
from matcher.experience import learn_experience
from matcher.explanation import Explainer, Explanation, explain
from matcher.facts import indicators_of
from matcher.features import features
from matcher.indicators import answers
from matcher.parts import Part
from matcher.phrases import reading, shared_phrases
from matcher.ranker import LEVELS, Ranker, save_ranker
from matcher.ranking import Ranking
from matcher.texts import node_texts
from tests.factories import (
    TODAY,
    make_achievement,
    make_broker,
    make_case,
    make_edge,
    make_enterprise,
    make_institution,
    make_scene,
    nodes,
    put,
    shown,
    unlike_scenes,
)

MakeRanking = Callable[[Store], Ranking]
shared_store = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _explained(ranking: Ranking, subject: Node, found: Node) -> Explanation:
    match = ranking.score(subject, found.kind, [found.id], today=TODAY)[found.id]
    return explain(match, subject, found, ranking.corpus, ranking.network)


def _shared(corpus: Corpus, demand: Node, offer: Node, **options: Any) -> tuple[str, ...]:
    first, second = (reading(corpus.segmenter, node) for node in (demand, offer))
    return shared_phrases(corpus.words["whole"], first, second, **options)


def _notes(explanation: Explanation) -> dict[str, str]:
    return {part.name: part.note for part in explanation.parts if part.note}


def _said(node: Node) -> str:
    """A node's whole text as phrases are cut from it."""
    return clean_text(node_texts(node).whole).lower().replace(" ", "")


@shared_store
@given(several=st.lists(nodes(), min_size=2, max_size=14))
def test_breakdown_is_that_of_the_match_and_says_only_what_was_computed(
    emptied: Callable[[], Store], make_ranking: MakeRanking, several: list[Node]
) -> None:
    store = emptied()
    put(store, *several)
    ranking = make_ranking(store)
    for subject in [*store.nodes("scene"), *store.nodes("achievement")]:
        for match in ranking.match(subject, top=3, today=TODAY):
            found = store.get(*match.key)
            assert found is not None
            why = explain(match, subject, found, ranking.corpus, ranking.network, ranking.ranker)
            demand, offer = (found, subject) if subject.kind == "achievement" else (subject, found)
            assert {part.name: part.points for part in why.parts} == match.parts
            assert round(sum(part.points for part in why.parts), 6) == why.score == match.score
            assert {p.name: p.value for p in why.parts} == {
                name: None if value != value else value
                for name, value in match.values.items()
                if name in match.parts
            }
            assert [part.label for part in why.parts] == [features()[name].label for name in match.parts]
            assert all(not part.note for part in why.parts if part.value is None)
            assert why.level == LEVELS[match.level]
            replies = answers(indicators_of(demand), indicators_of(offer))
            assert why.answers == (replies if any(reply.offer for reply in replies) else ())
            for phrase in why.phrases:
                assert phrase.replace(" ", "") in _said(subject)
                assert phrase.replace(" ", "") in _said(found)
            for caution in why.cautions:
                (side, quoted), *_ = re.findall("^注意：(成果|场景)写明“(.+)”$", caution)
                assert quoted in node_texts({"成果": offer, "场景": demand}[side]).whole
            between = evidence_paths(ranking.network, (subject.kind, subject.id), match.key, limit=50)
            assert (
                list(why.paths)
                == [p for p in between if "field" not in {kind for kind, _ in p.nodes}][: len(why.paths)]
            )
            _check_reason(why)
            _check_elements(why, demand, offer)
            explainer = Explainer(subject, ranking.corpus, ranking.network, ranking.ranker, brief=True)
            (brief,) = explainer.explain([(match, found)])
            assert brief == replace(why, elements=(), lifts=(), advice=())
            assert brief.reason == why.reason


def _check_elements(why: Explanation, demand: Node, offer: Node) -> None:
    """Every need is in the demand's own words, every answer in the offer's; a bare title proves nothing."""
    for answer in why.elements:
        assert answer.element.text.replace(" ", "") in re.sub(r"\s", "", _said(demand)) or (
            answer.element.kind == "indicator"
        )
        assert answer.said in f"{node_texts(offer).whole}\n{getattr(offer, 'indicators', '')}"
        assert (answer.said == "") == (answer.status in ("silent", "unknown"))
    bare = node_texts(offer).whole.strip() == node_texts(offer).headline.strip()
    assert bool(why.missing) == (bare and offer.kind == "achievement")
    assert bare or "unknown" not in {answer.status for answer in why.elements}


def _check_reason(why: Explanation) -> None:
    """Every clause of the reason can be found in the breakdown."""
    verdicts = [answer.verdict for answer in why.answers]
    assert why.reason.startswith("".join(f"{caution}；" for caution in why.cautions[:1]))
    clauses = why.reason.split("；")[len(why.cautions[:1]) :]
    for number, clause in enumerate(clauses):
        if number == 0 and clause.startswith("都提到"):
            assert clause == f"都提到{'、'.join(why.phrases[:4])}"
            assert why.phrases
        elif number == 0 and clause != "没有明显的共同点":
            (label,) = re.findall("^(.+)相近$", clause)
            assert max(part.points for part in why.parts if part.label == label) > 0
        elif clause.startswith("指标"):
            total, told = re.findall(r"^指标 (\d+) 项：(.+)$", clause)[0]
            assert int(total) == len(verdicts)
            counts = {word: int(figure) for word, figure in (part.split(" ") for part in told.split("、"))}
            told_of = {
                "满足": verdicts.count("met"),
                "未达": verdicts.count("short"),
                "未说明": sum(answer.offer is None for answer in why.answers),
                "待核对": sum(a.offer is not None and a.verdict == "silent" for a in why.answers),
            }
            assert counts == {word: count for word, count in told_of.items() if count}
        elif clause.startswith("图谱中"):
            short = [p for p in why.paths if len(p.nodes) <= 4 and "broker" not in {k for k, _ in p.nodes}]
            titles = short[0].titles[1:-1]
            assert clause == (f"图谱中经{'、'.join(titles)}相连" if titles else "图谱中直接相连")
        elif number:
            assert clause in _notes(why).values()


@pytest.fixture
def pair(store: Store, make_ranking: MakeRanking) -> Callable[..., Explanation]:
    """Explains a scene and an achievement in a world of 50 other records, so that words can be rare."""
    fillers = [make_scene(f"CJ-{n}", title=f"另外的{n}号事情") for n in range(10, 60)]

    def run(scene: dict[str, Any], achievement: dict[str, Any], *others: Any) -> Explanation:
        demand, offer = make_scene(**scene), make_achievement(**achievement)
        put(store, demand, offer, *fillers, *others)
        return _explained(make_ranking(store), demand, offer)

    return run


def test_notes_say_what_each_fact_means_for_the_pair(pair: Callable[..., Explanation]) -> None:
    why = pair(
        {
            "maturity_floor": "TRL6",
            "field": "低空经济、新材料",
            "district": "香洲区",
            "budget": "60-100",
            "deadline": "2026-01-31",
        },
        {
            "maturity": "TRL7",
            "field": "新材料",
            "district": "斗门区",
            "price": "80-90",
            "ip_status": "已授权",
        },
    )
    assert _notes(why) == {
        "maturity_fit": "成熟度 TRL7，达到要求的 TRL6",
        "field_fit": "同属新材料",
        "district_fit": "分别在香洲区和斗门区",
        "rights": "已授权",
        "price_fit": "意向价格 80–90 万元，在预算 60–100 万元之内",
        "deadline": "截止日期 2026-01-31 已过",
    }


def test_notes_say_what_does_not_fit(pair: Callable[..., Explanation]) -> None:
    why = pair(
        {
            "maturity_floor": "TRL6",
            "field": "低空经济",
            "district": "香洲区",
            "budget": "100",
            "deadline": "2026-12-31",
        },
        {"maturity": "TRL5", "field": "新材料", "district": "香洲区", "price": "500", "ip_status": "未申请"},
    )
    assert _notes(why) == {
        "maturity_fit": "成熟度 TRL5，低于要求的 TRL6",
        "field_fit": "领域不同（低空经济／新材料）",
        "district_fit": "同在香洲区",
        "rights": "未申请",
        "price_fit": "意向价格 500 万元，超出预算 100 万元",
    }
    assert "意向价格 500 万元，超出预算 100 万元" in why.reason.split("；")
    assert "成熟度 TRL5，低于要求的 TRL6" in why.reason.split("；")


def test_reason_of_a_good_pair(pair: Callable[..., Explanation]) -> None:
    owner = make_enterprise(title="甲公司")
    why = pair(
        {
            "title": "跨海货运无人机航线",
            "indicators": "满载航程≥100km；抗风≥6级；噪声≤60dB",
            "field": "低空经济",
            "owner": "甲公司",
        },
        {
            "title": "跨海货运无人机",
            "indicators": "满载航程162km；抗风5级",
            "field": "低空经济",
            "owner": "甲公司",
        },
        owner,
    )
    assert why.reason == (
        "都提到跨海货运无人机、满载航程、抗风；指标 3 项：满足 1、未达 1、未说明 1；同属低空经济；图谱中经甲公司相连"
    )
    assert [answer.verdict for answer in why.answers] == ["met", "short", "silent"]


def test_reason_without_common_words_names_the_likest_meaning_if_any() -> None:
    why = _breakdown("甲", headline_meaning=3.0, gist_meaning=9.0, rights=12.0)
    assert why.reason == "没有明显的共同点"
    alike = tuple(
        replace(part, value={"gist_meaning": 0.3, "headline_meaning": 0.2}.get(part.name))
        for part in why.parts
    )
    assert replace(why, parts=alike).reason == "内容语义相近"


def _precedent(engine_over: Callable[..., Engine], *others: Node) -> Explanation:
    scene, offer = make_scene(), make_achievement()
    engine = engine_over(scene, offer, *unlike_scenes(50), *others)
    (why,) = engine.explain(scene, engine.match(scene, top=1, today=TODAY))
    return why


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([make_scene("CJ-9", title="海岛物资无人机投送航线")], "该成果已在相近场景“海岛物资无人机投送航线”中用过：案例“某案例”（AL-7）"),
        ([make_scene("CJ-9", title="鲍鱼养殖网箱清洗")], "该成果已在其他场景“鲍鱼养殖网箱清洗”中用过：案例“某案例”（AL-7）"),
        ([], "该成果已有案例“某案例”（AL-7）"),
    ],
)  # fmt: skip
def test_precedent_names_the_case_how_it_is_like_and_what_was_measured(
    engine_over: Callable[..., Engine], others: list[Node], told: str
) -> None:
    figures = "航次：3→12 次/日（来源：台账）；载重：5→20 kg（来源：台账）；费用：9→3 元（来源：台账）"
    why = _precedent(engine_over, make_case("AL-7", scene_id="CJ-9", measures=figures), *others)
    note = f"{told}，实测航次：3→12 次/日、载重：5→20 kg"
    assert _notes(why)["precedent"] == note
    # In one line it is a reason where the place was like this one.
    assert (note in why.reason) == ("相近" in told)


@pytest.mark.parametrize(
    ("effect", "told"), [("航次翻番；费用下降", "航次翻番"), ("很" * 50, "很" * 40 + "…")]
)
def test_precedent_without_figures_tells_the_beginning_of_its_effect(
    engine_over: Callable[..., Engine], effect: str, told: str
) -> None:
    why = _precedent(engine_over, make_case("AL-7", effect=effect))
    assert _notes(why)["precedent"] == f"已在本场景试用：案例“某案例”（AL-7），成效：{told}"


def test_phrases_are_the_longest_common_runs_and_none_lies_within_another(
    pair: Callable[..., Explanation],
) -> None:
    why = pair(
        {"title": "跨海货运无人机航线", "summary": "石墨烯防腐涂层，型号R123-78，无人机机库。"},
        {"title": "涂料", "summary": "石墨烯防腐涂层用于跨海货运无人机，另有型号R123-78。无人机平台。"},
    )
    assert set(why.phrases) >= {"石墨烯防腐涂层", "跨海货运无人机"}
    assert any("r123-78" in phrase for phrase in why.phrases)
    assert not [a for a in why.phrases for b in why.phrases if a != b and a in b]


def test_words_that_every_record_has_are_no_phrase(store: Store, make_ranking: MakeRanking) -> None:
    several = [make_achievement(f"CG-{n}", title=f"明显平均{n}") for n in range(30)]
    scene = make_scene(title="明显平均石墨烯")
    put(store, scene, *several, make_achievement("CG-99", title="石墨烯明显"))
    corpus = make_ranking(store).corpus
    assert _shared(corpus, scene, several[0]) == ()
    assert _shared(corpus, scene, make_achievement("CG-99", title="石墨烯明显")) == ("石墨烯",)


@pytest.mark.parametrize(
    ("asked", "offered", "told"),
    [
        ("万山区邮件积压", "山区建材运输", ()),  # a piece of a name
        ("鱼群遮挡画面，设计完成", "树叶遮挡视线，设计完成", ()),  # what is general
        ("外伶仃航线的石墨烯", "伶仃洋的石墨烯", ("石墨烯",)),
    ],
)
def test_phrases_are_whole_words_on_both_sides_and_no_general_ones(
    store: Store, make_ranking: MakeRanking, asked: str, offered: str, told: tuple[str, ...]
) -> None:
    scene, offer = make_scene(title=asked, summary=""), make_achievement(title=offered, summary="")
    put(store, scene, offer, *(make_scene(f"CJ-{n}", title=f"别的{n}") for n in range(20, 60)))
    assert _shared(make_ranking(store).corpus, scene, offer) == told


def test_a_trial_in_this_very_scene_is_said_with_its_case(pair: Callable[..., Explanation]) -> None:
    case = make_case("AL-7")
    edges = (make_edge(case, "adopts", make_achievement()), make_edge(case, "tried_in", make_scene()))
    assert _notes(pair({}, {}, case, *edges))["precedent"] == "已在本场景试用：案例“某案例”（AL-7）"


def test_limit_of_phrases_keeps_the_first(store: Store, make_ranking: MakeRanking) -> None:
    scene = make_scene(title="石墨烯、无人机、网箱养殖、光刻胶", summary="")
    offer = make_achievement(title="光刻胶、网箱养殖、无人机、石墨烯")
    put(store, scene, offer, *(make_scene(f"CJ-{n}", title=f"别的{n}") for n in range(20, 60)))
    corpus = make_ranking(store).corpus
    everything = _shared(corpus, scene, offer)
    assert len(everything) == 4
    assert _shared(corpus, scene, offer, limit=2) == everything[:2]


def test_what_one_side_rules_out_is_a_caution_and_no_common_ground(pair: Callable[..., Explanation]) -> None:
    why = pair(
        {"title": "酸性蚀刻废液再生", "summary": "酸性氯化铜体系蚀刻液回用，番茄用不上。"},
        {"title": "碱性蚀刻液铜回收", "summary": "酸性氯化铜体系不适用。用于蚀刻液与番茄。"},
    )
    assert why.cautions == ("注意：成果写明“酸性氯化铜体系不适用”", "注意：场景写明“番茄用不上”")
    assert why.reason.startswith("注意：成果写明“酸性氯化铜体系不适用”；")
    assert not [phrase for phrase in why.phrases if "氯化铜" in phrase or "番茄" in phrase]


def test_a_broker_of_both_sides_is_a_path_but_no_reason(pair: Callable[..., Explanation]) -> None:
    broker = make_broker(title="邱予安")
    why = pair(
        {}, {}, broker, *(make_edge(broker, "serves", side) for side in (make_scene(), make_achievement()))
    )
    assert [path.titles[1] for path in why.paths] == ["邱予安"]
    assert "邱予安" not in why.reason


def _breakdown(title: str, **points: float) -> Explanation:
    parts = tuple(
        Part(name=name, label=features()[name].label, points=value, value=None, note="")
        for name, value in points.items()
    )
    return Explanation(
        subject=make_scene(), found=make_achievement(title=title), score=round(sum(points.values()), 6), level="弱相关",
        parts=parts, phrases=(), cautions=(), answers=(), paths=(),
    )  # fmt: skip


def test_compare_names_the_largest_differences_with_their_sign() -> None:
    above = _breakdown(
        "甲", headline_words=30.0, whole_words=12.0, maturity_fit=-4.0, field_fit=4.0, rights=1.0
    )
    below = _breakdown(
        "乙", headline_words=10.0, whole_words=15.0, maturity_fit=4.0, field_fit=3.0, rights=1.0
    )
    assert compare(above, below) == "比“乙”高 10.0 分，主要差在：题目用词+20.0、成熟度-8.0、全文用词-3.0"


def test_compare_of_equals_and_of_nearly_equals_says_so() -> None:
    one, other = _breakdown("甲", rights=1.0), _breakdown("乙", rights=1.0)
    assert compare(one, other) == "与“乙”得分相同，按编号排列"
    assert compare(_breakdown("甲", rights=1.04), other) == "与“乙”相差很小，各项都在 0.1 分以内"


POINTS = st.fixed_dictionaries({name: st.floats(-9, 9).map(lambda x: round(x, 6)) for name in features()})


@given(one=POINTS, other=POINTS)
def test_compare_tells_no_part_smaller_than_one_it_leaves_out(
    one: dict[str, float], other: dict[str, float]
) -> None:
    said = compare(_breakdown("甲", **one), _breakdown("乙", **other))
    by_label = {features()[name].label: one[name] - other[name] for name in features()}
    told = {label: float(points) for label, points in re.findall(r"[：、]([^：、]+?)([+-]\d+\.\d)", said)}
    assert all(points == pytest.approx(by_label[label], abs=0.0501) for label, points in told.items())
    largest = sorted((abs(points) for points in by_label.values()), reverse=True)[:3]
    assert sorted((abs(by_label[label]) for label in told), reverse=True) == [
        size for size in largest if size > 0.05
    ]


def test_what_cannot_be_compared_is_counted_apart_from_what_is_not_said(
    pair: Callable[..., Explanation],
) -> None:
    why = pair({"indicators": "续航45min；航程≥30km；噪声≤60dB"}, {"indicators": "续航52min；航程45km"})
    assert "指标 3 项：满足 1、未说明 1、待核对 1" in why.reason


def test_a_bare_title_is_said_to_prove_nothing(pair: Callable[..., Explanation]) -> None:
    why = pair({"wanted": "电机轴承；公网信号断续"}, {"title": "电机轴承", "summary": ""})
    assert why.missing.startswith("成果只有题目")
    status = {answer.element.text: answer.status for answer in why.elements}
    assert (status["电机轴承"], status["公网信号断续"]) == ("answered", "unknown")


def _told(engine: Engine, kind: str) -> list[tuple[Node, list[Any], list[Explanation]]]:
    """All that an engine says of every node of a kind: its matches and their breakdowns."""
    said = []
    for subject in engine.store.nodes(kind):
        matches = engine.match(subject, top=9, today=TODAY)
        said.append((subject, shown(matches), engine.explain(subject, matches)))
    return said


def _world(*, hidden: bool, for_partners: bool = True) -> list[Node | Edge]:
    """A pair with a team that has a record, with what is hidden from all but staff or without."""
    columns = {"maturity_floor": "TRL6", "owner": "甲公司"}
    if hidden:
        columns |= {"problem": "盐雾中的新工艺", "indicators": "机密航程≥30km", "budget": "100"}
        columns["field_visibility"] = "技术难点=内部；技术指标=内部；预算（万元）=内部"
    team = {"owner": "乙大学", "inventors": "程屿舟" if for_partners else ""}
    scene, there = make_scene(**columns), make_scene("CJ-2", title="海岛物资无人机投送二期")
    offer = make_achievement(
        summary="盐雾中的新工艺", indicators="机密航程45km", maturity="TRL4", price="500" if for_partners else None, **team
    )  # fmt: skip
    seen: list[Node | Edge] = [
        scene, offer, there, make_achievement("CG-2", title="旧机型", **team), make_institution(title="乙大学"),
        make_case(scene_id="CJ-2", achievement_id="CG-2"),
    ]  # fmt: skip
    if not hidden:
        return seen
    middle = make_institution("JG-2", title="暗中相连的大学", visibility="内部")
    return [
        *seen, middle, make_scene("CJ-3", title="盐雾中的新工艺", visibility="内部"), make_case("AL-2", visibility="内部"),
        make_edge(middle, "posts", scene), make_edge(middle, "owns", offer),
    ]  # fmt: skip


SECRETS = {"机密航程≥30km", "预算 100 万元", "暗中相连的大学", "AL-2", "500 万元", "完成人程屿舟"}


@pytest.mark.parametrize(
    ("audience", "seen"), [("public", set()), ("partner", {"完成人程屿舟"}), ("staff", SECRETS)]
)
@pytest.mark.parametrize("kind", ["scene", "achievement"])
def test_others_are_told_what_they_were_told_if_the_hidden_had_never_been(
    engine_over: Callable[..., Engine], kind: str, audience: Visibility, seen: set[str]
) -> None:
    told = _told(engine_over(*_world(hidden=True), audience=audience), kind)
    assert {word for word in SECRETS if word in repr(told)} == seen
    bare = _told(engine_over(*_world(hidden=False, for_partners=audience != "public")), kind)
    assert (told == bare) is (audience != "staff")


@shared_store
@given(several=st.lists(nodes(), min_size=4, max_size=14), audience=st.sampled_from(["public", "partner"]))
def test_others_are_told_of_any_world_what_is_told_of_what_they_may_see(
    emptied: Callable[[], Store], make_ranking: MakeRanking, several: list[Node], audience: Visibility
) -> None:
    def told(store: Store) -> list[Any]:
        ranking, said = make_ranking(store), []
        for subject in [*store.nodes("scene"), *store.nodes("achievement")]:
            matches = ranking.match(subject, top=9, today=TODAY)
            found = [(match, node) for match in matches if (node := store.get(*match.key))]
            explainer = Explainer(
                subject, ranking.corpus, ranking.network, ranking.ranker, records=lambda key: store.get(*key)
            )
            said.append((subject, shown(matches), explainer.explain(found)))
        return said

    whole = {(node.kind, node.id): node for node in several}
    put(store := emptied(), *whole.values())
    others = told(AudienceStore(store, audience))
    levels = ("public",) if audience == "public" else ("public", "partner")
    seen = [node for node in whole.values() if node.visibility in levels]
    if audience == "public":
        seen = [
            node.model_copy(update={"price": None}) if node.kind == "achievement" else node for node in seen
        ]
    put(store := emptied(), *seen)
    assert others == told(store)


def test_paths_run_through_no_field(pair: Callable[..., Explanation]) -> None:
    school = make_institution()
    both = ({"field": "低空经济"}, {"field": "低空经济"})
    assert pair(*both).paths == ()
    edges = (make_edge(school, "posts", make_scene()), make_edge(school, "owns", make_achievement()))
    why = pair(*both, school, *edges)
    assert [path.nodes for path in why.paths] == [
        (("scene", "CJ-1"), ("institution", "JG-1"), ("achievement", "CG-1"))
    ]


def test_breakdown_from_the_achievements_side_asks_and_offers_the_same_way(
    store: Store, make_ranking: MakeRanking
) -> None:
    scene = make_scene(indicators="航程≥30km", maturity_floor="TRL6")
    offer = make_achievement(indicators="航程20km", maturity="TRL7")
    put(store, scene, offer)
    ranking = make_ranking(store)
    ahead, back = _explained(ranking, scene, offer), _explained(ranking, offer, scene)
    assert (back.answers, back.phrases, back.score) == (ahead.answers, ahead.phrases, ahead.score)
    assert _notes(back) == _notes(ahead)
    assert replace(ahead, subject=offer, found=scene, parts=back.parts) == back


def _learned(engine: Engine, names: list[tuple[str, str]]) -> Ranker:
    """A ranker with experience of one pair, CJ-1 and CG-1."""
    headlines = engine.corpus.vectors["headline"]
    slots = [engine.corpus.slots["scene", "CJ-1"], engine.corpus.slots["achievement", "CG-1"]]
    experience = learn_experience(
        encoder=engine.corpus.encoder.identity, centre=np.zeros(headlines.vectors(slots).shape[1]),
        scenes=headlines.vectors(slots[:1]), offers=headlines.vectors(slots[1:]),
        pairs=np.zeros((1, 2), dtype=np.int32), residuals=np.array([1.4]), certainty=np.ones(1),
        levels=np.array([3.6]), names=names,
    )  # fmt: skip
    weights = {"experience": 40.0, "headline_words": 60.0}
    return Ranker(name="学", weights=weights, slope=0.1, cuts=(1, 2, 3), experience=experience)


@pytest.mark.parametrize("named", [True, False])
def test_experience_names_the_judged_pairs_it_rests_on_unless_they_may_not_be_told(
    engine: Engine, named: bool
) -> None:
    scene, offer = make_scene("CJ-1", title="海岛送药"), make_achievement("CG-1", title="无人机")
    put(engine.store, scene, offer)
    engine.refresh()
    ranker = _learned(engine, names=[("CJ-1", "CG-1")] if named else [])
    ranking = Ranking(engine.corpus, engine.network, ranker)
    for subject, found in ((scene, offer), (offer, scene)):
        (match,) = ranking.match(subject, top=1, today=TODAY)
        why = explain(match, subject, found, engine.corpus, engine.network, ranker)
        part = next(part for part in why.parts if part.name == "experience")
        assert part.points == pytest.approx(40 * 1.4 * 2.5 / 3.5, abs=0.01)
        assert part.note == (
            "据评过的相近各对：CJ-1—CG-1（强相关，+1.0 级）"
            if named
            else "与随程序附带的经验中评过的需求题目相近"
        )


@pytest.mark.parametrize(("audience", "told"), [("public", False), ("partner", False), ("staff", True)])
def test_a_citys_own_judged_pairs_are_named_to_its_staff_only(
    engine_over: Callable[..., Engine], tmp_path: Path, audience: Visibility, told: bool
) -> None:
    scene, offer = make_scene("CJ-1", title="海岛送药"), make_achievement("CG-1", title="无人机")
    engine = engine_over(scene, offer)
    ranker = _learned(engine, names=[("CJ-1", "CG-1")])
    save_ranker(ranker, tmp_path)
    others = engine_over(scene, offer, audience=audience, ranker=tmp_path)
    ((_, _, (why,)),) = _told(others, "scene")
    (part,) = [part for part in why.parts if part.name == "experience"]
    assert ("CJ-1—CG-1" in part.note, part.points != 0) == (told, told)
