"""The results of a roadshow's rounds, kept with it: who was scored, who goes on, who won, what came of them since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from graph.feedback import Outcome
from graph.problems import Problem, Refused
from graph.processes import moved
from graph.store.changes import Change, PutNode, PutProcess
from matcher.grading import Criterion, Rubric, Sheet
from matcher.lineup import lineup_policy
from matcher.pitch_scoring import (
    Award,
    FollowUp,
    Results,
    Round,
    Veto,
    award_line,
    awarded,
    followed_up,
    next_round,
    results,
    with_award,
)
from matcher.process_values import in_china, to_the_second
from matcher.roadshow_timetable import Kept
from matcher.roadshows import Ranked, Roadshow, ScoredRound, roadshow_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What the judges of a round handed in, and who did not come (with the reason)."""

    sheets: tuple[Sheet, ...] = ()
    vetoes: tuple[Veto, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)


@cache
def _made_from() -> TypeAdapter[tuple[Round, Marks]]:
    return TypeAdapter(tuple[Round, Marks])


def usual_rubric() -> Rubric:
    """The rubric of the policy."""
    usual: Mapping[str, int] = lineup_policy()["rubric"]
    return Rubric(criteria=tuple(Criterion(name=name, weight=Decimal(full)) for name, full in usual.items()))


def first_round(kept: Kept, rubric: Rubric, *, seed: int | None = None) -> Round:
    """The round of all that stand in the timetable, before the judges of their sessions."""
    own = kept.programme
    seats = {one.id: set(one.judges) for one in own.sessions}
    entries = {one.id: one.title for one in own.pitches if kept.places.get(one.id, ("", 0))[0] in seats}
    recused = {
        (judge.id, entry)
        for judge in own.judges
        for entry in entries
        if entry in judge.recused or judge.id not in seats[kept.places[entry][0]]
    }
    judges = {one.id: one.name for one in own.judges if any(one.id in some for some in seats.values())}
    return Round(
        title=own.title, number=1, entries=entries, judges=judges, rubric=rubric,
        seed=own.seed if seed is None else seed, recused=frozenset(recused),
    )  # fmt: skip


def open_round(
    roadshow: Roadshow,
    kept: Kept,
    rubric: Rubric | None,
    *,
    number: int | None = None,
    seed: int | None = None,
) -> Round:
    """The round whose marks come next: the first, or the one of who got through the last that is kept.

    Where nobody was sent on, the last round is marked once more. ``number`` says which instead; a later round has the
    rubric of the one before it unless another is given. Raises ``Refused`` (``round_unknown``).
    """
    last = roadshow.rounds[-1] if roadshow.rounds else None
    if number is None:
        number = 1 if last is None else last.number + any(one.through for one in last.ranking)
    if number == 1:
        return first_round(kept, rubric or usual_rubric(), seed=seed)
    before = kept_round(roadshow, number - 1)
    through = [one.entry for one in before.ranking if one.through] if before else []
    if before is None or not through:
        raise Refused(
            "round_unknown",
            f"没有第 {number} 轮：第 {number - 1} 轮还没有记下成绩，或没有写明几项晋级。",
            f"请先记下第 {number - 1} 轮的成绩，并写明晋级几项。",
        )
    found = results_of(before)
    one = next_round(
        found, len(through), title=found.round.title, seed=found.round.seed if seed is None else seed
    )
    return replace(one, rubric=rubric) if rubric else one


def kept_round(roadshow: Roadshow, number: int) -> ScoredRound | None:
    """A round that was kept."""
    return next((one for one in roadshow.rounds if one.number == number), None)


def results_of(kept: ScoredRound) -> Results:
    """The results of a kept round, worked out again from what the judges handed in.

    Raises ``Refused`` (``round_unreadable``) where what is kept is none.
    """
    try:
        one, marks = _made_from().validate_python(kept.made_from["round"])
    except (ValidationError, KeyError, TypeError) as error:
        raise Refused(
            "round_unreadable", f"第 {kept.number} 轮的成绩读不出来。", "请重新记这一轮的成绩。"
        ) from error
    found = results(one, marks.sheets, marks.vetoes, marks.absent)
    if not isinstance(found, Results):
        raise Refused("round_unreadable", f"第 {kept.number} 轮的成绩不完整。", "请重新记这一轮的成绩。")
    return found


def scored(one: Round, marks: Marks) -> Results | list[Problem]:
    """The results of a round, or what is wrong with the marks. Raises ``Refused`` as ``results`` does."""
    return results(one, marks.sheets, marks.vetoes, marks.absent)


