"""Who is who among posters and bidders: one organisation under several spellings, and who controls whom.

By the credit code (GB 32100) where both are known, else by ``organisation_key`` of the name. Two codes under one name
are two organisations that may be one: that is told and left to a person, never passed in silence.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from graph.identifiers.uscc import parse_uscc
from graph.intake.organisations import organisation_key
from graph.kinds import Achievement, Enterprise, Institution, Node, Scene
from graph.problems import BadValue, Problem
from graph.relations import Edge
from graph.store.changes import NodeKey
from graph.store.snapshot import Snapshot
from graph.store.store import Store

# How one organisation stands to another; namesake: one name, two codes.
Kinship = Literal["same", "namesake", "parent", "subsidiary", "group", ""]
# 民法典 art. 54, 74, 102: sole traders, branches, partnerships and sole proprietorships are no legal persons.
_NO_PERSON = re.compile(r"分公司|分店|办事处|代表处|合伙|个体工商户|个人独资|经营部$|工作室$")
_SOLE_TRADER = "92"  # GB 32100: registered by 工商 (9) as 个体工商户 (2)
_DISHONEST = "失信"
_READ = ("controls", "posts", "owns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An organisation as a task or bid names it."""

    name: str
    uscc: str | None = None

    @property
    def key(self) -> str:
        """What makes it one and the same: its code, else its name without dressing."""
        return self.uscc or organisation_key(self.name)


class Register:
    """The organisations of a store and who controls whom, at one moment."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        self._by_code: dict[str, list[NodeKey]] = {}
        self._by_name: dict[str, list[NodeKey]] = {}
        self._nodes: dict[NodeKey, Enterprise | Institution] = {}
        for node in nodes:
            if isinstance(node, (Enterprise, Institution)):
                key = (node.kind, node.id)
                self._nodes[key] = node
                self._by_name.setdefault(organisation_key(node.title), []).append(key)
                if node.uscc:
                    self._by_code.setdefault(node.uscc, []).append(key)
        self._edges = list(edges)

    @classmethod
    def of(cls, store: Store | Snapshot) -> "Register":
        """The register of a store as it is now."""
        nodes = [node for kind in ("enterprise", "institution") for node in store.nodes(kind)]
        return cls(nodes, [edge for name in _READ for edge in store.edges(name)])

    def completed(self, party: Party) -> Party:
        """The party with the code that the register has under its name, if it has one and no other."""
        if party.uscc:
            return party
        keys = self._by_name.get(organisation_key(party.name), ())
        codes = {code for key in keys if (code := self._nodes[key].uscc)}
        return Party(name=party.name, uscc=codes.pop()) if len(codes) == 1 else party

    def known(self, party: Party) -> list[NodeKey]:
        """The records of the party: by code, else those of its name whose code is not another."""
        if party.uscc and party.uscc in self._by_code:
            return sorted(self._by_code[party.uscc])
        named = self._by_name.get(organisation_key(party.name), ())
        return sorted(key for key in named if not party.uscc or not self._nodes[key].uscc)

    def owner(self, node: Node) -> Party | None:
        """Who a scene or achievement belongs to, by its columns, else by a relation; None where nothing says so."""
        if isinstance(node, (Scene, Achievement)) and node.owner:
            return self.completed(Party(name=node.owner, uscc=node.owner_uscc))
        return self.owner_of((node.kind, node.id))

    def owner_of(self, about: NodeKey) -> Party | None:
        """Who posts a scene or owns an achievement by a stored relation; the first by id."""
        ends = [
            (edge.source_kind, edge.source_id)
            for edge in self._edges
            if edge.relation != "controls" and (edge.target_kind, edge.target_id) == about
        ]
        node = next((self._nodes[key] for key in sorted(ends) if key in self._nodes), None)
        return Party(name=node.title, uscc=node.uscc) if node else None

    def kinship(self, one: Party, other: Party) -> Kinship:
        """How ``one`` stands to ``other``; parent and subsidiary over any number of steps, group: one parent above."""
        one, other = self.completed(one), self.completed(other)
        if one.uscc and one.uscc == other.uscc:
            return "same"
        if organisation_key(one.name) == organisation_key(other.name):
            return "namesake" if one.uscc and other.uscc else "same"
        ones, others = set(self.known(one)), set(self.known(other))
        if ones & others:
            return "same"
        if ones & self._above(others):
            return "parent"
        if others & self._above(ones):
            return "subsidiary"
        return "group" if self._above(ones) & self._above(others) else ""

    def is_flagged(self, party: Party) -> bool:
        """Whether a record of the party names it 失信 among its qualifications."""
        nodes = (self._nodes[key] for key in self.known(party))
        return any(
            _DISHONEST in word
            for node in nodes
            if isinstance(node, Enterprise)
            for word in node.qualifications
        )

    @cached_property
    def _owners(self) -> Mapping[NodeKey, set[NodeKey]]:
        result: dict[NodeKey, set[NodeKey]] = {}
        for edge in self._edges:
            if edge.relation != "controls":
                continue
            result.setdefault((edge.target_kind, edge.target_id), set()).add(
                (edge.source_kind, edge.source_id)
            )
        return result

    def _above(self, keys: set[NodeKey]) -> set[NodeKey]:
        """All that control one of the keys, directly or not."""
        found: set[NodeKey] = set()
        waiting = list(keys)
        while waiting:
            for owner in self._owners.get(waiting.pop(), ()):
                if owner not in found:
                    found.add(owner)
                    waiting.append(owner)
        return found


def personhood(party: Party, called: str) -> Iterator[Problem]:
    """What speaks against the party's being a legal person with a valid code; ``called`` is its part (牵头单位 …)."""
    name = f"{called}“{party.name}”"
    if not party.uscc:
        yield Problem(
            code="bid_uscc_missing", message=f"{name}没有填统一社会信用代码", remedy="请对照营业执照或法人证书补填 18 位代码"
        )  # fmt: skip
    else:
        try:
            parse_uscc(party.uscc)
        except BadValue as bad:
            yield Problem(code="bid_uscc", message=f"{name}：{bad.message}", remedy=bad.remedy)
    if (party.uscc or "").startswith(_SOLE_TRADER) or _NO_PERSON.search(party.name):
        yield Problem(
            code="bid_not_legal_person",
            message=f"{name}不是独立法人（个体工商户、分支机构、合伙企业等）",
            remedy="请由具有法人资格的单位投标，例如总公司或依托单位",
        )
