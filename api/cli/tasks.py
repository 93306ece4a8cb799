"""Tasks (榜单): task new, from, template, check, show, list, move, invite."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli import task_moves
from api.cli.feedback import AsJson, By, named_person, refuse, refuse_unknown, say_json, spellings
from api.cli.next_steps import say_next
from api.cli.proceedings import TaskId, known_task, now, pairs, say_problems
from api.cli.screen import say
from api.cli.task_pages import short, show_list, show_task, write_list
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.store.store import Store
    from matcher.tasks import Task

tasks = typer.Typer(
    name="task",
    cls=ChineseGroup,
    help="榜单：登记需求、检查、论证、发榜、定标、签约、结题，主动邀请。",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_SET = typer.Option("--set", help="填一项：项目=内容，可多次；项目见 jiebang task template。")
_Set = Annotated[list[str] | None, _SET]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    tasks.command("move", cls=ChineseCommand)(task_moves.move)
    app.add_typer(tasks)


@tasks.command(cls=ChineseCommand)
def new(
    context: typer.Context,
    form: Annotated[
        Path | None, typer.Argument(metavar="文件", help="填好的榜单表（jiebang task template）。")
    ] = None,
    given: _Set = None,
    scene: Annotated[str | None, typer.Option("--scene", help="关联库中的场景（编号）。")] = None,
    achievement: Annotated[str | None, typer.Option("--achievement", help="关联库中的成果（编号）。")] = None,
    by: By = None,
) -> None:
    """登记一个榜单：用填好的表，或用 --set 逐项填；--set 比表优先。"""
    from matcher.task_drafts import new_task
    from matcher.task_steps import add_task

    who, values = named_person(by), _values(form, given)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        named = {"scene": scene, "achievement": achievement}
        about = tuple((kind, _record(store, id, (kind,)).id) for kind, id in named.items() if id)
        if about and "mode" not in values:
            values["mode"] = "demand" if about[0][0] == "scene" else "offer"
        at = now()
        task = add_task(
            store, lambda id: new_task(id, at=at, about=about, **values), actor=who, at=at, reason="登记榜单"
        )  # fmt: skip
    _say_registered(task)


@tasks.command("from", cls=ChineseCommand)
def from_record(
    context: typer.Context,
    id: Annotated[
        str, typer.Argument(metavar="编号", help="场景编号（成技术需求榜）或成果编号（成成果转化榜）。")
    ],
    given: _Set = None,
    by: By = None,
) -> None:
    """由库中的场景或成果一步生成榜单草稿；不对外公开的列不带入。"""
    from graph.kinds import Achievement, Scene
    from matcher.register import Register
    from matcher.task_drafts import task_from_achievement, task_from_scene
    from matcher.task_steps import add_task

    who, values = named_person(by), _values(None, given)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        node, at = _record(store, id, ("scene", "achievement")), now()
        register = Register.of(store)

        def draft(number: str) -> "Task":
            if isinstance(node, Scene):
                return task_from_scene(node, number, register=register, at=at, **values)
            assert isinstance(node, Achievement)  # noqa: S101
            return task_from_achievement(node, number, register=register, at=at, **values)

        task = add_task(store, draft, actor=who, at=at, reason=f"由{node.label} {node.id} 生成榜单")
    _say_registered(task)


@tasks.command(cls=ChineseCommand)
def template(
    out: Annotated[Path, typer.Option("--out", help="写到哪里（.xlsx）。")] = Path("榜单表.xlsx"),
) -> None:
    """生成空白的榜单表。"""
    from api.output_files import writing
    from api.process_forms import write_task_form

    with writing(out, ".xlsx"):
        write_task_form(out)
    say(f"已写好 {out}；填好后：jiebang task new {out}")


@tasks.command(cls=ChineseCommand)
def check(
    context: typer.Context,
    id: TaskId,
    text_only: Annotated[bool, typer.Option("--text-only", help="只查文字，不到库里找能回应的。")] = False,
) -> None:
    """发榜前检查：难点写清没有，指标能不能测，有没有空泛的词，库里有多少能回应。"""
    from matcher.task_quality import answerable, check_task
    from matcher.tasks import MODES

    settings: Settings = context.obj
    found = None
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
    if not text_only:
        with settings.open_engine() as engine:
            found = answerable(engine, task, today=date.today())
    problems = check_task(task, at=now(), answerable=found)
    say(f"检查{MODES[task.mode]}“{task.title}”（{task.id}）：")
    errors = say_problems(problems)
    if found is not None:
        from matcher.ranker import LEVELS

        say(
            f"库里能回应的{found.what} {found.count} 项（{LEVELS[found.least]}以上，看了前 {found.looked_at} 项）。"
        )
    if errors:
        move = f"jiebang task move {task.id}"
        back = {"registered": "", "reviewing": f"先 {move} 退回修改 --reason 理由，再 "}.get(task.state)
        told = "发榜以后内容不能改" if back is None else f"改好才能发榜：{back}{move} 修改 --set 项目=内容"
        say(f"有 {errors} 处必须改，{told}")
        raise typer.Exit(1)
    say(f"没有必须改的；有 {len(problems)} 处提醒。" if problems else "没有问题。")


@tasks.command(cls=ChineseCommand)
def show(context: typer.Context, id: TaskId, as_json: AsJson = False) -> None:
    """显示一个榜单：内容、论证意见、里程碑、结果，现在能办什么、别的为什么不能。"""
    from matcher.tasks import Task

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        if as_json:
            say_json(task.model_dump(mode="json", exclude={"decisions"} if not task.is_unsealed else None))
            return
        history = store.history_of_process(Task.kind, task.id)
    show_task(task, history)
    task_moves.say_moves(task)


@tasks.command("list", cls=ChineseCommand)
def list_tasks(
    context: typer.Context,
    state: Annotated[str | None, typer.Option("--state", help="只列某个状态，如 发榜。")] = None,
    late: Annotated[bool, typer.Option("--late", help="只列超过办理时限的。")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "--xlsx", help="写成可以公布的榜单（.xlsx）；没发过榜的不写入。")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """列出榜单；--out 写成可以公布的工作簿。"""
    from matcher.tasks import LABELS, Task

    names = {label: name for name, (label, _) in LABELS.items()} | {name: name for name in LABELS}
    if state is not None and state not in names:
        refuse(f"没有“{state}”这个状态。", f"可写：{'、'.join(label for label, _ in LABELS.values())}。")
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = store.late(Task, now()) if late else list(store.processes(Task))
    found = [task for task in found if state is None or task.state == names[state]]
    if out is not None:
        write_list(out, found)
    elif as_json:
        say_json([short(task) for task in found])
    elif not found:
        say("没有这样的榜单。" if state or late else "还没有榜单；jiebang task from 场景编号 由场景生成。")
    else:
        show_list(found)


@tasks.command(cls=ChineseCommand)
def invite(
    context: typer.Context,
    id: TaskId,
    top: Annotated[
        int | None, typer.Option("--top", min=1, max=100, help="最多邀请几家团队；不写按参数。")
    ] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="只看该请谁，不记为已邀请。")] = False,
    by: By = None,
) -> None:
    """主动邀请：最合适的成果所属团队和能撮合的经纪人，附理由；请过的不再列出，发榜单位及关联单位除外。"""
    from matcher.invitations import proposals, with_invitations
    from matcher.task_steps import change_task

    who = "" if no_record else named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
    with settings.open_engine() as engine:
        found = proposals(engine, task, today=date.today(), top=top)
        if not found:
            say(f"没有新的可以邀请的单位（已邀请 {len(task.invited)} 家）；库里没有更多够好的匹配。")
            return
        if not no_record:
            at = now()
            change_task(
                engine.store, task.id, lambda one: with_invitations(one, found, at=at), actor=who, at=at,
                reason=f"主动邀请 {len(found)} 家",
            )  # fmt: skip
    say(
        f"为“{task.title}”（{task.id}）可邀请 {len(found)} 家{'（未记录）' if no_record else '，已记为邀请过'}："
    )
    for place, one in enumerate(found, 1):
        say(f"{place}. {one.what} {one.name}，凭 {one.through}")
        say(f"   理由：{one.reason}")
        for note in one.notes:
            say(f"   注意：{note}")


def _values(form: Path | None, given: list[str] | None) -> dict[str, Any]:
    """What a form and the options say, by attribute; the options win."""
    values: dict[str, Any] = {}
    if form is not None:
        from api.process_forms import read_task_form

        read = read_task_form(form)
        if read.problems:
            say_problems(read.problems)
            refuse(f"“{form.name}”有 {len(read.problems)} 处要改，没有登记。", "改好后再登记。", code=1)
        values |= read.values
    return values | task_moves.attributes(pairs(given, "--set"))


def _record(store: "Store", text: str, kinds: tuple[str, ...]) -> Any:
    for id in spellings(text):
        for kind in kinds:
            if node := store.get(kind, id):
                return node
    refuse_unknown(store, text, kinds)


def _say_registered(task: "Task") -> None:
    from matcher.task_quality import check_task
    from matcher.tasks import MODES

    say(f"已登记{MODES[task.mode]}“{task.title}”，编号 {task.id}。")
    say_problems(check_task(task, at=now()))
    say_next(task)
