from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings

from matcher.lineup import Pool, Rule, Terms, broken, rows_of
from matcher.lineup_conflicts import clash
from matcher.lineup_program import Switched
from tests.matcher.lineups import choices, games, lineups, worth
from tests.matcher.test_lineup import a_pool


def _keeping(pool: Pool, terms: Terms, some: Sequence[Rule]) -> list[tuple[str, ...]]:
    """The choices that keep just these rules."""
    rows = [row for row in rows_of(pool, terms) if row.rule in set(some)]
    return [ids for ids in choices(pool) if not broken(pool, rows, pool.mask(ids))]


@settings(max_examples=40)
@given(game=games())
def test_clash_names_rules_of_which_none_can_be_spared_and_what_mends_it(game: tuple[Pool, Terms]) -> None:
    pool, terms = game
    rows = rows_of(pool, terms)
    found = clash(pool, rows, terms)
    assert (found is None) is bool(lineups(pool, terms))
    if found is None:
        return
    assert _keeping(pool, terms, found.rules) == []
    for rule in found.rules:
        assert _keeping(pool, terms, [other for other in found.rules if other != rule]) != []
    every = {row.rule for row in rows if row.rule.binds}
    single = {rule for rule in found.rules if _keeping(pool, terms, list(every - {rule}))}
    assert {way.rule for way in found.ways} == single
    for way in found.ways:
        free = _keeping(pool, terms, list(every - {way.rule}))
        assert any(worth(pool, terms, some) == way.total for some in free)
        if way.value is not None and way.rule.kind not in ("coverage", "pitches"):
            mended = replace(terms, numbers={**terms.numbers, way.rule.kind: way.value})
            assert max(worth(pool, terms, some) for some in lineups(pool, mended)) == way.total
    assert list(found.ways) == sorted(
        found.ways, key=lambda way: (way.steps, -way.total, found.ways.index(way))
    )
    if not single:
        off = Switched(pool, rows, terms).fewest_off()
        assert found.together == tuple(off)
        assert len(off) > 1
        assert _keeping(pool, terms, list(every - set(off))) != []


def test_cheapest_rule_to_relax_is_said_first() -> None:
    pool = a_pool()
    terms = Terms(numbers={"pitches": 3, "institution": 1, "fit": 1})
    found = clash(pool, rows_of(pool, terms), terms)
    assert found is not None
    assert found.problem.message == "这几条规则不能同时做到：项目数 3；每单位至多 1 项"
    assert found.problem.remedy == (
        "最省的办法：每单位至多改为 2 项，总适配度可达 2.30；也可以项目数改为 2（1.50）"
    )


def test_nobody_reaches_the_floor() -> None:
    pool = a_pool()
    terms = Terms(numbers={"pitches": 2, "maturity": 9, "fit": 1})
    found = clash(pool, rows_of(pool, terms), terms)
    assert found is not None
    assert [(way.rule.kind, way.value) for way in found.ways] == [("pitches", 1), ("maturity", 5)]
    assert found.ways[1].text == "成熟度至少改为 TRL5（放进“电机”（CG-2））"
