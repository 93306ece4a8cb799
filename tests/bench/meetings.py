"""Times 多对多洽谈 at the size of a large fair and prints a table.

    python -m tests.bench.meetings

60 guests and 60 teams in 12 rounds; everybody wishes for some of the other side (drawn with a fixed seed), the first wish of
a guest is 必须, one of a team 不见. The gap of worth is to the bound of the flow, out of all
that is not the worth of 必须; the least waiting is the linear program's or CP-SAT's bound.
"""

import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from matcher.meetings import MUST, MeetingDay, Party, Wish, broken
from matcher.meetings_solving import schedule
from matcher.timetable import Span

# wishes of each, tables, whether everybody is away in up to three rounds
_CASES = ((8, 60, False), (8, 40, False), (15, 40, False), (15, 60, True), (60, 60, False))
_PEOPLE, _ROUNDS = 60, 12


def main() -> None:
    """A line for each case: made anew, and after the busiest guest has cancelled."""
    sys.stdout.write(
        "| wishes of each, tables | seconds | meetings | gap of worth | guests wait, at least | a guest cancels: seconds, others moved |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
    )
    for wishes, tables, away in _CASES:
        day = _day(wishes, tables, away=away)
        began = time.perf_counter()
        found = schedule(day)
        took = time.perf_counter() - began
        busiest = max(day.guests, key=lambda one: (sum(m.guest == one.id for m in found.meetings), one.id))
        without = replace(
            day, guests=tuple(replace(one, free=()) if one == busiest else one for one in day.guests)
        )
        began = time.perf_counter()
        after = schedule(without, before=found.meetings)
        again = time.perf_counter() - began
        moved = sum(one.guest != busiest.id for one in set(found.meetings) - set(after.meetings))
        if broken(day, found.meetings) or broken(without, after.meetings):
            raise AssertionError("a rule is broken")
        sys.stdout.write(
            f"| {wishes}, {tables}{', with absences' if away else ''} | {took:.1f} | {len(found.meetings)} | "
            f"{found.bound - found.worth} of {found.bound % MUST} | {found.idle}, {found.idle_bound} | {again:.1f}, {moved} |\n"
        )
        sys.stdout.flush()


def _day(wishes: int, tables: int, *, away: bool) -> MeetingDay:
    random = Random(1)
    start = datetime(2026, 12, 5, 13, 30)
    starts = [start + timedelta(minutes=10 * number) for number in range(_ROUNDS)]

    def party(id: str) -> Party:
        rounds = random.sample(range(1, _ROUNDS + 1), _ROUNDS - random.randrange(4))
        return Party(id=id, name=id, free=tuple(sorted(rounds)) if away else None)

    guests = tuple(party(f"G{number:02}") for number in range(_PEOPLE))
    teams = tuple(party(f"T{number:02}") for number in range(_PEOPLE))
    wished = [
        Wish(guest=guest.id, team=team.id, by="guest", want="want" if at else "must")
        for guest in guests
        for at, team in enumerate(random.sample(teams, wishes))
    ]
    wished += [
        Wish(guest=guest.id, team=team.id, by="team", want="want" if at else "no")
        for team in teams
        for at, guest in enumerate(random.sample(guests, wishes))
    ]
    return MeetingDay(
        title="洽谈会", guests=guests, teams=teams, wishes=tuple(wished), tables=tables,
        rounds=tuple(Span(start=one, end=one + timedelta(minutes=8)) for one in starts),
    )  # fmt: skip


if __name__ == "__main__":
    main()
