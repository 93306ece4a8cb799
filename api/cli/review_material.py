"""What the commands of panels, reviews and awards share: declarations, clearances, naming a bid, telling problems."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.feedback import refuse
from api.cli.screen import say, say_error

if TYPE_CHECKING:
    from graph.problems import Problem
    from graph.store.store import Store
    from matcher.conflicts import Clearance
    from matcher.review_processes import Declaration

_SHOWN = 20

Declared = Annotated[
    Path | None, typer.Option("--declared", help="专家申报表：专家编号、申报回避、顾问单位、单位核实人。")
]
Cleared = Annotated[
    list[str] | None,
    typer.Option(
        "--cleared",
        help="身份存疑已核实无关的，写 专家编号:投标:核实情况（投标写编号、单位或序号），可多次。",
        show_default=False,
    ),
]


def declarations(store: "Store", file: Path | None) -> "list[Declaration]":
    """What a sheet of declarations says; ends the command where it cannot be used."""
    from api.review_sheets import read_declared
    from graph.kinds import Expert

    if file is None:
        return []
    names = {node.id: node.title for node in store.nodes("expert") if isinstance(node, Expert)}
    known, problems = read_declared(file, names)
    refuse_problems(problems, file)
    return known


def clearances(store: "Store", task_id: str, texts: Sequence[str] | None, who: str) -> "list[Clearance]":
    """What was cleared by ``who``; ends the command where a text names no expert or bid of the task."""
    from matcher.conflicts import Clearance
    from matcher.review_material import POSTER_ENTRY

    experts, found = {node.id for node in store.nodes("expert")}, []
    bids = bid_names(store, task_id)
    for text in texts or ():
        person, _, rest = text.replace("：", ":").partition(":")
        named, _, reason = rest.partition(":")
        entry = POSTER_ENTRY if named == POSTER_ENTRY else _bid(named, bids)
        if person not in experts or entry is None or not reason.strip():
            refuse(
                f"--cleared 的“{text[:60]}”看不懂。",
                f"请写 专家编号:投标:核实情况，例如 ZJ-1:2:查过身份证，不是同一人；与发榜单位有关的，投标写 {POSTER_ENTRY}。",
            )
        found.append(Clearance(person=person, entry=entry, by=who, reason=reason.strip()))
    return found


def bid_names(store: "Store", task_id: str) -> dict[str, str]:
    """The valid bids of a task in the order they came, by id, with who stands behind each."""
    from matcher.review_material import Material

    return Material.of(store, task_id).names


def known_bid(text: str, bids: dict[str, str]) -> str:
    """The bid so called: by id, number from 1, or name; ends the command where none or several are."""
    found = _bid(text, bids)
    if found is None:
        said = "、".join(f"{place} {name}" for place, name in enumerate(bids.values(), 1)) or "（无）"
        refuse(f"“{text[:40]}”对不上哪份投标。", f"请写投标编号、单位名称或序号：{said}。")
    return found


def _bid(text: str, bids: dict[str, str]) -> str | None:
    from graph.intake.organisations import organisation_key

    text = text.strip()
    if text in bids:
        return text
    if text.isdecimal() and 0 < int(text) <= len(bids):
        return list(bids)[int(text) - 1]
    same = [id for id, name in bids.items() if organisation_key(name) == organisation_key(text)]
    found = same or [id for id, name in bids.items() if text and text in name]
    return found[0] if len(found) == 1 else None


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
