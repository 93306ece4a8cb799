"""A roadshow's results: judges' sheets uploaded or typed in, the ranking, prizes, and the awards into the achievements."""

import tempfile
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import Response

from api.pitch_sheets import read_pitch_marks, write_results
from api.problem_documents import Refusal
from api.roadshow_files import MEDIA, material, write_paper
from api.routes.paths import PathId, now
from api.services import Parts
from api.wire import FieldProblem
from api.workbench.access import ORGANISERS, AtDesk, Organiser, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.pages.matching import One
from api.workbench.pages.programmes import downloaded, stored_timetable
from api.workbench.pages.roadshows import ROLE, found_roadshow, place_of, told_refusal
from api.workbench.pitch_marks import JudgeMark, PitchMarks, marks_of, put_marks
from api.workbench.rendering import page
from api.workbench.stamps import refuse_changed, stamp_of
from graph.problems import BadValue, Problem, Refused
from matcher.grading import Criterion, Rubric
from matcher.pitch_scoring import Award, Results, Round, awarded
from matcher.process_values import parse_points
from matcher.roadshow_results import open_round, results_kept, scored, scored_round, usual_rubric
from matcher.roadshow_timetable import Kept
from matcher.roadshows import Roadshow
from matcher.tasks import carry_out

router = APIRouter(include_in_schema=False)


@router.get("/roadshows/{id}/results")
def get_results(request: Request, visitor: AtDesk, id: PathId, judge: One = "") -> Response:
    return _page(request, visitor, id, judge=judge)


@router.post("/roadshows/{id}/results")
async def post_results(
    request: Request, visitor: Organiser, parts: Parts, id: PathId, sent: Form
) -> Response:
    """A judge's sheet as it was typed or uploaded, or what the results are worked out by."""
    upload = sent.file("sheet")

    def work() -> tuple[str, str]:
        since, found = visitor.store.revision(), found_roadshow(visitor, id)
        marks = _marks(visitor, found)
        refuse_changed(sent, _stamp(marks), "成绩")
        kept = _needed(visitor, found)
        one = _round(found, marks, kept)
        match sent.get("do"):
            case "sheet":
                values, told = _typed(marks, one, sent)
            case "upload":
                values, told = _uploaded(marks, one, upload)
            case "settings":
                values, told = _settings(marks, one, sent), "改成绩的算法"
            case _:
                raise Refusal(422, "choice_missing", "没有写明做什么。", "请用页面上的按钮。")
        put_marks(
            visitor.store,
            marks,
            values,
            actor=visitor.name,
            at=now(),
            reason=f"路演 {id} {told}",
            since=since,
        )
        return f"{place_of(id)}/results", f"已{told}。"

    return await _done(request, visitor, parts, id, sent, work)


@router.post("/roadshows/{id}/results/awards")
async def post_awards(request: Request, visitor: Organiser, parts: Parts, id: PathId, sent: Form) -> Response:
    """The prizes into what the achievements have been awarded."""

    def work() -> tuple[str, str]:
        since, found = visitor.store.revision(), found_roadshow(visitor, id)
        marks = _marks(visitor, found)
        refuse_changed(sent, _stamp(marks), "成绩")
        graded = _graded(found, marks, _needed(visitor, found))
        if not isinstance(graded, Results):
            raise Refused("pitch_marks_open", "成绩还没有算出来。", "请先收齐打分。")
        one = scored_round(graded, marks.given, _awards(marks), marks.through, by=visitor.name, at=now())
        made, changes = results_kept(visitor.store, found, one, role=ROLE, at=now(), pool=True)
        told = f"记下第 {one.number} 轮成绩，奖项 {sum(bool(r.award) for r in one.ranking)} 个"
        carry_out(visitor.store, changes, actor=visitor.name, at=now(), reason=told, since=since)
        return f"{place_of(id)}/results", f"已{told}，记入成果的获奖情况。现在是第 {made.draft} 稿。"

    return await _done(request, visitor, parts, id, sent, work)


@router.get("/roadshows/{id}/results/marks.xlsx")
def get_marks(visitor: AtDesk, id: PathId) -> Response:
    """The empty sheets for the judges, by this roadshow's own rubric."""
    found = found_roadshow(visitor, id)
    one = _round(found, _marks(visitor, found), _needed_here(visitor, found))
    about = material(visitor.store, found)
    return downloaded(
        f"{found.title or id}评委打分表.xlsx", MEDIA[".xlsx"], lambda path: write_paper(path, "marks", about, stamp=now(), marked=one)
    )  # fmt: skip


