"""What a review keeps between its steps: the panel of experts, and the reading and marking of entries."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from graph.intake.organisations import organisation_key
from graph.kinds import Expert
from graph.problems import Problem
from graph.processes import Move, Rules, State, moved
from graph.values import Title
from matcher.conflicts import UNRESOLVED, Clearance, Conflict, Found, conflicts
from matcher.expertise import expert_text
from matcher.grading import Criterion, Rubric, Sheet, check_sheets
from matcher.panels import Candidate, Drawn, PanelRules, Quota, Replacement, candidate_organisation
from matcher.parties import Entry, Party, Person, person_of, several
from matcher.process_values import Paper, Part
from matcher.register import Register
from matcher.tasks import OFFICER

_STAFF = frozenset({OFFICER})
_TOLD = 2


class Declaration(Part):
    """What an expert has declared: names, codes or ids not to judge, organisations advised; ``representative`` (法定代表人)
    is of the expert's organisation, which ``verified_by`` has looked up."""

    expert: str
    avoids: tuple[str, ...] = ()
    advises: tuple[str, ...] = ()
    representative: str = ""
    verified_by: str = ""

    def of(self, person: Person) -> Person:
        """The person with what is declared."""
        places = tuple(
            replace(
                party,
                representative=self.representative or party.representative,
                verified_by=self.verified_by or party.verified_by,
            )
            for party in person.organisations
        )
        advises = (*person.advises, *(Party(name=name) for name in self.advises))
        return replace(person, organisations=places, avoids=(*person.avoids, *self.avoids), advises=advises)


class Recusal(Part):
    """Who stepped back and why, who took the place, and which alternates were passed over for which rule."""

    out: str
    into: str
    reason: str
    by: str
    at: datetime
    passed: tuple[tuple[str, str], ...] = ()


class Panel(Paper):
    """评审专家组 of the task of the same id: who was drawn by which seed and rules, who stands by, who stepped back.

    ``declared`` and ``clearances`` are what its check of conflicts rested on beside the store.
    """

    kind = "panel"
    label = "评审专家组"

    task: Title = Field("", title="任务")
    seed: int = Field(0, title="种子")
    size: int = Field(5, title="人数")
    per_organisation: int = Field(1, title="每单位人数")
    # Words, least, whether of the position.
    quotas: tuple[tuple[tuple[str, ...], int, bool], ...] = ()
    members: tuple[str, ...] = Field((), title="成员")
    alternates: tuple[str, ...] = Field((), title="候补")
    names: dict[str, str] = Field({}, title="姓名")
    barred: tuple[tuple[str, str], ...] = Field((), title="不能参加的")
    recusals: tuple[Recusal, ...] = Field((), title="回避记录")
    declared: tuple[Declaration, ...] = Field((), title="专家申报")
    clearances: tuple[Clearance, ...] = Field((), title="核实记录")

    @property
    def rules(self) -> PanelRules:
        """The rules it was drawn by."""
        quotas = tuple(Quota(words=words, least=least, of_position=of) for words, least, of in self.quotas)
        return PanelRules(size=self.size, per_organisation=self.per_organisation, quotas=quotas)


class Mark(Part):
    """What an expert gave an entry, by criterion; figures as texts, so that they are kept to the digit."""

    expert: str
    entry: str
    marks: dict[str, str]
    remark: str = ""


