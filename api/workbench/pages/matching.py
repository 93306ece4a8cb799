"""匹配: what fits a scene, an achievement or a text, at once and with reasons; and a shortlist as a file."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from api.bulk import SUFFIXES
from api.case_document import MEDIA_TYPE as DOCX
from api.desk_answers import ShortlistQuestion
from api.problem_documents import Refusal
from api.questions import MatchQuestion
from api.routes.paths import now, today
from api.services import Parts, Services
from api.showings import record_shown, shown_pairs
from api.workbench.access import AtDesk, Visitor
from api.workbench.hidings import Hiding, hidden_pairs
from api.workbench.rendering import escaped, link, page
from api.workbench.score_bars import bar_of
from graph.feedback import STAGES, Judgement, Outcome, spellings
from graph.identifiers.districts import DISTRICTS
from graph.identifiers.fields import FIELDS
from graph.identifiers.maturity import parse_maturity, trl
from graph.kinds import Achievement, Node, Scene
from graph.problems import Refused
from graph.values import clean_cell
from matcher.engine import written_scene
from matcher.facts import IP_STATUSES
from matcher.ranking import COUNTERPARTS

router = APIRouter(include_in_schema=False)
_LOG = logging.getLogger("jiebang.workbench")

TOPS = (30, 100, 200)
_TEXT = 1500  # characters of a free text: it is part of the address, so that it can be marked and sent on
_PICKED = 40
_MEDIA = {".xlsx": next(media for media, suffix in SUFFIXES.items() if suffix == ".xlsx"), ".docx": DOCX}

One = Annotated[str, Query(max_length=100)]
Several = Annotated[list[str] | None, Query(max_length=20)]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a list is narrowed to."""

    field: str = ""
    district: str = ""
    min_trl: int = 0
    ip_status: str = ""
    top: int = TOPS[0]

    @property
    def query(self) -> dict[str, Any]:
        """As the query of an address; what is usual is left out."""
        top = self.top if self.top != TOPS[0] else ""
        return {
            "field": self.field, "district": self.district, "min_trl": self.min_trl or "", "ip_status": self.ip_status, "top": top,
        }  # fmt: skip


@router.get("/match")
async def get_match(
    request: Request, visitor: AtDesk, parts: Parts, scene: One = "", achievement: One = "",
    text: Annotated[str, Query(max_length=20_000)] = "", q: Annotated[str, Query(max_length=20_000)] = "",
    field: One = "", district: One = "", min_trl: One = "", ip_status: One = "", top: One = "", hidden: One = "",
) -> Response:  # fmt: skip
    wanted = Wanted(
        field=field if field in FIELDS else "",
        district=district if district in DISTRICTS else "",
        min_trl=int(min_trl) if min_trl in set("123456789") else 0,
        ip_status=ip_status if ip_status in IP_STATUSES else "",
        top=next((n for n in TOPS if str(n) == top), TOPS[0]),
    )
    if scene or achievement:
        kind, id = ("scene", scene) if scene else ("achievement", achievement)
        node = await run_in_threadpool(visitor.find, kind, id)
        return await _ranked(request, visitor, parts, node, wanted, text="", with_hidden=bool(hidden))
    if given := clean_cell(text)[:_TEXT]:
        return await _ranked(request, visitor, parts, written_scene(given), wanted, text=given)
    return await run_in_threadpool(_picker, request, visitor, q.strip())


@router.get("/match/shortlist.xlsx")
async def get_shortlist(
    visitor: AtDesk, parts: Parts, scene: One = "", achievement: One = "", id: Several = None
) -> Response:
    """The picked pairs as a workbook."""
    return await _shortlist(visitor, parts, scene, achievement, id, ".xlsx")


@router.get("/match/shortlist.docx")
async def get_document(
    visitor: AtDesk, parts: Parts, scene: One = "", achievement: One = "", id: Several = None
) -> Response:
    """The picked pairs as a document."""
    return await _shortlist(visitor, parts, scene, achievement, id, ".docx")


