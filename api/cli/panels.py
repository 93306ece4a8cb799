"""Panels of experts: draw one by lot against the bids, show it, let somebody step back."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.proceedings import TaskId, known_task, now
from api.cli.review_material import Cleared, Declared, clearances, declarations, refuse_problems
from api.cli.screen import moment, say, say_aside, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.kinds import Expert
    from graph.store.store import Store
    from matcher.panels import Quota
    from matcher.review_processes import Panel

panel = typer.Typer(
    name="panel",
    help="评审专家组：抽取、查看、登记回避。",
    cls=ChineseGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    for command in (draw, template, show, recuse):
        panel.command(cls=ChineseCommand)(command)
    app.add_typer(panel)


def draw(
    context: typer.Context,
    id: TaskId,
    per_organisation: Annotated[
        int | None, typer.Option(min=1, help="每个单位至多几人；不写则按评审参数。", show_default=False)
    ] = None,
    speciality: Annotated[
        list[str] | None,
        typer.Option(help="专长要求，写 词=人数，如 低空=2；几个词用顿号隔开，可多次。", show_default=False),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(help="职称职务要求，写 词=人数，如 教授、高级工程师=3，可多次。", show_default=False),
    ] = None,
    alternates: Annotated[
        int | None, typer.Option(min=0, help="候补人数；不写则按评审参数。", show_default=False)
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="不参加的专家（编号或姓名），可多次。", show_default=False)
    ] = None,
    declared: Declared = None,
    cleared: Cleared = None,
    seed: Annotated[
        int | None, typer.Option(help="抽签的种子；不写则用当天日期。同一种子结果相同。", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看结果，不记入。")] = False,
    by: By = None,
) -> None:
    """抽取专家组：先查与各投标、发榜单位的回避，再按种子抽签，满足榜单的人数和单位、专长、职称的条件，并排出候补。"""
    from matcher.review_material import china_day
    from matcher.review_steps import draw_panel

    who, at = named_person(by), now()
    number = int(f"{china_day(at):%Y%m%d}") if seed is None else seed
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        found = draw_panel(
            store, task.id, seed=number, per_organisation=per_organisation, alternates=alternates,
            quotas=(*_quotas(speciality, of_position=False), *_quotas(level, of_position=True)),
            left_out=exclude or (), declared=declarations(store, declared),
            clearances=clearances(store, task.id, cleared, who), actor=who, at=at, keep=not dry_run,
        )  # fmt: skip
        experts = _experts(store)
    if found.panel is None:
        barred = [(one.id, one.barred) for one in found.pool if one.barred]
        _tell_barred({one.id: one.name for one in found.pool}, barred)
        if any(one.code == "panel_doubtful" for one in found.problems):
            say_aside(
                f"申报表：jiebang panel template {task.id}；填好后 jiebang panel draw {task.id} --declared 文件"
            )
        refuse_problems(found.problems)
        return
    _tell(found.panel, {id: (node.organisation, node.position) for id, node in experts.items()})
    if len(found.panel.alternates) < found.standby:
        say(f"要求候补 {found.standby} 位，只排得出 {len(found.panel.alternates)} 位。")
    if dry_run:
        say("以上只是试抽，没有记入。去掉 --dry-run 正式抽取。")
    else:
        say(f"已记入。下一步：jiebang review assign {task.id}")


def template(
    context: typer.Context,
    id: TaskId,
    out: Annotated[
        Path | None, typer.Option("--out", help="写到哪里（.xlsx）；不写则为 专家申报表-榜单编号.xlsx。")
    ] = None,
) -> None:
    """生成专家申报表：库里的专家一人一行，填申报回避、顾问单位、单位核实人；抽取时用 --declared 带上。"""
    from api.review_papers import write_declaration_form

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task, experts = known_task(store, id), _experts(store)
    if not experts:
        refuse("库里还没有专家。", "请先 jiebang template 专家 生成模板，填好后 jiebang import。", code=1)
    path = out or Path(f"专家申报表-{task.id}.xlsx")
    write_declaration_form(path, list(experts.values()))
    say(f"已写好 {path}（{len(experts)} 位专家）；填好后：jiebang panel draw {task.id} --declared {path}")


def show(context: typer.Context, id: TaskId, as_json: AsJson = False) -> None:
    """看专家组：成员、候补、抽签的条件和种子、谁因为什么不能参加、谁回避过。"""
    from matcher.review_processes import Panel

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        found = store.process(Panel, task.id)
        experts = _experts(store)
    if found is None:
        refuse(f"{task.id} 还没有专家组。", f"请先运行 jiebang panel draw {task.id}。", code=1)
    if as_json:
        say_json(found.model_dump(mode="json"))
        return
    _tell(found, {id: (node.organisation, node.position) for id, node in experts.items()})
    for one in found.recusals:
        out, into = (found.names.get(id, id) for id in (one.out, one.into))
        say(f"{moment(one.at.isoformat())} {out}回避（{one.reason}），由候补{into}接替，经办人 {one.by}。")
        for id, why in one.passed:
            say(f"  候补{found.names.get(id, id)}没有接替：{why}。")


def recuse(
    context: typer.Context,
    id: TaskId,
    expert: Annotated[str, typer.Argument(metavar="专家", help="谁回避：编号或姓名。")],
    reason: Annotated[str, typer.Option(help="为什么回避，必填。", show_default=False)] = "",
    declared: Declared = None,
    cleared: Cleared = None,
    by: By = None,
) -> None:
    """登记一位专家回避：重查候补有没有要回避的，由符合条件的下一位接替，分给他的标书一并转交。"""
    from matcher.review_steps import recuse_expert

    who = named_person(by)
    if not reason.strip():
        refuse("登记回避要写原因。", '请加 --reason "原因"，例如：--reason 与投标单位有合作项目。')
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        new = recuse_expert(
            store, task.id, expert, reason=reason, declared=declarations(store, declared),
            clearances=clearances(store, task.id, cleared, who), actor=who, at=now(),
        )  # fmt: skip
    if isinstance(new, list):
        refuse_problems(new)
        return
    change, names = new.recusals[-1], new.names
    for passed, why in change.passed:
        say(f"候补{names.get(passed, passed)}不能接替：{why}。")
    out, into = names.get(change.out, change.out), names.get(change.into, change.into)
    say(f"已登记：{out}回避，由候补{into}（{change.into}）接替。还剩候补 {len(new.alternates)} 位。")
    say(
        f"已经分给{out}的标书改由{into}评，{out}的评分不再计入；重发评分表：jiebang review template {task.id}"
    )


def _experts(store: "Store") -> "dict[str, Expert]":
    from graph.kinds import Expert

    return {node.id: node for node in store.nodes("expert") if isinstance(node, Expert)}


def _quotas(texts: Sequence[str] | None, *, of_position: bool) -> "list[Quota]":
    from matcher.panels import Quota

    result = []
    for text in texts or []:
        words, _, number = text.replace("＝", "=").rpartition("=")
        known = tuple(
            word for word in words.replace(",", "、").replace("，", "、").split("、") if word.strip()
        )
        if not known or not number.strip().isdecimal():
            refuse(f"“{text[:40]}”看不懂。", "请写 词=人数，例如 --speciality 低空=2。")
        result.append(Quota(words=known, least=int(number), of_position=of_position))
    return result


def _tell(made: "Panel", about: Mapping[str, tuple[str, str]]) -> None:
    say(f"{made.id} {made.task}：专家 {len(made.members)} 位，种子 {made.seed}")
    conditions = [f"每个单位至多 {made.per_organisation} 人", *(quota.text for quota in made.rules.quotas)]
    say(f"条件：{'；'.join(conditions)}")
    rows = [[role, id, made.names.get(id, id), *about.get(id, ("", ""))]
            for role, ids in (("成员", made.members), ("候补", made.alternates)) for id in ids]  # fmt: skip
    table(["", "编号", "姓名", "单位", "职称职务"], rows, [4, 12, 10, 30, 24])
    _tell_barred(made.names, made.barred)


def _tell_barred(names: Mapping[str, str], barred: Sequence[tuple[str, str]]) -> None:
    if barred:
        say(f"不能参加的 {len(barred)} 位：")
    for id, why in barred:
        say(f"  {names.get(id, id)}（{id}）：{why}")
