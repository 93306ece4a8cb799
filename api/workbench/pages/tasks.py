"""揭榜与赛马: the list of tasks, one task with all that belongs to it, registering and amending one, its own moves."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from api.access import not_found
from api.bulk import SUFFIXES
from api.problem_documents import Refusal, refusal_of
from api.process_forms import TASK_FIELDS
from api.routes.paths import PathId, now
from api.services import Parts
from api.task_moves import moved_on
from api.task_views import shown_race, shown_replies, shown_task
from api.task_workbook import write_tasks
from api.wire_tasks import MilestoneSent, TaskMoveSent
from api.workbench.access import AtDesk, Officer, Visitor, Writer
from api.workbench.forms import Form, Sent, done_once
from api.workbench.pages.matching import One
from api.workbench.rendering import escaped, page
from api.workbench.stamps import refuse_changed, stamp_of
from graph.kinds import Achievement, Scene
from graph.problems import BadValue, Refused
from graph.processes import moved, moves_from
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher import awards
from matcher.awards import Award
from matcher.bids import STATES, Bid, Viewer, seen_bid
from matcher.process_values import WAN, in_china, parse_moment, parse_points, parse_yuan
from matcher.races import Race
from matcher.register import Register
from matcher.review_processes import PANEL_RULES, REVIEW_RULES, Panel, Review
from matcher.task_drafts import new_task, task_from_achievement, task_from_scene
from matcher.task_quality import check_task, told
from matcher.task_requirements import GRADES
from matcher.task_steps import add_task, move_task
from matcher.tasks import (
    LABELS,
    MODES,
    OFFICER,
    POSTER,
    SCORINGS,
    SELECTIONS,
    TIE_RULES,
    TOGETHER,
    Task,
    carry_out,
    task_rules,
)

router = APIRouter(include_in_schema=False)

XLSX = next(media for media, suffix in SUFFIXES.items() if suffix == ".xlsx")
_PAGE = 50
_HISTORY = 40
_CHOICES: Mapping[str, Mapping[Any, str]] = {
    "mode": MODES, "selection": SELECTIONS, "scoring": SCORINGS, "tie_rule": TIE_RULES,
}  # fmt: skip
_LONG = frozenset({"problem", "indicators", "content", "acceptance", "panel_rule", "rubric"})
# What people fill in for a move beside a reason, and whether the reason must be there.
MOVE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "submit": (), "opine": ("expert", "agrees", "opinion"), "return": ("reason",), "publish": ("new_deadline",),
    "extend": ("new_deadline", "reason"), "clear": ("cleared", "reason"), "fail": ("reason",), "sign": ("milestones",),
    "record": ("done", "evidence"), "assess": (), "close": ("points", "grade", "report"), "reject": ("reason",),
    "cancel": ("reason",),
}  # fmt: skip
# Made by staff for the poster; everything else is the officer's.
DRAFTING = frozenset({"submit"})


@dataclass(frozen=True, slots=True)
class Found:
    """A task and what goes with it."""

    task: Task
    panel: Panel | None
    review: Review | None
    award: Award | None
    race: Race | None

    @property
    def stamp(self) -> str:
        """What a form of its page was looking at."""
        return stamp_of((self.task, self.panel, self.review, self.award, self.race))


def found_task(visitor: Visitor, id: str) -> Found:
    """The task, all at one moment. Raises the 404."""
    with visitor.store.snapshot() as one:
        task = one.process(Task, id)
        if task is None:
            raise not_found(Task.label, id)
        return Found(task, one.process(Panel, id), one.process(Review, id), one.process(Award, id), one.process(Race, id))  # fmt: skip


def place_of(id: str) -> str:
    """The address of a task's page."""
    return f"/tasks/{escaped(id)}"


