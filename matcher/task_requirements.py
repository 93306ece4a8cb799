"""What the moves of a task require: each function gives a problem, or None where the move may be made.

``values`` are what the move is told and replace the task's own. Where nothing else is named, a rule is the house's.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from graph.problems import Problem
from graph.processes import Requirement
from graph.values import clean_cell
from matcher.indicator_sense import impossible
from matcher.indicators import parse_indicators
from matcher.process_values import in_china, in_wan, to_the_second
from matcher.task_policy import task_policy

Values = Mapping[str, Any]
GRADES = ("优秀", "良好", "合格", "不合格")
# What is more is a slip of the pen, which would be found only when nothing can be changed any more.
_MOST_EXPERTS, _LONGEST_NOTICE = 99, 250  # people; working days, of which a year has as many
_PROGRAM_ONLY = frozenset(
    {"opinions", "published_at", "unsealed_at", "bids", "valid_bids", "decisions", "milestones", "delivered",
     "points", "grade", "report", "invited", "cleared"}
)  # fmt: skip


def _now(task: Any, values: Values, name: str) -> Any:
    return values.get(name, getattr(task, name))


def _problem(code: str, message: str, remedy: str) -> Problem:
    return Problem(code=code, message=message, remedy=remedy)


def allowed(name: str, given: Mapping[str, tuple[str, ...]]) -> Requirement:
    """Only what belongs to the move is told with it: a bounty does not change after the task was posted."""
    base = name.partition("_")[0]

    def check(task: Any, values: Values, at: datetime) -> Problem | None:
        if base == "amend":
            return None
        known = ("reason", *given.get(base, ()))
        others = [type(task).model_fields[value].title or value for value in values if value not in known]
        if not others:
            return None
        told = "、".join(sorted(others))
        return _problem(
            "task_fixed", f"办理这一步不能同时改“{told}”", "内容只能在“需求登记”时修改；发榜前可先退回修改"
        )

    return check


def text_only(task: Any, values: Values, at: datetime) -> Problem | None:
    """An amendment touches what people write, not what the program keeps."""
    wrong = sorted(type(task).model_fields[name].title for name in values if name in _PROGRAM_ONLY)
    if not wrong:
        return None
    return _problem("task_fixed", f"“{'、'.join(wrong)}”不能直接修改", "它们由相应的办理步骤记录")


def posted_by(task: Any, values: Values, at: datetime) -> Problem | None:
    """Somebody answers for the need: who that is decides who may not bid."""
    if _now(task, values, "poster"):
        return None
    return _problem("task_poster", "没有填发榜单位", "请补填发榜单位和统一社会信用代码")


def stated(task: Any, values: Values, at: datetime) -> Problem | None:
    """A need is handed on once it has a name and says its problem."""
    missing = [
        label for name, label in (("title", "榜单名称"), ("problem", "技术难点")) if not _now(task, values, name)
    ]  # fmt: skip
    if not missing:
        return None
    return _problem("task_incomplete", f"没有填{'、'.join(missing)}", "请用“修改”补填后再送论证")


def reasoned(task: Any, values: Values, at: datetime) -> Problem | None:
    """A decision against somebody, or one that changes what was posted, says why."""
    if clean_cell(values.get("reason", "")):
        return None
    return _problem("task_reason", "没有写理由", "请写明理由，它会告知有关各方并记入历史")


def one_opinion(task: Any, values: Values, at: datetime) -> Problem | None:
    """One opinion more, by an expert who has not said one; what others said stays."""
    before, after = task.opinions, values.get("opinions", ())
    if len(after) != len(before) + 1 or after[: len(before)] != before:
        return _problem("task_opinion", "一次只能加一条论证意见，别人的意见不能改", "请只写本人的意见")
    last = after[-1]
    if not clean_cell(last.expert) or not clean_cell(last.text):
        return _problem("task_opinion", "论证意见没有署名或没有内容", "请写专家姓名和意见")
    if last.expert in {opinion.expert for opinion in before}:
        return _problem(
            "task_opinion", f"专家“{last.expert}”已写过意见", "同一轮论证每位专家写一次；需要改动请退回修改"
        )
    return None


def no_opinions(task: Any, values: Values, at: datetime) -> Problem | None:
    """What goes back to be changed is judged anew: opinions on the old text are told by the history alone."""
    if not values.get("opinions", ()):
        return None
    return _problem("task_opinion", "退回时不能写论证意见", "请写在理由里")


def _agreed(task: Any, values: Values, at: datetime) -> Problem | None:
    agreeing, wanted = sum(opinion.agrees for opinion in task.opinions), task_policy().opinions
    if agreeing >= wanted and agreeing * 2 > len(task.opinions):
        return None
    message = f"论证同意 {agreeing} 人，共 {len(task.opinions)} 人发表意见"
    return _problem(
        "task_not_agreed", message, f"至少要有 {wanted} 位专家同意，并过半数；否则请退回修改或驳回"
    )


def _future_deadline(task: Any, values: Values, at: datetime) -> Problem | None:
    deadline = _now(task, values, "deadline")
    if deadline is None:
        return _problem("task_deadline", "没有填投标截止", "请填日期和时间，例如 2026-09-30 17:00")
    if deadline <= at:
        return _problem("task_deadline", f"投标截止 {in_china(deadline)} 已过", "请改为今后的时间")
    return None


def _bounty(task: Any, values: Values, at: datetime) -> Problem | None:
    """A 成果转化榜 may be without money, if it says so (0)."""
    if task.bounty or (task.bounty == 0 and task.mode == "offer"):
        return None
    return _problem("task_bounty", "没有填榜金", "请填榜金，以万元为单位；成果转化榜不付经费的填 0")


def _acceptance(task: Any, values: Values, at: datetime) -> Problem | None:
    if task.acceptance:
        return None
    return _problem("task_acceptance", "没有填验收条件", "请写明怎样算完成：由谁检测、达到哪些指标、交付什么")


def _measurable(task: Any, values: Values, at: datetime) -> Problem | None:
    if indicators := parse_indicators(task.indicators):
        return next(impossible(indicators), None)
    return _problem(
        "task_indicators", "技术指标里没有一条可以测量", "请逐条写 名称、比较符、数值、单位，例如 航程≥30km"
    )


def rubric_fault(rubric: Any) -> str:
    """What is wrong with a rubric by which bids are to be graded (Chinese), or nothing: once posted it does not change."""
    total, names = sum(criterion.weight for criterion in rubric), [criterion.name for criterion in rubric]
    if total != 100:
        return f"评分标准的权重合计 {total}，不是 100"
    if len(set(names)) < len(names) or not all(names) or any(criterion.weight <= 0 for criterion in rubric):
        return "评分标准里有重名、没有名称或权重为 0 的评分项"
    return ""


def _rubric(task: Any, values: Values, at: datetime) -> Problem | None:
    if fault := rubric_fault(task.rubric):
        return _problem("task_rubric", fault, "请改成合计 100，例如 技术方案 60；报价 40")
    return None


def panel_fault(experts: int | None) -> str:
    """What is wrong with the number of experts (Chinese), or nothing."""
    if not experts or experts % 2 == 0:
        return "评审专家人数没有填，或不是单数"
    return f"评审专家人数 {experts} 不合常理" if experts > _MOST_EXPERTS else ""


def _panel(task: Any, values: Values, at: datetime) -> Problem | None:
    if fault := panel_fault(task.experts):
        return _problem("task_panel", fault, "请填单数，例如 5")
    if task.scoring == "trimmed" and task.experts < 3:
        return _problem(
            "task_panel", "去掉最高分和最低分至少要 3 位专家", "请增加专家人数，或改计分办法为 平均"
        )
    return None


def notice_fault(days: int | None) -> str:
    """What is wrong with the working days of the public notice (Chinese), or nothing; None is the policy's number."""
    return f"公示 {days} 个工作日不合常理" if (days or 0) > _LONGEST_NOTICE else ""


