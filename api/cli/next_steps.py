"""What usually comes next with a task, as commands that can be copied."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from api.cli.screen import say

if TYPE_CHECKING:
    from matcher.tasks import Task

_POINTS = "--point 单位=得分 --why 单位=理由"


def say_next(task: "Task") -> None:
    """The next commands, a line each; nothing for a task that came to nothing."""
    lines = _NEXT[task.state](task) if task.state in _NEXT else []
    for place, line in enumerate(lines):
        say(f"{'接下来：' if not place else '        '}{line}")


def _registered(task: "Task") -> list[str]:
    move = f"jiebang task move {task.id}"
    return [
        f"jiebang task check {task.id} 检查；{move} 修改 --set 项目=内容；",
        f"{move} 送论证",
    ]


def _reviewing(task: "Task") -> list[str]:
    from matcher.task_quality import check_task

    move = f"jiebang task move {task.id}"
    wrong = [one.column or "" for one in check_task(task, at=task.moved_at) if one.severity == "error"]
    if wrong:
        return [
            f"“{'、'.join(dict.fromkeys(wrong))}”没有写好，发不了榜；先 {move} 退回修改 --reason 理由",
            f"（哪里不对：jiebang task check {task.id} --text-only）",
        ]
    return [
        f"专家写意见 {move} 论证意见 --opinion 意见 --by 专家姓名；",
        f"同意的够了 {move} 发榜",
    ]


def _published(task: "Task") -> list[str]:
    return [
        f"主动邀请 jiebang task invite {task.id}；投标表 jiebang bid template {task.id}；",
        f"截止后开标 jiebang bid open {task.id}",
    ]


def _evaluating(task: "Task") -> list[str]:
    return [
        f"抽专家组 jiebang panel draw {task.id}；",
        f"在别处评审的 jiebang award propose {task.id} {_POINTS}",
    ]


def _awarded(task: "Task") -> list[str]:
    if not task.decisions:
        return [f"看公示和异议 jiebang award show {task.id}；期满后 jiebang award confirm {task.id}"]
    sign = f"jiebang task move {task.id} 签约"
    return [sign if task.selection == "race" else f'{sign} --milestone "名称；日期；万元"']


def _contracted(task: "Task") -> list[str]:
    if task.selection == "race":
        return [
            f'开赛 jiebang race start {task.id} --gate "名称；日期；证据；60分；每队万元"；',
            f"看赛况 jiebang race show {task.id}；结束后 jiebang task move {task.id} 转绩效评价",
        ]
    move, waiting = f"jiebang task move {task.id}", [one.name for one in task.milestones if not one.done_at]
    if not waiting:
        return [f"{move} 转绩效评价"]
    return [
        f"还有里程碑“{'、'.join(waiting)}”；完成一个记一个 {move} 记里程碑 --done {waiting[0]} --evidence 证明"
    ]


def _assessed(task: "Task") -> list[str]:
    return [f"jiebang task move {task.id} 结题 --set 绩效得分=… --set 绩效等级=… --set 绩效报告=…"]


def _closed(task: "Task") -> list[str]:
    return [f"写成案例 jiebang case from {task.id}"]


_NEXT: Mapping[str, Callable[["Task"], list[str]]] = {
    "registered": _registered, "reviewing": _reviewing, "published": _published, "evaluating": _evaluating,
    "awarded": _awarded, "contracted": _contracted, "assessed": _assessed, "closed": _closed,
}  # fmt: skip
