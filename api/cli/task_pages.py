"""Tasks as lines on the screen and as a workbook."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.cli.proceedings import now, say_state
from api.cli.screen import say, table

if TYPE_CHECKING:
    from graph.store.history import Entry
    from matcher.tasks import Task

_SHOWN = 60


def show_task(task: "Task", history: Sequence["Entry"]) -> None:
    """All of a task, and its last change."""
    from matcher.process_values import in_china, in_wan
    from matcher.task_quality import told

    say(f"【榜单】{task.title}（{task.id}）")
    say_state(task)
    for label, text in told(task)[1:]:
        say(f"  {label}：{text}")
    for kind, key in task.about:
        say(f"  关联：{'场景' if kind == 'scene' else '成果'} {key}")
    say(f"  投标：{task.bids} 个{'' if task.is_unsealed else '（密封）'}")
    for opinion in task.opinions:
        say(f"  论证：{opinion.expert} {'同意' if opinion.agrees else '不同意'}：{opinion.text}")
    for decision in sorted(task.decisions, key=lambda one: one.rank):
        won = "放弃中榜" if decision.abandoned else "中榜" if decision.won else "未中榜"
        say(f"  评审：第 {decision.rank} 名 {decision.bidder} {decision.points} 分，{won}")
    for one in task.milestones:
        done = f"已于 {in_china(one.done_at, seconds=False)} 完成：{one.note}" if one.done_at else "未完成"
        say(
            f"  里程碑：{one.name}，计划 {in_china(one.planned, seconds=False)}，{in_wan(one.amount)}，{done}"
        )
    if task.invited:
        say(f"  已邀请：{'、'.join(one.name for one in task.invited)}")
    say(f"  历史：{len(history)} 次改动，最近一次 {history[-1].reason}（{history[-1].actor}）")


def write_list(out: Path, found: list["Task"]) -> None:
    """Write those that were posted as a workbook, and say how many were not."""
    from api.output_files import writing
    from api.task_workbook import write_tasks

    posted = [task for task in found if task.published_at]
    with writing(out, ".xlsx"):
        write_tasks(out, posted)
    rest = f"；另有 {len(found) - len(posted)} 个没有发榜，没有写入" if len(found) > len(posted) else ""
    say(f"已把 {len(posted)} 个榜单写到 {out}{rest}。")


def short(task: "Task") -> Mapping[str, Any]:
    """A task in short, for programs."""
    names = {"id", "title", "mode", "selection", "state", "poster", "bounty", "deadline", "due", "bids"}
    return task.model_dump(mode="json", include=names)


def show_list(found: list["Task"]) -> None:
    """One line a task."""
    from matcher.process_values import in_china, in_wan
    from matcher.tasks import LABELS, MODES, SELECTIONS

    moment = now()
    rows = [
        [
            task.id, LABELS[task.state][0], MODES[task.mode], SELECTIONS[task.selection], in_wan(task.bounty),
            in_china(task.deadline, seconds=False), str(task.bids),
            "超期" if task.due and task.due < moment else in_china(task.due, seconds=False), task.title,
        ]
        for task in found
    ]  # fmt: skip
    headers = ["编号", "状态", "类别", "遴选", "榜金", "投标截止", "投标", "应办完", "名称"]
    table(headers, rows, [12, 14, 10, 8, 12, 16, 4, 16, _SHOWN])