def _notice(task: Any, values: Values, at: datetime) -> Problem | None:
    if fault := notice_fault(task.notice_days):
        return _problem("task_notice", fault, f"请填 0 到 {_LONGEST_NOTICE}，例如 5")
    return None


def _published_now(task: Any, values: Values, at: datetime) -> Problem | None:
    if values.get("published_at") == to_the_second(at):
        return None
    return _problem("task_time", "发榜时间不是现在", "请重新办理")


PUBLISHABLE: tuple[Requirement, ...] = (
    _agreed, _future_deadline, _bounty, _acceptance, _measurable, _rubric, _panel, _notice, _published_now,
)  # fmt: skip


def later_deadline(task: Any, values: Values, at: datetime) -> Problem | None:
    """A deadline is put off while it runs, never brought forward: bidders rely on it."""
    new = values.get("deadline")
    if to_the_second(at) > task.deadline:
        return _problem("task_over", f"投标已于 {in_china(task.deadline)} 截止", "截止后不能延长，请开标")
    if new is None or new <= task.deadline:
        return _problem(
            "task_deadline", "新的截止时间不晚于原来的", f"请写 {in_china(task.deadline)} 以后的时间"
        )
    return None


def new_invitations(task: Any, values: Values, at: datetime) -> Problem | None:
    """Invitations are added while bids are taken, and nobody is asked twice."""
    if late := before_deadline(task, values, at):
        return late
    after = values.get("invited", ())
    keys = [invitation.key for invitation in after]
    if len(after) > len(task.invited) and after[: len(task.invited)] == task.invited:
        if len(set(keys)) == len(keys):
            return None
        return _problem("task_invited", "有一家被邀请了两次", "请去掉重复的")
    return _problem("task_invited", "没有新的邀请", "可以邀请的都已邀请过")


