"""Who could pitch at a roadshow, from the one ranking: scored for every listener, with what rules need to know."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from graph.identifiers.fields import parse_fields
from graph.identifiers.maturity import trl
from graph.intake.organisations import organisation_key
from graph.kinds import Achievement, Node, Scene
from graph.problems import BadValue
from matcher.engine import Engine, written_scene
from matcher.features import centred_rows
from matcher.filters import Filters
from matcher.gaps import is_open
from matcher.lineup import MILLIONTHS, Pool
from matcher.ranking import Ranking

# Beside the best in total, so many of each listener's best are candidates.
_OF_EACH = 10
_ENOUGH = 3  # open scenes of a field
_ENDINGS = ("专场路演", "专场", "路演", "专题", "对接会")
THEME = ""  # the id under which a theme listens


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where candidates come from: ``about`` are keys of listeners; ``only`` and ``extra`` are ids of achievements.

    With ``only`` nobody else is a candidate; ``extra`` are candidates whatever their rank.
    """

    theme: str = ""
    field: str = ""
    about: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] | None = None
    extra: tuple[str, ...] = ()
    size: int = 200
    likeness: int = 0
    shown: tuple[tuple[str, frozenset[str]], ...] = ()


def field_of_theme(theme: str) -> str:
    """The field that a theme is the name of (低空经济, 低空经济专场); empty for any other theme."""
    plain = unicodedata.normalize("NFKC", theme).strip()
    for ending in _ENDINGS:
        plain = plain.removesuffix(ending)
    try:
        found = parse_fields(plain)
    except BadValue:
        return ""
    return found[0] if len(found) == 1 and plain else ""


def scenes_of_field(nodes: Iterable[Node], field: str, today: date) -> tuple[list[Scene], int]:
    """The scenes of a field that a roadshow is held for, in the order of ids, and how many of them are past their deadline.

    Those still open; where these are fewer than three, those that have not landed.
    """
    scenes = sorted(
        (node for node in nodes if isinstance(node, Scene) and field in node.field),
        key=lambda scene: scene.id,
    )
    still_open = [scene for scene in scenes if is_open(scene, today)]
    if len(still_open) >= _ENOUGH:
        return still_open, 0
    waiting = [scene for scene in scenes if is_open(scene, date.min)]
    return waiting, len(waiting) - len(still_open)


def listeners_of(engine: Engine, asked: Asked) -> dict[str, Node]:
    """Who listens, by id: the records named that are still there, and the theme if it is a text of its own."""
    nodes = {id: node for kind, id in asked.about if (node := engine.store.get(kind, id)) is not None}
    if asked.theme and (not nodes or not asked.field):
        scene = written_scene(asked.theme)
        nodes[THEME] = scene.model_copy(update={"field": (asked.field,)}) if asked.field else scene
    return nodes


def gather(engine: Engine, asked: Asked, *, today: date) -> Pool:
    """The candidates: of each listener's ranking the best ``size``, then of all these the best in total.

    Each is scored on every listener. Cost: two rankings a listener, and the likeness of every two candidates.
    """
    engine.refresh()
    listeners = listeners_of(engine, asked)
    ids = _proposed(engine.ranking, listeners, asked, today)
    scored = {
        name: engine.ranking.score(node, "achievement", ids, today=today) for name, node in listeners.items()
    }
    ids = [id for id in ids if all(id in found for found in scored.values())]
    fit = np.array(
        [[round(sum(found[id].probabilities[2:]) * MILLIONTHS) for id in ids] for found in scored.values()],
        dtype=np.int64,
    ).reshape(len(listeners), len(ids))
    level = np.array([[found[id].level for id in ids] for found in scored.values()], dtype=np.int64).reshape(
        len(listeners), len(ids)
    )
    kept = _best(fit, ids, asked)
    records = engine.store.get_many("achievement", [ids[at] for at in kept])
    kept = [at for at in kept if ids[at] in records]
    nodes = [records[ids[at]] for at in kept]
    return _pool(engine, asked, listeners, nodes, fit[:, kept], level[:, kept])


