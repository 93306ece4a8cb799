"""Instruments of the policy: when they are told, what they rest on, and that the file quotes the document."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graph.kinds import Achievement, Enterprise, Node, Scene
from graph.network import Network
from graph.problems import Refused
from graph.relations import Edge
from graph.resources import resource
from graph.store.store import Store
from graph.values import Visibility
from matcher.advice import POLICY, Advice, Condition, PairFields, Policy, advise, holds, label, load_policy
from matcher.engine import Engine
from tests.factories import (
    TODAY,
    make_achievement,
    make_edge,
    make_enterprise,
    make_institution,
    make_scene,
    put,
)

DOCUMENT = Path(__file__).parents[3] / "shared" / "policy" / "zhuhai-2025-13.txt"
FIRM = make_enterprise(scale="小型")
SCHOOL = make_institution()
Fields = Callable[..., PairFields]


@pytest.fixture
def fields(store: Store) -> Fields:
    """The fields of a pair whose scene a firm poses and whose achievement a school owns, unless said otherwise."""

    def run(
        scene: dict[str, Any] | None = None,
        achievement: dict[str, Any] | None = None,
        *others: Node | Edge,
        level: int = 3,
        owned: bool = True,
    ) -> PairFields:
        demand, offer = make_scene(**(scene or {})), make_achievement(**(achievement or {}))
        edges = (make_edge(FIRM, "posts", demand), make_edge(SCHOOL, "owns", offer)) if owned else ()
        put(store, demand, offer, FIRM, SCHOOL, *edges, *others)
        assert isinstance(demand, Scene)
        assert isinstance(offer, Achievement)
        known = {("enterprise", FIRM.id): FIRM}
        return PairFields(demand, offer, level, Network.build(store), enterprise=known.get)

    return run


def _named(found: tuple[Advice, ...]) -> dict[str, Advice]:
    return {advice.instrument: advice for advice in found}


def _every(fields: PairFields) -> dict[str, Advice]:
    """Each instrument of the city's policy that suits, however many."""
    policy = load_policy()
    one_by_one = (Policy(document="", number=policy.number, instruments=(x,)) for x in policy.instruments)
    return {name: advice for policy in one_by_one for name, advice in _named(advise(fields, policy)).items()}


def test_a_schools_patent_for_a_small_firm_may_be_used_first_and_paid_later(fields: Fields) -> None:
    advice = _every(fields({}, {"ip_status": "已授权"}))["先用后转"]
    assert advice.measure == 7
    assert advice.because == (
        "完成单位类别为高校院所、医疗机构", "成果的知识产权状态为已授权", "建设单位类别为企业", "建设单位规模为小型"
    )  # fmt: skip
    assert (advice.own, advice.unknown) == ((), ())
    assert advice.sentence.startswith("可考虑先用后转：")
    assert (
        "依据珠府办函〔2025〕13号第7条“公开发布可通过‘先使用后付费’模式许可给科技型中小企业的专利成果"
        in advice.sentence
    )
    assert "；还须核实：使用单位是否为科技型中小企业；" in advice.sentence


def test_what_is_unknown_is_to_be_found_out_and_what_is_against_it_ends_it(
    store: Store, fields: Fields
) -> None:
    patent = {"ip_status": "已授权"}
    large = make_enterprise(scale="大型")
    unknown = fields({}, patent)
    unknown._enterprise = lambda key: None
    assert _every(unknown)["先用后转"].unknown == ("建设单位规模",)
    # Whoever reads this may not see what is there: nobody is said to have left it out.
    told = _every(unknown)["先用后转"]
    assert "建设单位规模没有可用的资料" in told.sentence
    assert "建设单位规模没有可用的资料" in told.short
    against = fields({}, patent)
    against._enterprise = lambda key: large
    assert "先用后转" not in _every(against)
    assert "先用后转" not in _every(fields({}, {"ip_status": "已受理"}))
    assert "先用后转" not in _every(fields({}, {}))


@pytest.mark.parametrize(
    ("scene", "achievement", "level", "instrument", "measure"),
    [
        ({}, {"field": "低空经济", "maturity": "TRL7"}, 3, "拨投结合", 6),
        ({}, {"maturity": "TRL3"}, 3, "概念验证", 13),
        ({"maturity_floor": "TRL8"}, {"maturity": "TRL5"}, 3, "中试熟化", 13),
        ({"maturity_floor": "TRL8"}, {"maturity": "TRL7"}, 3, "小批量试生产", 13),
        ({"cooperation": "揭榜挂帅", "status": "在推"}, {}, 3, "揭榜挂帅", 2),
        ({"status": "在推"}, {}, 3, "一键点单", 5),
        ({"field": "海洋经济"}, {"maturity": "TRL5"}, 3, "试用环境", 4),
        ({}, {"cooperation": "作价入股"}, 3, "作价入股", 9),
        ({}, {"district": "市外"}, 3, "链接市外创新要素", 16),
    ],
)
def test_instrument_suits(
    fields: Fields,
    scene: dict[str, Any],
    achievement: dict[str, Any],
    level: int,
    instrument: str,
    measure: int,
) -> None:
    assert _every(fields(scene, achievement, level=level))[instrument].measure == measure