class Review(Paper):
    """评审 of the task of the same id: who reads which entry, by which rubric, and the marks that have come in.

    Once an award stands it is settled: nobody's marks change under it.
    """

    kind = "review"
    label = "评审"

    task: Title = Field("", title="任务")
    entries: dict[str, str] = Field({}, title="标书")
    experts: dict[str, str] = Field({}, title="专家")
    readers: dict[str, tuple[str, ...]] = Field({}, title="分配")
    standby: dict[str, tuple[str, ...]] = Field({}, title="候补")
    # Expert, entry, why.
    barred: tuple[tuple[str, str, str], ...] = Field((), title="回避")
    full_marks: tuple[tuple[str, str], ...] = Field((), title="评分项")
    marks: tuple[Mark, ...] = Field((), title="评分")
    declared: tuple[Declaration, ...] = Field((), title="专家申报")
    clearances: tuple[Clearance, ...] = Field((), title="核实记录")

    @property
    def weights(self) -> dict[str, str]:
        """Full marks by criterion, in the rubric's order (which a stored mapping would lose)."""
        return dict(self.full_marks)

    @property
    def rubric(self) -> Rubric:
        """The criteria, as checked figures."""
        return Rubric(
            criteria=tuple(Criterion(name=name, weight=Decimal(full)) for name, full in self.weights.items())
        )

    @property
    def sheets(self) -> list[Sheet]:
        """The marks, as figures."""
        return [
            Sheet(expert=one.expert, entry=one.entry, marks={n: Decimal(v) for n, v in one.marks.items()})
            for one in self.marks
        ]

    @property
    def loads(self) -> dict[str, list[str]]:
        """Which entries each expert reads."""
        return {who: [entry for entry, some in self.readers.items() if who in some] for who in self.experts}

    def problems(self) -> list[Problem]:
        """What stands in the way of grading: missing marks above all."""
        barred = [(who, entry) for who, entry, _ in self.barred]
        return check_sheets(self.sheets, self.rubric, self.readers, barred, {**self.experts, **self.entries})


def _has_reason(panel: Panel, values: Mapping[str, Any], at: datetime) -> Problem | None:
    said: Sequence[Recusal] = values.get("recusals", ())
    if said and said[-1].reason.strip():
        return None
    return Problem(code="recusal_reason", message="没有写回避的原因", remedy="请写明与哪一方有什么关系")


PANEL_RULES = Rules(
    states={"drawn": State(name="drawn", label="已抽取", duty="经办人通知专家，有回避的登记")},
    moves={
        "recuse": Move(
            name="recuse",
            label="回避",
            sources=("drawn",),
            target="drawn",
            roles=_STAFF,
            requires=(_has_reason,),
        )
    },
)
REVIEW_RULES = Rules(
    states={
        "marking": State(name="marking", label="评分中", duty="专家评分，经办人收齐后汇总"),
        "settled": State(name="settled", label="已据以定标"),
    },
    moves={
        name: Move(name=name, label=label, sources=(source,), target=target, roles=_STAFF)
        for name, label, source, target in (
            ("mark", "收分", "marking", "marking"), ("hand_over", "换专家", "marking", "marking"),
            ("settle", "据以定标", "marking", "settled"), ("reopen", "重新评审", "settled", "marking"),
        )
    },
)  # fmt: skip


def panel_values(drawn: Drawn, rules: PanelRules, candidates: Iterable[Candidate]) -> dict[str, Any]:
    """The attributes of the panel that was drawn."""
    return {
        "seed": drawn.seed, "size": rules.size, "per_organisation": rules.per_organisation,
        "quotas": tuple((quota.words, quota.least, quota.of_position) for quota in rules.quotas),
        "members": drawn.members, "alternates": drawn.alternates, "barred": drawn.barred,
        "names": {one.id: one.name for one in candidates},
    }  # fmt: skip


def replaced(panel: Panel, change: Replacement, *, reason: str, by: str, at: datetime) -> Panel:
    """The panel after somebody stepped back and an alternate took the place."""
    said = Recusal(out=change.out, into=change.into, reason=reason, by=by, at=at, passed=change.passed)
    values = {
        "members": tuple(change.into if id == change.out else id for id in panel.members),
        "alternates": tuple(id for id in panel.alternates if id != change.into),
        "recusals": (*panel.recusals, said),
    }
    return moved(panel, PANEL_RULES, "recuse", role=OFFICER, at=at, values=values)


def marked(review: Review, marks: Iterable[Mark], *, at: datetime) -> Review:
    """The review with marks taken in; what an expert gives an entry anew replaces what was there."""
    kept = {(one.expert, one.entry): one for one in review.marks}
    kept |= {(one.expert, one.entry): one for one in marks}
    values = {"marks": tuple(kept[key] for key in sorted(kept))}
    return moved(review, REVIEW_RULES, "mark", role=OFFICER, at=at, values=values)


