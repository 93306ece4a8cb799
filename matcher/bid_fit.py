"""How well an opened bid fits its task: the ranking's score of the pair, and indicator by indicator.

Asked of the one pipeline: the achievement that a bid names against the task's scene, or the bid's own text as one that
is not stored (for a 成果转化榜: the scene it brings against the achievement).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from graph.kinds import Achievement, Node, Scene
from matcher.bid_checks import replied
from matcher.bids import Bid, Reply
from matcher.engine import UNSAVED, Engine
from matcher.explanation import Explanation
from matcher.indicators import Answer, Indicator
from matcher.ranking import COUNTERPARTS, Match
from matcher.task_quality import subject_of
from matcher.tasks import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """``match`` and ``explanation`` are None where neither side is stored; ``on`` says what was compared."""

    bid: str
    match: Match | None
    explanation: Explanation | None
    on: str
    replies: tuple[tuple[Indicator, Reply | None, Answer], ...]


def bid_fits(engine: Engine, task: Task, bids: Sequence[Bid], *, today: date) -> list[Fit]:
    """The fit of each bid, in their order. Only for those who may see the bids."""
    engine.refresh()
    subject = subject_of(engine, task)
    return [_fit(engine, task, bid, subject, today) for bid in bids]


def _fit(engine: Engine, task: Task, bid: Bid, subject: Node | None, today: date) -> Fit:
    replies = tuple(replied(bid, task))
    kind = "scene" if task.mode == "offer" else "achievement"
    own, pair, on = (
        subject,
        (kind, bid.record),
        f"所依据的{'成果' if kind == 'achievement' else '场景'} {bid.record}",
    )
    if not bid.record or engine.store.get(*pair) is None:
        own, on = _written(bid, kind, replies), "投标文本"
        pair = (COUNTERPARTS[kind], subject.id) if subject is not None and subject.id != UNSAVED else ("", "")
    if own is None or not pair[0]:
        return Fit(
            bid=bid.id, match=None, explanation=None, on="榜单和投标都没有关联库中的记录", replies=replies
        )
    match = engine.ranking.score(own, pair[0], [pair[1]], today=today).get(pair[1])
    explained = engine.explain(own, [match]) if match else []
    return Fit(
        bid=bid.id, match=match, explanation=explained[0] if explained else None, on=on, replies=replies
    )


def _written(bid: Bid, kind: str, replies: Sequence[tuple[Indicator, Reply | None, Answer]]) -> Node:
    title = bid.title or bid.scheme[:60]
    told = (answer.offer.text if answer.offer else reply.text for _, reply, answer in replies if reply)
    said = "；".join(told)
    if kind == "scene":
        return Scene(id=UNSAVED, title=title, problem=bid.scheme, indicators=said, owner=bid.bidder)
    return Achievement(
        id=UNSAVED, title=title, summary=bid.scheme, advantages=bid.team, indicators=said, owner=bid.bidder
    )
