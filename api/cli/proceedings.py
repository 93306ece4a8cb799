"""What the commands of tasks, bids and races share: the clock, finding a task, telling problems and moves."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli.feedback import refuse, spellings
from api.cli.screen import say, say_aside

if TYPE_CHECKING:
    from graph.problems import Problem
    from graph.store.store import Store
    from matcher.tasks import Task

TaskId = Annotated[str, typer.Argument(metavar="榜单编号", help="哪个榜单；jiebang task list 列出。")]
Reason = Annotated[str, typer.Option("--reason", help="理由，告知有关各方并记入历史。")]


def now() -> datetime:
    """The moment at which a command does its work."""
    return datetime.now(UTC)


def known_task(store: "Store", text: str) -> "Task":
    """The task so called, or the command ends."""
    from matcher.tasks import Task

    for id in spellings(text):
        if task := store.process(Task, id):
            return task
    ids = [task.id for task in store.processes(Task)]
    near = [id for id in ids if id.endswith(f"-{text.strip()}")]
    hint = f"你是否想写 {'、'.join(near)}？" if near else "jiebang task list 列出全部榜单。"
    refuse(f"没有编号为“{text.strip()}”的榜单。", hint, code=1)


def say_problems(problems: Sequence["Problem"]) -> int:
    """Every problem with its place and remedy; gives how many are errors."""
    errors = 0
    for problem in problems:
        errors += problem.severity == "error"
        mark = "错误" if problem.severity == "error" else "提醒"
        place = (
            problem.place if problem.sheet or problem.row else f"{problem.column}：" if problem.column else ""
        )
        place = f"{place}：" if place and not place.endswith("：") else place
        say(f"  {mark}  {place}{problem.message}。{problem.remedy.rstrip('。')}。")
    return errors


def pairs(texts: Sequence[str] | None, option: str) -> dict[str, str]:
    """``名称=内容`` of a repeated option, or the command ends as wrongly written."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, sign, value = text.replace("＝", "=").partition("=")
        if not sign or not name.strip() or not value.strip():
            refuse(f"看不懂 {option} {text}。", f"请写成 {option} 名称=内容，含空格的加引号。")
        if name.strip() in found:
            refuse(f"{option} 里“{name.strip()}”写了两次。", "请只留一个。")
        found[name.strip()] = value.strip()
    return found


def refuse_field(name: str, titles: Sequence[str]) -> NoReturn:
    """End the command because there is no such field: with those that its name is a part of, else with all."""
    near = [title for title in titles if name in title or title in name]
    said = f"你是否想写 {'、'.join(near)}？" if near else f"可填：{'、'.join(titles)}。"
    refuse(f"没有“{name}”这一项。", said)


def by_organisation(given: Mapping[str, str], known: Mapping[str, str], option: str) -> dict[str, str]:
    """What was given by a name (or number from 1) of an organisation, by the ids of ``known`` (id to name)."""
    from graph.intake.organisations import organisation_key

    result: dict[str, str] = {}
    for name, value in given.items():
        number = int(name) if name.isdecimal() and len(name) < 4 else 0
        keys = [id for id, title in known.items() if organisation_key(title) == organisation_key(name)]
        keys = keys or [id for place, id in enumerate(known, 1) if place == number]
        keys = keys or [id for id, title in known.items() if name in title]
        if len(keys) != 1 or keys[0] in result:
            said = "、".join(f"{place} {title}" for place, title in enumerate(known.values(), 1)) or "（无）"
            refuse(f"{option} 里的“{name}”对不上哪一家，或写了两次。", f"请写单位名称或序号：{said}。")
        result[keys[0]] = value
    return result


def read_value(parse: Any, text: str, option: str) -> Any:
    """A value of an option, or the command ends as wrongly written."""
    from graph.problems import BadValue

    try:
        value = parse(text)
    except BadValue as bad:
        refuse(f"{option}：{bad.message}", bad.remedy)
    if value is None:
        refuse(f"{option} 没有内容。", "请补填。")
    return value


def say_state(task: "Task") -> None:
    """Where a task stands, who has to act and until when."""
    from matcher.process_values import in_china
    from matcher.tasks import LABELS

    label, duty = LABELS[task.state]
    until = f"，应在 {in_china(task.due, seconds=False)} 前办完" if task.due else ""
    say(f"{task.id} 现在是“{label}”{f'：{duty}' if duty else ''}{until}。")


def note_sealed(task: "Task") -> None:
    """That what was handed in is kept sealed."""
    from matcher.process_values import in_china

    say_aside(f"投标密封至开标；截止 {in_china(task.deadline)} 之前可以替换或撤回。")
