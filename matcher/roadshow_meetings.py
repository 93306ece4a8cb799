"""The meetings kept with a roadshow: proposed from whom its pitches fit, beside its stage and its timetable."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from graph.problems import Refused
from matcher.lineup import LEVEL_LABELS, RuleLevel
from matcher.meetings import (
    WANTS,
    Meeting,
    MeetingDay,
    Pair,
    Party,
    Schedule,
    Someone,
    Wish,
    as_values,
    broken,
    from_values,
    unmet,
)
from matcher.meetings_solving import schedule
from matcher.process_values import CHINA
from matcher.roadshow_timetable import Kept as KeptTimetable
from matcher.timetable import Span, slots

MeetingRule = Literal["broken", "gone", "on_stage", "must", "want"]
# What each rule is called, and how strict it is unless the organiser says otherwise.
MEETING_RULES: Mapping[MeetingRule, tuple[str, RuleLevel]] = {
    "broken": ("洽谈都能举行", "forbid"),
    "gone": ("不约已经下台的团队", "resolve"),
    "on_stage": ("在台上时不洽谈", "resolve"),
    "must": ("必须的意愿都排上", "resolve"),
    "want": ("希望的意愿都排上", "hint"),
}
# 较强相关: from this level on a guest is proposed to want a team.
USUAL_FIT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingConflict:
    """One rule of the meetings that is broken; ``touches`` are ids of guests and teams."""

    rule: MeetingRule
    level: RuleLevel
    message: str
    touches: tuple[str, ...]

    @property
    def text(self) -> str:
        """The conflict for people, with its level."""
        return f"{LEVEL_LABELS[self.level]}：{self.message}（规则：{MEETING_RULES[self.rule][0]}）"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMeetings:
    """A day as it is kept: its meetings, the pairs that stay where they are, levels of rules that differ.

    ``staged`` are the teams that stood on stage when it was written: one that has left it since is told.
    """

    day: MeetingDay
    meetings: tuple[Meeting, ...] = ()
    locked: frozenset[Pair] = frozenset()
    staged: frozenset[str] = frozenset()
    levels: Mapping[MeetingRule, RuleLevel] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """As a roadshow or a file keeps it."""
        return as_values(self.day, self.meetings) | {
            "locked": sorted(map(list, self.locked)), "staged": sorted(self.staged), "levels": dict(self.levels),
        }  # fmt: skip

    def level(self, rule: MeetingRule) -> RuleLevel:
        """How strict a rule is here."""
        return self.levels.get(rule, MEETING_RULES[rule][1])

    def staged_by(self, ids: Collection[str]) -> "KeptMeetings":
        """The same, written while ``ids`` are on stage."""
        return replace(self, staged=frozenset({one.id for one in self.day.teams} & (set(ids) | self.staged)))


def kept_meetings(values: Mapping[str, Any] | None) -> KeptMeetings | None:
    """The meetings as a roadshow or a file keeps them; None where there are none.

    Raises ``Refused`` (``meetings_unreadable``, and those of ``MeetingDay``).
    """
    if values is None:
        return None
    own = {"locked", "staged", "levels"}
    day, meetings = from_values({name: value for name, value in values.items() if name not in own})
    try:
        return KeptMeetings(
            day=day,
            meetings=meetings,
            locked=frozenset((str(guest), str(team)) for guest, team in values.get("locked", ())),
            staged=frozenset(map(str, values.get("staged", ()))),
            levels={
                rule: level
                for rule, level in dict(values.get("levels", {})).items()
                if rule in MEETING_RULES and level in LEVEL_LABELS
            },
        )
    except (TypeError, ValueError) as error:
        raise Refused(
            "meetings_unreadable", "洽谈安排的内容读不出来。", "请用 jiebang meetings solve 写出的文件。"
        ) from error


def levels_of(given: Mapping[str, str]) -> dict[MeetingRule, RuleLevel]:
    """Levels by rule, both by name or as people call them. Raises ``Refused`` (``roadshow_setting``)."""
    kinds: dict[str, MeetingRule] = {label: rule for rule, (label, _) in MEETING_RULES.items()}
    kinds |= {rule: rule for rule in MEETING_RULES}
    words: dict[str, RuleLevel] = {label: level for level, label in LEVEL_LABELS.items()}
    words |= {level: level for level in LEVEL_LABELS}
    for name, text in given.items():
        if name not in kinds or text not in words:
            rules = "、".join(label for label, _ in MEETING_RULES.values())
            raise Refused(
                "roadshow_setting", f"看不懂“{name[:30]}={text[:20]}”。",
                f"规则有：{rules}；级别有：{'、'.join(LEVEL_LABELS.values())}。",
            )  # fmt: skip
    return {kinds[name]: words[text] for name, text in given.items()}


def busy_rounds(rounds: Sequence[Span], timetable: KeptTimetable | None) -> dict[str, dict[int, Span]]:
    """By team, the rounds in which it is on stage, each with its slot there."""
    if timetable is None:
        return {}
    by_place = {slot.place: slot.span for slot in slots(timetable.programme)}
    found: dict[str, dict[int, Span]] = {}
    for team, place in timetable.places.items():
        if (span := by_place.get(place)) is None:
            continue
        during = {n for n, one in enumerate(rounds, 1) if _local(one).overlaps(_local(span))}
        if during:
            found[team] = dict.fromkeys(sorted(during), span)
    return found


def _local(span: Span) -> Span:
    """The span by China's clocks: a timetable and meetings may be written either way."""
    if span.start.tzinfo is None:
        return span
    start, end = (at.astimezone(CHINA).replace(tzinfo=None) for at in (span.start, span.end))
    return Span(start=start, end=end)


