"""Who is who: spellings, codes, who controls whom, who is a legal person."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.relations import Edge
from matcher.parties import Party
from matcher.register import Register
from tests.factories import make_achievement, make_edge, make_enterprise, make_institution
from tests.matcher.boards import uscc

ONE = make_enterprise("QY-1", title="珠海云岬航空科技有限公司", uscc=uscc(1))
TWO = make_enterprise("QY-2", title="云屿集团有限公司", uscc=uscc(2))
THREE = make_enterprise("QY-3", title="岸序信息有限公司")
SCHOOL = make_institution("JG-1", title="粤海湾理工大学", uscc=uscc(9))
REGISTER = Register(
    [ONE, TWO, THREE, SCHOOL], [make_edge(TWO, "controls", ONE), make_edge(TWO, "controls", THREE)]
)


@pytest.mark.parametrize(
    ("one", "other", "kinship"),
    [
        (Party(name="云岬航空科技股份有限公司"), Party(name="x", uscc=uscc(1)), "same"),  # the register knows the code
        (Party(name="云岬航空 科技有限公司", uscc=uscc(1)), Party(name="别名", uscc=uscc(1)), "same"),
        (Party(name="云岬航空科技公司", uscc=uscc(5)), Party(name="云岬航空科技有限公司", uscc=uscc(1)), "namesake"),
        (Party(name="无名公司"), Party(name="无名（公司）", uscc=uscc(6)), "same"),
        (Party(name="云屿集团"), Party(name="云岬航空科技有限公司"), "parent"),
        (Party(name="岸序信息"), Party(name="a", uscc=uscc(2)), "subsidiary"),
        (Party(name="岸序信息"), Party(name="云岬航空科技"), "group"),
        (Party(name="粤海湾理工大学"), Party(name="云屿集团"), ""),
    ],
)  # fmt: skip
def test_kinship_sees_through_spellings_and_follows_control(one: Party, other: Party, kinship: str) -> None:
    turned = {"parent": "subsidiary", "subsidiary": "parent"}.get(kinship, kinship)
    assert (REGISTER.kinship(one, other), REGISTER.kinship(other, one)) == (kinship, turned)


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda pair: pair[0] != pair[1])))
def test_kinship_equals_reachability_over_control(pairs: set[tuple[int, int]]) -> None:
    firms = [make_enterprise(f"QY-{n}", title=f"第{n}号公司", uscc=uscc(n)) for n in range(5)]
    edges: list[Edge] = [make_edge(firms[a], "controls", firms[b]) for a, b in sorted(pairs)]
    reach = {(a, b): (a, b) in pairs for a, b in product(range(5), repeat=2)}
    for k, a, b in product(range(5), repeat=3):
        reach[a, b] = reach[a, b] or (reach[a, k] and reach[k, b])
    register = Register(firms, edges)
    for a, b in product(range(5), repeat=2):
        both = any(reach[c, a] and reach[c, b] for c in range(5))
        wanted = (
            "same"
            if a == b
            else "parent"
            if reach[a, b]
            else "subsidiary"
            if reach[b, a]
            else "group"
            if both
            else ""
        )
        parties = [Party(name=firms[n].title, uscc=firms[n].uscc) for n in (a, b)]
        assert register.kinship(*parties) == wanted


def test_an_owner_is_who_the_record_names_else_who_owns_it_by_a_relation() -> None:
    named = make_achievement("CG-1", owner="云岬航空科技有限公司")
    owned, nobody = make_achievement("CG-2"), make_achievement("CG-3")
    register = Register([ONE, SCHOOL], [make_edge(SCHOOL, "owns", owned)])
    assert [register.owner(node) for node in (named, owned, nobody)] == [
        Party(name="云岬航空科技有限公司", uscc=uscc(1)), Party(name="粤海湾理工大学", uscc=uscc(9)), None,
    ]  # fmt: skip


def test_a_flag_among_qualifications_counts_under_any_spelling() -> None:
    register = Register(
        [make_enterprise("QY-1", title="甲乙科技有限公司", qualifications="失信被执行人")], []
    )
    assert [register.is_flagged(Party(name=name)) for name in ("甲乙科技公司", "丙丁科技")] == [True, False]
