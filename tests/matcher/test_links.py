"""Features from typed paths: against brute force, the same from either side, and little through hubs."""

from collections.abc import Callable
from itertools import product
from math import log2
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.kinds import Case, Expert, Node
from graph.network import Network
from graph.relations import RELATIONS, Edge
from graph.store.store import Store
from graph.values import Visibility
from matcher.engine import Engine
from matcher.features import centred_cosine
from matcher.links import LINKS, link_chains, link_notes, link_values
from matcher.ranking import Ranking
from tests.factories import (
    TODAY,
    make_achievement,
    make_broker,
    make_case,
    make_edge,
    make_enterprise,
    make_institution,
    make_scene,
    put,
)

MakeRanking = Callable[[Store], Ranking]
Key = tuple[str, str]

_MADE: dict[str, Callable[[int], Node]] = {
    "scene": lambda n: make_scene(f"CJ-{n}", title=("海岛投送", "网箱清洗")[n % 2]),
    "achievement": lambda n: make_achievement(f"CG-{n}", inventors=("甲某、乙某", "甲某", "")[n % 3]),
    "enterprise": lambda n: make_enterprise(f"QY-{n}", title=f"公司{n}"),
    "institution": lambda n: make_institution(f"JG-{n}", title=f"大学{n}"),
    "broker": lambda n: make_broker(f"JJ-{n}"),
    "case": lambda n: Case(id=f"AL-{n}", title=f"案例{n}"),
    "expert": lambda n: Expert(id=f"ZJ-{n}", title="丙某"),
}
NODES = [make(n) for make in _MADE.values() for n in range(3)]
POSSIBLE = [
    make_edge(one, name, other)
    for name in (
        "posts",
        "owns",
        "partners",
        "controls",
        "serves",
        "brokered",
        "tried_in",
        "adopts",
        "invented",
    )
    for one, other in product(NODES, NODES)
    if one.kind in RELATIONS[name].sources and other.kind in RELATIONS[name].targets
]
# As often nearly everything is joined as hardly anything: long paths need many relations.
WORLDS = st.builds(
    lambda seed, count: Random(seed).sample(POSSIBLE, count),
    st.integers(0, 999),
    st.integers(0, len(POSSIBLE)),
)
shared_store = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _likenesses(ranking: Ranking, several: list[Node]) -> dict[tuple[Key, Key], float]:
    """How like scenes are, as precedent sees it, by way of a ranking of scenes for each scene."""
    scenes = [(node.kind, node.id) for node in several if node.kind == "scene"]
    slots = np.array([ranking.corpus.slots[key] for key in scenes])
    found = {}
    for node in several:
        if node.kind == "scene":
            gist = ranking.corpus.subject(node).vectors["gist"]
            for other, value in zip(scenes, centred_cosine(ranking.corpus, "gist", gist, slots), strict=True):
                found[(node.kind, node.id), other] = float(value)
    return found