def without(day: MeetingDay, gone: Collection[Someone]) -> MeetingDay:
    """The day on which some cannot come any more."""
    return replace(
        day,
        guests=tuple(replace(one, free=()) if ("guest", one.id) in gone else one for one in day.guests),
        teams=tuple(replace(one, free=()) if ("team", one.id) in gone else one for one in day.teams),
    )


def beside(kept: KeptMeetings, stage: Collection[str], timetable: KeptTimetable | None) -> MeetingDay:
    """The day as it can be held: no team meets while it is on stage, nor one that has left the stage."""
    day, busy = kept.day, busy_rounds(kept.day.rounds, timetable)
    left = kept.staged - set(stage)

    def team(one: Party) -> Party:
        if one.id in left:
            return replace(one, free=())
        if one.id not in busy:
            return one
        return replace(one, free=tuple(sorted(day.free["team", one.id] - set(busy[one.id]))))

    return replace(day, teams=tuple(map(team, day.teams)))


def solved_meetings(
    kept: KeptMeetings,
    stage: Collection[str],
    timetable: KeptTimetable | None,
    *,
    fresh: bool = False,
) -> tuple[KeptMeetings, Schedule]:
    """The meetings arranged with the fewest changes (``fresh``: anew, but for what is locked).

    Locks on meetings with a team that has left the stage go with it. Raises ``Refused`` as ``schedule`` does.
    """
    day = beside(kept, stage, timetable)
    absent = {id for (_, id), rounds in day.free.items() if not rounds}
    locked = frozenset(pair for pair in kept.locked if not absent & set(pair))
    before = [one for one in kept.meetings if not fresh or one.pair in locked]
    found = schedule(day, before=before, locked=locked)
    return replace(kept, meetings=found.meetings, locked=locked).staged_by(stage), found


def meeting_conflicts(
    kept: KeptMeetings, stage: Collection[str], timetable: KeptTimetable | None
) -> tuple[MeetingConflict, ...]:
    """All that is broken in the meetings, the strictest first; rules to be ignored are not listed."""
    found = [one for one in _all(kept, stage, timetable) if one.level != "ignore"]
    strictness, kinds = list(LEVEL_LABELS), list(MEETING_RULES)
    return tuple(
        sorted(found, key=lambda one: (strictness.index(one.level), kinds.index(one.rule), one.touches))
    )


