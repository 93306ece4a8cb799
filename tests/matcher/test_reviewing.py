"""Assignment of entries to experts: the optimum of brute force, or a reason that truly stands in the way."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from matcher.expertise import blended, likeness
from matcher.reviewing import SCALE, Assignment, ReviewRules, assign


@dataclass(frozen=True, kw_only=True)
class Instance:
    fits: np.ndarray
    barred: np.ndarray
    rules: ReviewRules

    @property
    def entries(self) -> list[str]:
        return [f"B{i}" for i in range(len(self.fits))]

    @property
    def experts(self) -> list[str]:
        return [f"Z{j}" for j in range(self.fits.shape[1])]

    def worth(self, chosen: np.ndarray) -> int:
        """Fit less the cost of uneven loads, in millionths."""
        step = int(self.rules.balance * SCALE)
        loads = chosen.sum(axis=0)
        return int(np.rint(self.fits * SCALE).astype(int)[chosen].sum() - step * (loads * (loads - 1)).sum())

    def possible(self) -> Iterator[np.ndarray]:
        """Every assignment that keeps the rules."""
        count = self.fits.shape[1]
        choices = [
            [some for some in combinations(range(count), self.rules.per_entry) if not row[list(some)].any()]
            for row in self.barred
        ]
        for chosen in product(*choices):
            matrix = np.zeros(self.fits.shape, dtype=bool)
            for row, some in enumerate(chosen):
                matrix[row, list(some)] = True
            loads = matrix.sum(axis=0)
            if (loads <= self.rules.most).all() and (loads >= self.rules.least).all():
                yield matrix


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    entries, experts = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    cells = entries * experts
    fits = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.500001, 1.0]), min_size=cells, max_size=cells))
    barred = draw(st.lists(st.sampled_from([False, False, True]), min_size=cells, max_size=cells))
    least = draw(st.integers(0, 2))
    rules = ReviewRules(
        per_entry=draw(st.integers(1, 2)),
        most=draw(st.integers(max(least, 1), 4)),
        least=least,
        alternates=draw(st.integers(0, 2)),
        balance=draw(st.sampled_from([Decimal(0), Decimal("0.05"), Decimal("0.4")])),
    )
    shape = (entries, experts)
    return Instance(fits=np.array(fits).reshape(shape), barred=np.array(barred).reshape(shape), rules=rules)


def matrix_of(found: Assignment, instance: Instance) -> np.ndarray:
    return np.array([[z in found.readers[b] for z in instance.experts] for b in instance.entries])


@settings(max_examples=100)
@given(instance=instances(), swap=st.randoms(use_true_random=False))
def test_assign_equals_brute_force(instance: Instance, swap: object) -> None:
    found = assign(instance.entries, instance.experts, instance.fits, instance.barred, instance.rules)
    best = max(map(instance.worth, instance.possible()), default=None)
    if best is None:
        assert isinstance(found, list)
        assert {one.code for one in found} <= {"review_short", "review_least"}
        assert found
        return
    assert isinstance(found, Assignment)
    chosen = matrix_of(found, instance)
    assert any((chosen == one).all() for one in instance.possible())
    assert instance.worth(chosen) == best
    assert found.loads == dict(zip(instance.experts, chosen.sum(axis=0).tolist(), strict=True))
    assert found.fit == pytest.approx(instance.fits[chosen].sum())
    for row, entry in enumerate(instance.entries):
        free = [
            z for j, z in enumerate(instance.experts) if not chosen[row, j] and not instance.barred[row, j]
        ]
        assert set(found.alternates[entry]) <= set(free)
        assert len(found.alternates[entry]) == min(len(free), instance.rules.alternates)
    rows, columns = (np.array(_shuffled(swap, n)) for n in instance.fits.shape)
    again = assign(
        [instance.entries[i] for i in rows], [instance.experts[j] for j in columns],
        instance.fits[np.ix_(rows, columns)], instance.barred[np.ix_(rows, columns)], instance.rules,
    )  # fmt: skip
    assert again == found


def _shuffled(random: object, count: int) -> list[int]:
    order = list(range(count))
    random.shuffle(order)  # type: ignore[attr-defined]
    return order


@pytest.mark.parametrize("least", [0, 1, 2])
@pytest.mark.parametrize("balance", ["0", "0.05", "0.4"])
def test_assign_equals_brute_force_where_rules_bind_but_can_be_kept(least: int, balance: str) -> None:
    generator, optimal = np.random.default_rng(least), 0
    for _ in range(25):
        instance = Instance(
            fits=generator.random((4, 3)).round(6),
            barred=generator.random((4, 3)) < 0.1,
            rules=ReviewRules(per_entry=2, most=4, least=least, balance=Decimal(balance)),
        )
        best = max(map(instance.worth, instance.possible()), default=None)
        found = assign(instance.entries, instance.experts, instance.fits, instance.barred, instance.rules)
        assert isinstance(found, Assignment) == (best is not None)
        if isinstance(found, Assignment):
            chosen, optimal = matrix_of(found, instance), optimal + 1
            assert (instance.worth(chosen), min(found.loads.values()) >= least) == (best, True)
    assert optimal > 10


def test_assign_evens_out_loads_where_fits_are_alike() -> None:
    fits, barred = np.full((6, 3), 0.5), np.zeros((6, 3), dtype=bool)
    fits[:, 0] = 0.55
    entries, experts = [f"B{i}" for i in range(6)], ["甲", "乙", "丙"]
    even = assign(entries, experts, fits, barred, ReviewRules(per_entry=1, most=6, balance=Decimal("0.1")))
    greedy = assign(entries, experts, fits, barred, ReviewRules(per_entry=1, most=6))
    assert isinstance(even, Assignment)
    assert isinstance(greedy, Assignment)
    assert (even.loads, greedy.loads) == ({"丙": 2, "乙": 2, "甲": 2}, {"丙": 0, "乙": 0, "甲": 6})


@pytest.mark.parametrize(
    ("barred", "rules", "told"),
    [
        ([[0, 1, 1], [0, 0, 0]], {"per_entry": 2, "most": 2},
         [("review_short", "这些标书没有回避的专家不足 2 位：B0（可评的 1 位）")]),
        ([[0, 1, 1], [0, 1, 1], [0, 0, 0]], {"per_entry": 1, "most": 1},
         [("review_short", "标书 B0、B1 共需 2 人次，能评它们的专家只有 1 位（Z0），每位至多 1 份，一共只能评 1 人次")]),
        ([[0, 0, 1], [0, 0, 1]], {"per_entry": 1, "most": 2, "least": 1},
         [("review_least", "专家 Z2 每位至少要评 1 份，共 1 人次，可他们能评的标书只有 0 份，最多 0 人次")]),
        ([[0, 0, 0]], {"per_entry": 2, "most": 1, "least": 1},
         [("review_least", "专家 Z0、Z1、Z2 每位至少要评 1 份，共 3 人次，可他们能评的标书只有 1 份，最多 2 人次")]),
    ],
)  # fmt: skip
def test_assign_explains_what_makes_it_impossible(
    barred: list[list[int]], rules: dict[str, int], told: list[tuple[str, str]]
) -> None:
    bars = np.array(barred, dtype=bool)
    entries, experts = [f"B{i}" for i in range(len(bars))], ["Z0", "Z1", "Z2"]
    found = assign(entries, experts, np.zeros(bars.shape), bars, ReviewRules(**rules))  # type: ignore[arg-type]
    assert isinstance(found, list)
    assert [(one.code, one.message) for one in found] == told


@pytest.mark.parametrize(
    "rules",
    [{"per_entry": 0, "most": 1}, {"per_entry": 1, "most": 1, "least": 2}, {"per_entry": 1, "most": 0}],
)
def test_review_rules_refuse_what_makes_no_sense(rules: dict[str, int]) -> None:
    with pytest.raises(Refused):
        ReviewRules(**rules)  # type: ignore[arg-type]


def test_likeness_is_the_cosine_around_the_mean_and_nothing_for_blank_texts() -> None:
    queries = np.array([[1.0, 0.0], [0.0, 0.0], [0.6, 0.8]], dtype=np.float32)
    documents = np.array([[0.6, 0.8], [0.0, 0.0]], dtype=np.float32)
    mean = np.array([0.5, 0.0])
    near = np.array([0.1, 0.8]) @ np.array([0.5, 0.0]) / (np.hypot(0.1, 0.8) * 0.5)
    assert likeness(queries, documents, mean) == pytest.approx(
        np.array([[near, 0.0], [0.0, 0.0], [1.0, 0.0]]), abs=1e-6
    )
    assert blended(np.array([[1.0]]), np.array([[0.5]]), Decimal("0.1")).tolist() == [[0.95]]
