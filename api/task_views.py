"""What a caller may see of tasks, bids and races: the one place for every route and webhook.

A task is the office's and its poster's until it is posted, and then everybody's, but for what is inside it. Bids go
through ``seen_bid`` (matcher/bids.py). Until bids have been opened nothing shown to anybody but staff depends on whether
or when somebody bids: not the count, not the moment of the last move, not a clock.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fastapi.encoders import jsonable_encoder

from api.access import Caller, not_found
from api.problem_documents import field_problem
from graph.problems import Problem
from graph.processes import Move, moves_from
from graph.store.audience import AudienceStore
from matcher.bid_checks import replied
from matcher.bids import BIDDER, STATES, Bid, Viewer, seen_bid, seen_count
from matcher.parties import Party
from matcher.process_values import to_the_second
from matcher.race_ledger import ENTRY_LABELS, paid_to
from matcher.races import TEAM_LABELS, Race, race_rules
from matcher.tasks import (
    EXPERT,
    GIVEN,
    LABELS,
    MODES,
    OFFICER,
    POSTER,
    SELECTIONS,
    Decision,
    Task,
    task_rules,
)

# Made by other routes: of bids, of invitations, of the text.
ELSEWHERE = frozenset({"receive", "evaluate", "void", "invite", "amend"})
# That a value is still to be handed in stands in no way.
_STILL_TO_TELL = frozenset(
    {"task_reason", "task_opinion", "task_decisions", "task_winners", "task_cleared", "task_assessment"}
)
_PLAIN = (
    "id", "title", "mode", "selection", "state", "poster", "poster_uscc", "problem", "indicators", "content", "bounty",
    "deadline", "acceptance", "notice_days", "quota", "experts", "panel_rule", "tie_rule", "scoring", "published_at", "unsealed_at",
    "grade",
)  # fmt: skip


def sees_task(task: Task, view: AudienceStore) -> bool:
    """Whether a task is there for an audience: a posted one for all, any other for staff and its own partner."""
    return task.published_at is not None or is_inside(task, view)


def is_inside(task: Task, view: AudienceStore) -> bool:
    """Whether the audience is the office or the partner that posts the task."""
    return view.audience == "staff" or (bool(view.own) and task.partner == view.own)


def find_task(caller: Caller, id: str) -> Task:
    """The task, if the caller may see it; else the one 404."""
    task = caller.whole.process(Task, id)
    if task is None or not sees_task(task, caller.view):
        raise not_found(Task.label, id)
    return task


def shown_task(task: Task, view: AudienceStore, at: datetime | None = None) -> dict[str, Any]:
    """The task as JSON; without ``at`` what hangs on the time (moves, lateness) is left out: what its history compares."""
    inside = is_inside(task, view)
    about = {kind: id for kind, id in task.about if view.get(kind, id) is not None}
    count = seen_count(task, Viewer(role=OFFICER if view.audience == "staff" else POSTER))
    shown: dict[str, Any] = {name: getattr(task, name) for name in _PLAIN} | {
        "mode_label": MODES[task.mode], "selection_label": SELECTIONS[task.selection], "state_label": LABELS[task.state][0],
        "own": bool(view.own) and task.partner == view.own, "scene": about.get("scene", ""),
        "achievement": about.get("achievement", ""), "rubric": [line.model_dump() for line in task.rubric], "bids": count,
        "winners": [one.bidder for one in sorted(task.decisions, key=lambda one: one.rank) if one.won],
        "points": None if task.points is None else float(task.points),
        "inside": _inside(task, view, at) if inside else None,
    }  # fmt: skip
    return _json(shown)


def _json(shown: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON has them: entity tags are made of that."""
    plain: dict[str, Any] = jsonable_encoder(shown)
    return plain


def _inside(task: Task, view: AudienceStore, at: datetime | None) -> dict[str, Any]:
    is_staff = view.audience == "staff"
    # A bid that comes or goes moves a posted task: when that was is for staff.
    moved_at = task.moved_at if is_staff or task.state != "published" else None
    due = task.due if is_staff or task.state != "published" else None
    return {
        "duty": LABELS[task.state][1], "reason": task.reason, "moved_at": moved_at, "due": due,
        "late": at is not None and due is not None and due < at,
        "opinions": [one.model_dump() | ({} if is_staff else {"expert": ""}) for one in task.opinions],
        "decisions": [shown_decision(one) for one in sorted(task.decisions, key=lambda one: one.rank)],
        "milestones": [one.model_dump() for one in task.milestones], "report": task.report,
        "valid_bids": list(task.valid_bids), "cleared": list(task.cleared) if is_staff else [],
        "invited": [one.model_dump() for one in task.invited] if is_staff else [],
        "moves": [] if at is None else [_shown_move(task, move, view, at) for move in _leading_on(task)],
    }  # fmt: skip


def shown_decision(one: Decision) -> dict[str, Any]:
    """A decision as JSON."""
    return one.model_dump() | {"points": float(one.points)}


def _leading_on(task: Task) -> Iterable[Move]:
    moves = task_rules().moves.values()
    return [move for move in moves if task.state in move.sources and move.name not in ELSEWHERE]