class _Oracle:
    """The same features from the definition, by trying every tuple of nodes."""

    def __init__(self, edges: list[Edge], alike: dict[tuple[Key, Key], float]) -> None:
        self.alike = alike
        self.edges = {((e.source_kind, e.source_id), e.relation, (e.target_kind, e.target_id)) for e in edges}
        self.people = {
            f"CG-{n}": set(filter(None, ("甲某、乙某", "甲某", "")[n % 3].split("、"))) for n in range(3)
        }
        self.keys = [(node.kind, node.id) for node in NODES]

    def of(self, kind: str) -> list[Key]:
        return [key for key in self.keys if key[0] == kind]

    @property
    def firms(self) -> list[Key]:
        return self.of("enterprise") + self.of("institution")

    def worth(self, *nodes: Key) -> float:
        total = 1.0
        for node in nodes:
            beside = {b for a, _, b in self.edges if a == node} | {a for a, _, b in self.edges if b == node}
            total /= log2(max(len(beside), 2))
        return total

    def joined(self, a: Key, b: Key) -> bool:
        return any({(a, r, b), (b, r, a)} & self.edges for r in ("partners", "controls"))

    def partner_path(self, scene: Key, achievement: Key) -> list[float]:
        return [
            self.worth(a, b)
            for a, b in product(self.firms, self.firms)
            if a != b and {(a, "posts", scene), (b, "owns", achievement)} <= self.edges and self.joined(a, b)
        ]

    def sides(self, broker: Key, end: Key) -> list[tuple[Key, ...]]:
        owning, trying = ("posts", "tried_in") if end[0] == "scene" else ("owns", "adopts")
        routes: list[tuple[Key, ...]] = [()] if (broker, "serves", end) in self.edges else []
        routes += [(f,) for f in self.firms if {(broker, "serves", f), (f, owning, end)} <= self.edges]
        cases = self.of("case")
        return routes + [(c,) for c in cases if {(broker, "brokered", c), (c, trying, end)} <= self.edges]

    def broker_link(self, scene: Key, achievement: Key) -> list[float]:
        return [
            self.worth(*left, broker, *right)
            for broker in self.of("broker")
            for left, right in product(self.sides(broker, scene), self.sides(broker, achievement))
            if not set(left) & set(right)
        ]

    def team_record(self, scene: Key, achievement: Key) -> list[float]:
        found = []
        for other, case, place in product(self.of("achievement"), self.of("case"), self.of("scene")):
            if other == achievement or place == scene:
                continue
            if not {(case, "adopts", other), (case, "tried_in", place)} <= self.edges:
                continue
            ours, theirs = (
                {f for f in self.firms if (f, "owns", a) in self.edges} for a in (achievement, other)
            )
            near = any(a == b or self.joined(a, b) for a, b in product(ours, theirs))
            experts = any(
                {(e, "invented", achievement), (e, "invented", other)} <= self.edges
                for e in self.of("expert")
            )
            if experts or (near and self.people[achievement[1]] & self.people[other[1]]):
                found.append(self.alike[scene, place])
            elif ours & theirs:
                found.append(max(self.worth(firm) for firm in ours & theirs) * self.alike[scene, place])
        return found


@shared_store
@given(edges=WORLDS)
def test_values_are_those_of_the_definition_and_the_same_from_either_side(
    emptied: Callable[[], Store], make_ranking: MakeRanking, edges: list[Edge]
) -> None:
    store = emptied()
    put(store, *NODES, *edges)
    ranking = make_ranking(store)
    oracle = _Oracle(edges, _likenesses(ranking, NODES))
    ends = [[node for node in NODES if node.kind == kind] for kind in ("scene", "achievement")]
    for ours, theirs in (ends, ends[::-1]):
        keys = [(node.kind, node.id) for node in theirs]
        for node in ours:
            found = link_values(ranking.corpus, ranking.network, ranking.corpus.subject(node), keys)
            assert tuple(found) == LINKS
            for row, key in enumerate(keys):
                own = (node.kind, node.id)
                pair = (own, key) if node.kind == "scene" else (key, own)
                wanted = {name: max(getattr(oracle, name)(*pair), default=None) for name in LINKS}
                values = {
                    name: None if np.isnan(column[row]) else column[row] for name, column in found.items()
                }
                assert values == pytest.approx(wanted, abs=1e-6)
                chains = link_chains(ranking.corpus, ranking.network, *pair)
                assert {name: chain.value for name, chain in chains.items()} == pytest.approx(
                    {name: value for name, value in wanted.items() if value is not None}, abs=1e-6
                )
                assert all(
                    (c.nodes[0], c.nodes[-1]) == pair and len(set(c.nodes)) == len(c.nodes)
                    for c in chains.values()
                )


