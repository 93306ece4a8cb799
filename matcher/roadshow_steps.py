"""A roadshow from what it is asked to be held for to a record of the store: started, changed, released."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from graph.problems import Refused
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.bids import Bid, Viewer, seen_bid
from matcher.engine import Engine
from matcher.lineup import lineup_policy
from matcher.lineup_candidates import field_of_theme, scenes_of_field
from matcher.lineup_conflicts import Clash
from matcher.roadshow_edits import Changed, Edit, applied, proposed
from matcher.roadshow_live import Live, Shown
from matcher.roadshow_meetings import unresolved_meetings
from matcher.roadshow_timetable import booked_elsewhere, kept_timetable, unresolved
from matcher.roadshows import Out, Roadshow, Version, edited, new_roadshow, seen_draft, with_settings
from matcher.tasks import OFFICER, Task, carry_out

PREFIX = "LY"
_LISTENERS = ("scene", "enterprise", "fund")


def started(
    records: Any,
    id: str,
    *,
    at: datetime,
    today: date,
    pitches: int,
    theme: str = "",
    field: str = "",
    guests: Sequence[str] = (),
    shortlist: Sequence[str] | None = None,
    numbers: Mapping[str, str] = {},
    levels: Mapping[str, str] = {},
    must_not: Sequence[str] = (),
    **attributes: Any,
) -> tuple[Roadshow, list[str]]:
    """A draft without a lineup, and what a person should know about who it is held for.

    ``records`` is a store that sees what the roadshow's audience may see. ``guests`` are ids of scenes, enterprises or
    funds. A theme that is a field's name is held for that field. Raises ``Refused``: ``theme_missing`` where there is
    nobody to listen, ``guest_unknown``, and for settings.
    """
    notes: list[str] = []
    about = _guests(records, guests)
    field = field or ("" if about else field_of_theme(theme))
    if field and not about:
        scenes, late = scenes_of_field(records.nodes("scene"), field, today)
        about = tuple(("scene", scene.id) for scene in scenes)
        told = (
            f"“{field}”是产业领域：听众为该领域的 {len(scenes)} 个场景"
            if scenes
            else f"“{field}”还没有场景：按领域名称排"
        )
        notes.append(told + (f"，其中 {late} 个已过截止日期" if late else ""))
        theme = theme or field
    if not about and not theme.strip():
        raise Refused("theme_missing", "没有写明路演的主题、领域、场景或榜单。", "请写其中一样。")
    draft = new_roadshow(
        id, at=at, theme=theme.strip(), field=field, about=about,
        shortlist=None if shortlist is None else tuple(shortlist), out=tuple(Out(achievement=one) for one in must_not), **attributes,
    )  # fmt: skip
    usual = {"coverage": str(lineup_policy()["invited_coverage"])} if guests else {}
    values = with_settings(draft, {"pitches": str(pitches), **usual, **numbers}, levels)
    title = draft.title or f"{theme.strip()[:30] or '场景'}路演"
    return draft.model_copy(update={**values, "title": title}), notes


def _guests(records: Any, ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for id in dict.fromkeys(ids):
        kind = next((kind for kind in _LISTENERS if records.get(kind, id) is not None), None)
        if kind is None:
            raise Refused("guest_unknown", f"没有编号为“{id[:60]}”的场景、企业或基金。", "请核对编号。")
        found.append((kind, id))
    return tuple(found)


def shortlist_of(store: Store, task: Task) -> tuple[list[str], list[str]]:
    """The stored achievements that the valid opened bids of a task build on, and notes on bids without one.

    Raises ``Refused`` (``shortlist_sealed``) before the bids are opened, (``shortlist_empty``) where none names one.
    """
    if not task.is_unsealed:
        raise Refused(
            "shortlist_sealed",
            f"榜单 {task.id} 还没有开标，投标内容是密封的。",
            f"请先开标：jiebang bid open {task.id}。",
        )
    bids = [bid for bid in store.processes(Bid) if seen_bid(bid, task, Viewer(role=OFFICER)) is not None]
    bids = [bid for bid in bids if not task.valid_bids or bid.id in task.valid_bids]
    known = {bid.id: bid.record for bid in bids if bid.record and store.get("achievement", bid.record)}
    notes = [
        f"{bid.bidder}的投标没有对应库中的成果，不能列入；请先把成果入库"
        for bid in bids
        if bid.id not in known
    ]
    if not known:
        raise Refused(
            "shortlist_empty", f"榜单 {task.id} 的投标都没有对应库中的成果。", "请先把投标的成果入库。"
        )
    return sorted(set(known.values())), notes


def change(
    engine: Engine, roadshow: Roadshow, edit: Edit | None, *, shown: Shown, today: date, role: str, at: datetime,
    seen: int | None = None,
) -> Changed | Clash:  # fmt: skip
    """The roadshow after an edit, or with its first lineup where there is no edit; nothing is written.

    Raises ``Refused`` (``roadshow_changed``) where ``seen`` is not its present draft, and as ``applied`` does.
    """
    if edit is None:
        return proposed(engine, roadshow, shown=shown, today=today, role=role, at=at)
    seen_draft(roadshow, seen)
    also: Collection[str] = (*edit.ids, *edit.must)
    return applied(Live(engine, roadshow, shown=shown, today=today, also=also), edit, role=role, at=at)


def write(store: Store, roadshow: Roadshow, *, actor: str, at: datetime, reason: str, since: int) -> int:
    """The revision that keeps the roadshow; nothing is written if it was changed after revision ``since``.

    Raises ``Refused`` (``plan_stale``): somebody was quicker.
    """
    done = carry_out(store, [PutProcess(process=roadshow)], actor=actor, at=at, reason=reason, since=since)
    return done.revision


def unresolved_plans(id: str, lineup: Mapping[str, Any], others: Iterable[Roadshow]) -> list[str]:
    """What of timetable and meetings has to be settled before roadshow ``id`` is released, in Chinese.

    ``lineup``: ``lineup_values``; ``others``: the roadshows that may have its rooms.
    """
    elsewhere = booked_elsewhere(id, others)
    timetable = kept_timetable(lineup, elsewhere)
    return unresolved(lineup, elsewhere) + unresolved_meetings(lineup, timetable)


def with_plan(
    roadshow: Roadshow, *, role: str, at: datetime, timetable: dict[str, Any] | None = None,
    meetings: dict[str, Any] | None = None,
) -> Roadshow:  # fmt: skip
    """The roadshow's next draft with a timetable or meetings, as plain values; what is None stays as it was.

    Raises ``Refused`` as ``edited`` does.
    """
    values = {
        name: value for name, value in (("timetable", timetable), ("meetings", meetings)) if value is not None
    }
    return edited(roadshow, role=role, at=at, **values)


# What makes up a draft: what is put back where somebody goes back to an earlier one.
CONTENT = (
    "numbers", "levels", "coverage", "must", "out", "stage", "alternates", "total", "best", "proven", "timetable", "meetings",
)  # fmt: skip
_KEPT = ("stage", "alternates", "timetable", "meetings")


def restored(roadshow: Roadshow, old: Roadshow | Version, *, role: str, at: datetime) -> Roadshow:
    """The roadshow's next draft with the content of an earlier one; a version has no rules, these stay as they are.

    Raises ``Refused`` as ``edited`` does.
    """
    names = CONTENT if isinstance(old, Roadshow) else _KEPT
    return edited(roadshow, role=role, at=at, **{name: getattr(old, name) for name in names})
