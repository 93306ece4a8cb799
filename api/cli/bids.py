"""Bids (投标): bid template, add, check, list, withdraw, abandon, open. What anybody sees goes through ``seen_bid``."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.bid_pages import say_all, say_own
from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.proceedings import (
    Reason,
    TaskId,
    known_task,
    note_sealed,
    now,
    pairs,
    refuse_field,
    say_problems,
    say_state,
)
from api.cli.screen import say
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from matcher.bid_fit import Fit
    from matcher.bids import Bid, Viewer
    from matcher.parties import Party
    from matcher.tasks import Task

bids = typer.Typer(
    name="bid",
    cls=ChineseGroup,
    help="投标：投、查、撤回、开标；开标前密封，投标人互不可见。",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Form = Annotated[Path | None, typer.Argument(metavar="文件", help="填好的投标表（jiebang bid template）。")]
_Set = Annotated[list[str] | None, typer.Option("--set", help="填一项：项目=内容，可多次；比表优先。")]
_Answer = Annotated[list[str] | None, typer.Option("--answer", help="指标应答：指标=应答，每条一次。")]
_Member = Annotated[
    list[str] | None, typer.Option("--member", help="联合体：单位=信用代码，每家一次；第一家牵头。")
]
_Uscc = Annotated[str, typer.Option("--bidder", help="投标单位的统一社会信用代码（或名称）。")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.add_typer(bids)


@bids.command(cls=ChineseCommand)
def template(
    context: typer.Context,
    id: TaskId,
    out: Annotated[Path | None, typer.Option("--out", help="写到哪里（.xlsx）。")] = None,
) -> None:
    """为一个榜单生成空白的投标表，指标已逐条列好。"""
    from api.output_files import writing
    from api.process_forms import write_bid_form

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
    path = out or Path(f"投标表-{task.id}.xlsx")
    with writing(path, ".xlsx"):
        write_bid_form(path, task)
    say(f"已写好 {path}；填好后先查：jiebang bid check {task.id} {path}")


@bids.command(cls=ChineseCommand)
def add(
    context: typer.Context, id: TaskId, form: _Form = None, given: _Set = None, answer: _Answer = None, member: _Member = None
) -> None:  # fmt: skip
    """投标；同一家再投即替换自己原来的。形式审查有错误则不收。"""
    from matcher.bidding import hand_in
    from matcher.process_values import in_china

    values = _values(form, given, answer, member)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        found = hand_in(store, task.id, values=values, at=now())
    say_problems(found.problems)
    if found.bid is None:
        refuse("投标没有收下。", "请按上面逐条改好再投。", code=1)
    did = "已替换本单位原来的投标" if found.replaced else "已收到投标"
    say(f"{did}：“{found.bid.bidder}”投 {task.id}，{in_china(found.bid.submitted_at)}。")
    note_sealed(task)


@bids.command(cls=ChineseCommand)
def check(
    context: typer.Context, id: TaskId, form: _Form = None, given: _Set = None, answer: _Answer = None, member: _Member = None
) -> None:  # fmt: skip
    """只做形式审查，不投；列出每一处问题和改法。"""
    from matcher.bidding import check_bid

    values = _values(form, given, answer, member)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        found = check_bid(store, task.id, values=values, at=now())
    errors = say_problems(found.problems)
    if errors:
        say(f"有 {errors} 处必须改，改好才能投。")
        raise typer.Exit(1)
    say(f"形式审查通过，可以投：jiebang bid add {task.id} {form or '…'}（投标截止前可以替换或撤回）")


@bids.command("list", cls=ChineseCommand)
def list_bids(
    context: typer.Context,
    id: TaskId,
    bidder: _Uscc = "",
    fit: Annotated[bool, typer.Option("--fit", help="同时列出与榜单的匹配得分、等级和理由。")] = False,
    full: Annotated[bool, typer.Option("--full", help="列出每个投标的全部内容。")] = False,
    as_json: AsJson = False,
) -> None:
    """开标前只告诉收到几个；开标后列出全部。加 --bidder 看本单位自己的。"""
    from matcher.bid_checks import Proceedings
    from matcher.bids import seen_bid

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        around = Proceedings.of(store)
        viewer = _viewer(around, bidder)
        shown = [seen for bid in around.of_task(task.id) if (seen := seen_bid(bid, task, viewer))]
    shown.sort(key=lambda bid: (bid.submitted_at or bid.opened_at, bid.id))
    fits = _fits(settings, task, shown) if fit and task.is_unsealed else []
    if as_json:
        say_json(
            {"task": task.id, "count": task.bids, "bids": [bid.model_dump(mode="json") for bid in shown]}
        )
    elif bidder:
        say_own(shown, task, bidder)
    else:
        say_all(shown, task, fits, full)


@bids.command(cls=ChineseCommand)
def withdraw(context: typer.Context, id: TaskId, bidder: _Uscc, reason: Reason = "") -> None:
    """投标截止前撤回本单位的投标；截止后不得撤回，中榜后可以放弃（jiebang bid abandon）。"""
    from matcher.bidding import withdraw as take_back

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        bid = take_back(store, task.id, _party(bidder), at=now(), reason=reason)
    say(f"已撤回“{bid.bidder}”对 {task.id} 的投标；截止前可以再投。")


@bids.command(cls=ChineseCommand)
def abandon(context: typer.Context, id: TaskId, bidder: _Uscc, reason: Reason = "") -> None:
    """中榜单位书面放弃；之后由主管人员退回重评。"""
    from matcher.bidding import abandon as give_up

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        bid = give_up(store, task.id, _party(bidder), at=now(), reason=reason)
    say(f"“{bid.bidder}”已放弃中榜。接下来：jiebang award withdraw {task.id} --reason 理由")


@bids.command("open", cls=ChineseCommand)
def open_all(context: typer.Context, id: TaskId, by: By = None) -> None:
    """截止后开标：逐个重做形式审查，没有有效投标则流标。"""
    from matcher.bidding import open_bids

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        opening = open_bids(store, task.id, actor=who, at=now())
    say(f"已开标：收到 {len(opening.bids)} 个投标，有效 {len(opening.task.valid_bids)} 个。")
    for place, bid in enumerate(opening.bids, 1):
        say(f"{place}. {bid.bidder}：{'有效' if bid.state == 'opened' else '不合格'}")
        say_problems(opening.notes[bid.id])
    say_state(opening.task)
    if opening.task.valid_bids:
        say(f"看匹配和逐条指标：jiebang bid list {task.id} --fit；接着抽专家组：jiebang panel draw {task.id}")


def _values(
    form: Path | None, given: list[str] | None, answer: list[str] | None, member: list[str] | None
) -> dict[str, Any]:
    from api.process_forms import BID_FIELDS, MEMBERS, REPLIES, kept_code, read_bid_form
    from matcher.bids import Bid, Member, Reply

    values: dict[str, Any] = {}
    if form is not None:
        read = read_bid_form(form)
        if read.problems:
            say_problems(read.problems)
            refuse(f"“{form.name}”有 {len(read.problems)} 处要改，没有投。", "改好后再投。", code=1)
        values |= read.values
        if lines := [line for line in read.lists.get(REPLIES[0], ()) if line.get(REPLIES[1])]:
            values["replies"] = tuple(
                Reply(indicator=line[REPLIES[0]], text=line[REPLIES[1]], evidence=line.get(REPLIES[2], "")) for line in lines
            )  # fmt: skip
        if lines := list(read.lists.get(MEMBERS[0], ())):
            values["members"] = tuple(
                Member(name=line[MEMBERS[0]], uscc=kept_code(line.get(MEMBERS[1], "")), leads=line.get(MEMBERS[2], "") in ("是", "牵头"))
                for line in lines
            )  # fmt: skip
    titles = {name: (Bid.model_fields[name].title or name) for name in BID_FIELDS}
    known = {title: name for name, title in titles.items()} | {name: name for name in titles}
    known |= {title.removesuffix("（万元）"): name for name, title in titles.items()}
    for name, text in pairs(given, "--set").items():
        if name not in known:
            refuse_field(name, list(titles.values()))
        values[known[name]] = text
    if answers := pairs(answer, "--answer"):
        values["replies"] = tuple(Reply(indicator=name, text=text) for name, text in answers.items())
    if members := pairs(member, "--member"):
        values["members"] = tuple(
            Member(name=name, uscc=kept_code(code), leads=place == 0) for place, (name, code) in enumerate(members.items())
        )  # fmt: skip
    if "earlier" in values:
        from graph.values import split_list

        values["earlier"] = split_list(values["earlier"])
    if not values.get("bidder") and not values.get("bidder_uscc"):
        refuse("没有写是哪家投标。", "请用填好的表，或 --set 投标单位=… --set 投标单位信用代码=…。")
    return values


def _party(text: str) -> "Party":
    from graph.identifiers.uscc import parse_uscc
    from graph.problems import BadValue
    from matcher.parties import Party

    try:
        return Party(name="", uscc=parse_uscc(text))
    except BadValue:
        return Party(name=text.strip())


def _viewer(around: Any, bidder: str) -> "Viewer":
    from matcher.bids import BIDDER, Viewer
    from matcher.tasks import OFFICER

    if not bidder:
        return Viewer(role=OFFICER)
    return Viewer(role=BIDDER, party=around.register.completed(_party(bidder)))


def _fits(settings: Settings, task: "Task", shown: Sequence["Bid"]) -> list["Fit"]:
    from matcher.bid_fit import bid_fits

    with settings.open_engine() as engine:
        return bid_fits(engine, task, shown, today=date.today())
