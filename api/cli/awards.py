"""Awards: propose from the marks, show with reasons, make public, take objections, put into force or withdraw."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.next_steps import say_next
from api.cli.proceedings import Reason, TaskId, known_task, now, pairs, read_value, say_state
from api.cli.review_material import bid_names, known_bid
from api.cli.screen import moment, say
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.store.store import Store
    from matcher.awarding import Awarded
    from matcher.awards import Award

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
    id: TaskId,
    winners: Annotated[
        int | None,
        typer.Option(min=1, help="中选几家；不写则揭榜 1 家，赛马取办理参数的下限。", show_default=False),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option("--point", help="在别处评审的：单位=得分（0–100），每个有效投标一次。"),
    ] = None,
    why: Annotated[
        list[str] | None,
        typer.Option("--why", help="在别处评审的：单位=理由，告知该单位，每个有效投标一次。"),
    ] = None,
    by: By = None,
) -> None:
    """按评审汇总的排名拟定中选方，并写出理由：每一个数、规则、回避核查、落选差在哪里；榜单进入“定标”。"""
    from matcher import awarding

    who, at = named_person(by), now()
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        if point or why:
            points, reasons = _points(store, task.id, point), _told(store, task.id, why)
            done = awarding.propose_by_points(
                store, task.id, points=points, reasons=reasons, winners=winners, actor=who, at=at
            )
        else:
            done = awarding.propose(store, task.id, winners=winners, actor=who, at=at)
    _tell(done.award)
    say_state(done.task)
    say(f"下一步：核对后公示 jiebang award notice {task.id} --office 公示单位 --contact 联系方式")


def _points(store: "Store", task_id: str, texts: list[str] | None) -> dict[str, Decimal]:
    from matcher.process_values import parse_points

    return {
        bid: read_value(parse_points, text, "--point")
        for bid, text in _by_bid(store, task_id, texts, "--point").items()
    }


def _told(store: "Store", task_id: str, texts: list[str] | None) -> dict[str, str]:
    return _by_bid(store, task_id, texts, "--why")


def _by_bid(store: "Store", task_id: str, texts: list[str] | None, option: str) -> dict[str, str]:
    bids, found = bid_names(store, task_id), dict[str, str]()
    for name, text in pairs(texts, option).items():
        bid = known_bid(name, bids)
        if bid in found:
            refuse(f"{option} 里“{name}”写了两次。", "请只留一个。")
        found[bid] = text
    return found


def show(
    context: typer.Context,
    id: TaskId,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="只看给某家落选单位的反馈（投标编号、单位或名次）；不含其他单位和专家。",
            show_default=False,
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """看定标：排名和理由、公示和异议；加 --to 得到可以发给落选单位的反馈。"""
    from matcher.awards import RULES, reasons

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = _known(store, id)
    if to:
        for line in reasons(found, known_bid(to, {one.entry: one.name for one in found.ranking})):
            say(line)
    elif as_json:
        say_json(found.model_dump(mode="json"))
    else:
        state = RULES.states[found.state]
        say(f"{found.id} 的定标：{state.label}" + (f"（{state.duty}）" if state.duty else ""))
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
    id: TaskId,
    out: Annotated[
        Path | None, typer.Option("--out", help="公示文件写到哪里（.docx）；不写则为 公示-榜单编号.docx。")
    ] = None,
    office: Annotated[str, typer.Option(help="公示单位。", show_default=False)] = "",
    contact: Annotated[str, typer.Option(help="联系方式。", show_default=False)] = "",
    by: By = None,
) -> None:
    """公示：按榜单的公示工作日，从次日起计，写出公示文件（docx）；已在公示的只重写文件。"""
    from api.output_files import check_target
    from api.review_papers import write_notice
    from matcher.awarding import publish

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = _known(store, id)
        path = out or Path(f"公示-{found.id}.docx")
        check_target(path, ".docx")
        made = (
            found
            if found.state in ("notice", "effective")
            else publish(store, found.id, actor=who, at=now()).award
        )
        write_notice(path, made, office=office, contact=contact)
    say(f"{'已公示' if made is not found else '已公示过，文件重新写过'}：{_period(made)}")
    say(f"公示文件：{path}")
    if not office or not contact:
        say("公示单位、联系方式没有写，文件里留了空：加 --office 单位 --contact 联系方式 重写。")
    say(f"收到异议：jiebang award object {made.id} --from 谁 --text 内容")
    say(f"期满且没有未答复的异议后：jiebang award confirm {made.id}")


def object_to(
    context: typer.Context,
    id: TaskId,
    text: Annotated[str, typer.Option("--text", help="异议内容。")],
    who_objects: Annotated[str, typer.Option("--from", help="谁提出的。")],
    by: By = None,
) -> None:
    """登记公示期内收到的异议。"""
    from matcher import awarding

    done = _step(
        context, id, by,
        lambda store, task, who, at: awarding.object_to(store, task, by=who_objects, text=text, actor=who, at=at),
    )  # fmt: skip
    number = len(done.award.objections)
    say(f"已登记第 {number} 条异议。核实后答复：jiebang award answer {done.award.id} {number} --text 答复")


def answer(
    context: typer.Context,
    id: TaskId,
    number: Annotated[
        int, typer.Argument(min=1, metavar="第几条", help="异议的序号，见 jiebang award show。")
    ],
    text: Annotated[str, typer.Option("--text", help="核实情况和结论。")],
    by: By = None,
) -> None:
    """答复一条异议。"""
    from matcher import awarding

    done = _step(
        context, id, by,
        lambda store, task, who, at: awarding.answer(store, task, number, text=text, actor=who, at=at),
    )  # fmt: skip
    waiting = [str(place) for place, one in enumerate(done.award.objections, 1) if not one.answer]
    rest = f"还有第 {'、'.join(waiting)} 条没有答复。" if waiting else "异议都已答复。"
    say(f"已答复第 {number} 条异议。{rest}公示期满后：jiebang award confirm {done.award.id}")


def confirm(context: typer.Context, id: TaskId, by: By = None) -> None:
    """公示期满、异议都已答复后，定标生效：重查回避和身份，记下各投标的结果和理由。"""
    from matcher import awarding

    done = _step(
        context, id, by, lambda store, task, who, at: awarding.confirm(store, task, actor=who, at=at)
    )  # fmt: skip
    award = done.award
    say(
        f"{award.id} 定标生效：{'、'.join(one.name for one in award.ranking if one.entry in award.winners)}。"
    )
    for one in award.ranking[len(award.winners) :]:
        say(f"  给“{one.name}”的反馈：jiebang award show {award.id} --to {one.name.split('、')[0]}")
    say_state(done.task)
    say_next(done.task)


def withdraw(context: typer.Context, id: TaskId, reason: Reason = "", by: By = None) -> None:
    """撤销定标（签约之前）：榜单退回评榜，投标恢复待评，放弃中榜的除外；之后可以重新拟定。"""
    from matcher import awarding

    done = _step(
        context, id, by,
        lambda store, task, who, at: awarding.withdraw(store, task, reason=reason, actor=who, at=at),
    )  # fmt: skip
    say(f"已撤销 {done.award.id} 的定标。")
    say_state(done.task)
    say_next(done.task)


def _step(
    context: typer.Context,
    id: str,
    by: str | None,
    step: Callable[["Store", str, str, datetime], "Awarded"],
) -> "Awarded":
    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        return step(store, known_task(store, id).id, who, now())


def _known(store: "Store", id: str) -> "Award":
    from matcher.awards import Award

    task = known_task(store, id)
    found = store.process(Award, task.id)
    if found is None:
        refuse(f"{task.id} 还没有定标。", f"请先运行 jiebang award propose {task.id}。", code=1)
    return found


def _tell(made: "Award") -> None:
    from matcher.awards import justification

    for what, text in justification(made):
        say(f"{what}：{text}")


def _period(made: "Award") -> str:
    from matcher.awards import counted_by

    return f"公示期 {made.notice_from} 至 {made.notice_to}，{made.notice_days} 个工作日（{counted_by()}）。"