@pytest.mark.parametrize(
    ("scene", "achievement", "level", "instrument"),
    [
        ({}, {"field": "新材料", "maturity": "TRL7"}, 3, "拨投结合"),
        ({}, {"maturity": "TRL5"}, 3, "概念验证"),
        ({"maturity_floor": "TRL5"}, {"maturity": "TRL5"}, 3, "中试熟化"),
        ({}, {"maturity": "TRL5"}, 3, "中试熟化"),
        ({"cooperation": "揭榜挂帅", "status": "已落地"}, {}, 3, "揭榜挂帅"),
        ({"status": "在推"}, {}, 4, "一键点单"),
        ({"status": "在推"}, {}, 2, "一键点单"),
        ({}, {"title": "云端督导平台", "maturity": "TRL8"}, 3, "首版次应用支持"),
        (
            {},
            {"title": "清洗装备", "maturity": "TRL8", "summary": "累计销售168套。"},
            3,
            "首台（套）应用支持",
        ),
        ({}, {"title": "清洗装备", "maturity": "TRL9"}, 3, "首台（套）应用支持"),
        ({"cooperation": "政府采购"}, {}, 3, "政府合作创新采购"),
        ({"field": "大健康"}, {"maturity": "TRL5"}, 3, "试用环境"),
        ({}, {"cooperation": "作价入股", "district": "市外"}, 3, "作价入股"),
    ],
)
def test_instrument_does_not_suit(
    fields: Fields, scene: dict[str, Any], achievement: dict[str, Any], level: int, instrument: str
) -> None:
    assert instrument not in _every(fields(scene, achievement, level=level))


def test_first_equipment_is_for_what_a_firm_makes(fields: Fields) -> None:
    made = {"title": "铜回收装备", "maturity": "TRL8"}
    own = make_edge(FIRM, "owns", make_achievement(**made))
    found = _every(fields({}, made, own, owned=False))
    assert found["首台（套）应用支持"].own == ("成果的成熟度",)
    assert "首批次应用支持" not in found
    # Owned by a school as well it is of neither kind, which someone must find out.
    assert _every(fields({}, made))["首台（套）应用支持"].unknown == ("完成单位类别",)


def test_at_most_two_are_told_those_the_measures_state_most_first(fields: Fields) -> None:
    pair = fields(
        {"status": "在推", "maturity_floor": "TRL8", "cooperation": "联合研发"},
        {"ip_status": "已授权", "maturity": "TRL6", "field": "低空经济", "cooperation": "许可", "granted_on": "2020-01-01"},
    )  # fmt: skip
    told = [advice.instrument for advice in advise(pair, load_policy())]
    assert told == ["先用后转", "到期即转"]
    assert set(told) < set(_every(pair))


@pytest.mark.parametrize(("level", "status"), [(1, "在推"), (2, "在推"), (4, "已落地")])
def test_nothing_is_told_of_what_hardly_fits_or_is_done(fields: Fields, level: int, status: str) -> None:
    patent = {"ip_status": "已授权"}
    assert advise(fields({"status": status}, patent, level=level), load_policy()) == ()
    assert advise(fields({"status": "在推"}, patent, level=4), load_policy())


def test_only_fields_that_the_measure_names_and_the_kind_at_hand_are_told(fields: Fields) -> None:
    offer = {"field": "大健康；低空经济", "maturity": "TRL7", "ip_status": "已授权"}
    pair = fields({}, offer)
    pair._institution = lambda key: make_institution(type="医疗机构")
    found = _every(pair)
    assert found["拨投结合"].because == ("成果的产业领域为低空经济", "成果的成熟度为 TRL7")
    assert found["拨投结合"].short == (
        "拨投结合（第6条）：因成果的产业领域为低空经济；须核实：是否为重大科技成果转化项目等"
    )
    assert found["拨投结合"].source.startswith("珠府办函〔2025〕13号第6条：“探索财政资金")
    assert found["先用后转"].because[0] == "完成单位类别为医疗机构"


