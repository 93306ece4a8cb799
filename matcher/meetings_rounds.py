"""Rounds for meetings that are chosen: a colouring by alternating chains, then chains turned until guests wait least.

A chain of two rounds is the meetings of a guest, of the team met, of that team's other guest and so on, in turn in the one
round and the other; to turn it over keeps everybody free of double bookings (Kempe 1879; König 1916).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from random import Random

from matcher.meetings import MeetingDay, Pair, Someone

_TRIES = 40_000
_HEAT = 0.7


def sides_of(pair: Pair) -> tuple[Someone, Someone]:
    """The guest and the team of a pair."""
    return ("guest", pair[0]), ("team", pair[1])


class Rounds:
    """Pairs by round, none of whom is anywhere twice; ``fixed`` pairs stay where they are."""

    def __init__(self, day: MeetingDay, fixed: Mapping[Pair, int]) -> None:
        self.day, self.fixed = day, set(fixed)
        self.of: dict[Pair, int] = {}
        self.at: dict[tuple[Someone, int], Pair] = {}
        self.load: Counter[int] = Counter()
        self.busy: dict[Someone, set[int]] = defaultdict(set)
        for pair, number in fixed.items():
            self.put(pair, number)

    def put(self, pair: Pair, number: int) -> None:
        """Let the pair meet in this round, which has to be free for both."""
        self.of[pair] = number
        self.load[number] += 1
        for party in sides_of(pair):
            self.at[party, number] = pair
            self.busy[party].add(number)

    def drop(self, pair: Pair) -> int:
        """Let the pair not meet; the round in which it did."""
        number = self.of.pop(pair)
        self.load[number] -= 1
        for party in sides_of(pair):
            del self.at[party, number]
            self.busy[party].discard(number)
        return number

    def become(self, of: Mapping[Pair, int]) -> None:
        """Let the pairs meet as given, and no others."""
        for pair in list(self.of):
            self.drop(pair)
        for pair, number in of.items():
            self.put(pair, number)

    def open_to(self, party: Someone) -> list[int]:
        """The rounds in which somebody is there and meets nobody yet."""
        return [n for n in sorted(self.day.free[party]) if (party, n) not in self.at]

    def chain(self, party: Someone, one: int, other: int) -> list[Pair]:
        """The chain that begins with the meeting of ``party`` in round ``one``, both ways."""
        start = self.at.get((party, one))
        if start is None:
            return []
        pairs, seen = [start], {start}
        for end in sides_of(start):
            number, here = other, end
            while (following := self.at.get((here, number))) and following not in seen:
                seen.add(following)
                pairs.append(following)
                here = next(side for side in sides_of(following) if side != here)
                number = one if number == other else other
        return pairs

    def turn(self, pairs: Sequence[Pair], one: int, other: int) -> bool:
        """Turn a chain over where everybody is there, nothing is fixed and the tables suffice; whether that was done."""
        moved = {pair: other if self.of[pair] == one else one for pair in pairs}
        if any(pair in self.fixed for pair in pairs) or not all(
            number in self.day.free[party] for pair, number in moved.items() for party in sides_of(pair)
        ):
            return False
        gain = sum(1 if number == other else -1 for number in moved.values())
        if gain > 0 and self.load[other] + gain > max(self.day.tables, self.load[one]):
            return False
        if gain < 0 and self.load[one] - gain > max(self.day.tables, self.load[other]):
            return False
        for pair in pairs:
            self.drop(pair)
        for pair, number in moved.items():
            self.put(pair, number)
        return True

    def idle(self, guests: Iterable[str]) -> int:
        """How many rounds these guests wait between their meetings."""
        return sum(
            max(some) - min(some) + 1 - len(some) for guest in guests if (some := self.busy["guest", guest])
        )


def placed(day: MeetingDay, pairs: Sequence[Pair], fixed: Mapping[Pair, int]) -> tuple[Rounds, list[Pair]]:
    """As many of the pairs in rounds as chains can, the worthiest first, and those left over.

    None is left where everybody can meet in every round, nothing is fixed and the pairs were chosen to fit.
    """
    rounds, left = Rounds(day, fixed), []
    for pair in sorted(pairs, key=lambda one: (-day.worths[one], one)):
        if not _added(rounds, pair):
            left.append(pair)
    _levelled(rounds)
    over = [pair for n in range(1, len(day.rounds) + 1) for pair in _too_many(rounds, n)]
    for pair in over:
        rounds.drop(pair)
    return rounds, sorted([*left, *over])


def _added(rounds: Rounds, pair: Pair) -> bool:
    guest, team = sides_of(pair)
    here, there = rounds.open_to(guest), rounds.open_to(team)
    if both := sorted(set(here) & set(there), key=lambda n: (rounds.load[n], n)):
        rounds.put(pair, both[0])
        return True
    for one in here:  # free for the guest; the team's meeting in it goes to ``other``, where the team is free
        for other in there:
            if one not in rounds.day.free[team]:
                continue
            chain = rounds.chain(team, one, other)
            if not any(guest in sides_of(some) for some in chain) and _turned(rounds, chain, one, other):
                rounds.put(pair, one)
                return True
    return False


def _turned(rounds: Rounds, chain: Sequence[Pair], one: int, other: int) -> bool:
    """Turn over whatever the tables say: they are levelled afterwards."""
    moved = {pair: other if rounds.of[pair] == one else one for pair in chain}
    if any(pair in rounds.fixed for pair in chain) or not all(
        number in rounds.day.free[party] for pair, number in moved.items() for party in sides_of(pair)
    ):
        return False
    for pair in chain:
        rounds.drop(pair)
    for pair, number in moved.items():
        rounds.put(pair, number)
    return True


def _levelled(rounds: Rounds) -> None:
    """Turn chains from rounds with too few tables into others, until none is left that can be turned."""
    numbers = range(1, len(rounds.day.rounds) + 1)
    while full := [n for n in numbers if rounds.load[n] > rounds.day.tables]:
        if not any(
            _relieved(rounds, one, other)
            for one in full
            for other in sorted(numbers, key=lambda n: (rounds.load[n], n))
            if rounds.load[other] < rounds.load[one] - 1
        ):
            return


def _relieved(rounds: Rounds, one: int, other: int) -> bool:
    for pair in sorted(pair for pair, number in rounds.of.items() if number == one):
        chain = rounds.chain(("guest", pair[0]), one, other)
        from_one = sum(rounds.of[some] == one for some in chain)
        if 2 * from_one > len(chain) and rounds.turn(chain, one, other):
            return True
    return False


def _too_many(rounds: Rounds, number: int) -> list[Pair]:
    here = [pair for pair, at in rounds.of.items() if at == number and pair not in rounds.fixed]
    here.sort(key=lambda pair: (rounds.day.worths[pair], pair))
    return here[: max(0, rounds.load[number] - rounds.day.tables)]


def less_waiting(rounds: Rounds, seed: int, tries: int = _TRIES) -> None:
    """Turn chains over at random, worse ones ever more seldom (annealing: Kirkpatrick 1983), and keep the best found.

    Ends when nobody waits, when the tries are used, or when there is nothing to turn.
    """
    random = Random(seed)  # noqa: S311 - to give the same again
    numbers = range(1, len(rounds.day.rounds) + 1)
    guests = sorted({guest for guest, _ in rounds.of})
    waits = {guest: rounds.idle([guest]) for guest in guests}
    total = least = sum(waits.values())
    best = dict(rounds.of)
    for turn in range(tries):
        waiting = [guest for guest in guests if waits[guest]]
        if not waiting:
            return
        guest = random.choice(waiting)
        busy = sorted(rounds.busy["guest", guest])
        one = random.choice((busy[0], busy[-1], random.choice(busy)))
        other = random.choice([n for n in numbers if n not in rounds.busy["guest", guest]])
        chain = rounds.chain(("guest", guest), one, other)
        if not rounds.turn(chain, one, other):
            continue
        after = {pair[0]: rounds.idle([pair[0]]) for pair in chain}
        loss = sum(after.values()) - sum(waits[name] for name in after)
        heat = _HEAT * (1 - turn / tries)
        if loss > 0 and (heat <= 0 or random.random() >= math.exp(-loss / heat)):
            _turned(rounds, chain, one, other)
            continue
        waits |= after
        total += loss
        if total < least:
            least, best = total, dict(rounds.of)
    rounds.become(best)
