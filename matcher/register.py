"""The register: which organisation of the graph a name or a code means, and who controls whom.

Bids, invitations and conflicts of interest all ask it. A firm has many spellings and some names mean several firms. By
the credit code (GB 32100) where both are known, else by ``organisation_key`` of the name; two codes under one name are
two organisations that may be one. What cannot be told stays in doubt, with the reason: whoever decides must not read
"unknown" as "none".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

from graph.intake.organisations import organisation_key
from graph.kinds import Achievement, Enterprise, Institution, Node, Scene
from graph.relations import Edge
from graph.store.changes import NodeKey
from graph.store.snapshot import Snapshot
from graph.store.store import Store
from matcher.parties import Party, Person, is_department, plain, several

# How one organisation stands to another; namesake: one name, two codes.
Kinship = Literal["same", "namesake", "parent", "subsidiary", "group", ""]
_DISHONEST = "失信"
_NAMED = 3
_ORGANISATIONS, _PEOPLE = ("enterprise", "institution"), ("achievement", "expert", "broker")
_BETWEEN_ORGANISATIONS, _OF_PEOPLE = ("controls", "posts", "owns"), ("employs", "invented", "serves")


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


class Register:
    """The organisations of a store, and with ``people`` its achievements and people, at one moment."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge] = ()) -> None:
        self.granted: dict[NodeKey, date | None] = {}
        self.titles: dict[NodeKey, str] = {}
        self._codes: dict[NodeKey, str] = {}
        self._flagged: set[NodeKey] = set()
        self._by_code: dict[str, list[NodeKey]] = {}
        self._by_spelling: dict[str, list[NodeKey]] = {}
        self._by_inventor: dict[str, list[NodeKey]] = {}
        self._inventors: dict[NodeKey, tuple[str, ...]] = {}
        self._owned: dict[NodeKey, tuple[Party, ...]] = {}
        self._identities: dict[Party, Identity] = {}
        self._ancestors: dict[NodeKey, dict[NodeKey, tuple[NodeKey, ...]]] = {}
        self._sources: dict[tuple[str, NodeKey], list[NodeKey]] = {}
        self._targets: dict[tuple[str, NodeKey], list[NodeKey]] = {}
        for node in nodes:
            self._take(node)
        for edge in edges:
            source, target = (edge.source_kind, edge.source_id), (edge.target_kind, edge.target_id)
            self._sources.setdefault((edge.relation, target), []).append(source)
            self._targets.setdefault((edge.relation, source), []).append(target)

    @classmethod
    def of(cls, store: Store | Snapshot, *, people: bool = False) -> Self:
        """The register of a store as it is now; without ``people`` it knows organisations only, and is soon made."""
        kinds = _ORGANISATIONS + _PEOPLE * people
        relations = _BETWEEN_ORGANISATIONS + _OF_PEOPLE * people
        return cls(
            [node for kind in kinds for node in store.nodes(kind)],
            [edge for name in relations for edge in store.edges(name)],
        )

    def _take(self, node: Node) -> None:
        key = (node.kind, node.id)
        self.titles[key] = node.title
        if isinstance(node, Enterprise | Institution):
            self._by_spelling.setdefault(organisation_key(node.title), []).append(key)
            if node.uscc:
                self._codes[key] = node.uscc
                self._by_code.setdefault(node.uscc, []).append(key)
        if isinstance(node, Enterprise) and any(_DISHONEST in word for word in node.qualifications):
            self._flagged.add(key)
        if isinstance(node, Achievement):
            self.granted[key] = node.granted_on
            self._inventors[key] = node.inventors
            for name in node.inventors:
                self._by_inventor.setdefault(_inventor(name), []).append(key)
            names = several(node.owner)
            code = node.owner_uscc if len(names) == 1 else None
            self._owned[key] = tuple(Party(name=name, uscc=code) for name in names)

    def identify(self, party: Party) -> Identity:
        """Which organisation is meant: by its node, its code, its name in any spelling, or as a part of another."""
        if party not in self._identities:
            self._identities[party] = self._identify(party)
        return self._identities[party]

    def _identify(self, party: Party) -> Identity:
        if party.node in self.titles and party.node is not None:
            return self._known(party, (party.node,))
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

    def completed(self, party: Party) -> Party:
        """The party with the code that the register has under its name, if it has one and no other."""
        if party.uscc:
            return party
        keys = self._by_spelling.get(organisation_key(party.name), ())
        codes = {code for key in keys if (code := self._codes.get(key))}
        return Party(name=party.name, uscc=codes.pop()) if len(codes) == 1 else party

    def owner(self, node: Node) -> Party | None:
        """Who a scene or achievement belongs to, by its columns, else by a relation; None where nothing says so."""
        if isinstance(node, (Scene, Achievement)) and node.owner:
            return self.completed(Party(name=node.owner, uscc=node.owner_uscc))
        about = (node.kind, node.id)
        ends = [*self._sources.get(("posts", about), ()), *self._sources.get(("owns", about), ())]
        key = next((key for key in sorted(ends) if key in self.titles and key[0] in _ORGANISATIONS), None)
        return Party(name=self.titles[key], uscc=self._codes.get(key)) if key else None

    def kinship(self, one: Party, other: Party) -> Kinship:
        """How ``one`` stands to ``other``; parent and subsidiary over any number of steps, group: one parent above."""
        here, there = self.identify(self.completed(one)), self.identify(self.completed(other))
        if here.is_same(there):
            return "same"
        if here.spellings & there.spellings:
            return "namesake"
        if any(a in self.ancestors(b) for a in here.nodes for b in there.nodes):
            return "parent"
        if any(b in self.ancestors(a) for a in here.nodes for b in there.nodes):
            return "subsidiary"
        return "group" if self.control(here, there) else ""

    def is_flagged(self, party: Party) -> bool:
        """Whether a record of the party names it 失信 among its qualifications."""
        return not self._flagged.isdisjoint(self.identify(self.completed(party)).nodes)

    def employers(self, person: Person) -> list[NodeKey]:
        """The organisations that employ a person by a relation of the graph, by key."""
        return [] if person.key is None else sorted(self._sources.get(("employs", person.key), ()))

    def controls(self, one: NodeKey, other: NodeKey) -> bool:
        """Whether the one controls the other directly."""
        return other in self._targets.get(("controls", one), ())

    def serves(self, person: NodeKey, key: NodeKey) -> bool:
        """Whether a relation says that the person serves the other."""
        return key in self._targets.get(("serves", person), ())

    def ancestors(self, key: NodeKey) -> Mapping[NodeKey, tuple[NodeKey, ...]]:
        """Who controls an organisation, through however many steps, with the shortest way up; itself among them."""
        if key not in self._ancestors:
            ways: dict[NodeKey, tuple[NodeKey, ...]] = {key: (key,)}
            waiting = [key]
            for here in waiting:
                for parent in sorted(self._sources.get(("controls", here), ())):
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
        at = list(places)
        found = {}
        for key in self._by_inventor.get(plain(person.name), ()):
            owners = [self.identify(owner) for owner in self._owned[key]]
            found[key] = any(a.is_same(b) or self.control(a, b) for a in at for b in owners)
        if person.key is not None:
            found |= dict.fromkeys(self._targets.get(("invented", person.key), ()), True)
        return found

    def inventors(self, achievement: NodeKey) -> list[Person]:
        """The people of an achievement, at the organisations that own it."""
        owners = self._owned.get(achievement, ())
        names = [_inventor(name) for name in self._inventors.get(achievement, ())]
        people = [Person(id=name, name=name, organisations=owners) for name in dict.fromkeys(names) if name]
        joined = sorted(self._sources.get(("invented", achievement), ()))
        return [
            *people,
            *(Person(id=key[1], name=self.titles.get(key, key[1]), key=key) for key in joined),
        ]


def _inventor(text: str) -> str:
    """A name in 完成人 without the organisation before a colon."""
    return plain(text.replace("：", ":").rpartition(":")[2])
