"""One step of a task: task move, and which steps are open now."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import By, named_person, refuse
from api.cli.next_steps import say_next
from api.cli.proceedings import (
    Reason,
    TaskId,
    known_task,
    now,
    pairs,
    read_value,
    refuse_field,
    say_state,
)
from api.cli.screen import say, say_aside, say_refused
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from graph.problems import Refused
    from graph.processes import Move
    from graph.store.store import Store
    from matcher.tasks import Milestone, Task

# Steps that come with other commands.
_ELSEWHERE = {
    "invite": "jiebang task invite {id}", "receive": "jiebang bid add {id} 或 jiebang bid withdraw {id}",
    "evaluate": "jiebang bid open {id}", "void": "jiebang bid open {id}", "award": "jiebang award propose {id}",
    "decide": "jiebang award show {id} 看公示和异议，期满后 jiebang award confirm {id}", "reconsider": "jiebang award withdraw {id} --reason 理由",
    "abandon": "jiebang bid abandon {id}", "abandon_contracted": "jiebang bid abandon {id}",
}  # fmt: skip
# What a step is told on the line; that it is not told yet is no obstacle.
_TELL = {
    "amend": "--set 项目=内容", "opine": "--opinion 意见 --by 专家姓名（不同意加 --disagree）",
    "extend": "--set 投标截止=时间 --reason 理由",
    **dict.fromkeys(("clear", "clear_evaluating", "clear_awarded"), "--set 已核实的单位=信用代码或名称 --reason 理由"),
    "sign": '--milestone "名称；日期；万元"（赛马不写）',
    "record": "--done 里程碑 --evidence 证明", "close": "--set 绩效得分=… --set 绩效等级=… --set 绩效报告=…",
    **dict.fromkeys(("return", "fail", "reject", "retract", "cancel"), "--reason 理由"),
}  # fmt: skip
_TOLD_CODES = frozenset(
    {"task_reason", "task_opinion", "task_decisions", "task_winners", "task_cleared", "task_assessment", "task_invited", "task_no_bid"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What the command was told."""

    role: str
    who: str
    at: datetime
    reason: str
    values: Mapping[str, str]
    opinion: str
    disagree: bool
    milestones: Sequence[str]
    done: str
    evidence: str


def move(
    context: typer.Context,
    id: TaskId,
    step: Annotated[
        str,
        typer.Argument(
            metavar="步骤",
            help="如 修改、送论证、论证意见、发榜、签约、结题、取消；不写则列出现在能办的。",
        ),
    ] = "",
    given: Annotated[list[str] | None, typer.Option("--set", help="填一项：项目=内容，可多次。")] = None,
    reason: Reason = "",
    role: Annotated[
        str,
        typer.Option(
            "--as", help="以什么身份办：officer 主管人员、expert 专家、poster 发榜单位；不写按步骤。"
        ),
    ] = "",
    opinion: Annotated[str, typer.Option("--opinion", help="论证意见（署名用 --by）。")] = "",
    disagree: Annotated[bool, typer.Option("--disagree", help="论证意见为不同意。")] = False,
    milestone: Annotated[
        list[str] | None, typer.Option("--milestone", help="签约：名称；计划日期；万元，可多次。")
    ] = None,
    done: Annotated[str, typer.Option("--done", help="记里程碑：哪一个完成了。")] = "",
    evidence: Annotated[str, typer.Option("--evidence", help="记里程碑：证明材料。")] = "",
    by: By = None,
) -> None:
    """办理一步；不写步骤则列出现在能办的和不能办的原因。"""
    from graph.problems import Refused

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        if not step:
            say_state(task)
            say_moves(task)
            return
        chosen = _step(task, step)
        said = _Said(
            role=role or _usual_role(chosen), who=named_person(by), at=now(), reason=reason,
            values=pairs(given, "--set"), opinion=opinion, disagree=disagree, milestones=milestone or (), done=done,
            evidence=evidence,
        )  # fmt: skip
        try:
            after = _taken(store, task, chosen, said)
        except Refused as refused:
            _say_how(task, chosen, refused)
            raise typer.Exit(1) from refused
    say(f"已办理“{chosen.label}”。")
    say_state(after)
    say_next(after)


def _say_how(task: "Task", chosen: "Move", refused: "Refused") -> None:
    """Why a step was refused, and how it is written where something was not told."""
    say_refused(refused)
    if refused.code == "move_requirement" and chosen.name in _TELL:
        say_aside(f"写法：jiebang task move {task.id} {chosen.label} {_TELL[chosen.name]}")


