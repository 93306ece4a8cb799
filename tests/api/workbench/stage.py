"""A roadshow with people on stage, for the pages: over the small world of these tests, or the sample's. All fictional."""

from datetime import date
from typing import Any

from graph.store.store import Store
from matcher.roadshow_steps import write
from matcher.roadshows import Pitch, Roadshow, SceneFit, new_roadshow
from tests.factories import NOON

DRAFT = "LY-2026-901"


def put_roadshow(
    store: Store, id: str = DRAFT, on: tuple[str, ...] = ("CG-1", "CG-2"), **attributes: Any
) -> Roadshow:
    """A draft for CJ-1 (or what ``attributes`` say), kept."""
    names = {one: node.title for one in on if (node := store.get("achievement", one)) is not None}
    stage = tuple(
        Pitch(
            achievement=one, title=names.get(one, ""), fit=800_000 - 100_000 * at, reason="都提到海岛",
            fits=(SceneFit(listener="CJ-1", level=4 - at, fit=800_000 - 100_000 * at),),
        )
        for at, one in enumerate(on)
    )  # fmt: skip
    usual: dict[str, Any] = {
        "title": "海岛投送路演", "about": (("scene", "CJ-1"),), "day": date(2099, 12, 5), "stage": stage, "total": 1_500_000,
        "numbers": {"pitches": len(on), "institution": 0, "team": 0, "fit": 1}, "best": 1_500_000, "proven": True,
    }  # fmt: skip
    made = new_roadshow(id, at=NOON, **usual | attributes)
    write(store, made, actor="林屿", at=NOON, reason="新建路演", since=store.revision())
    return made
