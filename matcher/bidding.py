"""What happens to bids in a store: handed in, withdrawn, opened, given up. Each is one batch, or nothing at all.

Every bid that comes or goes also moves its task (the number of bids), so that an opening and a bid cannot pass each
other by: whoever writes second is refused, or, where only another bidder was quicker, looks again and tries anew.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import permutations
from typing import Any, TypeVar

from graph.kinds import Achievement, Scene
from graph.problems import Problem, Refused
from graph.processes import moved, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.bid_checks import Proceedings, errors, formal_problems
from matcher.bids import BIDDER, Bid, bid_id, bid_rules
from matcher.parties import Party, plain
from matcher.process_values import in_china, to_the_second
from matcher.races import Race
from matcher.register import Register
from matcher.tasks import OFFICER, SYSTEM, Task, carry_out, task_rules

# Bidders who come in the same second of a deadline: each looks again this often.
_TRIES = 20
_HAND = "投标人"  # who a sealed bid is written by in the history: the history must not tell who bids
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedIn:
    """A bid handed in, or None and the errors that refused it; warnings either way."""

    bid: Bid | None
    replaced: bool
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A task whose bids are open: ``bids`` are those that were handed in, by time and id; ``notes`` what to mind, by bid."""

    task: Task
    bids: tuple[Bid, ...]
    notes: Mapping[str, tuple[Problem, ...]]


def check_bid(store: Store, task_id: str, *, values: Mapping[str, Any], at: datetime) -> HandedIn:
    """What ``hand_in`` would say now; nothing is written. Raises ``Refused`` likewise."""
    around = Proceedings.of(store)
    return _checked(store, around, named_task(around, task_id), values, at)


def hand_in(store: Store, task_id: str, *, values: Mapping[str, Any], at: datetime) -> HandedIn:
    """Hand in a bid, or replace the bidder's own, where the formal checks find no error.

    ``values`` are attributes of ``Bid``; of a bid that is replaced those not named stay. The history does not say who
    bids. Raises ``Refused``: ``task_unknown``, ``process_value``, ``move_…`` and ``plan_stale`` where the bidder's own
    bid was changed meanwhile or the task was.
    """
    first: list[Bid | None] = []

    def attempt() -> HandedIn:
        around = Proceedings.of(store)
        task = named_task(around, task_id)
        found = _checked(store, around, task, values, at)
        if found.bid is None:
            return found
        before = next((bid for bid in around.bids if bid.id == found.bid.id), None)
        first.append(before)
        if first[0] != before:
            raise Refused(
                "bid_twice",
                "本单位的投标刚刚由别人办理过，这次没有写入。",
                "请先查看现在的投标，再决定是否替换。",
            )
        more = 0 if before and before.state == "submitted" else 1
        _write(store, around, _counted(task, more, at), [found.bid], at, "收到投标" if more else "替换投标")
        return found

    return _again(attempt)


def withdraw(store: Store, task_id: str, bidder: Party, *, at: datetime, reason: str = "") -> Bid:
    """Withdraw the bidder's bid before the deadline. Raises ``Refused``: ``bid_unknown``, ``move_…``, ``plan_stale``.

    A bid that is withdrawn while the task is being opened is refused: the deadline has passed by then, and of two
    writers the second is told so.
    """

    def attempt() -> Bid:
        around = Proceedings.of(store)
        task, bid = named_task(around, task_id), own_bid(around, task_id, bidder)
        _refuse_late(task, at)
        values = {"deadline": task.deadline, "reason": reason}
        gone = moved(bid, bid_rules(), "withdraw", role=BIDDER, at=at, values=values)
        _write(store, around, _counted(task, -1, at), [gone], at, "撤回投标")
        return gone

    return _again(attempt)


def abandon(store: Store, task_id: str, bidder: Party, *, at: datetime, reason: str) -> Bid:
    """A winner gives up in writing; the officer then has the task judged anew. Raises ``Refused`` as ``moved`` does.

    ``race_team``: it is still in the race, where money is reserved for it; it leaves that first.
    """
    around, race = Proceedings.of(store), store.process(Race, task_id)
    task, bid = named_task(around, task_id), own_bid(around, task_id, bidder)
    if race is not None and bid.id in {team.bid for team in race.running} and race.state == "running":
        raise Refused(
            "race_team",
            f"“{bid.bidder}”还在赛马中，为它预留了资金。",
            f"请先退出赛马（jiebang race withdraw {task.id} 单位），再放弃中榜。",
        )
    gone = moved(bid, bid_rules(), "abandon", role=BIDDER, at=at, values={"reason": reason})
    name = "abandon" if task.state == "awarded" else f"abandon_{task.state}"
    decisions = tuple(
        one.model_copy(update={"abandoned": True}) if one.bid == bid.id else one for one in task.decisions
    )
    task = moved(task, task_rules(), name, role=SYSTEM, at=at, values={"decisions": decisions})
    _write(store, around, task, [gone], at, f"放弃中榜：{reason}", by=bid.bidder)
    return gone