def scored_round(
    found: Results, marks: Marks, awards: Sequence[Award] = (), through: int = 0, *, by: str, at: datetime
) -> ScoredRound:
    """The round as it is kept: the best get the awards, the best ``through`` go on.

    Raises ``Refused`` (``places_few``) where fewer were scored than shall go on.
    """
    if through > len(found.standings):
        raise Refused(
            "places_few",
            f"有得分的只有 {len(found.standings)} 项，不能晋级 {through} 项。",
            "请减少晋级名额。",
        )
    given = {entry: award.title for entry, award in awarded(found, awards)}
    names = found.round.entries
    ranking = [
        Ranked(entry=one.entry, title=names[one.entry], rank=one.rank, score=str(one.score), tie=one.tie,
               award=given.get(one.entry, ""), through=place <= through)
        for place, one in enumerate(found.standings, 1)
    ]  # fmt: skip
    ranking += [Ranked(entry=one.entry, title=names[one.entry], reason=one.reason) for one in found.fallen]
    values = _made_from().dump_python((found.round, marks), mode="json")
    values[0]["recused"].sort()  # a set has no order: the same marks are kept alike
    return ScoredRound(
        number=found.round.number, title=found.round.title, at=to_the_second(at), by=by, rule=found.round.rules.text,
        ranking=tuple(ranking), made_from={"round": values},
    )  # fmt: skip


def with_round(roadshow: Roadshow, one: ScoredRound, *, role: str, at: datetime) -> Roadshow:
    """The roadshow with a round's results; those of a round of that number or a later one go.

    Raises ``Refused`` as ``moved`` does.
    """
    earlier = tuple(kept for kept in roadshow.rounds if kept.number < one.number)
    values = {"rounds": (*earlier, one), "draft": roadshow.draft + 1}
    return moved(
        roadshow, roadshow_rules(), f"score_{roadshow.state}", role=role, at=to_the_second(at), values=values
    )


def results_kept(
    store: Any, roadshow: Roadshow, one: ScoredRound, *, role: str, at: datetime, pool: bool
) -> tuple[Roadshow, list[Change]]:
    """The roadshow with a round's results and the changes that keep it, one batch.

    With ``pool`` the awards are also put into the achievements' own list of awards. Raises ``Refused`` as ``with_round``.
    """
    made = with_round(roadshow, one, role=role, at=at)
    changes: list[Change] = [PutProcess(process=made)]
    day = roadshow.day or to_the_second(at).date()
    for ranked in one.ranking if pool else ():
        if not ranked.award:
            continue
        node = store.get("achievement", ranked.entry)
        line = award_line(roadshow.title, Award(title=ranked.award, number=1), day)
        new = with_award(node, line, id=ranked.entry, title=ranked.title)
        if new != node:
            changes.append(PutNode(node=new))
    return made, changes


def winners(roadshow: Roadshow) -> dict[str, tuple[Ranked, datetime]]:
    """Who has an award from any round, by id: the latest one, and when it was given."""
    return {one.entry: (one, kept.at) for kept in roadshow.rounds for one in kept.ranking if one.award}


def followed_winners(roadshow: Roadshow, outcomes: Iterable[Outcome], now: datetime) -> list[FollowUp]:
    """What came of the winners since their award, the longest silent first.

    Raises ``Refused`` (``winners_none``) where no award is kept.
    """
    won, heard = winners(roadshow), list(outcomes)
    if not won:
        raise Refused(
            "winners_none", f"{roadshow.id} 还没有记下奖项。", "请先记下成绩和奖项：jiebang lineup results … --award … --record。"
        )  # fmt: skip
    found = [one for id, (_, at) in won.items() for one in followed_up([id], heard, since=at, now=now)]
    return sorted(found, key=lambda one: (-one.days, one.achievement))


def round_lines(one: ScoredRound) -> list[str]:
    """A kept round for people, a line each: who was placed, who won, who goes on."""
    lines = [f"第 {one.number} 轮（{in_china(one.at, seconds=False)}，{one.by}记）：{one.rule}"]
    for ranked in one.ranking:
        rest = "，".join(filter(None, (ranked.award, "晋级" if ranked.through else "")))
        place = f"{ranked.rank}. {ranked.score}" if ranked.rank else f"没有成绩：{ranked.reason}"
        lines.append(f"  {place}  {ranked.title}（{ranked.entry}）" + (f"  {rest}" if rest else ""))
    return lines
