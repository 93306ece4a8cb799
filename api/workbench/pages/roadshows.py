"""路演: the list, a new one, and the editor of a lineup; nothing waits for solving but the form that asked for it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

from anyio import from_thread
from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.access import not_found
from api.lineup_answers import lineup_answer, refusal_of_roadshow
from api.problem_documents import Refusal, refusal_of
from api.routes.paths import PathId, now, today
from api.services import Parts, Services
from api.workbench.access import ORGANISERS, AtDesk, Drafter, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.lineup_words import change_told, done_told
from api.workbench.pages.matching import One
from api.workbench.rendering import escaped, page
from graph.identifiers.fields import fields, parse_fields
from graph.kinds import Scene
from graph.problems import BadValue, Refused
from graph.store.audience import AudienceStore
from graph.store.history import Entry
from graph.values import VISIBILITY_LABELS
from matcher.gaps import is_open
from matcher.lineup import LEVEL_LABELS, RULE_LABELS, lineup_policy
from matcher.roadshow_steps import CONTENT, PREFIX, shortlist_of, started, write
from matcher.roadshows import SETTING_LABELS, STATES, Roadshow, lineup_values, seen_draft, shown_before
from matcher.tasks import Task, next_id

router = APIRouter(include_in_schema=False)

ROLE = "staff"  # in whose name the city's own people change a roadshow
_PAGE = 50
_HISTORY = 30
# What a rule asks for, in plain words, and in what it is counted.
RULE_WORDS: Mapping[str, tuple[str, str]] = {
    "pitches": ("正好上台几项", "项"), "coverage": ("每个受邀场景至少几项较强相关", "项"), "team": ("同一团队最多几项", "项，0 不限"),
    "institution": ("同一单位最多几项", "项，0 不限"), "field": ("同一领域最多几项", "项，0 不限"), "stage": ("同一成熟阶段最多几项", "项，0 不限"),
    "fields": ("至少来自几个领域", "个，0 不限"), "stages": ("至少几个成熟阶段", "个，0 不限"), "likeness": ("内容相近到百分之几的不同台", "%，0 不限"),
    "maturity": ("成熟度至少", "级 TRL，0 不限"), "rest": ("近几场登过台的不再登台", "场，0 不限"), "fit": ("对一方听众至少达到", "级（2 弱、3 较强、4 强）"),
    "must": ("必选的在台上", ""), "must_not": ("不选的不在台上", ""), "lock": ("锁定的在台上", ""),
    "variety": ("领域、单位、阶段每多一种加几分", "%"), "spares": ("备几个候补", "个"), "size": ("从最相关的多少项里选", "项"),
}  # fmt: skip
_OPERATIONS = {"up": "move", "down": "move", "to": "move", "anew": "solve"}


@router.get("/roadshows")
def get_roadshows(
    request: Request, visitor: AtDesk, state: One = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:  # fmt: skip
    every = list(visitor.store.processes(Roadshow))
    found = [one for one in every if state in ("", one.state)]
    # What is still to be held first, the nearest day first; what has no day yet before what has.
    found.sort(key=lambda one: (not STATES[one.state][1], str(one.day or ""), one.id))
    return page(
        request, "roadshows.html", roadshows=found[(number - 1) * _PAGE : number * _PAGE], states=STATES, state=state,
        number=number, count=len(found), total=len(every), following=len(found) > number * _PAGE, escaped=escaped,
        day_now=today(),
    )  # fmt: skip


@router.get("/roadshows/new")
def get_new(request: Request, visitor: Drafter, scene: One = "", task: One = "", theme: One = "") -> Response:
    return _new(request, visitor, {"scenes": scene, "task": task, "theme": theme}, None)


@router.post("/roadshows/new")
async def post_new(request: Request, visitor: Drafter, parts: Parts, sent: Form) -> Response:
    """Keep what the roadshow is for; its page then solves the first lineup, or says why there is none."""

    def work() -> tuple[str, str]:
        store, at = visitor.store, now()
        since = store.revision()
        draft = _started(visitor, sent, next_id(Roadshow, store, PREFIX, at))
        write(store, draft, actor=visitor.name, at=at, reason=f"新建路演 {draft.id}", since=since)
        return f"{place_of(draft.id)}?solve=1", ""

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        given = dict(sent.fields)
        return await run_in_threadpool(_new, request, visitor, given, told_refusal(error))
    parts.changed()
    return response


@router.get("/roadshows/{id}")
def get_roadshow(request: Request, visitor: AtDesk, id: PathId, solve: One = "") -> Response:
    return editor(request, visitor, id, starts=solve == "1")


@router.post("/roadshows/{id}/edits")
async def post_edit(request: Request, visitor: Drafter, parts: Parts, id: PathId, sent: Form) -> Response:
    """One change of the lineup or its rules, worked out on a lane and kept as the next draft."""

    def work() -> tuple[str, str]:
        store, at = visitor.store, now()
        since, found = store.revision(), found_roadshow(visitor, id)
        refuse_old(found, sent)
        edit = _edit(visitor, found, sent)
        first = (
            edit["operation"] == "solve" and not found.stage and not edit["numbers"] and not edit["levels"]
        )
        shown = shown_before(found, store.processes(Roadshow))
        answer = from_thread.run(
            partial(lineup_answer, parts, found, None if first else edit, shown, role=ROLE, at=at)
        )
        made = Roadshow.model_validate_json(answer["roadshow"])
        told = change_told(found, made, answer["change"])
        reason = f"{done_told(edit, found)}{f'，因为{why}' if (why := edit['reason']) else ''}：{told}"
        write(store, made, actor=visitor.name, at=at, reason=reason[:900], since=since)
        return place_of(id), told

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        return await run_in_threadpool(editor, request, visitor, id, error=error, seen=sent.get("seen"))
    parts.changed()
    return response


@router.get("/roadshows/{id}/conflicts")
async def get_conflicts(request: Request, visitor: AtDesk, parts: Parts, id: PathId) -> Response:
    """What the lineup breaks now."""
    found = await run_in_threadpool(found_roadshow, visitor, id)
    answer = await looked_at(visitor, parts, found, left=False) if found.stage else {"conflicts": []}
    return page(
        request, "roadshow_conflicts.html", roadshow=found, conflicts=answer["conflicts"], here_=place_of(id),
        titles=titles_of(found), levels=LEVEL_LABELS,
    )  # fmt: skip


@router.get("/roadshows/{id}/left-out")
async def get_left_out(request: Request, visitor: AtDesk, parts: Parts, id: PathId) -> Response:
    """Who is not on stage, why, and what would have to give."""
    found = await run_in_threadpool(found_roadshow, visitor, id)
    answer = await looked_at(visitor, parts, found) if found.stage else {"left_out": []}
    return page(
        request, "roadshow_left_out.html", roadshow=found, left=answer["left_out"], here_=place_of(id),
        titles=titles_of(found) | {one["id"]: one["title"] for one in answer["left_out"]}, drafts=may_draft(visitor, found),
        escaped=escaped,
    )  # fmt: skip


def editor(
    request: Request, visitor: Visitor, id: str, *, error: Exception | None = None, seen: str = "", starts: bool = False,
) -> Response:  # fmt: skip
    """The page of one roadshow; after a refusal it says why, and what others did since the draft that was ``seen``."""
    found = found_roadshow(visitor, id)
    refusal = told_refusal(error) if error is not None else None
    history = history_of(visitor, id)
    records = AudienceStore(visitor.store, found.audience)
    values = lineup_values(found, records)
    gap = (found.best - found.total) / found.best if found.best > found.total else 0.0
    listeners = {one["id"]: one for one in values["listeners"]}
    kinds = [name for name in SETTING_LABELS if name not in ("size",)]
    policy = lineup_policy()
    return page(
        request, "roadshow.html", status=refusal.status if refusal else 200, roadshow=found, values=values, gap=gap,
        refusal=refusal, since=_since(history, seen) if refusal else [], starts=starts and not found.stage,
        drafts=may_draft(visitor, found), runs=visitor.may(*ORGANISERS), here_=place_of(id), escaped=escaped,
        undone={one.revision for one in history if _changes_content(one)}, state=STATES[found.state], history=history[:_HISTORY], history_count=len(history), titles=titles_of(found),
        rules=[(kind, *RULE_WORDS[kind], found.number(kind)) for kind in kinds], rule_words=RULE_WORDS, level_labels=LEVEL_LABELS,
        levels={kind: found.levels.get(kind, policy["levels"].get(kind, policy["usual_level"])) for kind in RULE_LABELS},
        listeners=listeners, out=[(one, records.get("achievement", one.achievement)) for one in found.out],
        audiences=VISIBILITY_LABELS, has_places=bool(found.timetable and found.timetable.get("places")),
    )  # fmt: skip


def place_of(id: str) -> str:
    """The address of a roadshow's page."""
    return f"/roadshows/{escaped(id)}"


