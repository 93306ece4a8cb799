"""The meetings that are kept with a roadshow (or a file): a day, who meets whom, and which pairs stay where they are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from matcher.meetings import Meeting, MeetingDay, Pair, Schedule, Someone, as_values, from_values, without
from matcher.meetings_solving import schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMeetings:
    """A day with its meetings; ``locked`` pairs are not moved by anybody who arranges it anew."""

    day: MeetingDay
    meetings: tuple[Meeting, ...] = ()
    locked: frozenset[Pair] = frozenset()

    @property
    def values(self) -> dict[str, Any]:
        """As a roadshow keeps it."""
        return as_values(self.day, self.meetings) | {"locked": sorted(map(list, self.locked))}


def kept_meetings(values: Mapping[str, Any] | None) -> KeptMeetings | None:
    """What ``values`` gave; None where there is nothing. Raises ``Refused`` as ``from_values`` does."""
    if values is None:
        return None
    locked = frozenset((str(g), str(t)) for g, t in values.get("locked", ()))
    day, found = from_values({name: value for name, value in values.items() if name != "locked"})
    return KeptMeetings(day=day, meetings=found, locked=locked)


def rearranged(
    kept: KeptMeetings, *, gone: Collection[Someone] = (), fresh: bool = False
) -> tuple[KeptMeetings, Schedule]:
    """The meetings solved: as few as possible move, or with ``fresh`` only locked ones stay; ``gone`` come to none.

    Raises ``Refused`` as ``schedule`` does.
    """
    day, out = without(kept.day, gone), {id for _, id in gone}
    locked = frozenset(pair for pair in kept.locked if not out & set(pair))
    before = [one for one in kept.meetings if not fresh or one.pair in locked]
    found = schedule(day, before=before, locked=locked)
    return replace(kept, day=day, meetings=found.meetings, locked=locked), found
