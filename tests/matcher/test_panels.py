"""Panels by lot: rules held whenever they can be, the same seed the same panel, and a reason where there is none."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from matcher.panels import Candidate, Drawn, PanelRules, Quota, Replacement, draw, recuse

LOW, HIGH = Quota(words=("低空",), least=2), Quota(words=("教授", "高级"), least=2, of_position=True)


def candidate(number: int, organisation: str = "", **about: str | bool) -> Candidate:
    return Candidate(id=f"Z{number}", name=f"专家{number}", organisation=organisation, **about)  # type: ignore[arg-type]


def keeps(panel: tuple[Candidate, ...], rules: PanelRules) -> bool:
    """The rules, said once more."""
    places = Counter(one.organisation for one in panel if one.organisation)
    return (
        len(panel) == rules.size
        and not any(one.barred for one in panel)
        and max(places.values(), default=0) <= rules.per_organisation
        and all(sum(map(quota.takes, panel)) >= quota.least for quota in rules.quotas)
    )


def pools() -> st.SearchStrategy[list[Candidate]]:
    one = st.builds(
        lambda organisation, speciality, position, barred, mendable: candidate(
            0, organisation, speciality=speciality, position=position, barred=barred, mendable=mendable
        ),
        st.sampled_from(["", "甲", "乙", "丙"]),
        st.sampled_from(["", "低空", "海洋、低空"]),
        st.sampled_from(["", "教授"]),
        st.sampled_from(["", "", "", "投标单位的人"]),
        st.booleans(),
    )
    return st.lists(one, max_size=9).map(lambda some: [replace(c, id=f"Z{i}") for i, c in enumerate(some)])


RULES = st.builds(
    PanelRules,
    size=st.sampled_from([3, 5]),
    per_organisation=st.integers(1, 2),
    quotas=st.sampled_from([(), (LOW,), (HIGH,), (LOW, HIGH)]),
    alternates=st.integers(0, 3),
)


@settings(max_examples=200)
@given(pool=pools(), rules=RULES, seed=st.integers(0, 5))
def test_draw_gives_a_panel_exactly_where_there_is_one(
    pool: list[Candidate], rules: PanelRules, seed: int
) -> None:
    by_id = {one.id: one for one in pool}
    possible = [panel for panel in combinations(pool, rules.size) if keeps(panel, rules)]
    drawn = draw(pool, rules, seed=seed)
    assert isinstance(drawn, Drawn) == bool(possible)
    assert draw(pool[::-1], rules, seed=seed) == drawn
    if not isinstance(drawn, Drawn):
        assert drawn
        assert all(problem.message and problem.remedy for problem in drawn)
        return
    # The first panel in the order of the lot.
    lot = sorted((one for one in pool if not one.barred), key=lambda one: one.id)
    Random(seed).shuffle(lot)
    place = {one.id: at for at, one in enumerate(lot)}
    first = min(sorted(place[one.id] for one in panel) for panel in possible)
    assert [place[id] for id in drawn.members] == first
    rest = [one.id for one in lot if one.id not in drawn.members]
    assert drawn.alternates == tuple(rest[: rules.alternates])
    assert drawn.barred == tuple((one.id, one.barred) for one in pool if one.barred)
    assert keeps(tuple(by_id[id] for id in drawn.members), rules)


def test_draw_takes_nobody_who_would_keep_a_quota_from_being_met() -> None:
    pool = [
        candidate(1, "甲"), candidate(2, "甲", speciality="低空"), candidate(3, "乙", speciality="低空"), candidate(4, "丙"),
        candidate(5, "丁"),
    ]  # fmt: skip
    for seed in range(30):
        drawn = draw(pool, PanelRules(size=3, per_organisation=1, quotas=(LOW,)), seed=seed)
        assert isinstance(drawn, Drawn)
        assert {"Z2", "Z3"} < set(drawn.members)
        assert "Z1" not in drawn.members


def test_draw_is_fair_where_no_rule_binds() -> None:
    pool = [candidate(number, f"单位{number}") for number in range(6)]
    rules = PanelRules(size=3, per_organisation=1)
    counts = Counter(id for seed in range(600) for id in draw(pool, rules, seed=seed).members)  # type: ignore[union-attr]
    assert min(counts.values()) > 250
    assert max(counts.values()) < 350


@pytest.mark.parametrize(
    ("pool", "told"),
    [
        ([candidate(1), candidate(2, barred="与标书B-1同一单位")],
         [("panel_too_few", "需要 3 位专家，可用的只有 1 位；不能参加的：专家2（Z2）",
           "请至少再增加 2 位专家；专家组人数是榜单定的，发榜后不能减少"),
          ("panel_quota", "要求专长含“低空”的至少 2 人，可用的最多 0 位", "请增加这方面的专家，或减少要求的人数")]),
        ([candidate(n, "甲", speciality="低空") for n in range(3)] + [candidate(5, "乙")],
         [("panel_organisations", "每个单位至多 1 人，最多只能抽出 2 位，需要 3 位（甲 3 人）",
           "请增加其他单位的专家，或放宽每个单位的人数"),
          ("panel_quota", "要求专长含“低空”的至少 2 人，可用的最多 1 位：专家0（Z0）、专家1（Z1）、专家2（Z2）",
           "请增加这方面的专家，或减少要求的人数")]),
        ([candidate(1, speciality="低空"), candidate(2), candidate(3, speciality="低空", barred="身份未核实", mendable=True)],
         [("panel_doubtful", "有专家因身份未核实不能参加：专家3（Z3）", "核实其中一位的单位后即可抽满：把单位补进库里，或在专家申报表里填“单位核实人”"),
          ("panel_too_few", "需要 3 位专家，可用的只有 2 位；不能参加的：专家3（Z3）", "请至少再增加 1 位专家；专家组人数是榜单定的，发榜后不能减少"),
          ("panel_quota", "要求专长含“低空”的至少 2 人，可用的最多 1 位：专家1（Z1）", "请增加这方面的专家，或减少要求的人数")]),
    ],
)  # fmt: skip
def test_draw_says_which_rule_or_expert_is_the_cause(
    pool: list[Candidate], told: list[tuple[str, str, str]]
) -> None:
    problems = draw(pool, PanelRules(size=3, per_organisation=1, quotas=(LOW,)), seed=1)
    assert isinstance(problems, list)
    assert [(one.code, one.message, one.remedy) for one in problems] == told


def test_draw_names_rules_that_only_together_cannot_be_met() -> None:
    pool = [
        candidate(1, "甲", speciality="低空"), candidate(2, "乙", speciality="低空"), candidate(3, "甲", position="教授"),
        candidate(4, "乙", position="教授"), candidate(5, "丙"),
    ]  # fmt: skip
    problems = draw(pool, PanelRules(size=3, per_organisation=1, quotas=(LOW, HIGH)), seed=1)
    assert isinstance(problems, list)
    assert [(one.code, one.remedy) for one in problems] == [
        (
            "panel_rules_together",
            "请放宽“专长含“低空”的至少 2 人”，或者“职称职务含“教授、高级”的至少 2 人”，或增加专家",
        )
    ]


def test_recuse_takes_the_next_alternate_with_whom_the_rules_hold() -> None:
    members = [
        candidate(1, "甲", speciality="低空"),
        candidate(2, "乙", speciality="低空"),
        candidate(3, "丙"),
    ]
    alternates = [
        candidate(4, "乙", speciality="低空"), candidate(5, "丁"), candidate(6, "戊", speciality="低空", barred="申报回避"),
        candidate(7, "己", speciality="低空"),
    ]  # fmt: skip
    rules = PanelRules(size=3, per_organisation=1, quotas=(LOW,))
    assert recuse(members, alternates, rules, out="Z1") == Replacement(
        out="Z1",
        into="Z7",
        passed=(
            ("Z4", "同一单位（乙）会超过 1 人"),
            ("Z5", "专长含“低空”的至少 2 人就不满足了"),
            ("Z6", "申报回避"),
        ),
    )
    (problem,) = recuse(members, alternates[:2], rules, out="Z1")  # type: ignore[misc]
    assert problem.code == "panel_no_alternate"
    with pytest.raises(Refused, match="专家组里没有“Z9”"):
        recuse(members, alternates, rules, out="Z9")


@pytest.mark.parametrize(
    "rules", [{"size": 4}, {"size": 3, "per_organisation": 0}, {"size": 1, "quotas": (LOW,)}]
)
def test_rules_refuse_what_makes_no_panel(rules: dict[str, int]) -> None:
    with pytest.raises(Refused):
        PanelRules(**({"size": 3, "per_organisation": 1} | rules))  # type: ignore[arg-type]