def open_bids(store: Store, task_id: str, *, actor: str, at: datetime) -> Opening:
    """Open all bids of a task whose deadline has passed, with their formal checks made anew.

    With no valid one the task comes to nothing (流标). Raises ``Refused``: ``task_unknown``, ``move_…``, ``plan_stale``.
    """
    around = Proceedings.of(store)
    task = named_task(around, task_id)
    handed = [bid for bid in around.of_task(task.id) if bid.state == "submitted"]
    handed.sort(key=lambda bid: (bid.submitted_at or bid.opened_at, bid.id))
    found = {bid.id: formal_problems(bid, task, around, at=at) for bid in handed}
    bids = [_opened(bid, errors(found[bid.id]), at) for bid in handed]
    valid = tuple(bid.id for bid in bids if bid.state == "opened")
    values = {"unsealed_at": to_the_second(at), "bids": len(bids), "valid_bids": valid}
    # Of a task that takes no bids it is the opening that is refused, not that it came to nothing.
    name = "evaluate" if valid or task.state != "published" else "void"
    task = moved(task, task_rules(), name, role=OFFICER, at=at, values=values)
    _write(store, around, task, bids, at, f"开标：收到 {len(bids)} 个，有效 {len(valid)} 个", by=actor)
    joint = _joint(handed, around.register)
    notes = {bid.id: (*found[bid.id], *joint.get(bid.id, ())) for bid in handed}
    return Opening(task=task, bids=tuple(bids), notes=notes)


def ranked(task: Task, bids: Sequence[Bid], points: Mapping[str, Decimal]) -> list[Bid]:
    """The bids by points, best first; equals by the task's tie rule, at last by id."""

    def place(bid: Bid) -> tuple[Any, ...]:
        came = bid.submitted_at or bid.opened_at
        tie = (bid.amount or 0, came) if task.tie_rule == "lower_amount" else (came,)
        return (-points[bid.id], *tie, bid.id)

    return sorted(bids, key=place)


def named_task(around: Proceedings, id: str) -> Task:
    """The task. Raises ``Refused`` (``task_unknown``)."""
    if id not in around.tasks:
        raise Refused(
            "task_unknown", f"没有编号为“{id}”的榜单。", "请核对编号；jiebang task list 列出全部榜单。"
        )
    return around.tasks[id]


def own_bid(around: Proceedings, task_id: str, bidder: Party) -> Bid:
    """The bidder's bid on the task. Raises ``Refused`` (``bid_unknown``)."""
    wanted = bid_id(task_id, around.register.completed(bidder))
    for bid in around.bids:
        if bid.id == wanted:
            return bid
    raise Refused(
        "bid_unknown",
        f"“{bidder.name or bidder.key}”没有投 {task_id}。",
        "请核对榜单编号和统一社会信用代码。",
    )


def _checked(
    store: Store, around: Proceedings, task: Task, values: Mapping[str, Any], at: datetime
) -> HandedIn:
    bid, before = _drafted(around, task, values, at)
    unsent = bid.model_copy(update={"submitted_at": None})
    problems = [*formal_problems(unsent, task, around, at=at), *_of_record(store, bid, task, around.register)]
    replaced = before is not None and before.state == "submitted"
    return HandedIn(bid=None if errors(problems) else bid, replaced=replaced, problems=tuple(problems))


