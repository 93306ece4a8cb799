"""From marks to a decision: an award is proposed, made public, put into force or taken back, and its task with it.

One chain: 评榜 → (propose) 定标 → public notice, objections → (confirm) in force, bids won and lost → 签约. Award, task, bids
and review are written as one batch, so that none can say what another denies; of two officers at once one is told that
the other was quicker (``plan_stale``). Raised is ``Refused``, as ``moved`` does, and what each step names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from graph.problems import Refused
from graph.processes import Process, moved
from graph.store.changes import PutProcess
from graph.store.store import Store
from matcher import awards
from matcher.awards import Award, Ranked, ranking_of, reasons
from matcher.bidding import ranked, related
from matcher.bids import Bid, bid_rules
from matcher.review_material import Material, doubts, standing_conflicts
from matcher.review_processes import REVIEW_RULES, Review, remarks
from matcher.review_steps import graded, known_review, refuse
from matcher.task_policy import task_policy
from matcher.tasks import OFFICER, SYSTEM, TIE_RULES, Decision, Task, carry_out, task_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Awarded:
    """The award after a step, and its task."""

    award: Award
    task: Task


def propose(store: Store, task_id: str, *, winners: int | None = None, actor: str, at: datetime) -> Awarded:
    """Propose the best of the marks; not told otherwise the fewest winners that the policy asks for.

    Raises ``Refused``: ``review_none``, ``score_missing`` and the like, ``identity_unresolved``, ``review_conflict`` (an
    expert has come to have one), ``award_winners``.
    """
    material = Material.of(store, task_id)
    task = _proposable(material, at)
    review = known_review(material)
    found = graded(material)
    if isinstance(found, list):
        refuse(found)
    if problems := doubts(material) or standing_conflicts(material, at):
        refuse(problems)
    award = _proposed(
        material, ranking_of(found, material.names, review.experts, remarks(review)), rule=found.rules.text, winners=winners, at=at,
        full_marks=review.full_marks, checks=_checks(material),
    )  # fmt: skip
    settled = moved(review, REVIEW_RULES, "settle", role=OFFICER, at=at, values={})
    _write(store, material, [task, award, settled], actor=actor, at=at, reason=f"拟定 {task_id} 的中选方")
    return Awarded(award=award, task=task)


def propose_by_points(
    store: Store, task_id: str, *, points: Mapping[str, Decimal], reasons: Mapping[str, str], winners: int | None = None,
    actor: str, at: datetime,
) -> Awarded:  # fmt: skip
    """Propose by points (0–100) and a reason for each valid bid, for a task that was judged elsewhere.

    Raises ``Refused``: ``award_marks`` (there is a review: its marks decide), ``award_points`` (a valid bid without),
    ``identity_unresolved``, ``award_winners``.
    """
    material = Material.of(store, task_id)
    task = _proposable(material, at)
    if material.review is not None:
        raise Refused(
            "award_marks",
            f"{task_id} 有专家评审，不能另录得分。",
            f"请用 jiebang award propose {task_id}，按评审结果拟定。",
        )
    lacking = [
        bid.bidder for bid in material.bids if bid.id not in points or not reasons.get(bid.id, "").strip()
    ]
    if lacking or points.keys() - {bid.id for bid in material.bids}:
        raise Refused(
            "award_points",
            f"有的有效投标没有得分或理由（{'、'.join(lacking) or '或评了别的投标'}）。",
            "请给每个有效投标写得分和理由，它会告知投标人。",
        )
    if problems := doubts(material):
        refuse(problems)
    order = ranked(task, material.bids, points)
    ranking = [
        Ranked(
            entry=bid.id, name=material.names[bid.id], rank=rank, exact=str(points[bid.id]), score=str(points[bid.id]),
            criteria={}, totals={}, said=reasons[bid.id].strip(),
        )
        for rank, bid in enumerate(order, 1)
    ]  # fmt: skip
    award = _proposed(
        material, ranking, rule=f"按录入的得分排名；同分{TIE_RULES[task.tie_rule]}", winners=winners, at=at,
        checks=_related(material),
    )  # fmt: skip
    _write(store, material, [task, award], actor=actor, at=at, reason=f"拟定 {task_id} 的中选方（录入得分）")
    return Awarded(award=award, task=task)


def publish(store: Store, task_id: str, *, actor: str, at: datetime) -> Awarded:
    """Make the award public for the task's working days."""
    return _step(
        store, task_id, lambda one: awards.publish(one, at=at, role=OFFICER), actor=actor, at=at,
        reason=f"公示 {task_id} 的结果",
    )  # fmt: skip


def object_to(store: Store, task_id: str, *, by: str, text: str, actor: str, at: datetime) -> Awarded:
    """Note an objection that came within the time of notice."""
    return _step(
        store, task_id, lambda one: awards.object_to(one, by=by, text=text, at=at, role=OFFICER), actor=actor, at=at,
        reason=f"{by}提出异议：{text}",
    )  # fmt: skip


def answer(store: Store, task_id: str, number: int, *, text: str, actor: str, at: datetime) -> Awarded:
    """Answer the objection of a number (from 1)."""
    return _step(
        store, task_id, lambda one: awards.answer(one, number, text=text, at=at, role=OFFICER), actor=actor, at=at,
        reason=f"答复第 {number} 条异议：{text}",
    )  # fmt: skip


