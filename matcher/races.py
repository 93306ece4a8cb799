"""Races (竞争赛马): several teams work on one task side by side, and gates decide who goes on and is paid.

深圳 2020: 2–3 teams approved together, parallel funding early, periodic assessment; 鄂州 2024: milestone checks, follow-up
funding by tier. Rules that these do not state are the house's and are told: equals at a cut all pass; a team without
evidence does not pass; one team left goes on alone; with none left the race ends and what is reserved goes back.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pydantic import Field

from graph.problems import Problem
from graph.processes import Move, Rules, State
from graph.values import Id, Text, clean_cell
from matcher.process_values import Paper, Part, in_china, to_the_second
from matcher.race_ledger import Balance, Entry, balance
from matcher.task_policy import task_policy
from matcher.tasks import OFFICER

TEAM = "team"
TEAM_LABELS = {"running": "在赛", "cut": "淘汰", "left": "退出", "finished": "完赛"}


class Team(Part):
    """A team: the bid it won with, its name, how it stands."""

    bid: str
    name: str
    state: str = "running"


class Gate(Part):
    """A gate: from ``date`` on every team is judged on its evidence; those that pass are each paid ``tranche`` (元).

    ``threshold``: points from which a team passes; else ``best``: so many go on, and who equals the last of them.
    """

    name: str
    date: datetime
    evidence: str
    tranche: int
    threshold: Decimal | None = None
    best: int | None = None
    extensions: int = 0

    @property
    def rule(self) -> str:
        """The rule in Chinese."""
        return (
            f"{self.threshold:g} 分以上过关"
            if self.threshold is not None
            else f"前 {self.best} 名过关（并列都过）"
        )


class Result(Part):
    """How a team came through a gate (from 1): points, place among those judged, what it showed, why."""

    gate: int
    team: str
    points: Decimal
    rank: int
    passed: bool
    evidence: str
    reason: str = ""


class Race(Paper):
    """A race over the task of the same id."""

    kind = "race"
    label = "赛马"

    teams: tuple[Team, ...] = Field((), title="团队")
    gates: tuple[Gate, ...] = Field((), title="关口")
    judged: int = Field(0, title="已评关口")
    results: tuple[Result, ...] = Field((), title="评审结果")
    ledger: tuple[Entry, ...] = Field((), title="资金")
    reason: Text = Field("", title="理由")
    winner: Id = Field("", title="优胜团队")

    @property
    def running(self) -> tuple[Team, ...]:
        """The teams still in it, by the bid's id."""
        return tuple(
            sorted((team for team in self.teams if team.state == "running"), key=lambda team: team.bid)
        )

    @property
    def balance(self) -> Balance:
        """Where the money is."""
        return balance(self.ledger)

    @property
    def next_gate(self) -> Gate | None:
        """The gate that is judged next."""
        return self.gates[self.judged] if self.judged < len(self.gates) else None


def _problem(code: str, message: str, remedy: str) -> Problem:
    return Problem(code=code, message=message, remedy=remedy)