def say_moves(task: "Task") -> None:
    """The steps that may be taken now, and why others may not; those of another state are left out."""
    from graph.processes import moves_from
    from matcher.tasks import ROLES, task_rules

    rules, at = task_rules(), now()
    lines = []
    for name, one in rules.moves.items():
        if (
            task.state not in one.sources
            or name in ("receive", "void")
            or name.startswith("abandon")
            or (name == "decide" and task.decisions)
        ):
            continue
        role = _usual_role(one)
        given = {"published_at": at.replace(microsecond=0), "unsealed_at": at.replace(microsecond=0)}
        values = {key: value for key, value in given.items() if key in _told_with(name)}
        found = next(
            open
            for open in moves_from(task, rules, role=role, at=at, values=values)
            if open.move.name == name
        )
        told = {
            *_TOLD_CODES,
            *(
                {"task_milestones"}
                if name in ("sign", "record")
                else {"task_deadline"}
                if name == "extend"
                else ()
            ),
        }
        missing = "；".join(
            dict.fromkeys(problem.message for problem in found.problems if problem.code not in told)
        )
        how = _ELSEWHERE[name].format(id=task.id) if name in _ELSEWHERE else _TELL.get(name, "")
        how = f"（{how}）" if how else ""
        who = "、".join(ROLES[role] for role in ROLES if role in one.roles and role != "system")
        lines.append(f"  {one.label}{how}：{who}办理" + (f"；还差：{missing}" if missing else ""))
    say("现在可以办的步骤：" if lines else "已是最后状态，没有可以办的步骤。")
    for line in lines:
        say(line)
    if not lines:
        say_next(task)


def attributes(given: Mapping[str, str]) -> dict[str, Any]:
    """Values by attribute from values by Chinese title (or attribute), or the command ends."""
    from api.process_forms import TASK_FIELDS
    from matcher.tasks import Task

    extra = ("points", "grade", "report", "cleared")
    titles = {name: (Task.model_fields[name].title or name) for name in (*TASK_FIELDS, *extra)}
    known = {name: name for name in titles} | {title: name for name, title in titles.items()}
    known |= {title.removesuffix("（万元）"): name for name, title in titles.items()}
    if unknown := [name for name in given if name not in known]:
        refuse_field(unknown[0], list(titles.values()))
    return {known[name]: value for name, value in given.items()}


def _told_with(name: str) -> tuple[str, ...]:
    from matcher.tasks import GIVEN

    return GIVEN.get(name, ())


def _usual_role(move: "Move") -> str:
    from matcher.tasks import ROLES

    return next(role for role in ROLES if role in move.roles)


def _step(task: "Task", text: str) -> "Move":
    """The step so called; of those with one label the one from where the task stands."""
    from matcher.tasks import task_rules

    moves = task_rules().moves.values()
    named = [one for one in moves if text in (one.name, one.label)]
    here = [one for one in named if task.state in one.sources] or named
    if not here:
        labels = "、".join(dict.fromkeys(one.label for one in moves if task.state in one.sources))
        refuse(f"没有“{text}”这一步。", f"现在可写：{labels or '（已是最后状态）'}。")
    if here[0].name in _ELSEWHERE:
        refuse(
            f"“{here[0].label}”要用别的命令办理。", f"请用 {_ELSEWHERE[here[0].name].format(id=task.id)}。"
        )
    return here[0]


def _taken(store: "Store", task: "Task", chosen: "Move", said: _Said) -> "Task":
    """The task after the step, written."""
    from matcher import task_steps

    reason = chosen.label + (f"：{said.reason}" if said.reason else "")

    def change(step: Callable[["Task"], "Task"]) -> "Task":
        return task_steps.change_task(store, task.id, step, actor=said.who, at=said.at, reason=reason)

    match chosen.name:
        case "opine":
            return change(
                lambda one: task_steps.with_opinion(
                    one, expert=said.who, agrees=not said.disagree, text=said.opinion, at=said.at
                )
            )
        case "publish":
            end = attributes(said.values).get("deadline")
            deadline = None if end is None else _moment(end, "--set 投标截止")
            return change(lambda one: task_steps.published(one, at=said.at, deadline=deadline))
        case "sign":
            return change(lambda one: task_steps.signed(one, _milestones(said.milestones), at=said.at))
        case "record":
            _need_milestone(task, said.done)
            return change(
                lambda one: task_steps.with_milestone(
                    one, said.done, role=said.role, note=said.evidence, at=said.at
                )
            )
    values: dict[str, Any] = attributes(said.values)
    if said.reason:
        values["reason"] = said.reason
    if "cleared" in values:
        values["cleared"] = (*task.cleared, _as_kept(values["cleared"]))
    return task_steps.move_task(
        store, task.id, chosen.name, role=said.role, values=values, actor=said.who, at=said.at
    )


def _as_kept(text: str) -> str:
    """A code without its spaces; a name as it is."""
    from graph.identifiers.uscc import parse_uscc
    from graph.problems import BadValue

    try:
        return parse_uscc(text)
    except BadValue:
        return text


def _moment(text: str, option: str) -> datetime:
    from matcher.process_values import parse_moment

    moment: datetime = read_value(parse_moment, text, option)
    return moment


def _milestones(texts: Sequence[str]) -> tuple["Milestone", ...]:
    from matcher.process_values import parse_yuan
    from matcher.tasks import Milestone

    found = []
    for text in texts:
        parts = [part.strip() for part in text.replace(";", "；").split("；")]
        if len(parts) != 3:
            refuse(f"看不懂里程碑“{text}”。", '请写成 --milestone "样机交付；2026-12-31；100"。')
        name, planned, amount = parts
        found.append(
            Milestone(
                name=name, planned=_moment(planned, "--milestone"), amount=read_value(parse_yuan, amount, "--milestone")
            )
        )  # fmt: skip
    return tuple(found)


def _need_milestone(task: "Task", name: str) -> None:
    names = [one.name for one in task.milestones]
    if name not in names:
        refuse(f"没有叫“{name}”的里程碑。", f"请用 --done 写其中一个：{'、'.join(names)}。")
