"""What is not as it should be in a timetable, each with what it touches, and what changed from one timetable to another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from matcher.lineup import LEVEL_LABELS, RuleLevel
from matcher.timetable import (
    RULES,
    Judge,
    Pitch,
    Places,
    Programme,
    RuleKind,
    Session,
    Slot,
    is_free,
    shared_rooms,
    slots,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One rule that is broken once; ``touches`` are the ids of pitches, sessions and judges that it is about."""

    rule: RuleKind
    level: RuleLevel
    message: str
    touches: tuple[str, ...]

    @property
    def text(self) -> str:
        """The conflict for people, with its level."""
        return f"{LEVEL_LABELS[self.level]}：{self.message}（规则：{RULES[self.rule][0]}）"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Where a pitch stood and stands now; None: it had no slot, or has none any more."""

    pitch: str
    before: tuple[str, int] | None
    after: tuple[str, int] | None


def conflicts(programme: Programme, places: Places) -> tuple[Conflict, ...]:
    """All that is broken, the strictest first; rules to be ignored are not listed."""
    found = [one for one in _all(programme, places) if one.level != "ignore"]
    strictness, kinds = list(LEVEL_LABELS), list(RULES)
    return tuple(
        sorted(found, key=lambda one: (strictness.index(one.level), kinds.index(one.rule), one.touches))
    )


def forbidden_by(programme: Programme, before: Places, after: Places) -> tuple[Conflict, ...]:
    """What a change by hand would break that may not be broken and was not broken before; empty: it may be made."""
    known = set(conflicts(programme, before))
    return tuple(one for one in conflicts(programme, after) if one.level == "forbid" and one not in known)


def changes(before: Places, after: Places) -> tuple[Change, ...]:
    """What is different, by pitch."""
    return tuple(
        Change(pitch=pitch, before=before.get(pitch), after=after.get(pitch))
        for pitch in sorted({*before, *after})
        if before.get(pitch) != after.get(pitch)
    )


def changes_in_words(programme: Programme, found: Sequence[Change]) -> list[str]:
    """The changes in Chinese, a line each."""
    titles = {one.id: one.title for one in programme.pitches}
    lines = []
    for one in found:
        old, new = _where(programme, one.before), _where(programme, one.after)
        told = f"从{old}改到{new}" if old and new else f"排到{new}" if new else f"退出{old}"
        lines.append(f"“{titles.get(one.pitch, one.pitch)}”{told}")
    return lines


def _where(programme: Programme, place: tuple[str, int] | None) -> str:
    if place is None:
        return ""
    title = next((one.title for one in programme.sessions if one.id == place[0]), place[0])
    slot = next((one for one in slots(programme) if one.place == place), None)
    return f"{title}第 {place[1]} 个" + (f"（{slot.span.text}）" if slot else "")


def _all(programme: Programme, places: Places) -> Iterator[Conflict]:
    yield from standing(programme)
    pitches, by_place = (
        {one.id: one for one in programme.pitches},
        {one.place: one for one in slots(programme)},
    )
    placed = {
        id: by_place[place] for id, place in sorted(places.items()) if id in pitches and place in by_place
    }
    yield from _unplaced(programme, places, placed)
    yield from _shared_slots(programme, pitches, placed)
    for id, slot in placed.items():
        yield from _presenter(programme, pitches[id], slot)
        yield from _judges(programme, pitches[id], slot)
    for (a, first), (b, second) in combinations(placed.items(), 2):
        both = sorted(set(pitches[a].presenters) & set(pitches[b].presenters))
        if both and first.span.overlaps(second.span):
            told = (
                f"{'、'.join(both)}同时要路演“{pitches[a].title}”和“{pitches[b].title}”（{first.span.text}）"
            )
            yield _conflict(programme, "presenter_twice", told, a, b)
    for a, b in programme.before:
        if a in placed and b in placed and placed[a].span.end > placed[b].span.start:
            told = f"“{pitches[a].title}”应在“{pitches[b].title}”之前，现在 {placed[a].span.text} 和 {placed[b].span.text}"
            yield _conflict(programme, "precedence", told, a, b)
    yield from _neighbours(programme, pitches, placed)
    yield from _scattered(programme, pitches, placed)


def standing(programme: Programme) -> Iterator[Conflict]:
    """What is broken however the pitches are placed: rooms and judges that two sessions need at once."""
    for session, other in shared_rooms(programme):
        what = f"场次“{other.title}”" if isinstance(other, Session) else f"活动“{other.event}”"
        told = (
            f"“{session.title}”（{session.span.text}）与{what}（{other.span.text}）同用会场“{session.room}”"
        )
        yield _conflict(programme, "room", told, session.id, other.id if isinstance(other, Session) else "")
    names = {one.id: one.name for one in programme.judges}
    for a, b in combinations(programme.sessions, 2):
        for judge in sorted(set(a.judges) & set(b.judges)):
            if a.span.overlaps(b.span):
                told = f"评委{names.get(judge, judge)}同时在“{a.title}”和“{b.title}”（{a.span.text}、{b.span.text}）"
                yield _conflict(programme, "judge_twice", told, a.id, b.id, judge)


def _unplaced(programme: Programme, places: Places, placed: Mapping[str, Slot]) -> Iterator[Conflict]:
    for pitch in programme.pitches:
        if pitch.id not in placed:
            at = places.get(pitch.id)
            told = f"排在了不存在的时段（{at[0]} 第 {at[1]} 个）" if at else "还没有排上"
            yield _conflict(programme, "placed", f"“{pitch.title}”{told}", pitch.id)


def _shared_slots(
    programme: Programme, pitches: Mapping[str, Pitch], placed: Mapping[str, Slot]
) -> Iterator[Conflict]:
    for (a, first), (b, second) in combinations(placed.items(), 2):
        if first.place == second.place:
            told = f"“{pitches[a].title}”和“{pitches[b].title}”排在同一时段（{first.span.text}）"
            yield _conflict(programme, "slot", told, a, b)


def _presenter(programme: Programme, pitch: Pitch, slot: Slot) -> Iterator[Conflict]:
    if not is_free(pitch.free, slot.span):
        when = "、".join(span.text for span in pitch.free or ()) or "没有一段时间"
        who = "、".join(pitch.presenters) or "路演人"
        told = f"“{pitch.title}”排在 {slot.span.text}，{who}有空的是：{when}"
        yield _conflict(programme, "presenter_free", told, pitch.id)
    if pitch.sessions and slot.session not in pitch.sessions:
        names = {one.id: one.title for one in programme.sessions}
        wanted = "、".join(names.get(id, id) for id in pitch.sessions)
        told = f"“{pitch.title}”指定在 {wanted}，现在排在 {names.get(slot.session, slot.session)}"
        yield _conflict(programme, "session", told, pitch.id, slot.session)


def _judges(programme: Programme, pitch: Pitch, slot: Slot) -> Iterator[Conflict]:
    for judge in judging(programme, pitch, slot.session):
        if not is_free(judge.free, slot.span):
            told = f"评委{judge.name}在 {slot.span.text} 没有空，那时路演的是“{pitch.title}”"
            yield _conflict(programme, "judge_free", told, pitch.id, judge.id)
        if bias := sorted({pitch.id, pitch.institution} & set(judge.conflicts)):
            why = f"与{pitch.institution}有利害关系" if pitch.institution in bias else "与该项目有利害关系"
            told = f"评委{judge.name}{why}，却评“{pitch.title}”"
            yield _conflict(programme, "judge_conflict", told, pitch.id, judge.id)


def judging(programme: Programme, pitch: Pitch, session: str) -> list[Judge]:
    """The judges of a session who mark this pitch: all that are not recused from it."""
    ids = next((one.judges for one in programme.sessions if one.id == session), ())
    return [one for one in programme.judges if one.id in ids and pitch.id not in one.recused]


def _neighbours(
    programme: Programme, pitches: Mapping[str, Pitch], placed: Mapping[str, Slot]
) -> Iterator[Conflict]:
    for a, b in combinations(placed, 2):
        first, second = sorted((placed[a], placed[b]), key=lambda slot: slot.number)
        name = pitches[a].institution
        if name and name == pitches[b].institution and adjacent(first, second):
            told = f"{name}的“{pitches[a].title}”和“{pitches[b].title}”相邻（{first.span.text}、{second.span.text}）"
            yield _conflict(programme, "institution_apart", told, a, b)


def adjacent(first: Slot, second: Slot) -> bool:
    """Whether the second comes straight after the first, with no break between."""
    return first.session == second.session and second.number == first.number + 1 and second.follows


def _scattered(
    programme: Programme, pitches: Mapping[str, Pitch], placed: Mapping[str, Slot]
) -> Iterator[Conflict]:
    """One for every gap between pitches of a scene; a break is no gap."""
    for scene in sorted({one.scene for one in programme.pitches if one.scene}):
        ids = [id for id in placed if pitches[id].scene == scene]
        ids.sort(key=lambda id: (placed[id].place, id))
        for a, b in pairwise(ids):
            same = placed[a].session == placed[b].session
            if not same or placed[b].number > placed[a].number + 1:
                told = f"同一场景“{scene}”的“{pitches[a].title}”和“{pitches[b].title}”没有相邻"
                yield _conflict(programme, "scene_together", told, a, b)


def _conflict(programme: Programme, rule: RuleKind, message: str, *touches: str) -> Conflict:
    return Conflict(
        rule=rule, level=programme.level(rule), message=message, touches=tuple(filter(None, touches))
    )