def found_roadshow(visitor: Visitor, id: str) -> Roadshow:
    """The roadshow. Raises the 404."""
    found = visitor.store.process(Roadshow, id)
    if found is None:
        raise not_found(Roadshow.label, id)
    return found


def may_draft(visitor: Visitor, roadshow: Roadshow) -> bool:
    """Whether the person may change this roadshow as it stands."""
    return visitor.may("staff", *ORGANISERS) and roadshow.state in ("draft", "released")


def titles_of(roadshow: Roadshow) -> dict[str, str]:
    """What the pitches and alternates are called, by id."""
    every = [*roadshow.stage, *roadshow.alternates, *(p for v in roadshow.versions for p in v.stage)]
    return {one.achievement: one.title or one.achievement for one in every}


def history_of(visitor: Visitor, id: str) -> list[Entry]:
    """Every change of the roadshow, the latest first."""
    return list(reversed(visitor.store.history_of_process(Roadshow.kind, id)))


async def looked_at(
    visitor: Visitor, parts: Services, found: Roadshow, *, left: bool = True
) -> dict[str, Any]:
    """How the lineup stands beside the data of now; asked for its own last moment, so that an answer can be kept."""
    shown = await run_in_threadpool(lambda: shown_before(found, visitor.store.processes(Roadshow)))
    return await lineup_answer(parts, found, None, shown, role=ROLE, at=found.moved_at, looks=True, left=left)


