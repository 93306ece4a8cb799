"""The timetable that is kept with a roadshow: made for who is on stage, followed when the stage changes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from graph.problems import Refused
from matcher.grading import TRIMMABLE
from matcher.process_values import CHINA
from matcher.roadshows import STATES, Roadshow
from matcher.timetable import (
    Booking,
    Format,
    Pitch,
    Places,
    Programme,
    Session,
    Span,
    as_values,
    from_values,
    places_of,
    slots,
)
from matcher.timetable_conflicts import Conflict, conflicts, judging
from matcher.timetable_solving import Infeasible, Timetable, arrange


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A programme with where each pitch stands, and which of them are locked there.

    ``elsewhere`` are the rooms that other stored roadshows have (``booked_elsewhere``): they count, and are not kept.
    """

    programme: Programme
    places: Places = field(default_factory=dict)
    locked: frozenset[str] = frozenset()
    elsewhere: tuple[Booking, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """As a roadshow keeps it."""
        return {
            "programme": as_values(self.programme),
            "places": {id: list(place) for id, place in sorted(self.places.items())},
            "locked": sorted(self.locked),
        }

    @property
    def whole(self) -> Programme:
        """The programme with the rooms that others have, in its own way of writing moments."""
        zoned = any(one.span.start.tzinfo is not None for one in self.programme.sessions)
        others = tuple(replace(one, span=_written(one.span, zoned)) for one in self.elsewhere)
        return replace(self.programme, bookings=(*self.programme.bookings, *others))

    @property
    def order(self) -> tuple[str, ...]:
        """The pitches that have a place, by the time they start."""
        at = {place: id for id, place in self.places.items()}
        return tuple(at[slot.place] for slot in slots(self.programme) if slot.place in at)

    @property
    def gaps(self) -> list[str]:
        """Slots that are free though later ones of the session are not, in Chinese."""
        last = dict(sorted(self.places.values()))
        taken = set(self.places.values())
        titles = {session.id: session.title for session in self.programme.sessions}
        return [
            f"“{titles[slot.session]}”第 {slot.number} 个时段（{slot.span.text}）空着，后面还有项目"
            for slot in slots(self.programme)
            if slot.place not in taken and slot.number < last.get(slot.session, 0)
        ]

    @property
    def few_judges(self) -> list[str]:
        """Pitches with too few judges to leave out the highest and the lowest mark, in Chinese."""
        pitches = {pitch.id: pitch for pitch in self.programme.pitches}
        marking = {id: len(judging(self.programme, pitches[id], self.places[id][0])) for id in self.order}
        return [
            f"“{pitches[id].title}”只有 {number} 位评委打分，不能去掉最高分和最低分"
            for id, number in marking.items()
            if 0 < number < TRIMMABLE
        ]

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """What is broken now."""
        return conflicts(self.whole, self.places)

    def following(self, lineup: Mapping[str, Any]) -> "Kept":
        """The same for who is on stage by ``lineup`` (``lineup_values``).

        Who left has no place any more; who is new has none yet. Titles and institutions are those of now.
        """
        known = {pitch.id: pitch for pitch in self.programme.pitches}
        pitches = tuple(_pitch(one, known.get(one["id"])) for one in lineup["pitches"])
        ids = {pitch.id for pitch in pitches}
        before = tuple(pair for pair in self.programme.before if set(pair) <= ids)
        places = {id: place for id, place in self.places.items() if id in ids}
        return Kept(
            programme=replace(self.programme, title=lineup["title"] or lineup["id"], pitches=pitches, before=before),
            places=places,
            locked=self.locked & set(places), elsewhere=self.elsewhere,
        )  # fmt: skip


def kept_timetable(lineup: Mapping[str, Any], elsewhere: tuple[Booking, ...] = ()) -> Kept | None:
    """The timetable of a roadshow (``lineup_values``) as it stands for its present stage; None where there is none.

    ``elsewhere``: see ``booked_elsewhere``. Raises ``Refused`` (``programme_unreadable``) where what is kept is no timetable.
    """
    values = lineup["timetable"]
    if values is None:
        return None
    try:
        kept = Kept(
            programme=from_values(values["programme"]),
            places=places_of(values["places"]),
            locked=frozenset(map(str, values["locked"])),
            elsewhere=elsewhere,
        )
    except (KeyError, TypeError) as error:
        raise Refused("programme_unreadable", "路演的日程读不出来。", "请重新排日程。") from error
    return kept.following(lineup)


def booked_elsewhere(own: str, others: Iterable[Roadshow]) -> tuple[Booking, ...]:
    """The rooms that the timetables of other roadshows than ``own`` have, as they stand; those cancelled have none."""
    found = []
    for other in others:
        if other.id == own or other.state == "cancelled" or not other.timetable:
            continue
        programme = from_values(other.timetable["programme"])
        event = f"{other.title or other.id}（{other.id}，{STATES[other.state][0]}）"
        found += [
            Booking(room=one.room, span=one.span, event=event) for one in programme.sessions if one.room
        ]
    return tuple(found)


def _written(span: Span, zoned: bool) -> Span:
    """The span with or without a zone; moments without one are those of China's clocks."""

    def written(at: datetime) -> datetime:
        if zoned:
            return at.replace(tzinfo=CHINA) if at.tzinfo is None else at
        return at if at.tzinfo is None else at.astimezone(CHINA).replace(tzinfo=None)

    return Span(start=written(span.start), end=written(span.end))


def solved(kept: Kept, *, fresh: bool = False) -> tuple[Kept, Timetable]:
    """The timetable solved around its locks with the fewest moves (``fresh``: as if nothing unlocked had a place).

    Raises ``Refused`` as ``arrange`` does, and (``timetable_infeasible``) with what clashes and the cheapest way out.
    """
    before = {id: place for id, place in kept.places.items() if not fresh or id in kept.locked}
    found = arrange(kept.whole, before=before, locked=kept.locked)
    if isinstance(found, Infeasible):
        raise Refused("timetable_infeasible", f"{found.problem.message}。", f"{found.problem.remedy}。")
    return replace(kept, places=found.places), found


def first_timetable(lineup: Mapping[str, Any], form: Format, sessions: tuple[Session, ...]) -> Kept:
    """A timetable without places for who is on stage."""
    programme = Programme(title="", format=form, sessions=sessions, pitches=())
    return Kept(programme=programme).following(lineup)


def _pitch(one: Mapping[str, Any], known: Pitch | None) -> Pitch:
    """A pitch of the stage; what was said of its presenters stays. Its scene is the listener that it fits best."""
    fits = sorted((fit for fit in one["fits"] if fit["id"]), key=lambda fit: (-fit["fit"], fit["id"]))
    base = known or Pitch(id=one["id"], title="")
    scene = fits[0]["title"] if fits else ""
    return replace(base, title=one["title"] or one["id"], institution=one["owner"], scene=scene)


def unresolved(lineup: Mapping[str, Any], elsewhere: tuple[Booking, ...] = ()) -> list[str]:
    """What of the timetable has to be settled before a release, in Chinese; nothing where there is no timetable."""
    kept = kept_timetable(lineup, elsewhere)
    return [one.message for one in kept.conflicts if one.level in ("forbid", "resolve")] if kept else []


def placed_at(kept: Kept, pitch: str, place: tuple[str, int]) -> Places:
    """The places with one pitch moved by hand; who stood there takes its place in return.

    Raises ``Refused`` (``slot_unknown``).
    """
    if place not in {slot.place for slot in slots(kept.programme)}:
        raise Refused(
            "slot_unknown", f"没有“{place[0]}”第 {place[1]} 个时段。", "请核对场次和序号；lineup timetable 列出时段。"
        )  # fmt: skip
    places = dict(kept.places)
    held = next((id for id, at in places.items() if at == place and id != pitch), None)
    old = places.get(pitch)
    places[pitch] = place
    if held is not None:
        if old is not None:
            places[held] = old
        else:
            del places[held]
    return places


def with_locks(kept: Kept, lock: Collection[str], unlock: Collection[str]) -> Kept:
    """The timetable with pitches locked where they stand, or free again. Raises ``Refused`` (``lock_unplaced``)."""
    titles = {pitch.id: pitch.title for pitch in kept.programme.pitches}
    for id in sorted(lock):
        if id not in kept.places:
            raise Refused(
                "lock_unplaced", f"“{titles.get(id, id)}”没有排在任何时段，锁不住。", "请先排上，再锁定。"
            )
    return replace(kept, locked=(kept.locked | set(lock)) - set(unlock))
