"""The review of a stored task step by step: draw the panel, let an expert step back, assign bids, take marks, grade.

Each step writes one batch with the revision it was worked out from, or nothing: of two officers the second is told.
Raised is ``Refused``: ``task_unknown``, ``review_stage`` (bids are not open, or an award stands), ``identity_unresolved``,
``plan_stale``, and what a step names itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from graph.kinds import Expert
from graph.problems import Problem, Refused
from graph.processes import Process, opened
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher.bidding import ranked
from matcher.conflicts import Clearance, Found
from matcher.grading import Average, Grading, GradingRules, Normalise, grade
from matcher.panels import Candidate, Drawn, PanelRules, Quota, Replacement, draw, recuse
from matcher.review_material import POSTER_ENTRY, Material, by_expert, china_day, doubts
from matcher.review_policy import usual_policy
from matcher.review_processes import (
    PANEL_RULES,
    REVIEW_RULES,
    Declaration,
    Mark,
    Panel,
    Review,
    candidates,
    handed_over,
    marked,
    panel_values,
    replaced,
)
from matcher.reviewing import Assignment, ReviewRules, assign
from matcher.tasks import TIE_RULES, Scoring, carry_out

Fits = NDArray[np.float64]
# How well each expert (column) fits each bid (row), 0..1.
Fitting = Callable[[Material, Sequence[Expert]], Fits]
_SCORING: dict[Scoring, tuple[Normalise, Average]] = {
    "trimmed": ("none", "trimmed"), "mean": ("none", "mean"), "z": ("z", "mean"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The panel drawn (None: ``problems`` say why not) from the ``pool``; ``standby`` were wanted as alternates."""

    panel: Panel | None
    pool: tuple[Candidate, ...]
    standby: int
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The review with its readers (None: ``problems`` say why not), who is barred from what, marks that count no more."""

    review: Review | None
    barred: tuple[tuple[str, str, str], ...]
    lost: tuple[Mark, ...] = ()
    problems: tuple[Problem, ...] = ()


def draw_panel(
    store: Store, task_id: str, *, seed: int, per_organisation: int | None = None, quotas: Sequence[Quota] = (),
    alternates: int | None = None, left_out: Iterable[str] = (), declared: Iterable[Declaration] = (),
    clearances: Iterable[Clearance] = (), actor: str, at: datetime, keep: bool = True,
) -> Drawing:  # fmt: skip
    """Draw the task's number of experts by lot, none with a conflict with a bid or the poster. Not kept: only looked at.

    Raises ``Refused``: ``panel_twice`` where there is one, ``panel_stranger`` for somebody left out whom nobody knows.
    """
    material = under_review(store, task_id, declared=declared, clearances=clearances)
    task, usual, left = material.task, usual_policy(), list(left_out)
    if material.panel is not None and keep:
        raise Refused(
            "panel_twice", f"{task.id} 已经抽过专家组。",
            f"有人要回避请用 jiebang panel recuse {task.id}；要作废重抽，先用 jiebang history 查修订号，再 jiebang undo。",
        )  # fmt: skip
    rules = PanelRules(
        size=task.experts or 0,
        per_organisation=per_organisation or usual.per_organisation,
        quotas=tuple(quotas),
        alternates=usual.alternates if alternates is None else alternates,
    )
    pool, _ = candidates_of(material, at, left_out=left)
    if strangers := [text for text in left if text not in {one.id for one in pool} | {o.name for o in pool}]:
        raise Refused("panel_stranger", f"“{strangers[0][:30]}”不是库里的专家。", "请写专家的编号或姓名。")
    found = draw(pool, rules, seed=seed)
    if not isinstance(found, Drawn):
        return Drawing(panel=None, pool=tuple(pool), standby=rules.alternates, problems=tuple(found))
    panel = opened(
        Panel, PANEL_RULES, id=task.id, at=at, about=task.about, task=task.title, declared=material.declared,
        clearances=material.clearances, **panel_values(found, rules, pool),
    )  # fmt: skip
    if keep:
        _write(store, material, [panel], actor=actor, at=at, reason=f"抽取 {task.id} 的专家组")
    return Drawing(panel=panel, pool=tuple(pool), standby=rules.alternates)


def recuse_expert(
    store: Store, task_id: str, expert: str, *, reason: str, declared: Iterable[Declaration] = (),
    clearances: Iterable[Clearance] = (), actor: str, at: datetime,
) -> Panel | list[Problem]:  # fmt: skip
    """Let a member step back (id or name); the first alternate takes over, readings included, who has no conflict now.

    Raises ``Refused``: ``panel_none``, ``panel_member``, ``recusal_reason``.
    """
    material = under_review(store, task_id, declared=declared, clearances=clearances)
    panel = material.panel
    if panel is None:
        raise Refused("panel_none", f"{task_id} 还没有专家组。", f"请先运行 jiebang panel draw {task_id}。")
    by_id = {one.id: one for one in candidates_of(material, at)[0]}
    gone = [Candidate(id=id, name=panel.names.get(id, id)) for id in panel.members if id not in by_id]
    members = [by_id[id] for id in panel.members if id in by_id] + gone
    out = next((id for id in panel.members if expert.strip() in (id, panel.names.get(id))), expert.strip())
    change = recuse(members, [by_id[id] for id in panel.alternates if id in by_id], panel.rules, out=out)
    if not isinstance(change, Replacement):
        return change
    new = replaced(panel, change, reason=reason.strip(), by=actor, at=at).model_copy(
        update={"declared": material.declared, "clearances": material.clearances}
    )
    changed: list[Process] = [new]
    if material.review is not None and change.out in material.review.experts:
        changed.append(handed_over(material.review, change, by_id[change.into].name, at=at))
    told = f"{panel.names.get(out, out)}回避：{reason.strip()}"
    _write(store, material, changed, actor=actor, at=at, reason=told)
    return new


def assign_bids(
    store: Store, task_id: str, fitting: Fitting, *, per_bid: int | None = None, least: int = 0, most: int | None = None,
    declared: Iterable[Declaration] = (), clearances: Iterable[Clearance] = (), actor: str, at: datetime,
) -> Reading:  # fmt: skip
    """Give each valid bid its readers from the panel, else from all experts; marks that still count are kept."""
    material = under_review(store, task_id, declared=declared, clearances=clearances)
    task, usual, panel = material.task, usual_policy(), material.panel
    experts = [one for one in material.experts if panel is None or one.id in panel.members]
    ids, people = [bid.id for bid in material.bids], [one.id for one in experts]
    _, found = candidates_of(material, at, experts)
    barred = tuple(
        (person, entry, told[0].sentence)
        for (person, place), told in found.items()
        for entry in (ids if place == POSTER_ENTRY else [place])
    )
    bars = np.zeros((len(ids), len(people)), dtype=np.bool_)
    for person, entry, _ in barred:
        bars[ids.index(entry), people.index(person)] = True
    rules = ReviewRules(
        per_entry=per_bid or (len(people) if panel else usual.per_entry), least=least, most=most or len(ids),
        alternates=usual.alternates_per_entry, balance=usual.balance,
    )  # fmt: skip
    result = assign(ids, people, fitting(material, experts), bars, rules)
    if not isinstance(result, Assignment):
        return Reading(review=None, barred=barred, problems=tuple(_by_bidder(result, material)))
    review = opened(
        Review, REVIEW_RULES, id=task.id, at=at, about=task.about, task=task.title, entries=material.names,
        experts={one.id: one.title for one in experts}, readers=result.readers, standby=result.alternates,
        barred=tuple(sorted(set(barred))), full_marks=tuple((one.name, str(one.weight)) for one in task.rubric),
        declared=material.declared, clearances=material.clearances,
    )  # fmt: skip
    before = material.review.marks if material.review else ()
    kept = tuple(one for one in before if one.expert in review.readers.get(one.entry, ()))
    review = review.model_copy(update={"marks": kept})
    _write(store, material, [review], actor=actor, at=at, reason=f"分配 {task.id} 的标书")
    return Reading(review=review, barred=barred, lost=tuple(one for one in before if one not in kept))


def take_marks(
    store: Store, task_id: str, marks: Sequence[Mark], *, actor: str, at: datetime
) -> Review | list[Problem]:  # fmt: skip
    """Take marks in, all or none; what an expert gives a bid anew replaces what was there. Raises ``review_none``."""
    material = under_review(store, task_id)
    review = known_review(material)
    handed_in = review.model_copy(update={"marks": tuple(marks)})
    if problems := [problem for problem in handed_in.problems() if problem.code != "score_missing"]:
        return problems
    new = marked(review, marks, at=at)
    _write(store, material, [new], actor=actor, at=at, reason=f"收 {task_id} 的评分 {len(marks)} 份")
    return new


def graded(material: Material) -> Grading | list[Problem]:
    """The ranking by the task's rubric, scoring and tie rule, or what is missing. Bids given up are left out.

    Raises ``Refused`` (``review_none``, ``review_incomplete``: bids or experts are not those of the review any more).
    """
    task, review = material.task, known_review(material)
    ids = [bid.id for bid in material.bids]
    readers = {id: review.readers.get(id, ()) for id in ids}
    strangers = {who for some in readers.values() for who in some} - set(
        material.panel.members if material.panel else review.experts
    )
    if strangers or not all(readers.values()):
        raise Refused(
            "review_incomplete",
            "评审分配与现在的投标或专家组对不上。",
            f"请重新分配：jiebang review assign {task.id}（已收的评分会保留）。",
        )
    review = review.model_copy(
        update={"readers": readers, "marks": tuple(one for one in review.marks if one.entry in readers)}
    )
    if problems := review.problems():
        return _by_bidder(problems, material)
    usual, (normalise, average) = usual_policy(), _SCORING[task.scoring]
    rules = GradingRules(
        normalise=normalise, average=average, order=usual.order, tie=TIE_RULES[task.tie_rule], outlier=usual.outlier
    )  # fmt: skip
    order = ranked(task, material.bids, dict.fromkeys(ids, Decimal(0)))
    return grade(review.sheets, review.rubric, rules, [bid.id for bid in order])


def under_review(
    store: Store, task_id: str, *, declared: Iterable[Declaration] = (), clearances: Iterable[Clearance] = ()
) -> Material:
    """The material of a task whose bids are open and which has no award standing. Raises ``Refused`` (see above)."""
    material = Material.of(store, task_id, declared=declared, clearances=clearances)
    if material.task.state == "awarded":
        raise Refused(
            "review_stage",
            f"{task_id} 已经拟定中选，不能再改专家、分配和评分。",
            f"确要改，先撤销定标：jiebang award withdraw {task_id} --reason 原因。",
        )
    if material.task.state != "evaluating":
        raise Refused(
            "review_stage",
            f"{task_id} 不在“评榜”，不能评审。",
            f"截止后先开标（jiebang bid open {task_id}）。",
        )
    if not material.experts:
        raise Refused(
            "review_no_experts",
            "库里还没有专家。",
            "请先生成模板（jiebang template 专家）、填好后 jiebang import。",
        )
    if problems := doubts(material):
        refuse(problems)
    return material


def candidates_of(
    material: Material, at: datetime, experts: Sequence[Expert] | None = None, *, left_out: Iterable[str] = ()
) -> tuple[list[Candidate], Found]:
    """The experts as they could judge all bids now, and what was found of every pair."""
    return candidates(
        material.experts if experts is None else experts, [*material.entries, material.poster], material.register,
        today=china_day(at), years=usual_policy().joint_work_years,
        declared=by_expert(material.declared, material.people), clearances=material.clearances, left_out=left_out,
    )  # fmt: skip


def known_review(material: Material) -> Review:
    """The review of the task. Raises ``Refused`` (``review_none``)."""
    if material.review is None:
        task = material.task.id
        raise Refused("review_none", f"{task} 还没有分配标书。", f"请先运行 jiebang review assign {task}。")
    return material.review


def _by_bidder(problems: Iterable[Problem], material: Material) -> list[Problem]:
    """The problems with bids called by their bidders: nobody knows a bid by its id."""
    found = []
    for problem in problems:
        message = problem.message
        for id, name in material.names.items():
            message = message.replace(id, f"“{name}”")
        found.append(replace(problem, message=message))
    return found


def refuse(problems: Sequence[Problem]) -> NoReturn:
    """Raise ``Refused`` with all that the problems say, by the code of the first."""
    messages, remedies = (
        "；".join(dict.fromkeys(text.rstrip("。") for text in texts))
        for texts in ([p.message for p in problems], [p.remedy for p in problems])
    )
    raise Refused(problems[0].code, f"{messages}。", f"{remedies}。")


def _write(
    store: Store, material: Material, processes: Sequence[Process], *, actor: str, at: datetime, reason: str
) -> None:  # fmt: skip
    changes = [PutProcess(process=one) for one in processes]
    carry_out(store, changes, actor=actor, at=at, reason=reason, since=material.revision)