def _drafted(
    around: Proceedings, task: Task, values: Mapping[str, Any], at: datetime
) -> tuple[Bid, Bid | None]:
    """The bid as it would be, and the bidder's own before it."""
    given = {**values, "task": task.id, "submitted_at": to_the_second(at), "deadline": task.deadline}
    # Read once, so that a code typed with spaces is the code.
    read = opened(Bid, bid_rules(), id="-", at=at, **given)
    party = around.register.completed(read.party)
    id = bid_id(task.id, party)
    before = next((bid for bid in around.bids if bid.id == id), None)
    if before is None:
        return opened(Bid, bid_rules(), id=id, at=at, **{**given, "bidder_uscc": party.uscc}), None
    changed = {**given, "bidder_uscc": party.uscc, "bidder": read.bidder or before.bidder}
    changed.pop("task")
    return moved(before, bid_rules(), "replace", role=BIDDER, at=at, values=changed), before


def _of_record(store: Store, bid: Bid, task: Task, register: Register) -> Iterator[Problem]:
    """The record that a bid builds on is there, of the right kind, and the bidder's."""
    if not bid.record:
        return
    kind, label = ("achievement", "成果") if task.mode == "demand" else ("scene", "场景")
    node = store.get(kind, bid.record)
    if not isinstance(node, (Scene, Achievement)):
        yield Problem(
            code="bid_record_unknown", message=f"库中没有编号为“{bid.record}”的{label}", remedy="请核对编号；不在库中的可以不填"
        )  # fmt: skip
        return
    owner = register.owner(node)
    if owner and not any(register.kinship(owner, party) == "same" for party in bid.parties):
        yield Problem(
            code="bid_record_of_others", message=f"{label}“{node.title}”属于“{owner.name}”，不在投标单位之列",
            remedy="请附授权，或联合投标", severity="warning",
        )  # fmt: skip


def _opened(bid: Bid, faults: Sequence[Problem], at: datetime) -> Bid:
    if faults:
        values = {"faults": tuple(f"{fault.message}" for fault in faults)}
        return moved(bid, bid_rules(), "refuse", role=SYSTEM, at=at, values=values)
    return moved(bid, bid_rules(), "open", role=SYSTEM, at=at, values={})


def related(bids: Sequence[Bid], register: Register) -> dict[tuple[str, str], str]:
    """By the ids of two bids of one task, either way round, how those behind them are related (Chinese)."""
    words = {
        "same": "同一单位", "namesake": "同名单位", "parent": "控股关系", "subsidiary": "控股关系", "group": "共同的控股单位"
    }  # fmt: skip
    found: dict[tuple[str, str], str] = {}
    for one, other in permutations(bids, 2):
        kin = {register.kinship(a, b) for a in one.parties for b in other.parties} - {""}
        told = [words[name] for name in sorted(kin)]
        if plain(one.representative) and plain(one.representative) == plain(other.representative):
            told.append("同一法定代表人")
        if told:
            found[one.id, other.id] = "、".join(dict.fromkeys(told))
    return found


def _joint(bids: Sequence[Bid], register: Register) -> dict[str, list[Problem]]:
    """Bids of one task behind which the same or related organisations stand: for a person to look at."""
    names, found = {bid.id: bid.bidder for bid in bids}, dict[str, list[Problem]]()
    for (one, other), told in related(bids, register).items():
        message, remedy = f"与“{names[other]}”的投标有{told}", "请核实是否各自独立投标"
        problem = Problem(code="bid_joint", message=message, remedy=remedy, severity="warning")
        found.setdefault(one, []).append(problem)
    return found


def _refuse_late(task: Task, at: datetime) -> None:
    """The rule for whoever wants its bid back while bids are being opened, or later."""
    if task.state != "published" or task.deadline is None or to_the_second(at) > task.deadline:
        told = f"投标已于 {in_china(task.deadline)} 截止" if task.deadline else "榜单还没有发"
        raise Refused(
            "bid_late",
            f"{told}，不能再撤回。",
            "截止后不得撤回；如果中榜，可书面放弃（jiebang bid abandon）。",
        )


def _counted(task: Task, more: int, at: datetime) -> Task:
    return moved(task, task_rules(), "receive", role=SYSTEM, at=at, values={"bids": task.bids + more})


def _write(
    store: Store, around: Proceedings, task: Task, bids: Sequence[Bid], at: datetime, reason: str, by: str = _HAND
) -> None:  # fmt: skip
    changes = [PutProcess(process=process) for process in (task, *bids)]
    carry_out(store, changes, actor=by, at=at, reason=reason, since=around.revision)


def _again(attempt: Callable[[], T]) -> T:
    for _ in range(_TRIES - 1):
        try:
            return attempt()
        except Refused as refused:
            if refused.code != "plan_stale":
                raise
    return attempt()
