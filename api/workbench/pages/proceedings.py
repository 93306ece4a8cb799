"""What is done at a task after its deadline: opening, panel, reading, award with its notice, race; and their papers."""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from api.access import not_found
from api.bulk import SUFFIXES
from api.case_document import MEDIA_TYPE as DOCX
from api.problem_documents import Refusal
from api.review_papers import write_declaration_form, write_mark_sheets, write_notice, write_summary
from api.review_questions import fitting_of
from api.review_sheets import read_declared, read_marks
from api.routes.paths import PathId, now, today
from api.routes.reviews import impossible
from api.services import Parts
from api.workbench.access import AtDesk, Officer, Visitor
from api.workbench.forms import Form, Sent, done_once
from api.workbench.pages.tasks import XLSX, found_task, place_of, sent_file
from api.workbench.stamps import refuse_changed
from graph.kinds import Expert
from graph.problems import Refused
from matcher import awarding
from matcher.awards import Award
from matcher.bidding import open_bids
from matcher.grading import Grading
from matcher.process_values import parse_moment, parse_points, parse_yuan
from matcher.races import Gate, Race
from matcher.racing import extended, judged, left, race_step, start_race
from matcher.review_material import Material
from matcher.review_processes import Declaration, Panel, Review
from matcher.review_steps import assign_bids, draw_panel, graded, recuse_expert, refuse, take_marks
from matcher.tasks import OFFICER

router = APIRouter(include_in_schema=False)

_SEED = 2**31


