"""The fields of nodes that count in matching, as arrays by slot: filters and features read them at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from graph.identifiers.districts import district_closeness, districts
from graph.identifiers.fields import field_relatedness, fields
from graph.identifiers.maturity import trl
from graph.kinds import KINDS, Achievement, Node, Scene
from matcher.denials import Clause, denied_terms
from matcher.indicators import Indicator, parse_indicators
from matcher.texts import characters_said

KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
FIELDS = fields()
DISTRICTS = tuple(d.name for d in districts())
IP_STATUSES = ("未申请", "已受理", "实质审查中", "软件著作权", "已授权")
RELATEDNESS = np.array([[field_relatedness(a, b) for b in FIELDS] for a in FIELDS])
CLOSENESS = np.array([[district_closeness(a, b) for b in DISTRICTS] for a in DISTRICTS])

_COLUMNS: dict[str, tuple[type[np.generic], float]] = {
    "kind": (np.int8, -1),
    "field": (np.uint32, 0),  # one bit a field
    "district": (np.int8, -1),
    "trl": (np.int8, 0),  # 0: not stated
    "trl_floor": (np.int8, 0),
    "ip_status": (np.int8, -1),
    "said": (np.int32, 0),  # characters beyond the headline
    "deadline": (np.int32, 0),  # proleptic ordinal; 0: none
    "price": (np.float32, np.nan),  # lowest, 万元
    "budget": (np.float32, np.nan),  # highest, 万元
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRows:
    """Facts of some nodes, column by column; rows are in the order they were asked for."""

    columns: dict[str, NDArray[np.generic]]
    indicators: Sequence[tuple[Indicator, ...]]
    cooperation: Sequence[frozenset[str]]
    denials: Sequence[tuple[Clause, ...]]

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """The column ``name``; see ``_COLUMNS`` for types and what stands where nothing is stated."""
        return self.columns[name]


class Facts:
    """Facts by slot; a slot never put has kind -1."""

    def __init__(self) -> None:
        self._columns = {name: np.full(0, empty, dtype=kind) for name, (kind, empty) in _COLUMNS.items()}
        self._indicators: list[tuple[Indicator, ...]] = []
        self._cooperation: list[frozenset[str]] = []
        self._denials: dict[int, tuple[Clause, ...]] = {}  # few nodes rule anything out

    @property
    def capacity(self) -> int:
        """Length of every column; at least the greatest slot put, plus one."""
        return len(self._indicators)

    def column(self, name: str) -> NDArray[np.generic]:
        """A column over all slots."""
        return self._columns[name][: self.capacity]

    def put(self, slot: int, node: Node) -> None:
        """Take over the facts of ``node``."""
        self._ensure(slot + 1)
        for name, value in _values(node).items():
            self._columns[name][slot] = value
        self._indicators[slot] = indicators_of(node)
        self._cooperation[slot] = frozenset(getattr(node, "cooperation", ()))
        self._denials.pop(slot, None)
        if denied := denied_terms(node):
            self._denials[slot] = denied

    def remove(self, slot: int) -> None:
        """Forget what stands under ``slot``."""
        # An index read back from the disk may know slots that no node has filled since.
        self._ensure(slot + 1)
        for name, (_, empty) in _COLUMNS.items():
            self._columns[name][slot] = empty
        self._indicators[slot], self._cooperation[slot] = (), frozenset()
        self._denials.pop(slot, None)

    def rows(self, slots: NDArray[np.int64]) -> FactRows:
        """The facts under ``slots``."""
        return FactRows(
            columns={name: column[slots] for name, column in self._columns.items()},
            indicators=[self._indicators[slot] for slot in slots.tolist()],
            cooperation=[self._cooperation[slot] for slot in slots.tolist()],
            denials=[self._denials.get(slot, ()) for slot in slots.tolist()],
        )

    def _ensure(self, capacity: int) -> None:
        if capacity > len(self._columns["kind"]):
            for name, (kind, empty) in _COLUMNS.items():
                grown = np.full(max(capacity, 2 * self.capacity, 64), empty, dtype=kind)
                grown[: self.capacity] = self._columns[name][: self.capacity]
                self._columns[name] = grown
        missing = capacity - self.capacity
        if missing > 0:
            self._indicators.extend(() for _ in range(missing))
            self._cooperation.extend(frozenset() for _ in range(missing))


def facts_of(node: Node) -> FactRows:
    """The facts of one node that is in no index, as a single row."""
    facts = Facts()
    facts.put(0, node)
    return facts.rows(np.zeros(1, dtype=np.int64))


def indicators_of(node: Node) -> tuple[Indicator, ...]:
    """The indicators of a node: its own column, and where that is empty what its text states."""
    match node:
        case Scene():
            return parse_indicators(node.indicators or f"{node.title}\n{node.summary}\n{node.problem}")
        case Achievement():
            return parse_indicators(f"{node.indicators}；{node.advantages}；{node.summary}")
        case _:
            return ()


def field_mask(names: Sequence[str]) -> int:
    """Fields as bits; names must be canonical, and may come twice."""
    return sum(1 << FIELDS.index(name) for name in set(names))


def _values(node: Node) -> dict[str, float]:
    values: dict[str, float] = {
        "kind": KIND_NUMBERS[node.kind],
        "field": field_mask(node.field),
        "district": DISTRICTS.index(node.district) if node.district else -1,
        "said": characters_said(node),
    }
    match node:
        case Scene():
            values["trl_floor"] = trl(node.maturity_floor) if node.maturity_floor else 0
            values["deadline"] = _ordinal(node.deadline)
            values["budget"] = node.budget[1] if node.budget else np.nan
        case Achievement():
            values["trl"] = trl(node.maturity) if node.maturity else 0
            values["ip_status"] = IP_STATUSES.index(node.ip_status) if node.ip_status in IP_STATUSES else -1
            values["price"] = node.price[0] if node.price else np.nan
    return {name: values.get(name, empty) for name, (_, empty) in _COLUMNS.items()}


def _ordinal(day: date | None) -> int:
    return day.toordinal() if day else 0