def confirm(store: Store, task_id: str, *, actor: str, at: datetime) -> Awarded:
    """Put the award into force: bids are won and lost, each bidder told why. Conflicts and identities are looked at anew."""
    material = Material.of(store, task_id)
    award = awards.confirm(known_award(material), at=at, role=OFFICER)
    if problems := doubts(material) or standing_conflicts(material, at):
        refuse(problems)
    bids = {bid.id: bid for bid in material.bids}
    decisions = tuple(
        Decision(
            bid=one.entry, bidder=bids[one.entry].bidder, points=Decimal(one.score), rank=one.rank,
            won=one.entry in award.winners, reason=told(award, one), amount=bids[one.entry].amount,
        )
        for one in award.ranking
    )  # fmt: skip
    task = moved(material.task, task_rules(), "decide", role=OFFICER, at=at, values={"decisions": decisions})
    decided = [
        moved(
            bids[one.bid], bid_rules(), "win" if one.won else "lose", role=SYSTEM, at=at, values={"reason": one.reason}
        )
        for one in decisions
    ]  # fmt: skip
    _write(store, material, [task, award, *decided], actor=actor, at=at, reason=f"{task_id} 定标生效")
    return Awarded(award=award, task=task)


def withdraw(store: Store, task_id: str, *, reason: str, actor: str, at: datetime) -> Awarded:
    """Take an award back before the contract: the task is judged anew, its bids are open again but for those given up."""
    material = Material.of(store, task_id)
    award = awards.withdraw(known_award(material), reason=reason, at=at, role=OFFICER)
    back = [bid for bid in material.bids if bid.state in ("opened", "won", "lost")]
    values = {"decisions": (), "valid_bids": tuple(bid.id for bid in back), "reason": reason.strip()}
    task = moved(material.task, task_rules(), "reconsider", role=OFFICER, at=at, values=values)
    changed: list[Process] = [task, award]
    for bid in back:
        if bid.state != "opened":
            again = {"reason": reason.strip()}
            changed.append(moved(bid, bid_rules(), "reconsider", role=SYSTEM, at=at, values=again))
    if material.review is not None and material.review.state == "settled":
        changed.append(moved(material.review, REVIEW_RULES, "reopen", role=OFFICER, at=at, values={}))
    _write(store, material, changed, actor=actor, at=at, reason=f"撤销 {task_id} 的定标：{reason.strip()}")
    return Awarded(award=award, task=task)


def told(award: Award, one: Ranked) -> str:
    """What the bidder of an entry is told once the award is in force."""
    if one.entry not in award.winners:
        return "\n".join(reasons(award, one.entry))
    said = f"综合得分 {one.score}，在 {len(award.ranking)} 份中列第 {one.rank}，中选。"
    return f"{said}{one.said}" if one.said else said


def known_award(material: Material) -> Award:
    """The award of the task. Raises ``Refused`` (``award_none``)."""
    if material.award is None:
        task = material.task.id
        raise Refused("award_none", f"{task} 还没有定标。", f"请先运行 jiebang award propose {task}。")
    return material.award


def _proposable(material: Material, at: datetime) -> Task:
    """The task after the step, if it may be taken."""
    return moved(material.task, task_rules(), "award", role=OFFICER, at=at, values={})


def _proposed(
    material: Material, ranking: Sequence[Ranked], *, rule: str, winners: int | None, at: datetime,
    full_marks: Sequence[tuple[str, str]] = (), checks: Sequence[str] = (),
) -> Award:  # fmt: skip
    task = material.task
    fewest, most = task_policy().winners(task.selection)
    number = fewest if winners is None else winners
    if not fewest <= number <= most:
        counts = f"{fewest}" if fewest == most else f"{fewest} 至 {most}"
        raise Refused("award_winners", f"要选 {number} 家，应为 {counts} 家。", "请改中选家数。")
    days = task.notice_days if task.notice_days is not None else task_policy().notice_days
    return awards.propose(
        task.id, ranking, task=task.title, winners=number, rule=rule, full_marks=full_marks, checks=checks,
        notice_days=days, at=at,
    )  # fmt: skip


def _checks(material: Material) -> list[str]:
    """What was looked into, for the file."""
    review, panel = known_review(material), material.panel
    read = sum(len(review.readers.get(bid.id, ())) for bid in material.bids)
    lines = [f"{read} 人次评审均已核查，没有冲突或未核实的身份", *_related(material)]
    lines += [
        f"{review.experts.get(who, who)}不评“{review.entries.get(entry, entry)}”：{why}"
        for who, entry, why in review.barred
    ]
    lines += [f"{one.by}核实 {one.person} 与 {one.entry} 无关：{one.reason}" for one in review.clearances]
    if panel is not None:
        lines += [f"{panel.names.get(id, id)}未进专家组：{why}" for id, why in panel.barred]
        lines += [f"{panel.names.get(one.out, one.out)}回避：{one.reason}" for one in panel.recusals]
    return lines


def _related(material: Material) -> list[str]:
    """Bids behind which related organisations stand, each two once: told, not barred."""
    names = {bid.id: bid.bidder for bid in material.bids}
    found = related(material.bids, material.register)
    return [
        f"“{names[one]}”与“{names[other]}”的投标有{kin}，请核实是否各自独立投标"
        for (one, other), kin in found.items()
        if one < other
    ]


def _step(
    store: Store, task_id: str, step: Callable[[Award], Award], *, actor: str, at: datetime, reason: str
) -> Awarded:  # fmt: skip
    material = Material.of(store, task_id)
    award = step(known_award(material))
    _write(store, material, [award], actor=actor, at=at, reason=reason)
    return Awarded(award=award, task=material.task)


def _write(
    store: Store, material: Material, processes: Sequence[Task | Award | Review | Bid | Process], *, actor: str,
    at: datetime, reason: str,
) -> None:  # fmt: skip
    changes = [PutProcess(process=one) for one in processes]
    carry_out(store, changes, actor=actor, at=at, reason=reason, since=material.revision)