def handed_over(review: Review, change: Replacement, name: str, *, at: datetime) -> Review:
    """The review with all readings of one expert given to another; what the one marked counts no more."""

    def into(people: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(change.into if id == change.out else id for id in people))

    standby = {
        entry: tuple(id for id in some if id not in (change.out, change.into))
        for entry, some in review.standby.items()
    }
    people = {id: told for id, told in review.experts.items() if id != change.out} | {change.into: name}
    values = {
        "readers": {entry: into(some) for entry, some in review.readers.items()}, "standby": standby, "experts": people,
        "marks": tuple(one for one in review.marks if one.expert != change.out),
    }  # fmt: skip
    return moved(review, REVIEW_RULES, "hand_over", role=OFFICER, at=at, values=values)


def remarks(review: Review) -> dict[str, list[str]]:
    """By entry what experts wrote on it, sorted so that nobody's place tells whose it is, without any name.

    Names of experts and of other bidders are taken out, of organisations in every spelling that ``organisation_key`` knows.
    """
    names = {id: several(name) for id, name in review.entries.items()}
    result: dict[str, list[str]] = {}
    for mark in review.marks:
        text = mark.remark.strip()
        for other in (name for id, some in names.items() if id != mark.entry for name in some):
            text = _mention(other).sub("其他单位", text)
        for name in review.experts.values():
            text = text.replace(name, "专家")
        if text:
            result.setdefault(mark.entry, []).append(text)
    return {entry: sorted(set(some)) for entry, some in result.items()}


def _mention(name: str) -> re.Pattern[str]:
    """The organisation where a text names it, with its legal form and place or without."""
    bare = re.escape(organisation_key(name))
    form = "(?:集团)?(?:股份有限公司|有限责任公司|有限公司|股份公司|公司)?"
    return re.compile(f"{re.escape(name)}|(?:广东省?)?(?:珠海市?)?{bare}{form}", re.IGNORECASE)


def candidates(
    experts: Iterable[Expert],
    entries: Sequence[Entry],
    register: Register,
    *,
    today: date,
    years: int,
    declared: Mapping[str, Person] = {},
    clearances: Iterable[Clearance] = (),
    left_out: Iterable[str] = (),
) -> tuple[list[Candidate], Found]:
    """The experts as they can be drawn: barred by any conflict with any entry, in doubt where that is all there is.

    ``declared`` are people by expert id in place of what the store says; ``left_out`` are ids or names that the officer
    leaves out. Also gives what was found of every pair.
    """
    experts, left = list(experts), set(left_out)
    people = [declared.get(expert.id) or person_of(expert) for expert in experts]
    found = conflicts(people, entries, register, today=today, years=years, clearances=clearances)
    by_person: dict[str, list[Conflict]] = {}
    for (who, _), some in found.items():
        by_person.setdefault(who, []).extend(some)
    result = []
    for expert, person in zip(experts, people, strict=True):
        told = by_person.get(person.id, [])
        why = "按要求不参加" if left & {expert.id, expert.title} else _told(told)
        place = person.organisations[0] if person.organisations else Party(name="")
        nodes = register.identify(place).nodes
        result.append(
            Candidate(
                id=expert.id,
                name=expert.title,
                organisation=candidate_organisation(register.titles[nodes[0]] if nodes else None, place.name),
                speciality=expert_text(expert),
                position=expert.position,
                barred=why,
                mendable=bool(told) and all(one.kind == UNRESOLVED for one in told),
            )
        )
    return result, found


def _told(found: Sequence[Conflict]) -> str:
    """The gravest of what was found, each once; what is certain hides what is in doubt."""
    certain = [one for one in found if one.kind != UNRESOLVED] or list(found)
    texts = list(dict.fromkeys(one.sentence for one in certain))
    return "；".join(texts[:_TOLD]) + (f" 等 {len(texts)} 项" if len(texts) > _TOLD else "")
