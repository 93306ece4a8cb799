"""Bids (投标): what an organisation answers to a task, sealed until the task is opened.

One bid per bidder and task: its id is made from the task and who the bidder is. ``seen_bid`` alone decides who may see
a bid; the content of one that was never opened is for its bidder only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any

from pydantic import Field

from graph.problems import Problem
from graph.processes import Move, Rules, State
from graph.values import Flag, Id, Text, Title, Uscc, Words, clean_cell
from matcher.parties import Party
from matcher.process_values import Paper, Part, Yuan, in_china, to_the_second
from matcher.tasks import EXPERT, OFFICER, POSTER, SYSTEM, Task

BIDDER = "bidder"


class Member(Part):
    """One organisation of a consortium; exactly one leads."""

    name: str
    uscc: str | None = None
    leads: bool = False

    @property
    def party(self) -> Party:
        """Who it is."""
        return Party(name=self.name, uscc=self.uscc)


class Reply(Part):
    """What a bid says to one indicator of the task, named as the task words it."""

    indicator: str
    text: str
    evidence: str = ""


class Bid(Paper):
    """A bid. ``amount`` in 元; ``record`` is the stored achievement (scene, for a 成果转化榜) it builds on.

    ``deadline`` is the task's when the bid was last handed in or withdrawn.
    """

    kind = "bid"
    label = "投标"

    task: Id = Field("", title="榜单编号")
    bidder: Title = Field("", title="投标单位")
    bidder_uscc: Uscc = Field(None, title="投标单位信用代码")
    members: tuple[Member, ...] = Field((), title="联合体")
    title: Title = Field("", title="方案名称")
    scheme: Text = Field("", title="技术方案")
    team: Text = Field("", title="团队与条件")
    amount: Yuan = Field(None, title="申请金额（万元）")
    replies: tuple[Reply, ...] = Field((), title="指标应答")
    ip_statement: Text = Field("", title="知识产权声明")
    record: Id = Field("", title="所依据成果（场景）编号")
    earlier: tuple[Id, ...] = Field((), title="曾中榜的榜单编号")
    dishonest: Flag = Field(None, title="是否失信被执行人")
    representative: Title = Field("", title="法定代表人")
    people: Words = Field((), title="主要成员")
    brokers: Words = Field((), title="委托的技术经纪人")
    avoids: Words = Field((), title="申请回避的专家")
    submitted_at: datetime | None = Field(None, title="投标时间")
    deadline: datetime | None = Field(None, title="投标截止")
    faults: tuple[str, ...] = Field((), title="不合格原因")
    reason: Text = Field("", title="说明")

    @property
    def party(self) -> Party:
        """Who bids: the organisation that leads."""
        return Party(name=self.bidder, uscc=self.bidder_uscc, representative=self.representative)

    @property
    def parties(self) -> tuple[Party, ...]:
        """All who stand behind it, the leading one first, each once."""
        others = (member.party for member in self.members if member.party.key != self.party.key)
        return (self.party, *dict.fromkeys(others))


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks: ``officer``, ``expert``, ``poster``, ``bidder``, or anything else for the public."""

    role: str
    party: Party | None = None


def seen_bid(bid: Bid, task: Task, viewer: Viewer) -> Bid | None:
    """The bid if the viewer may see it, else None; there is nothing between.

    A bidder sees its own at any time and never another's. Once the task's bids have been opened officers, experts and
    the poster of that task see those that were opened. A bid withdrawn in time stays its bidder's.
    """
    if bid.task != task.id:
        return None
    if viewer.role == BIDDER:
        return bid if viewer.party is not None and viewer.party.key == bid.party.key else None
    if not task.is_unsealed or bid.state in _SEALED:
        return None
    if viewer.role == POSTER:
        return bid if viewer.party is not None and viewer.party.key == task.poster_party.key else None
    return bid if viewer.role in (OFFICER, EXPERT) else None


def seen_count(task: Task, viewer: Viewer) -> int | None:
    """How many bids a task has: for officers at any time, for all others once they have been opened."""
    return task.bids if viewer.role == OFFICER or task.is_unsealed else None