async def _shortlist(
    visitor: Visitor, parts: Services, scene: str, achievement: str, id: Sequence[str] | None, suffix: Literal[".xlsx", ".docx"],
) -> Response:  # fmt: skip
    kind, subject = ("scene", scene) if scene else ("achievement", achievement)
    node = await run_in_threadpool(visitor.find, kind, subject)
    ids = tuple(dict.fromkeys(id or ()))
    if not ids:
        raise Refusal(422, "shortlist_empty", "还没有选中任何一项。", "请回到列表，先勾选要导出的几项。")
    asked = ShortlistQuestion(
        audience="staff", today=today(), node=node, kind=COUNTERPARTS[kind], ids=ids, suffix=suffix
    )
    name = quote(f"候选名单_{node.id}{suffix}", safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(await parts.answer_soon(asked), media_type=_MEDIA[suffix], headers=headers)


def _picker(request: Request, visitor: Visitor, q: str) -> Response:
    """Find what is to be matched: by number at once, else among what the words are found in."""
    store = visitor.view
    for id in spellings(q) if q else ():
        for kind in COUNTERPARTS:
            if len(id) <= 100 and store.get(kind, id) is not None:
                return RedirectResponse(link("/match", **{kind: id}), 303)
    found = {
        kind: store.search(q[:200], kind=kind, limit=_PICKED)
        if q
        else store.page(kind, after="", limit=_PICKED)
        for kind in COUNTERPARTS
    }
    return page(request, "match_pick.html", q=q, found=found, counts=store.counts(), limit=_TEXT)


async def _ranked(
    request: Request, visitor: Visitor, parts: Parts, node: Node, wanted: Wanted, *, text: str,
    with_hidden: bool = False,
) -> Response:  # fmt: skip
    kind = COUNTERPARTS[node.kind]
    asked = MatchQuestion(
        audience="staff", today=today(), node=node, is_stored=not text, kind=kind, top=wanted.top, full=False,
        fields=(wanted.field,) if wanted.field else (), districts=(wanted.district,) if wanted.district else (),
        min_trl=wanted.min_trl, ip_statuses=(wanted.ip_status,) if wanted.ip_status else (),
    )  # fmt: skip
    told: dict[str, Any] = json.loads(await parts.answer_soon(asked))
    away = await run_in_threadpool(hidden_pairs, visitor.store) if not text else {}
    response = await run_in_threadpool(_list, request, visitor, node, kind, wanted, told["items"], text, away, with_hidden)  # fmt: skip
    if not text:
        found = [(kind, item["id"], item["rank"]) for item in told["items"]]
        pairs = {pair: rank for pair, rank in shown_pairs(node.kind, node.id, found).items() if with_hidden or pair not in away}  # fmt: skip
        # When the page is gone: who looks does not wait for it.
        response.background = BackgroundTask(_keep_shown, visitor, pairs, told["ranker"])
    return response


def _keep_shown(visitor: Visitor, pairs: Mapping[tuple[str, str], int], ranker: str) -> None:
    try:
        record_shown(visitor.store, pairs, ranker=ranker, by=visitor.name, at=now())
    except Refused:
        _LOG.warning("what was shown could not be recorded", exc_info=True)


def _list(
    request: Request, visitor: Visitor, node: Node, kind: str, wanted: Wanted, items: Sequence[dict[str, Any]],
    text: str, away: Mapping[tuple[str, str], Hiding], with_hidden: bool,
) -> Response:  # fmt: skip
    store = visitor.store
    written = store.last_written(kind, [item["id"] for item in items])
    said = _said(visitor, node) if not text else {}
    most = max((bar_of(item["parts"], 0.0).sum for item in items), default=0.0)
    rows = [
        item
        | {
            "bar": bar_of(item["parts"], most),
            "written": written.get(item["id"]),
            "trl": trl(parse_maturity(maturity)) if (maturity := item["about"]["maturity"]) else "",
            "said": said.get(item["id"]),
            "hiding": away.get(pair_of(node, item["id"])),
        }
        for item in items
    ]
    shown = [row for row in rows if with_hidden or row["hiding"] is None]
    subject = {"text": text} if text else {node.kind: node.id}
    return page(
        request, "match.html", node=node, subject=subject, kind=kind, rows=shown, hidden_count=len(rows) - len(shown),
        wanted=wanted, text=text, stages=STAGES, fields=list(FIELDS), districts=list(DISTRICTS),
        ip_statuses=[s for s in IP_STATUSES if s], tops=TOPS, is_narrowed=bool(wanted.query.keys() - {"top"} and any(v for k, v in wanted.query.items() if k != "top")),
        record=f"/records/{node.kind}/{escaped(node.id)}", is_closed=_closed(node), with_hidden=with_hidden,
    )  # fmt: skip


def pair_of(node: Node, other: str) -> tuple[str, str]:
    """Scene and achievement of a pair, whichever of them the list is for."""
    return (node.id, other) if node.kind == "scene" else (other, node.id)


def _closed(node: Node) -> str:
    """Why a scene may not be looking any more."""
    if isinstance(node, Scene):
        if node.status == "已落地":
            return "该场景已落地。"
        if isinstance(node.deadline, date) and node.deadline < today():
            return f"该场景已于 {node.deadline} 截止。"
    return ""


def _said(visitor: Visitor, node: Node) -> Mapping[str, Mapping[str, Any]]:
    """What people said of each counterpart: grades, mine, and how far an introduction came."""
    store = visitor.store
    scene = node.id if node.kind == "scene" else None
    mine = "achievement" if isinstance(node, Achievement) else "scene"
    records: list[Judgement | Outcome] = [*store.judgements(scene), *store.outcomes(scene)]
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        if getattr(record, mine) != node.id:
            continue
        other = record.scene if mine == "achievement" else record.achievement
        one = found.setdefault(other, {"grades": [], "mine": None, "stages": []})
        if isinstance(record, Judgement):
            one["grades"].append(record)
            one["mine"] = record if record.judge == visitor.name else one["mine"]
        elif record.stage != "shown":
            one["stages"].append(record)
    order = list(STAGES)
    for one in found.values():
        one["stages"].sort(key=lambda record: order.index(record.stage))
    return found