@router.get("/tasks")
def get_tasks(
    request: Request, visitor: AtDesk, q: Annotated[str, Query(max_length=200)] = "", state: One = "", late: One = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:  # fmt: skip
    at, words = now(), q.split()
    every = list(visitor.store.processes(Task))
    rows = [
        task for task in every
        if state in ("", task.state) and (not late or is_late(task, at))
        and all(word in f"{task.id} {task.title} {task.poster}" for word in words)
    ]  # fmt: skip
    # The most urgent first, what is over last.
    rows.sort(key=lambda task: (task_rules().states[task.state].final, task.due or datetime.max.replace(tzinfo=at.tzinfo), task.id))  # fmt: skip
    shown = rows[(number - 1) * _PAGE : number * _PAGE]
    return page(
        request, "tasks.html", tasks=shown, q=q, state=state, late=late, number=number, count=len(rows),
        following=len(rows) > number * _PAGE, labels=LABELS, modes=MODES, selections=SELECTIONS, escaped=escaped,
        late_count=sum(is_late(task, at) for task in every), late_ids={task.id for task in shown if is_late(task, at)},
        total=len(every), posted=sum(task.published_at is not None for task in every),
    )  # fmt: skip


@router.get("/tasks/list.xlsx")
def get_list(visitor: AtDesk) -> Response:
    """Every task that was posted, as it may be published."""
    tasks = [task for task in visitor.store.processes(Task) if task.published_at]
    return sent_file("榜单.xlsx", XLSX, lambda path: write_tasks(path, tasks))


@router.get("/tasks/new")
def get_new(request: Request, visitor: Writer, scene: One = "", achievement: One = "") -> Response:
    """An empty form, or one that a scene or an achievement has filled in."""
    about = _about(scene, achievement)
    if not about:
        return _form(request, None, new_task("-", at=now()), (), {}, [])
    node, register = visitor.find(*about[0]), Register.of(visitor.view)
    if isinstance(node, Scene):
        draft = task_from_scene(node, "-", register=register, at=now())
    else:
        assert isinstance(node, Achievement)  # noqa: S101  (the kinds of _about)
        draft = task_from_achievement(node, "-", register=register, at=now())
    return _form(request, None, draft, about, {}, [])


@router.post("/tasks/new")
async def post_new(request: Request, visitor: Writer, parts: Parts, sent: Form) -> Response:
    about = _about(sent.get("scene"), sent.get("achievement"))

    def work() -> tuple[str, str]:
        for kind, id in about:
            visitor.find(kind, id)
        at, values = now(), _given(sent)
        task = add_task(
            visitor.store, lambda id: new_task(id, at=at, about=about, **values), actor=visitor.name, at=at, reason="登记榜单",
        )  # fmt: skip
        return place_of(task.id), f"已登记榜单 {task.id}。请看检查结果，改好后送论证。"

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        return _form(request, None, new_task("-", at=now()), about, dict(sent.fields), [error])
    parts.changed()
    return response


@router.get("/tasks/{id}")
def get_task(request: Request, visitor: AtDesk, id: PathId) -> Response:
    found, at = found_task(visitor, id), now()
    task, store = found.task, visitor.store
    inside = shown_task(task, visitor.view, at)["inside"]
    bids = open_bids_of(store, task)
    titles = {key: node.title for key in task.about if (node := store.get(*key)) is not None}
    history = store.history_of_process(Task.kind, task.id)
    problems = check_task(task, at=at) if task.published_at is None else []
    return page(
        request, "task.html", task=task, found=found, told=told(task)[1:], titles=titles, escaped=escaped, at=at,
        moves=_moves(inside["moves"]), amendable=task.state == "registered", labels=LABELS, fields=MOVE_FIELDS,
        late=is_late(task, at), bids=[(bid, shown_replies(bid, task)) for bid in bids], bid_states=STATES, grades=GRADES,
        modes=MODES, selections=SELECTIONS, opening=_opening(task, at), problems=problems,
        history=list(reversed(history))[:_HISTORY], history_count=len(history), seen=found.stamp, here_=place_of(task.id),
        **_reviewed(found, at), **_awarded(found, at), **_raced(found, at),
    )  # fmt: skip


@router.get("/tasks/{id}/edit")
def get_edit(request: Request, visitor: Writer, id: PathId) -> Response:
    task = found_task(visitor, id).task
    return _form(request, task, task, task.about, {}, [])


@router.post("/tasks/{id}/edit")
async def post_edit(request: Request, visitor: Writer, parts: Parts, id: PathId, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        since, task = visitor.store.revision(), found_task(visitor, id).task
        if sent.get("seen") != stamp_of([task]):
            raise Refusal(412, "changed_since", "您打开之后，别人改过这个榜单；您的改动还没有写入。", "下面标出了不同之处：对照后再保存，就以您的为准。")  # fmt: skip
        role = OFFICER if visitor.may("officer", "administrator") else POSTER
        after = moved(task, task_rules(), "amend", role=role, at=now(), values=_given(sent, empty=True))
        if after.model_copy(update={"moved_at": task.moved_at, "due": task.due}) == task:
            return place_of(id), "没有改动。"
        why = sent.get("why")
        carry_out(
            visitor.store, [PutProcess(process=after)], actor=visitor.name, at=now(), since=since,
            reason=f"修改榜单 {id}" + (f"：{why}" if why else ""),
        )  # fmt: skip
        return place_of(id), f"已保存：{after.title}"

    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        task = found_task(visitor, id).task
        return _form(request, task, task, task.about, dict(sent.fields), [error])
    parts.changed()
    return response


@router.post("/tasks/{id}/submit")
async def post_submit(visitor: Writer, parts: Parts, id: PathId, sent: Form) -> Response:
    """送论证: what staff do for the poster."""

    def work() -> tuple[str, str]:
        found = found_task(visitor, id)
        refuse_changed(sent, found.stamp, "榜单")
        move_task(visitor.store, id, "submit", role=POSTER, values={}, actor=visitor.name, at=now())
        return place_of(id), "已送论证。"

    return await _done(visitor, parts, sent, work)


@router.post("/tasks/{id}/moves")
async def post_move(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    def work() -> tuple[str, str]:
        found = found_task(visitor, id)
        refuse_changed(sent, found.stamp, "榜单")
        asked = _move_sent(sent)
        after = moved_on(visitor.store, visitor.view, found.task, asked, actor=visitor.name, at=now())
        label = next(m.label for m in task_rules().moves.values() if m.name.partition("_")[0] == asked.move)
        return place_of(id), f"已办理“{label}”，现在是“{LABELS[after.state][0]}”。"

    return await _done(visitor, parts, sent, work)


async def _done(visitor: Visitor, parts: Any, sent: Sent, work: Any) -> Response:
    response = await done_once(visitor, sent, work)
    parts.changed()
    return response


def is_late(task: Task, at: datetime) -> bool:
    """Whether the present state should have ended."""
    return task.due is not None and task.due < at


def open_bids_of(store: Store, task: Task) -> list[Bid]:
    """The bids on a task that may be seen, by time: none before the opening."""
    if not task.is_unsealed:
        return []
    of_task = takewhile(lambda bid: bid.id.startswith(f"{task.id}-"), store.processes(Bid, after=task.id))
    seen = [bid for bid in of_task if seen_bid(bid, task, Viewer(role=OFFICER)) is not None]
    return sorted(seen, key=lambda bid: (bid.submitted_at or bid.opened_at, bid.id))


def sent_file(name: str, media: str, write: Any) -> Response:
    """What ``write`` puts at a path, as a download."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{Path(name).suffix}"
        write(path)
        body = path.read_bytes()
    return Response(body, media_type=media, headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"})  # fmt: skip


def _about(scene: str, achievement: str) -> tuple[tuple[str, str], ...]:
    named = tuple(
        (kind, id) for kind, id in (("scene", scene.strip()), ("achievement", achievement.strip())) if id
    )
    if len(named) > 1:
        raise Refusal(
            422, "task_from_two", "场景和成果只能写一个。", "技术需求榜从场景生成，成果转化榜从成果生成。"
        )
    return named


def _given(sent: Sent, *, empty: bool = False) -> dict[str, Any]:
    """What a form says of a task; blanks are left out, or empty what was there."""
    given = {name: sent.get(name) for name in TASK_FIELDS if name not in _CHOICES or sent.get(name)}
    return {name: text for name, text in given.items() if text or empty}


def _form(
    request: Request, task: Task | None, draft: Task, about: Sequence[tuple[str, str]], given: Mapping[str, str],
    errors: Sequence[Exception],
) -> Response:  # fmt: skip
    """The form of a task: what was typed before what is stored; where both differ what is stored stands beside it."""
    rows = []
    for name, how in TASK_FIELDS.items():
        stored = _text(draft, name)
        typed = given.get(name, stored)
        rows.append({
            "name": name, "label": Task.model_fields[name].title, "how": how.removeprefix("*"), "needed": how[:1] == "*",
            "value": typed, "choices": _CHOICES.get(name), "long": name in _LONG,
            "stored": stored if given and task is not None and typed.strip() != stored.strip() else None,
        })  # fmt: skip
    refusals = [refusal for error in errors if (refusal := refusal_of(error)) is not None]
    return page(
        request, "task_form.html", status=refusals[0].status if refusals else 200, task=task, rows=rows, about=about,
        general=[one.message + one.remedy for one in refusals], seen=stamp_of([task]) if task else "",
        why=given.get("why", ""), escaped=escaped,
    )  # fmt: skip


def _text(task: Task, name: str) -> str:
    """A field of a task as people type it."""
    value = getattr(task, name)
    match name:
        case "bounty":
            return "" if value is None else f"{value / WAN:.4f}".rstrip("0").rstrip(".")
        case "deadline":
            return in_china(value)
        case "rubric":
            return "；".join(f"{one.name} {one.weight}" for one in value)
    return "" if value is None else str(value)


def _move_sent(sent: Sent) -> TaskMoveSent:
    """A move and what it is told, of a form. Raises ``BadValue`` and ``Refusal`` in words."""
    name = sent.get("move")
    if name not in MOVE_FIELDS or name in DRAFTING | TOGETHER:
        raise Refusal(422, "choice_missing", "没有写明办理哪一步。", "请从榜单页的办理步骤里选。")
    values: dict[str, Any] = {}
    for field in MOVE_FIELDS[name]:
        text = sent.get(field)
        match field:
            case "agrees":
                values["agrees"] = text != "no"
            case "new_deadline" if text:
                values["deadline"] = parse_moment(text)
            case "points":
                points = parse_points(text)
                values["points"] = None if points is None else float(points)
            case "milestones":
                values["milestones"] = _milestones(sent)
            case _ if text:
                values[field] = text
    try:
        return TaskMoveSent.model_validate({"move": name, "values": values})
    except ValidationError:
        raise Refusal(
            422, "process_value", "有一项太长或写法不对，没有办理。", "请核对各项后再提交。"
        ) from None


def _milestones(sent: Sent) -> list[MilestoneSent]:
    found = []
    lines = zip(
        sent.all("milestone_name"), sent.all("milestone_planned"), sent.all("milestone_amount"), strict=False
    )
    for number, line in enumerate(lines, 1):
        name, planned, amount = (text.strip() for text in line)
        if not (name or planned or amount):
            continue
        if not (name and planned and amount):
            raise Refusal(422, "process_value", f"第 {number} 个里程碑没有填全。", "请写名称、计划日期和金额，或整行清空。")  # fmt: skip
        found.append(MilestoneSent(name=name[:100], planned=parse_moment(planned), amount=parse_yuan(amount)))
    return found


def _moves(moves: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The moves of the task alone, each with who makes it at the workbench."""
    return [
        {**one, "drafting": one["name"] in DRAFTING, "fields": MOVE_FIELDS[one["name"]]}
        for one in moves
        if one["name"] in MOVE_FIELDS
    ]


def _opening(task: Task, at: datetime) -> str:
    """How bids can be opened now: empty, ``open``, or why not yet."""
    if task.state != "published" or task.deadline is None:
        return ""
    return "open" if at > task.deadline else f"截止时间是 {in_china(task.deadline)}，过后才能开标"


def _reviewed(found: Found, at: datetime) -> dict[str, Any]:
    """The panel, and per expert how much of the reading is done."""
    review = found.review
    progress = []
    for who, name in sorted(review.experts.items()) if review else ():
        mine = {entry for entry, readers in review.readers.items() if who in readers}  # type: ignore[union-attr]
        given = {mark.entry for mark in review.marks if mark.expert == who} & mine  # type: ignore[union-attr]
        if mine:
            progress.append((who, name, len(mine), len(given)))
    return {
        "progress": progress, "marks_due": sum(of for _, _, of, _ in progress),
        "marks_given": sum(done for *_, done in progress),
        "panel_state": PANEL_RULES.states["drawn"].label,
        "review_state": REVIEW_RULES.states[review.state].label if review else "",
    }  # fmt: skip


def _awarded(found: Found, at: datetime) -> dict[str, Any]:
    """The award with its grounds, what every loser is told, and its moves."""
    award = found.award
    if award is None:
        return {"award": None, "award_state": None, "grounds": [], "losers": [], "award_ways": {}}
    ways = {
        way.move.name: [problem for problem in way.problems if problem.code != "award_reason"]
        for way in moves_from(award, awards.RULES, role=OFFICER, at=at)
        if award.state in way.move.sources
    }
    losers = [
        (one, awards.reasons(award, one.entry)) for one in award.ranking if one.entry not in award.winners
    ]
    return {
        "award": award, "award_state": awards.RULES.states[award.state], "grounds": awards.justification(award),
        "losers": losers, "award_ways": ways,
    }  # fmt: skip


def _raced(found: Found, at: datetime) -> dict[str, Any]:
    race = found.race
    gate = race.next_gate if race else None
    return {
        "race": shown_race(race, None) if race else None, "gate": gate if race and race.state == "running" else None,
        "gate_due": gate is not None and at >= gate.date, "running": race.running if race else (),
        "raceable": race is None and found.task.selection == "race" and found.task.state == "contracted",
    }  # fmt: skip
