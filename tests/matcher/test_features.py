"""Every feature: hand-worked examples, its range, what is unknown, and which way it may move."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.identifiers.districts import districts
from graph.identifiers.fields import field_relatedness, fields
from graph.kinds import Achievement, Node, Scene
from graph.store.store import Store
from matcher.corpus import Corpus
from matcher.facts import IP_STATUSES, facts_of
from matcher.features import Pairs, centred_cosine, features
from matcher.ranking import Ranking
from tests.factories import (
    TODAY,
    make_achievement,
    make_case,
    make_edge,
    make_institution,
    make_scene,
    nodes,
    put,
)

MakeRanking = Callable[[Store], Ranking]
shared_store = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def measure(
    emptied: Callable[[], Store], make_ranking: MakeRanking
) -> Callable[..., dict[str, float | None]]:
    """The features of a scene and an achievement alone in the world (beside ``others``); None where unknown."""

    def run(
        scene: dict[str, Any], achievement: dict[str, Any], *others: Any, today: date = TODAY
    ) -> dict[str, float | None]:
        store, demand, offer = emptied(), make_scene(**scene), make_achievement(**achievement)
        put(store, demand, offer, *others)
        ranking = make_ranking(store)
        ahead = ranking.score(demand, "achievement", [offer.id], today=today)[offer.id].values
        back = ranking.score(offer, "scene", [demand.id], today=today)[demand.id].values
        assert {name: round(value, 9) for name, value in ahead.items() if value == value} == {
            name: round(value, 9) for name, value in back.items() if value == value
        }
        return {name: None if value != value else value for name, value in ahead.items()}

    return run


Measure = Callable[..., dict[str, float | None]]


@pytest.mark.parametrize(
    ("name", "scene", "achievement", "value"),
    [
        ("maturity_fit", {"maturity_floor": "TRL6"}, {"maturity": "TRL6"}, 1.0),
        ("maturity_fit", {"maturity_floor": "TRL6"}, {"maturity": "TRL9"}, 1.0),
        ("maturity_fit", {"maturity_floor": "TRL6"}, {"maturity": "TRL5"}, 0.5),
        ("maturity_fit", {"maturity_floor": "TRL6"}, {"maturity": "TRL4"}, 0.0),
        ("maturity_fit", {"maturity_floor": "TRL6"}, {"maturity": "TRL2"}, -1.0),
        ("maturity_fit", {"maturity_floor": "TRL9"}, {"maturity": "TRL1"}, -1.0),
        ("maturity_fit", {"maturity_floor": "13级制第13级"}, {"maturity": "TRL9"}, 1.0),
        ("maturity_fit", {}, {"maturity": "TRL9"}, None),
        ("maturity_fit", {"maturity_floor": "TRL6"}, {}, None),
        ("field_fit", {"field": "低空经济"}, {"field": "新材料、低空经济"}, 1.0),
        ("field_fit", {"field": "人形机器人"}, {"field": "AI大模型"}, 0.0),
        ("field_fit", {"field": "类脑智能"}, {"field": "AI大模型"}, pytest.approx(0.2)),
        ("field_fit", {"field": "低空经济"}, {"field": "大健康"}, -1.0),
        ("field_fit", {}, {"field": "大健康"}, None),
        ("district_fit", {"district": "香洲区"}, {"district": "香洲区"}, 1.0),
        ("district_fit", {"district": "香洲区"}, {"district": "斗门区"}, 0.6),
        ("district_fit", {"district": "香洲区"}, {"district": "深圳市"}, 0.3),
        ("district_fit", {"district": "香洲区"}, {}, None),
        ("rights", {}, {"ip_status": "已授权"}, 1.0),
        ("rights", {}, {"ip_status": "软件著作权"}, 1.0),
        ("rights", {}, {"ip_status": "实质审查中"}, 0.5),
        ("rights", {}, {"ip_status": "已受理"}, 0.3),
        ("rights", {}, {"ip_status": "未申请"}, 0.0),
        ("rights", {}, {"ip_status": "不详"}, None),
        ("rights", {}, {}, None),
        ("indicator_fit", {"indicators": "航程≥30km"}, {"indicators": "航程45km"}, 1.0),
        ("indicator_fit", {"indicators": "航程≥30km；载荷≥5kg"}, {"indicators": "航程45km；载荷4kg"}, 0.0),
        ("indicator_fit", {"indicators": "航程≥30km；载荷≥5kg"}, {"indicators": "载荷4kg"}, -0.5),
        ("indicator_fit", {"indicators": "航程≥30km"}, {"indicators": "载荷4kg"}, None),
        ("indicator_fit", {"indicators": "航程≥30km"}, {}, None),
        ("indicator_fit", {}, {"indicators": "载荷4kg"}, None),
        ("price_fit", {"budget": "100"}, {"price": "100"}, 1.0),
        ("price_fit", {"budget": "100"}, {"price": "50-900"}, 1.0),
        ("price_fit", {"budget": "60-100"}, {"price": "150"}, 0.5),
        ("price_fit", {"budget": "100"}, {"price": "200"}, 0.0),
        ("price_fit", {"budget": "100"}, {"price": "300"}, -1.0),
        ("price_fit", {"budget": "100"}, {"price": "9000"}, -1.0),
        ("price_fit", {"budget": "0"}, {"price": "9000"}, None),
        ("price_fit", {"budget": "100"}, {}, None),
        ("price_fit", {}, {"price": "9000"}, None),
        ("cooperation_fit", {"cooperation": "采购、许可"}, {"cooperation": "许可"}, 1.0),
        ("cooperation_fit", {"cooperation": "采购"}, {"cooperation": "许可"}, 0.0),
        ("cooperation_fit", {"cooperation": "设备采购"}, {"cooperation": "产品销售"}, 1.0),
        ("cooperation_fit", {"cooperation": "租赁服务"}, {"cooperation": "租赁"}, 1.0),
        ("cooperation_fit", {"cooperation": "采购服务"}, {"cooperation": "产品销售"}, 0.0),
        ("cooperation_fit", {"cooperation": "采购"}, {}, None),
        ("deadline", {"deadline": "2026-02-28"}, {}, -1.0),
        ("deadline", {"deadline": "2026-03-01"}, {}, 0.0),
        ("deadline", {}, {}, None),
    ],
)
def test_feature_of_a_hand_worked_pair(
    measure: Measure, name: str, scene: dict[str, Any], achievement: dict[str, Any], value: float | None
) -> None:
    assert measure(scene, achievement)[name] == value


def test_all_facts_are_unknown_for_bare_titles_and_texts_are_known(measure: Measure) -> None:
    known = {name for name, value in measure({}, {}).items() if value is not None}
    assert known == {"headline_meaning", "core_meaning", "gist_meaning", "headline_words", "whole_words"}


def test_full_words_need_forty_characters_on_both_sides(measure: Measure) -> None:
    texts = {n: {"summary": "风" * n} for n in (39, 40)}
    known = {(a, b): measure(texts[a], texts[b])["full_words"] is not None for a in texts for b in texts}
    assert known == {(39, 39): False, (39, 40): False, (40, 39): False, (40, 40): True}


def test_full_words_are_whole_words_around_the_usual(measure: Measure) -> None:
    found = measure({"summary": "海岛投送航线" * 9}, {"summary": "岛际投送航班" * 9})
    assert found["whole_words"] is not None
    assert found["full_words"] == pytest.approx(found["whole_words"] + features()["full_words"].low)


def test_field_fit_follows_the_table() -> None:
    for demand in fields():
        found = [
            _row("field_fit", make_scene(field=demand), make_achievement(field=offer)) for offer in fields()
        ]
        assert found == pytest.approx([2 * field_relatedness(demand, offer) - 1 for offer in fields()])


def _row(name: str, scene: Scene, achievement: Achievement, today: date = TODAY) -> float:
    """A feature of facts alone, computed without a corpus."""
    nothing: Any = None
    pairs = Pairs(
        corpus=nothing, subject=nothing, slots=np.zeros(1, dtype=np.int64), demand=facts_of(scene), offer=facts_of(achievement),
        today=today, proximity=np.full(1, np.nan), precedent=np.full(1, np.nan),
    )  # fmt: skip
    return float(features()[name].compute(pairs)[0])


@given(floor=st.integers(1, 9), levels=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_raising_the_maturity_never_lowers_its_fit(floor: int, levels: tuple[int, int]) -> None:
    scene = make_scene(maturity_floor=f"TRL{floor}")
    lower, higher = (
        _row("maturity_fit", scene, make_achievement(maturity=f"TRL{level}")) for level in sorted(levels)
    )
    assert lower <= higher


@given(budgets=st.tuples(*[st.integers(1, 900)] * 2), prices=st.tuples(*[st.integers(0, 900)] * 2))
def test_more_budget_or_a_lower_price_never_lowers_the_fit(
    budgets: tuple[int, int], prices: tuple[int, int]
) -> None:
    (little, much), (cheap, dear) = sorted(budgets), sorted(prices)

    def fit(budget: int, price: int) -> float:
        return _row("price_fit", make_scene(budget=str(budget)), make_achievement(price=str(price)))

    assert fit(little, dear) <= fit(much, dear) <= fit(much, cheap)
    assert fit(little, dear) <= fit(little, cheap) <= fit(much, cheap)


@given(day=st.dates(date(2020, 1, 1), date(2030, 1, 1)), today=st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_deadline_counts_from_the_day_after(day: date, today: date) -> None:
    assert _row("deadline", make_scene(deadline=day), make_achievement(), today) == (
        -1.0 if day < today else 0.0
    )


@given(
    lines=st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=6),
    more=st.integers(0, 99),
)
def test_better_figures_never_lower_the_indicator_fit(lines: list[tuple[int, int]], more: int) -> None:
    names = ["航程", "载荷", "续航", "时速", "爬升", "抗风"]
    scene = make_scene(
        indicators="；".join(f"{n}≥{want}kg" for n, (want, _) in zip(names, lines, strict=False))
    )

    def fit(extra: int) -> float:
        said = "；".join(f"{n}{have + extra}kg" for n, (_, have) in zip(names, lines, strict=False))
        return _row("indicator_fit", scene, make_achievement(indicators=said))

    met = sum(have >= want for want, have in lines)
    assert fit(0) == pytest.approx((2 * met - len(lines)) / len(lines))
    assert fit(0) <= fit(more) <= 1


def test_rights_and_districts_cover_all_there_are() -> None:
    assert [_row("rights", make_scene(), make_achievement(ip_status=s)) for s in IP_STATUSES] == [
        0,
        0.3,
        0.5,
        1,
        1,
    ]
    names = [district.name for district in districts()]
    for a in names:
        ranked = [_row("district_fit", make_scene(district=a), make_achievement(district=b)) for b in names]
        assert max(ranked) == ranked[names.index(a)] == 1.0


def test_proximity_comes_from_relations_not_from_shared_fields(measure: Measure) -> None:
    scene, achievement, school = make_scene(), make_achievement(), make_institution()
    same = {"field": "低空经济"}
    assert measure(same, same)["proximity"] is None
    near = measure({}, {}, school, make_edge(school, "posts", scene), make_edge(school, "owns", achievement))
    assert near["proximity"] is not None
    assert 0 < near["proximity"] < 1


def test_precedent_is_the_likeness_of_the_likest_scene_it_was_tried_in(
    store: Store, make_ranking: MakeRanking
) -> None:
    demand = make_scene("CJ-1", title="海岛物资无人机投送")
    others = [
        make_scene("CJ-2", title="海岛物资无人机投送航线"),
        make_scene("CJ-3", title="鲍鱼养殖网箱清洗"),
    ]
    cases = [make_case(f"AL-{n}", scene_id=f"CJ-{n}", achievement_id="CG-1") for n in (2, 3)]
    put(store, demand, *others, *cases, make_achievement("CG-1"), make_achievement("CG-2"))
    ranking = make_ranking(store)
    corpus = ranking.corpus
    slots = np.array([corpus.slots["scene", other.id] for other in others])
    likeness = centred_cosine(corpus, "gist", corpus.subject(demand).vectors["gist"], slots)
    assert likeness[0] > likeness[1]
    found = ranking.score(demand, "achievement", ["CG-1", "CG-2"], today=TODAY)
    assert found["CG-1"].values["precedent"] == likeness.max()
    assert np.isnan(found["CG-2"].values["precedent"])
    back = ranking.score(make_achievement("CG-1"), "scene", ["CJ-1", "CJ-2"], today=TODAY)
    assert back["CJ-1"].values["precedent"] == pytest.approx(likeness.max())
    assert back["CJ-2"].values["precedent"] == pytest.approx(1.0)


def test_precedent_of_a_case_whose_scene_is_not_known_is_the_likeness_of_the_case(
    store: Store, make_ranking: MakeRanking
) -> None:
    demand, case = make_scene("CJ-1"), make_case("AL-1", scene_id="CJ-9", title="海岛无人机投送试运")
    put(store, demand, case, make_achievement("CG-1"), make_scene("CJ-2", title="鲍鱼养殖网箱清洗"))
    ranking = make_ranking(store)
    corpus = ranking.corpus
    slots = np.array([corpus.slots["case", "AL-1"]])
    likeness = centred_cosine(corpus, "gist", corpus.subject(demand).vectors["gist"], slots)
    found = ranking.score(demand, "achievement", ["CG-1"], today=TODAY)["CG-1"].values["precedent"]
    assert found == likeness[0] > 0


def _oracle(corpus: Corpus, view: str, query: Any, slot: int) -> float:
    """Both vectors less the mean of all that are not blank, and the cosine of what is left."""
    index = corpus.vectors[view]
    rows = index.vectors(sorted(corpus.slots.values())).astype(np.float64)
    rounded = np.rint(rows[rows.any(axis=1)] * 4096) / 4096
    vector = index.vectors([slot])[0].astype(np.float64)
    if not vector.any() or not query.any():
        return 0.0
    mean = rounded.mean(axis=0)
    a, b = query.astype(np.float64) - mean, vector - mean
    product = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / product, 0, 1)) if product > 1e-3 else 0.0


@shared_store
@given(several=st.lists(nodes("scene", "achievement", most=6), min_size=1, max_size=12))
def test_centred_cosine_equals_its_definition(
    emptied: Callable[[], Store], make_ranking: MakeRanking, several: list[Node]
) -> None:
    store = emptied()
    put(store, *several)
    corpus = make_ranking(store).corpus
    slots = np.array(sorted(corpus.slots.values()))
    for node in several:
        for view in corpus.vectors:
            query = corpus.subject(node).vectors[view]
            found = centred_cosine(corpus, view, query, slots)
            assert found == pytest.approx(
                [_oracle(corpus, view, query, slot) for slot in slots.tolist()], abs=2e-4
            )


def test_centred_cosine_of_a_blank_text_is_zero(store: Store, make_ranking: MakeRanking) -> None:
    put(store, make_scene("CJ-1", title="\u034f\ufe00"), make_scene("CJ-2"), make_scene("CJ-3", title="网箱"))
    corpus = make_ranking(store).corpus
    slots = np.array([corpus.slots["scene", f"CJ-{n}"] for n in (1, 2, 3)])
    blank, full = (corpus.vectors["headline"].vectors([slot])[0] for slot in slots[:2])
    assert not blank.any()
    assert centred_cosine(corpus, "headline", blank, slots).tolist() == [0, 0, 0]
    assert centred_cosine(corpus, "headline", full, slots).tolist() == [0, pytest.approx(1), 0]


@shared_store
@given(several=st.lists(nodes(most=6), min_size=1, max_size=14))
def test_features_stay_in_their_ranges(
    emptied: Callable[[], Store], make_ranking: MakeRanking, several: list[Node]
) -> None:
    store = emptied()
    put(store, *several)
    ranking = make_ranking(store)
    for node in several:
        if node.kind in ("scene", "achievement"):
            for match in ranking.match(node, top=100, today=TODAY):
                assert list(match.values) == list(features())
                for name, value in match.values.items():
                    feature = features()[name]
                    assert np.isnan(value) or feature.low <= value <= feature.high


def test_features_have_labels_of_their_own_and_say_what_unknown_means() -> None:
    known = features()
    assert [feature.name for feature in known.values()] == list(known)
    assert len({feature.label for feature in known.values()}) == len(known)
    assert all(feature.unknown and feature.low < feature.high for feature in known.values())