@pytest.fixture
def notes(store: Store, make_ranking: MakeRanking) -> Callable[..., dict[str, str]]:
    """Puts records and gives the sentences of CJ-1 and CG-1."""

    def tell(*records: Node | Edge) -> dict[str, str]:
        put(store, *records)
        ranking = make_ranking(store)
        return link_notes(ranking.corpus, ranking.network, *PAIR)

    return tell


Notes = Callable[..., dict[str, str]]
PAIR = (("scene", "CJ-1"), ("achievement", "CG-1"))
SCENE, FIRM, COLLEGE = make_scene(), make_enterprise(title="甲公司"), make_institution(title="乙大学")
ACHIEVEMENT = make_achievement(owner="乙大学", inventors="航空学院：程某、李某")
POSTS = make_edge(FIRM, "posts", SCENE)


@pytest.mark.parametrize(
    ("edge", "sentence"),
    [
        (make_edge(FIRM, "partners", COLLEGE), "发布单位“甲公司”与完成单位“乙大学”有合作关系"),
        (make_edge(COLLEGE, "partners", FIRM), "发布单位“甲公司”与完成单位“乙大学”有合作关系"),
        (make_edge(COLLEGE, "posts", SCENE), None),  # who asks has found that its own does not do
    ],
)
def test_partners_are_told_and_one_organisation_on_both_sides_is_no_link(
    notes: Notes, edge: Edge, sentence: str | None
) -> None:
    found = notes(SCENE, ACHIEVEMENT, FIRM, COLLEGE, POSTS, edge)
    assert found == ({"partner_path": sentence} if sentence else {})


@pytest.mark.parametrize("downwards", [True, False])
def test_a_group_is_told_from_its_parent(notes: Notes, downwards: bool) -> None:
    other = make_enterprise("QY-2", title="“丙”公司")
    parent, child = (FIRM, other) if downwards else (other, FIRM)
    found = notes(
        SCENE, make_achievement(), FIRM, other, POSTS,
        make_edge(other, "owns", make_achievement()), make_edge(parent, "controls", child),
    )  # fmt: skip
    ends = ("“甲公司”", "“‘丙’公司”")[:: 1 if downwards else -1]
    assert found == {"partner_path": f"发布单位与完成单位同属一个集团：{ends[0]}控股{ends[1]}"}


def test_a_broker_is_told_with_what_joins_him_to_either_side(notes: Notes) -> None:
    broker = make_broker(title="程舟")
    case = make_case(scene_id="CJ-2", title="首试")
    records = (SCENE, make_scene("CJ-2"), make_achievement(), FIRM, POSTS, broker, case)
    assert notes(*records, make_edge(broker, "serves", FIRM), make_edge(broker, "brokered", case)) == {
        "broker_link": "技术经纪人程舟服务发布单位“甲公司”，并撮合过该成果的案例“首试”"
    }
    assert notes(make_edge(broker, "serves", SCENE), make_edge(broker, "serves", ACHIEVEMENT)) == {
        "broker_link": "技术经纪人程舟服务该场景，并服务该成果"
    }


ELSEWHERE = make_scene("CJ-2", title="海岛物资无人机投送二期")
DONE = make_case(scene_id="CJ-2", achievement_id="CG-2", title="首试")


@pytest.mark.parametrize(
    ("other", "who"),
    [
        ({"owner": "乙大学", "inventors": "李某、王某"}, "完成人李某"),
        ({"owner": "乙大学", "inventors": "王某"}, "完成单位“乙大学”"),
        ({"owner": "甲公司", "inventors": "程某"}, "完成人程某"),  # at a partner
        ({"owner": "丁公司", "inventors": "程某"}, None),  # perhaps somebody else of that name
        ({"inventors": "程某"}, None),
    ],
)
def test_a_team_is_known_by_its_people_where_they_work_or_by_its_owner(
    notes: Notes, other: dict[str, str], who: str | None
) -> None:
    records = (
        SCENE, ELSEWHERE, ACHIEVEMENT, make_achievement("CG-2", title="旧机型", **other), DONE, FIRM, COLLEGE,
        make_enterprise("QY-4", title="丁公司"), make_edge(FIRM, "partners", COLLEGE),
    )  # fmt: skip
    sentence = f"{who}的另一成果“旧机型”已用于相近场景“海岛物资无人机投送二期”（案例“首试”）"
    assert notes(*records) == ({"team_record": sentence} if who else {})


