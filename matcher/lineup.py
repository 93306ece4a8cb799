"""A roadshow's lineup as numbers: who could pitch, for whom, under which rules, and what a choice breaks."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from graph.identifiers.maturity import maturity_label
from graph.resources import resource

Whole = NDArray[np.int64]
Mask = NDArray[np.bool_]
MILLIONTHS = 1_000_000

RuleKind = Literal[
    "pitches", "coverage", "team", "institution", "field", "stage", "fields", "stages", "likeness", "maturity",
    "rest", "fit", "must", "must_not", "lock",
]  # fmt: skip
RuleLevel = Literal["forbid", "resolve", "hint", "ignore"]
RULE_KINDS: tuple[RuleKind, ...] = get_args(RuleKind)
LEVEL_LABELS: Mapping[RuleLevel, str] = {
    "forbid": "禁止", "resolve": "发布前须解决", "hint": "提示", "ignore": "忽略",
}  # fmt: skip
LEVEL_WORDS = ("", "无相关", "弱相关", "较强相关", "强相关")
# What people call a rule, where they set it or read that it is broken.
RULE_LABELS: Mapping[RuleKind, str] = {
    "pitches": "项目数", "coverage": "每场景至少", "team": "每团队至多", "institution": "每单位至多", "field": "每领域至多",
    "stage": "每阶段至多", "fields": "领域至少", "stages": "阶段至少", "likeness": "相近度上限", "maturity": "成熟度至少",
    "rest": "近几场不重复", "fit": "适配等级至少", "must": "必选", "must_not": "不选", "lock": "锁定",
}  # fmt: skip
# Rules about one pitch alone, which no other pitch can mend.
OWN: frozenset[RuleKind] = frozenset({"maturity", "rest", "fit", "must_not"})
# Without a number (0) these ask for nothing.
_OFF: frozenset[RuleKind] = frozenset(
    {"coverage", "team", "institution", "field", "stage", "fields", "stages", "maturity", "rest", "likeness"}
)


@lru_cache(maxsize=1)
def lineup_policy() -> Mapping[str, Any]:
    """The figures that hold where an organiser says nothing else (data/policy/lineups.json)."""
    found: Mapping[str, Any] = json.loads(resource("policy", "lineups.json").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Who could pitch (``ids``, in order) before whom (``listeners``: scenes, or the theme under the id "").

    ``fit`` (listeners × ids) is the probability of 较强相关 or better in millionths, ``level`` 1..4. ``teams`` are
    people at an organisation, ``institution`` its key; "" and 0 are unknown, which no rule but the floor counts.
    ``twins`` are pairs of places with their likeness in percent, ``shown`` the earlier events, the latest first.
    ``titles`` and ``institutions`` say what people call an id or key.
    """

    ids: tuple[str, ...]
    listeners: tuple[str, ...]
    fit: Whole
    level: Whole
    teams: tuple[frozenset[str], ...]
    institution: tuple[str, ...]
    fields: tuple[tuple[str, ...], ...]
    trl: tuple[int, ...]
    twins: tuple[tuple[int, int, int], ...] = ()
    shown: tuple[tuple[str, frozenset[str]], ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    institutions: Mapping[str, str] = field(default_factory=dict)

    @property
    def value(self) -> Whole:
        """What each is worth to the whole audience: the expected number of good introductions, in millionths."""
        return np.asarray(self.fit.sum(axis=0), dtype=np.int64)

    def place(self, id: str) -> int | None:
        """Where an id stands; None for one that is no candidate."""
        at = int(np.searchsorted(np.array(self.ids), id)) if self.ids else 0
        return at if at < len(self.ids) and self.ids[at] == id else None

    def mask(self, ids: Iterable[str]) -> Mask:
        """Which places these ids are; what is no candidate is passed over."""
        wanted = set(ids)
        return np.array([id in wanted for id in self.ids], dtype=bool)

    def called(self, id: str) -> str:
        """An id with its title, as messages name it."""
        title = self.titles.get(id, "")
        return f"“{title}”（{id}）" if title and id else f"“{title or id}”"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an organiser asks for: ``numbers`` and ``levels`` by kind of rule, who must and must not pitch, locks.

    ``likeness`` is in percent, ``maturity`` a TRL, ``rest`` a number of earlier events, ``fit`` a level 1..4;
    0 asks for nothing. ``must_not`` gives a reason by id. ``variety`` is what each further field, organisation and
    stage on stage adds to the objective, in hundredths.
    """

    numbers: Mapping[RuleKind, int]
    levels: Mapping[RuleKind, RuleLevel] = field(default_factory=dict)
    coverage: Mapping[str, int] = field(default_factory=dict)
    must: Collection[str] = ()
    must_not: Mapping[str, str] = field(default_factory=dict)
    locks: Collection[str] = ()
    variety: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Rule:
    """One rule as it was asked for: its kind, whom it is about if about one, its number; ``text`` in Chinese."""

    kind: RuleKind
    about: str = ""
    number: int = 0
    level: RuleLevel = "resolve"
    text: str = ""

    @property
    def binds(self) -> bool:
        """Whether a proposed lineup must keep it."""
        return self.level in ("forbid", "resolve")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """What a rule asks of some places: from ``least`` to ``most`` of ``members`` pitch.

    With ``groups`` it asks that pitches come from at least ``least`` of these groups of places instead.
    """

    rule: Rule
    subject: str
    members: Whole
    least: int = 0
    most: int = 1_000_000
    groups: tuple[Whole, ...] = ()

    def count(self, chosen: Mask) -> int:
        """How many of the members pitch, or from how many groups."""
        if self.groups:
            return sum(bool(chosen[group].any()) for group in self.groups)
        return int(chosen[self.members].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that a lineup breaks: where (``subject``), and which pitches that touches; ``message`` in Chinese."""

    rule: Rule
    subject: str
    touches: tuple[str, ...]
    message: str


def stage_of(trl: int) -> str:
    """The stage of maturity a TRL belongs to; empty for an unknown one."""
    return maturity_label(trl) if trl else ""


def rows_of(pool: Pool, terms: Terms) -> list[Row]:
    """Every rule that is not ignored, as rows over the pool, in the order of ``RULE_KINDS``."""
    makers = {
        "pitches": _pitches, "coverage": _coverage, "likeness": _likeness, "maturity": _maturity, "rest": _rest,
        "fit": _fit, "must": _must, "must_not": _must_not, "lock": _must,
        **dict.fromkeys(("team", "institution", "field", "stage"), _capped),
        **dict.fromkeys(("fields", "stages"), _spread),
    }  # fmt: skip
    usual, levels = lineup_policy()["usual_level"], {**lineup_policy()["levels"], **terms.levels}
    found: list[Row] = []
    for kind in RULE_KINDS:
        level: RuleLevel = levels.get(kind, usual)
        number = terms.numbers.get(kind, 0)
        # A place of one scene's own may be set where others have none.
        if level != "ignore" and (number or kind not in _OFF or (kind == "coverage" and terms.coverage)):
            found += makers[kind](pool, terms, kind, number, level)
    return found


def broken(pool: Pool, rows: Sequence[Row], chosen: Mask) -> list[Broken]:
    """Every row that the choice breaks, the gravest levels first, then in the order of the rules."""
    order = list(LEVEL_LABELS)
    found = []
    for row in rows:
        count = row.count(chosen)
        if not row.least <= count <= row.most:
            members = row.members if row.rule.kind != "pitches" or count > row.most else row.members[:0]
            touches = tuple(pool.ids[at] for at in members if chosen[at])
            if row.rule.kind in ("must", "lock"):
                touches = (row.rule.about,)
            found.append(Broken(rule=row.rule, subject=row.subject, touches=touches, message=_said(pool, row, count, touches)))  # fmt: skip
    return sorted(found, key=lambda one: order.index(one.rule.level))


def groups_of(pool: Pool) -> dict[str, tuple[Whole, ...]]:
    """The places of each team, organisation, field and stage, by kind of rule, in the order of their names."""
    named: dict[str, dict[str, list[int]]] = {"team": {}, "institution": {}, "field": {}, "stage": {}}
    for at in range(len(pool.ids)):
        keys = {
            "team": pool.teams[at], "institution": {pool.institution[at]} - {""}, "field": set(pool.fields[at]),
            "stage": {stage_of(pool.trl[at])} - {""},
        }  # fmt: skip
        for kind, names in keys.items():
            for name in names:
                named[kind].setdefault(name, []).append(at)
    return {
        kind: tuple(np.array(found[name], dtype=np.int64) for name in sorted(found))
        for kind, found in named.items()
    }


def objective(pool: Pool, terms: Terms, chosen: Mask) -> int:
    """Total fit in millionths, and what variety adds."""
    total = int(pool.value[chosen].sum())
    if terms.variety:
        groups = groups_of(pool)
        used = sum(bool(chosen[one].any()) for kind in VARIED for one in groups[kind])
        total += terms.variety * MILLIONTHS // 100 * used
    return total


VARIED = ("institution", "field", "stage")


def _pitches(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    rule = Rule(kind=kind, number=number, level=level, text=f"项目数 {number}")
    return [Row(rule=rule, subject="", members=np.arange(len(pool.ids)), least=number, most=number)]


def _coverage(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    good = pool.level >= lineup_policy()["covering_level"]
    found = []
    for at, listener in enumerate(pool.listeners):
        least = terms.coverage.get(listener, number)
        if listener and least:
            text = f"场景{pool.called(listener)}至少 {least} 项较强相关"
            rule = Rule(kind=kind, about=listener, number=least, level=level, text=text)
            found.append(
                Row(rule=rule, subject=pool.called(listener), members=np.flatnonzero(good[at]), least=least)
            )
    return found


def _capped(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    rule = Rule(kind=kind, number=number, level=level, text=f"{RULE_LABELS[kind]} {number} 项")
    found = []
    for members in groups_of(pool)[kind]:
        if len(members) > number:
            found.append(Row(rule=rule, subject=_shared(pool, kind, members), members=members, most=number))
    return found


def _shared(pool: Pool, kind: RuleKind, members: Whole) -> str:
    """What the members of a group have in common, as people call it."""
    first, *rest = members.tolist()
    if kind == "institution":
        return pool.institutions.get(pool.institution[first], pool.institution[first])
    if kind == "stage":
        return stage_of(pool.trl[first])
    sets = [set(pool.teams[at] if kind == "team" else pool.fields[at]) for at in (first, *rest)]
    return "、".join(sorted(set.intersection(*sets)))


def _spread(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    groups = groups_of(pool)["field" if kind == "fields" else "stage"]
    word = "领域" if kind == "fields" else "阶段"
    rule = Rule(kind=kind, number=number, level=level, text=f"至少 {number} 个{word}")
    # A group that nobody could fill keeps the row apart from one without groups.
    groups = groups or (np.zeros(0, dtype=np.int64),)
    members = np.unique(np.concatenate(groups))
    return [Row(rule=rule, subject=word, members=members, least=number, groups=groups)]


def _likeness(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    rule = Rule(kind=kind, number=number, level=level, text=f"相近度到 {number}% 的不同台")
    return [
        Row(rule=rule, subject=f"相近度 {percent}%", members=np.array([a, b]), most=1)
        for a, b, percent in pool.twins
        if percent >= number
    ]


def _barred(rule: Rule, subject: str, places: Iterable[int]) -> list[Row]:
    members = np.array(sorted(places), dtype=np.int64)
    return [Row(rule=rule, subject=subject, members=members, most=0)] if len(members) else []


def _maturity(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    rule = Rule(kind=kind, number=number, level=level, text=f"成熟度至少 TRL{number}")
    return _barred(rule, f"TRL{number}", (at for at, trl in enumerate(pool.trl) if trl < number))


def _rest(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    rule = Rule(kind=kind, number=number, level=level, text=f"近 {number} 场登过台的不再登台")
    seen = {id for _, ids in pool.shown[:number] for id in ids}
    return _barred(rule, "登过台", np.flatnonzero(pool.mask(seen)).tolist())


def _fit(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    word = LEVEL_WORDS[number]
    rule = Rule(kind=kind, number=number, level=level, text=f"至少对一方听众达到{word}")
    best = pool.level.max(axis=0, initial=0)
    return _barred(rule, word, np.flatnonzero(best < number).tolist())


def _must(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    found = []
    for id in sorted(terms.must if kind == "must" else terms.locks):
        at = pool.place(id)
        rule = Rule(kind=kind, about=id, level=level, text=f"{RULE_LABELS[kind]}{pool.called(id)}")
        members = np.array([] if at is None else [at], dtype=np.int64)
        found.append(Row(rule=rule, subject=pool.called(id), members=members, least=1))
    return found


def _must_not(pool: Pool, terms: Terms, kind: RuleKind, number: int, level: RuleLevel) -> list[Row]:
    found: list[Row] = []
    for id, why in sorted(terms.must_not.items()):
        told = f"{RULE_LABELS[kind]}{pool.called(id)}" + (f"（{why}）" if why else "")
        rule = Rule(kind=kind, about=id, level=level, text=told)
        at = pool.place(id)
        found += _barred(rule, why, [] if at is None else [at])
    return found


def _said(pool: Pool, row: Row, count: int, touches: Sequence[str]) -> str:
    names = "、".join(pool.called(id) for id in touches)
    match row.rule.kind:
        case "pitches":
            return f"应有 {row.least} 项，现在 {count} 项"
        case "coverage":
            return f"场景{row.subject}应有 {row.least} 项较强相关，现在 {count} 项"
        case "fields" | "stages":
            return f"应有 {row.least} 个{row.subject}，现在 {count} 个"
        case "likeness":
            return f"{names}内容相近（{row.subject.removeprefix('相近度 ')}）"
        case "maturity":
            levels = [f"{pool.called(id)}{_trl(pool, id)}" for id in touches]
            return f"成熟度应至少 {row.subject}：{'、'.join(levels)}"
        case "rest":
            return f"近 {row.rule.number} 场登过台：{names}"
        case "fit":
            return f"对哪一方听众都没有达到{row.subject}：{names}"
        case "must" | "lock":
            return f"{row.rule.text}，但不在台上"
        case "must_not":
            return row.rule.text
    return f"{row.subject}至多 {row.most} 项，现在 {count} 项：{names}"


def _trl(pool: Pool, id: str) -> str:
    at = pool.place(id)
    level = 0 if at is None else pool.trl[at]
    return f"是 TRL{level}" if level else "没有写明"
