"""Whom to ask, rather than wait for: the teams behind what fits a task best, and brokers who could carry it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from graph.kinds import Achievement, Broker, Node, Scene
from graph.processes import moved
from matcher.brokers import BrokerMatch, rank_brokers
from matcher.engine import Engine
from matcher.explanation import Explanation
from matcher.process_values import to_the_second
from matcher.ranker import LEVELS
from matcher.ranking import Match
from matcher.register import Register
from matcher.task_policy import task_policy
from matcher.task_quality import subject_of
from matcher.tasks import OFFICER, Invitation, Task, task_rules

# As far down the ranking as teams are looked for; several achievements may be one team's.
_LOOKED_AT = 100
# Brokers asked beside the teams: a task wants few hands, not many.
_BROKERS = 3
_BROKER = "broker:"
# Half of what knowing the field is worth to a broker's points: one of the same or a near field.
_KNOWS_FIELD = 17.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Whom to invite, through which record of theirs, why. ``key`` is the party's, or ``broker:`` and an id.

    ``level`` (1–4) and ``through`` are of the team's best record; of a broker those of the best pair.
    """

    key: str
    name: str
    what: str
    through: str
    level: int
    reason: str
    notes: tuple[str, ...] = ()


def proposals(engine: Engine, task: Task, *, today: date, top: int | None = None) -> list[Proposal]:
    """The best teams, best first, then brokers for the first of them; nobody twice, nobody who was asked before.

    Left out are the poster and its group, owners that are not named, what is below the policy's level, brokers who
    are employed by the poster or a team that is or was asked, or have no hand free. ``top`` counts teams.
    """
    subject = subject_of(engine, task)
    if subject is None:
        return []
    matches = engine.match(subject, top=_LOOKED_AT, today=today)
    fitting = [match for match in matches if match.level >= task_policy().answer_level]
    explained = engine.explain(subject, fitting)
    teams = list(_teams(engine, task, fitting, explained, top or task_policy().invitations))
    new = [node for _, node in teams]
    before = _of_invited(engine, task, explained)
    return [*(team for team, _ in teams), *_brokers(engine, task, subject, new, before)]


def with_invitations(task: Task, asked: list[Proposal], *, at: datetime) -> Task:
    """The task with those asked recorded. Raises ``Refused`` as ``moved`` does (nobody twice)."""
    new = (Invitation(key=one.key, name=one.name, at=to_the_second(at)) for one in asked)
    values = {"invited": (*task.invited, *new)}
    return moved(task, task_rules(), "invite", role=OFFICER, at=at, values=values)


def _teams(
    engine: Engine, task: Task, matches: list[Match], explained: list[Explanation], top: int
) -> Iterator[tuple[Proposal, Node]]:
    register = Register.of(engine.store)
    asked = {invitation.key for invitation in task.invited}
    poster = register.completed(task.poster_party)
    levels = {match.key: match.level for match in matches}
    found = 0
    for explanation in explained:
        party = register.owner(explanation.found)
        if found == top or party is None or party.key in asked:
            continue
        if task.poster and register.kinship(party, poster):
            continue
        asked.add(party.key)
        found += 1
        node = explanation.found
        level = levels[node.kind, node.id]
        proposal = Proposal(
            key=party.key,
            name=party.name,
            what="成果团队" if node.kind == "achievement" else "场景单位",
            through=f"{node.title}（{node.id}）",
            level=level,
            reason=f"{LEVELS[level]}：{explanation.reason}",
        )
        yield proposal, node


def _of_invited(engine: Engine, task: Task, explained: list[Explanation]) -> list[Node]:
    """The best record of each team that was asked before."""
    register, asked = Register.of(engine.store), {one.key for one in task.invited}
    best: dict[str, Node] = {}
    for explanation in explained:
        party = register.owner(explanation.found)
        if party is not None and party.key in asked:
            best.setdefault(party.key, explanation.found)
    return list(best.values())


def _brokers(
    engine: Engine, task: Task, subject: Node, found: list[Node], before: list[Node]
) -> Iterator[Proposal]:
    pairs = [pair for node in found if (pair := _pair(subject, node))]
    if not pairs:
        return
    bidders = [*pairs, *(pair for node in before if (pair := _pair(subject, node)))]
    out = {f"{_BROKER}{id}" for id in _employed(engine, bidders)} | {one.key for one in task.invited}
    free = [
        match
        for match in _ranked(engine, *pairs[0])
        if f"{_BROKER}{match.broker.id}" not in out
        and not (match.broker.capacity and (match.broker.load or 0) >= match.broker.capacity)
        and match.parts["专业领域"] >= _KNOWS_FIELD
    ]
    achievement = pairs[0][1]
    for match in free[:_BROKERS]:
        yield Proposal(
            key=f"{_BROKER}{match.broker.id}",
            name=match.broker.title,
            what="技术经纪人",
            through=f"{achievement.title}（{achievement.id}）",
            level=task_policy().answer_level,
            reason="；".join(match.reasons) or "有余力",
            notes=match.notes,
        )


def _pair(one: Node, other: Node) -> tuple[Scene, Achievement] | None:
    scene = next((node for node in (one, other) if isinstance(node, Scene)), None)
    achievement = next((node for node in (one, other) if isinstance(node, Achievement)), None)
    return (scene, achievement) if scene and achievement else None


def _ranked(engine: Engine, scene: Scene, achievement: Achievement) -> list[BrokerMatch]:
    brokers = [node for node in engine.store.nodes("broker") if isinstance(node, Broker)]
    return rank_brokers(
        scene,
        achievement,
        brokers,
        engine.corpus,
        engine.network,
        top=len(brokers),
        outcomes=engine.store.outcomes(),
    )


def _employed(engine: Engine, pairs: list[tuple[Scene, Achievement]]) -> set[str]:
    """Brokers whose wage a side of one of the pairs pays: they stand between nobody here."""
    return {
        match.broker.id
        for pair in pairs
        for match in _ranked(engine, *pair)
        if any(conflict.hard for conflict in match.conflicts)
    }
