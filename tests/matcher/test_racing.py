"""Races: gates, money that always sums, ends by rule."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.problems import Refused
from graph.processes import moved
from graph.store.store import Store
from matcher.bidding import abandon
from matcher.bids import Bid
from matcher.race_ledger import Balance, Entry, balance, paid_to
from matcher.races import Gate, Race, race_rules
from matcher.racing import called_off, extended, judged, left, new_race, race_step, start_race
from matcher.task_steps import move_task
from matcher.tasks import OFFICER, Decision, Task
from tests.matcher.boards import DAY, OPENING, YUAN, make_posted, plays_again, points, put_processes
from tests.matcher.test_bids import make_bid

START = OPENING + 20 * DAY
GATES = (
    Gate(name="样机", date=START + 10 * DAY, evidence="检测报告", tranche=300_000, best=2),
    Gate(name="试飞", date=START + 40 * DAY, evidence="试飞报告", tranche=400_000, threshold=Decimal(60)),
)
TEAMS = [bid.id for bid in (make_bid(1), make_bid(2), make_bid(3))]


def _won(*numbers: int) -> tuple[Task, list[Bid]]:
    bids = [make_bid(number).model_copy(update={"state": "won"}) for number in numbers]
    decisions = tuple(
        Decision(bid=bid.id, bidder=bid.bidder, points=Decimal(90), rank=rank, won=True, reason="好")
        for rank, bid in enumerate(bids, 1)
    )
    changed = {"state": "contracted", "decisions": decisions, "valid_bids": tuple(bid.id for bid in bids)}
    return make_posted(selection="赛马").model_copy(update=changed), bids


def _race(*gates: Gate) -> Race:
    task, bids = _won(1, 2, 3)
    return new_race(task, bids, gates or GATES, at=START)


def _judged(race: Race, *scores: int, at: datetime | None = None, shown: str = "材料") -> Race:
    ids = [team.bid for team in race.teams]
    gate = race.next_gate
    given = dict(zip(ids, points(*scores), strict=True))
    return judged(race, given, dict.fromkeys(ids, shown), at=at or (gate.date if gate else START))


def _states(race: Race) -> list[str]:
    return [team.state for team in race.teams]


def test_a_race_pays_who_passes_and_stops_who_does_not() -> None:
    race = _judged(_race(), 90, 80, 70)
    assert (_states(race), race.state, race.judged) == (["running", "running", "cut"], "running", 1)
    assert race.balance == Balance(budget=YUAN, reserved=YUAN - 1_300_000, released=600_000, returned=700_000)
    last = _judged(race, 70, 59, 0)
    assert (_states(last), last.state, last.winner) == (["finished", "cut", "cut"], "finished", TEAMS[0])
    assert last.balance == Balance(budget=YUAN, reserved=0, released=1_000_000, returned=YUAN - 1_000_000)
    assert [(one.gate, one.rank, one.passed) for one in last.results if one.team == TEAMS[1]] == [
        (1, 2, True),
        (2, 2, False),
    ]
    assert [paid_to(last.ledger, team) for team in TEAMS] == [700_000, 300_000, 0]


def test_equals_at_the_cut_all_pass_and_who_shows_nothing_does_not() -> None:
    assert _states(_judged(_race(), 90, 80, 80)) == ["running"] * 3
    race = _race()
    shown = {TEAMS[0]: "报告", TEAMS[1]: " ", TEAMS[2]: "报告"}
    after = judged(race, dict(zip(TEAMS, points(50, 99, 60), strict=True)), shown, at=GATES[0].date)
    assert _states(after) == ["running", "cut", "running"]
    assert [(one.points, one.reason) for one in after.results if one.team == TEAMS[1]] == [
        (Decimal(0), "没有提交证据")
    ]


def test_a_gate_with_no_team_left_ends_the_race_and_gives_back_what_is_reserved() -> None:
    race = _judged(_race(GATES[1]), 10, 20, 30)
    assert (race.state, race.winner, race.next_gate) == ("failed", "", None)
    assert race.balance == Balance(budget=YUAN, reserved=0, released=0, returned=YUAN)


def test_of_equal_teams_the_one_with_more_points_over_all_gates_wins() -> None:
    race = _judged(_judged(_race(), 80, 90, 70), 75, 75, 0)
    assert race.winner == TEAMS[1]


def test_a_team_leaves_with_what_it_pays_back_and_the_last_one_ends_the_race() -> None:
    race = _judged(_race(), 90, 80, 70)
    gone = left(race, TEAMS[0], reason="资金不足", refund=100_000, at=START + 11 * DAY)
    assert gone.balance == Balance(budget=YUAN, reserved=1_300_000, released=500_000, returned=1_200_000)
    over = left(gone, TEAMS[1], reason="产能不足", at=START + 12 * DAY)
    assert (over.state, over.balance.reserved, over.balance.released) == ("failed", 0, 500_000)
    for team, refund, message in (
        (TEAMS[0], 300_001, "退还"),
        (TEAMS[0], -1, "退还"),
        (TEAMS[2], 0, "在赛团队"),
        ("x", 0, "在赛团队"),
    ):
        with pytest.raises(Refused, match=message):
            left(race, team, reason="x", refund=refund, at=START + 11 * DAY)
    with pytest.raises(Refused, match="没有写理由"):
        left(race, TEAMS[0], reason=" ", at=START + 11 * DAY)


def test_a_gate_is_judged_from_its_date_and_put_off_once_for_all() -> None:
    race = _race()
    with pytest.raises(Refused, match="还没有到"):
        _judged(race, 1, 2, 3, at=GATES[0].date - timedelta(seconds=1))
    later = extended(race, START + 20 * DAY, reason="台风", at=START + 9 * DAY)
    assert [gate.date for gate in later.gates] == [START + 20 * DAY, GATES[1].date]
    with pytest.raises(Refused, match="还没有到"):
        _judged(later, 1, 2, 3, at=GATES[0].date)
    for date, message in (
        (START + 30 * DAY, "最多延期 1 次"),
        (START + 15 * DAY, "新日期应晚于"),
        (GATES[1].date, "早于下一个关口"),
    ):
        with pytest.raises(Refused, match=message):
            extended(later, date, reason="x", at=START + 9 * DAY)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ((), "没有关口"), ((GATES[0], GATES[0]), "关口重名"), (GATES[::-1], "没有一个比一个晚"),
        ((GATES[0].model_copy(update={"date": START}),), "没有一个比一个晚"),
        ((GATES[0].model_copy(update={"evidence": " "}),), "没有写要交什么证据"),
        ((GATES[0].model_copy(update={"threshold": Decimal(1)}),), "没有过关规则，或写了两种"),
        ((GATES[0].model_copy(update={"best": 0}),), "名额或金额不对"),
        ((GATES[1].model_copy(update={"threshold": Decimal(101)}),), "分数线不在 0 到 100"),
        ((GATES[0].model_copy(update={"tranche": 1_000_001}),), "超过榜金 300 万元"),
    ],
)  # fmt: skip
def test_gates_that_cannot_be_meant_or_paid_are_refused(gates: tuple[Gate, ...], message: str) -> None:
    task, bids = _won(1, 2, 3)
    with pytest.raises(Refused, match=message):
        new_race(task, bids, gates, at=START)


def test_a_race_starts_only_from_a_signed_task_with_two_or_three_teams() -> None:
    task, bids = _won(1, 2, 3)
    for changed, winners, message in (
        ({"state": "awarded"}, bids, "不是已签约"), ({"selection": "single"}, bids, "不是已签约"), ({}, bids[:1], "团队有 1 家"),
    ):  # fmt: skip
        with pytest.raises(Refused, match=message):
            new_race(task.model_copy(update=changed), winners, GATES, at=START)


@pytest.mark.parametrize(
    "ledger",
    [
        lambda race: race.ledger[1:],
        lambda race: (*race.ledger, Entry(entry="release", amount=YUAN + 1, at=START)),
        lambda race: (*race.ledger, Entry(entry="reserve", amount=1, at=START)),
        lambda race: (*race.ledger, Entry(entry="refund", amount=1, at=START)),
    ],
)
def test_no_move_takes_a_ledger_that_does_not_sum(ledger: Callable[[Race], Any]) -> None:
    race = _race()
    with pytest.raises(Refused, match="合计不等于预算"):
        moved(
            race,
            race_rules(),
            "cancel",
            role=OFFICER,
            at=START,
            values={"ledger": ledger(race), "reason": "x"},
        )


def test_a_race_goes_with_its_task(store: Store) -> None:
    task, bids = _won(1, 2)
    put_processes(store, [task, *bids])
    start_race(store, task.id, GATES, actor="甲", at=START)
    with pytest.raises(Refused, match="已经开始"):
        start_race(store, task.id, GATES, actor="甲", at=START)
    with pytest.raises(Refused, match="赛马还没有结束"):
        move_task(store, task.id, "assess", role=OFFICER, values={}, actor="甲", at=START)
    revision = store.revision()
    move_task(store, task.id, "cancel", role=OFFICER, values={"reason": "停建"}, actor="甲", at=START)
    race = store.process(Race, task.id)
    assert race is not None
    assert (store.revision(), race.state, race.balance.returned) == (revision + 1, "cancelled", YUAN)


@pytest.mark.parametrize("named", [(), TEAMS[:2]])
def test_a_gate_is_not_judged_while_a_running_team_has_no_points(named: Sequence[str]) -> None:
    given = dict.fromkeys(named, Decimal(90))
    with pytest.raises(Refused, match="没有得分，关口没有评"):
        judged(_race(), given, dict.fromkeys(TEAMS, "报告"), at=GATES[0].date)


def test_a_team_in_the_race_gives_up_only_once_it_has_left(store: Store) -> None:
    task, bids = _won(1, 2, 3)
    put_processes(store, [task, *bids])
    start_race(store, task.id, GATES, actor="甲", at=START)
    with pytest.raises(Refused, match="还在赛马中") as refused:
        abandon(store, task.id, bids[0].party, at=START, reason="资金不足")
    assert refused.value.code == "race_team"
    race_step(
        store, task.id, lambda race: left(race, TEAMS[0], reason="资金不足", at=START), actor="甲", at=START, reason=""
    )  # fmt: skip
    assert abandon(store, task.id, bids[0].party, at=START, reason="资金不足").state == "abandoned"


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("judge"), st.lists(st.integers(0, 3), min_size=3, max_size=3)),
        st.tuples(st.just("leave"), st.tuples(st.integers(0, 2), st.integers(0, 400_000))),
        st.tuples(st.sampled_from(["extend", "cancel", "early"]), st.none()),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def _step(name: str, told: Any, at: datetime) -> Callable[[Race], Race]:
    match name:
        case "judge" | "early":
            scores = [20 + 20 * number for number in told or (1, 1, 1)]
            given = dict(zip(TEAMS, points(*scores), strict=True))
            when = START if name == "early" else at
            return lambda race: judged(race, given, dict.fromkeys(TEAMS, "材料"), at=when)
        case "leave":
            return lambda race: left(race, TEAMS[told[0]], refund=told[1], reason="资金", at=at)
        case "extend":
            return lambda race: extended(race, at + DAY, reason="台风", at=at)
    return lambda race: called_off(race, reason="停建", at=at)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, best=st.integers(1, 3), tranche=st.integers(0, 500_000))
def test_after_any_sequence_of_moves_released_returned_and_reserved_make_up_the_budget(
    emptied: Callable[[], Store], steps: list[tuple[str, Any]], best: int, tranche: int
) -> None:
    store = emptied()
    task, bids = _won(1, 2, 3)
    put_processes(store, [task, *bids])
    gates = (GATES[0].model_copy(update={"best": best, "tranche": tranche}), GATES[1])
    race = start_race(store, task.id, gates, actor="甲", at=START)
    for name, told in steps:
        head, gate = store.head(), race.next_gate
        at = max(gate.date if gate and name == "judge" else race.moved_at, race.moved_at) + timedelta(
            seconds=1
        )
        before = race
        try:
            race = race_step(store, task.id, _step(name, told, at), actor="甲", at=at, reason=name)
        except Refused:
            assert store.head() == head
        money = race.balance
        assert money.reserved + money.released + money.returned == money.budget == YUAN
        assert min(money.reserved, money.released, money.returned) >= 0
        assert race.ledger[: len(before.ledger)] == before.ledger
        needed = sum(one.tranche for one in gates[race.judged :]) * len(race.running)
        assert money.reserved >= needed or race.state != "running"
        assert (money.reserved == 0) >= (race.state != "running")
        assert bool(race.running) == (race.state == "running") or race.state == "cancelled"
        assert store.process(Race, task.id) == race
    first = race.ledger[0]
    assert balance([first]) == Balance(budget=YUAN, reserved=YUAN, released=0, returned=0)
    assert len(store.history_of_process("race", task.id)) == store.revision() - 1
    plays_again(store, Task, Bid, Race)
