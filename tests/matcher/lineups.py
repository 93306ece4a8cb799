"""Small lineups, and what a choice breaks and is worth, worked out plainly from the rules' words."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np
from hypothesis import strategies as st

from matcher.lineup import MILLIONTHS, Mask, Pool, Terms, stage_of

MOST = 7


@st.composite
def pools(draw: st.DrawFn, least: int = 1) -> Pool:
    """Up to seven candidates before up to three listeners."""
    n, listeners = draw(st.integers(least, MOST)), draw(st.integers(1, 3))
    whole = st.integers(0, MILLIONTHS)
    rows = [[draw(whole) for _ in range(n)] for _ in range(listeners)]
    levels = [[draw(st.integers(1, 4)) for _ in range(n)] for _ in range(listeners)]
    pairs = [pair for pair in combinations(range(n), 2) if draw(st.integers(0, 5)) == 0]
    ids = tuple(f"CG-{at}" for at in range(n))
    return Pool(
        ids=ids,
        listeners=tuple(f"CJ-{at}" for at in range(listeners)),
        fit=np.array(rows, dtype=np.int64),
        level=np.array(levels, dtype=np.int64),
        teams=tuple(frozenset(draw(st.sets(st.sampled_from("甲乙丙丁"), max_size=2))) for _ in range(n)),
        institution=tuple(draw(st.sampled_from(["", "一院", "二院"])) for _ in range(n)),
        fields=tuple(tuple(sorted(draw(st.sets(st.sampled_from("低海医"), max_size=2)))) for _ in range(n)),
        trl=tuple(draw(st.integers(0, 9)) for _ in range(n)),
        twins=tuple((a, b, draw(st.sampled_from([50, 60, 80, 99]))) for a, b in pairs),
        shown=tuple((f"第{at}场", frozenset(draw(st.sets(st.sampled_from(ids), max_size=2)))) for at in range(2)),
    )  # fmt: skip


@st.composite
def asked(draw: st.DrawFn, pool: Pool) -> Terms:
    """Rules of every kind over a pool."""
    ids = st.sampled_from(pool.ids)
    must = draw(st.sets(ids, max_size=1))
    return Terms(
        numbers={
            "pitches": draw(st.integers(1, 4)), "coverage": draw(st.integers(0, 2)), "team": draw(st.integers(0, 2)),
            "institution": draw(st.integers(0, 2)), "field": draw(st.integers(0, 3)), "stage": draw(st.integers(0, 3)),
            "fields": draw(st.integers(0, 2)), "stages": draw(st.integers(0, 2)), "likeness": draw(st.sampled_from([0, 60, 80])),
            "maturity": draw(st.sampled_from([0, 0, 3, 6])), "rest": draw(st.integers(0, 2)), "fit": draw(st.integers(1, 3)),
        },
        levels=draw(st.sampled_from([{}, {"team": "hint"}, {"fit": "ignore", "rest": "hint"}, {"must": "forbid"}])),
        must=sorted(must), must_not=dict.fromkeys(sorted(draw(st.sets(ids, max_size=1))), "撞期"),
        locks=sorted(draw(st.sets(ids, max_size=1))), variety=draw(st.sampled_from([0, 0, 7])),
    )  # fmt: skip


@st.composite
def games(draw: st.DrawFn, least: int = 1) -> tuple[Pool, Terms]:
    """A pool and rules over it."""
    pool = draw(pools(least))
    return pool, draw(asked(pool))


def wrong(pool: Pool, terms: Terms, some: Sequence[str]) -> Counter[tuple[str, str]]:
    """How often each kind of rule is broken, and by whom: told apart by what it is about."""
    n, at = terms.numbers, {id: place for place, id in enumerate(pool.ids)}
    found: Counter[tuple[str, str]] = Counter()

    def say(kind: str, about: str, bad: bool) -> None:
        if bad and terms.levels.get(kind) != "ignore":  # type: ignore[call-overload]
            found[kind, about] += 1

    places = [at[id] for id in some]
    say("pitches", "", len(some) != n["pitches"])
    for row, listener in enumerate(pool.listeners):
        fits = sum(pool.level[row, place] >= 3 for place in places)
        say("coverage", listener, fits < n["coverage"])
    counted = {
        "team": [name for place in places for name in pool.teams[place]],
        "institution": [pool.institution[place] for place in places if pool.institution[place]],
        "field": [name for place in places for name in pool.fields[place]],
        "stage": [name for place in places if (name := stage_of(pool.trl[place]))],
    }
    for kind, names in counted.items():
        for name, number in Counter(names).items():
            say(kind, name, n[kind] > 0 and number > n[kind])  # type: ignore[index]
    say("fields", "", len(set(counted["field"])) < n["fields"])
    say("stages", "", len(set(counted["stage"])) < n["stages"])
    for a, b, percent in pool.twins:
        say("likeness", f"{a}{b}", 0 < n["likeness"] <= percent and a in places and b in places)
    say("maturity", "", any(pool.trl[place] < n["maturity"] for place in places))
    seen = {id for _, ids in pool.shown[: n["rest"]] for id in ids}
    say("rest", "", any(id in seen for id in some))
    say("fit", "", any(pool.level[:, place].max() < n["fit"] for place in places))
    for kind, ids in (("must", terms.must), ("lock", terms.locks)):
        for id in ids:
            say(kind, id, id not in some)
    for id in terms.must_not:
        say("must_not", id, id in some)
    return found


def keeps(pool: Pool, terms: Terms, some: Sequence[str]) -> bool:
    """Whether a choice keeps all rules that bind."""
    return all(terms.levels.get(kind) in ("hint", "ignore") for kind, _ in wrong(pool, terms, some))  # type: ignore[call-overload]


def worth(pool: Pool, terms: Terms, some: Sequence[str]) -> int:
    """The objective of a choice."""
    places = [pool.ids.index(id) for id in some]
    total = sum(int(pool.fit[row, place]) for row in range(len(pool.listeners)) for place in places)
    kinds = len({pool.institution[p] for p in places} - {""}) + len(
        {f for p in places for f in pool.fields[p]}
    )
    kinds += len({stage_of(pool.trl[p]) for p in places} - {""})
    return total + terms.variety * 10_000 * kinds


def choices(pool: Pool) -> Iterator[tuple[str, ...]]:
    """Every choice there is."""
    for picked in product((False, True), repeat=len(pool.ids)):
        yield tuple(id for id, one in zip(pool.ids, picked, strict=True) if one)


def lineups(pool: Pool, terms: Terms) -> list[tuple[str, ...]]:
    """Every choice that keeps the rules."""
    return [some for some in choices(pool) if keeps(pool, terms, some)]


def ids_of(pool: Pool, chosen: Mask) -> tuple[str, ...]:
    """The ids of a choice."""
    return tuple(id for id, one in zip(pool.ids, chosen.tolist(), strict=True) if one)
