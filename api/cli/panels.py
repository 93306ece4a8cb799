"""Panels of experts: draw one by lot against the bids, show it, let somebody step back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.screen import moment, say, say_error, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from api.review_sheets import Bids
    from graph.kinds import Expert
    from graph.problems import Problem
    from graph.store.store import Store
    from matcher.conflicts import Clearance
    from matcher.panels import Candidate, Quota
    from matcher.parties import Entry, Person, Register
    from matcher.review_processes import Panel

_SHOWN = 20
_STALE = "请看一下现在的情况（jiebang panel show、jiebang award show），需要的话再办一次。"

panel = typer.Typer(
    name="panel",
    help="评审专家组：抽取、查看、登记回避。",
    cls=ChineseGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Task = Annotated[str, typer.Argument(metavar="任务编号", help="哪个揭榜任务；编号自定，前后一致。")]
BidsFile = Annotated[
    Path,
    typer.Option(
        "--bids", help="投标登记表（xlsx、csv）：投标编号、投标单位、信用代码、团队成员、技术方案……"
    ),
]
Poster = Annotated[
    str, typer.Option("--poster", help="出题单位名称；专家与它有关的也要回避。", show_default=False)
]
Declared = Annotated[
    Path | None, typer.Option("--declared", help="专家申报表：专家编号、申报回避、顾问单位、单位核实人。")
]
Cleared = Annotated[
    list[str] | None,
    typer.Option(
        "--cleared", help="身份存疑已核实无关的，写 专家编号:投标编号:核实情况，可多次。", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    for command in (draw, show, recuse):
        panel.command(cls=ChineseCommand)(command)
    app.add_typer(panel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a review is worked out from, read at one revision of the store."""

    revision: int
    bids: "Bids"
    entries: "list[Entry]"
    experts: "list[Expert]"
    declared: "Mapping[str, Person]"
    register: "Register"
    clearances: "list[Clearance]"


def gathered(
    store: "Store", bids: Path, poster: str, declared: Path | None, cleared: Sequence[str] | None, who: str
) -> Material:
    """Everything read and checked; ends the command where a file or the bids themselves cannot stand."""
    from api.review_sheets import read_bids, read_declared
    from graph.kinds import Broker, Expert
    from graph.network import Network
    from matcher.conflicts import own_board
    from matcher.parties import Entry, Party, Register, person_of

    revision = store.revision()
    experts = [node for node in store.nodes("expert") if isinstance(node, Expert)]
    if not experts:
        refuse("库里还没有专家。", "请先生成模板（jiebang template 专家）、填好后 jiebang import。", code=1)
    brokers = [person_of(node) for node in store.nodes("broker") if isinstance(node, Broker)]
    read = read_bids(bids, {key: one for one in brokers for key in (one.name, one.id)})
    refuse_problems(read.problems, bids)
    people = {expert.id: person_of(expert) for expert in experts}
    known, problems = read_declared(declared, people) if declared else ({}, [])
    refuse_problems(problems, declared)
    register = Register.of(store, Network.build(store))
    entries = list(read.entries)
    if poster.strip():
        asks = Entry(id="出题方", parties=(Party(name=poster.strip()),), posts=True)
        for id, why in own_board(entries, asks, register).items():
            say(f"注意：标书 {id} 可能不能参评：{'；'.join(one.sentence for one in why)}。")
        entries.append(asks)
    return Material(
        revision=revision, bids=read, entries=entries, experts=experts, declared=known, register=register,
        clearances=[_clearance(text, who, people, entries) for text in cleared or []],
    )  # fmt: skip


def _clearance(text: str, who: str, people: Mapping[str, object], entries: "Sequence[Entry]") -> "Clearance":
    from matcher.conflicts import Clearance

    person, _, rest = text.replace("：", ":").partition(":")
    entry, _, reason = rest.partition(":")
    if person not in people or entry not in {one.id for one in entries} or not reason.strip():
        refuse(
            f"--cleared 的“{text[:60]}”看不懂。",
            "请写 专家编号:投标编号:核实情况，例如 ZJ-1:B-2:查过身份证，不是同一人。",
        )
    return Clearance(person=person, entry=entry, by=who, reason=reason.strip())


def refuse_problems(problems: "Sequence[Problem]", file: Path | None = None) -> None:
    """Say every problem and end the command; nothing where there are none."""
    if not problems:
        return
    for problem in problems[:_SHOWN]:
        place = f"{problem.place}：" if problem.place else ""
        say_error(f"{place}{problem.message}", problem.remedy)
    if len(problems) > _SHOWN:
        say(f"另有 {len(problems) - _SHOWN} 处，改好上面的再看。")
    if file is not None:
        say_error(f"“{file.name}”有 {len(problems)} 处问题，没有使用。", "改好后再运行一次本命令。")
    raise typer.Exit(1)


def keep(store: "Store", process: Any, *, actor: str, reason: str, since: int) -> int:
    """Put a process as one revision if nobody changed it since; gives the revision."""
    from graph.problems import Refused
    from graph.store.changes import PutProcess

    try:
        at = datetime.now(UTC)
        return store.apply(
            [PutProcess(process=process)], actor=actor, at=at, reason=reason, since=since
        ).revision
    except Refused as refused:
        if refused.code != "plan_stale":
            raise
        message = "办理期间，别人刚办过同一件事，这次没有写入。"
        raise Refused("plan_stale", message, _STALE) from refused


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
        if dry_run:
            say("以上只是试抽，没有记入。去掉 --dry-run 正式抽取。")
            return
        revision = keep(store, made, actor=who, reason=f"抽取任务 {task} 的专家组", since=material.revision)
    say(f"已记入（第 {revision} 次改动）。下一步：jiebang review assign {task} --bids {bids}")


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
    from matcher.review_processes import candidates, replaced

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
        new = replaced(found, change, reason=reason.strip(), by=who, at=datetime.now(UTC))
        keep(store, new, actor=who, reason=f"{found.names.get(id, id)}回避：{reason.strip()}", since=since)
    for passed, why in change.passed:
        say(f"候补{found.names.get(passed, passed)}不能接替：{why}。")
    into = found.names.get(change.into, change.into)
    say(
        f"已登记：{found.names.get(id, id)}回避，由候补{into}（{change.into}）接替。还剩候补 {len(new.alternates)} 位。"
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
