"""From a shortlist to what comes of it in one step: a task, a roadshow that must have it on stage, an order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import not_found
from api.problem_documents import Refusal
from api.routes.paths import now, today
from api.services import Parts
from api.workbench.access import WRITERS, AtDesk, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.pages import orders, tasks
from api.workbench.pages.matching import One, Several
from api.workbench.rendering import escaped, page
from graph.kinds import Achievement, Node, Scene
from matcher.ranking import COUNTERPARTS
from matcher.register import Register
from matcher.roadshow_steps import PREFIX, started, write
from matcher.roadshows import Roadshow, edited
from matcher.task_drafts import task_from_achievement, task_from_scene
from matcher.task_steps import add_task
from matcher.tasks import next_id

router = APIRouter(include_in_schema=False)

TARGETS = {"task": "榜单", "roadshow": "路演", "order": "点单"}
_MOST = 40
_PITCHES = 12  # as the command line and HTTP have it


@dataclass(frozen=True, slots=True)
class Picked:
    """A scene or an achievement, and those on the other side that were picked for it."""

    node: Node
    others: tuple[Node, ...]

    @property
    def scenes(self) -> tuple[Node, ...]:
        """The scenes of the pairs."""
        return (self.node,) if isinstance(self.node, Scene) else self.others

    @property
    def achievements(self) -> tuple[Node, ...]:
        """The achievements of the pairs."""
        return (self.node,) if isinstance(self.node, Achievement) else self.others


@router.get("/match/send")
def get_send(
    request: Request,
    visitor: AtDesk,
    to: One = "",
    scene: One = "",
    achievement: One = "",
    id: Several = None,
) -> Response:
    """What will be made of the picked ones, to be looked over and made."""
    _refuse_role(visitor, to)
    picked = _picked(visitor, scene, achievement, id or ())
    drafts = [
        one for one in visitor.store.processes(Roadshow) if one.state == "draft"
    ] if to == "roadshow" else []  # fmt: skip
    return page(
        request, "send.html", to=to, label=TARGETS[to], picked=picked, drafts=drafts, need=_need(picked),
        pitches=max(_PITCHES, len(picked.achievements)),
    )  # fmt: skip


@router.post("/match/send")
async def post_send(visitor: AtDesk, parts: Parts, sent: Form) -> Response:
    """Make it; on to its page."""
    to = sent.get("to")

    def work() -> tuple[str, str]:
        picked = _picked(visitor, sent.get("scene"), sent.get("achievement"), sent.all("id"))
        return {"task": _task, "roadshow": _roadshow, "order": _order}[to](visitor, picked, sent)

    await run_in_threadpool(_refuse_role, visitor, to)
    response = await done_once(visitor, sent, work)
    parts.changed()
    return response


def _task(visitor: Visitor, picked: Picked, sent: Sent) -> tuple[str, str]:
    """A task of the scene (技术需求榜), or of the achievement (成果转化榜): those picked are named in its history."""
    at, register, node = now(), Register.of(visitor.view), picked.node

    def made(id: str) -> Any:
        if isinstance(node, Scene):
            return task_from_scene(node, id, register=register, at=at)
        assert isinstance(node, Achievement)  # noqa: S101  (the kinds of _picked)
        return task_from_achievement(node, id, register=register, at=at)

    told = "、".join(f"{one.title}（{one.id}）" for one in picked.others)
    task = add_task(
        visitor.store, made, actor=visitor.name, at=at, reason=f"登记榜单；匹配时选中：{told}"[:900]
    )
    return tasks.place_of(task.id), f"已登记榜单 {task.id}。请看检查结果，改好后送论证。"


def _roadshow(visitor: Visitor, picked: Picked, sent: Sent) -> tuple[str, str]:
    """A new roadshow for the scenes with the achievements as must-haves, or a draft that must have them too."""
    store, at = visitor.store, now()
    since, must = store.revision(), tuple(one.id for one in picked.achievements)
    if known := sent.get("roadshow"):
        found = store.process(Roadshow, known)
        if found is None:
            raise not_found(Roadshow.label, known)
        after = edited(found, role="staff", at=at, must=tuple(dict.fromkeys((*found.must, *must))))
        reason = f"加为必选：{'、'.join(must)}"
    else:
        pitches = sent.get("pitches")
        after, _ = started(
            store, next_id(Roadshow, store, PREFIX, at), at=at, today=today(), pitches=int(pitches) if pitches.isdecimal() and len(pitches) < 4 else len(must),
            guests=[one.id for one in picked.scenes], must=must, title=sent.get("title"),
        )  # fmt: skip
        reason = f"新建路演 {after.id}，必选：{'、'.join(must)}"
    write(store, after, actor=visitor.name, at=at, reason=reason[:900], since=since)
    place = f"/roadshows/{escaped(after.id)}" + ("" if after.stage else "?solve=1")
    return place, f"{after.title}：已把 {len(must)} 项成果加为必选。"


def _order(visitor: Visitor, picked: Picked, sent: Sent) -> tuple[str, str]:
    about: tuple[tuple[str, str], ...] = ((picked.node.kind, picked.node.id),)
    if len(picked.others) == 1:
        about = tuple(sorted((*about, (picked.others[0].kind, picked.others[0].id)), reverse=True))
    order = orders.place_order(
        visitor,
        need=sent.get("need"),
        about=about,
        contact=sent.get("contact"),
        phone=sent.get("contact_phone"),
    )
    return orders.place_of(order.id), f"已下单 {order.id}。"


def _picked(visitor: Visitor, scene: str, achievement: str, ids: Sequence[str]) -> Picked:
    kind, id = ("scene", scene) if scene else ("achievement", achievement)
    node = visitor.find(kind, id)
    wanted = list(dict.fromkeys(ids))
    if not 0 < len(wanted) <= _MOST:
        raise Refusal(422, "shortlist_empty", "还没有选中任何一项。" if not wanted else f"一次最多送 {_MOST} 项。", "请回到列表，勾选要送的几项。")  # fmt: skip
    return Picked(node, tuple(visitor.find(COUNTERPARTS[kind], one) for one in wanted))


def _need(picked: Picked) -> str:
    """What an order asks for, to be changed by who places it."""
    name = {"scene": "场景", "achievement": "成果"}
    others = "、".join(f"“{one.title}”（{one.id}）" for one in picked.others)
    return f"请安排{name[picked.node.kind]}“{picked.node.title}”（{picked.node.id}）与{name[picked.others[0].kind]}{others}对接。"


def _refuse_role(visitor: Visitor, to: str) -> None:
    if to not in TARGETS:
        raise not_found("去处", to)
    if to != "roadshow" and not visitor.may(*WRITERS):
        raise Refusal(
            403, "role_missing", f"您的角色不能登记{TARGETS[to]}。", "请交给对接专员或主管人员办理。"
        )
