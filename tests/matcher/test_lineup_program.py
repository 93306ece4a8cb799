import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from matcher.lineup import Pool, Terms, rows_of
from matcher.lineup_program import Found, best_lineup, can_hold
from tests.matcher.lineups import games, ids_of, lineups, worth


@settings(max_examples=50)
@given(game=games())
def test_best_lineup_is_the_one_of_all_that_is_worth_most_then_lowest_in_ids(
    game: tuple[Pool, Terms],
) -> None:
    pool, terms = game
    rows = rows_of(pool, terms)
    possible = lineups(pool, terms)
    found = best_lineup(pool, rows, terms)
    assert (found is not None) is bool(possible) is can_hold(pool, rows)
    if possible:
        assert isinstance(found, Found)
        most = max(worth(pool, terms, some) for some in possible)
        low = min(sum(map(pool.ids.index, some)) for some in possible if worth(pool, terms, some) == most)
        chosen = ids_of(pool, found.chosen)
        assert chosen in possible
        assert (found.total, found.bound, found.proven, found.gap) == (most, most, True, 0.0)
        assert (worth(pool, terms, chosen), sum(map(pool.ids.index, chosen))) == (most, low)


@settings(max_examples=50)
@given(game=games(), data=st.data())
def test_as_few_as_possible_leave_and_then_the_best_is_found(
    game: tuple[Pool, Terms], data: st.DataObject
) -> None:
    pool, terms = game
    before = data.draw(st.sets(st.sampled_from(pool.ids)))
    possible = lineups(pool, terms)
    found = best_lineup(pool, rows_of(pool, terms), terms, before=pool.mask(before))
    if possible:
        assert isinstance(found, Found)
        chosen = ids_of(pool, found.chosen)
        best = max((len(before & {*some}), worth(pool, terms, some)) for some in possible)
        assert (len(before & {*chosen}), found.total) == best
        assert found.bound == found.total
        # What keeps every rule stays as it is, whatever else would be better.
        assert tuple(sorted(before)) not in possible or chosen == tuple(sorted(before))


@settings(max_examples=50)
@given(game=games(), data=st.data())
def test_who_is_forced_is_on_stage_at_the_least_loss(game: tuple[Pool, Terms], data: st.DataObject) -> None:
    pool, terms = game
    at = data.draw(st.integers(0, len(pool.ids) - 1))
    with_it = [worth(pool, terms, some) for some in lineups(pool, terms) if pool.ids[at] in some]
    found = best_lineup(pool, rows_of(pool, terms), terms, forced=[at])
    assert (found.total if isinstance(found, Found) else None) == max(with_it, default=None)


def test_same_question_among_many_equals_gives_the_same_lineup() -> None:
    rng = np.random.default_rng(7)
    n = 60
    fit = rng.integers(0, 5, (3, n)) * 100_000  # many equals
    pool = Pool(
        ids=tuple(f"CG-{at:02d}" for at in range(n)), listeners=("CJ-1", "CJ-2", "CJ-3"), fit=fit, level=fit // 100_000 + 1,
        teams=(frozenset(),) * n, institution=tuple(f"院{at % 9}" for at in range(n)), fields=(("甲",), ("乙",), ("丙",)) * 20,
        trl=tuple(at % 10 for at in range(n)),
    )  # fmt: skip
    terms = Terms(numbers={"pitches": 8, "coverage": 2, "institution": 1, "fields": 3, "maturity": 2})
    found = [best_lineup(pool, rows_of(pool, terms), terms) for _ in range(2)]
    assert all(isinstance(one, Found) and one.proven for one in found)
    assert len({ids_of(pool, one.chosen) for one in found if isinstance(one, Found)}) == 1


def test_without_effort_nothing_is_called_proven() -> None:
    rng = np.random.default_rng(1)
    n = 300
    pool = Pool(
        ids=tuple(f"CG-{at:03d}" for at in range(n)), listeners=("CJ-1",), fit=rng.integers(0, 10**6, (1, n)),
        level=np.full((1, n), 4), teams=tuple(frozenset({f"队{rng.integers(40)}", f"队{rng.integers(40)}"}) for _ in range(n)),
        institution=tuple(f"院{rng.integers(30)}" for _ in range(n)), fields=tuple((f"域{rng.integers(8)}",) for _ in range(n)),
        trl=tuple(int(x) for x in rng.integers(0, 10, n)),
    )  # fmt: skip
    terms = Terms(numbers={"pitches": 20, "team": 1, "institution": 1, "field": 3, "stage": 8})
    rows = rows_of(pool, terms)
    whole, hasty = best_lineup(pool, rows, terms), best_lineup(pool, rows, terms, effort=0.001)
    assert isinstance(whole, Found)
    assert whole.proven
    assert not isinstance(hasty, Found) or (hasty.bound >= whole.total >= hasty.total)