def test_a_record_in_another_sort_of_scene_is_called_that(notes: Notes) -> None:
    other = make_achievement("CG-2", title="旧机型", owner="乙大学")
    found = notes(SCENE, make_scene("CJ-2", title="网箱鱼苗计数"), ACHIEVEMENT, other, DONE, COLLEGE)
    assert "已用于其他场景“网箱鱼苗计数”" in found["team_record"]


def test_what_a_team_did_in_this_very_scene_is_no_record(notes: Notes) -> None:
    here = make_case(achievement_id="CG-2")
    assert notes(SCENE, ACHIEVEMENT, COLLEGE, make_achievement("CG-2", owner="乙大学"), here) == {}


@pytest.mark.parametrize(
    ("hidden", "audience", "told"),
    [
        ([], "public", set(LINKS)),
        ([make_institution(title="乙大学", visibility="合作方")], "partner", set(LINKS)),
        ([make_institution(title="乙大学", visibility="合作方")], "public", {"broker_link"}),
        ([make_broker(visibility="内部")], "partner", {"partner_path", "team_record"}),
        ([make_case(scene_id="CJ-2", achievement_id="CG-2", visibility="内部")], "partner", {"partner_path", "broker_link"}),
        ([make_scene("CJ-2", title="另一处", visibility="内部")], "partner", {"partner_path", "broker_link"}),
        ([make_scene("CJ-2", title="另一处", visibility="内部")], "staff", set(LINKS)),
    ],
)  # fmt: skip
def test_others_have_the_links_they_would_if_the_hidden_had_never_been(
    engine_over: Callable[..., Engine], hidden: list[Node], audience: Visibility, told: set[str]
) -> None:
    broker, past = make_broker(), make_achievement("CG-2", owner="乙大学", inventors="李某")
    everything = {
        (node.kind, node.id): node
        for node in (SCENE, ELSEWHERE, ACHIEVEMENT, past, DONE, FIRM, COLLEGE, broker, *hidden)
    }
    edges = (
        POSTS, make_edge(FIRM, "partners", COLLEGE), make_edge(broker, "serves", SCENE), make_edge(broker, "serves", ACHIEVEMENT),
    )  # fmt: skip
    engine = engine_over(*everything.values(), *edges, audience=audience)
    assert link_notes(engine.corpus, engine.network, *PAIR).keys() == told
    values = engine.ranking.score(SCENE, "achievement", ["CG-1"], today=TODAY)["CG-1"].values
    assert {name for name in LINKS if not np.isnan(values[name])} == told


@pytest.mark.parametrize(
    ("audience", "who"), [("public", "完成单位“乙大学”"), ("partner", "完成人李某"), ("staff", "完成人李某")]
)
def test_people_of_a_team_are_told_to_whoever_may_see_their_column(
    engine_over: Callable[..., Engine], audience: Visibility, who: str
) -> None:
    past = make_achievement("CG-2", title="旧机型", owner="乙大学", inventors="李某")
    engine = engine_over(SCENE, ELSEWHERE, ACHIEVEMENT, past, DONE, COLLEGE, audience=audience)
    assert link_notes(engine.corpus, engine.network, *PAIR)["team_record"].startswith(f"{who}的另一成果")


def _value(ranking: Ranking, name: str) -> float:
    found = ranking.score(make_scene(), "achievement", ["CG-1"], today=TODAY)["CG-1"].values[name]
    back = ranking.score(ACHIEVEMENT, "scene", ["CJ-1"], today=TODAY)["CJ-1"].values[name]
    assert found == back or np.isnan([found, back]).all()
    return found


