"""Roadshows: lineup new, show, list, solve, set, lock, unlock, swap, drop, add, move, diff, release, history and the end."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json, spellings
from api.cli.proceedings import known_task, now, pairs
from api.cli.screen import moment, say, say_aside, say_error, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.store.store import Store
    from matcher.lineup_conflicts import Clash
    from matcher.roadshow_edits import Changed, Edit
    from matcher.roadshow_live import Live
    from matcher.roadshows import Roadshow, Version

lineup = typer.Typer(
    name="lineup",
    cls=ChineseGroup,
    help="路演阵容：选谁上台、为什么，改动要付出什么，发布的各个版本。",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Id = Annotated[str, typer.Argument(metavar="路演编号", help="哪场路演；jiebang lineup list 列出。")]
_One = Annotated[str, typer.Argument(metavar="成果编号", help="哪个项目。")]
_Some = Annotated[list[str] | None, typer.Argument(metavar="成果编号", help="哪些项目；不写则为台上全部。")]
_Rules = Annotated[
    list[str] | None,
    typer.Option("--set", help="规则=数，可多次，如 每单位至多=1、成熟度至少=6；写错时列出全部规则。"),
]
_Levels = Annotated[
    list[str] | None, typer.Option("--level", help="规则=禁止、发布前须解决、提示或忽略，可多次。")
]
_Must = Annotated[list[str] | None, typer.Option("--must", help="必选的成果，可多次。")]
_MustNot = Annotated[list[str] | None, typer.Option("--must-not", help="不选的成果，可多次。")]
_Seen = Annotated[
    int | None,
    typer.Option("--seen", min=0, help="您看的是第几稿；已被别人改过则不写入。", show_default=False),
]
_Reason = Annotated[str, typer.Option("--reason", help="为什么，记入历史。")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.add_typer(lineup)


@lineup.command(cls=ChineseCommand)
def new(
    context: typer.Context,
    pitches: Annotated[int, typer.Option("--pitches", min=1, max=100, help="几个项目上台。")] = 12,
    theme: Annotated[
        str, typer.Option("--theme", help="主题，一句话；写产业领域的名称则为该领域的场景排。")
    ] = "",
    field: Annotated[str | None, typer.Option("--field", help="只选这个产业领域的成果。")] = None,
    scene: Annotated[
        list[str] | None, typer.Option("--scene", help="受邀的场景（也可写企业、基金编号），可多次。")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="从这个榜单已开标的投标里选。")] = None,
    title: Annotated[str, typer.Option("--title", help="路演名称。", show_default=False)] = "",
    day: Annotated[str | None, typer.Option("--date", help="哪天举办，如 2026-12-18。")] = None,
    given: _Rules = None,
    level: _Levels = None,
    must: _Must = None,
    must_not: _MustNot = None,
    audience: Annotated[
        str, typer.Option("--audience", help="只用公开（public）或合作方（partner）看得到的内容排。")
    ] = "staff",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看结果，不记入。")] = False,
    as_json: AsJson = False,
    by: By = None,
) -> None:
    """排一场路演的阵容：总适配度最高，满足各条规则，并说明每一项为什么、没上的差在哪里。"""
    from matcher.roadshow_steps import PREFIX, change, shortlist_of, started, write
    from matcher.roadshows import Roadshow, shown_before
    from matcher.tasks import next_id

    who, at, today = "" if dry_run else named_person(by), now(), date.today()
    if audience not in ("public", "partner", "staff"):
        refuse(f"--audience 不认识“{audience[:20]}”。", "请写 public、partner 或 staff。")
    settings: Settings = context.obj
    with settings.open_engine(audience=audience) as engine:  # type: ignore[arg-type]
        whole, notes, guests = (
            engine.whole,
            list[str](),
            _ids(engine.store, ("scene", "enterprise", "fund"), scene),
        )
        since, shortlist = whole.revision(), None
        if task is not None:
            found = known_task(whole, task)
            shortlist, notes = shortlist_of(whole, found)
            guests, theme = (
                guests or [id for kind, id in found.about if kind == "scene"],
                theme or found.title,
            )
        draft, more = started(
            engine.store, next_id(Roadshow, whole, PREFIX, at), at=at, today=today, pitches=pitches, theme=theme,
            field=_field(field), guests=guests, shortlist=shortlist, numbers=pairs(given, "--set"),
            levels=pairs(level, "--level"), must=tuple(_ids(engine.store, ("achievement",), must)),
            must_not=_ids(engine.store, ("achievement",), must_not), title=title, day=day, audience=audience,
            task=task or "",
        )  # fmt: skip
        shown = shown_before(draft, whole.processes(Roadshow))
        made = _or_refuse(change(engine, draft, None, shown=shown, today=today, role="staff", at=at))
        if not dry_run:
            write(whole, made.roadshow, actor=who, at=at, reason=f"排定路演 {draft.id}", since=since)
        live = _live(engine, made.roadshow, today)
        _tell(live, as_json=as_json, notes=[*notes, *more, *made.notes], gap=made.gap)
    if dry_run and not as_json:
        say("以上只是试排，没有记入。去掉 --dry-run 正式记入。")


@lineup.command(cls=ChineseCommand)
def show(
    context: typer.Context,
    id: _Id,
    why: Annotated[
        list[str] | None, typer.Option("--why", help="这个成果为什么没上、怎样才能上，可多次。")
    ] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help="看已发布的第几版。")] = None,
    as_json: AsJson = False,
) -> None:
    """看一场路演：阵容、理由、候补、与规则的冲突（按现在的数据），谁没上、差在哪里。"""
    from api.cli.lineup_pages import show_left_out, show_version
    from matcher.roadshows import lineup_values

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        roadshow = known_roadshow(store, id)
        if version is not None:
            kept = _version(roadshow, version)
            if as_json:
                say_json(lineup_values(roadshow, store, version))
            else:
                show_version(roadshow, kept)
            return
    with settings.open_engine(audience=roadshow.audience) as engine:
        wanted = _ids(engine.store, ("achievement",), why)
        live = _live(engine, known_roadshow(engine.whole, id), date.today(), also=wanted)
        if why and not as_json:
            if on_stage := [one for one in wanted if one in live.roadshow.ids]:
                say(f"{'、'.join(on_stage)} 已在台上。")
            show_left_out(live, live.left_out(wanted))
        else:
            _tell(live, as_json=as_json, wanted=wanted or None)


@lineup.command("list", cls=ChineseCommand)
def list_roadshows(context: typer.Context, as_json: AsJson = False) -> None:
    """列出全部路演。"""
    from matcher.roadshows import STATES, Roadshow

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = list(store.processes(Roadshow))
    if as_json:
        say_json([
            {"id": one.id, "title": one.title, "state": one.state, "day": one.day.isoformat() if one.day else None,
             "pitches": len(one.stage), "versions": len(one.versions), "draft": one.draft}
            for one in found
        ])  # fmt: skip
    elif not found:
        say('还没有路演；jiebang lineup new --theme "主题" --pitches 6 排一场。')
    else:
        rows = [
            [one.id, STATES[one.state][0], one.day.isoformat() if one.day else "", str(len(one.stage)),
             str(len(one.versions)), one.title]
            for one in found
        ]  # fmt: skip
        table(["编号", "状态", "日期", "项目", "版本", "名称"], rows, [12, 8, 10, 4, 4, 40])


@lineup.command(cls=ChineseCommand)
def solve(
    context: typer.Context, id: _Id, given: _Rules = None, level: _Levels = None, must: _Must = None,
    must_not: _MustNot = None,
    anew: Annotated[bool, typer.Option("--anew", help="不管改动多少，除锁定的以外重排到最优。")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看结果，不记入。")] = False,
    seen: _Seen = None, as_json: AsJson = False, by: By = None,
) -> None:  # fmt: skip
    """重新求解：锁定的不动，改动最少地满足全部规则；显示改了谁、付出什么。"""
    edit = _edit("solve", given=given, level=level, must=must, must_not=must_not, anew=anew)
    _change(context, id, edit, by, "重新求解", seen=seen, as_json=as_json, dry_run=dry_run)


@lineup.command("set", cls=ChineseCommand)
def set_rules(
    context: typer.Context, id: _Id, given: _Rules = None, level: _Levels = None, must: _Must = None,
    must_not: _MustNot = None, seen: _Seen = None, as_json: AsJson = False, by: By = None,
) -> None:  # fmt: skip
    """改规则，不动阵容；列出现在与规则冲突的地方。"""
    edit = _edit("set", given=given, level=level, must=must, must_not=must_not)
    _change(context, id, edit, by, "改规则", seen=seen, as_json=as_json)


@lineup.command(cls=ChineseCommand)
def lock(
    context: typer.Context, id: _Id, pitch: _Some = None, seen: _Seen = None, as_json: AsJson = False, by: By = None
) -> None:  # fmt: skip
    """锁定：重新求解时一定留在台上。"""
    _change(context, id, _edit("lock", pitch), by, "锁定", seen=seen, as_json=as_json)


@lineup.command(cls=ChineseCommand)
def unlock(
    context: typer.Context, id: _Id, pitch: _Some = None, seen: _Seen = None, as_json: AsJson = False, by: By = None
) -> None:  # fmt: skip
    """解除锁定。"""
    _change(context, id, _edit("unlock", pitch), by, "解除锁定", seen=seen, as_json=as_json)


@lineup.command(cls=ChineseCommand)
def swap(
    context: typer.Context, id: _Id,
    out: Annotated[str, typer.Argument(metavar="换下", help="换下的成果编号。")],
    into: Annotated[str, typer.Argument(metavar="换上", help="换上的成果编号；也在台上则两项对调次序。")],
    reason: _Reason = "", seen: _Seen = None, as_json: AsJson = False, by: By = None,
) -> None:  # fmt: skip
    """用一项换下另一项，换上的自动锁定；两项都在台上则对调次序。"""
    _change(context, id, _edit("swap", [out, into], reason=reason), by, "换人", seen=seen, as_json=as_json)


@lineup.command(cls=ChineseCommand)
def drop(
    context: typer.Context, id: _Id,
    pitch: Annotated[list[str], typer.Argument(metavar="成果编号", help="去掉哪些，可多个。")],
    reason: _Reason = "",
    empty: Annotated[bool, typer.Option("--empty", help="不补人，位置去掉。")] = False,
    seen: _Seen = None, as_json: AsJson = False, by: By = None,
) -> None:  # fmt: skip
    """去掉（临时取消也用它）：由第一个合规则的候补顶上，其余不动；以后求解也不再选它。"""
    edit = _edit("drop", pitch, reason=reason, fill=not empty)
    _change(context, id, edit, by, "去掉", seen=seen, as_json=as_json)


@lineup.command(cls=ChineseCommand)
def add(
    context: typer.Context, id: _Id,
    pitch: Annotated[list[str], typer.Argument(metavar="成果编号", help="加哪些，可多个。")],
    place: Annotated[int | None, typer.Option("--to", min=1, help="加在第几个；不写则加在最后。")] = None,
    seen: _Seen = None, as_json: AsJson = False, by: By = None,
) -> None:  # fmt: skip
    """加上台，自动锁定；超出项目数会列为冲突，再 solve 即可腾出位置。"""
    _change(context, id, _edit("add", pitch, place=place), by, "加上台", seen=seen, as_json=as_json)


@lineup.command(cls=ChineseCommand)
def move(
    context: typer.Context, id: _Id, pitch: _One,
    place: Annotated[int, typer.Option("--to", min=1, help="移到第几个。")],
    seen: _Seen = None, as_json: AsJson = False, by: By = None,
) -> None:  # fmt: skip
    """改上台次序。"""
    _change(context, id, _edit("move", [pitch], place=place), by, "改次序", seen=seen, as_json=as_json)


@lineup.command(cls=ChineseCommand)
def release(
    context: typer.Context, id: _Id,
    note: Annotated[str, typer.Option("--note", help="这一版的说明。")] = "",
    seen: _Seen = None, by: By = None,
) -> None:  # fmt: skip
    """发布现在的阵容为下一版；还有须在发布前解决的冲突则不发布。"""
    from matcher.roadshow_differences import version_lines
    from matcher.roadshow_steps import unresolved_plans, write
    from matcher.roadshows import Roadshow, lineup_values, released, seen_draft

    who, at = named_person(by), now()
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        audience = known_roadshow(store, id).audience
    with settings.open_engine(audience=audience) as engine:
        since, roadshow = engine.whole.revision(), known_roadshow(engine.whole, id)
        seen_draft(roadshow, seen)
        live = _live(engine, roadshow, date.today())
        others = engine.whole.processes(Roadshow)
        standing = unresolved_plans(roadshow.id, lineup_values(roadshow, engine.store), others)
        made = released(roadshow, live.conflicts, by=who, role="staff", at=at, note=note, unresolved=standing)
        number = len(made.versions)
        write(engine.whole, made, actor=who, at=at, reason=f"发布第 {number} 版", since=since)
    say(f"已发布 {made.id} 第 {number} 版，{len(made.stage)} 项。")
    if number > 1:
        lines = version_lines(made.versions[-2], made.versions[-1])
        say(f"与第 {number - 1} 版相比：" + ("没有变化。" if not lines else ""))
        for line in lines:
            say(f"  {line}")
    say(f"改动后会成为下一版的草稿；举办后：jiebang lineup step {made.id} 举办")


@lineup.command(cls=ChineseCommand)
def step(
    context: typer.Context, id: _Id,
    name: Annotated[str, typer.Argument(metavar="步骤", help="举办、归档或取消。")],
    reason: _Reason = "", seen: _Seen = None, by: By = None,
) -> None:  # fmt: skip
    """登记举办、归档或取消（取消要写原因）。"""
    from matcher.roadshow_steps import write
    from matcher.roadshows import STATES, seen_draft, stepped

    names = {
        "举办": "hold",
        "归档": "close",
        "取消": "cancel",
        "hold": "hold",
        "close": "close",
        "cancel": "cancel",
    }
    if name not in names:
        refuse(f"没有“{name[:20]}”这一步。", "可写：举办、归档、取消。")
    who, at = named_person(by), now()
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since, roadshow = store.revision(), known_roadshow(store, id)
        seen_draft(roadshow, seen)
        made = stepped(roadshow, names[name], role="staff", at=at, reason=reason)
        write(store, made, actor=who, at=at, reason=reason.strip() or name, since=since)
    say(f"{made.id} 现在是“{STATES[made.state][0]}”。")


@lineup.command(cls=ChineseCommand)
def diff(
    context: typer.Context, id: _Id,
    before: Annotated[int | None, typer.Argument(metavar="版本", help="从第几版；不写则为最近发布的一版。")] = None,
    after: Annotated[int | None, typer.Argument(metavar="版本", help="到第几版；不写则为现在的样子。")] = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """两版之间改了什么；不写版本则看最近一版发布以后改了什么。"""
    from matcher.roadshow_differences import version_lines
    from matcher.roadshows import Version

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        roadshow = known_roadshow(store, id)
    old = _version(roadshow, before or len(roadshow.versions) or 1)
    new = _version(roadshow, after) if after else Version(
        number=0, at=roadshow.moved_at, by="", stage=roadshow.stage, alternates=roadshow.alternates,
        timetable=roadshow.timetable, meetings=roadshow.meetings,
    )  # fmt: skip
    lines = version_lines(old, new)
    if as_json:
        say_json({"from": old.number, "to": new.number or None, "lines": lines})
        return
    say(
        f"第 {old.number} 版 → {f'第 {new.number} 版' if new.number else '现在'}："
        + ("没有变化。" if not lines else "")
    )
    for line in lines:
        say(f"  {line}")


@lineup.command(cls=ChineseCommand)
def history(context: typer.Context, id: _Id, as_json: AsJson = False) -> None:
    """谁在什么时候改了什么。"""
    from matcher.roadshows import Roadshow

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        roadshow = known_roadshow(store, id)
        entries = store.history_of_process(Roadshow.kind, roadshow.id)
    if as_json:
        say_json([
            {"revision": one.revision, "at": one.at, "actor": one.actor, "reason": one.reason} for one in entries
        ])  # fmt: skip
        return
    for one in entries:
        say(f"{moment(one.at)} 第 {one.revision} 次改动 {one.actor}：{one.reason}")
    for version in roadshow.versions:
        say(
            f"第 {version.number} 版 {moment(version.at.isoformat())} {version.by}发布{f'：{version.note}' if version.note else ''}"
        )


def known_roadshow(store: "Store", text: str) -> "Roadshow":
    """The roadshow so called, or the command ends."""
    from matcher.roadshows import Roadshow

    for id in spellings(text):
        if roadshow := store.process(Roadshow, id):
            return roadshow
    near = [one.id for one in store.processes(Roadshow) if one.id.endswith(f"-{text.strip()}")]
    hint = f"你是否想写 {'、'.join(near)}？" if near else "jiebang lineup list 列出全部路演。"
    refuse(f"没有编号为“{text.strip()[:60]}”的路演。", hint, code=1)


def _change(
    context: typer.Context, id: str, edit: "Edit", by: str | None, what: str, *, seen: int | None, as_json: bool,
    dry_run: bool = False,
) -> None:  # fmt: skip
    """Make an edit of a roadshow, keep it and tell what it came to."""
    from dataclasses import replace

    from api.cli.lineup_pages import show_change
    from matcher.roadshow_steps import change, write
    from matcher.roadshows import Roadshow, shown_before

    who, at, today = "" if dry_run else named_person(by), now(), date.today()
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        audience = known_roadshow(store, id).audience
    with settings.open_engine(audience=audience) as engine:
        since, roadshow = engine.whole.revision(), known_roadshow(engine.whole, id)
        ids, must, must_not = (
            tuple(_ids(engine.store, ("achievement",), some, on_stage=roadshow.ids))
            for some in (edit.ids, edit.must, edit.must_not)
        )
        edit = replace(edit, ids=ids, must=must, must_not=must_not)
        shown = shown_before(roadshow, engine.whole.processes(Roadshow))
        made = _or_refuse(
            change(engine, roadshow, edit, shown=shown, today=today, role="staff", at=at, seen=seen)
        )
        if not dry_run:
            named = "、".join(edit.ids)
            told = f"{what}{f' {named}' if named else ''}{f'：{edit.reason}' if edit.reason else ''}"
            write(engine.whole, made.roadshow, actor=who, at=at, reason=told, since=since)
    if as_json:
        from api.lineup_values import change_values

        say_json(change_values(made))
    else:
        show_change(roadshow, made, dry_run=dry_run)


def _edit(
    operation: Any, ids: Sequence[str] | None = None, *, given: list[str] | None = None, level: list[str] | None = None,
    must: list[str] | None = None, must_not: list[str] | None = None, **values: Any,
) -> "Edit":  # fmt: skip
    from matcher.roadshow_edits import Edit

    return Edit(
        operation=operation, ids=tuple(ids or ()), numbers=pairs(given, "--set"), levels=pairs(level, "--level"),
        must=tuple(must or ()), must_not=tuple(must_not or ()), **values,
    )  # fmt: skip


def _or_refuse(made: "Changed | Clash") -> "Changed":
    from matcher.lineup_conflicts import Clash

    if isinstance(made, Clash):
        say_error(made.problem.message, made.problem.remedy)
        settings = [
            f"--set {way.rule.about if way.rule.kind == 'coverage' else way.setting}={way.value}"
            for way in made.ways
            if way.value is not None
        ]
        if settings:
            say_aside(f"      即加 {'，或 '.join(settings[:4])}")
        raise typer.Exit(1)
    return made


def _live(engine: Any, roadshow: "Roadshow", today: date, also: Sequence[str] = ()) -> "Live":
    from matcher.roadshow_live import Live
    from matcher.roadshows import Roadshow, shown_before

    shown = shown_before(roadshow, engine.whole.processes(Roadshow))
    return Live(engine, roadshow, shown=shown, today=today, also=also)


def _tell(
    live: "Live", *, as_json: bool, notes: Sequence[str] = (), gap: float = 0.0, wanted: Sequence[str] | None = None
) -> None:  # fmt: skip
    if as_json:
        from api.lineup_values import live_values

        say_json(live_values(live, live.left_out(wanted)))
    else:
        from api.cli.lineup_pages import show_lineup

        show_lineup(live, live.left_out(), notes=notes, gap=gap)


def _version(roadshow: "Roadshow", number: int) -> "Version":
    if not 1 <= number <= len(roadshow.versions):
        has = (
            f"已发布 {len(roadshow.versions)} 版。"
            if roadshow.versions
            else f"还没有发布过；jiebang lineup release {roadshow.id}。"
        )
        refuse(f"{roadshow.id} 没有第 {number} 版。", has, code=1)
    return roadshow.versions[number - 1]


def _field(text: str | None) -> str:
    from graph.identifiers.fields import parse_fields
    from graph.problems import BadValue

    if text is None:
        return ""
    try:
        return parse_fields(text)[0]
    except BadValue as bad:
        refuse(f"--field：{bad.message}。", f"{bad.remedy}。")


def _ids(
    records: Any, kinds: tuple[str, ...], texts: Sequence[str] | None, *, on_stage: Sequence[str] = ()
) -> list[str]:
    """The ids as they are kept: without regard to width and capitals; unknown ones as written."""
    found = []
    for text in texts or ():
        ways = spellings(text)
        known = (id for id in ways if id in on_stage or any(records.get(kind, id) for kind in kinds))
        found.append(next(known, text.strip()))
    return found
