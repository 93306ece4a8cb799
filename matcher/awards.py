"""Awards: proposed from a grading, made public, objected to, in force or withdrawn; and what each loser is told.

An award has the id of its task and moves with it (``matcher.awarding``). Public notice is counted in the working days of
the task policy: without its list of holidays by weekday alone, which is said wherever a date is shown.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import Field

from graph.problems import Problem, Refused
from graph.processes import Move, Rules, State, moved, opened
from graph.values import Title
from matcher.grading import Grading, rounded
from matcher.process_values import CHINA, Paper, Part
from matcher.review_policy import usual_policy
from matcher.task_policy import task_policy
from matcher.tasks import OFFICER

ANYONE = "public"


def counted_by() -> str:
    """How the working days of a notice are counted, for people."""
    if task_policy().holidays:
        return "已扣除办理参数中所列的法定节假日"
    return "只按周一至周五计，没有扣除法定节假日和调休"


class Ranked(Part):
    """An entry's place in an award: figures as texts, so that they are kept to the digit.

    ``remarks`` are what experts wrote, in no order that tells whose each is and without names; ``said`` what the officer did.
    """

    entry: str
    name: str
    rank: int
    exact: str
    score: str
    criteria: dict[str, str]
    totals: dict[str, str]
    tie: str = ""
    remarks: tuple[str, ...] = ()
    said: str = ""


class Objection(Part):
    """What somebody said against an award in the time of notice, and the answer once there is one."""

    by: str
    text: str
    at: datetime
    answer: str = ""


class Award(Paper):
    """定标: who is to be given the task, on which grounds."""

    kind = "award"
    label = "定标"

    task: Title = Field("", title="任务")
    winners: tuple[str, ...] = Field((), title="拟中选")
    ranking: tuple[Ranked, ...] = ()
    full_marks: tuple[tuple[str, str], ...] = Field((), title="评分项")
    rule: str = Field("", title="评分规则")
    checks: tuple[str, ...] = Field((), title="回避核查")
    notice_days: int = Field(0, title="公示工作日")
    notice_from: date | None = Field(None, title="公示起")
    notice_to: date | None = Field(None, title="公示止")
    notice_ends: datetime | None = Field(None, title="公示期满")
    objections: tuple[Objection, ...] = Field((), title="异议")
    reason: str = Field("", title="撤销原因")

    @property
    def weights(self) -> dict[str, str]:
        """Full marks by criterion, in the rubric's order (which a stored mapping would lose)."""
        return dict(self.full_marks)


