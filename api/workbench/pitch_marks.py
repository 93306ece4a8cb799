"""What the judges of a roadshow gave, as it was handed in: kept beside the roadshow until it is graded, and after."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from graph.processes import Move, Rules, State, moved, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from graph.values import Text
from matcher.grading import Sheet
from matcher.pitch_scoring import Veto
from matcher.process_values import Paper, Part
from matcher.roadshow_results import Marks
from matcher.tasks import carry_out


class JudgeMark(Part):
    """One judge's marks of one pitch by criterion, or that it is off topic."""

    judge: str
    entry: str
    marks: dict[str, str] = Field(default_factory=dict)
    veto: str = ""


class PitchMarks(Paper):
    """路演打分: the marks, the rubric (full marks by criterion), who did not come and why, the prizes, how many go on; one for a round."""

    kind = "pitch_marks"
    label = "路演打分"

    marks: tuple[JudgeMark, ...] = Field((), title="评分")
    rubric: dict[str, str] = Field({}, title="评分项")
    absent: dict[str, str] = Field({}, title="未到场")
    prizes: dict[str, int] = Field({}, title="奖项")
    through: int = Field(0, title="晋级名额")
    reason: Text = Field("", title="原因")

    @property
    def given(self) -> Marks:
        """The marks as they are graded."""
        sheets = (
            Sheet(expert=one.judge, entry=one.entry, marks={name: Decimal(text) for name, text in one.marks.items()})
            for one in self.marks
            if one.marks
        )  # fmt: skip
        vetoes = (Veto(judge=one.judge, entry=one.entry, reason=one.veto) for one in self.marks if one.veto)
        return Marks(sheets=tuple(sheets), vetoes=tuple(vetoes), absent=self.absent)

    def with_marks(self, some: Iterable[JudgeMark]) -> tuple[JudgeMark, ...]:
        """The marks with some more, each in the place of what the same judge gave the same pitch before; empty ones go."""
        found = {(one.judge, one.entry): one for one in self.marks} | {
            (one.judge, one.entry): one for one in some
        }
        return tuple(one for _, one in sorted(found.items()) if one.marks or one.veto)


_RULES = Rules(
    states={"open": State(name="open", label="收分")},
    moves={
        "put": Move(name="put", label="记分", sources=("open",), target="open", roles=frozenset({"staff"}))
    },
)


def marks_of(store: Any, id: str, at: datetime) -> PitchMarks:
    """What was handed in for a round of a roadshow; empty where nothing was."""
    known: PitchMarks | None = store.process(PitchMarks, id)
    return known if known is not None else opened(PitchMarks, _RULES, id=id, at=at)


def put_marks(
    store: Store,
    marks: PitchMarks,
    values: Mapping[str, Any],
    *,
    actor: str,
    at: datetime,
    reason: str,
    since: int,
) -> None:
    """Keep marks with other values. Raises ``Refused`` (``plan_stale``, ``process_value``)."""
    after = moved(marks, _RULES, "put", role="staff", at=at, values=values)
    carry_out(store, [PutProcess(process=after)], actor=actor, at=at, reason=reason, since=since)