def _proposed(ranking: Ranking, listeners: Mapping[str, Node], asked: Asked, today: date) -> list[str]:
    found = dict.fromkeys([*(asked.only or ()), *asked.extra])
    if asked.only is None:
        filters = Filters(fields=(asked.field,)) if asked.field else None
        for node in listeners.values():
            matches = ranking.match(node, top=asked.size, today=today, kind="achievement", filters=filters)
            found |= dict.fromkeys(match.key[1] for match in matches)
    return sorted(found)


def _best(fit: Any, ids: Sequence[str], asked: Asked) -> list[int]:
    """The places to keep, in order: the best in total, the best of each listener, and those named."""
    named = {*(asked.only or ()), *asked.extra}
    kept = {at for at, id in enumerate(ids) if id in named}
    kept |= set(np.argsort(-fit.sum(axis=0), kind="stable")[: asked.size].tolist())
    for row in fit:
        kept |= set(np.argsort(-row, kind="stable")[:_OF_EACH].tolist())
    return sorted(kept)


def _pool(
    engine: Engine, asked: Asked, listeners: Mapping[str, Node], nodes: Sequence[Node], fit: Any, level: Any
) -> Pool:
    achievements = [node for node in nodes if isinstance(node, Achievement)]
    keys = _organisations(achievements)
    called = {key: node.owner for node, key in reversed(list(zip(achievements, keys, strict=True)))}
    return Pool(
        ids=tuple(node.id for node in achievements),
        listeners=tuple(listeners),
        fit=fit,
        level=level,
        teams=tuple(_teams(node, key, called) for node, key in zip(achievements, keys, strict=True)),
        institution=tuple(keys),
        fields=tuple(node.field for node in achievements),
        trl=tuple(trl(node.maturity) if node.maturity else 0 for node in achievements),
        twins=_twins(engine, [node.id for node in achievements], asked.likeness),
        shown=asked.shown,
        titles={node.id: node.title for node in achievements}
        | {name: node.title for name, node in listeners.items()},
        institutions=called,
    )


def _organisations(nodes: Sequence[Achievement]) -> list[str]:
    """What each owner is known by: its code, of a name the code that another record gives it, else the name."""
    codes: dict[str, str] = {}
    for node in nodes:
        if node.owner and node.owner_uscc:
            codes.setdefault(organisation_key(node.owner), node.owner_uscc)
    return [
        node.owner_uscc or codes.get(organisation_key(node.owner), organisation_key(node.owner))
        if node.owner
        else ""
        for node in nodes
    ]


def _teams(node: Achievement, key: str, called: Mapping[str, str]) -> frozenset[str]:
    """Its people, each at its organisation: the same name elsewhere may be somebody else's."""
    people = {"".join(unicodedata.normalize("NFKC", name).split()) for name in node.inventors}
    return frozenset(f"{name}（{called[key]}）" for name in people - {""}) if key else frozenset()


def _twins(engine: Engine, ids: Collection[str], percent: int) -> tuple[tuple[int, int, int], ...]:
    """Pairs of places whose gists are alike to ``percent`` or more, as the ranking measures likeness."""
    if not percent or len(ids) < 2:
        return ()
    slots = np.array([engine.corpus.slots["achievement", id] for id in ids], dtype=np.int64)
    rows = centred_rows(engine.corpus, "gist", slots)
    # Rounded down after a millionth is added, so that the last bits of a product decide nothing.
    alike = np.floor(np.clip(rows @ rows.T, 0, 1) * 100 + 1e-6).astype(np.int64)
    first, second = np.nonzero(np.triu(alike >= percent, 1))
    return tuple((int(a), int(b), int(alike[a, b])) for a, b in zip(first, second, strict=True))
