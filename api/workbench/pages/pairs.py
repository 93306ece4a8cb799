"""One pair with all its reasons, several side by side, and what people say of them."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.desk_answers import SideBySideQuestion
from api.problem_documents import Refusal
from api.routes.paths import now, today
from api.services import Parts
from api.workbench.access import AtDesk, Visitor, Writer
from api.workbench.forms import Form, done_once
from api.workbench.gate import safe_next
from api.workbench.hidings import hidden_pairs, set_hidden
from api.workbench.pages.matching import One, Several
from api.workbench.path_drawing import drawn
from api.workbench.rendering import page
from graph.feedback import LEVEL_LABELS, STAGES, Judgement, Outcome
from graph.kinds import Node
from graph.store.changes import PutFeedback
from graph.values import clean_cell
from matcher.engine import written_scene
from matcher.explanation import SHOWN_POINTS
from matcher.ranking import COUNTERPARTS

router = APIRouter(include_in_schema=False)

_COMPARED = 4
_READ = ("title", "summary", "problem", "indicators", "wanted", "solution", "results", "maturity_evidence")


@router.get("/pair")
async def get_pair(
    request: Request, visitor: AtDesk, parts: Parts, found: One, scene: One = "", achievement: One = "",
    text: Annotated[str, Query(max_length=20_000)] = "", below: One = "",
) -> Response:  # fmt: skip
    """All of one pair; ``below`` is the id of the one that stands next in the list."""
    node = await _subject(visitor, scene, achievement, text)
    kind = COUNTERPARTS[node.kind]
    other = await run_in_threadpool(visitor.find, kind, found)
    told = await _told(parts, node, kind, (found, below) if below else (found,), is_stored=not text)
    item = next((one for one in told["items"] if one["id"] == found), None)
    if item is None:
        raise Refusal(409, "index_behind", "这条记录刚写入，还在整理，暂时排不出来。", "请过几秒再打开。")
    said = await run_in_threadpool(_said, visitor, node, other) if not text else None
    parts_shown = [p for p in item["parts"] if abs(p["points"]) >= SHOWN_POINTS or p["note"]]
    return page(
        request, "pair.html", node=node, other=other, item=item, text=text, between=_above(told, found),
        parts=parts_shown, most=max((abs(p["points"]) for p in parts_shown), default=1.0) or 1.0,
        drawings=[drawn(path) for path in item["links"]], said=said, stages=STAGES, levels=LEVEL_LABELS,
        subject={"text": text} if text else {node.kind: node.id},
        sides=[(one, [(n, t) for n in _READ if isinstance(t := getattr(one, n, ""), str) and t and n != "title"]) for one in (node, other)],
    )  # fmt: skip


@router.get("/compare")
async def get_compare(
    request: Request, visitor: AtDesk, parts: Parts, scene: One = "", achievement: One = "",
    text: Annotated[str, Query(max_length=20_000)] = "", id: Several = None,
) -> Response:  # fmt: skip
    node = await _subject(visitor, scene, achievement, text)
    ids = tuple(dict.fromkeys(id or ()))
    if not 2 <= len(ids) <= _COMPARED:
        raise Refusal(422, "compare_count", f"并排比较要选 2 到 {_COMPARED} 项，现在选了 {len(ids)} 项。", "请回到列表重新勾选。")  # fmt: skip
    told = await _told(parts, node, COUNTERPARTS[node.kind], ids, is_stored=not text)
    items: list[dict[str, Any]] = told["items"]
    if len(items) < 2:
        raise Refusal(409, "compare_count", "选中的成果或场景只剩不到 2 项，其余已撤下，或刚写入还在整理。", "请回到列表重新勾选。")  # fmt: skip
    labels = dict.fromkeys(part["label"] for item in items for part in item["parts"])
    points = [{part["label"]: part["points"] for part in item["parts"]} for item in items]
    rows = [(label, [column.get(label) for column in points]) for label in labels]
    telling = [row for row in rows if any(abs(p or 0.0) >= SHOWN_POINTS for p in row[1])]
    demands = dict.fromkeys(answer["demand"] for item in items for answer in item["indicators"])
    replies = [{answer["demand"]: answer for answer in item["indicators"]} for item in items]
    return page(
        request, "compare.html", node=node, items=items, between=told["between"], rows=telling,
        indicators=[(demand, [column.get(demand) for column in replies]) for demand in demands],
        subject={"text": text} if text else {node.kind: node.id}, text=text,
    )  # fmt: skip


@router.post("/judgements")
async def post_judgement(visitor: Writer, parts: Parts, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        scene, achievement = _pair(visitor, sent.get("scene"), sent.get("achievement"))
        record = Judgement(
            scene=scene.id, achievement=achievement.id, judge=visitor.name,
            level=_chosen(sent.get("level"), {str(n): n for n in LEVEL_LABELS}, "等级"),
            at=now(), reason=sent.get("reason"),
        )  # fmt: skip
        _put(visitor, record, "评级")
        return safe_next(
            sent.get("back", "/match")
        ), f"已评为{LEVEL_LABELS[record.level]}：{achievement.title}"

    response = await done_once(visitor, sent, work)
    parts.follower.poke()
    return response


@router.post("/outcomes")
async def post_outcome(visitor: Writer, parts: Parts, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        scene, achievement = _pair(visitor, sent.get("scene"), sent.get("achievement"))
        stage = _chosen(sent.get("stage"), {s: s for s in STAGES if s != "shown"}, "进展")
        record = Outcome(
            scene=scene.id, achievement=achievement.id, stage=stage, by=visitor.name, at=now(), reason=sent.get("reason"),
        )  # fmt: skip
        if stage == "declined" and not record.reason:
            raise Refusal(422, "reason_missing", "没有写未成的原因。", "请写一句原因：以后的匹配会用到。")
        _put(visitor, record, "进展")
        return safe_next(sent.get("back", "/match")), f"已记下“{STAGES[stage]}”：{achievement.title}"

    response = await done_once(visitor, sent, work)
    parts.follower.poke()
    return response


@router.post("/hidings")
async def post_hiding(visitor: Writer, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        scene, achievement = _pair(visitor, sent.get("scene"), sent.get("achievement"))
        hide, reason = sent.get("hide") == "1", sent.get("reason")
        if hide and not reason:
            raise Refusal(422, "reason_missing", "没有写不再展示的原因。", "请写一句原因，别人会看到。")
        set_hidden(
            visitor.store, scene.id, achievement.id, hide=hide, reason=reason, by=visitor.name, at=now()
        )
        did = "这一对不再展示" if hide else "这一对恢复展示"
        return safe_next(sent.get("back", "/match")), f"{did}：{achievement.title}"

    return await done_once(visitor, sent, work)


async def _subject(visitor: Visitor, scene: str, achievement: str, text: str) -> Node:
    if given := clean_cell(text):
        return written_scene(given)
    kind, id = ("scene", scene) if scene else ("achievement", achievement)
    return await run_in_threadpool(visitor.find, kind, id)


async def _told(
    parts: Parts, node: Node, kind: str, ids: tuple[str, ...], *, is_stored: bool
) -> dict[str, Any]:
    asked = SideBySideQuestion(
        audience="staff", today=today(), node=node, is_stored=is_stored, kind=kind, ids=ids
    )
    told: dict[str, Any] = json.loads(await parts.answer_soon(asked))
    return told


def _above(told: dict[str, Any], found: str) -> dict[str, Any] | None:
    """Why the pair stands above the next one; None where there is no next one, or it has come to stand above."""
    items = told["items"]
    return told["between"][0] if len(items) == 2 and items[0]["id"] == found else None


def _pair(visitor: Visitor, scene: str, achievement: str) -> tuple[Node, Node]:
    return visitor.find("scene", scene), visitor.find("achievement", achievement)


def _chosen(value: str, known: dict[str, Any], label: str) -> Any:
    if value not in known:
        raise Refusal(422, "choice_missing", f"没有选{label}。", f"请先选一个{label}再提交。")
    return known[value]


def _put(visitor: Visitor, record: Judgement | Outcome, what: str) -> None:
    reason = f"{what}：{record.scene}—{record.achievement}"
    visitor.store.apply([PutFeedback(record=record)], actor=visitor.name, at=record.at, reason=reason)


def _said(visitor: Visitor, node: Node, other: Node) -> dict[str, Any]:
    """What people said of the pair, and whether it is hidden."""
    scene, achievement = (node, other) if node.kind == "scene" else (other, node)
    store = visitor.store
    order = list(STAGES)
    outcomes = [o for o in store.outcomes(scene.id) if o.achievement == achievement.id and o.stage != "shown"]
    return {
        "scene": scene.id, "achievement": achievement.id,
        "grades": [one for one in store.judgements(scene.id) if one.achievement == achievement.id],
        "outcomes": sorted(outcomes, key=lambda one: order.index(one.stage)),
        "hiding": hidden_pairs(store).get((scene.id, achievement.id)),
    }  # fmt: skip
