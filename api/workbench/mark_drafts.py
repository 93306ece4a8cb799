"""Marks that an expert has put aside and not handed in: hers alone, they count for nothing."""

from datetime import datetime
from hashlib import blake2b

from pydantic import Field

from graph.processes import Move, Rules, State, moved, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from graph.values import Id, Text
from matcher.process_values import Paper

_EXPERT = "expert"


class MarkDraft(Paper):
    """评分草稿: what an expert has typed for a bid, as it was typed; ``handed_in`` once the marks were taken."""

    kind = "mark_draft"
    label = "评分草稿"

    task: Id = Field("", title="榜单编号")
    entry: Id = Field("", title="投标编号")
    expert: Id = Field("", title="专家编号")
    typed: dict[str, str] = Field({}, title="评分")
    remark: Text = Field("", title="意见")


RULES = Rules(
    states={"open": State(name="open", label="草稿"), "handed_in": State(name="handed_in", label="已提交")},
    moves={
        "save": Move(name="save", label="暂存", sources=("open",), target="open", roles=frozenset({_EXPERT})),
        "reopen": Move(
            name="reopen", label="再改", sources=("handed_in",), target="open", roles=frozenset({_EXPERT})
        ),
        "hand_in": Move(
            name="hand_in", label="提交", sources=("open",), target="handed_in", roles=frozenset({_EXPERT})
        ),
    },
)


def draft_of(store: Store, task: str, entry: str, expert: str) -> MarkDraft | None:
    """What the expert has put aside for the bid; None where there is nothing, or it was handed in."""
    known = store.process(MarkDraft, _id(task, entry, expert))
    return known if known is not None and known.state == "open" else None


def save_draft(
    store: Store, task: str, entry: str, expert: str, *, typed: dict[str, str], remark: str, actor: str, at: datetime
) -> None:  # fmt: skip
    """Put marks aside. Raises ``Refused`` (``process_value``: a mark of secrecy)."""
    since, id = store.revision(), _id(task, entry, expert)
    known, values = store.process(MarkDraft, id), {"typed": typed, "remark": remark}
    if known is None:
        after = opened(MarkDraft, RULES, id=id, at=at, task=task, entry=entry, expert=expert, **values)
    else:
        move = "save" if known.state == "open" else "reopen"
        after = moved(known, RULES, move, role=_EXPERT, at=at, values=values)
    store.apply([PutProcess(process=after)], actor=actor, at=at, since=since, reason=f"暂存 {entry} 的评分")


def end_draft(store: Store, task: str, entry: str, expert: str, *, actor: str, at: datetime) -> None:
    """The marks were handed in: what was put aside is over and empty."""
    since, known = store.revision(), draft_of(store, task, entry, expert)
    if known is not None:
        after = moved(known, RULES, "hand_in", role=_EXPERT, at=at, values={"typed": {}, "remark": ""})
        store.apply(
            [PutProcess(process=after)], actor=actor, at=at, since=since, reason=f"提交 {entry} 的评分"
        )


def _id(task: str, entry: str, expert: str) -> str:
    return blake2b(f"{task}\0{entry}\0{expert}".encode(), digest_size=12).hexdigest()