@router.post("/tasks/{id}/opening")
async def post_opening(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    def step() -> str:
        opening = open_bids(visitor.store, id, actor=visitor.name, at=now())
        valid = len(opening.task.valid_bids)
        noted = [
            f"{bid.bidder}：{'；'.join(problem.message for problem in notes)}"
            for bid in opening.bids if (notes := opening.notes[bid.id])
        ]  # fmt: skip
        return f"已开标：收到 {len(opening.bids)} 个，有效 {valid} 个。" + ("请留意 " + "。".join(noted) if noted else "")  # fmt: skip

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/panel")
async def post_panel(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    """Draw the panel by a seed; without one a seed is thrown, and kept with the panel."""

    def step() -> str:
        text = sent.get("seed")
        if text and not (text.isascii() and text.isdigit() and len(text) < 16):
            raise Refusal(422, "process_value", f"看不懂种子“{text[:30]}”。", "请填一个不超过 15 位的整数，或留空由系统随机取。")  # fmt: skip
        seed = int(text) if text else secrets.randbelow(_SEED)
        found = draw_panel(
            visitor.store, id, seed=seed, left_out=_lines(sent.get("left_out")), declared=_declared(visitor, sent),
            actor=visitor.name, at=now(),
        )  # fmt: skip
        if found.panel is None:
            raise impossible("panel_undrawable", "抽不满专家组。", found.problems)
        return f"已抽取 {len(found.panel.members)} 位专家，种子 {seed}。"

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/panel/recusals")
async def post_recusal(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    def step() -> str:
        panel = recuse_expert(
            visitor.store, id, sent.get("expert"), reason=sent.get("reason"), declared=_declared(visitor, sent),
            actor=visitor.name, at=now(),
        )  # fmt: skip
        if not isinstance(panel, Panel):
            raise impossible("panel_no_alternate", "没有可以接替的候补。", panel)
        last = panel.recusals[-1]
        return f"已登记回避，由{panel.names.get(last.into, last.into)}接替。"

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/review")
async def post_review(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    """Give the bids to experts; marks that still count are kept."""
    fitting = await fitting_of(parts, visitor.store, id, today())

    def step() -> str:
        found = assign_bids(
            visitor.store, id, fitting, per_bid=_count(sent.get("per_bid"), "每份标书几位专家"), most=_count(sent.get("most"), "每位专家最多几份"),
            declared=_declared(visitor, sent), actor=visitor.name, at=now(),
        )  # fmt: skip
        if found.review is None:
            raise impossible("review_unassignable", "标书分不成。", found.problems)
        lost = f"；{len(found.lost)} 份评分因换人不再计" if found.lost else ""
        return f"已把 {len(found.review.entries)} 份标书分给专家{lost}。"

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/marks")
async def post_marks(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    """Take in a mark sheet that came back filled in: all of it, or nothing where anything in it is wrong."""

    def step() -> str:
        review = _review(visitor, id)
        if sent.file("sheet") is None:
            raise Refusal(422, "choice_missing", "没有选评分表。", "请选专家交回的文件再提交。")
        with _uploaded(sent, "sheet") as path:
            marks, problems = read_marks(path, review, sent.get("expert"))
        if problems:
            raise impossible(
                "marks_unusable", f"评分表有 {len(problems)} 处问题，没有收。", problems, status=422
            )
        if not marks:
            raise Refusal(422, "marks_unusable", "文件里没有一个分数。", "请在评分项各列填好分数后再交。")
        new = take_marks(visitor.store, id, marks, actor=visitor.name, at=now())
        if isinstance(new, list):
            raise impossible("marks_unusable", "评分没有收。", new, status=422)
        left = len(new.problems())
        return f"已收评分 {len(marks)} 份。" + (
            f"还没有收齐：缺 {left} 份。" if left else "评分已齐，可以拟定中选。"
        )

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/award")
async def post_award(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    """Propose by the marks; where there is no review, by points and reasons that the form tells of each valid bid."""

    def step() -> str:
        found, winners = found_task(visitor, id), _count(sent.get("winners"), "中选几家")
        if found.review is not None or not sent.all("bid"):
            done = awarding.propose(visitor.store, id, winners=winners, actor=visitor.name, at=now())
        else:
            given = list(zip(sent.all("bid"), sent.all("given"), sent.all("said"), strict=False))
            points = {bid: value for bid, text, _ in given if (value := parse_points(text)) is not None}
            done = awarding.propose_by_points(
                visitor.store, id, points=points, reasons={bid: said for bid, _, said in given}, winners=winners,
                actor=visitor.name, at=now(),
            )  # fmt: skip
        return f"已拟定中选：{'、'.join(one.name for one in done.award.ranking if one.entry in done.award.winners)}。核对后公示。"  # fmt: skip

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/award/moves")
async def post_award_move(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    def step() -> str:
        store, who, at, text = visitor.store, visitor.name, now(), sent.get("text")
        match sent.get("move"):
            case "publish":
                award = awarding.publish(store, id, actor=who, at=at).award
                return f"已公示：{award.notice_from} 至 {award.notice_to}。"
            case "object":
                awarding.object_to(store, id, by=sent.get("by"), text=text, actor=who, at=at)
                return "已登记异议，请核实后答复。"
            case "answer":
                awarding.answer(
                    store, id, _count(sent.get("number"), "第几条") or 0, text=text, actor=who, at=at
                )
                return "已答复异议。"
            case "confirm":
                awarding.confirm(store, id, actor=who, at=at)
                return "定标已生效，可以签约。"
            case "withdraw":
                awarding.withdraw(store, id, reason=sent.get("reason"), actor=who, at=at)
                return "已撤销定标，榜单退回评榜。"
        raise Refusal(422, "choice_missing", "没有写明办理哪一步。", "请从定标的办理步骤里选。")

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/race")
async def post_race(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    def step() -> str:
        race = start_race(visitor.store, id, _gates(sent), actor=visitor.name, at=now())
        return f"已开赛：{len(race.teams)} 支团队，{len(race.gates)} 个关口。"

    return await _step(visitor, parts, id, sent, step)


@router.post("/tasks/{id}/race/moves")
async def post_race_move(visitor: Officer, parts: Parts, id: PathId, sent: Form) -> Response:
    def step() -> str:
        at, reason = now(), sent.get("reason")
        race = found_task(visitor, id).race
        name = race.next_gate.name if race and race.next_gate else ""
        change: Callable[[Race], Race]
        match sent.get("move"):
            case "judge":
                lines = list(zip(sent.all("team"), sent.all("given"), sent.all("shown"), sent.all("said"), strict=False))  # fmt: skip
                points = {team: value for team, text, *_ in lines if (value := parse_points(text)) is not None}  # fmt: skip
                if lacking := [team for team, *_ in lines if team not in points]:
                    raise Refusal(422, "process_value", f"{len(lacking)} 支在赛团队没有评分。", "请给每支在赛团队各评一次分。")  # fmt: skip
                evidence = {team: shown.strip() for team, _, shown, _ in lines}
                reasons = {team: said.strip() for team, _, _, said in lines if said.strip()}
                change, told = (lambda one: judged(one, points, evidence, at=at, reasons=reasons)), f"关口“{name}”评审"  # fmt: skip
            case "extend":
                date = parse_moment(sent.get("date"))
                if date is None:
                    raise Refusal(422, "process_value", "没有写新的日期。", "请写延期到哪一天。")
                change, told = (lambda one: extended(one, date, reason=reason, at=at)), f"关口“{name}”延期：{reason}"  # fmt: skip
            case "leave":
                team, refund = sent.get("team"), parse_yuan(sent.get("refund")) or 0
                called = next((one.name for one in race.teams if one.bid == team), team) if race else team
                change, told = (lambda one: left(one, team, reason=reason, at=at, refund=refund, role=OFFICER)), f"“{called}”退出：{reason}"  # fmt: skip
            case _:
                raise Refusal(422, "choice_missing", "没有写明办理哪一步。", "请从赛马的办理步骤里选。")
        race_step(visitor.store, id, change, actor=visitor.name, at=at, reason=told)
        return f"已办理：{told}。"

    return await _step(visitor, parts, id, sent, step)


@router.get("/tasks/{id}/marks.xlsx")
def get_mark_sheets(visitor: Officer, id: PathId) -> Response:
    """评分表, a sheet for every expert, to be filled in on paper or by those without an account."""
    review = _review(visitor, id)
    return sent_file(f"评分表_{id}.xlsx", XLSX, lambda path: write_mark_sheets(path, review))


@router.get("/tasks/{id}/declarations.xlsx")
def get_declaration_form(visitor: Officer, id: PathId) -> Response:
    """专家申报表, a line an expert, to be filled in and handed in with the drawing or the readings."""
    found_task(visitor, id)
    experts = [node for node in visitor.store.nodes("expert") if isinstance(node, Expert)]
    return sent_file(f"专家申报表_{id}.xlsx", XLSX, lambda path: write_declaration_form(path, experts))


@router.get("/tasks/{id}/summary.xlsx")
def get_summary(visitor: AtDesk, id: PathId) -> Response:
    """评审汇总表."""
    review = _review(visitor, id)
    grading = graded(Material.of(visitor.store, id))
    if not isinstance(grading, Grading):
        refuse(grading)
    return sent_file(f"评审汇总表_{id}.xlsx", XLSX, lambda path: write_summary(path, review, grading))


@router.get("/tasks/{id}/notice.docx")
def get_notice(visitor: AtDesk, id: PathId) -> Response:
    """定标公示, once the award is public."""
    award = found_task(visitor, id).award
    if award is None or award.state not in ("notice", "effective"):
        raise not_found(Award.label, id)
    return sent_file(f"定标公示_{id}.docx", DOCX, lambda path: write_notice(path, award))


async def _step(visitor: Visitor, parts: Any, id: str, sent: Sent, step: Callable[[], str]) -> Response:
    """A step at a task that stands as its page showed it; back to the page, saying what was done."""

    def work() -> tuple[str, str]:
        found = found_task(visitor, id)
        refuse_changed(sent, found.stamp, "榜单")
        return place_of(id), step()

    response = await done_once(visitor, sent, work)
    parts.changed()
    return response


def _declared(visitor: Visitor, sent: Sent) -> list[Declaration]:
    """What an uploaded sheet of declarations says; nothing where none was. Raises ``Refusal`` for one that is wrong."""
    if sent.file("declared") is None:
        return []
    names = {node.id: node.title for node in visitor.store.nodes("expert")}
    with _uploaded(sent, "declared") as path:
        found, problems = read_declared(path, names)
    if problems:
        raise impossible(
            "declarations_unusable", f"申报表有 {len(problems)} 处问题，没有使用。", problems, status=422
        )
    return found


@contextmanager
def _uploaded(sent: Sent, name: str) -> Iterator[Path]:
    """An uploaded sheet as a file, until the block ends."""
    upload = sent.file(name)
    suffix = Path(upload.filename or "").suffix.lower() if upload else ""
    if upload is None or suffix not in SUFFIXES.values():
        raise Refusal(
            415, "media_type_unknown", "这个文件不是表格。", f"请交 {'、'.join(SUFFIXES.values())} 文件。"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sheet{suffix}"
        upload.file.seek(0)
        with path.open("wb") as file:
            copyfileobj(upload.file, file)
        yield path


def _review(visitor: Visitor, id: str) -> Review:
    review = found_task(visitor, id).review
    if review is None:
        raise not_found(Review.label, id)
    return review


def _count(text: str, label: str) -> int | None:
    """A number that people typed; None for nothing."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10_000 and len(text) < 5):
        raise Refusal(422, "process_value", f"“{label}”要填正整数。", "请改正，或留空按参数。")
    return int(text)


def _lines(text: str) -> list[str]:
    return [part for part in text.replace("，", "、").replace(",", "、").replace("\n", "、").split("、") if part.strip()]  # fmt: skip


def _gates(sent: Sent) -> list[Gate]:
    """The gates that a form tells line by line; empty lines are left out."""
    names = ("gate_name", "gate_date", "gate_evidence", "gate_tranche", "gate_rule", "gate_bound")
    found = []
    for number, line in enumerate(zip(*(sent.all(name) for name in names), strict=False), 1):
        name, date, evidence, tranche, rule, bound = (text.strip() for text in line)
        if not (name or date or evidence or tranche or bound):
            continue
        if not (name and date and evidence and tranche and bound):
            raise Refusal(422, "process_value", f"第 {number} 个关口没有填全。", "名称、日期、证据、拨付和过关线都要填，或整行清空。")  # fmt: skip
        threshold: Decimal | None = parse_points(bound) if rule != "best" else None
        best = _count(bound, "前几名过关") if rule == "best" else None
        found.append(Gate(
            name=name[:100], date=parse_moment(date), evidence=evidence[:500], tranche=parse_yuan(tranche),
            threshold=threshold, best=best,
        ))  # fmt: skip
    if not found:
        raise Refused("race_gates", "没有填关口。", "请至少填一个关口。")
    return found
