"""A board to try things on: a task posted by a firm, bidders with valid codes, bids that pass every formal check."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graph.identifiers.uscc import organisation_check_digit, uscc_check_digit
from graph.processes import Process, moved
from graph.store.changes import PutProcess
from graph.store.records import process_from
from graph.store.store import Store, open_store
from matcher import awarding
from matcher.bids import Bid, Reply
from matcher.parties import Party
from matcher.register import Register
from matcher.task_drafts import new_task
from matcher.task_steps import published, with_opinion
from matcher.tasks import OFFICER, Task, task_rules
from tests.factories import NOON

DAY = timedelta(days=1)
DEADLINE = NOON + 30 * DAY
OPENING = DEADLINE + timedelta(seconds=1)
POSTER = Party(name="澜川海岛发展有限公司", uscc="")
YUAN = 3_000_000


def uscc(number: int, kind: str = "91") -> str:
    """A valid code of a firm of one's own number."""
    first = f"MA{number:06d}"
    body = f"{kind}440400{first}{organisation_check_digit(first)}"
    return body + uscc_check_digit(body)


def firm(number: int) -> Party:
    """A bidder."""
    return Party(name=f"第{number}号航空科技有限公司", uscc=uscc(number))


def make_task(id: str = "BD-2026-001", *, at: datetime = NOON, **values: Any) -> Task:
    """A task in 需求登记 with everything that posting asks for."""
    usual: dict[str, Any] = {
        "title": "海岛物资无人机投送", "poster": "澜川海岛发展有限公司", "poster_uscc": uscc(900),
        "problem": "海上阵风大，现有机型抗风不足，只能停飞等待风小。", "indicators": "抗风等级≥7级；航程≥30km",
        "content": "整机两套和三个月伴飞", "bounty": YUAN, "deadline": DEADLINE, "acceptance": "第三方检测达到全部指标",
        "about": (("scene", "CJ-1"),),
    }  # fmt: skip
    return new_task(id, at=at, **(usual | values))


def make_posted(id: str = "BD-2026-001", **values: Any) -> Task:
    """A task that takes bids."""
    task = moved(make_task(id, **values), task_rules(), "submit", role=OFFICER, at=NOON, values={})
    return published(with_opinion(task, expert="程某", agrees=True, text="同意", at=NOON), at=NOON)


def bid_values(number: int = 1, **values: Any) -> dict[str, Any]:
    """What a bidder hands in: passes every formal check of ``make_task``."""
    bidder = firm(number)
    usual: dict[str, Any] = {
        "bidder": bidder.name, "bidder_uscc": bidder.uscc, "title": "复合翼无人机", "scheme": "复合翼垂直起降，抗七级风",
        "team": "工程师十人", "amount": YUAN - number * 10_000, "ip_statement": "自有专利，无纠纷", "dishonest": False,
        "replies": (Reply(indicator="抗风等级≥7级", text="抗风等级7级"), Reply(indicator="航程≥30km", text="45km")),
    }  # fmt: skip
    return usual | values


def put_processes(store: Store, processes: Iterable[Any]) -> None:
    """Put the processes as one batch."""
    store.apply([PutProcess(process=one) for one in processes], actor="程某", at=NOON, reason="")


def plays_again(store: Store, *kinds: type[Process]) -> None:
    """The last entry of each history is the process, and the history makes the same store anew."""
    kept = [process for kind in kinds for process in store.processes(kind)]
    for process in kept:
        last = store.history_of_process(process.kind, process.id)[-1].after
        assert process_from(type(process), json.dumps(last)) == process
    assert store.verify_history() == []
    with TemporaryDirectory() as folder, open_store(Path(folder) / "again.db") as again:
        again.apply(store.records_at(store.revision()), actor="甲", at=NOON, reason="")
        assert [process for kind in kinds for process in again.processes(kind)] == kept


def points(*values: int) -> list[Decimal]:
    """Points with two decimals."""
    return [Decimal(value).quantize(Decimal("0.01")) for value in values]


def register_of(*nodes: Any, edges: Iterable[Any] = ()) -> Register:
    """A register of the nodes."""
    return Register(nodes, edges)


def bids_of(store: Store, state: str | None = None) -> list[Bid]:
    """The stored bids in the order of their bidders' names."""
    return sorted(store.processes(Bid, state=state), key=lambda bid: bid.bidder)


def award_by_points(
    store: Store, task_id: str, scores: Mapping[str, Decimal], *, at: datetime, winners: int | None = None
) -> Task:
    """Propose by points, make public, put into force as soon as the notice is over."""
    said = dict.fromkeys(scores, "见评审")
    awarding.propose_by_points(
        store, task_id, points=scores, reasons=said, winners=winners, actor="甲", at=at
    )
    ends = awarding.publish(store, task_id, actor="甲", at=at).award.notice_ends
    return awarding.confirm(store, task_id, actor="甲", at=max(at, ends or at)).task
