"""Races (竞争赛马): race start, gate, withdraw, show."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.proceedings import Reason, TaskId, by_organisation, known_task, now, pairs, read_value
from api.cli.screen import say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.store.store import Store
    from matcher.races import Gate, Race

races = typer.Typer(
    name="race",
    cls=ChineseGroup,
    help="竞争赛马：开赛、关口评审或延期、团队退出、查看。",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.add_typer(races)


@races.command(cls=ChineseCommand)
def start(
    context: typer.Context,
    id: TaskId,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            "--gate", help="关口：名称；日期；要交的证据；规则（60分 或 前2名）；每队拨付万元。按次序可多次。"
        ),
    ] = None,
    by: By = None,
) -> None:
    """签约后开赛：中榜的团队并行，榜金全部预留，按关口拨付。"""
    from matcher.process_values import in_wan
    from matcher.racing import start_race

    who, gates = named_person(by), [_gate(text) for text in gate or ()]
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        task = known_task(store, id)
        race = start_race(store, task.id, gates, actor=who, at=now())
    say(f"已开赛：{'、'.join(team.name for team in race.teams)}；预留 {in_wan(race.balance.reserved)}。")
    _say_gates(race)
    _say_next(race)


@races.command("gate", cls=ChineseCommand)
def judge(
    context: typer.Context,
    id: TaskId,
    point: Annotated[list[str] | None, typer.Option("--point", help="单位=得分，每个在赛团队一次。")] = None,
    evidence: Annotated[
        list[str] | None, typer.Option("--evidence", help="单位=交来的证据；没有写的算没有交。")
    ] = None,
    why: Annotated[list[str] | None, typer.Option("--why", help="单位=理由，告知该团队。")] = None,
    extend: Annotated[str, typer.Option("--extend", help="不评审，把这一关延到这一天（各队一样）。")] = "",
    reason: Reason = "",
    by: By = None,
) -> None:
    """评下一个关口：过关的拨付，没过的淘汰并收回为它预留的；或用 --extend 延期。"""
    from matcher.process_values import parse_moment, parse_points
    from matcher.racing import extended, judged, race_step

    who, at = named_person(by), now()
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        before = _race(store, id)
        name = before.next_gate.name if before.next_gate else ""
        if extend:
            date = read_value(parse_moment, extend, "--extend")
            race = race_step(
                store, before.id, lambda one: extended(one, date, reason=reason, at=at), actor=who, at=at,
                reason=f"关口“{name}”延期：{reason}",
            )  # fmt: skip
        else:
            if before.next_gate is None or not before.running:
                refuse(
                    f"{before.id} 的赛马已经结束，没有待评的关口。",
                    f"查看：jiebang race show {before.id}。",
                    code=1,
                )
            known = {team.bid: team.name for team in before.running}
            texts = by_organisation(pairs(point, "--point"), known, "--point")
            points = {team: read_value(parse_points, text, "--point") for team, text in texts.items()}
            shown = by_organisation(pairs(evidence, "--evidence"), known, "--evidence")
            reasons = by_organisation(pairs(why, "--why"), known, "--why")
            race = race_step(
                store, before.id, lambda one: judged(one, points, shown, at=at, reasons=reasons), actor=who, at=at,
                reason=f"关口“{name}”评审",
            )  # fmt: skip
    say(f"关口“{name}”{'已延期' if extend else '已评审'}。")
    _say_race(race)
    _say_next(race)


@races.command("withdraw", cls=ChineseCommand)
def leave(
    context: typer.Context,
    id: TaskId,
    team: Annotated[str, typer.Argument(metavar="单位", help="哪支团队：单位名称或序号。")],
    refund: Annotated[str, typer.Option("--refund", help="退还已拨付的多少（万元）；不写为 0。")] = "",
    reason: Reason = "",
    by: By = None,
) -> None:
    """一支团队退出：为它预留的收回；最后一支退出则赛马结束。"""
    from matcher.process_values import in_wan, parse_yuan
    from matcher.racing import left, race_step

    who, at = named_person(by), now()
    amount = read_value(parse_yuan, refund, "--refund") if refund else 0
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        before = _race(store, id)
        known = {one.bid: one.name for one in before.teams}
        (chosen,) = by_organisation({team: "-"}, known, "单位")
        race = race_step(
            store, before.id, lambda one: left(one, chosen, reason=reason, refund=amount, at=at), actor=who, at=at,
            reason=f"“{known[chosen]}”退出：{reason}",
        )  # fmt: skip
    say(f"“{known[chosen]}”已退出{f'，退还 {in_wan(amount)}' if amount else ''}。")
    _say_race(race)
    _say_next(race)


@races.command(cls=ChineseCommand)
def show(context: typer.Context, id: TaskId, as_json: AsJson = False) -> None:
    """看赛况：团队、关口、各关得分、资金。"""
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        race = _race(store, id)
    if as_json:
        say_json(race.model_dump(mode="json"))
        return
    _say_race(race)
    _say_results(race)
    _say_ledger(race)


def _race(store: "Store", text: str) -> "Race":
    from matcher.races import Race

    task = known_task(store, text)
    race = store.process(Race, task.id)
    if race is None:
        refuse(f"{task.id} 还没有开赛。", f'签约后用 jiebang race start {task.id} --gate "…" 开赛。', code=1)
    return race


def _gate(text: str) -> "Gate":
    from matcher.process_values import parse_moment, parse_yuan
    from matcher.races import Gate

    parts = [part.strip() for part in text.replace(";", "；").split("；")]
    rule = (
        re.fullmatch(r"(?:(\d{1,3}(?:\.\d{1,2})?)\s*分(?:以上)?|前\s*(\d{1,2})\s*名?)", parts[3])
        if len(parts) == 5
        else None
    )
    if rule is None:
        refuse(
            f"看不懂关口“{text}”。",
            '请写成 --gate "样机；2026-12-31；检测报告；60分；50"（规则写 60分 或 前2名）。',
        )
    name, date, evidence, _, amount = parts
    return Gate(
        name=name, date=read_value(parse_moment, date, "--gate"), evidence=evidence,
        tranche=read_value(parse_yuan, amount, "--gate"), threshold=Decimal(rule[1]) if rule[1] else None,
        best=int(rule[2]) if rule[2] else None,
    )  # fmt: skip


def _say_gates(race: "Race") -> None:
    from matcher.process_values import in_china, in_wan

    for place, gate in enumerate(race.gates, 1):
        did = "已评" if place <= race.judged else "待评"
        put_off = f"，延期 {gate.extensions} 次" if gate.extensions else ""
        say(
            f"  第 {place} 关 {gate.name}（{did}）：{in_china(gate.date, seconds=False)}{put_off}，交{gate.evidence}，"
            f"{gate.rule}，每队 {in_wan(gate.tranche)}"
        )


def _say_race(race: "Race") -> None:
    from matcher.process_values import in_wan
    from matcher.race_ledger import paid_to
    from matcher.races import TEAM_LABELS, race_rules

    say(f"{race.id} 赛马{race_rules().states[race.state].label}。")
    for place, team in enumerate(race.teams, 1):
        paid = in_wan(paid_to(race.ledger, team.bid))
        first = "，优胜" if team.bid == race.winner else ""
        say(f"  {place}. {team.name}：{TEAM_LABELS[team.state]}{first}，已拨付 {paid}")
    _say_gates(race)
    money = race.balance
    say(
        f"  资金：预算 {in_wan(money.budget)} = 已拨付 {in_wan(money.released)} + 已收回 {in_wan(money.returned)}"
        f" + 预留 {in_wan(money.reserved)}"
    )


def _say_next(race: "Race") -> None:
    if race.next_gate is not None and race.running:
        said = " ".join(f"--point {team.name}=得分 --evidence {team.name}=证据" for team in race.running)
        say(f"接下来：评“{race.next_gate.name}” jiebang race gate {race.id} {said}")
    else:
        say(f"接下来：jiebang task move {race.id} 转绩效评价")


def _say_results(race: "Race") -> None:
    if not race.results:
        return
    names = {team.bid: team.name for team in race.teams}
    rows: list[Sequence[str]] = [
        [race.gates[one.gate - 1].name, str(one.rank), str(one.points), "过关" if one.passed else "未过", names[one.team],
         "；".join(text for text in (one.evidence, one.reason) if text)]
        for one in sorted(race.results, key=lambda one: (one.gate, one.rank, one.team))
    ]  # fmt: skip
    table(["关口", "名次", "得分", "结果", "团队", "证据和理由"], rows, [16, 4, 6, 4, 32, 40])


def _say_ledger(race: "Race") -> None:
    from matcher.process_values import in_china, in_wan
    from matcher.race_ledger import ENTRY_LABELS

    names: dict[str, Any] = {team.bid: team.name for team in race.teams}
    rows = [
        [in_china(one.at), ENTRY_LABELS[one.entry], in_wan(one.amount), names.get(one.team, ""), one.note]
        for one in race.ledger
    ]
    table(["时间", "收支", "金额", "团队", "说明"], rows, [19, 4, 14, 32, 30])