def bid_id(task: str, bidder: Party) -> str:
    """The one id that a bidder's bid on a task can have (BLAKE2b, 48 bits)."""
    mark = blake2b(f"{task}\n{bidder.key}".encode(), digest_size=6).hexdigest()
    return f"{task}-{mark}"


def own_bids(bids: Iterable[Bid], bidder: Party) -> list[Bid]:
    """The bids that the party leads."""
    return [bid for bid in bids if bid.party.key == bidder.key]


def _in_time(bid: Bid, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """To the second: what comes in the last second of the deadline is in time."""
    deadline = values.get("deadline")
    if deadline is not None and to_the_second(at) <= deadline:
        return None
    told = f"投标已于 {in_china(deadline)} 截止" if deadline else "没有投标截止"
    return Problem(
        code="bid_late", message=f"{told}，不能再投标、替换或撤回", remedy="截止后不得撤回；如果中榜，可书面放弃"
    )  # fmt: skip


def _reasoned(bid: Bid, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if clean_cell(values.get("reason", "")):
        return None
    return Problem(code="bid_reason", message="没有写理由", remedy="请写明理由，它会告知有关各方")


def _faulted(bid: Bid, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if values.get("faults"):
        return None
    return Problem(code="bid_faults", message="没有写不合格原因", remedy="请逐条写明")


def _only(*names: str) -> Any:
    def check(bid: Bid, values: Mapping[str, Any], at: datetime) -> Problem | None:
        if set(values) <= set(names):
            return None
        return Problem(code="bid_fixed", message="投标内容在截止后不能改动", remedy="只能记录评审结果")

    return check


# Not opened, or not to be.
_SEALED = ("submitted", "withdrawn")
STATES = {
    "submitted": ("已投标（密封）", False), "withdrawn": ("已撤回", False), "opened": ("有效", False),
    "invalid": ("不合格", True), "won": ("中榜", False), "lost": ("未中榜", False), "abandoned": ("放弃中榜", True),
}  # fmt: skip
_CONTENT = tuple(
    name
    for name in Bid.model_fields
    if name in {"members", "title", "scheme", "team", "amount", "replies", "ip_statement", "record", "earlier",
                "dishonest", "bidder", "bidder_uscc", "representative", "people", "brokers", "avoids", "submitted_at", "deadline"}
)  # fmt: skip
_MOVES: tuple[tuple[str, str, tuple[str, ...], str, tuple[str, ...], tuple[Any, ...]], ...] = (
    ("replace", "替换", ("submitted", "withdrawn"), "submitted", (BIDDER,), (_only(*_CONTENT), _in_time)),
    ("withdraw", "撤回", ("submitted",), "withdrawn", (BIDDER,), (_only("deadline", "reason"), _in_time)),
    ("open", "开标", ("submitted",), "opened", (OFFICER, SYSTEM), (_only("reason"),)),
    ("refuse", "判为不合格", ("submitted",), "invalid", (OFFICER, SYSTEM), (_only("faults"), _faulted)),
    ("win", "中榜", ("opened",), "won", (OFFICER, SYSTEM), (_only("reason"), _reasoned)),
    ("lose", "未中榜", ("opened",), "lost", (OFFICER, SYSTEM), (_only("reason"), _reasoned)),
    ("reconsider", "退回重评", ("won", "lost"), "opened", (OFFICER, SYSTEM), (_only("reason"), _reasoned)),
    ("abandon", "放弃中榜", ("won",), "abandoned", (BIDDER,), (_only("reason"), _reasoned)),
)  # fmt: skip


@cache
def bid_rules() -> Rules:
    """The states of a bid and its moves."""
    states = {name: State(name=name, label=label, final=final) for name, (label, final) in STATES.items()}
    moves = {
        name: Move(name=name, label=label, sources=sources, target=target, roles=frozenset(roles), requires=requires)
        for name, label, sources, target, roles, requires in _MOVES
    }  # fmt: skip
    return Rules(states=states, moves=moves)
