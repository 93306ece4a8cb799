"""Who takes part in a review, and which organisation of the graph a name or a code means.

A firm has many spellings and some names mean several firms. What cannot be told stays in doubt, with the reason:
whoever decides about conflicts of interest must not read "unknown" as "none".
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from graph.intake.organisations import organisation_key
from graph.kinds import Achievement, Broker, Enterprise, Expert, Institution, Node
from graph.network import Network
from graph.store.changes import NodeKey
from graph.store.store import Store

# What has the name of another and then its own legal form (an affiliated hospital, a spun-off firm) is somebody else.
_OWN_FORM = re.compile("公司|附属|医院|学校|学院|集团|厂$|合伙|合作社|事务所")
_FORM_AHEAD = re.compile(r"^(?:集团)?(?:股份有限公司|有限责任公司|有限公司|股份公司|公司)")
_SEVERAL = re.compile(r"[、；;，,/]+")
# The expert's or broker's own record counts like a relation.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An organisation as it is named; ``key`` its node where that is known.

    ``representative`` is its 法定代表人. ``verified_by`` says who has looked it up: then it is no longer in doubt
    although the store does not hold it.
    """

    name: str
    uscc: str | None = None
    key: NodeKey | None = None
    representative: str = ""
    verified_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who judges, brokers or takes part: ``id`` is what the pair is named by, ``key`` the node if any.

    ``advises`` are organisations that the person has declared to advise or be paid by; ``avoids`` are names, credit
    codes or ids of entries that the person has declared not to judge.
    """

    id: str
    name: str
    key: NodeKey | None = None
    organisations: tuple[Party, ...] = ()
    advises: tuple[Party, ...] = ()
    avoids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A bid, or with ``posts`` the task's poster: who stands behind it and what it offers.

    ``about`` are nodes (achievements) that it offers, ``brokers`` whom it pays, ``avoids`` names or ids of people
    whom it has asked not to be judged by, ``text`` what it says.
    """

    id: str
    parties: tuple[Party, ...]
    people: tuple[Person, ...] = ()
    brokers: tuple[Person, ...] = ()
    about: tuple[NodeKey, ...] = ()
    avoids: tuple[str, ...] = ()
    text: str = ""
    posts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which organisation is meant: its nodes, its codes, its spellings, and what is in doubt (Chinese; empty: nothing).

    ``department``: what was named is a part of it.
    """

    nodes: tuple[NodeKey, ...]
    codes: frozenset[str]
    spellings: frozenset[str]
    department: bool = False
    doubt: str = ""

    def is_same(self, other: "Identity") -> bool:
        """Whether both are one organisation: a common node or code, else a common spelling unless both have codes."""
        if set(self.nodes) & set(other.nodes) or self.codes & other.codes:
            return True
        return not (self.codes and other.codes) and bool(self.spellings & other.spellings)


def plain(text: str) -> str:
    """A name as compared: without width, case and spaces."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_department(place: str, whole: str) -> bool:
    """Whether ``place`` is the name of ``whole`` and then that of a part of it without a legal form of its own."""
    for part, name in ((plain(place), plain(whole)), (organisation_key(place), organisation_key(whole))):
        rest = part.removeprefix(name)
        if len(name) >= 2 and rest != part and (rest := _FORM_AHEAD.sub("", rest)):
            return not _OWN_FORM.search(rest) and not _OWN_FORM.search(plain(place)[-2:])
    return False


def person_of(node: Expert | Broker, *, avoids: Iterable[str] = (), advises: Iterable[Party] = ()) -> Person:
    """The expert or broker of the store, at the organisation that its column names."""
    places = tuple(Party(name=part) for part in _SEVERAL.split(node.organisation) if part.strip())
    return Person(
        id=node.id,
        name=node.title,
        key=(node.kind, node.id),
        organisations=places,
        avoids=tuple(avoids),
        advises=tuple(advises),
    )


