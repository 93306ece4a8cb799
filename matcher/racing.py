"""Carrying a race out: start, judge a gate, put it off, let a team leave, call it off; each a race after the race before.

The store's steps at the end write one batch each, or nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from graph.problems import Refused
from graph.processes import moved, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.bid_checks import Proceedings
from matcher.bidding import named_task
from matcher.bids import Bid
from matcher.process_values import in_china, in_wan, to_the_second
from matcher.race_ledger import Entry, balance, paid_to
from matcher.races import TEAM, Gate, Race, Result, Team, race_rules
from matcher.task_policy import task_policy
from matcher.tasks import OFFICER, Task, carry_out

_ZERO = Decimal(0)


def new_race(task: Task, bids: Sequence[Bid], gates: Sequence[Gate], *, at: datetime) -> Race:
    """The race of a signed task between the bids that won it, its whole bounty reserved.

    Raises ``Refused``: ``race_task``, ``race_teams``, ``race_gates``, ``race_budget`` (what could be paid at most, every
    tranche to every team, is more than the bounty).
    """
    if task.selection != "race" or task.state != "contracted":
        raise Refused("race_task", f"“{task.title}”不是已签约的竞争赛马榜单。", "请先定标、公示期满后签约。")
    won = {bid.id: bid for bid in bids if bid.id in task.winners and bid.state == "won"}
    fewest, most = task_policy().race_teams
    if not fewest <= len(won) <= most:
        raise Refused(
            "race_teams",
            f"可以开赛的团队有 {len(won)} 家，应为 {fewest} 至 {most} 家。",
            "有放弃的，请退回重评。",
        )
    _check_gates(gates, at)
    budget, teams = task.bounty or 0, [won[id] for id in task.winners if id in won]
    most_paid = len(teams) * sum(gate.tranche for gate in gates)
    if most_paid > budget:
        message = f"{len(teams)} 支团队各关都过要拨 {in_wan(most_paid)}，超过榜金 {in_wan(budget)}。"
        raise Refused("race_budget", message, "请减少每关拨付的金额。")
    reserve = Entry(entry="reserve", amount=budget, at=to_the_second(at), note="开赛预留")
    return opened(
        Race, race_rules(), id=task.id, at=at, about=task.about, gates=tuple(gates), ledger=(reserve,),
        teams=tuple(Team(bid=bid.id, name=bid.bidder) for bid in teams),
    )  # fmt: skip


def _check_gates(gates: Sequence[Gate], at: datetime) -> None:
    """Raises ``Refused`` (``race_gates``)."""
    dates = [gate.date for gate in gates]
    wrong = (
        "没有关口" if not gates
        else "关口重名" if len({gate.name for gate in gates}) != len(gates)
        else "关口的日期没有一个比一个晚" if dates != sorted(set(dates)) or dates[0] <= at
        else "有的关口没有写要交什么证据" if not all(gate.evidence.strip() for gate in gates)
        else "有的关口没有过关规则，或写了两种" if any((gate.threshold is None) == (gate.best is None) for gate in gates)
        else "有的关口过关名额或金额不对" if any((1 if gate.best is None else gate.best) < 1 or gate.tranche < 0 for gate in gates)
        else "有的关口分数线不在 0 到 100" if any(not 0 <= (gate.threshold or _ZERO) <= 100 for gate in gates)
        else ""
    )  # fmt: skip
    if wrong:
        raise Refused(
            "race_gates", f"{wrong}。", "请写 名称；日期；证据；规则；每队拨付万元，日期从今往后排。"
        )


def judged(
    race: Race, points: Mapping[str, Decimal], evidence: Mapping[str, str], *, at: datetime, reasons: Mapping[str, str] | None = None
) -> Race:  # fmt: skip
    """The race after its next gate: teams that pass are paid, the others are out and their money goes back.

    ``points`` (0–100) of every running team and ``evidence``, by team (a bid's id). Equals at the cut all pass; who shows
    no evidence does not. After the last gate, and with no team left, the race is over and nothing stays reserved; the
    winner is first at the last gate, of equals who has the more points over all gates, then the first by id. Raises
    ``Refused``: ``race_points`` (a running team has none: nobody is cut for what a clerk left out), and as ``moved``.
    """
    gate, number, why = race.next_gate, race.judged + 1, reasons or {}
    if gate is None:
        raise Refused("race_over", "没有待评的关口。", "各关口都已评审。")
    if missing := [team.name for team in race.running if team.bid not in points]:
        remedy = "请给每个在赛团队写得分（jiebang race gate 的 --point）；没有提交证据的写 0。"
        raise Refused("race_points", f"“{'、'.join(missing)}”没有得分，关口没有评。", remedy)
    shown = {team.bid: evidence.get(team.bid, "").strip() for team in race.running}
    scored = {bid: points[bid] if shown[bid] else _ZERO for bid in shown}
    passing = _passing(gate, scored, shown)
    results = tuple(
        Result(
            gate=number, team=bid, points=scored[bid], rank=1 + sum(other > scored[bid] for other in scored.values()),
            passed=bid in passing, evidence=shown[bid], reason=why.get(bid, "" if shown[bid] else "没有提交证据"),
        )
        for bid in shown
    )  # fmt: skip
    is_last = number == len(race.gates)
    state = {bid: ("finished" if is_last else "running") if bid in passing else "cut" for bid in shown}
    ledger = [*race.ledger, *_money(race, passing, at)]
    over = is_last or not passing
    values: dict[str, Any] = {
        "judged": number, "results": (*race.results, *results), "teams": _with_states(race, state),
        "ledger": (*ledger, *_leftover(ledger, at)) if over else tuple(ledger),
    }  # fmt: skip
    name = "judge_none" if not passing else "judge_last" if is_last else "judge"
    if name == "judge_last":
        values["winner"] = _winner(values["results"], number, passing)
    return moved(race, race_rules(), name, role=OFFICER, at=at, values=values)


def extended(race: Race, date: datetime, *, reason: str, at: datetime) -> Race:
    """The race with its next gate put off, for all teams alike. Raises ``Refused`` as ``moved`` does."""
    gates = tuple(
        gate.model_copy(update={"date": date, "extensions": gate.extensions + 1}) if place == race.judged else gate
        for place, gate in enumerate(race.gates)
    )  # fmt: skip
    return moved(race, race_rules(), "extend", role=OFFICER, at=at, values={"gates": gates, "reason": reason})


def left(race: Race, team: str, *, reason: str, at: datetime, refund: int = 0, role: str = TEAM) -> Race:
    """The race without a team (a bid's id): what was reserved for it goes back, and ``refund`` (元) of what it was paid.

    With the last team the race ends. Raises ``Refused``: ``race_refund``, and as ``moved`` does.
    """
    if not 0 <= refund <= paid_to(race.ledger, team):
        paid = in_wan(paid_to(race.ledger, team))
        raise Refused(
            "race_refund", f"退还 {in_wan(refund)} 不对，该团队已拨付 {paid}。", "请写 0 到已拨付之间的金额。"
        )
    teams = _with_states(race, {team: "left"} if team in {one.bid for one in race.running} else {})
    ledger = [*race.ledger, *_stopped(race, [team], at, "退出")]
    if refund:
        entry = Entry(entry="refund", amount=refund, at=to_the_second(at), team=team, note="退出时退还")
        ledger.append(entry)
    alone = not any(one.state == "running" for one in teams)
    if alone:
        ledger += _leftover(ledger, at)
    values = {"teams": teams, "ledger": tuple(ledger), "reason": reason}
    name = "leave_last" if alone else "leave"
    return moved(race, race_rules(), name, role=role, at=at, values=values)


def called_off(race: Race, *, reason: str, at: datetime) -> Race:
    """The race called off, what is reserved given back. Raises ``Refused`` as ``moved`` does."""
    values = {"ledger": (*race.ledger, *_leftover(race.ledger, at)), "reason": reason}
    return moved(race, race_rules(), "cancel", role=OFFICER, at=at, values=values)


def _passing(gate: Gate, points: Mapping[str, Decimal], shown: Mapping[str, str]) -> set[str]:
    judged_here = sorted((points[bid] for bid in points if shown[bid]), reverse=True)
    if gate.threshold is not None:
        least = gate.threshold
    elif gate.best and len(judged_here) > gate.best:
        least = judged_here[gate.best - 1]
    else:
        least = _ZERO
    return {bid for bid in points if shown[bid] and points[bid] >= least}


def _money(race: Race, passing: set[str], at: datetime) -> list[Entry]:
    """What the gate pays, and what the teams that are out no longer need."""
    number, gate = race.judged + 1, race.gates[race.judged]
    paid = [
        Entry(entry="release", amount=gate.tranche, at=to_the_second(at), team=team.bid, gate=number, note=gate.name)
        for team in race.running if team.bid in passing and gate.tranche
    ]  # fmt: skip
    out = [team.bid for team in race.running if team.bid not in passing]
    return [*paid, *_stopped(race, out, at, "淘汰")]


def _stopped(race: Race, teams: Sequence[str], at: datetime, why: str) -> list[Entry]:
    """What was reserved for teams that are out: every tranche from the next gate on."""
    amount, number = sum(gate.tranche for gate in race.gates[race.judged :]), race.judged + 1
    return [
        Entry(entry="return", amount=amount, at=to_the_second(at), team=team, gate=number, note=why)
        for team in teams if amount
    ]  # fmt: skip


def _leftover(entries: Sequence[Entry], at: datetime) -> list[Entry]:
    rest = balance(entries).reserved
    return (
        [Entry(entry="return", amount=rest, at=to_the_second(at), note="赛马结束，余额收回")] if rest else []
    )


def _with_states(race: Race, states: Mapping[str, str]) -> tuple[Team, ...]:
    return tuple(team.model_copy(update={"state": states.get(team.bid, team.state)}) for team in race.teams)


def _winner(results: Sequence[Result], number: int, passing: set[str]) -> str:
    total = {bid: sum(one.points for one in results if one.team == bid) for bid in passing}
    last = {one.team: one.rank for one in results if one.gate == number}
    return min(passing, key=lambda bid: (last[bid], -total[bid], bid))


def start_race(
    store: Store, task_id: str, gates: Sequence[Gate], *, actor: str, at: datetime
) -> Race:  # fmt: skip
    """Start the race of a task. Raises ``Refused`` as ``new_race`` does, ``task_unknown``, ``race_running``, ``plan_stale``."""
    around = Proceedings.of(store)
    task = named_task(around, task_id)
    if store.process(Race, task.id) is not None:
        raise Refused("race_running", f"{task.id} 的赛马已经开始。", "查看：jiebang race show 榜单编号。")
    race = new_race(task, around.of_task(task.id), gates, at=at)
    changes = [PutProcess(process=process) for process in (race, task)]
    reason = f"开赛：{len(race.teams)} 支团队，{len(gates)} 个关口，首关 {in_china(gates[0].date)}"
    carry_out(store, changes, actor=actor, at=at, reason=reason, since=around.revision)
    return race


def race_step(
    store: Store, task_id: str, step: Callable[[Race], Race], *, actor: str, at: datetime, reason: str
) -> Race:  # fmt: skip
    """Take a step of a stored race. Raises ``Refused``: ``race_unknown``, what the step refuses, ``plan_stale``."""
    with store.snapshot() as now:
        revision, race = now.revision, now.process(Race, task_id)
    if race is None:
        raise Refused("race_unknown", f"{task_id} 没有开赛。", "先签约，再用 jiebang race start 开赛。")
    after = step(race)
    carry_out(store, [PutProcess(process=after)], actor=actor, at=at, reason=reason, since=revision)
    return after
