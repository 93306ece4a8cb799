"""Scoring on the day: judges' sheets to results, vetoes in the first round, rounds of a contest, awards to achievements.

A score is the mean without one highest and one lowest total (5+5 and 8+7 contests), to two decimals; ties by the criterion
with the highest weight, then the next, then the lot (``matcher/grading.py``). A pitch that more than half of its judges
call off topic in the first round (离题否决) has no score; nor has one that was late or did not come.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction
from random import Random
from typing import Literal

from graph.feedback import STAGES, Outcome
from graph.kinds import Achievement
from graph.problems import Problem, Refused
from matcher.grading import Grading, GradingRules, Pair, Rubric, Sheet, Standing, check_sheets, grade

_WORDS = ("评委", "项目")
_APART = re.compile(r"[；;\n]+")
Ending = Literal["vetoed", "absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """A judge's word that a pitch is off topic, with the reason."""

    judge: str
    entry: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round of a contest. ``judges`` of every entry are all but those who are recused from it.

    ``entries`` and ``judges`` are ids with names; ``number`` counts from 1: only the first round knows a veto.
    """

    title: str
    number: int
    entries: Mapping[str, str]
    judges: Mapping[str, str]
    rubric: Rubric
    seed: int
    recused: frozenset[Pair] = frozenset()
    average: Literal["trimmed", "mean"] = "trimmed"

    def judges_of(self, entry: str) -> list[str]:
        """Who marks an entry."""
        return [judge for judge in self.judges if (judge, entry) not in self.recused]

    @property
    def rules(self) -> GradingRules:
        """How the round is graded."""
        tie = f"依次比权重高的评分项，仍相同的按种子 {self.seed} 抽签"
        return GradingRules(normalise="none", average=self.average, order="rounded", tie=tie)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """An entry without a score, and why."""

    entry: str
    ending: Ending
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The ranking of those who were marked, and those who were not."""

    round: Round
    grading: Grading
    fallen: tuple[Fallen, ...]

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Best first."""
        return self.grading.standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """A prize of a contest and how many get it, e.g. 一等奖, 1."""

    title: str
    number: int


def vetoed(one: Round, vetoes: Iterable[Veto]) -> list[Fallen]:
    """The entries that more than half of their judges call off topic. None after the first round.

    Raises ``Refused`` (``veto_unexpected``) for the veto of somebody who does not judge the entry, or in a later round.
    """
    by_entry: dict[str, dict[str, str]] = {}
    for veto in vetoes:
        if one.number != 1 or veto.entry not in one.entries or veto.judge not in one.judges_of(veto.entry):
            who = one.judges.get(veto.judge, veto.judge)
            why = "只有首轮可以否决" if one.number != 1 else "该评委不评这个项目"
            raise Refused(
                "veto_unexpected", f"评委{who}对“{one.entries.get(veto.entry, veto.entry)}”的否决无效：{why}。",
                "请核对评委和项目。",
            )  # fmt: skip
        by_entry.setdefault(veto.entry, {})[veto.judge] = veto.reason
    fallen = []
    for entry in one.entries:
        said, judges = by_entry.get(entry, {}), one.judges_of(entry)
        if 2 * len(said) > len(judges):
            reasons = "；".join(
                dict.fromkeys(filter(None, (said[judge] for judge in judges if judge in said)))
            )
            told = f"{len(judges)} 位评委中 {len(said)} 位认为离题" + (f"：{reasons}" if reasons else "")
            fallen.append(Fallen(entry=entry, ending="vetoed", reason=told))
    return fallen


def results(
    one: Round, sheets: Sequence[Sheet], vetoes: Iterable[Veto] = (), absent: Mapping[str, str] = {}
) -> Results | list[Problem]:
    """The results of a round, or what is wrong with the sheets.

    ``absent``: entries that did not come or came too late, with the reason. Raises ``Refused``
    (``pitch_unknown``) for another than an entry, (``grading_few``) where too few totals are there for a trimmed mean, and
    as ``vetoed`` does.
    """
    if strangers := sorted(set(absent) - set(one.entries)):
        raise Refused(
            "pitch_unknown", f"日程里没有项目“{strangers[0][:30]}”。", f"项目有：{'、'.join(one.entries)}。"
        )
    fallen = [Fallen(entry=id, ending="absent", reason=why or "未到场") for id, why in sorted(absent.items())]
    fallen += [lost for lost in vetoed(one, vetoes) if lost.entry not in absent]
    out = {lost.entry for lost in fallen}
    marked = [sheet for sheet in sheets if sheet.entry not in out]
    expected = {entry: one.judges_of(entry) for entry in one.entries if entry not in out}
    problems = check_sheets(marked, one.rubric, expected, one.recused, one.judges, words=_WORDS)
    if problems:
        return problems
    grading = grade(marked, one.rubric, one.rules, _precedence(one, marked), words=_WORDS)
    return Results(round=one, grading=grading, fallen=tuple(fallen))


def _precedence(one: Round, sheets: Sequence[Sheet]) -> list[str]:
    """Who stands before whom at equal scores: by the means of the heaviest criterion, then the next, then the lot."""
    heaviest = sorted(one.rubric.criteria, key=lambda criterion: -criterion.weight)
    lots = sorted(one.entries)
    Random(one.seed).shuffle(lots)  # noqa: S311 - to be drawn again by whoever checks

    def means(entry: str) -> list[Fraction]:
        own = [sheet.marks for sheet in sheets if sheet.entry == entry]
        return [
            -sum((Fraction(marks[c.name]) for marks in own), Fraction()) / max(len(own), 1) for c in heaviest
        ]

    return sorted(lots, key=means)  # stable: equals stay in the order of their lots


def next_round(before: Results, places: int, *, title: str, seed: int) -> Round:
    """The round of the best ``places`` of a round, with the same judges and rubric.

    Raises ``Refused`` (``places_few``) where nobody would be left.
    """
    through = [one.entry for one in before.standings[:places]]
    if places < 1 or not through:
        raise Refused("places_few", "没有项目进入下一轮。", "晋级名额至少为 1，且要有得分的项目。")
    entries = {entry: before.round.entries[entry] for entry in through}
    return replace(before.round, title=title, number=before.round.number + 1, entries=entries, seed=seed)


def awarded(final: Results, awards: Sequence[Award]) -> list[tuple[str, Award]]:
    """Who gets what: the awards in their order to the best, each with the id of the entry. Some may be left over."""
    prizes = [award for award in awards for _ in range(award.number)]
    return [(one.entry, award) for one, award in zip(final.standings, prizes, strict=False)]


def award_line(contest: str, award: Award, day: date) -> str:
    """What an achievement says of an award: 2026年 … 一等奖."""
    return f"{day:%Y}年{contest}{award.title}"


def with_award(known: Achievement | None, line: str, *, id: str, title: str, owner: str = "") -> Achievement:
    """The achievement with the award among those that it has had; a new one where the pool has none of that id.

    An award that it says already is not said twice.
    """
    if known is None:
        return Achievement(id=id, title=title, owner=owner, award=line)
    had = [part.strip() for part in _APART.split(known.award) if part.strip()]
    return known if line in had else known.model_copy(update={"award": "；".join([*had, line])})


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What came of a winner since: the furthest stage, with whom, when last heard of; ``days`` since then or the award."""

    achievement: str
    stage: str
    scene: str
    last: datetime | None
    days: int

    @property
    def text(self) -> str:
        """The state for people."""
        told = f"{self.stage}（场景 {self.scene}）" if self.stage else "还没有进展"
        return f"{told}，已 {self.days} 天没有新记录"


def followed_up(
    winners: Iterable[str], outcomes: Iterable[Outcome], *, since: datetime, now: datetime
) -> list[FollowUp]:
    """The winners by how long nothing was heard of them, the longest first; ``shown`` alone is no progress.

    ``outcomes`` before ``since`` (the award) do not count.
    """
    order: list[str] = [stage for stage in STAGES if stage != "shown"]
    found = []
    for id in sorted(set(winners)):
        own = [o for o in outcomes if o.achievement == id and o.stage in order and o.at >= since]
        best = max(
            own, key=lambda o: (o.stage != "declined", order.index(o.stage), o.at, o.scene), default=None
        )
        last = max((o.at for o in own), default=None)
        found.append(
            FollowUp(
                achievement=id, stage=STAGES[best.stage] if best else "", scene=best.scene if best else "", last=last,
                days=(now - (last or since)).days,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (-one.days, one.achievement))
