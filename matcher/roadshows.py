"""Roadshows (路演) as a process: draft, released in versions, held, closed; who is on stage, who stands by, under which rules.

Measure 5 of 珠府办函〔2025〕13号 asks for 供需对接 and 路演; how many pitch and how they are spread is the organiser's.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import Field

from graph.problems import Problem, Refused
from graph.processes import Move, Rules, State, moved, opened
from graph.values import VISIBILITY_LABELS, Day, Id, Text, Title, Visibility
from graph.visibility import may_see
from matcher.lineup import LEVEL_LABELS, RULE_LABELS, Broken, RuleKind, RuleLevel, Terms, lineup_policy
from matcher.process_values import Paper, Part, to_the_second

PARTNER, STAFF = "partner", "staff"
_BOTH = frozenset({PARTNER, STAFF})

# What an organiser sets by a number: least and most, beside what they are called (RULE_LABELS).
_RANGES: Mapping[str, tuple[int, int]] = {
    "pitches": (1, 100), "coverage": (0, 20), "team": (0, 100), "institution": (0, 100), "field": (0, 100),
    "stage": (0, 100), "fields": (0, 20), "stages": (0, 3), "likeness": (0, 100), "maturity": (0, 9), "rest": (0, 50),
    "fit": (1, 4), "variety": (0, 100), "spares": (0, 50), "size": (10, 2000),
}  # fmt: skip
SETTING_LABELS: Mapping[str, str] = {
    **{kind: label for kind, label in RULE_LABELS.items() if kind in _RANGES},
    "variety": "多样性加分", "spares": "候补数", "size": "候选数",
}  # fmt: skip
_WORDS = {"不限": 0, "无": 0, "无相关": 1, "弱相关": 2, "较强相关": 3, "强相关": 4}


class SceneFit(Part):
    """How a pitch fits one listener: the level 1..4 and the probability of 3 or better, in millionths."""

    listener: str
    level: int
    fit: int


class Pitch(Part):
    """Somebody on stage or standing by: what it is worth to the audience (millionths), whom it fits, why in one line.

    ``replaces`` are, of an alternate, the pitches whose place it can take.
    """

    achievement: str
    title: str = ""
    locked: bool = False
    by_hand: bool = False
    fit: int = 0
    fits: tuple[SceneFit, ...] = ()
    reason: str = ""
    replaces: tuple[str, ...] = ()


class Out(Part):
    """Who shall not pitch here, and why: never wanted, dropped by hand, or cancelled."""

    achievement: str
    reason: str = ""


class Version(Part):
    """What was released: it never changes again."""

    number: int
    at: datetime
    by: str
    note: str = ""
    stage: tuple[Pitch, ...]
    alternates: tuple[Pitch, ...] = ()
    timetable: dict[str, Any] | None = None
    meetings: dict[str, Any] | None = None


class Ranked(Part):
    """A pitch in the results of a round: ``rank`` and ``score`` where it was scored, else why not in ``reason``.

    ``tie``: what put it before the next of the same score; ``through``: it goes into the next round.
    """

    entry: str
    title: str
    rank: int = 0
    score: str = ""
    tie: str = ""
    award: str = ""
    through: bool = False
    reason: str = ""


class ScoredRound(Part):
    """The results of a round as they were kept, with all that they were worked out from (``matcher/roadshow_results.py``)."""

    number: int
    title: str
    at: datetime
    by: str
    rule: str
    ranking: tuple[Ranked, ...]
    made_from: dict[str, Any]


class Roadshow(Paper):
    """A roadshow. ``about`` are the keys of those it is held for; ``stage`` is in running order.

    ``numbers`` and ``levels`` are by kind of rule, ``coverage`` by scene. ``draft`` counts the changes: who edits says
    which one was seen. ``timetable`` and ``meetings`` are plain values of those who work them out. All that is known of
    candidates is what ``audience`` may see.
    """

    kind = "roadshow"
    label = "路演"

    title: Title = Field("", title="名称")
    theme: Text = Field("", title="主题")
    field: Text = Field("", title="产业领域")
    task: Id = Field("", title="榜单编号")
    shortlist: tuple[Id, ...] | None = Field(None, title="入围成果")
    audience: Visibility = Field("staff", title="可见范围")
    day: Day = Field(None, title="日期")
    numbers: dict[str, int] = Field({}, title="规则")
    levels: dict[str, str] = Field({}, title="规则的级别")
    coverage: dict[str, int] = Field({}, title="个别场景的数量")
    must: tuple[Id, ...] = Field((), title="必选")
    out: tuple[Out, ...] = Field((), title="不上")
    stage: tuple[Pitch, ...] = Field((), title="台上")
    alternates: tuple[Pitch, ...] = Field((), title="候补")
    total: int = Field(0, title="总适配度")
    best: int = Field(0, title="最优")
    proven: bool = Field(False, title="已证明最优")
    draft: int = Field(0, title="第几稿")
    timetable: dict[str, Any] | None = Field(None, title="日程")
    meetings: dict[str, Any] | None = Field(None, title="洽谈")
    versions: tuple[Version, ...] = Field((), title="版本")
    rounds: tuple[ScoredRound, ...] = Field((), title="各轮成绩")
    reason: Text = Field("", title="原因")

    @property
    def ids(self) -> tuple[str, ...]:
        """Who is on stage, in running order."""
        return tuple(pitch.achievement for pitch in self.stage)

    def number(self, name: str) -> int:
        """A rule's number or another setting, the policy's where nothing was said."""
        policy = lineup_policy()
        usual = {
            **policy["numbers"],
            "variety": policy["variety"],
            "spares": policy["alternates"],
            "size": policy["pool"],
        }
        return int(self.numbers.get(name, usual.get(name, 0)))

    @property
    def terms(self) -> Terms:
        """The rules as the lineup is worked out by them."""
        kinds: Sequence[RuleKind] = [kind for kind in RULE_LABELS if kind in _RANGES]
        return Terms(
            numbers={kind: self.number(kind) for kind in kinds},
            levels={kind: self.levels[kind] for kind in RULE_LABELS if kind in self.levels},  # type: ignore[misc]
            coverage=self.coverage,
            must=self.must,
            must_not={one.achievement: one.reason for one in self.out},
            locks=tuple(pitch.achievement for pitch in self.stage if pitch.locked),
            variety=self.number("variety"),
        )


STATES: Mapping[str, tuple[str, str]] = {
    "draft": ("草稿", "组织者排定、发布"),
    "released": ("已发布", "组织者举办"),
    "held": ("已举办", "组织者跟进、归档"),
    "closed": ("已归档", ""),
    "cancelled": ("已取消", ""),
}


@cache
def roadshow_rules() -> Rules:
    """States and moves of a roadshow: every change of a released one makes it a draft of its next version."""

    def move(name: str, label: str, sources: tuple[str, ...], target: str, *requires: Any) -> Move:
        return Move(name=name, label=label, sources=sources, target=target, roles=_BOTH, requires=requires)

    return Rules(
        states={name: State(name=name, label=label, duty=duty, final=not duty) for name, (label, duty) in STATES.items()},
        moves={
            one.name: one
            for one in (
                move("edit", "改动", ("draft", "released"), "draft"),
                move("release", "发布", ("draft",), "released"),
                move("hold", "举办", ("released",), "held"),
                # A contest goes on after its first round, and on the day there are late changes: each stays what it is.
                *(move(f"score_{state}", "记成绩", (state,), state) for state in ("draft", "released", "held")),
                move("close", "归档", ("held",), "closed"),
                move("cancel", "取消", ("draft", "released"), "cancelled", _has_reason),
            )
        },
    )  # fmt: skip


def _has_reason(_roadshow: Any, values: Mapping[str, Any], _at: datetime) -> Problem | None:
    if str(values.get("reason", "")).strip():
        return None
    return Problem(code="value_missing", message="没有写明取消的原因", remedy="请写明原因")


def new_roadshow(id: str, *, at: datetime, **attributes: Any) -> Roadshow:
    """An empty draft. Raises ``Refused`` as ``opened`` does, and for an audience that is none."""
    if attributes.get("audience", "staff") not in VISIBILITY_LABELS:
        known = "、".join(VISIBILITY_LABELS)
        raise Refused("roadshow_setting", "可见范围看不懂。", f"可写：{known}。")
    return opened(Roadshow, roadshow_rules(), id=id, at=to_the_second(at), **attributes)


def with_settings(
    roadshow: Roadshow, numbers: Mapping[str, str] = {}, levels: Mapping[str, str] = {}
) -> dict[str, Any]:
    """The attributes that settings written by people come to: ``numbers`` and ``levels`` by name or kind of rule.

    A number under the id of an invited scene is that scene's own. Raises ``Refused`` (``roadshow_setting``) naming
    what may be written.
    """
    kinds = {label: kind for kind, label in SETTING_LABELS.items()} | {kind: kind for kind in SETTING_LABELS}
    scenes = {id for _, id in roadshow.about}
    set_numbers, coverage, set_levels = dict(roadshow.numbers), dict(roadshow.coverage), dict(roadshow.levels)
    for name, text in numbers.items():
        if name in scenes:
            coverage[name] = _whole(name, text, "coverage")
        elif name in kinds:
            set_numbers[kinds[name]] = _whole(name, text, kinds[name])
        else:
            raise _unknown_setting(name, SETTING_LABELS.values())
    rules = {label: kind for kind, label in RULE_LABELS.items()} | {kind: kind for kind in RULE_LABELS}
    words: dict[str, RuleLevel] = {label: name for name, label in LEVEL_LABELS.items()}
    words |= {name: name for name in LEVEL_LABELS}
    for name, text in levels.items():
        if name not in rules:
            raise _unknown_setting(name, RULE_LABELS.values())
        if text.strip() not in words:
            raise Refused(
                "roadshow_setting", f"“{name}”的级别“{text[:20]}”看不懂。", f"可写：{'、'.join(LEVEL_LABELS.values())}。"
            )  # fmt: skip
        set_levels[rules[name]] = words[text.strip()]
    return {"numbers": set_numbers, "coverage": coverage, "levels": set_levels}


def _whole(name: str, text: str, kind: str) -> int:
    low, high = _RANGES[kind]
    plain = text.strip().removeprefix("TRL").removesuffix("%")
    number = _WORDS.get(plain, int(plain) if plain.isdecimal() and len(plain) < 6 else -1)
    if not low <= number <= high:
        raise Refused("roadshow_setting", f"“{name}”不能是“{text[:20]}”。", f"请写 {low} 到 {high} 的整数。")
    return number


def _unknown_setting(name: str, known: Iterable[str]) -> Refused:
    return Refused("roadshow_setting", f"没有“{name[:30]}”这条规则。", f"可写：{'、'.join(known)}。")


def seen_draft(roadshow: Roadshow, seen: int | None) -> None:
    """Raise ``Refused`` (``roadshow_changed``) where who edits has seen another draft than the present one."""
    if seen is not None and seen != roadshow.draft:
        raise Refused(
            "roadshow_changed",
            f"{roadshow.id} 已被别人改到第 {roadshow.draft} 稿，您看的是第 {seen} 稿，没有写入。",
            "请重新查看，再决定怎样改。",
        )


def edited(roadshow: Roadshow, *, role: str, at: datetime, **values: Any) -> Roadshow:
    """The roadshow after a change of its content: the next draft. Raises ``Refused`` as ``moved`` does."""
    values = {"draft": roadshow.draft + 1, **values}
    return moved(roadshow, roadshow_rules(), "edit", role=role, at=to_the_second(at), values=values)


def released(
    roadshow: Roadshow, problems: Sequence[Broken], *, by: str, role: str, at: datetime, note: str = "",
    unresolved: Sequence[str] = (),
) -> Roadshow:  # fmt: skip
    """The roadshow with its present content released as the next version.

    ``problems`` are the rules it breaks now, ``unresolved`` what else must be solved first (of the timetable). Raises
    ``Refused`` (``lineup_unresolved``) naming them, and as ``moved`` does.
    """
    standing = [one.message for one in problems if one.rule.level in ("forbid", "resolve")] + list(unresolved)
    if standing and roadshow.state == "draft":
        told = "；".join(standing[:5]) + (f"……共 {len(standing)} 处" if len(standing) > 5 else "")
        raise Refused(
            "lineup_unresolved",
            f"还有须在发布前解决的问题：{told}。",
            "请改好后再发布，或把那条规则的级别改为提示。",
        )
    version = Version(
        number=len(roadshow.versions) + 1, at=to_the_second(at), by=by, note=note.strip(), stage=roadshow.stage,
        alternates=roadshow.alternates, timetable=roadshow.timetable, meetings=roadshow.meetings,
    )  # fmt: skip
    values = {"versions": (*roadshow.versions, version), "draft": roadshow.draft + 1}
    return moved(roadshow, roadshow_rules(), "release", role=role, at=to_the_second(at), values=values)


def stepped(roadshow: Roadshow, name: str, *, role: str, at: datetime, reason: str = "") -> Roadshow:
    """The roadshow held, closed or cancelled. Raises ``Refused`` as ``moved`` does."""
    values = {"draft": roadshow.draft + 1, "reason": reason.strip()}
    return moved(roadshow, roadshow_rules(), name, role=role, at=to_the_second(at), values=values)


def shown_before(roadshow: Roadshow, others: Iterable[Roadshow]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Who was on stage at the same organiser's other released roadshows, the latest first; none that comes after this one."""
    found = []
    for other in others:
        if other.id == roadshow.id or other.partner != roadshow.partner:
            continue
        if not other.versions or other.state == "cancelled":
            continue
        when = other.day or other.versions[-1].at.date()
        if roadshow.day is None or when <= roadshow.day:
            found.append((when, other.id, other.title or other.id, other.versions[-1].stage))
    found.sort(key=lambda one: (one[0], one[1]), reverse=True)
    return tuple((title, frozenset(p.achievement for p in stage)) for _, _, title, stage in found)