def _all(
    kept: KeptMeetings, stage: Collection[str], timetable: KeptTimetable | None
) -> Iterator[MeetingConflict]:
    day = kept.day

    def told(rule: MeetingRule, message: str, *touches: str) -> MeetingConflict:
        return MeetingConflict(rule=rule, level=kept.level(rule), message=message, touches=touches)

    for problem in broken(day, kept.meetings):
        yield told("broken", problem.message)
    busy, left = busy_rounds(day.rounds, timetable), kept.staged - set(stage)
    held = Counter(one.team for one in kept.meetings)
    for team in sorted(left & set(held)):
        name = day.names.get(("team", team), team)
        yield told("gone", f"“{name}”已经下台，还有 {held[team]} 场洽谈", team)
    for one in kept.meetings:
        span = busy.get(one.team, {}).get(one.round)
        if span is not None and one.team not in left:
            names = (
                day.names.get(("guest", one.guest), one.guest),
                day.names.get(("team", one.team), one.team),
            )
            message = f"“{names[1]}”第 {one.round} 轮要见{names[0]}，那时（{span.text}）正在台上"
            yield told("on_stage", message, one.guest, one.team)
    lost = [one for one in unmet(beside(kept, stage, timetable), kept.meetings) if one.team not in left]
    for gap in lost:
        if gap.want == "must":
            names = day.names["guest", gap.guest], day.names["team", gap.team]
            message = f"{WANTS['must']}的洽谈“{names[0]}—{names[1]}”没有排上：{gap.message}"
            yield told("must", message, gap.guest, gap.team)
    if wanted := sum(one.want == "want" for one in lost):
        yield told("want", f"{WANTS['want']}的洽谈还有 {wanted} 条没有排上")


def unresolved_meetings(lineup: Mapping[str, Any], timetable: KeptTimetable | None) -> list[str]:
    """What of the meetings has to be settled before a release (``lineup``: ``lineup_values``), in Chinese."""
    kept = kept_meetings(lineup["meetings"])
    if kept is None:
        return []
    found = meeting_conflicts(kept, on_stage(lineup), timetable)
    return [one.message for one in found if one.level in ("forbid", "resolve")]


def on_stage(lineup: Mapping[str, Any]) -> list[str]:
    """Who is on stage by ``lineup_values``."""
    return [one["id"] for one in lineup["pitches"]]


def proposed_wishes(
    lineup: Mapping[str, Any], least: int = USUAL_FIT
) -> tuple[tuple[Party, ...], tuple[Party, ...], dict[Wish, float]]:
    """Guests, teams and wishes that the lineup's fits speak for, each wish with its fit 0..1.

    Guests are those whom the roadshow is held for, teams those on stage; a guest wants every team that fits it at level
    ``least`` or better. Raises ``Refused`` (``wishes_none``) where nobody is invited or nothing fits so well.
    """
    guests = tuple(Party(id=one["id"], name=one["title"]) for one in lineup["listeners"])
    teams = tuple(Party(id=one["id"], name=one["title"] or one["id"]) for one in lineup["pitches"])
    known = {one.id for one in guests}
    wishes = {
        Wish(guest=fit["id"], team=one["id"], by="guest", want="want"): float(fit["fit"])
        for one in lineup["pitches"]
        for fit in one["fits"]
        if fit["id"] in known and fit["level"] >= least
    }
    if not guests:
        raise Refused(
            "wishes_none", "这场路演没有受邀的场景或企业，不知道谁来洽谈。", "请收意愿表，或排一场写明受邀场景的路演。"
        )  # fmt: skip
    if not wishes:
        raise Refused("wishes_none", "台上没有哪一项对受邀的达到这个适配等级。", "请把适配等级放低一级。")
    return guests, teams, dict(sorted(wishes.items(), key=lambda one: (one[0].guest, -one[1], one[0].team)))


def joined(
    old: MeetingDay | None, guests: Sequence[Party], teams: Sequence[Party], wishes: Iterable[Wish]
) -> tuple[tuple[Party, ...], tuple[Party, ...], tuple[Wish, ...]]:
    """The parties and wishes proposed beside those known: what people wrote stays as they wrote it."""
    if old is None:
        return tuple(guests), tuple(teams), tuple(wishes)
    said = {(one.guest, one.team, one.by) for one in old.wishes}
    return (
        _with(old.guests, guests),
        _with(old.teams, teams),
        (*old.wishes, *(one for one in wishes if (one.guest, one.team, one.by) not in said)),
    )


def _with(known: Sequence[Party], more: Sequence[Party]) -> tuple[Party, ...]:
    ids = {one.id for one in known}
    return (*known, *(one for one in more if one.id not in ids))