def test_popular_partners_and_brokers_count_little_and_crowded_ends_nothing(
    store: Store, make_ranking: MakeRanking
) -> None:
    broker = make_broker()
    put(
        store, SCENE, ACHIEVEMENT, FIRM, COLLEGE, POSTS, make_edge(FIRM, "partners", COLLEGE), broker,
        make_edge(broker, "serves", SCENE), make_edge(broker, "serves", ACHIEVEMENT),
    )  # fmt: skip
    ranking = make_ranking(store)
    assert (_value(ranking, "partner_path"), _value(ranking, "broker_link")) == (1.0, 1.0)
    firms = [make_enterprise(f"QY-{n}", title=f"公司{n}") for n in range(2, 64)]
    put(store, *firms, *(make_edge(firm, "partners", COLLEGE) for firm in firms))
    put(store, *(make_edge(broker, "serves", firm) for firm in firms))
    ranking.network.catch_up(store)
    assert (_value(ranking, "partner_path"), _value(ranking, "broker_link")) == (1 / 6, 1 / 6)
    crowd = [make_broker(f"JJ-{n}") for n in range(2, 202)]
    put(store, *crowd, *(make_edge(one, "serves", SCENE) for one in crowd))
    ranking.network.catch_up(store)
    assert np.isnan([_value(ranking, "partner_path"), _value(ranking, "broker_link")]).all()


def test_unsaved_texts_and_enterprises_have_no_links(store: Store, make_ranking: MakeRanking) -> None:
    put(store, SCENE, ACHIEVEMENT, FIRM, COLLEGE, POSTS, make_edge(FIRM, "partners", COLLEGE))
    ranking = make_ranking(store)
    written = make_scene("(未保存)", owner="甲公司")
    subjects = [
        (written, ("achievement", "CG-1")),
        (SCENE, ("enterprise", "QY-1")),
        (SCENE, ("scene", "CJ-1")),
    ]
    for node, key in subjects:
        found = link_values(ranking.corpus, ranking.network, ranking.corpus.subject(node), [key])
        assert all(np.isnan(column).all() for column in found.values())
    assert link_chains(ranking.corpus, ranking.network, ("scene", "CJ-9"), ("achievement", "CG-1")) == {}


@pytest.mark.parametrize("late", [SCENE, ACHIEVEMENT])
def test_a_node_the_network_does_not_know_yet_has_no_links(
    store: Store, make_ranking: MakeRanking, late: Node
) -> None:
    """Corpus and network are brought up one after the other; another process may write in between."""
    early = SCENE if late is ACHIEVEMENT else ACHIEVEMENT
    broker, case = make_broker(), make_case(achievement_id="CG-2", scene_id="CJ-2")
    past = (case, make_achievement("CG-2", owner="乙大学"), ELSEWHERE)
    put(store, early, FIRM, COLLEGE, broker, *past, make_edge(broker, "serves", early))
    put(store, make_edge(FIRM, "posts" if early is SCENE else "owns", early))
    behind = Network.build(store)
    put(store, late, make_edge(broker, "serves", late))
    ranking = make_ranking(store)
    ranking.network = behind
    for name in LINKS:
        assert np.isnan(_value(ranking, name))


def test_an_expert_joined_to_both_achievements_makes_them_one_teams_wherever_they_are(notes: Notes) -> None:
    expert, past = Expert(id="ZJ-1", title="程某"), make_achievement("CG-2", title="旧机型", owner="丁公司")
    found = notes(
        SCENE, ELSEWHERE, make_achievement(), past, DONE, expert,
        make_edge(expert, "invented", past), make_edge(expert, "invented", make_achievement()),
    )  # fmt: skip
    assert found["team_record"].startswith("完成人程某的另一成果“旧机型”已用于")
