"""A roadshow's contest: who judges what, by which rubric, and the awards that go into the achievements."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from graph.kinds import Achievement
from graph.problems import Refused
from graph.store.changes import PutNode
from matcher.grading import Criterion, Rubric
from matcher.lineup import lineup_policy
from matcher.pitch_scoring import Award, Round, award_line, with_award
from matcher.roadshow_timetable import Kept
from matcher.roadshows import Roadshow


def rubric_of(given: Mapping[str, str]) -> Rubric:
    """The rubric as people write it, full marks by criterion; the policy's where nothing is given.

    Raises ``Refused`` (``rubric``).
    """
    usual: Mapping[str, Any] = lineup_policy()["rubric"]
    found = []
    for name, text in (given or usual).items():
        try:
            found.append(Criterion(name=name, weight=Decimal(str(text).strip())))
        except InvalidOperation as error:
            raise Refused(
                "rubric", f"评分项“{name[:30]}”的满分“{str(text)[:20]}”不是数。", "请写 名称=满分，合计 100。"
            ) from error
    return Rubric(criteria=tuple(found))


def round_of(kept: Kept, rubric: Rubric, seed: int | None = None, *, later: bool = False) -> Round:
    """The pitches that stand in the timetable, before the judges of their sessions; ``later``: no first round."""
    own = kept.programme
    names = {one.id: one.name for one in own.judges}
    seats = {one.id: set(one.judges) for one in own.sessions}
    entries = {one.id: one.title for one in own.pitches if one.id in kept.places}
    recused = {
        (judge.id, entry)
        for judge in own.judges
        for entry in entries
        if entry in judge.recused or judge.id not in seats.get(kept.places[entry][0], ())
    }
    judges = {id: name for id, name in names.items() if any(id in some for some in seats.values())}
    return Round(
        title=own.title, number=2 if later else 1, entries=entries, judges=judges, rubric=rubric,
        seed=own.seed if seed is None else seed, recused=frozenset(recused),
    )  # fmt: skip


def award_changes(records: Any, roadshow: Roadshow, given: Mapping[str, str], day: date) -> list[PutNode]:
    """What puts the awards (title by achievement) among those that the achievements have had."""
    changes = []
    for entry, title in given.items():
        node: Achievement | None = records.get("achievement", entry)
        name = next((one.title for one in roadshow.stage if one.achievement == entry), entry)
        line = award_line(roadshow.title, Award(title=title, number=1), day)
        changes.append(PutNode(node=with_award(node, line, id=entry, title=name)))
    return changes
