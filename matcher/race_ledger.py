"""The money of a race in whole 元: entries that are only added, and what they come to.

Whatever happens, released + returned + reserved = budget, and none of them is ever below nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from matcher.process_values import Part

# reserve: put by at the start; release: paid to a team; return: no longer needed, back to the payer;
# refund: paid back by a team that left.
EntryKind = Literal["reserve", "release", "return", "refund"]
ENTRY_LABELS: dict[EntryKind, str] = {
    "reserve": "预留",
    "release": "拨付",
    "return": "收回",
    "refund": "退还",
}


class Entry(Part):
    """One entry: ``amount`` ≥ 0 in 元; ``team`` is a bid's id or empty; ``gate`` counts from 1, 0 for none."""

    entry: EntryKind
    amount: int
    at: datetime
    team: str = ""
    gate: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What the entries come to, in 元."""

    budget: int
    reserved: int
    released: int
    returned: int

    @property
    def holds(self) -> bool:
        """Whether the three parts make up the budget and none is negative."""
        parts = (self.reserved, self.released, self.returned)
        return sum(parts) == self.budget and min(parts) >= 0


def balance(entries: Iterable[Entry]) -> Balance:
    """The balance after the entries."""
    sums = dict.fromkeys(ENTRY_LABELS, 0)
    for entry in entries:
        sums[entry.entry] += entry.amount
    return Balance(
        budget=sums["reserve"], reserved=sums["reserve"] - sums["release"] - sums["return"],
        released=sums["release"] - sums["refund"], returned=sums["return"] + sums["refund"],
    )  # fmt: skip


def paid_to(entries: Iterable[Entry], team: str) -> int:
    """What a team has been paid and has not paid back, in 元."""
    signs = {"release": 1, "refund": -1}
    return sum(signs.get(entry.entry, 0) * entry.amount for entry in entries if entry.team == team)
