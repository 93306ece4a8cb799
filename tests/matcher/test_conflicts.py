"""Conflicts of interest: everything planted is found, nothing else, and what cannot be told is never "none"."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.intake.importing import plan_import
from graph.kinds import Enterprise, Expert, Node
from graph.relations import Edge
from graph.resources import resource
from graph.store.store import Store, open_store
from matcher.conflicts import UNRESOLVED, Clearance, conflicts
from matcher.parties import Entry, Party, Person, is_department, person_of
from matcher.register import Register
from tests.factories import make_edge, make_enterprise, make_institution, put
from tests.matcher.planting import OF_BROKERS, OF_EXPERTS, TODAY, World, node_of

NOW = datetime(2026, 3, 1, tzinfo=UTC)
EXPERTS, BROKERS, BIDS = 5, 2, 4
CODE = "91440402MA7K2D4R0X"


@pytest.fixture(scope="module")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The sample world and a few experts and brokers that it knows nothing of."""
    with open_store(tmp_path_factory.mktemp("sample") / "store.db") as store:
        sheets = [path for path in sorted(resource("sample").glob("*.csv")) if path.stem != "judgements"]
        plan_import([str(path) for path in sheets], store=store, at=NOW).commit(
            store, actor="测试", reason="样例"
        )
        yield store


@pytest.fixture(scope="module")
def bystanders(sample_store: Store) -> World:
    """Experts at institutions of the sample and bids of its firms; nothing joins any of them."""
    places = [node.title for node in sample_store.nodes("institution")][:EXPERTS]
    controlled = {end for edge in sample_store.edges("controls") for end in (edge.source_id, edge.target_id)}
    firms = [node for node in sample_store.nodes("enterprise") if node.id not in controlled][:BIDS]
    experts = [Expert(id=f"ZJ-{i}", title=f"专家{i}", organisation=place) for i, place in enumerate(places)]
    people = [person_of(expert) for expert in experts]
    people += [
        Person(id=f"JX-{i}", name=f"经纪{i}", key=("broker", f"JX-{i}"), organisations=(Party(name=f"中介{i}", verified_by="程某"),))
        for i in range(BROKERS)
    ]  # fmt: skip
    entries = []
    for j, firm in enumerate(firms):
        assert isinstance(firm, Enterprise)
        party = Party(name=firm.title, uscc=firm.uscc)
        member = Person(id=f"t{j}", name=f"负责人{j}", organisations=(party,))
        entries.append(Entry(id=f"B-{j}", parties=(party,), people=(member,)))
    return World(people=people, entries=entries)


@dataclass(frozen=True, repr=False)
class Sample:
    """The sample's nodes and relations."""

    nodes: list[Node]
    edges: list[Edge]


@pytest.fixture(scope="module")
def known(sample_store: Store) -> Sample:
    """The sample, read once."""
    return Sample(list(sample_store.nodes()), list(sample_store.edges()))


def found_in(world: World, known: Sample) -> dict[tuple[str, str], frozenset[str]]:
    """The kinds of conflict of every pair once the world's records are beside the sample's."""
    nodes = [*known.nodes, *(node_of(person) for person in world.people)]
    nodes += [record for record in world.records if isinstance(record, Node)]
    edges = [*known.edges, *(record for record in world.records if isinstance(record, Edge))]
    found = conflicts(world.people, world.entries, Register(nodes, edges), today=TODAY, years=3)
    return {pair: frozenset(one.kind for one in told) for pair, told in found.items()}


def plantings() -> st.SearchStrategy[Sequence[tuple[int, int, str, int]]]:
    """For some pairs one kind of conflict each, and the way it is made."""
    experts = st.tuples(
        st.integers(0, EXPERTS - 1), st.integers(0, BIDS - 1), st.sampled_from(OF_EXPERTS), st.integers(0, 5)
    )
    brokers = st.tuples(
        st.integers(EXPERTS, EXPERTS + BROKERS - 1),
        st.integers(0, BIDS - 1),
        st.sampled_from(OF_BROKERS),
        st.integers(0, 3),
    )
    return st.lists(st.one_of(experts, experts, brokers), max_size=12, unique_by=lambda one: one[:2])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(planted=plantings())
def test_conflicts_finds_all_that_was_planted_and_invents_none(
    planted: Sequence[tuple[int, int, str, int]], known: Sample, bystanders: World
) -> None:
    world = World(people=list(bystanders.people), entries=list(bystanders.entries))
    for i, j, kind, variant in planted:
        world.plant(kind, i, j, variant)
    assert found_in(world, known) == world.expected


@pytest.mark.parametrize("kind", [*OF_EXPERTS, *OF_BROKERS])
def test_conflicts_finds_each_kind_however_it_is_made(kind: str, known: Sample, bystanders: World) -> None:
    world = World(people=list(bystanders.people), entries=list(bystanders.entries))
    first = EXPERTS if kind in OF_BROKERS else 0
    for j in range(BIDS):
        world.plant(kind, first + j % (BROKERS if first else EXPERTS), j, j)
    assert found_in(world, known) == world.expected


