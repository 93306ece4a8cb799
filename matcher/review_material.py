"""What a review of a stored task is worked out from: its bids, its poster, the experts, and who has what to do with whom."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Self

from graph.intake.organisations import organisation_key
from graph.kinds import Broker, Expert
from graph.problems import Problem
from graph.store.store import Store
from matcher.awards import Award
from matcher.bid_checks import Proceedings
from matcher.bidding import named_task
from matcher.bids import Bid
from matcher.conflicts import UNRESOLVED, Clearance, conflicts
from matcher.parties import Entry, Party, Person, person_of
from matcher.process_values import CHINA
from matcher.register import Register
from matcher.review_policy import usual_policy
from matcher.review_processes import Declaration, Panel, Review
from matcher.tasks import Task

POSTER_ENTRY = "出题方"
_BROKER = "broker:"
_AT = re.compile(r"^(.*?)[(（](.*?)[)）]$")
_CLERK = "主管人员"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A task under review with its valid bids, first come first, read at one revision of the store.

    ``entries`` are of the bids, ``poster`` is of the task. ``declared`` and ``clearances`` are all there are: kept with
    the panel or the review, or brought now. For staff only: it names everybody.
    """

    revision: int
    task: Task
    bids: tuple[Bid, ...]
    entries: tuple[Entry, ...]
    poster: Entry
    experts: tuple[Expert, ...]
    register: Register
    panel: Panel | None
    review: Review | None
    award: Award | None
    declared: tuple[Declaration, ...]
    clearances: tuple[Clearance, ...]

    @classmethod
    def of(
        cls,
        store: Store,
        task_id: str,
        *,
        declared: Iterable[Declaration] = (),
        clearances: Iterable[Clearance] = (),
    ) -> Self:
        """The material of a task as it is now. Raises ``Refused`` (``task_unknown``)."""
        with store.snapshot() as now:
            around = Proceedings.of(now)
            task = named_task(around, task_id)
            register = Register.of(now, people=True)
            experts = tuple(node for node in now.nodes("expert") if isinstance(node, Expert))
            brokers = [person_of(node) for node in now.nodes("broker") if isinstance(node, Broker)]
            panel, review, award = (now.process(kind, task.id) for kind in (Panel, Review, Award))
        bids = sorted(
            (bid for bid in around.of_task(task.id) if bid.id in task.valid_bids),
            key=lambda bid: (bid.submitted_at or bid.opened_at, bid.id),
        )
        kept = [one for one in (panel, review) if isinstance(one, Panel | Review)]
        return cls(
            revision=around.revision, task=task, bids=tuple(bids),
            entries=tuple(bid_entry(bid, task, brokers) for bid in bids), poster=poster_entry(task, brokers),
            experts=experts, register=register,
            panel=panel if isinstance(panel, Panel) else None, review=review if isinstance(review, Review) else None,
            award=award if isinstance(award, Award) else None,
            declared=tuple(dict.fromkeys((*(d for one in kept for d in one.declared), *declared))),
            clearances=tuple(dict.fromkeys((*(c for one in kept for c in one.clearances), *clearances))),
        )  # fmt: skip

    @property
    def names(self) -> dict[str, str]:
        """By bid who stands behind it."""
        return {bid.id: "、".join(party.name for party in bid.parties) for bid in self.bids}

    @property
    def people(self) -> dict[str, Person]:
        """The experts by id, with what they have declared."""
        found = {expert.id: person_of(expert) for expert in self.experts}
        for one in self.declared:
            if one.expert in found:
                found[one.expert] = one.of(found[one.expert])
        return found


def bid_entry(bid: Bid, task: Task, brokers: Sequence[Person]) -> Entry:
    """A bid as conflicts of interest look at it: members of its team are at the bidders unless another place is written."""
    parties = tuple(looked_at(party, task) for party in bid.parties)
    people = []
    for text in bid.people:
        found = _AT.match(text)
        name, places = (found[1].strip(), (Party(name=found[2].strip()),)) if found else (text, parties)
        people.append(Person(id=name, name=name, organisations=places))
    return Entry(
        id=bid.id, parties=parties, people=tuple(people), avoids=bid.avoids,
        brokers=tuple(one for text in bid.brokers for one in _called(text, brokers)),
        about=(("achievement", bid.record),) if bid.record and task.mode == "demand" else (),
        text="\n".join(part for part in (bid.title, bid.scheme, bid.team) if part),
    )  # fmt: skip


