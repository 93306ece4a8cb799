"""Awards: propose from the marks, show with reasons, make public, take objections, put into force or withdraw."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.review_material import Task, keep
from api.cli.reviewing import graded, known_review
from api.cli.screen import moment, say
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.store.store import Store
    from matcher.awards import Award
    from matcher.review_processes import Panel, Review

award = typer.Typer(
    name="award",
    help="定标：拟定、查看理由、公示、异议、生效、撤销。",
    cls=ChineseGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    commands: dict[str, Callable[..., None]] = {
        "propose": propose, "show": show, "notice": notice, "object": object_to, "answer": answer, "confirm": confirm,
        "withdraw": withdraw,
    }  # fmt: skip
    for name, command in commands.items():
        award.command(name=name, cls=ChineseCommand)(command)
    app.add_typer(award)


def propose(
    context: typer.Context,
    task: Task,
    winners: Annotated[
        int | None, typer.Option(min=1, help="中选几家；不写则按评审参数。", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="同分抽签的种子；不写则用专家组的种子。", show_default=False)
    ] = None,
    normalise: Annotated[str, typer.Option(help="同 jiebang review summary。", show_default=False)] = "",
    average: Annotated[str, typer.Option(help="同 jiebang review summary。", show_default=False)] = "",
    order: Annotated[str, typer.Option(help="同 jiebang review summary。", show_default=False)] = "",
    by: By = None,
) -> None:
    """按汇总的排名拟定中选方，并写出理由：每一个数、规则、回避核查、落选差在哪里。"""
    from matcher.awards import Award
    from matcher.awards import propose as make
    from matcher.review_policy import usual_policy
    from matcher.review_processes import Panel

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since, found = store.revision(), known_review(store, task)
        old = store.process(Award, task)
        if old is not None and old.state != "withdrawn":
            refuse(
                f"任务 {task} 已经定标。",
                f"要重新拟定，先 jiebang award withdraw {task} --reason 原因。",
                code=1,
            )
        grading = graded(store, found, seed=seed, normalise=normalise, average=average, order=order)
        made = make(
            task, grading, found.entries, task=found.task, winners=winners or usual_policy().winners,
            checks=_checks(found, store.process(Panel, found.id)), at=datetime.now(UTC),
        )  # fmt: skip
        keep(store, made, actor=who, reason=f"拟定任务 {task} 的中选方", since=since)
    _tell(made)
    say(f"下一步：核对后公示 jiebang award notice {task} --out 公示.docx")


def _checks(found: "Review", panel: "Panel | None") -> list[str]:
    told = [f"{found.experts.get(who, who)}不评 {entry}：{why}" for who, entry, why in found.barred]
    read = sum(map(len, found.readers.values()))
    if panel is not None:
        told += [f"{panel.names.get(id, id)}未进专家组：{why}" for id, why in panel.barred]
        told += [f"{panel.names.get(one.out, one.out)}回避：{one.reason}" for one in panel.recusals]
    return [f"{read} 人次评审均已核查，没有冲突或未核实的身份", *told]


def show(
    context: typer.Context,
    task: Task,
    to: Annotated[
        str,
        typer.Option(
            "--to", help="只看给某份落选标书的反馈（写投标编号）；不含其他单位。", show_default=False
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """看定标：排名和理由、公示和异议；加 --to 得到可以发给落选单位的反馈。"""
    from matcher.awards import RULES, reasons

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = _known(store, task)
    if to:
        for line in reasons(found, to.strip()):
            say(line)
    elif as_json:
        say_json(found.model_dump(mode="json"))
    else:
        state = RULES.states[found.state]
        say(f"任务 {task}：{state.label}" + (f"（{state.duty}）" if state.duty else ""))
        if found.due:
            say(
                f"应在 {moment(found.due.isoformat())} 前办完这一步。"
                if found.state == "proposed"
                else _period(found)
            )
        _tell(found)
        for number, said in enumerate(found.objections, start=1):
            say(
                f"异议 {number}（{said.by}，{moment(said.at.isoformat())}）：{said.text}；答复：{said.answer or '还没有'}"
            )
        if found.reason:
            say(f"撤销原因：{found.reason}")


def notice(
    context: typer.Context,
    task: Task,
    out: Annotated[Path, typer.Option("--out", help="公示文件写到哪里（.docx）。")],
    days: Annotated[
        int | None, typer.Option(min=1, max=60, help="公示几个工作日；不写则按评审参数。", show_default=False)
    ] = None,
    office: Annotated[str, typer.Option(help="公示单位。", show_default=False)] = "",
    contact: Annotated[str, typer.Option(help="联系方式。", show_default=False)] = "",
    by: By = None,
) -> None:
    """公示：从次日起计工作日，写出公示文件（docx）；已在公示的只重写文件。"""
    from api.output_files import check_target
    from api.review_papers import write_notice
    from matcher.awards import publish

    check_target(out, ".docx")
    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since, found = store.revision(), _known(store, task)
        made = found
        if found.state != "notice":
            made = publish(found, at=datetime.now(UTC), role="officer", days=days)
        elif days not in (None, found.notice_days):
            refuse(
                f"任务 {task} 已按 {found.notice_days} 个工作日公示，不能再改天数。",
                "要改，请先撤销，再重新拟定和公示。",
                code=1,
            )
        write_notice(out, made, office=office, contact=contact)
        if made is not found:
            keep(store, made, actor=who, reason=f"公示任务 {task} 的结果", since=since)
    say(f"{'已公示' if made is not found else '已在公示，文件重新写过'}：{_period(made)}")
    say(f"公示文件：{out}")
    say(f"期满且没有未答复的异议后：jiebang award confirm {task}")


def object_to(
    context: typer.Context,
    task: Task,
    text: Annotated[str, typer.Option("--text", help="异议内容。")],
    who_objects: Annotated[str, typer.Option("--from", help="谁提出的。")],
    by: By = None,
) -> None:
    """登记公示期内收到的异议。"""
    from matcher import awards

    def made(old: "Award", now: datetime) -> "Award":
        return awards.object_to(old, by=who_objects, text=text, at=now, role="officer")

    new = _moved(context, task, by, f"{who_objects}提出异议：{text}", made)
    say(
        f"已登记第 {len(new.objections)} 条异议。核实后答复：jiebang award answer {task} {len(new.objections)} --text 答复"
    )


def answer(
    context: typer.Context,
    task: Task,
    number: Annotated[
        int, typer.Argument(min=1, metavar="第几条", help="异议的序号，见 jiebang award show。")
    ],
    text: Annotated[str, typer.Option("--text", help="核实情况和结论。")],
    by: By = None,
) -> None:
    """答复一条异议。"""
    from matcher import awards

    def made(old: "Award", now: datetime) -> "Award":
        return awards.answer(old, number, text=text, at=now, role="officer")

    _moved(context, task, by, f"答复第 {number} 条异议：{text}", made)
    say(f"已答复第 {number} 条异议。")


def confirm(context: typer.Context, task: Task, by: By = None) -> None:
    """公示期满、异议都已答复后，定标生效。"""
    from matcher import awards

    new = _moved(
        context,
        task,
        by,
        f"任务 {task} 定标生效",
        lambda old, now: awards.confirm(old, at=now, role="officer"),
    )
    say(f"任务 {task} 定标生效：{'、'.join(one.name for one in new.ranking if one.entry in new.winners)}。")


def withdraw(
    context: typer.Context,
    task: Task,
    reason: Annotated[str, typer.Option(help="为什么撤销，必填。", show_default=False)] = "",
    by: By = None,
) -> None:
    """撤销拟定或公示中的定标；之后可以重新拟定。"""
    from matcher import awards

    def made(old: "Award", now: datetime) -> "Award":
        return awards.withdraw(old, reason=reason, at=now, role="officer")

    _moved(context, task, by, f"撤销任务 {task} 的定标：{reason}", made)
    say(f"已撤销任务 {task} 的定标。")


def _moved(
    context: typer.Context, task: str, by: str | None, why: str, make: Callable[["Award", datetime], "Award"]
) -> "Award":
    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since = store.revision()
        new = make(_known(store, task), datetime.now(UTC))
        keep(store, new, actor=who, reason=why, since=since)
    return new


def _known(store: "Store", task: str) -> "Award":
    from matcher.awards import Award

    found = store.process(Award, task.strip())
    if found is None:
        refuse(f"任务 {task} 还没有定标。", f"请先运行 jiebang award propose {task}。", code=1)
    return found


def _tell(made: "Award") -> None:
    from matcher.awards import justification

    for what, text in justification(made):
        say(f"{what}：{text}")


def _period(made: "Award") -> str:
    from matcher.awards import WEEKDAYS_ONLY

    return f"公示期 {made.notice_from} 至 {made.notice_to}，{made.notice_days} 个工作日（{WEEKDAYS_ONLY}）。"