def only_cleared(task: Any, values: Values, at: datetime) -> Problem | None:
    """A code more among those looked at."""
    if set(values.get("cleared", ())) > set(task.cleared):
        return None
    return _problem("task_cleared", "没有写核实的是哪一家", "请写该单位的统一社会信用代码")


def after_deadline(task: Any, values: Values, at: datetime) -> Problem | None:
    """Bids are opened once nobody can hand one in any more: from the second after the deadline."""
    if to_the_second(at) <= task.deadline:
        return _problem("task_running", f"投标截止 {in_china(task.deadline)} 还没有过", "截止后才能开标")
    if values.get("unsealed_at") != to_the_second(at):
        return _problem("task_sealed", "开标要连同全部投标一起办理", "请用开标命令 jiebang bid open")
    return None


def before_deadline(task: Any, values: Values, at: datetime) -> Problem | None:
    """Bids come and go up to the last second of the deadline, that second included."""
    if to_the_second(at) <= task.deadline:
        return None
    return _problem("task_over", f"投标已于 {in_china(task.deadline)} 截止", "截止后不能投标、替换或撤回")


def some_valid(task: Any, values: Values, at: datetime) -> Problem | None:
    """There is something to judge."""
    if values.get("valid_bids"):
        return None
    return _problem("task_no_bid", "没有有效投标", "请办理流标")


def none_valid(task: Any, values: Values, at: datetime) -> Problem | None:
    """A task without any valid bid comes to nothing; one with a valid bid is judged."""
    if not values.get("valid_bids"):
        return None
    return _problem("task_has_bids", "有有效投标，不能按无投标流标", "请开标评榜")


def all_decided(task: Any, values: Values, at: datetime) -> Problem | None:
    """Every valid bid is judged and every bidder told why: InnoCentive's users ask for feedback most of all."""
    decisions = values.get("decisions", ())
    if sorted(decision.bid for decision in decisions) != sorted(task.valid_bids):
        return _problem("task_decisions", "有的有效投标没有评分，或评了别的投标", "请给每个有效投标评分")
    if any(not clean_cell(decision.reason) for decision in decisions):
        return _problem("task_decisions", "有的投标没有写评审理由", "请逐家写明理由，它会告知投标人")
    ranks = [decision.rank for decision in sorted(decisions, key=lambda d: (d.rank, d.bid))]
    won = [decision.won for decision in sorted(decisions, key=lambda d: (d.rank, d.bid))]
    if ranks != list(range(1, len(ranks) + 1)) or won != sorted(won, reverse=True):
        return _problem("task_decisions", "名次与中榜不一致", "中榜的应排在最前")
    return None


def winners_counted(task: Any, values: Values, at: datetime) -> Problem | None:
    """揭榜: as many as the policy says; 赛马: so many teams side by side (深圳 2020: 2–3)."""
    return _enough(sum(decision.won for decision in values.get("decisions", ())), task)


def _enough(number: int, task: Any) -> Problem | None:
    fewest, most = task_policy().winners(task.selection)
    if fewest <= number <= most:
        return None
    told = f"{fewest} 家" if fewest == most else f"{fewest} 至 {most} 家"
    return _problem("task_winners", f"中榜 {number} 家，应为 {told}", "请调整中榜单位；不足时可办理流标")