def _due(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """No gate is judged before its date: teams rely on it."""
    gate = race.next_gate
    if gate is None:
        return _problem("race_over", "没有待评的关口", "各关口都已评审")
    if to_the_second(at) < gate.date:
        return _problem(
            "race_early", f"关口“{gate.name}”定在 {in_china(gate.date)}，还没有到", "到期后再评审"
        )
    if values.get("judged") != race.judged + 1:
        return _problem("race_order", "关口要按次序评审", "请先评前一个关口")
    return None


def _all_judged(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
    before, after = race.results, values.get("results", ())
    new = after[len(before) :]
    if after[: len(before)] != before or sorted(one.team for one in new) != [
        team.bid for team in race.running
    ]:
        return _problem("race_results", "有的在赛团队没有评分，或改动了以前的结果", "请给每个在赛团队评分")
    return None


def _sums(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """Entries are only added, and the budget stays what it was."""
    before, after = race.ledger, values.get("ledger", race.ledger)
    now = balance(after)
    if after[: len(before)] == before and now.holds and now.budget == balance(before).budget:
        return None
    return _problem("race_ledger", "资金的拨付、收回与预留合计不等于预算", "请核对金额；退还不能超过已拨付的")


def _running_after(fewest: int, most: int | None, gates_left: bool | None) -> Any:
    """Where the move leads fits how many teams are left and whether gates are."""

    def check(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
        teams = values.get("teams", race.teams)
        alive = sum(team.state in ("running", "finished") for team in teams)
        left = values.get("judged", race.judged) < len(race.gates)
        if (
            alive < fewest
            or (most is not None and alive > most)
            or (gates_left is not None and left != gates_left)
        ):
            return _problem("race_end", "剩下的团队和关口与这一步不符", "请用 jiebang race gate 办理")
        return None

    return check


def _all_settled(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """A race that is over holds nothing back."""
    if balance(values.get("ledger", race.ledger)).reserved == 0:
        return None
    return _problem("race_ledger", "赛马结束时还有预留资金没有收回", "请收回余下的预留")


def _put_off(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """The next gate alone is put off, for every team alike, and not more often than the policy allows."""
    after, place = values.get("gates", ()), race.judged
    if len(after) != len(race.gates) or place >= len(after):
        return _problem("race_extend", "没有待评的关口可以延期", "各关口都已评审")
    old, new = race.gates[place], after[place]
    unchanged = race.gates[:place] == after[:place] and race.gates[place + 1 :] == after[place + 1 :]
    if not unchanged or new != old.model_copy(update={"date": new.date, "extensions": old.extensions + 1}):
        return _problem("race_extend", "延期只能改待评关口的日期", "请只写新的日期")
    later = [gate.date for gate in after[place + 1 :]]
    if new.date <= max(old.date, to_the_second(at)) or any(new.date >= date for date in later):
        return _problem(
            "race_extend", f"新日期应晚于 {in_china(old.date)} 和现在，早于下一个关口", "请改日期"
        )
    most = task_policy().gate_extensions
    if new.extensions > most:
        return _problem("race_extend", f"每个关口最多延期 {most} 次", "请按期评审")
    return None


def _reasoned(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if clean_cell(values.get("reason", "")):
        return None
    return _problem("race_reason", "没有写理由", "请写明理由，它会告知各团队并记入历史")


def _one_left(race: Race, values: Mapping[str, Any], at: datetime) -> Problem | None:
    """One running team leaves, the others stay as they are."""
    pairs = list(zip(race.teams, values.get("teams", ()), strict=False))
    changed = [(old, new) for old, new in pairs if old != new]
    if len(pairs) == len(race.teams) and len(changed) == 1:
        old, new = changed[0]
        if old.state == "running" and new == old.model_copy(update={"state": "left"}):
            return None
    return _problem("race_team", "退出的应是一支在赛团队", "请核对团队名称")


_STATES = (
    State(name="running", label="进行中", duty="按期评审各关口"),
    State(name="finished", label="已结束", final=True),
    State(name="failed", label="无人完赛", final=True),
    State(name="cancelled", label="已取消", final=True),
)
_JUDGED = (_due, _all_judged, _sums)
_MOVES: tuple[tuple[str, str, str, tuple[str, ...], tuple[Any, ...]], ...] = (
    ("judge", "关口评审", "running", (OFFICER,), (*_JUDGED, _running_after(1, None, True))),
    ("judge_last", "末关评审", "finished", (OFFICER,), (*_JUDGED, _running_after(1, None, False), _all_settled)),
    ("judge_none", "关口评审，无团队过关", "failed", (OFFICER,), (*_JUDGED, _running_after(0, 0, None), _all_settled)),
    ("extend", "关口延期", "running", (OFFICER,), (_put_off, _reasoned)),
    ("leave", "团队退出", "running", (TEAM, OFFICER), (_one_left, _reasoned, _sums, _running_after(1, None, None))),
    ("leave_last", "末支团队退出", "failed", (TEAM, OFFICER), (_one_left, _reasoned, _sums, _running_after(0, 0, None), _all_settled)),
    ("cancel", "取消", "cancelled", (OFFICER,), (_reasoned, _sums, _all_settled)),
)  # fmt: skip


@cache
def race_rules() -> Rules:
    """The states of a race and its moves."""
    moves = {
        name: Move(name=name, label=label, sources=("running",), target=target, roles=frozenset(roles), requires=requires)
        for name, label, target, roles, requires in _MOVES
    }  # fmt: skip
    return Rules(states={state.name: state for state in _STATES}, moves=moves)
