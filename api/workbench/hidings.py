"""Pairs that staff do not want to see in a list any more, each with a reason and a way back."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated

from pydantic import Field

from graph.processes import Move, Process, Rules, State, moved, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from graph.values import Id, Text


class Hiding(Process):
    """不再展示: a scene and an achievement that are not shown to each other, who said so, and why."""

    kind = "hiding"
    label = "不再展示"

    scene: Annotated[Id, Field(title="场景编号")]
    achievement: Annotated[Id, Field(title="成果编号")]
    by: Annotated[Text, Field(title="经办人")] = ""
    reason: Annotated[Text, Field(title="原因")] = ""


_STAFF = frozenset({"staff"})
HIDING_RULES = Rules(
    states={"hidden": State(name="hidden", label="不展示"), "shown": State(name="shown", label="展示")},
    moves={
        "show": Move(name="show", label="恢复展示", sources=("hidden",), target="shown", roles=_STAFF),
        "hide": Move(name="hide", label="不再展示", sources=("shown",), target="hidden", roles=_STAFF),
    },
)


def set_hidden(
    store: Store, scene: str, achievement: str, *, hide: bool, reason: str, by: str, at: datetime
) -> None:
    """Hide a pair or show it again; what is so already stays so."""
    since = store.revision()
    id = blake2b(f"{scene}\0{achievement}".encode(), digest_size=12).hexdigest()
    known = store.process(Hiding, id)
    values = {"by": by, "reason": reason}
    if known is None:
        if not hide:
            return
        after = opened(Hiding, HIDING_RULES, id=id, at=at, scene=scene, achievement=achievement, **values)
    elif (known.state == "hidden") == hide:
        return
    else:
        move = "hide" if hide else "show"
        after = moved(known, HIDING_RULES, move, role="staff", at=at, values=values)
    did = "不再展示" if hide else "恢复展示"
    store.apply(
        [PutProcess(process=after)],
        actor=by,
        at=at,
        since=since,
        reason=f"{did}：{scene}—{achievement}" + (f"：{reason}" if reason else ""),
    )


def hidden_pairs(store: Store) -> dict[tuple[str, str], Hiding]:
    """The pairs hidden now, by scene and achievement."""
    return {(one.scene, one.achievement): one for one in store.processes(Hiding, state="hidden")}