def register_of(store: Store) -> Register:
    return Register.of(store, people=True)


def told(found: Sequence[object]) -> list[tuple[str, str]]:
    return [(one.kind, one.sentence) for one in found]  # type: ignore[attr-defined]


EXPERT = Person(id="ZJ-1", name="舒曼", organisations=(Party(name="某某理工大学"),))


@pytest.mark.parametrize(
    ("party", "doubt"),
    [
        (Party(name="无名工坊"), "“无名工坊”没有信用代码，库中也没有这个单位"),
        (Party(name=""), "没有写单位"),
        (Party(name="同名公司"), "“同名公司”可能是同名有限公司（QY-8）、同名股份有限公司（QY-9）中的任何一个"),
        (Party(name="珠海某某航空有限公司", uscc="91440404MA6C91TQ8N"),
         f"“珠海某某航空有限公司”在库中的信用代码是 {CODE}，这里写的是 91440404MA6C91TQ8N"),
    ],
)  # fmt: skip
def test_conflicts_says_whose_identity_is_unresolved(store: Store, party: Party, doubt: str) -> None:
    put(
        store, make_institution(), make_enterprise(uscc=CODE), make_enterprise("QY-8", title="同名有限公司"),
        make_enterprise("QY-9", title="同名股份有限公司"),
    )  # fmt: skip
    bid = Entry(id="B-1", parties=(party,))
    found = conflicts([EXPERT], [bid], register_of(store), today=TODAY, years=3)
    assert told(found["ZJ-1", "B-1"]) == [(UNRESOLVED, f"标书B-1的单位身份未核实：{doubt}")]
    looked_up = replace(bid, parties=(replace(party, verified_by="程某"),))
    assert conflicts([EXPERT], [looked_up], register_of(store), today=TODAY, years=3) == {}
    cleared = Clearance(person="ZJ-1", entry="B-1", by="程某", reason="查过执照")
    assert conflicts([EXPERT], [bid], register_of(store), today=TODAY, years=3, clearances=[cleared]) == {}


def test_conflicts_are_not_cleared_where_something_was_found(store: Store) -> None:
    put(store, make_institution())
    bid = Entry(id="B-1", parties=(Party(name="某某理工大学"), Party(name="无名工坊")))
    cleared = Clearance(person="ZJ-1", entry="B-1", by="程某", reason="查过执照")
    found = conflicts([EXPERT], [bid], register_of(store), today=TODAY, years=3, clearances=[cleared])
    assert told(found["ZJ-1", "B-1"]) == [("same_organisation", "舒曼的单位“某某理工大学”就是投标单位")]


def test_conflicts_shows_the_way_of_control(store: Store) -> None:
    top, own, other = (make_enterprise(f"QY-{n}", title=f"{n}号制造有限公司") for n in ("一", "二", "三"))
    put(store, top, own, other, make_edge(top, "controls", own), make_edge(top, "controls", other))
    person = Person(id="ZJ-1", name="舒曼", organisations=(Party(name="二号制造"),))
    bid = Entry(id="B-1", parties=(Party(name="三号制造有限公司"),))
    (one,) = conflicts([person], [bid], register_of(store), today=TODAY, years=3)["ZJ-1", "B-1"]
    assert (one.kind, one.path, one.sentence) == (
        "group",
        (("enterprise", "QY-二"), ("enterprise", "QY-一"), ("enterprise", "QY-三")),
        "舒曼的单位“二号制造”与投标单位“三号制造有限公司”受同一控制：二号制造有限公司 ←控股— 一号制造有限公司 —控股→ 三号制造有限公司",
    )


def test_conflicts_with_the_poster_are_told_as_such(store: Store) -> None:
    put(store, make_institution())
    poster = Entry(id="出题方", parties=(Party(name="某某理工大学"),), posts=True)
    found = conflicts([EXPERT], [poster], register_of(store), today=TODAY, years=3)
    assert told(found["ZJ-1", "出题方"]) == [("poster", "舒曼的单位“某某理工大学”就是出题单位")]


@pytest.mark.parametrize(
    ("place", "whole", "answer"),
    [
        ("珠海市凤屿人民医院医工转化中心", "凤屿人民医院", True),
        ("珠海云岬航空科技有限公司研发部", "云岬航空科技有限公司", True),
        ("云岬航空科技（深圳）有限公司", "珠海云岬航空科技有限公司", False),
        ("某某大学附属医院", "某某大学", False),
        ("某某大学", "某某大学", False),
    ],
)
def test_is_department_tells_parts_from_organisations_of_their_own(
    place: str, whole: str, answer: bool
) -> None:
    assert is_department(place, whole) is answer


def test_conflicts_counts_joint_work_on_the_29th_of_february(store: Store) -> None:
    assert conflicts([EXPERT], [], register_of(store), today=date(2028, 2, 29), years=3) == {}