class Register:
    """The organisations and achievements of a store, to be looked up by code, name and people.

    Made from one revision; the network must be of the same.
    """

    def __init__(self, network: Network, nodes: Iterable[Node]) -> None:
        self.network = network
        self.granted: dict[NodeKey, date | None] = {}
        self.titles: dict[NodeKey, str] = {}
        self._codes: dict[NodeKey, str] = {}
        self._by_code: dict[str, list[NodeKey]] = {}
        self._by_spelling: dict[str, list[NodeKey]] = {}
        self._by_inventor: dict[str, list[NodeKey]] = {}
        self._owned: dict[NodeKey, tuple[Party, ...]] = {}
        self._identities: dict[Party, Identity] = {}
        self._ancestors: dict[NodeKey, dict[NodeKey, tuple[NodeKey, ...]]] = {}
        for node in nodes:
            self._take(node)

    @classmethod
    def of(cls, store: Store, network: Network) -> Self:
        """The register of the store's present revision."""
        with store.snapshot() as now:
            kinds = ("enterprise", "institution", "achievement", "expert", "broker")
            return cls(network, [node for kind in kinds for node in now.nodes(kind)])

    def _take(self, node: Node) -> None:
        key = (node.kind, node.id)
        self.titles[key] = node.title
        if isinstance(node, Enterprise | Institution):
            self._by_spelling.setdefault(organisation_key(node.title), []).append(key)
            if node.uscc:
                self._codes[key] = node.uscc
                self._by_code.setdefault(node.uscc, []).append(key)
        if isinstance(node, Achievement):
            self.granted[key] = node.granted_on
            for name in node.inventors:
                self._by_inventor.setdefault(_inventor(name), []).append(key)
            names = [part for part in _SEVERAL.split(node.owner) if part.strip()]
            code = node.owner_uscc if len(names) == 1 else None
            self._owned[key] = tuple(Party(name=name, uscc=code) for name in names)

    def identify(self, party: Party) -> Identity:
        """Which organisation is meant: by its node, its code, its name in any spelling, or as a part of another."""
        if party not in self._identities:
            self._identities[party] = self._identify(party)
        return self._identities[party]

    def _identify(self, party: Party) -> Identity:
        if party.key in self.titles and party.key is not None:
            return self._known(party, (party.key,))
        if party.uscc and party.uscc in self._by_code:
            return self._known(party, tuple(self._by_code[party.uscc]))
        found = self._by_spelling.get(organisation_key(party.name), []) if party.name else []
        same = [key for key in found if plain(self.titles[key]) == plain(party.name)]
        if party.uscc:
            if same and all(self._codes.get(key) for key in same):
                doubt = f"“{party.name}”在库中的信用代码是 {self._codes[same[0]]}，这里写的是 {party.uscc}"
                return self._known(party, (), doubt)
            return self._known(party, tuple(key for key in same or found if key not in self._codes))
        if len(same or found) == 1:
            return self._known(party, tuple(same or found))
        if found:
            some = "、".join(f"{self.titles[key]}（{key[1]}）" for key in found[:_NAMED])
            return self._known(party, (), f"“{party.name}”可能是{some}中的任何一个")
        if wholes := self._wholes(party.name):
            return self._known(party, tuple(wholes), department=True)
        doubt = f"“{party.name}”没有信用代码，库中也没有这个单位" if party.name else "没有写单位"
        return self._known(party, (), doubt)

    def _known(
        self, party: Party, nodes: tuple[NodeKey, ...], doubt: str = "", *, department: bool = False
    ) -> Identity:
        codes = {self._codes[key] for key in nodes if key in self._codes} | ({party.uscc} - {None})
        names = [self.titles[key] for key in nodes] + ([] if department else [party.name])
        return Identity(
            nodes=nodes,
            codes=frozenset(code for code in codes if code),
            spellings=frozenset(organisation_key(name) for name in names if name),
            department=department,
            doubt="" if party.verified_by else doubt,
        )

    def _wholes(self, name: str) -> list[NodeKey]:
        """The organisations of which a name names a part: those of the longest name."""
        spelt = organisation_key(name)
        for end in range(len(spelt) - 1, 1, -1):
            found = self._by_spelling.get(spelt[:end], [])
            if wholes := [key for key in found if is_department(name, self.titles[key])]:
                return wholes
        return []

    def named(self, name: str, kind: str) -> list[NodeKey]:
        """The nodes of a kind (expert, broker) with just this name, by id."""
        return sorted(
            key for key, title in self.titles.items() if key[0] == kind and plain(title) == plain(name)
        )

    def employers(self, person: Person) -> list[NodeKey]:
        """The organisations that employ a person by a relation of the graph, by key."""
        graph = self.network.graph
        if person.key is None or person.key not in graph:
            return []
        return sorted(here for here, _, how in graph.in_edges(person.key, keys=True) if how == "employs")

    def ancestors(self, key: NodeKey) -> Mapping[NodeKey, tuple[NodeKey, ...]]:
        """Who controls an organisation, through however many steps, with the shortest way up; itself among them."""
        if key not in self._ancestors:
            ways: dict[NodeKey, tuple[NodeKey, ...]] = {key: (key,)}
            waiting = [key]
            for here in waiting:
                above = self.network.graph.in_edges(here, keys=True) if here in self.network.graph else ()
                for parent in sorted(one for one, _, how in above if how == "controls"):
                    if parent not in ways:
                        ways[parent] = (*ways[here], parent)
                        waiting.append(parent)
            self._ancestors[key] = ways
        return self._ancestors[key]

    def control(self, one: Identity, other: Identity) -> tuple[NodeKey, ...]:
        """The shortest way of 控股 from one to the other, up to who controls both and down; empty if there is none."""
        found = []
        for a in one.nodes:
            for b in other.nodes:
                up, down = self.ancestors(a), self.ancestors(b)
                for top in up.keys() & down.keys():
                    found.append((*up[top], *reversed(down[top][:-1])))
        return min((way for way in found if len(way) > 1), key=lambda way: (len(way), way), default=())

    def works(self, person: Person, places: Iterable[Identity]) -> dict[NodeKey, bool]:
        """The achievements among whose people somebody stands; True where it is surely the same person.

        Sure is a relation 发明, or the name in 完成人 of an achievement of one of the person's organisations or its
        group. Elsewhere the same name may be somebody else's.
        """
        graph, at = self.network.graph, list(places)
        found = {}
        for key in self._by_inventor.get(plain(person.name), ()):
            owners = [self.identify(owner) for owner in self._owned[key]]
            found[key] = any(a.is_same(b) or self.control(a, b) for a in at for b in owners)
        if person.key is not None and person.key in graph:
            found |= {
                key: True for _, key, how in graph.out_edges(person.key, keys=True) if how == "invented"
            }
        return found

    def inventors(self, achievement: NodeKey) -> list[Person]:
        """The people of an achievement, at the organisations that own it."""
        graph = self.network.graph
        if achievement not in graph:
            return []
        owners = self._owned.get(achievement, ())
        names = [_inventor(name) for name in graph.nodes[achievement].get("inventors", ())]
        people = [Person(id=name, name=name, organisations=owners) for name in dict.fromkeys(names) if name]
        joined = sorted(one for one, _, how in graph.in_edges(achievement, keys=True) if how == "invented")
        return [
            *people,
            *(Person(id=key[1], name=self.titles.get(key, key[1]), key=key) for key in joined),
        ]


def _inventor(text: str) -> str:
    """A name in 完成人 without the organisation before a colon."""
    return plain(text.replace("：", ":").rpartition(":")[2])