def open_to(store: Any, audience: Visibility) -> list[Roadshow]:
    """The city's roadshows that others may see, each as it was last released: those made for ``audience`` or a wider one.

    A draft that was never released is nobody's but its organiser's, and so is one that was cancelled; rooms and times
    that a later draft changes are seen when that is released.
    """
    return [
        one.model_copy(
            update={
                "state": "released" if one.state == "draft" else one.state,
                **{name: getattr(one.versions[-1], name) for name in ("stage", "alternates", "timetable", "meetings")},
            }
        )
        for one in store.processes(Roadshow, "")
        if one.versions and one.state != "cancelled" and may_see(audience, one.audience)
    ]  # fmt: skip


def lineup_values(roadshow: Roadshow, records: Any, version: int | None = None) -> dict[str, Any]:
    """The lineup as plain values for papers: of a released version, or as it stands now.

    ``records`` gives a record by kind and id as the papers' readers may see it (a store, or ``AudienceStore.get``'s
    store): columns hidden from it are empty here, and a pitch whose record it does not show keeps its place with its
    id alone. Fits are 0..1.
    """
    shown: Roadshow | Version = roadshow if version is None else roadshow.versions[version - 1]
    listeners = {id: records.get(kind, id) for kind, id in roadshow.about}
    names = {id: node.title for id, node in listeners.items() if node is not None}
    label, duty = STATES[roadshow.state]
    return {
        "id": roadshow.id, "title": roadshow.title, "theme": roadshow.theme, "field": roadshow.field,
        "day": roadshow.day.isoformat() if roadshow.day else None, "state": roadshow.state, "state_label": label, "duty": duty,
        "draft": roadshow.draft, "version": version or len(roadshow.versions), "is_draft": version is None and roadshow.state == "draft",
        "listeners": [{"kind": kind, "id": id, "title": names[id]} for kind, id in roadshow.about if id in names],
        "pitches": [_pitch_values(place, pitch, records, names) for place, pitch in enumerate(shown.stage, 1)],
        "alternates": [_pitch_values(place, pitch, records, names) for place, pitch in enumerate(shown.alternates, 1)],
        "timetable": shown.timetable, "meetings": shown.meetings,
    }  # fmt: skip


