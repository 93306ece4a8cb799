"""Conflicts of interest of people (experts, brokers) with entries (bids, the poster): found, shown with evidence, or in doubt.

Kinds after the rules that platforms of 揭榜挂帅 keep: same organisation, parent and subsidiary, shared legal
representative, same employer as somebody of the team, joint work of late, adviser, broker paid by a bidder, the poster
itself, a bidder under another spelling, declared. Whose identity cannot be told is ``UNRESOLVED``: that is never "none".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise, product

from graph.store.changes import NodeKey
from matcher.parties import Entry, Party, Person, is_department, plain
from matcher.process_values import Part
from matcher.register import Identity, Register

UNRESOLVED = "unresolved"
# Gravest first, in which order they are told.
KIND_LABELS = {
    "bidder": "本人参与投标",
    "inventor": "是所报成果的完成人",
    "poster": "与出题单位有关",
    "same_organisation": "同一单位",
    "department": "同一单位的部门",
    "employs": "任职关系",
    "group": "同一控制",
    "legal_representative": "同一法定代表人",
    "colleague": "与团队成员同单位",
    "joint_work": "近年有合作成果",
    "advises": "担任顾问或取酬",
    "serves": "为其服务",
    "paid_broker": "受其委托的经纪人",
    "declared": "申报回避",
    UNRESOLVED: "身份未核实",
}
_ORDER = list(KIND_LABELS)
_OF_ORGANISATION = frozenset({"same_organisation", "department", "employs", "group", "legal_representative"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What joins a person to an entry: its kind (of ``KIND_LABELS``), both ends, the way in the graph if there is one.

    ``person`` and ``entry`` are ids; ``sentence`` is Chinese, for staff only: it names organisations and people.
    """

    kind: str
    person: str
    entry: str
    ends: tuple[str, str]
    path: tuple[NodeKey, ...]
    sentence: str


class Clearance(Part):
    """Somebody has looked into what was unresolved between a person and an entry and found nothing."""

    person: str
    entry: str
    by: str
    reason: str