def poster_entry(task: Task, brokers: Sequence[Person]) -> Entry:
    """Who posts the task, what it offers (成果转化榜), and the brokers invited to carry it: nobody of these judges."""
    invited = {one.key.removeprefix(_BROKER) for one in task.invited if one.key.startswith(_BROKER)}
    return Entry(
        id=POSTER_ENTRY, parties=(looked_at(task.poster_party, task),), posts=True,
        brokers=tuple(one for one in brokers if one.id in invited),
        about=tuple((kind, id) for kind, id in task.about if kind == "achievement"),
    )  # fmt: skip


def looked_at(party: Party, task: Task) -> Party:
    """The party, verified where a person has looked into it for this task (核实单位): by code if it has one, else by name."""
    names = {organisation_key(text) for text in task.cleared}
    known = party.uscc in task.cleared if party.uscc else organisation_key(party.name) in names
    return replace(party, verified_by=_CLERK) if known else party


def _called(text: str, brokers: Sequence[Person]) -> list[Person]:
    """The brokers of an id or name; one that the store does not know stands for itself."""
    found = [one for one in brokers if text in (one.id, one.name)]
    return found or [Person(id=text, name=text)]


def doubts(material: Material) -> list[Problem]:
    """Whose identity is not known, of bidders, members and the poster: nothing is judged or decided until it is."""
    task, problems = material.task, []
    for entry in (*material.entries, material.poster):
        role = "发榜单位" if entry.posts else "投标单位"
        for party in entry.parties:
            if told := material.register.identify(party).doubt:
                problems.append(
                    Problem(
                        code="identity_unresolved",
                        message=f"{role}的身份没有核实：{told}",
                        remedy=f"把单位补进库里，或核实后登记：jiebang task move {task.id} 核实单位"
                        f" --set 已核实的单位={party.uscc or party.name} --reason 核实情况",
                    )
                )  # fmt: skip
    return list(dict.fromkeys(problems))


def standing_conflicts(material: Material, at: datetime) -> list[Problem]:
    """What speaks now against those who were given bids to read: conflicts, and identities in doubt."""
    if material.review is None:
        return []
    readers, people = material.review.readers, material.people
    reading = {(who, entry.id) for entry in material.entries for who in readers.get(entry.id, ())}
    judges = sorted({who for who, _ in reading})
    names = material.review.experts
    problems = [
        Problem(
            code="identity_unresolved", message=f"专家{names.get(who, who)}（{who}）已不在库中，身份无从核对",
            remedy="请把专家补进库里，或撤销后另行分配",
        )
        for who in judges
        if who not in people
    ]  # fmt: skip
    found = conflicts(
        [people[who] for who in judges if who in people], [*material.entries, material.poster], material.register,
        today=china_day(at), years=usual_policy().joint_work_years, clearances=material.clearances,
    )  # fmt: skip
    for (who, entry), told in sorted(found.items()):
        if entry == POSTER_ENTRY or (who, entry) in reading:
            is_doubt = all(one.kind == UNRESOLVED for one in told)
            problems.append(
                Problem(
                    code="identity_unresolved" if is_doubt else "review_conflict",
                    message=f"{names.get(who, who)}评了{_what(material, entry)}：{told[0].sentence}",
                    remedy=f"请用 jiebang panel recuse 换人，或 jiebang review assign {material.task.id} 重新分配"
                    + ("；查明无关的加 --cleared" if is_doubt else ""),
                )
            )
    return problems


def _what(material: Material, entry: str) -> str:
    return "与发榜单位有关的榜单" if entry == POSTER_ENTRY else f"“{material.names[entry]}”的标书"


def china_day(at: datetime) -> date:
    """The day in China."""
    return at.astimezone(CHINA).date()


def by_expert(declared: Iterable[Declaration], people: Mapping[str, Person]) -> dict[str, Person]:
    """The people of whom something is declared."""
    return {one.expert: people[one.expert] for one in declared if one.expert in people}
