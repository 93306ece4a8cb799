"""Tasks at every stage and cases, for the pages: over the small world of these tests, or the sample's. All fictional."""

import shutil
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from graph.kinds import Expert, Institution
from graph.store.changes import PutNode
from graph.store.store import Store
from matcher.bidding import hand_in, open_bids
from matcher.case_steps import add_case
from matcher.home import Home
from matcher.races import Gate
from matcher.racing import judged, race_step, start_race
from matcher.review_processes import Mark
from matcher.review_steps import assign_bids, draw_panel, take_marks
from matcher.task_steps import change_task, move_task, signed
from matcher.tasks import Milestone
from tests.factories import NOON
from tests.matcher.boards import (
    DAY,
    OPENING,
    award_by_points,
    bid_values,
    bids_of,
    make_posted,
    make_task,
    points,
    put_processes,
)

DRAFT, SEALED, MARKING, NOTICE, RACING, CLOSED = (f"BD-2026-00{n}" for n in range(1, 7))
CASE = "AL-2026-001"
EXPERTS = 7
# Words of a bid that is for nobody's eyes before its opening.
SECRET = "三冗余飞控与氢电混动"


def boarded(indexed: Path, folder: Path) -> Path:
    """A copy of a home with the board in it, under the folder."""
    home = folder / "home"
    shutil.copytree(indexed, home)
    with Home(path=home).open_store(create=False) as store:
        put_board(store)
    return home


def put_board(store: Store, scene: str = "CJ-1") -> None:
    """A task in 需求登记, one with sealed bids past its deadline, one half marked, one with its award public, a race, one closed."""
    nodes = [
        *(Institution(id=f"JG-9{n}", title=f"第{n}大学") for n in range(EXPERTS)),
        *(Expert(id=f"ZJ-{n}", title=f"评委{n}", organisation=f"第{n}大学", specialities="无人机") for n in range(EXPERTS)),
    ]  # fmt: skip
    store.apply([PutNode(node=node) for node in nodes], actor="程某", at=NOON, reason="专家")
    usual: dict[str, Any] = {"about": (("scene", scene),), "experts": 5, "notice_days": 0, "quota": 99}
    race = {"selection": "race", "title": "海岛夜航物流平台"}
    put_processes(store, [
        make_task(DRAFT, title="低空应急投送", indicators="抗风先进", deadline=datetime(2099, 6, 30, 9, tzinfo=NOON.tzinfo)),
        make_posted(SEALED, **usual), make_posted(MARKING, **usual),
        make_posted(NOTICE, title="近岸巡检无人艇", **usual | {"notice_days": 3}), make_posted(RACING, **usual | race),
        make_posted(CLOSED, title="网箱自动投喂", **usual),
    ])  # fmt: skip
    before = OPENING - 2 * DAY
    for id, numbers in (
        (SEALED, (1,)),
        (MARKING, (2, 3, 4)),
        (NOTICE, (5, 6)),
        (RACING, (7, 8)),
        (CLOSED, (9,)),
    ):
        for number in numbers:
            assert hand_in(store, id, values=bid_values(number, scheme=SECRET), at=before).bid
    for id in (MARKING, NOTICE, RACING, CLOSED):
        open_bids(store, id, actor="程某", at=OPENING)
    _mark(store)
    _decide(store, NOTICE, is_over=False)
    _decide(store, RACING)
    gates = [
        Gate(name="样机试飞", date=OPENING + 40 * DAY, evidence="检测报告", tranche=400_000, threshold=Decimal(60)),
        Gate(name="试运行", date=OPENING + 9000 * DAY, evidence="运行记录", tranche=600_000, best=1),
    ]  # fmt: skip
    _sign(store, RACING)
    start_race(store, RACING, gates, actor="何主任", at=OPENING + 30 * DAY)
    teams = [bid.id for bid in bids_of(store) if bid.task == RACING]
    race_step(
        store, RACING,
        lambda one: judged(one, dict(zip(teams, points(88, 71), strict=True)), dict.fromkeys(teams, "检测报告"), at=OPENING + 41 * DAY),
        actor="何主任", at=OPENING + 41 * DAY, reason="关口“样机试飞”评审",
    )  # fmt: skip
    _decide(store, CLOSED)
    _sign(store, CLOSED)
    _close(store)
    add_case(store, id=CASE, actor="张敏", at=OPENING, title="海岛无人机送药常态化", owner="澜川海岛发展有限公司", scene_id=scene, summary="外岛送药靠船")  # fmt: skip


def _mark(store: Store) -> None:
    """The panel drawn, everything given out, and all marks of one expert in."""
    assert draw_panel(store, MARKING, seed=3, actor="何主任", at=OPENING).panel
    review = assign_bids(
        store, MARKING, lambda material, experts: np.ones((len(material.bids), len(experts))), actor="何主任", at=OPENING,
    ).review  # fmt: skip
    assert review is not None
    first = sorted(review.experts)[0]
    marks = [
        Mark(expert=first, entry=entry, marks={name: "12" for name, _ in review.full_marks}, remark="续航论证不足")
        for entry, readers in review.readers.items() if first in readers
    ]  # fmt: skip
    assert not isinstance(take_marks(store, MARKING, marks, actor="何主任", at=OPENING), list)


def _decide(store: Store, id: str, *, is_over: bool = True) -> None:
    """An award by points of all bids, in force; or public since now."""
    bids = [bid.id for bid in bids_of(store) if bid.task == id]
    given = dict(zip(bids, points(90, 85)[: len(bids)], strict=True))
    if is_over:
        award_by_points(store, id, given, at=OPENING + DAY, winners=len(bids))
        return
    from matcher import awarding

    awarding.propose_by_points(store, id, points=given, reasons=dict.fromkeys(bids, "指标全面"), actor="何主任", at=OPENING)  # fmt: skip
    awarding.publish(store, id, actor="何主任", at=datetime(2099, 1, 5, tzinfo=NOON.tzinfo))
    awarding.object_to(store, id, by="第6号航空科技有限公司", text="业绩存疑", actor="何主任", at=datetime(2099, 1, 6, 3, tzinfo=NOON.tzinfo))  # fmt: skip


def _sign(store: Store, id: str) -> None:
    at = OPENING + 20 * DAY
    planned = () if id == RACING else (Milestone(name="交付", planned=at + 30 * DAY, amount=500_000),)
    change_task(store, id, lambda one: signed(one, planned, at=at), actor="何主任", at=at, reason="签约")


def _close(store: Store) -> None:
    from matcher.task_steps import with_milestone

    at = OPENING + 45 * DAY
    change_task(store, CLOSED, lambda one: with_milestone(one, "交付", role="officer", note="验收单", at=at), actor="何主任", at=at, reason="记里程碑")  # fmt: skip
    move_task(store, CLOSED, "assess", role="officer", values={}, actor="何主任", at=at)
    done = {"points": Decimal(92), "grade": "优秀", "report": "已全部验收"}
    move_task(store, CLOSED, "close", role="officer", values=done, actor="何主任", at=at + timedelta(days=1))