def told_refusal(error: Exception) -> Refusal:
    """What a refused form says: of plans and lineups everything is somebody's to mend. Raises what nobody foresaw."""
    if isinstance(error, Refused) and error.code == "plan_stale":
        return Refusal(412, "roadshow_changed", "您打开之后，别人改过这场路演；您的这一步没有办理。", "请看过现在的样子再办。")  # fmt: skip
    told = refusal_of_roadshow(error) if isinstance(error, Refused) else error
    refusal = refusal_of(told)
    if refusal is None or refusal.status == 404:
        raise error
    if (
        isinstance(error, Refused)
        and refusal.status == 503
        and error.code not in ("store_locked", "job_busy")
    ):
        return Refusal(422, error.code, error.message, error.remedy)
    return refusal


async def worded(doing: Callable[[], Any]) -> Response:
    """The response of ``doing``, its refusals told as ``told_refusal`` does."""
    try:
        response: Response = await doing()
    except (Refused, BadValue) as error:
        raise told_refusal(error) from error
    return response


def refuse_old(found: Roadshow, sent: Sent) -> None:
    """Raise 412 where the form stood on another draft than the present one."""
    text = sent.get("seen")
    try:
        seen_draft(found, int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else -1)
    except Refused:
        raise Refusal(412, "roadshow_changed", "您打开之后，别人改过这场路演；您的这一步没有办理。", "下面是别人改的和现在的样子，看过再办。") from None  # fmt: skip


def _since(history: Sequence[Entry], seen: str) -> list[Entry]:
    """What was done after the draft that a page showed, the latest first."""
    if not (seen.isascii() and seen.isdecimal() and len(seen) < 9):
        return []
    return [one for one in history if one.after is not None and one.after.get("draft", 0) > int(seen)]


def _changes_content(entry: Entry) -> bool:
    """Whether a change can be gone back before: a step such as a release is none."""
    before, after = entry.before, entry.after
    return (
        before is not None
        and after is not None
        and any(before.get(name) != after.get(name) for name in CONTENT)
    )


def _new(request: Request, visitor: Visitor, given: Mapping[str, str], refusal: Refusal | None) -> Response:
    scenes = [one for one in visitor.store.nodes("scene") if isinstance(one, Scene) and is_open(one, today())]
    tasks = [task for task in visitor.store.processes(Task) if task.is_unsealed]
    policy = lineup_policy()
    kinds = [name for name in SETTING_LABELS if name != "pitches"]
    usual = {
        **policy["numbers"],
        "variety": policy["variety"],
        "spares": policy["alternates"],
        "size": policy["pool"],
    }
    return page(
        request, "roadshow_new.html", status=refusal.status if refusal else 200, refusal=refusal, given=defaultdict(str, given), tasks=tasks,
        fields=fields(), scenes=scenes[:300], audiences=VISIBILITY_LABELS, level_labels=LEVEL_LABELS,
        rules=[(kind, *RULE_WORDS[kind], usual.get(kind, 0), policy["levels"].get(kind, policy["usual_level"]), kind in RULE_LABELS) for kind in kinds],
    )  # fmt: skip