def role_in(task: Task, move: Move, view: AudienceStore) -> str:
    """As whom the caller makes a move: the office for itself and for experts, a partner as the poster."""
    own = bool(view.own) and task.partner == view.own
    if view.audience != "staff" or (own and OFFICER not in move.roles and EXPERT not in move.roles):
        return POSTER
    return OFFICER if OFFICER in move.roles else EXPERT


def _shown_move(task: Task, move: Move, view: AudienceStore, at: datetime) -> dict[str, Any]:
    told = {"published_at": to_the_second(at)} if "published_at" in GIVEN.get(move.name, ()) else {}
    ways = moves_from(task, task_rules(), role=role_in(task, move, view), at=at, values=told)
    problems = next(way.problems for way in ways if way.move is move)
    return {
        "name": move.name.partition("_")[0], "label": move.label, "open": not _standing(move, problems),
        "problems": [field_problem(problem) for problem in problems],
    }  # fmt: skip


def _standing(move: Move, problems: Iterable[Problem]) -> bool:
    """Whether anything but a value still to be handed in stands in the way."""
    told = {"sign": "task_milestones", "record": "task_milestones", "extend": "task_deadline"}.get(move.name)
    return any(problem.code not in _STILL_TO_TELL and problem.code != told for problem in problems)


def own_parties(caller: Caller) -> list[Party]:
    """The organisations that the caller's key may bid for."""
    return [Party(name="", uscc=code) for code in caller.key.bidders]


def is_bidder(bid: Bid, task: Task, caller: Caller) -> bool:
    """Whether a bid is of an organisation that the caller may bid for."""
    viewers = (Viewer(role=BIDDER, party=party) for party in own_parties(caller))
    return any(seen_bid(bid, task, viewer) is not None for viewer in viewers)


def sees_bid(bid: Bid, task: Task, caller: Caller) -> bool:
    """Whether the caller may see a bid: as its bidder, or as the office or the poster once it has been opened."""
    if is_bidder(bid, task, caller):
        return True
    if not is_inside(task, caller.view):
        return False
    role = OFFICER if caller.is_staff else POSTER
    return seen_bid(bid, task, Viewer(role=role, party=task.poster_party)) is not None


def find_bid(caller: Caller, task: Task, id: str) -> Bid:
    """The bid on the task, if the caller may see it; else the one 404."""
    bid = caller.whole.process(Bid, id)
    if bid is None or not sees_bid(bid, task, caller):
        raise not_found(Bid.label, id)
    return bid


def shown_bid(bid: Bid, task: Task, caller: Caller) -> dict[str, Any]:
    """A bid that the caller may see, as JSON."""
    plain = (
        "id", "task", "state", "bidder", "bidder_uscc", "representative", "people", "brokers", "avoids", "title", "scheme",
        "team", "amount", "ip_statement", "record",
        "earlier", "dishonest", "submitted_at", "deadline", "faults", "reason",
    )  # fmt: skip
    decision = next((one for one in task.decisions if one.bid == bid.id), None)
    shown: dict[str, Any] = {name: getattr(bid, name) for name in plain} | {
        "own": is_bidder(bid, task, caller), "state_label": STATES[bid.state][0],
        "members": [member.model_dump() for member in bid.members], "replies": shown_replies(bid, task),
        "decision": shown_decision(decision) if decision else None,
    }  # fmt: skip
    return _json(shown)


def shown_replies(bid: Bid, task: Task) -> list[dict[str, Any]]:
    """Every measurable indicator of the task and what the bid says to it."""
    return [
        {
            "indicator": indicator.text, "reply": reply.text if reply else None,
            "evidence": reply.evidence if reply else "", "verdict": answer.verdict,
        }
        for indicator, reply, answer in replied(bid, task)
    ]  # fmt: skip


def shown_race(race: Race, own: Iterable[str] | None) -> dict[str, Any]:
    """The race as JSON; ``own`` are the bids of a team that looks at itself alone, None shows everything."""
    seen = {team.bid for team in race.teams} if own is None else set(own)
    teams: list[Mapping[str, Any]] = [
        {
            "team": team.bid, "name": team.name, "state": team.state, "state_label": TEAM_LABELS[team.state],
            "paid": paid_to(race.ledger, team.bid), "won": team.bid == race.winner,
        }
        for team in race.teams if team.bid in seen
    ]  # fmt: skip
    gates = [
        gate.model_dump(exclude={"threshold", "best"}) | {"rule": gate.rule, "judged": place < race.judged}
        for place, gate in enumerate(race.gates)
    ]
    results = [
        one.model_dump() | {"points": float(one.points)}
        for one in sorted(race.results, key=lambda one: (one.gate, one.rank, one.team))
        if one.team in seen
    ]
    money = race.balance
    balance = {
        "budget": money.budget, "reserved": money.reserved, "released": money.released, "returned": money.returned,
    }  # fmt: skip
    ledger = [
        one.model_dump() | {"label": ENTRY_LABELS[one.entry]}
        for one in race.ledger
        if own is None or one.team in seen
    ]
    shown = {
        "task": race.id, "state": race.state, "state_label": race_rules().states[race.state].label, "teams": teams,
        "gates": gates, "results": results, "ledger": ledger, "balance": balance if own is None else None,
        # Why a team left is that team's and the office's.
        "reason": race.reason if own is None else "",
    }  # fmt: skip
    return _json(shown)
