"""Conflicts planted in a world, of every kind, with the answer: what must be found between whom, and nothing else."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from graph.kinds import Achievement, Broker, Enterprise, Expert, Node
from graph.relations import Edge
from matcher.parties import Entry, Party, Person
from tests.factories import make_edge

TODAY = date(2026, 3, 1)
RESPELLINGS: Sequence[Callable[[str], str]] = (
    str,
    lambda name: f" {name[:3]} {name[3:]} ",
    lambda name: name.removeprefix("珠海市").removeprefix("珠海"),
    lambda name: re.sub("(?<!股份)有限公司$", "有限责任公司", name),
)


@dataclass(kw_only=True)
class World:
    """People and entries that have nothing to do with each other, and what is planted between them."""

    people: list[Person]
    entries: list[Entry]
    records: list[Node | Edge] = field(default_factory=list)
    expected: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def plant(self, kind: str, i: int, j: int, variant: int) -> None:
        """One conflict between person ``i`` and entry ``j``, in one of several ways; what it makes is new."""
        _PLANTERS[kind](self, i, j, variant)
        if kind in _TOLD_AS:
            self.expected[self.people[i].id, self.entries[j].id] = frozenset({_TOLD_AS[kind]})

    def org(self, i: int, variant: int) -> str:
        """The organisation of a person, spelt in some way."""
        return RESPELLINGS[variant % len(RESPELLINGS)](self.people[i].organisations[0].name)

    def change(self, i: int, j: int, *, person: dict[str, Any], entry: dict[str, Any]) -> None:
        """Add to what a person or an entry holds."""
        mine: dict[str, Any] = {name: (*getattr(self.people[i], name), one) for name, one in person.items()}
        theirs: dict[str, Any] = {name: (*getattr(self.entries[j], name), one) for name, one in entry.items()}
        self.people[i], self.entries[j] = replace(self.people[i], **mine), replace(self.entries[j], **theirs)

    def enterprise(self, i: int, j: int, what: str) -> Enterprise:
        """A new enterprise, in the store."""
        made = Enterprise(id=f"X-{what}-{i}-{j}", title=f"{what}字第{i}之{j}号制造有限公司")
        self.records.append(made)
        return made


def _same_organisation(w: World, i: int, j: int, variant: int) -> None:
    w.change(i, j, person={}, entry={"parties": Party(name=w.org(i, variant))})


def _department(w: World, i: int, j: int, variant: int) -> None:
    w.change(
        i, j, person={}, entry={"parties": Party(name=w.org(i, 0) + ("科研处", "第二研究室")[variant % 2])}
    )


def _employs(w: World, i: int, j: int, variant: int) -> None:
    person = w.people[i]
    firm = w.enterprise(i, j, "聘")
    w.records.append(make_edge(firm, "employs", node_of(person)))
    w.change(i, j, person={}, entry={"parties": Party(name=RESPELLINGS[variant % 4](firm.title))})


def _group(w: World, i: int, j: int, variant: int) -> None:
    top, middle, own = (w.enterprise(i, j, what) for what in ("甲", "乙", "丙"))
    other = w.enterprise(i, j, "丁")
    w.records += [
        make_edge(top, "controls", middle),
        make_edge(middle, "controls", own),
        make_edge(top, "controls", other),
    ]
    party = (top, middle, other)[variant % 3]
    here, there = (own, party) if variant < 3 else (party, own)
    w.change(
        i, j, person={"organisations": Party(name=here.title)}, entry={"parties": Party(name=there.title)}
    )


def _partner_is_none(w: World, i: int, j: int, variant: int) -> None:
    one, other = w.enterprise(i, j, "戊"), w.enterprise(i, j, "己")
    w.records.append(make_edge(one, "partners", other))
    w.change(
        i, j, person={"organisations": Party(name=one.title)}, entry={"parties": Party(name=other.title)}
    )


def _legal_representative(w: World, i: int, j: int, variant: int) -> None:
    one, other = w.enterprise(i, j, "庚"), w.enterprise(i, j, "辛")
    boss = f"法人{i}之{j}"
    w.change(
        i, j,
        person={"organisations": Party(name=one.title, representative=boss)},
        entry={"parties": Party(name=other.title, representative=f" {boss}")},
    )  # fmt: skip


def _colleague(w: World, i: int, j: int, variant: int) -> None:
    member = Person(id=f"m{i}-{j}", name=f"队员{i}之{j}", organisations=(Party(name=w.org(i, variant)),))
    w.change(i, j, person={}, entry={"people": member})


def _joint_work(w: World, i: int, j: int, variant: int) -> None:
    other = Expert(id=f"ZQ-{i}-{j}", title=f"同事{i}之{j}")
    days = (None, date(2026, 2, 1), date(2023, 3, 1), date(2023, 2, 28))
    work = Achievement(id=f"CX-{i}-{j}", title=f"合作成果{i}之{j}", granted_on=days[variant % 4])
    experts = [node_of(w.people[i]), other]
    w.records += [other, work, *(make_edge(one, "invented", work) for one in experts)]
    member = Person(
        id=other.id, name=other.title, key=("expert", other.id), organisations=w.entries[j].parties[:1]
    )
    w.change(i, j, person={}, entry={"people": member})
    if variant % 4 != 3:  # three years and a day before
        w.expected[w.people[i].id, w.entries[j].id] = frozenset({"joint_work"})


def _inventor(w: World, i: int, j: int, variant: int) -> None:
    work = Achievement(id=f"CY-{i}-{j}", title=f"所报成果{i}之{j}")
    w.records += [work, make_edge(node_of(w.people[i]), "invented", work)]
    w.change(i, j, person={}, entry={"about": ("achievement", work.id)})


def _advises(w: World, i: int, j: int, variant: int) -> None:
    name = RESPELLINGS[variant % 4](w.entries[j].parties[0].name)
    w.change(i, j, person={"advises": Party(name=name)}, entry={})


def _serves(w: World, i: int, j: int, variant: int) -> None:
    firm = w.enterprise(i, j, "壬")
    w.records.append(make_edge(node_of(w.people[i]), "serves", firm))
    w.change(i, j, person={}, entry={"parties": Party(name=firm.title)})


def _paid_broker(w: World, i: int, j: int, variant: int) -> None:
    w.change(i, j, person={}, entry={"brokers": w.people[i]})


def _bidder(w: World, i: int, j: int, variant: int) -> None:
    member = Person(id="x", name=f" {w.people[i].name}", organisations=(Party(name=w.org(i, variant)),))
    w.change(i, j, person={}, entry={"people": member})


def _declared(w: World, i: int, j: int, variant: int) -> None:
    party, entry = w.entries[j].parties[0], w.entries[j]
    if variant < 3:
        word = (entry.id, party.name.replace("有限公司", ""), party.uscc or party.name)[variant]
        w.change(i, j, person={"avoids": word}, entry={})
    else:
        w.change(i, j, person={}, entry={"avoids": w.people[i].name})


def _namesake(w: World, i: int, j: int, variant: int) -> None:
    member = Person(id="y", name=w.people[i].name, organisations=w.entries[j].parties[:1])
    w.change(i, j, person={}, entry={"people": member})


def node_of(person: Person) -> Node:
    """The bare record of a person."""
    kind = Broker if person.key is not None and person.key[0] == "broker" else Expert
    return kind(id=person.id, title=person.name)


_PLANTERS: dict[str, Callable[[World, int, int, int], None]] = {
    "same_organisation": _same_organisation, "department": _department, "employs": _employs, "group": _group,
    "partner": _partner_is_none, "legal_representative": _legal_representative, "colleague": _colleague,
    "joint_work": _joint_work, "inventor": _inventor, "advises": _advises, "serves": _serves, "paid_broker": _paid_broker,
    "bidder": _bidder, "declared": _declared, "namesake": _namesake,
}  # fmt: skip
# What each is to be found as; a partner is no conflict, joint work is one by its date.
_TOLD_AS = {kind: kind for kind in _PLANTERS if kind not in ("partner", "joint_work", "namesake")} | {
    "namesake": "unresolved"
}
OF_BROKERS = ("serves", "paid_broker")
OF_EXPERTS = tuple(kind for kind in _PLANTERS if kind not in OF_BROKERS)
