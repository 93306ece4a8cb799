"""Questions about tasks that the ranking answers: how much could answer one, whom to invite, how well a bid fits."""

from dataclasses import asdict, dataclass
from typing import Any

from api.question import OwnQuestion
from matcher.bid_fit import bid_fits
from matcher.bids import Bid
from matcher.engine import Engine
from matcher.invitations import Proposal, proposals
from matcher.ranker import LEVELS
from matcher.task_quality import answerable
from matcher.tasks import Task


@dataclass(frozen=True, kw_only=True)
class AnswerableQuestion(OwnQuestion):
    """How many records could answer a task, stored or just written; both null where the task says nothing."""

    task: Task

    def answer(self, engine: Engine) -> dict[str, Any]:
        found = answerable(engine, self.task, today=self.today)
        told = None if found is None else asdict(found)
        return {"found": told}


@dataclass(frozen=True, kw_only=True)
class ProposalsQuestion(OwnQuestion):
    """Whom to invite. Brokers hang on outcomes too, of which no version of a lane tells: ``revision`` is the store's."""

    task: Task
    top: int | None
    revision: int

    def answer(self, engine: Engine) -> dict[str, Any]:
        found = proposals(engine, self.task, today=self.today, top=self.top)
        return {"items": [asdict(one) for one in found]}


def proposal_from(told: dict[str, Any]) -> Proposal:
    """The proposal that an answer tells of."""
    return Proposal(**told | {"notes": tuple(told["notes"])})


@dataclass(frozen=True, kw_only=True)
class FitQuestion(OwnQuestion):
    """How well a bid fits its task. Only for those who may see the bid."""

    task: Task
    bid: Bid

    def answer(self, engine: Engine) -> dict[str, Any]:
        (fit,) = bid_fits(engine, self.task, [self.bid], today=self.today)
        match = fit.match
        return {
            "on": fit.on, "score": match.score if match else None, "level": match.level if match else None,
            "level_label": LEVELS[match.level] if match else None,
            "reason": fit.explanation.reason if fit.explanation else "",
        }  # fmt: skip
