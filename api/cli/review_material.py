"""What panels and reviews are worked out from: the files handed in, checked, and the store at one revision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import refuse
from api.cli.screen import say, say_error

if TYPE_CHECKING:
    from api.review_sheets import Bids
    from graph.kinds import Expert
    from graph.problems import Problem
    from graph.store.store import Store
    from matcher.conflicts import Clearance, Conflict
    from matcher.parties import Entry, Person, Register

_SHOWN = 20
_STALE = "请看一下现在的情况（jiebang panel show、jiebang award show），需要的话再办一次。"

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
        _refuse_own_board(own_board(entries, asks, register))
        entries.append(asks)
    return Material(
        revision=revision, bids=read, entries=entries, experts=experts, declared=known, register=register,
        clearances=[_clearance(text, who, people, entries) for text in cleared or []],
    )  # fmt: skip


def _refuse_own_board(found: "Mapping[str, tuple[Conflict, ...]]") -> None:
    """Say whose identity is in doubt, and end the command where a bidder is the poster or under its control."""
    barred = []
    for id, why in found.items():
        told = "；".join(dict.fromkeys(one.sentence for one in why))
        if any(one.kind == "poster" for one in why):
            barred.append(f"标书 {id}：{told}")
        else:
            say(f"注意：标书 {id} {told}。")
    if barred:
        remedy = "请核对；确实如此的，把这份标书从登记表中删去再办。"
        refuse(f"出题单位不得揭自己的榜。{'。'.join(barred)}。", remedy, code=1)


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