@router.get("/roadshows/{id}/results/results.xlsx")
def get_sheet(visitor: AtDesk, id: PathId) -> Response:
    """路演成绩."""
    found = found_roadshow(visitor, id)
    marks = _marks(visitor, found)
    try:
        graded = _graded(found, marks, _needed_here(visitor, found))
    except Refused as refused:
        raise told_refusal(refused) from refused
    if not isinstance(graded, Results):
        raise Refusal(409, "pitch_marks_open", "成绩还没有算出来。", "请先收齐打分。")
    return downloaded(f"{found.title or id}成绩.xlsx", MEDIA[".xlsx"], lambda path: write_results(path, graded, _prizes(marks, graded)))  # fmt: skip


async def _done(
    request: Request, visitor: Visitor, parts: Any, id: str, sent: Sent, work: Callable[[], tuple[str, str]]
) -> Response:  # fmt: skip
    try:
        response = await done_once(visitor, sent, work)
    except (Refusal, Refused, BadValue) as error:
        return await run_in_threadpool(_page, request, visitor, id, error, judge=sent.get("judge"), sent=sent)
    parts.changed()
    return response


def _page(
    request: Request, visitor: Visitor, id: str, error: Exception | None = None, *, judge: str = "", sent: Sent | None = None
) -> Response:  # fmt: skip
    roadshow = found_roadshow(visitor, id)
    refusal = told_refusal(error) if error is not None else None
    marks, kept = _marks(visitor, roadshow), stored_timetable(visitor, roadshow)
    one = _round(roadshow, marks, kept) if kept and kept.places else None
    graded: Results | None = None
    problems: list[Problem] = []
    if kept and one and marks.marks:
        try:
            told = _graded(roadshow, marks, kept)
            graded, problems = (told, []) if isinstance(told, Results) else (None, told)
        except Refused as refused:
            problems = [Problem(code=refused.code, message=refused.message.rstrip("。"), remedy=refused.remedy.rstrip("。"))]  # fmt: skip
    typed: Mapping[str, str] = dict(sent.fields) if sent is not None and sent.get("do") == "sheet" else {}
    given = {(mark.judge, mark.entry): mark for mark in marks.marks}
    return page(
        request, "roadshow_results.html", status=refusal.status if refusal else 200, roadshow=roadshow, refusal=refusal, one=one,
        here_=place_of(id), runs=visitor.may(*ORGANISERS), marks=marks, seen=_stamp(marks), graded=graded, problems=problems,
        prizes=_prizes(marks, graded) if graded else {}, given=given, typed=typed, judge=judge if one and judge in one.judges else "",
        rubric="、".join(f"{name}={full}" for name, full in (marks.rubric or {c.name: str(c.weight) for c in (one.rubric if one else usual_rubric()).criteria}).items()),
        prize_text="、".join(f"{name}={number}" for name, number in marks.prizes.items()),
    )  # fmt: skip


def _stamp(marks: PitchMarks) -> str:
    return stamp_of([None if not marks.marks and not marks.rubric else marks]) + str(len(marks.marks))


def _marks(visitor: Visitor, roadshow: Roadshow) -> PitchMarks:
    """What was handed in for the round whose marks come next."""
    last = roadshow.rounds[-1] if roadshow.rounds else None
    number = 1 if last is None else last.number + any(one.through for one in last.ranking)
    return marks_of(visitor.store, f"{roadshow.id}-R{number}", now())


def _round(roadshow: Roadshow, marks: PitchMarks, kept: Kept) -> Round:
    return open_round(roadshow, kept, _rubric(marks.rubric) if marks.rubric else None)


def _graded(roadshow: Roadshow, marks: PitchMarks, kept: Kept) -> Results | list[Problem]:
    return scored(_round(roadshow, marks, kept), marks.given)


def _awards(marks: PitchMarks) -> list[Award]:
    return [Award(title=name, number=number) for name, number in marks.prizes.items()]


def _prizes(marks: PitchMarks, graded: Results) -> dict[str, str]:
    return {entry: prize.title for entry, prize in awarded(graded, _awards(marks))}


def _rubric(given: Mapping[str, str]) -> Rubric:
    """The rubric as people write it, full marks by criterion. Raises ``Refused`` (``rubric``)."""
    found = []
    for name, text in given.items():
        try:
            found.append(Criterion(name=name, weight=Decimal(text)))
        except InvalidOperation:
            raise Refused(
                "rubric", f"评分项“{name}”的满分“{text[:20]}”不是数。", "请写 名称=满分，合计 100。"
            ) from None
    return Rubric(criteria=tuple(found))


def _needed(visitor: Visitor, roadshow: Roadshow) -> Kept:
    kept = stored_timetable(visitor, roadshow)
    if kept is None or not kept.places:
        raise Refused("timetable_missing", "还没有排日程，不知道谁评谁。", "请先写场次和评委、排日程。")
    return kept