Found = dict[tuple[str, str], tuple[Conflict, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """An organisation that somebody is at; ``employer``: the node, where a relation 任职 says so."""

    party: Party
    identity: Identity
    employer: NodeKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Human:
    person: Person
    places: tuple[_Place, ...]
    works: dict[NodeKey, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    entry: Entry
    parties: tuple[_Place, ...]
    people: tuple[_Human, ...]
    brokers: tuple[_Human, ...]


def conflicts(
    people: Iterable[Person],
    entries: Iterable[Entry],
    register: Register,
    *,
    today: date,
    years: int,
    clearances: Iterable[Clearance] = (),
) -> Found:
    """By (person id, entry id) all conflicts, gravest first; pairs that have none and no doubt are left out.

    Joint work counts from ``years`` before ``today``, by the day of grant; without a day it counts. A clearance takes
    away what is unresolved of its pair, never what was found.
    """
    finder = _Finder(register=register, since=_years_before(today, years))
    humans, sides = [finder.human(person) for person in people], [finder.side(entry) for entry in entries]
    cleared = {(one.person, one.entry) for one in clearances}
    result: Found = {}
    for human, side in product(humans, sides):
        pair = (human.person.id, side.entry.id)
        found = {
            (one.kind, one.sentence): one
            for one in finder.between(human, side)
            if one.kind != UNRESOLVED or pair not in cleared
        }
        if found:
            result[pair] = tuple(
                sorted(found.values(), key=lambda one: (_ORDER.index(one.kind), one.sentence))
            )
    return result


def _conflict(
    kind: str,
    person: Person,
    entry: Entry,
    ends: tuple[str, str],
    sentence: str,
    path: tuple[NodeKey, ...] = (),
) -> Conflict:
    if entry.posts and kind in _OF_ORGANISATION:
        kind = "poster"
    return Conflict(kind=kind, person=person.id, entry=entry.id, ends=ends, path=path, sentence=sentence)


def _years_before(today: date, years: int) -> date:
    try:
        return today.replace(year=today.year - years)
    except ValueError:  # the 29th of February
        return today.replace(year=today.year - years, day=28)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finder:
    register: Register
    since: date

    def human(self, person: Person) -> _Human:
        """The person with every organisation known of it."""
        identify = self.register.identify
        employers = {
            Party(name=self.register.titles[key], node=key): key for key in self.register.employers(person)
        }
        places = (
            *(_Place(party=party, identity=identify(party)) for party in person.organisations),
            *(
                _Place(party=party, identity=identify(party), employer=key)
                for party, key in employers.items()
            ),
        )
        works = self.register.works(person, [place.identity for place in places])
        return _Human(person=person, places=places, works=works)

    def side(self, entry: Entry) -> _Side:
        """The entry with its people; the people of what it offers are among them."""
        people = [*entry.people, *(one for key in entry.about for one in self.register.inventors(key))]
        return _Side(
            entry=entry,
            parties=tuple(
                _Place(party=party, identity=self.register.identify(party)) for party in entry.parties
            ),
            people=tuple(self.human(person) for person in people),
            brokers=tuple(self.human(person) for person in entry.brokers),
        )

    def between(self, human: _Human, side: _Side) -> Iterator[Conflict]:
        """Every conflict of a pair, in no order to rely on."""
        yield from self.organisations(human, side)
        yield from self._team(human, side)
        yield from self._services(human, side)
        yield from self._declared(human, side)
        yield from self._doubts(human, side)

    def organisations(self, human: _Human, side: _Side) -> Iterator[Conflict]:
        """Same organisation, a department of it, one control, one legal representative."""
        for place, party in product(human.places, side.parties):
            ends = (place.party.name, party.party.name)
            if told := self._joined(place, party, "出题单位" if side.entry.posts else "投标单位"):
                kind, text, path = told
                if place.employer is not None and human.person.key is not None:
                    path = (human.person.key, *(path or (place.employer,)))
                who = f"{human.person.name}的单位" if human.person.name else "投标单位"
                yield _conflict(kind, human.person, side.entry, ends, f"{who}{text}", path)
            one, other = plain(place.party.representative), plain(party.party.representative)
            if one and one == other and not place.identity.is_same(party.identity):
                text = f"“{ends[0]}”与“{ends[1]}”的法定代表人都是{place.party.representative}"
                yield _conflict("legal_representative", human.person, side.entry, ends, text)

    def _joined(self, place: _Place, party: _Place, role: str) -> tuple[str, str, tuple[NodeKey, ...]] | None:
        here, there = place.party.name, party.party.name
        part = place.identity.department or party.identity.department
        if place.identity.is_same(party.identity) or (
            not (place.identity.nodes and party.identity.nodes)
            and (is_department(here, there) or is_department(there, here))
        ):
            part = part or not place.identity.is_same(party.identity)
            kind = "employs" if place.employer is not None else "department" if part else "same_organisation"
            also = f"（写作“{there}”）" if plain(here) != plain(there) else ""
            return kind, f"“{here}”就是{role}{also}" if not part else f"“{here}”属于{role}“{there}”", ()
        if way := self.register.control(place.identity, party.identity):
            told = self._told_control(way)
            return "group", f"“{here}”与{role}“{there}”受同一控制：{told}", way
        return None

    def _told_control(self, way: tuple[NodeKey, ...]) -> str:
        titles = self.register.titles
        words = [titles[way[0]]]
        for one, other in pairwise(way):
            words += ["—控股→" if self.register.controls(one, other) else "←控股—", titles[other]]
        return " ".join(words)

    def _team(self, human: _Human, side: _Side) -> Iterator[Conflict]:
        """The person is one of the team, works where one of them works, or has worked with one of them."""
        person, entry = human.person, side.entry
        for other in side.people:
            ends = (person.name, other.person.name)
            same = self._same_person(human, other)
            if same and other.person not in entry.people:
                continue  # it is told below as what it is: one of the people of the achievement
            if same:
                yield _conflict("bidder", person, entry, ends, f"{person.name}本人在投标团队中")
                continue
            if same is None:
                text = f"投标团队中有同名的“{other.person.name}”，看不出是不是本人"
                yield _conflict(UNRESOLVED, person, entry, ends, text)
            parties = [party.identity for party in side.parties]
            for here, there in product(human.places, other.places):
                if here.identity.is_same(there.identity) and not any(
                    here.identity.is_same(party) for party in parties
                ):
                    text = f"{person.name}与投标团队成员{other.person.name}同在“{there.party.name}”"
                    yield _conflict("colleague", person, entry, ends, text)
            yield from self._joint_works(human, other, entry)
        for key in entry.about:
            if human.works.get(key):
                text = f"{person.name}是所报成果“{self.register.titles.get(key, key[1])}”的完成人"
                yield _conflict("inventor", person, entry, (person.name, key[1]), text, (key,))
        for party in side.parties:
            if plain(party.party.name) == plain(person.name):
                text = f"投标人“{party.party.name}”与{person.name}同名"
                yield _conflict("bidder", person, entry, (person.name, party.party.name), text)

    def _same_person(self, one: _Human, other: _Human) -> bool | None:
        """Whether two are one person; None: their names are the same and nothing else tells."""
        here, there = one.person.key, other.person.key
        # A record of an expert and one of a broker may be one person's: only records of one kind tell.
        if here is not None and there is not None and here[0] == there[0]:
            return here == there
        if plain(one.person.name) != plain(other.person.name):
            return False
        for a, b in product(one.places, other.places):
            if a.identity.is_same(b.identity) or self.register.control(a.identity, b.identity):
                return True
        return None

    def _joint_works(self, human: _Human, other: _Human, entry: Entry) -> Iterator[Conflict]:
        person, ends = human.person, (human.person.name, other.person.name)
        for key in sorted(human.works.keys() & other.works.keys()):
            granted = self.register.granted.get(key)
            if granted is not None and granted < self.since:
                continue
            title = self.register.titles.get(key, key[1])
            when = f"（{granted}授权）" if granted else "（未写授权日期）"
            if human.works[key] and other.works[key]:
                text = f"{person.name}与{other.person.name}同为成果“{title}”{when}的完成人"
                yield _conflict("joint_work", person, entry, ends, text, (key,))
            else:
                text = (
                    f"成果“{title}”{when}的完成人与{person.name}、{other.person.name}同名，看不出是不是本人"
                )
                yield _conflict(UNRESOLVED, person, entry, ends, text, (key,))

    def _services(self, human: _Human, side: _Side) -> Iterator[Conflict]:
        """The person advises a party, serves it or what it offers, or is paid by it as a broker."""
        person, entry = human.person, side.entry
        for advised, party in product(person.advises, side.parties):
            identity = self.register.identify(advised)
            if identity.is_same(party.identity) or self.register.control(identity, party.identity):
                text = (
                    f"{person.name}自报为“{advised.name}”担任顾问或从其取酬，与“{party.party.name}”是同一方"
                )
                yield _conflict("advises", person, entry, (person.name, party.party.name), text)
        served = [key for party in side.parties for key in party.identity.nodes] + list(entry.about)
        for key in served:
            if person.key is not None and self.register.serves(person.key, key):
                title = self.register.titles.get(key, key[1])
                text = f"{person.name}为“{title}”提供服务"
                yield _conflict("serves", person, entry, (person.name, title), text, (person.key, key))
        for broker in side.brokers:
            same, ends = self._same_person(human, broker), (person.name, broker.person.name)
            if same:
                yield _conflict(
                    "paid_broker", person, entry, ends, f"{person.name}是该方委托或受邀的技术经纪人"
                )
            elif same is None:
                text = (
                    f"该方委托或受邀的技术经纪人“{broker.person.name}”与{person.name}同名，看不出是不是本人"
                )
                yield _conflict(UNRESOLVED, person, entry, ends, text)

    def _declared(self, human: _Human, side: _Side) -> Iterator[Conflict]:
        """Either side has asked for it: an id, a name, or an organisation in any spelling or by its code."""
        person, entry = human.person, side.entry
        for word in person.avoids:
            asked = self.register.identify(Party(name=word))
            named = {plain(entry.id), *(plain(one.person.name) for one in side.people)}
            if plain(word) in named or any(
                word == party.party.uscc or word in party.identity.codes or asked.is_same(party.identity)
                for party in side.parties
            ):
                yield _conflict(
                    "declared", person, entry, (person.name, word), f"{person.name}申报回避“{word}”"
                )
        for word in entry.avoids:
            asked = self.register.identify(Party(name=word))
            if plain(word) in (plain(person.id), plain(person.name)) or any(
                asked.is_same(place.identity) for place in human.places
            ):
                text = f"投标方申请“{word}”回避"
                yield _conflict("declared", person, entry, (person.name, word), text)

    def _doubts(self, human: _Human, side: _Side) -> Iterator[Conflict]:
        """Who it is, is not known: of the person, of a party, of somebody of the team."""
        person, entry = human.person, side.entry
        for text in _doubts_of(human.places, f"专家{person.name}"):
            yield _conflict(UNRESOLVED, person, entry, (person.name, ""), text)
        for text in _doubts_of(side.parties, "出题方" if entry.posts else f"标书{entry.id}"):
            yield _conflict(UNRESOLVED, person, entry, ("", entry.id), text)


def _doubts_of(places: Sequence[_Place], who: str) -> Iterator[str]:
    if not places:
        yield f"{who}没有写单位"
    for place in places:
        if place.identity.doubt:
            yield f"{who}的单位身份未核实：{place.identity.doubt}"