def _pitch_values(place: int, pitch: Pitch, records: Any, names: Mapping[str, str]) -> dict[str, Any]:
    node = records.get("achievement", pitch.achievement)
    about = {"place": place, "id": pitch.achievement, "locked": pitch.locked, "by_hand": pitch.by_hand}
    if node is None:
        return {
            **about, "title": "", "summary": "", "advantages": "", "indicators": "", "owner": "", "inventors": [], "field": [],
            "maturity": "", "ip_status": "", "cooperation": [], "fit": 0.0, "fits": [], "reason": "", "replaces": [],
        }  # fmt: skip
    return {
        **about, "title": node.title, "summary": node.summary, "advantages": node.advantages, "indicators": node.indicators,
        "owner": node.owner, "inventors": list(node.inventors), "field": list(node.field),
        "maturity": str(node.maturity) if node.maturity else "", "ip_status": node.ip_status or "",
        "cooperation": list(node.cooperation), "fit": pitch.fit / 1_000_000, "reason": pitch.reason, "replaces": list(pitch.replaces),
        "fits": [
            {"id": one.listener, "title": names.get(one.listener, "主题"), "level": one.level, "fit": one.fit / 1_000_000}
            for one in pitch.fits
            if one.listener in names or not one.listener
        ],
    }  # fmt: skip