def decisions_withdrawn(task: Any, values: Values, at: datetime) -> Problem | None:
    """What is judged anew has no result until then, and no bid comes to it."""
    if values.get("decisions", None) == () and set(values.get("valid_bids", ())) <= set(task.valid_bids):
        return None
    return _problem("task_decisions", "退回重评应连同中榜的投标一起办理", "请用程序的退回重评")


def undecided(task: Any, values: Values, at: datetime) -> Problem | None:
    """What is decided is not decided over: it is judged anew first."""
    if not task.decisions:
        return None
    return _problem("task_decisions", "定标已经生效", "要改，请先退回重评（jiebang award withdraw）")


def in_force(task: Any, values: Values, at: datetime) -> Problem | None:
    """Signed is what is in force, with as many winners as there must be: who gave up is none."""
    if not task.decisions:
        return _problem(
            "task_not_in_force", "定标还没有生效", "公示期满、异议都已答复后，用 jiebang award confirm 生效"
        )
    return _enough(len(task.winners), task)


def one_gives_up(task: Any, values: Values, at: datetime) -> Problem | None:
    """A winner gives up, and nothing else changes."""
    before, after = task.decisions, values.get("decisions", ())
    gone = [one for one in after if one not in before]
    if len(gone) == 1 and gone[0].won and gone[0].abandoned and len(before) == len(after):
        return None
    return _problem("task_decisions", "放弃中榜应连同投标一起办理", "请用 jiebang bid abandon")


def milestones_fit(task: Any, values: Values, at: datetime) -> Problem | None:
    """What is paid at milestones exceeds neither the bounty nor what the winners asked for; a race pays at its gates."""
    if task.selection == "race":
        return None
    milestones = values.get("milestones", ())
    if not milestones:
        return _problem("task_milestones", "没有里程碑", "请至少写一个：名称、计划日期、金额")
    if any(one.done_at or one.amount < 0 for one in milestones) or len(
        {one.name for one in milestones}
    ) != len(milestones):
        return _problem("task_milestones", "里程碑重名，或一开始就写成已完成", "请改正里程碑")
    total = sum(one.amount for one in milestones)
    if total > task.bounty:
        return _problem(
            "task_milestones", f"里程碑金额合计 {in_wan(total)}，超过榜金 {in_wan(task.bounty)}", "请调整金额"
        )
    asked = [one.amount for one in task.decisions if one.won and not one.abandoned]
    if None not in asked and total > (most := sum(asked)):
        return _problem(
            "task_milestones",
            f"里程碑金额合计 {in_wan(total)}，超过中榜投标的申请金额 {in_wan(most)}",
            "请调整金额",
        )
    return None


def milestone_recorded(task: Any, values: Values, at: datetime) -> Problem | None:
    """Milestones keep name, plan and amount; what is done stays done."""
    before, after = task.milestones, values.get("milestones", ())
    fixed = [(one.name, one.planned, one.amount) for one in before]
    if fixed != [(one.name, one.planned, one.amount) for one in after] or before == after:
        return _problem(
            "task_milestones", "里程碑的名称、计划和金额签约后不变", "请只记哪一个完成、有什么证明"
        )
    for old, new in zip(before, after, strict=True):
        if old.done_at and new != old:
            return _problem("task_milestones", f"里程碑“{old.name}”已记为完成", "完成的不能再改")
        if new.done_at and not clean_cell(new.note):
            return _problem("task_milestones", f"里程碑“{new.name}”没有写证明", "请写验收报告、检测报告等")
    return None


def all_delivered(task: Any, values: Values, at: datetime) -> Problem | None:
    """Every milestone is done, or the race is over."""
    if task.selection == "race":
        if values.get("delivered"):
            return None
        return _problem("task_race", "赛马还没有结束", "请先完成各关口评审")
    if all(one.done_at for one in task.milestones):
        return None
    names = "、".join(one.name for one in task.milestones if not one.done_at)
    return _problem(
        "task_milestones", f"里程碑“{names}”还没有完成", "完成后再转绩效评价；做不成请取消并写明理由"
    )


def assessed(task: Any, values: Values, at: datetime) -> Problem | None:
    """A score and a level and a report."""
    points: Decimal | None = values.get("points")
    if points is None or values.get("grade") not in GRADES or not values.get("report"):
        return _problem(
            "task_assessment",
            "绩效得分、等级、报告没有写全",
            f"请写 0–100 分，等级 {'、'.join(GRADES)}，和报告",
        )
    return None