def _needed_here(visitor: Visitor, roadshow: Roadshow) -> Kept:
    try:
        return _needed(visitor, roadshow)
    except Refused as refused:
        raise Refusal(409, refused.code, refused.message, refused.remedy) from refused


def _typed(marks: PitchMarks, one: Round, sent: Sent) -> tuple[dict[str, Any], str]:
    """A judge's sheet as it was typed in. Raises ``BadValue`` and ``Refusal`` naming the pitch and the criterion."""
    judge = sent.get("judge")
    if judge not in one.judges:
        raise Refusal(422, "judge_unknown", "没有这位评委。", "请从列表里选。")
    some = []
    for entry, title in one.entries.items():
        if (judge, entry) in one.recused:
            continue
        found = {}
        for criterion in one.rubric.criteria:
            text = sent.get(f"m:{entry}:{criterion.name}")
            try:
                points = parse_points(text)
            except BadValue as bad:
                raise BadValue(
                    bad.code, f"“{title}”的“{criterion.name}”：{bad.message}", bad.remedy
                ) from None
            if points is not None and not 0 <= points <= criterion.weight:
                raise Refusal(422, "points_range", f"“{title}”的“{criterion.name}”是 {points}，应在 0 到 {criterion.weight} 之间。", "请改正。")  # fmt: skip
            if points is not None:
                found[criterion.name] = f"{points.normalize():f}"
        some.append(JudgeMark(judge=judge, entry=entry, marks=found, veto=sent.get(f"v:{entry}")[:300]))
    return {"marks": marks.with_marks(some)}, f"记下{one.judges[judge]}的打分"


def _uploaded(marks: PitchMarks, one: Round, upload: UploadFile | None) -> tuple[dict[str, Any], str]:
    if upload is None:
        raise Refusal(422, "file_missing", "没有选打分表。", "请先选评委交回的 xlsx。")
    suffix = Path(upload.filename or "").suffix.lower()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"打分表{suffix if suffix in ('.xlsx', '.csv') else '.xlsx'}"
        upload.file.seek(0)
        with path.open("wb") as file, upload.file:
            copyfileobj(upload.file, file)
        sheets, vetoes, problems = read_pitch_marks(path, one)
    if problems:
        told = [FieldProblem(code=p.code, message=f"{p.place} {p.message}".strip(), remedy=p.remedy, place=p.place) for p in problems[:60]]  # fmt: skip
        raise Refusal(422, "marks_refused", f"打分表有 {len(problems)} 处问题，没有收下。", "请改好再上传。", problems=told)  # fmt: skip
    said = {(veto.judge, veto.entry): veto.reason or "离题" for veto in vetoes}
    found = {
        (s.expert, s.entry): {name: f"{value.normalize():f}" for name, value in s.marks.items()}
        for s in sheets
    }
    some = [JudgeMark(judge=j, entry=e, marks=found.get((j, e), {}), veto=said.get((j, e), "")) for j, e in {**found, **said}]  # fmt: skip
    if not some:
        raise Refusal(422, "marks_refused", "打分表里没有分数。", "请核对是不是评委填好的那一份。")
    return {
        "marks": marks.with_marks(some)
    }, f"收下 {len({one.judge for one in some})} 位评委的打分 {len(some)} 条"


def _settings(marks: PitchMarks, one: Round, sent: Sent) -> dict[str, Any]:
    rubric = _pairs(sent.get("rubric"), "评分项")
    if rubric:
        _rubric(rubric)
    prizes = {}
    for name, text in _pairs(sent.get("prizes"), "奖项").items():
        if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1000):
            raise Refused(
                "roadshow_setting", f"“{name}”的名额“{text[:20]}”不是正整数。", "请写 一等奖=1、二等奖=2。"
            )
        prizes[name] = int(text)
    absent = {entry: why[:200] for entry in one.entries if (why := sent.get(f"a:{entry}"))}
    through = sent.get("through") or "0"
    if not (through.isascii() and through.isdecimal() and len(through) < 4):
        raise Refused("roadshow_setting", f"晋级名额“{through[:20]}”不是整数。", "请写 0 或正整数。")
    return {"rubric": rubric, "prizes": prizes, "absent": absent, "through": int(through)}


def _pairs(text: str, what: str) -> dict[str, str]:
    found = {}
    for part in (
        text.replace("，", "、").replace(",", "、").replace("；", "、").replace("＝", "=").split("、")
    ):
        name, sign, value = part.partition("=")
        if not part.strip():
            continue
        if not (sign and name.strip() and value.strip()):
            raise Refused(
                "roadshow_setting", f"看不懂{what}“{part.strip()[:30]}”。", "请写成 名称=数，几个用顿号隔开。"
            )
        found[name.strip()[:40]] = value.strip()[:10]
    return found