@pytest.mark.parametrize(
    ("audience", "price", "owner", "scale"),
    [
        ("public", None, "", ""),
        ("partner", (260.0, 260.0), "", ""),
        ("staff", (260.0, 260.0), "企业", "小型"),
    ],
)
def test_fields_of_others_are_those_they_may_see(
    engine_over: Callable[..., Engine], audience: Visibility, price: object, owner: str, scale: str
) -> None:
    scene = make_scene(owner=FIRM.title, field_visibility="建设单位=内部")
    engine = engine_over(scene, make_achievement(price="260"), FIRM, audience=audience)
    demand, offer = engine.store.get("scene", "CJ-1"), engine.store.get("achievement", "CG-1")
    assert isinstance(demand, Scene)
    assert isinstance(offer, Achievement)
    firms = {("enterprise", FIRM.id): FIRM}
    pair = PairFields(demand, offer, 3, engine.network, enterprise=firms.get)
    names = ("achievement.price", "scene.owner_kind", "scene.owner_scale")
    assert tuple(pair[name] for name in names) == (price, owner, scale)


@pytest.mark.parametrize(("audience", "told"), [("partner", False), ("staff", True)])
def test_advice_to_others_rests_on_the_records_of_owners_as_they_see_them(
    engine_over: Callable[..., Engine], audience: Visibility, told: bool
) -> None:
    firm = make_enterprise(scale="小型", field_visibility="企业规模=内部")
    same = {"title": "跨海货运无人机", "summary": "向海岛运送货物，抗风，载荷大。"}
    scene, offer = make_scene(**same), make_achievement(**same, ip_status="已授权")
    edges = (make_edge(firm, "posts", scene), make_edge(SCHOOL, "owns", offer))
    engine = engine_over(scene, offer, firm, SCHOOL, *edges, audience=audience)
    (why,) = engine.explain(scene, engine.match(scene, top=1, today=TODAY))
    (advice,) = [one for one in why.advice if one.instrument == "先用后转"]
    assert ("建设单位规模为小型" in advice.because, advice.unknown == ("建设单位规模",)) == (told, not told)


def test_what_is_not_known_holds_neither_way(fields: Fields) -> None:
    pair = fields({"maturity_floor": "TRL6"}, {"maturity": "TRL6", "cooperation": "许可"})
    cases: list[tuple[str, dict[str, Any], bool | None]] = [
        ("achievement.maturity", {"at_least": 6}, True),
        ("achievement.maturity", {"at_least": 3, "at_most": 5}, False),
        ("achievement.maturity", {"below": "scene.maturity_floor"}, False),
        ("scene.district", {"is_not": ["市外"]}, None),
        ("achievement.price", {"known": False}, True),
        ("achievement.cooperation", {"says_any": ["许"]}, True),
        ("achievement.cooperation", {"has_any": ["许"]}, False),
        ("pair.level", {"at_most": 3}, True),
    ]
    found = [holds(Condition(field=f, tests=t, stated=True), pair) for f, t, _ in cases]
    assert found == [expected for *_, expected in cases]


def test_policy_file_names_each_condition_and_what_is_to_be_verified() -> None:
    policy = load_policy()
    assert len({instrument.name for instrument in policy.instruments}) == len(policy.instruments) > 15
    for instrument in policy.instruments:
        assert 1 <= instrument.measure <= 16
        assert instrument.needs
        assert instrument.verify
        assert all(label(condition.field) for condition in (*instrument.needs, *instrument.asks))


@pytest.mark.skipif(not DOCUMENT.is_file(), reason="the document is not at hand")
def test_every_quotation_stands_in_the_measure_it_is_said_to_be_of() -> None:
    marks = str.maketrans("，：；（）", ",:;()")
    lines = DOCUMENT.read_text(encoding="utf-8").translate(marks).splitlines()
    measures = {n: line for n in range(1, 17) for line in lines if line.startswith(f"{n}.")}
    wrong = [x.name for x in load_policy().instruments if x.quote.translate(marks) not in measures[x.measure]]
    assert wrong == []


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"instruments": [{"name": "某"}]},
        {"needs": [{"field": "achievement.maturity", "above": 3, "stated": True}]},
        {"needs": [{"field": "achievement.weight", "is": ["重"], "stated": True}]},
        {"needs": [{"field": "achievement.maturity", "stated": True}]},
    ],
)
def test_a_policy_file_that_makes_no_sense_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    content = json.loads(resource("policy", POLICY).read_text(encoding="utf-8"))
    if "needs" in change:
        content["instruments"][0] |= change
    else:
        content |= change
    path = tmp_path / "政策.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(Refused) as refused:
        load_policy(path)
    assert refused.value.code == "policy_unusable"
    assert "政策.json" in refused.value.message


def test_enterprise_is_looked_up_only_where_a_firm_poses_the_scene(store: Store) -> None:
    def never(key: object) -> Enterprise | None:
        raise AssertionError(key)

    scene, offer = make_scene(), make_achievement(ip_status="已授权")
    put(store, scene, offer, SCHOOL, make_edge(SCHOOL, "posts", scene))
    found = PairFields(scene, offer, 2, Network.build(store), enterprise=never)
    assert found["scene.owner_scale"] == ""
