"""Matching questions as plain values that can go to another process, and their answers as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.breakdown import breakdown, case_breakdown
from api.desk_answers import (
    ShortlistQuestion,
    SideBySideQuestion,
    shortlist_file,
    side_by_side,
)
from api.lineup_values import change_values, check_values, clash_values
from api.question import OwnQuestion, Question, about, named
from graph.kinds import KINDS, Achievement, Broker, Node, Scene
from graph.network import FIELD, RELATION_LABELS
from graph.problems import Refused
from graph.store.changes import NodeKey
from matcher.brokers import BrokerMatch, rank_brokers
from matcher.engine import Engine
from matcher.explanation import Explanation
from matcher.filters import Filters
from matcher.lineup_conflicts import Clash
from matcher.ranker import LEVELS
from matcher.ranking import Asked, Match
from matcher.roadshow_edits import Edit
from matcher.roadshow_live import Live
from matcher.roadshow_steps import change
from matcher.roadshows import Roadshow
from matcher.similar_cases import similar_cases

_BRIEF = (
    "rank", "kind", "id", "title", "score", "level", "level_label", "probabilities", "reason", "parts", "cautions",
    "missing",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MatchQuestion(Question):
    """What fits ``node``; with ``is_stored`` it is a record of the store, else one that was just written."""

    node: Node
    is_stored: bool
    kind: str
    top: int
    full: bool
    fields: tuple[str, ...] = ()
    districts: tuple[str, ...] = ()
    min_trl: int = 0
    ip_statuses: tuple[str, ...] = ()
    open_only: bool = False


@dataclass(frozen=True, kw_only=True)
class PairQuestion(Question):
    """All that is known of one pair."""

    scene: Node
    achievement: Node


@dataclass(frozen=True, kw_only=True)
class BrokersQuestion(Question):
    """Who could bring a pair together."""

    scene: Node
    achievement: Node
    top: int


@dataclass(frozen=True, kw_only=True)
class SimilarCasesQuestion(Question):
    """The cases like ``node``, a scene or an achievement, or with ``achievement`` like the pair of them."""

    node: Node
    achievement: Node | None
    is_stored: bool
    top: int


@dataclass(frozen=True, kw_only=True)
class ScoreQuestion(Question):
    """The scores of pairs of ids."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class NeighbourhoodQuestion(Question):
    """What stands around a node in the graph: at most ``limit`` nodes within ``depth`` relations."""

    key: NodeKey
    depth: int
    limit: int
    relations: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class LineupQuestion(Question):
    """What a roadshow (as JSON) comes to by an edit, by its first lineup where ``edit`` is None, or how it stands.

    ``shown`` is who was on stage before. Nothing is written: the answer has the roadshow after it. Of how it stands
    ``left`` tells also who is not on stage, which takes longer.
    """

    roadshow: str
    edit: Mapping[str, Any] | None
    looks: bool
    shown: tuple[tuple[str, tuple[str, ...]], ...]
    role: str
    at: str
    left: bool = True


def answer_all(engine: Engine, questions: Sequence[Question]) -> list[bytes]:
    """The answers as UTF-8 JSON (a file as itself), in order; matches are ranked together, which is cheaper."""
    ranked = _ranked(engine, [q for q in questions if isinstance(q, MatchQuestion)])
    return [
        shortlist_file(engine, question)
        if isinstance(question, ShortlistQuestion)
        else _json(_answer(engine, question, ranked))
        for question in questions
    ]


def _json(answer: dict[str, Any]) -> bytes:
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def _ranked(engine: Engine, questions: Sequence[MatchQuestion]) -> Mapping[int, list[Match]]:
    asked = [
        Asked(node=q.node, top=q.top, today=q.today, kind=q.kind, filters=_filters(q)) for q in questions
    ]
    found = engine.ranking.match_many(asked) if asked else []
    return {id(question): matches for question, matches in zip(questions, found, strict=True)}


