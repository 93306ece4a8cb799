"""Panels of experts: draw one by lot against the bids, show it, let somebody step back."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.review_material import BidsFile, Cleared, Declared, Poster, Task, gathered, keep, refuse_problems
from api.cli.screen import moment, say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.store.store import Store
    from matcher.panels import Candidate, Quota
    from matcher.review_processes import Panel

_SHOWN = 20

panel = typer.Typer(
    name="panel",
    help="评审专家组：抽取、查看、登记回避。",
    cls=ChineseGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    for command in (draw, show, recuse):
        panel.command(cls=ChineseCommand)(command)
    app.add_typer(panel)


def draw(
    context: typer.Context,
    task: Task,
    bids: BidsFile,
    poster: Poster = "",
    name: Annotated[str, typer.Option("--name", help="任务名称。", show_default=False)] = "",
    size: Annotated[
        int | None, typer.Option(min=1, help="专家人数，单数；不写则按评审参数。", show_default=False)
    ] = None,
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
    """抽取专家组：先查回避，再按种子抽签，满足人数、单位、专长和职称的条件，并排出候补。"""
    from graph.processes import opened
    from matcher.panels import Drawn, PanelRules
    from matcher.panels import draw as lot
    from matcher.review_policy import usual_policy
    from matcher.review_processes import PANEL_RULES, Panel, candidates, panel_values

    who, usual, today = named_person(by), usual_policy(), date.today()
    rules = PanelRules(
        size=size or usual.size,
        per_organisation=per_organisation or usual.per_organisation,
        quotas=(*_quotas(speciality, of_position=False), *_quotas(level, of_position=True)),
        alternates=usual.alternates if alternates is None else alternates,
    )
    number = int(f"{today:%Y%m%d}") if seed is None else seed
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        if store.process(Panel, task) is not None and not dry_run:
            remedy = f"有人要回避请用 jiebang panel recuse {task}；要作废重抽，先用 jiebang history 查修订号，再 jiebang undo。"
            refuse(f"任务 {task} 已经抽过专家组。", remedy, code=1)
        material = gathered(store, bids, poster, declared, cleared, who)
        pool, _ = candidates(
            material.experts, material.entries, material.register, today=today, years=usual.joint_work_years,
            declared=material.declared, clearances=material.clearances, left_out=exclude or (),
        )  # fmt: skip
        _refuse_strangers(exclude or (), pool)
        drawn = lot(pool, rules, seed=number)
        if not isinstance(drawn, Drawn):
            _tell_barred(
                {one.id: one.name for one in pool}, [(one.id, one.barred) for one in pool if one.barred]
            )
            refuse_problems(drawn)
            return
        made = opened(
            Panel,
            PANEL_RULES,
            id=task,
            at=datetime.now(UTC),
            task=name or task,
            **panel_values(drawn, rules, pool),
        )
        _tell(made, pool)
        if len(made.alternates) < rules.alternates:
            say(f"要求候补 {rules.alternates} 位，只排得出 {len(made.alternates)} 位。")
        if dry_run:
            say("以上只是试抽，没有记入。去掉 --dry-run 正式抽取。")
            return
        revision = keep(store, made, actor=who, reason=f"抽取任务 {task} 的专家组", since=material.revision)
    say(
        f"已记入（第 {revision} 次改动）。下一步：jiebang review assign {task} --bids {bids}（其余选项与抽取时相同）"
    )


def show(context: typer.Context, task: Task, as_json: AsJson = False) -> None:
    """看专家组：成员、候补、抽签的条件和种子、谁因为什么不能参加、谁回避过。"""
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = known_panel(store, task)
        experts = {node.id: node for node in store.nodes("expert")}
    if as_json:
        say_json(found.model_dump(mode="json"))
        return
    _tell(found, [], experts)
    for one in found.recusals:
        out, into = (found.names.get(id, id) for id in (one.out, one.into))
        say(f"{moment(one.at.isoformat())} {out}回避（{one.reason}），由候补{into}接替，经办人 {one.by}。")
        for id, why in one.passed:
            say(f"  候补{found.names.get(id, id)}没有接替：{why}。")


def recuse(
    context: typer.Context,
    task: Task,
    expert: Annotated[str, typer.Argument(metavar="专家", help="谁回避：编号或姓名。")],
    reason: Annotated[str, typer.Option(help="为什么回避，必填。", show_default=False)] = "",
    by: By = None,
) -> None:
    """登记一位专家回避，由符合条件的下一位候补接替。"""
    from graph.kinds import Expert
    from graph.network import Network
    from matcher.panels import Replacement
    from matcher.panels import recuse as replace_by_next
    from matcher.parties import Register
    from matcher.review_processes import Review, candidates, replaced

    who = named_person(by)
    if not reason.strip():
        refuse("登记回避要写原因。", '请加 --reason "原因"，例如：--reason 与投标单位有合作项目。')
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since, found = store.revision(), known_panel(store, task)
        experts = [node for node in store.nodes("expert") if isinstance(node, Expert)]
        pool, _ = candidates(
            experts, [], Register.of(store, Network.build(store)), today=date.today(), years=0
        )
        by_id = {one.id: one for one in pool}
        id = next((i for i in found.members if expert.strip() in (i, found.names.get(i))), expert.strip())
        change = replace_by_next(
            [by_id[i] for i in found.members if i in by_id], [by_id[i] for i in found.alternates if i in by_id],
            found.rules, out=id,
        )  # fmt: skip
        if not isinstance(change, Replacement):
            refuse_problems(change)
            return
        assigned = store.process(Review, task) is not None
        new = replaced(found, change, reason=reason.strip(), by=who, at=datetime.now(UTC))
        keep(store, new, actor=who, reason=f"{found.names.get(id, id)}回避：{reason.strip()}", since=since)
    for passed, why in change.passed:
        say(f"候补{found.names.get(passed, passed)}不能接替：{why}。")
    into = found.names.get(change.into, change.into)
    say(
        f"已登记：{found.names.get(id, id)}回避，由候补{into}（{change.into}）接替。还剩候补 {len(new.alternates)} 位。"
    )
    if assigned:
        say(
            f"标书已经分配过，请重新分配：jiebang review assign {task} --bids 投标登记表（已收的其他专家的评分会保留）"
        )


def known_panel(store: "Store", task: str) -> "Panel":
    """The panel of a task; ends the command where there is none."""
    from matcher.review_processes import Panel

    found = store.process(Panel, task.strip())
    if found is None:
        _refuse_unknown(task, [one.id for one in store.processes(Panel)], "专家组", "jiebang panel draw")
    return found


def _refuse_unknown(task: str, known: Sequence[str], what: str, command: str) -> NoReturn:
    has = f"已有的任务：{'、'.join(known[:_SHOWN])}。" if known else ""
    refuse(f"任务 {task} 还没有{what}。", f"{has}请先运行 {command}。", code=1)


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


def _refuse_strangers(left_out: Sequence[str], pool: "Sequence[Candidate]") -> None:
    known = {text for one in pool for text in (one.id, one.name)}
    if strangers := [text for text in left_out if text not in known]:
        refuse(f"--exclude 的“{strangers[0][:30]}”不是库里的专家。", "请写专家的编号或姓名。")


def _tell(made: "Panel", pool: "Sequence[Candidate]", experts: Mapping[str, Any] = {}) -> None:
    about = {one.id: (one.organisation, one.position) for one in pool} | {
        id: (node.organisation, node.position) for id, node in experts.items()
    }
    say(
        f"任务 {made.id}{f' {made.task}' if made.task != made.id else ''}：专家 {len(made.members)} 位，种子 {made.seed}"
    )
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
