"""How a plan of assignment is shown: on screen and as a workbook."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.screen import say, table

if TYPE_CHECKING:
    from api.cli.assigning import Outcome
    from api.plain_workbook import Sheet
    from matcher.assignment_plan import Chosen, Difference, Plan

_WIDTHS = {
    "场景编号": 14, "成果编号": 14, "场景名称": 36, "成果名称": 36, "建设单位": 28, "完成单位": 28, "理由": 70, "原因": 80,
    "项目": 16, "内容": 80, "把握": 8, "得分": 8, "指定": 8, "变化": 10,
}  # fmt: skip

_HEAD = (
    "场景编号", "场景名称", "建设单位", "成果编号", "成果名称", "完成单位", "等级", "把握", "得分", "指定", "理由",
)  # fmt: skip


def summary(plan: "Plan") -> str:
    """The plan in one or two sentences: how many, how good, how sure."""
    served = len({pair.scene for pair in plan.pairs})
    missing = f"{len(plan.left)} 个场景没有排上" if plan.left else "没有场景落空"
    text = f"{served} 个场景得到成果，共 {len(plan.pairs)} 对，预计其中 {plan.total:.1f} 对较强相关或更好；{missing}。"
    if plan.rule == "stable":
        most = "也是合计最好的方案" if plan.optimal else f"合计最好的方案可到 {plan.bound:.1f} 对"
        return f"{text}这是唯一的稳定方案（{most}）。"
    if plan.optimal:
        return f"{text}已证明没有合计更好的方案。"
    return f"{text}没有证明最优：最好也不会超过 {plan.bound:.2f} 对（差 {plan.gap:.2%} 以内）。"


def show(outcome: "Outcome", most: int) -> None:
    """The plan for a reader at a terminal, at most so many pairs and scenes left out."""
    plan = outcome.plan
    if outcome.closed:
        say(f"有 {outcome.closed} 个场景已过截止日期或已落地，没有计入。")
    say(summary(plan))
    if plan.pairs:
        say()
        rows = []
        for pair in plan.pairs[:most]:
            scene, title, _, achievement, called, _ = _ends(outcome, pair)
            reason = ("（指定）" if pair.forced else "") + outcome.reasons.get((scene, achievement), "")
            rows.append([scene, title, achievement, called, _level(pair), f"{pair.fit:.0%}", reason])
        table(["场景", "名称", "成果", "名称", "等级", "把握", "理由"], rows, [10, 30, 10, 30, 8, 4, 60])
        _say_more(len(plan.pairs), most, "对")
    if plan.left:
        say()
        say(f"没有排上的场景 {len(plan.left)} 个：")
        missing = [[one.scene, outcome.scenes[one.scene].title, one.message] for one in plan.left[:most]]
        table(["场景", "名称", "原因"], missing, [10, 36, 80])
        _say_more(len(plan.left), most, "个")
    if outcome.difference is not None:
        _show_difference(outcome.difference)


def _say_more(count: int, most: int, unit: str) -> None:
    if count > most:
        say(f"……另有 {count - most} {unit}，全部见 --out 方案.xlsx。")


def difference_line(found: "Difference") -> str:
    """What came, went and stayed against an older plan, in numbers."""
    refit = f"（其中 {found.refitted:+.2f} 来自保留的对子重新打分）" if found.refitted else ""
    return (
        f"与旧方案相比：新增 {len(found.added)} 对，取消 {len(found.removed)} 对，保留 {len(found.kept)} 对，"
        f"预计够好的对数 {found.change:+.2f}{refit}。"
    )


def _show_difference(found: "Difference") -> None:
    say()
    say(difference_line(found))
    for word, pairs in (("新增", found.added), ("取消", found.removed)):
        for pair in pairs:
            say(f"  {word} {pair.scene}—{pair.achievement}（把握 {pair.fit:.0%}）")


def _ends(outcome: "Outcome", pair: "Chosen") -> list[str]:
    """Id, title and owner of the scene, then of the achievement."""
    scene, achievement = outcome.scenes[pair.scene], outcome.achievements[pair.achievement]
    return [scene.id, scene.title, scene.owner, achievement.id, achievement.title, achievement.owner]


def _level(pair: "Chosen") -> str:
    from matcher.ranker import LEVELS

    return LEVELS.get(pair.level, "")


def write(path: Path, outcome: "Outcome") -> None:
    """The plan as a workbook: pairs with reasons, scenes left out and why, the rules used, and what has changed."""
    from api.plain_workbook import write_sheets

    pairs: list[list[str | float]] = []
    for pair in outcome.plan.pairs:
        reason = outcome.reasons.get((pair.scene, pair.achievement), "")
        forced = "必须" if pair.forced else ""
        pairs.append([*_ends(outcome, pair), _level(pair), pair.fit, pair.points, forced, reason])
    left = [
        [one.scene, outcome.scenes[one.scene].title, outcome.scenes[one.scene].owner, one.message]
        for one in outcome.plan.left
    ]
    sheets: dict[str, Sheet] = {
        "对接方案": (_HEAD, pairs),
        "没有排上": (["场景编号", "场景名称", "建设单位", "原因"], left),
        "采用的规则": (["项目", "内容"], [["结果", summary(outcome.plan)], *map(list, outcome.used)]),
    }
    if outcome.difference is not None:
        sheets["与旧方案相比"] = (["变化", "场景编号", "成果编号", "把握"], _changes(outcome.difference))
    write_sheets(path, sheets, _WIDTHS, shares=("把握",))


def _changes(found: "Difference") -> Sequence[Sequence[str | float]]:
    return [
        [word, pair.scene, pair.achievement, pair.fit]
        for word, pairs in (("新增", found.added), ("取消", found.removed), ("保留", found.kept))
        for pair in pairs
    ]