def _notice_is_over(award: Award, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if award.notice_ends is not None and at >= award.notice_ends:
        return None
    return Problem(
        code="award_notice",
        message=f"公示要到 {award.notice_to} 结束（{counted_by()}）",
        remedy="请在公示期满后再办",
    )


def _nothing_open(award: Award, values: Mapping[str, Any], at: datetime) -> Problem | None:
    waiting = [objection.by for objection in award.objections if not objection.answer]
    if not waiting:
        return None
    message = f"还有 {len(waiting)} 条异议没有答复（{'、'.join(waiting)}）"
    return Problem(code="award_objection", message=message, remedy="请先逐条核实并答复")


def _has_reason(award: Award, values: Mapping[str, Any], at: datetime) -> Problem | None:
    if str(values.get("reason", "")).strip():
        return None
    return Problem(code="award_reason", message="没有写撤销的原因", remedy="请写明原因")


_STAFF = frozenset({OFFICER})
_STATES = (
    State(
        name="proposed",
        label="拟定",
        duty="经办人核对后公示",
        clock=timedelta(days=usual_policy().decide_days),
    ),
    State(name="notice", label="公示", duty="公示期满且异议都已答复后生效"),
    State(name="effective", label="生效", duty="签约"),
    State(name="withdrawn", label="撤销", final=True),
)
_MOVES = (
    Move(name="publish", label="公示", sources=("proposed",), target="notice", roles=_STAFF),
    Move(name="object", label="提出异议", sources=("notice",), target="notice", roles=frozenset({OFFICER, ANYONE})),
    Move(name="answer", label="答复异议", sources=("notice",), target="notice", roles=_STAFF),
    Move(
        name="confirm", label="生效", sources=("notice",), target="effective", roles=_STAFF,
        requires=(_notice_is_over, _nothing_open),
    ),
    Move(
        name="withdraw", label="撤销", sources=("proposed", "notice", "effective"), target="withdrawn", roles=_STAFF,
        requires=(_has_reason,),
    ),
)  # fmt: skip
RULES = Rules(states={state.name: state for state in _STATES}, moves={move.name: move for move in _MOVES})


def propose(
    id: str,
    ranking: Sequence[Ranked],
    *,
    task: str,
    winners: int,
    rule: str,
    full_marks: Sequence[tuple[str, str]] = (),
    checks: Sequence[str] = (),
    notice_days: int,
    at: datetime,
) -> Award:
    """The award of the first ``winners`` of a ranking; ``checks`` are what was looked into.

    Raises ``Refused`` (``award_winners``) where there are not so many entries.
    """
    if not 1 <= winners <= len(ranking):
        raise Refused("award_winners", f"要选 {winners} 家，参评的有 {len(ranking)} 家。", "请改中选家数。")
    return opened(
        Award, RULES, id=id, at=at, task=task, ranking=tuple(ranking), rule=rule, checks=tuple(checks),
        winners=tuple(one.entry for one in ranking[:winners]), notice_days=notice_days, full_marks=tuple(full_marks),
    )  # fmt: skip


def ranking_of(
    grading: Grading,
    names: Mapping[str, str],
    experts: Mapping[str, str],
    remarks: Mapping[str, Sequence[str]] = {},
) -> list[Ranked]:
    """The ranking of a grading, with the names of entries and experts and the remarks on entries."""
    met = Counter(experts.values())
    called = {id: f"{name}（{id}）" if met[name] > 1 else name for id, name in experts.items()}
    return [
        Ranked(
            entry=one.entry,
            name=names.get(one.entry, one.entry),
            rank=one.rank,
            exact=str(one.exact),
            score=str(one.score),
            criteria={name: str(rounded(value)) for name, value in one.criteria.items()},
            totals={
                called.get(t.expert, t.expert): f"{rounded(t.adjusted)}{'' if t.counts else '（去掉）'}"
                for t in one.totals
            },
            tie=one.tie,
            remarks=tuple(remarks.get(one.entry, ())),
        )
        for one in grading.standings
    ]


def publish(award: Award, *, at: datetime, role: str) -> Award:
    """The award made public for the task's working days, beginning with the one after ``at`` (China's day)."""
    policy, days = task_policy(), award.notice_days
    ends = policy.notice_ends(at, days)
    first, last = (
        (policy.notice_ends(at, day) - timedelta(microseconds=1)).astimezone(CHINA).date()
        if day
        else at.astimezone(CHINA).date()
        for day in (min(days, 1), days)
    )
    values = {"notice_from": first, "notice_to": last, "notice_ends": ends}
    return _until_the_end(moved(award, RULES, "publish", role=role, at=at, values=values))


def object_to(award: Award, *, by: str, text: str, at: datetime, role: str) -> Award:
    """The award with an objection; the time of notice runs on. Raises ``Refused`` once it is over."""
    if not by.strip() or not text.strip():
        raise Refused("award_objection", "异议没有写提出人或内容。", "请写明谁提出、什么事实和理由。")
    if award.state == "notice" and award.notice_ends is not None and at >= award.notice_ends:
        raise Refused(
            "award_notice", f"公示已于 {award.notice_to} 结束。", "公示期外的问题请按投诉程序办理。"
        )
    said = Objection(by=by.strip(), text=text.strip(), at=at.astimezone(UTC))
    values = {"objections": (*award.objections, said)}
    return _until_the_end(moved(award, RULES, "object", role=role, at=at, values=values))


def answer(award: Award, number: int, *, text: str, at: datetime, role: str) -> Award:
    """The award with the objection of a number (from 1) answered. Raises ``Refused`` (``award_objection``)."""
    if not 1 <= number <= len(award.objections):
        raise Refused("award_objection", f"没有第 {number} 条异议。", f"现有 {len(award.objections)} 条。")
    if not text.strip():
        raise Refused("award_objection", "答复没有内容。", "请写明核实情况和结论。")
    said = list(award.objections)
    said[number - 1] = said[number - 1].model_copy(update={"answer": text.strip()})
    values = {"objections": tuple(said)}
    return _until_the_end(moved(award, RULES, "answer", role=role, at=at, values=values))


def confirm(award: Award, *, at: datetime, role: str) -> Award:
    """The award in force: the notice is over and every objection answered."""
    return moved(award, RULES, "confirm", role=role, at=at, values={})


def withdraw(award: Award, *, reason: str, at: datetime, role: str) -> Award:
    """The award taken back, for a reason."""
    return moved(award, RULES, "withdraw", role=role, at=at, values={"reason": reason.strip()})


def justification(award: Award) -> list[tuple[str, str]]:
    """(what, what is to be said) for the file: rule, each entry's figures, the check of conflicts, what others lacked."""
    lines = [("任务", award.task), ("评分规则", award.rule)]
    if award.full_marks:
        lines.append(("评分项", "、".join(f"{name}（满分 {full}）" for name, full in award.weights.items())))
    for one in award.ranking:
        chosen = "拟中选" if one.entry in award.winners else ""
        figures = "，".join(f"{name} {one.criteria[name]}" for name in award.weights)
        totals = "、".join(f"{expert} {total}" for expert, total in one.totals.items())
        told = f"{one.name}（{one.entry}）得分 {one.score}"
        exact = f"（未舍入 {one.exact}）" if "未舍入" in award.rule else ""
        told += f"{exact}：{figures}；各专家总分：{totals}" if one.totals else ""
        more = (one.tie, one.said, *(f"意见：{remark}" for remark in one.remarks))
        lines.append((f"第 {one.rank} 名{chosen}", "；".join((told, *filter(None, more)))))
    lines += [("回避核查", check) for check in award.checks]
    beaten = [one for one in award.ranking if one.entry not in award.winners]
    if beaten and award.full_marks:
        lines.append(
            (f"{beaten[0].name}差在哪里", _lacking(beaten[0], _last_winner(award), list(award.weights)))
        )
    return lines


def reasons(award: Award, entry: str) -> list[str]:
    """What the bidder of an entry that lost is told: its figures by criterion beside the winner's and the median, remarks.

    Never who else took part, nor who judged. Raises ``Refused`` (``award_entry``) for an entry that is not in the ranking,
    (``award_won``) for a winner.
    """
    own = next((one for one in award.ranking if one.entry == entry), None)
    if own is None:
        known = "、".join(one.entry for one in award.ranking)
        raise Refused("award_entry", f"没有标书“{entry[:30]}”。", f"参评的有：{known}。")
    if entry in award.winners:
        raise Refused("award_won", f"标书 {entry} 已拟中选，没有落选原因。", "请写落选标书的编号。")
    best = award.ranking[0]
    lines = [
        f"任务：{award.task}",
        f"贵方标书 {own.entry} 综合得分 {own.score}，在 {len(award.ranking)} 份中列第 {own.rank}；"
        f"中选最高分 {best.score}，全部中位数 {_middle([one.score for one in award.ranking])}。",
    ]
    for name, full in award.weights.items():
        middle = _middle([one.criteria[name] for one in award.ranking])
        lines.append(
            f"{name}（满分 {full}）：贵方 {own.criteria[name]}，中选 {best.criteria[name]}，中位数 {middle}"
        )
    if award.full_marks:
        lines.append(_lacking(own, best, list(award.weights)))
    lines += [f"评审意见：{remark}" for remark in (*own.remarks, own.said) if remark]
    return [*lines, f"评分规则：{award.rule}"]


def _last_winner(award: Award) -> Ranked:
    return award.ranking[len(award.winners) - 1]


def _lacking(own: Ranked, winner: Ranked, names: Sequence[str]) -> str:
    """The criteria in which the one is behind the other, the widest gap first, equals in the order of ``names``."""
    gaps = {name: Decimal(winner.criteria[name]) - Decimal(own.criteria[name]) for name in names}
    behind = sorted((name for name in gaps if gaps[name] > 0), key=lambda name: -gaps[name])
    if not behind:
        return (
            "各评分项均不低于中选方，名次由其余规则决定。"
            if own.score == winner.score
            else "各评分项平均分均不低于中选方，差在去掉最高分、最低分或标准化之后。"
        )
    return "与中选方的差距：" + "，".join(f"{name}低 {gaps[name]} 分" for name in behind) + "。"


def _middle(texts: Sequence[str]) -> Decimal:
    values = sorted(Decimal(text) for text in texts)
    half = len(values) // 2
    return rounded(values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2)


def _until_the_end(award: Award) -> Award:
    """The award with the end of its notice as what it is due by."""
    return award.model_copy(update={"due": award.notice_ends})