def _started(visitor: Visitor, sent: Sent, id: str) -> Roadshow:
    """The draft that the form asks for. Raises as ``started`` and ``shortlist_of`` do."""
    store = visitor.store
    audience: Any = sent.get("audience") or "staff"
    if audience not in VISIBILITY_LABELS:
        raise Refused(
            "roadshow_setting", "可见范围看不懂。", f"可写：{'、'.join(VISIBILITY_LABELS.values())}。"
        )
    records = AudienceStore(store, audience)
    guests = [
        _found_id(records, ("scene", "enterprise", "fund"), text) for text in _parts(sent.get("scenes"))
    ]
    theme, task, shortlist = sent.get("theme"), sent.get("task"), None
    if task:
        known = store.process(Task, task)
        if known is None:
            raise Refused("roadshow_setting", f"没有编号为“{task[:60]}”的榜单。", "请从列表里选。")
        shortlist, _ = shortlist_of(store, known)
        guests, theme = guests or [id for kind, id in known.about if kind == "scene"], theme or known.title
    field = parse_fields(sent.get("field"))[0] if sent.get("field") else ""
    numbers, levels = _rules(sent)
    draft, _ = started(
        records, id, at=now(), today=today(), pitches=_count(sent.get("pitches") or "6"), theme=theme, field=field, guests=guests,
        shortlist=shortlist, numbers=numbers, levels=levels, title=sent.get("title"), day=sent.get("day") or None,
        audience=audience, task=task, must=tuple(_found_id(records, ("achievement",), text) for text in _parts(sent.get("must"))),
        must_not=[_found_id(records, ("achievement",), text) for text in _parts(sent.get("must_not"))],
    )  # fmt: skip
    return draft


def _rules(sent: Sent, known: Roadshow | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Numbers and levels as the form has them, without what is so already."""
    scenes = {id for _, id in known.about} if known else set()
    numbers, levels = {}, {}
    for name, text in ((name, text.strip()) for name, text in sent.fields):
        kind = name[2:]
        if name.startswith("n:") and text and kind in {*SETTING_LABELS, *scenes}:
            had = (
                None if known is None else known.coverage.get(kind) if kind in scenes else known.number(kind)
            )
            if text != str(had):
                numbers[kind] = text
        elif name.startswith("l:") and text and kind in RULE_LABELS:
            if text not in LEVEL_LABELS:
                raise Refused("roadshow_setting", f"级别“{text[:20]}”看不懂。", "请从列表里选。")
            if known is None or known.levels.get(kind) != text:
                levels[kind] = text
    return numbers, levels


def _edit(visitor: Visitor, found: Roadshow, sent: Sent) -> dict[str, Any]:
    """The edit that a form asks for, as a question holds it."""
    asked, ids = sent.get("do"), [sent.get("id")] if sent.get("id") else []
    operation = _OPERATIONS.get(asked, asked)
    if operation not in ("solve", "lock", "unlock", "swap", "drop", "add", "move", "set"):
        raise Refusal(422, "choice_missing", "没有写明怎样改。", "请用页面上的按钮。")
    records, place = AudienceStore(visitor.store, found.audience), None
    if operation == "move":
        if not ids or ids[0] not in found.ids:
            raise Refused("lineup_pitch", f"{sent.get('id')[:60]} 不在台上。", "请刷新后再试。")
        at = found.ids.index(ids[0]) + 1
        place = at - 1 if asked == "up" else at + 1 if asked == "down" else _count(sent.get("place"))
        place = min(max(1, place), len(found.stage))
    elif operation == "swap":
        ids.append(_found_id(records, ("achievement",), sent.get("into")))
    elif operation == "add":
        ids = [_found_id(records, ("achievement",), sent.get("id"))]
        place = _count(sent.get("place")) if sent.get("place") else None
    numbers, levels = _rules(sent, found) if operation in ("set", "solve") else ({}, {})
    must, must_not = (
        tuple(_found_id(records, ("achievement",), text) for text in _parts(sent.get(name)))
        for name in ("must", "must_not")
    )
    return {
        "operation": operation, "ids": tuple(ids), "place": place, "reason": sent.get("reason")[:300], "anew": asked == "anew",
        "fill": sent.get("fill") != "no", "numbers": numbers, "levels": levels, "must": must, "must_not": must_not,
    }  # fmt: skip


def _found_id(records: AudienceStore, kinds: Sequence[str], text: str) -> str:
    """The id of a record named by its id or title. Raises ``Refused`` naming those that come near."""
    plain = text.strip()
    if any(records.get(kind, plain) is not None for kind in kinds):
        return plain
    near = [node for kind in kinds for node in (records.search(plain, kind=kind, limit=6) if plain else ())]
    exact = [node for node in near if node.title == plain]
    if len(exact or near) == 1:
        return (exact or near)[0].id
    what = "成果" if kinds == ("achievement",) else "场景、企业或基金"
    code = "achievement_unknown" if kinds == ("achievement",) else "guest_unknown"
    told = "、".join(f"{node.title[:30]}（{node.id}）" for node in near[:5])
    raise Refusal(
        422, code, f"没有认出{what}“{plain[:60]}”。", f"是不是：{told}？请写编号。" if told else "请写编号，或名称里的词。"
    )  # fmt: skip


def _parts(text: str) -> list[str]:
    for sign in "，,；;\n\r":
        text = text.replace(sign, "、")
    return list(dict.fromkeys(part.strip() for part in text.split("、") if part.strip()))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 10_000):
        raise Refused("lineup_place", f"“{text[:20]}”不是正整数。", "请写 1、2、3……")
    return int(text)
