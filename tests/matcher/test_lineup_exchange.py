from collections.abc import Collection

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.lineup import OWN, Pool, Terms, rows_of
from matcher.lineup_exchange import Exchanges, alternates, left_out
from matcher.lineup_program import Found, best_lineup
from tests.matcher.lineups import choices, games, ids_of, lineups, worth, wrong
from tests.matcher.test_lineup import a_pool


@settings(max_examples=50)
@given(game=games(least=2), data=st.data())
def test_who_could_step_in_is_who_breaks_no_more_than_now(
    game: tuple[Pool, Terms], data: st.DataObject
) -> None:
    pool, terms = game
    some = data.draw(st.sampled_from(lineups(pool, terms) or [()]))
    if not some:
        return
    out = data.draw(st.sampled_from(some))
    exchanges = Exchanges(pool, rows_of(pool, terms), terms, pool.mask(some))
    allowed, value = exchanges.for_place(pool.ids.index(out))
    kept = {id for id in some if id != out}
    for at, id in enumerate(pool.ids):
        after = tuple(sorted({*kept, id}))
        assert bool(allowed[at]) is (id not in some and after in lineups(pool, terms)), id
        if allowed[at]:
            assert int(value[at]) == worth(pool, terms, after)


@settings(max_examples=50)
@given(game=games(least=2), number=st.integers(0, 3))
def test_each_alternate_raises_most_what_is_left_after_one_cancellation(
    game: tuple[Pool, Terms], number: int
) -> None:
    pool, terms = game
    rows, possible = rows_of(pool, terms), lineups(pool, terms)
    lineup = best_lineup(pool, rows, terms)
    if not isinstance(lineup, Found) or not possible:
        return
    stage = ids_of(pool, lineup.chosen)
    found = alternates(pool, rows, terms, lineup.chosen, number)

    def after(out: str, into: str) -> int | None:
        swapped = tuple(sorted({*stage, into} - {out}))
        return worth(pool, terms, swapped) if swapped in possible else None

    def left(standing: list[str]) -> int:
        alone = {out: worth(pool, terms, tuple(id for id in stage if id != out)) for out in stage}
        return sum(
            max([alone[out], *(w for id in standing if (w := after(out, id)) is not None)]) for out in stage
        )

    standing: list[str] = []
    for one in found:
        able = {
            id: sum(after(out, id) is not None for out in stage)
            for id in pool.ids
            if id not in stage and id not in standing
        }
        wanted = min(
            (id for id, places in able.items() if places),
            key=lambda id: (-left([*standing, id]), -able[id], -int(pool.value[pool.ids.index(id)]), id),
        )
        assert pool.ids[one.at] == wanted
        assert {pool.ids[out] for out in one.replaces} == {
            out for out in stage if after(out, wanted) is not None
        }
        standing.append(wanted)
    assert len(found) == min(number, sum(any(after(out, id) is not None for out in stage) for id in pool.ids if id not in stage))  # fmt: skip


@settings(max_examples=40)
@given(game=games(least=2))
def test_what_it_costs_to_bring_somebody_in_is_exact(game: tuple[Pool, Terms]) -> None:
    pool, terms = game
    rows = rows_of(pool, terms)
    lineup = best_lineup(pool, rows, terms)
    if not isinstance(lineup, Found):
        return
    stage = ids_of(pool, lineup.chosen)
    for at, id in enumerate(pool.ids):
        if id in stage:
            continue
        told = left_out(pool, rows, terms, lineup, at)
        # What bars it alone is let off; nobody else is.
        barred = {
            kind for kind, _ in wrong(pool, terms, (id,)) if kind in OWN and terms.levels.get(kind) != "hint"
        }
        assert bool(told.rules) is bool(barred)
        possible = [
            worth(pool, terms, some)
            for some in choices(pool)
            if id in some and _kept_but_for(pool, terms, some, id, barred)
        ]
        assert (told.cost is None) is (not possible)
        if possible:
            assert (told.cost, told.exact) == (lineup.total - max(possible), True)
            after = {*stage, id, *told.comes} - {*told.gives}
            assert lineup.total - told.cost == worth(pool, terms, sorted(after))  # type: ignore[operator]
        rough = left_out(pool, rows, terms, lineup, at, exactly=False)
        assert not rough.exact
        assert rough.cost is None or (told.cost is not None and rough.cost >= told.cost)


def _kept_but_for(pool: Pool, terms: Terms, some: tuple[str, ...], id: str, barred: Collection[str]) -> bool:
    found = wrong(pool, terms, some)
    if barred:
        others = wrong(pool, terms, tuple(one for one in some if one != id))
        found = type(found)(
            {key: times for key, times in found.items() if key[0] not in barred or others[key]}
        )
    return all(terms.levels.get(kind) in ("hint", "ignore") for kind, _ in found)  # type: ignore[call-overload]


def test_nearest_reason_is_said_in_words() -> None:
    pool = a_pool()
    terms = Terms(
        numbers={"pitches": 1, "team": 1, "institution": 1, "maturity": 4, "fit": 3}, locks=["CG-1"]
    )
    rows = rows_of(pool, terms)
    lineup = best_lineup(pool, rows, terms)
    assert isinstance(lineup, Found)
    assert [left_out(pool, rows, terms, lineup, at).reason for at in (1, 2, 3)] == [
        "甲已有 1 项（CG-1）；第一研究院已有 1 项（CG-1）",
        "成熟度至少 TRL4，它没有写明",
        "成熟度至少 TRL4，它是 TRL3；对哪一方听众都没有达到较强相关",
    ]
    free = Terms(numbers={"pitches": 1, "fit": 1})
    lineup = best_lineup(pool, rows_of(pool, free), free)
    assert isinstance(lineup, Found)
    assert (
        left_out(pool, rows_of(pool, free), free, lineup, 1).reason
        == "适配 0.80，不高于台上最低的 0.90（CG-1）"
    )
    assert np.flatnonzero(lineup.chosen).tolist() == [0]


def test_alternate_of_more_gain_goes_before_one_that_can_take_more_places() -> None:
    pool = a_pool(
        ids=("CG-1", "CG-2", "CG-3", "CG-4", "CG-5"), fit=np.array([[999_000, 990_000, 980_000, 970_000, 200_000]]),
        level=np.full((1, 5), 4), teams=(frozenset(),) * 5, institution=("一院", "二院", "三院", "一院", ""),
        fields=(("低空经济",),) * 5, trl=(9,) * 5, twins=(), shown=(),
    )  # fmt: skip
    terms = Terms(numbers={"pitches": 3, "institution": 1})
    rows = rows_of(pool, terms)
    found = alternates(pool, rows, terms, pool.mask(["CG-1", "CG-2", "CG-3"]), 2)
    assert [(one.at, one.replaces) for one in found] == [(3, (0,)), (4, (0, 1, 2))]
    standing = alternates(pool, rows, terms, pool.mask(["CG-1", "CG-2", "CG-3"]), 2, standing=[4])
    assert [one.at for one in standing] == [4, 3]