def _answer(engine: Engine, question: Question, ranked: Mapping[int, list[Match]]) -> dict[str, Any]:
    match question:
        case MatchQuestion():
            return _matches(engine, question, ranked[id(question)])
        case PairQuestion(scene=scene, achievement=achievement, today=today):
            scored = engine.ranking.score(scene, "achievement", [achievement.id], today=today)
            found = [scored[achievement.id]] if achievement.id in scored else []
            pairs = _explained(engine, scene, found)
            return {
                "scene": named(scene),
                "achievement": named(achievement),
                "pair": breakdown(*pairs[0]) if pairs else None,
            }
        case ScoreQuestion(pairs=asked, today=today):
            matches = engine.scored(asked, today=today)
            return {"items": [_scored(*pair) for pair in zip(asked, matches, strict=True)]}
        case BrokersQuestion():
            return _brokers(engine, question)
        case SimilarCasesQuestion():
            return _similar_cases(engine, question)
        case NeighbourhoodQuestion():
            return _neighbourhood(engine, question)
        case LineupQuestion():
            return _lineup(engine, question)
        case SideBySideQuestion():
            return side_by_side(engine, question)
        case OwnQuestion():
            return question.answer(engine)
    raise TypeError(type(question).__name__)


def _lineup(engine: Engine, question: LineupQuestion) -> dict[str, Any]:
    """The roadshow after an edit with what changed, what it breaks, or why it is not done."""
    roadshow = Roadshow.model_validate_json(question.roadshow)
    shown = tuple((title, frozenset(ids)) for title, ids in question.shown)
    try:
        if question.looks:
            live = Live(engine, roadshow, shown=shown, today=question.today)
            return check_values(live, live.left_out() if question.left else ()) | {
                "binding": [b.message for b in live.conflicts if b.rule.binds]
            }
        made = change(
            engine, roadshow, None if question.edit is None else Edit(**question.edit), shown=shown, today=question.today,
            role=question.role, at=datetime.fromisoformat(question.at),
        )  # fmt: skip
    except Refused as refused:  # as values: exceptions of two processes are not alike
        return {"refused": [refused.code, refused.message, refused.remedy]}
    if isinstance(made, Clash):
        problem = made.problem
        return {
            "refused": [problem.code, f"{problem.message}。", f"{problem.remedy}。"],
            "clash": clash_values(made),
        }
    return {"roadshow": made.roadshow.model_dump_json(), "change": change_values(made)}


def _matches(engine: Engine, question: MatchQuestion, matches: Sequence[Match]) -> dict[str, Any]:
    items = []
    for match, why in _explained(engine, question.node, matches, brief=not question.full):
        told = breakdown(match, why)
        shown = told if question.full else {name: told[name] for name in _BRIEF}
        items.append(shown | {"about": about(why.found)})
    subject = named(question.node) if question.is_stored else {"kind": question.node.kind, "id": None, "title": question.node.title}  # fmt: skip
    return {"subject": subject, "ranker": engine.ranker.name, "items": items}


def _explained(
    engine: Engine, node: Node, matches: Sequence[Match], *, brief: bool = False
) -> list[tuple[Match, Explanation]]:
    """Matches with their breakdowns, but for those whose record is gone since."""
    whys = {(why.found.kind, why.found.id): why for why in engine.explain(node, matches, brief=brief)}
    return [(match, whys[match.key]) for match in matches if match.key in whys]


def _scored(pair: tuple[str, str], match: Match | None) -> dict[str, Any]:
    told: dict[str, Any] = {"scene": pair[0], "achievement": pair[1]}
    if match is None:
        return told | {"score": None, "level": None, "level_label": None, "probabilities": None}
    return told | {
        "score": match.score,
        "level": match.level,
        "level_label": LEVELS[match.level],
        "probabilities": list(match.probabilities),
    }


