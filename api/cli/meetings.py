"""多对多洽谈 at the command line: meetings template, import, propose, solve, show, export; a plan is a file or a roadshow's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json
from api.cli.proceedings import now, pairs, say_problems
from api.cli.screen import progress, say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from api.roadshow_files import Material
    from matcher.meetings import Meeting, MeetingDay, Pair, Schedule
    from matcher.roadshow_meetings import KeptMeetings
    from matcher.roadshow_timetable import Kept as Timetable

_SHOWN = 20
_KIND = "jiebang-meetings"

meetings = typer.Typer(
    name="meetings",
    help="多对多洽谈：收意愿、排轮次和桌号、发日程。",
    cls=ChineseGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Place = Annotated[
    str, typer.Argument(metavar="安排", help="安排存在哪里：一个 .json 文件，或一场路演的编号。")
]
_Out = Annotated[Path, typer.Option("--out", help="写到哪里。")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.add_typer(meetings)


@dataclass(kw_only=True)
class _Plan:
    """Meetings where they are kept: in a file (``roadshow`` is None) or with a roadshow, at a revision."""

    kept: "KeptMeetings | None"
    roadshow: "Material | None" = None
    since: int = 0

    @property
    def stage(self) -> list[str]:
        """Who is on stage."""
        from matcher.roadshow_meetings import on_stage

        return on_stage(self.roadshow.values) if self.roadshow else []

    @property
    def timetable(self) -> "Timetable | None":
        """When the teams are on stage."""
        return self.roadshow.timetable if self.roadshow else None


@meetings.command(cls=ChineseCommand)
def template(out: _Out) -> None:
    """生成意愿表（.xlsx）：嘉宾、团队、意愿三张表和填写说明。"""
    from api.meeting_sheets import write_wish_template

    write_wish_template(out)
    say(
        f"已写入 {out}。填好后：jiebang meetings import 安排.json {out} --start 2026-12-05T13:30 --rounds 6 --tables 10"
    )


@meetings.command("import", cls=ChineseCommand)
def take_in(
    context: typer.Context,
    plan: _Place,
    file: Annotated[Path, typer.Argument(metavar="意愿表", help="填好的意愿表（xlsx 或 csv）。")],
    start: Annotated[
        str | None, typer.Option("--start", help="第一轮何时开始，如 2026-12-05T13:30。", show_default=False)
    ] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, max=48, help="几轮。", show_default=False)] = None,
    minutes: Annotated[int | None, typer.Option("--minutes", min=1, max=240, help="每轮几分钟；不写则 8 或照旧。", show_default=False)] = None,
    gap: Annotated[int | None, typer.Option("--gap", min=0, max=240, help="轮间换桌几分钟；不写则 2 或照旧。", show_default=False)] = None,
    tables: Annotated[int | None, typer.Option("--tables", min=1, max=1000, help="几张桌。", show_default=False)] = None,
    title: Annotated[str, typer.Option("--title", help="洽谈会的名称。", show_default=False)] = "",
    by: By = None,
) -> None:  # fmt: skip
    """收意愿：读名单和意愿，有错整份不收；再收一份是补充和更新，已排的洽谈不动。"""
    from api.meeting_sheets import read_wishes

    found = _load(context, plan, new=True)
    old = found.kept.day if found.kept else None
    (guests, teams, wishes), problems = read_wishes(
        file, (old.guests, old.teams, old.wishes) if old else ((), (), ())
    )
    if problems:
        say_problems(problems)
        raise typer.Exit(1)
    times = _Times(start=start, rounds=rounds, minutes=minutes, gap=gap, tables=tables, title=title)
    made = _with_people(found, times, guests, teams, wishes)
    _save(context, plan, found, made, by, f"收洽谈意愿 {len(made.day.wishes)} 条")
    say(f"名单：嘉宾 {len(guests)} 位、团队 {len(teams)} 个；意愿 {len(wishes)} 条；{_size(made.day)}。")
    say(f"下一步：jiebang meetings solve {plan}")


@meetings.command(cls=ChineseCommand)
def propose(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="路演编号", help="哪场路演；jiebang lineup list 列出。")],
    level: Annotated[int, typer.Option("--level", min=1, max=4, help="适配到几级才提：4 强相关、3 较强相关、2 弱相关。")] = 3,
    out: Annotated[Path | None, typer.Option("--out", help="只写成意愿表（.xlsx），改好再 import；不写则直接记入。", show_default=False)] = None,
    start: Annotated[str | None, typer.Option("--start", help="第一轮何时开始，如 2026-12-05T13:30。", show_default=False)] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, max=48, help="几轮。", show_default=False)] = None,
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=240, help="每轮几分钟。")] = 8,
    gap: Annotated[int, typer.Option("--gap", min=0, max=240, help="轮间换桌几分钟。")] = 2,
    tables: Annotated[int | None, typer.Option("--tables", min=1, max=1000, help="几张桌。", show_default=False)] = None,
    by: By = None,
) -> None:  # fmt: skip
    """按阵容的适配程度提洽谈意愿：受邀的各方希望见适配的团队；人已经写明的意愿不改。"""
    from api.meeting_sheets import write_wishes
    from matcher.roadshow_meetings import joined, proposed_wishes

    if plan.lower().endswith(".json"):
        refuse("单独存放的安排没有阵容，提不出意愿。", "请写一场路演的编号。")
    found = _load(context, plan, new=True)
    assert found.roadshow is not None  # noqa: S101 - for the type checker: it is no file
    guests, teams, fits = proposed_wishes(found.roadshow.values, level)
    names = {one.id: one.name for one in (*guests, *teams)}
    rows = [
        [names[one.guest], one.team, names[one.team], f"{round(100 * fit)}%"] for one, fit in fits.items()
    ]
    table(["嘉宾", "团队", "", "把握"], rows[:_SHOWN], [32, 12, 40, 5])
    if len(rows) > _SHOWN:
        say(f"  ……共 {len(rows)} 条")
    if out:
        write_wishes(out, guests, teams, fits)
        say(f"已写入 {out}。改好后：jiebang meetings import {plan} {out}")
        return
    old = found.kept.day if found.kept else None
    times = _Times(start=start, rounds=rounds, minutes=minutes, gap=gap, tables=tables, title="")
    made = _with_people(found, times, *joined(old, guests, teams, fits))
    new = len(made.day.wishes) - (len(old.wishes) if old else 0)
    _save(context, plan, found, made, by, f"按适配程度提洽谈意愿 {new} 条")
    say(f"记入意愿 {new} 条，现在共 {len(made.day.wishes)} 条；{_size(made.day)}。")
    say(
        f"要改的用意愿表收进来：jiebang meetings import {plan} 意愿.xlsx；然后：jiebang meetings solve {plan}"
    )


@dataclass(frozen=True, kw_only=True)
class _Times:
    """When the rounds are, at how many tables, as the options say; None: as it was."""

    start: str | None
    rounds: int | None
    minutes: int | None
    gap: int | None
    tables: int | None
    title: str


def _with_people(found: _Plan, times: _Times, guests: Any, teams: Any, wishes: Any) -> "KeptMeetings":
    """The plan with these people and wishes, at the times given, or the command ends."""
    from matcher.meetings import MeetingDay, check
    from matcher.roadshow_meetings import KeptMeetings

    old = found.kept.day if found.kept else None
    if old is None and (times.start is None or times.rounds is None or times.tables is None):
        refuse(
            "第一次收意愿要写明时间、轮数和桌数。", "请加 --start 2026-12-05T13:30 --rounds 6 --tables 10。"
        )
    spans = old.rounds if old else ()
    if any(one is not None for one in (times.start, times.rounds, times.minutes, times.gap)):
        first = _moment(times.start) if times.start is not None else spans[0].start
        spans = _rounds(first, times.rounds or len(spans), *_lengths(spans, times.minutes, times.gap))
    day = MeetingDay(
        title=times.title or (old.title if old else "多对多洽谈"), guests=guests, teams=teams, wishes=wishes, rounds=spans,
        tables=times.tables or (old.tables if old else 1), seed=old.seed if old else 0,
    )  # fmt: skip
    if say_problems(check(day)):
        raise typer.Exit(1)
    return (replace(found.kept, day=day) if found.kept else KeptMeetings(day=day)).staged_by(found.stage)


@meetings.command(cls=ChineseCommand)
def solve(
    context: typer.Context,
    plan: _Place,
    cancel: Annotated[
        list[str] | None, typer.Option("--cancel", help="谁来不了（嘉宾或团队的编号、名称），可多次；只补空位，别的不动。")
    ] = None,
    lock: Annotated[list[str] | None, typer.Option("--lock", help="不许再动的一对，写 嘉宾=团队，可多次；写 全部 则都锁住。")] = None,
    unlock: Annotated[list[str] | None, typer.Option("--unlock", help="可以再动的一对，写法同上。")] = None,
    level: Annotated[list[str] | None, typer.Option("--level", help="规则=禁止、发布前须解决、提示或忽略；写错时列出全部规则。")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="从头排，不管已排的（锁住的除外）。")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看结果，不记入。")] = False,
    by: By = None,
) -> None:  # fmt: skip
    """排洽谈：先必须、再互相希望，场数均衡，嘉宾少空等；在台上的不约；已排过的只作最少的改动。"""
    from api.roadshow_files import people_named
    from matcher.roadshow_meetings import levels_of, solved_meetings, without

    found = _load(context, plan)
    kept = _kept(found, plan)
    gone = people_named(kept.day, cancel or ())
    locked = _locked(kept, lock or (), unlock or ())
    absent = {id for _, id in gone}
    kept = replace(
        kept, day=without(kept.day, gone), locked=frozenset(pair for pair in locked if not absent & set(pair)),
        levels={**kept.levels, **levels_of(pairs(level, "--level"))},
    )  # fmt: skip
    old = kept.meetings
    with progress("排洽谈"):
        made, arranged = solved_meetings(kept, found.stage, found.timetable, fresh=fresh)
    anew = fresh and not made.locked
    _tell(kept.day, arranged, old, kept=bool(old) and not anew)
    _tell_conflicts(made, found)
    if dry_run:
        say("以上只是试排，没有记入。去掉 --dry-run 正式记入。")
        return
    told = f"排洽谈 {len(made.meetings)} 场" + (f"（{'、'.join(cancel)}取消）" if cancel else "")
    _save(context, plan, found, made, by, told)
    say(f"下一步：jiebang meetings export {plan} --out 洽谈日程.xlsx")


@meetings.command(cls=ChineseCommand)
def show(
    context: typer.Context,
    plan: _Place,
    who: Annotated[
        str, typer.Option("--who", help="只看一位嘉宾或一个团队（编号或名称）。", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """看洽谈：每轮每桌谁见谁，没排上的为什么。"""
    from api.roadshow_agenda import appointments, clock
    from api.roadshow_files import people_named
    from matcher.meetings import WANTS, unmet
    from matcher.roadshow_meetings import beside

    found = _load(context, plan)
    kept = _kept(found, plan)
    day = kept.day
    if as_json:
        say_json(kept.values)
        return
    lost = unmet(beside(kept, found.stage, found.timetable), kept.meetings)
    if who:
        side, id = people_named(day, [who])[0]
        say(f"{day.names[side, id]}：")
        own = appointments(day, kept.meetings, side)[id]
        table(["轮次", "时间", "桌号", "洽谈对象"], [[str(one.round), clock(one.span), str(one.table), one.other] for one in own], [4, 16, 4, 40])  # fmt: skip
        lost = tuple(one for one in lost if id == (one.guest if side == "guest" else one.team))
    else:
        say(f"{day.title}：{_size(day)}，已排 {len(kept.meetings)} 场，锁定 {len(kept.locked)} 对")
        rows = [
            [str(one.round), clock(day.rounds[one.round - 1]) if one.round <= len(day.rounds) else "", str(one.table),
             day.names.get(("guest", one.guest), one.guest), day.names.get(("team", one.team), one.team), "锁" if one.pair in kept.locked else ""]
            for one in kept.meetings
        ]  # fmt: skip
        table(["轮次", "时间", "桌号", "嘉宾", "团队", ""], rows, [4, 16, 4, 24, 32, 2])
        _tell_conflicts(kept, found)
    if kept.meetings and lost:
        say(f"没有排上的意愿 {len(lost)} 条：")
        for one in lost if who else lost[:_SHOWN]:
            say(
                f"  {WANTS[one.want]}  {day.names['guest', one.guest]}—{day.names['team', one.team]}：{one.message}"
            )
        if not who and len(lost) > _SHOWN:
            say(f"  ……其余 {len(lost) - _SHOWN} 条见导出的“未排上”表")


@meetings.command(cls=ChineseCommand)
def export(
    context: typer.Context,
    plan: _Place,
    out: _Out,
    who: Annotated[str, typer.Option("--who", help="只给谁（.ics 必写）。", show_default=False)] = "",
    teams: Annotated[bool, typer.Option("--teams", help="按团队而不是按嘉宾分页。")] = False,
) -> None:
    """导出洽谈日程：.xlsx 或 .docx 一人一页，.html 可打印，.ics 是一个人的日历。"""
    from api.output_files import check_target
    from api.roadshow_files import PAPERS, people_named, write_meetings

    check_target(out, *PAPERS["meetings"][1])
    found = _load(context, plan)
    kept = _kept(found, plan)
    someone = people_named(kept.day, [who])[0] if who else None
    version = found.roadshow.roadshow.draft if found.roadshow else 0
    number = write_meetings(
        out, Path(plan).stem, kept.day, kept.meetings, who=someone, side="team" if teams else "guest", stamp=now(),
        version=version,
    )  # fmt: skip
    say(f"已写入 {number} 场洽谈：{out}")


def _tell_conflicts(kept: "KeptMeetings", found: _Plan) -> None:
    """What is broken, but for the wishes that stand in a list of their own."""
    from matcher.roadshow_meetings import meeting_conflicts

    for one in meeting_conflicts(kept, found.stage, found.timetable):
        if one.rule not in ("must", "want"):
            say(f"  {one.text}")


def _load(context: typer.Context, plan: str, *, new: bool = False) -> _Plan:
    """What is kept in the file or in the roadshow; with ``new`` there may be nothing yet."""
    from matcher.roadshow_meetings import kept_meetings

    if not plan.lower().endswith(".json"):
        from api.cli.lineup import known_roadshow
        from api.roadshow_files import material

        settings: Settings = context.obj
        with settings.home.open_store(create=False) as store:
            since = store.revision()
            about = material(store, known_roadshow(store, plan))
        return _Plan(kept=about.meetings, roadshow=about, since=since)
    path = Path(plan)
    if not path.exists() and new:
        return _Plan(kept=None)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        refuse(f"“{plan}”不是洽谈安排。", "请写 jiebang meetings import 写出的 .json 文件。", code=1)
    if not isinstance(values, dict) or values.pop("kind", None) != _KIND:
        refuse(f"“{plan}”不是洽谈安排。", "请写 jiebang meetings import 写出的 .json 文件。", code=1)
    return _Plan(kept=kept_meetings(values))


def _save(
    context: typer.Context, plan: str, found: _Plan, made: "KeptMeetings", by: str | None, told: str
) -> None:
    """Keep it where it came from: as a file, or as the next draft of the roadshow."""
    if found.roadshow is None:
        from api.output_files import writing

        with writing(Path(plan), ".json"):
            text = json.dumps({"kind": _KIND} | made.values, ensure_ascii=False, indent=1)
            Path(plan).write_text(text + "\n", encoding="utf-8")
        return
    from matcher.roadshow_steps import with_plan, write

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        roadshow = with_plan(found.roadshow.roadshow, role="staff", at=now(), meetings=made.values)
        write(store, roadshow, actor=who, at=now(), reason=told, since=found.since)


def _kept(found: _Plan, plan: str) -> "KeptMeetings":
    if found.kept is None:
        refuse(
            f"“{plan}”还没有洽谈的名单和意愿。", f"请先 jiebang meetings import {plan} 意愿表.xlsx。", code=1
        )
    return found.kept


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip().replace(" ", "T"))
    except ValueError:
        refuse(f"看不懂 --start {text[:40]}。", "请写成 2026-12-05T13:30。")


def _rounds(start: datetime, number: int, minutes: int, gap: int) -> tuple[Any, ...]:
    from matcher.timetable import Span

    starts = [start + timedelta(minutes=n * (minutes + gap)) for n in range(number)]
    return tuple(Span(start=one, end=one + timedelta(minutes=minutes)) for one in starts)


def _lengths(times: Sequence[Any], minutes: int | None, gap: int | None) -> tuple[int, int]:
    """Minutes of a round and between rounds: as given, else as they were, else 8 and 2."""
    minute = timedelta(minutes=1)
    usual = (times[0].end - times[0].start) // minute if times else 8
    between = (times[1].start - times[0].end) // minute if len(times) > 1 else 2
    return usual if minutes is None else minutes, between if gap is None else gap


def _size(day: "MeetingDay") -> str:
    from api.roadshow_agenda import day_and_time
    from matcher.timetable import Span

    whole = Span(start=day.rounds[0].start, end=day.rounds[-1].end)
    return f"{day_and_time(whole)}，{len(day.rounds)} 轮、{day.tables} 张桌"


def _locked(kept: "KeptMeetings", lock: Sequence[str], unlock: Sequence[str]) -> "frozenset[Pair]":
    met = {one.pair for one in kept.meetings}
    found = set(kept.locked) & met
    for texts, put in ((unlock, False), (lock, True)):
        for text in texts:
            pairs = met if text.strip() == "全部" else {_pair(kept.day, text)}
            if stray := pairs - met:
                refuse(f"“{text[:60]}”没有排上，锁不住。", "请先排上，再锁定。", code=1)
            found = found | pairs if put and not stray else found - pairs
    return frozenset(found)


def _pair(day: "MeetingDay", text: str) -> "Pair":
    guest, sign, team = text.replace("＝", "=").partition("=")
    if not sign:
        refuse(f"看不懂“{text[:60]}”。", "请写成 嘉宾=团队，或写 全部。")
    ids = {side: [id for (s, id), name in day.names.items() if s == side and name_or_id.strip() in (id, name)]
           for side, name_or_id in (("guest", guest), ("team", team))}  # fmt: skip
    for side, name_or_id in (("guest", guest), ("team", team)):
        if len(ids[side]) != 1:
            refuse(f"“{name_or_id[:60]}”不在名单里，或不止一位。", "请写编号或完整的名称。", code=1)
    return ids["guest"][0], ids["team"][0]


def _tell(day: "MeetingDay", found: "Schedule", before: "Sequence[Meeting]", *, kept: bool) -> None:
    """What a schedule came to, how good it is, and what changed."""
    musts = sum(one.want == "must" for one in found.unmet)
    say(
        f"排了 {len(found.meetings)} 场；没有排上的意愿 {len(found.unmet)} 条"
        + (f"，其中必须的 {musts} 条" if musts else "")
    )
    if found.proven:
        say("已证明最优：" + ("其余洽谈不动的话，" if kept else "") + "没有更好的排法。")
    else:
        gap = found.bound - found.worth
        say(
            ("洽谈的选取已证明最优" if not gap else f"洽谈的选取离上限还差 {gap} 分（上限 {found.bound}）")
            + f"；嘉宾空等合计 {found.idle} 轮，不可能少于 {found.idle_bound} 轮。"
        )
    if before:
        old, new = set(before), set(found.meetings)
        for mark, some in (("取消", old - new), ("新增", new - old)):
            for one in sorted(some)[:_SHOWN]:
                names = (
                    day.names.get(("guest", one.guest), one.guest),
                    day.names.get(("team", one.team), one.team),
                )
                say(f"  {mark}  第 {one.round} 轮 {one.table} 号桌 {names[0]}—{names[1]}")
        say(f"与原来相比：取消 {len(old - new)} 场，新增 {len(new - old)} 场，其余 {len(old & new)} 场不动。")
