from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from matcher.lineup import Pool, Terms, broken, objective, rows_of
from tests.matcher.lineups import games, worth, wrong


@given(game=games(), data=st.data())
def test_every_rule_that_any_choice_breaks_is_found_and_no_other(
    game: tuple[Pool, Terms], data: st.DataObject
) -> None:
    pool, terms = game
    some = tuple(sorted(data.draw(st.sets(st.sampled_from(pool.ids)))))
    found = broken(pool, rows_of(pool, terms), pool.mask(some))
    assert Counter(one.rule.kind for one in found) == Counter(
        kind for (kind, _), times in wrong(pool, terms, some).items() for _ in range(times)
    )
    assert all(set(one.touches) <= {*some, *terms.must, *terms.locks} for one in found)
    assert objective(pool, terms, pool.mask(some)) == worth(pool, terms, some)


def a_pool(**changes: object) -> Pool:
    n = 4
    plain = Pool(
        ids=("CG-1", "CG-2", "CG-3", "CG-4"),
        listeners=("CJ-1",),
        fit=np.array([[900_000, 800_000, 700_000, 600_000]]),
        level=np.array([[4, 3, 3, 2]]),
        teams=(frozenset({"甲"}), frozenset({"甲"}), frozenset(), frozenset()),
        institution=("一院", "一院", "一院", "二院"),
        fields=(("低空经济",),) * n,
        trl=(9, 5, 0, 3),
        twins=((2, 3, 81),),
        shown=(("春季路演", frozenset({"CG-4"})),),
        titles={"CG-1": "无人机", "CG-2": "电机", "CG-3": "雷达", "CG-4": "甲，乙“丙”🚁", "CJ-1": "海岛"},
        institutions={"一院": "第一研究院", "二院": "第二研究院"},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_what_is_broken_is_said_with_whom_it_touches_the_gravest_first() -> None:
    terms = Terms(
        numbers={"pitches": 3, "coverage": 4, "team": 1, "institution": 2, "likeness": 80, "maturity": 6, "rest": 1, "fit": 3},
        levels={"institution": "hint"}, must_not={"CG-4": "撞期"},
    )  # fmt: skip
    pool = a_pool()
    told = broken(pool, rows_of(pool, terms), pool.mask(pool.ids))
    assert [(one.rule.kind, one.rule.level, one.message) for one in told] == [
        ("must_not", "forbid", "不选“甲，乙“丙”🚁”（CG-4）（撞期）"),
        ("pitches", "resolve", "应有 3 项，现在 4 项"),
        ("coverage", "resolve", "场景“海岛”（CJ-1）应有 4 项较强相关，现在 3 项"),
        ("team", "resolve", "甲至多 1 项，现在 2 项：“无人机”（CG-1）、“电机”（CG-2）"),
        ("likeness", "resolve", "“雷达”（CG-3）、“甲，乙“丙”🚁”（CG-4）内容相近（81%）"),
        ("maturity", "resolve", "成熟度应至少 TRL6：“电机”（CG-2）是 TRL5、“雷达”（CG-3）没有写明、“甲，乙“丙”🚁”（CG-4）是 TRL3"),
        ("rest", "resolve", "近 1 场登过台：“甲，乙“丙”🚁”（CG-4）"),
        ("fit", "resolve", "对哪一方听众都没有达到较强相关：“甲，乙“丙”🚁”（CG-4）"),
        ("institution", "hint", "第一研究院至多 2 项，现在 3 项：“无人机”（CG-1）、“电机”（CG-2）、“雷达”（CG-3）"),
    ]  # fmt: skip
    assert told[0].touches == ("CG-4",)