def _brokers(engine: Engine, question: BrokersQuestion) -> dict[str, Any]:
    scene, achievement = question.scene, question.achievement
    if not (isinstance(scene, Scene) and isinstance(achievement, Achievement)):
        raise TypeError("brokers are for a scene and an achievement")
    brokers = [node for node in engine.store.nodes("broker") if isinstance(node, Broker)]
    ranked = rank_brokers(
        scene, achievement, brokers, engine.corpus, engine.network, top=question.top,
        outcomes=engine.store.outcomes(),
    )  # fmt: skip
    items = [_broker(rank, found) for rank, found in enumerate(ranked, 1)]
    return {"scene": named(scene), "achievement": named(achievement), "items": items}


def _broker(rank: int, found: BrokerMatch) -> dict[str, Any]:
    return {
        "rank": rank, "id": found.broker.id, "name": found.broker.title, "level": found.broker.level or None,
        "organisation": found.broker.organisation or None, "score": found.score,
        "parts": [{"label": label, "points": points} for label, points in found.parts.items()],
        "reasons": list(found.reasons), "notes": list(found.notes),
        "conflicts": [{"hard": c.hard, "text": c.text, "path": c.path.text if c.path else None} for c in found.conflicts],
    }  # fmt: skip


def _similar_cases(engine: Engine, question: SimilarCasesQuestion) -> dict[str, Any]:
    asked = [question.node, *([question.achievement] if question.achievement else [])]
    found = similar_cases(
        engine.corpus, engine.network, asked, top=question.top, records=lambda key: engine.store.get(*key)
    )
    subjects = [
        named(node) if question.is_stored else {"kind": node.kind, "id": None, "title": node.title}
        for node in asked
    ]
    return {"subjects": subjects, "items": [case_breakdown(one) for one in found]}


def _neighbourhood(engine: Engine, question: NeighbourhoodQuestion) -> dict[str, Any]:
    """Breadth first, the least connected first, so that what the limit cuts off are the hubs' countless others."""
    network = engine.network
    if question.key not in network.graph:
        return {"nodes": [], "edges": [], "complete": True}
    kept, edge_of, complete = {question.key: 0}, network.graph.get_edge_data, True
    growing = [question.key]
    for depth in range(1, question.depth + 1):
        grown: list[NodeKey] = []
        for here in growing:
            beside = sorted((network.degree(n), n) for n in network.neighbours(here) if n not in kept)
            for _, other in beside:
                relations = {*(edge_of(here, other) or {}), *(edge_of(other, here) or {})}
                if question.relations and relations.isdisjoint(question.relations):
                    continue
                if len(kept) >= question.limit:
                    complete = False
                    break
                kept[other] = depth
                grown.append(other)
        # A field joins nearly everything: it is shown, and nothing is looked for behind it.
        growing = [key for key in grown if key[0] != FIELD]
    return {
        "nodes": [_shown_node(network.graph.nodes[key], key, depth) for key, depth in kept.items()],
        "edges": list(_edges_between(network.graph, kept, question.relations)),
        "complete": complete,
    }


def _edges_between(
    graph: Any, kept: Mapping[NodeKey, int], relations: Sequence[str]
) -> Iterable[dict[str, Any]]:
    for source in kept:
        out = sorted(
            (target, relation, about)
            for _, target, relation, about in graph.out_edges(source, keys=True, data="derived")
            if target in kept and (not relations or relation in relations)
        )
        for target, relation, derived in out:
            yield {
                "source": _reference(source), "target": _reference(target), "relation": relation,
                "label": RELATION_LABELS[relation], "derived": derived,
            }  # fmt: skip


def _shown_node(about: Mapping[str, Any], key: NodeKey, depth: int) -> dict[str, Any]:
    label = KINDS[key[0]].label if key[0] in KINDS else "产业领域"
    return _reference(key) | {"title": about["title"], "label": label, "distance": depth}


def _reference(key: NodeKey) -> dict[str, str]:
    return {"kind": key[0], "id": key[1]}


def _filters(question: MatchQuestion) -> Filters:
    return Filters(
        fields=question.fields,
        districts=question.districts,
        min_trl=question.min_trl,
        ip_statuses=question.ip_statuses,
        open_on=question.today if question.open_only else None,
    )
