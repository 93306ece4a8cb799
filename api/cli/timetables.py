"""The timetable, the papers and the results of a roadshow: lineup timetable, export, results, follow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import AsJson, By, named_person, refuse, say_json, spellings
from api.cli.lineup import known_roadshow, lineup
from api.cli.proceedings import now, pairs, say_problems
from api.cli.screen import say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand

if TYPE_CHECKING:
    from matcher.grading import Rubric
    from matcher.roadshow_timetable import Kept
    from matcher.roadshows import Roadshow, ScoredRound
    from matcher.timetable import Programme, Span

_Id = Annotated[str, typer.Argument(metavar="路演编号", help="哪场路演；jiebang lineup list 列出。")]
_Out = Annotated[Path, typer.Option("--out", help="写到哪里。")]
_Many = list[str] | None
_PAPERS = "agenda 议程（.docx .xlsx .html .ics .svg），handbook 项目手册（.docx），marks 评委打分表（.xlsx），meetings 洽谈日程（.xlsx .docx .html .ics）"


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``lineup``, which ``app`` has."""
    for command in (timetable, export, results, follow):
        lineup.command(cls=ChineseCommand)(command)


def timetable(
    context: typer.Context,
    id: _Id,
    session: Annotated[_Many, typer.Option("--session", help="场次=时间@会场，如 上午场=2026-12-05 09:00-11:30@一号厅；=取消 则去掉。可多次。")] = None,
    pause: Annotated[_Many, typer.Option("--pause", help="场次=茶歇时间，几段用顿号隔开。")] = None,
    form: Annotated[str, typer.Option("--format", help="路演+答辩+换场的分钟数；不写则 8+7+2 或照旧。", show_default=False)] = "",
    judge: Annotated[_Many, typer.Option("--judge", help="场次=评委，几位用顿号隔开。")] = None,
    conflict: Annotated[_Many, typer.Option("--conflict", help="评委=有利害关系的成果编号或单位。")] = None,
    recuse: Annotated[_Many, typer.Option("--recuse", help="评委=回避的成果编号。")] = None,
    presenter: Annotated[_Many, typer.Option("--presenter", help="成果编号=路演人。")] = None,
    free: Annotated[_Many, typer.Option("--free", help="成果编号或评委=有空的时间，几段用顿号隔开；=无 则没空。")] = None,
    only: Annotated[_Many, typer.Option("--only", help="成果编号=只排在哪些场次。")] = None,
    before: Annotated[_Many, typer.Option("--before", help="成果编号=后面的成果编号，前者先上。")] = None,
    booked: Annotated[_Many, typer.Option("--booked", help="会场=时间 活动名称：会场已被别的活动占用。")] = None,
    level: Annotated[_Many, typer.Option("--level", help="规则=禁止、发布前须解决、提示或忽略。")] = None,
    lock: Annotated[_Many, typer.Option("--lock", help="锁定在现在的时段，写成果编号。")] = None,
    unlock: Annotated[_Many, typer.Option("--unlock", help="解除锁定，写成果编号。")] = None,
    place: Annotated[_Many, typer.Option("--place", help="成果编号=场次#序号：手工改到那里，原来在那里的换过来。")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="抽签的种子；换种子则重新抽签。", show_default=False)] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="从头排，不管已排的（锁定的除外）。")] = False,
    solve: Annotated[bool, typer.Option("--solve/--no-solve", help="重新求解，或只改内容、看冲突。")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只看结果，不记入。")] = False,
    as_json: AsJson = False,
    by: By = None,
) -> None:  # fmt: skip
    """排路演日程：先守规则，再少改动，次序按抽签；列出冲突，排不成时说明卡在哪几条、怎样代价最小。"""
    from matcher.roadshow_steps import with_plan, write
    from matcher.roadshow_timetable import placed_at, with_locks
    from matcher.timetable_conflicts import changes, changes_in_words, forbidden_by

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since, roadshow = store.revision(), known_roadshow(store, id)
        told = {
            "session": session, "pause": pause, "judge": judge, "conflict": conflict, "recuse": recuse, "presenter": presenter,
            "free": free, "only": only, "before": before, "booked": booked, "level": level,
        }  # fmt: skip
        given = {name: pairs(texts, f"--{name}") for name, texts in told.items()}
        old = _stored(store, roadshow)
        asked = bool(lock or unlock or place or form or fresh or seed is not None or any(given.values()))
        if old is not None and not asked:
            wanted = bool({pitch.id for pitch in old.programme.pitches} - set(old.places)) and solve
            if not wanted:
                _show(roadshow, old, as_json)
                return
        made = _told(store, roadshow, old, given, form, seed)
        made = with_locks(made, lock or (), unlock or ())
        for pitch, text in pairs(place, "--place").items():
            from api.timetable_forms import place_of

            if pitch not in {one.id for one in made.programme.pitches}:
                refuse(
                    f"台上没有“{pitch[:40]}”。", f"jiebang lineup show {roadshow.id} 列出台上的项目。", code=1
                )
            places = placed_at(made, pitch, place_of(text))
            if bad := forbidden_by(made.whole, made.places, places):
                refuse(f"不能这样改：{bad[0].message}。", "请换一个时段，或用 --level 放宽那条规则。", code=1)
            made = replace(made, places=places)
        if solve and not place:
            made = _solved(made, fresh or seed is not None)
        moved = changes(old.places, made.places) if old else ()
        if not dry_run:
            new = with_plan(roadshow, role="staff", at=now(), timetable=made.values)
            write(store, new, actor=named_person(by), at=now(), reason="排路演日程", since=since)
    _show(roadshow, made, as_json)
    if as_json:
        return
    if old is not None and old.places:
        say(f"与原来相比：{len(moved)} 处改动。")
        for line in changes_in_words(made.programme, moved):
            say(f"  {line}")
    if dry_run:
        say("以上只是试排，没有记入。去掉 --dry-run 正式记入。")
    else:
        say(f"下一步：jiebang lineup export {roadshow.id} agenda --out 议程.docx")


def export(
    context: typer.Context,
    id: _Id,
    paper: Annotated[str, typer.Argument(metavar="文书", help=_PAPERS)],
    out: _Out,
    audience: Annotated[str, typer.Option("--audience", help="写给谁看：public、partner 或 staff；不写则按路演的可见范围。", show_default=False)] = "",
    version: Annotated[int | None, typer.Option("--version", min=1, help="已发布的第几版；不写则现在的草稿。")] = None,
    criterion: Annotated[_Many, typer.Option("--criterion", help="打分表的评分项，写 名称=满分，合计 100，可多次。")] = None,
    number: Annotated[int | None, typer.Option("--round", min=1, help="打分表是第几轮的；不写则下一轮。", show_default=False)] = None,
    who: Annotated[str, typer.Option("--who", help="洽谈日程只给谁（.ics 必写）。", show_default=False)] = "",
    teams: Annotated[bool, typer.Option("--teams", help="洽谈日程按团队而不是按嘉宾分页。")] = False,
) -> None:  # fmt: skip
    """导出路演的文书：议程、项目手册、评委打分表、洽谈日程；只写所给对象看得到的内容。"""
    from api.output_files import check_target
    from api.roadshow_files import PAPERS, material, people_named, write_paper
    from graph.values import VISIBILITY_LABELS
    from matcher.roadshow_results import open_round

    names = {label: kind for kind, (label, _) in PAPERS.items()} | {"手册": "handbook", "打分表": "marks"}
    kind = names.get(paper.strip(), paper.strip())
    if kind not in PAPERS:
        refuse(f"没有“{paper[:30]}”这种文书。", f"可写：{_PAPERS}。")
    check_target(out, *PAPERS[kind][1])
    if audience and audience not in VISIBILITY_LABELS:
        refuse(f"看不懂 --audience {audience[:20]}。", f"请写 {'、'.join(VISIBILITY_LABELS)}。")
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        roadshow = known_roadshow(store, id)
        if version is not None and version > len(roadshow.versions):
            refuse(f"{roadshow.id} 没有第 {version} 版。", f"已发布 {len(roadshow.versions)} 版。", code=1)
        about = material(store, roadshow, audience, version)
    if about.timetable is None and kind in ("agenda", "marks"):
        refuse(
            f"{roadshow.id} 还没有排日程。",
            f"请先 jiebang lineup timetable {roadshow.id} --session …。",
            code=1,
        )
    marked = None
    if kind == "marks" and about.timetable is not None:
        rubric = _rubric(criterion) if criterion else None
        marked = open_round(roadshow, about.timetable, rubric, number=number)
    someone = people_named(about.meetings.day, [who])[0] if who and about.meetings else None
    write_paper(out, kind, about, stamp=now(), marked=marked, who=someone, side="team" if teams else "guest")
    said = f"第 {roadshow.draft} 稿" if about.values["is_draft"] else f"第 {about.values['version']} 版"
    if marked is not None and marked.number > 1:
        said += f"第 {marked.number} 轮"
    say(f"已写入 {roadshow.id} {said}的{PAPERS[kind][0]}：{out}")


def results(
    context: typer.Context,
    id: _Id,
    files: Annotated[list[Path] | None, typer.Argument(metavar="打分表…", help="评委交回的打分表，可几份一起；不写则看已记下的成绩。")] = None,
    criterion: Annotated[_Many, typer.Option("--criterion", help="评分项，与发出的打分表相同：名称=满分，可多次。")] = None,
    absent: Annotated[_Many, typer.Option("--absent", help="成果编号=原因：没有到场或迟到，不计分。")] = None,
    award: Annotated[_Many, typer.Option("--award", help="奖项=名额，按名次颁发，可多次，如 一等奖=1。")] = None,
    through: Annotated[int, typer.Option("--next", min=0, max=1000, help="前几名进入下一轮。")] = 0,
    number: Annotated[int | None, typer.Option("--round", min=1, help="第几轮；不写则接着已记下的。", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="同分抽签的种子；不写则用日程的。", show_default=False)] = None,
    mean: Annotated[bool, typer.Option("--mean", help="直接平均，不去掉最高分和最低分（评委不到三位时）。")] = False,
    later: Annotated[bool, typer.Option("--later", help="不是首轮（以前的轮次没有在这里记）：离题否决不再有效。")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="写成路演成绩（.xlsx）。")] = None,
    record: Annotated[bool, typer.Option("--record", help="记下这一轮的成绩和晋级，把奖项记入成果的获奖情况。")] = False,
    by: By = None,
) -> None:  # fmt: skip
    """算路演成绩：去掉最高最低分后平均（或 --mean 直接平均），同分按规则，离题否决的不计分；可记下成绩、晋级和奖项。"""
    from api.pitch_sheets import read_pitch_marks, write_results
    from api.roadshow_files import material
    from graph.problems import Problem, Refused
    from matcher.grading import Sheet
    from matcher.pitch_scoring import Award, Results, Veto, awarded
    from matcher.roadshow_results import Marks, open_round, scored, scored_round

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        since, roadshow = store.revision(), known_roadshow(store, id)
        if not files:
            _tell_kept(roadshow)
            return
        kept = material(store, roadshow).timetable
        if kept is None:
            refuse(
                f"{roadshow.id} 还没有排日程，不知道谁评谁。",
                f"请先 jiebang lineup timetable {roadshow.id} --session … --judge …。",
                code=1,
            )
        one = open_round(
            roadshow,
            kept,
            _rubric(criterion) if criterion else None,
            number=1 if later else number,
            seed=seed,
        )
        if later:
            one = replace(one, number=2)
        if mean:
            one = replace(one, average="mean")
        sheets, vetoes, problems = list[Sheet](), list[Veto](), list[Problem]()
        for file in files:
            some, said, wrong = read_pitch_marks(file, one)
            sheets, vetoes, problems = [*sheets, *some], [*vetoes, *said], [*problems, *wrong]
        marks = Marks(
            sheets=tuple(sheets), vetoes=tuple(vetoes), absent=_by_entry(one, pairs(absent, "--absent"))
        )
        try:
            found = problems or scored(one, marks)
        except Refused as refused:
            if refused.code != "grading_few":
                raise
            refuse(refused.message, "请补交打分表；评委不到三位的，加 --mean 直接平均。", code=1)
        if not isinstance(found, Results):
            say_problems(found)
            raise typer.Exit(1)
        prizes = [Award(title=name, number=_number(text)) for name, text in pairs(award, "--award").items()]
        given = {entry: prize.title for entry, prize in awarded(found, prizes)}
        made = scored_round(
            found, marks, prizes, through, by=named_person(by) if record else "", at=now()
        )  # fmt: skip
        _tell_results(found, given, through)
        if out:
            write_results(out, found, given)
            say(f"已写入 {out}")
        if record:
            _record(store, roadshow, made, since)


def follow(context: typer.Context, id: _Id, as_json: AsJson = False) -> None:
    """看获奖项目的后续：对接到了哪一步、多久没有新消息，最久的在前。"""
    from matcher.roadshow_results import followed_winners, winners

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        roadshow = known_roadshow(store, id)
        found = followed_winners(roadshow, store.outcomes(), now())
    won = winners(roadshow)
    if as_json:
        say_json(
            [
                {"id": one.achievement, "title": won[one.achievement][0].title, "award": won[one.achievement][0].award,
                 "stage": one.stage, "scene": one.scene, "last": one.last.isoformat() if one.last else None, "days": one.days}
                for one in found
            ]
        )  # fmt: skip
        return
    rows = [[one.achievement, won[one.achievement][0].title, won[one.achievement][0].award, one.text] for one in found]  # fmt: skip
    table(["编号", "项目", "奖项", "后续"], rows, [12, 36, 12, 44])
    say("记进展：jiebang outcome 场景编号 成果编号 阶段")


def _by_entry(one: Any, given: Mapping[str, str]) -> dict[str, str]:
    """What is said of pitches, by their ids however they were typed."""
    return {
        next((id for id in spellings(text) if id in one.entries), text): said for text, said in given.items()
    }


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1000:
        refuse(f"看不懂 --award 的名额“{text[:20]}”。", "请写 奖项=名额，如 一等奖=1。")
    return int(text)


def _tell_kept(roadshow: "Roadshow") -> None:
    """The rounds that were kept, and what comes next."""
    from matcher.roadshow_results import round_lines

    if not roadshow.rounds:
        say(
            f"{roadshow.id} 还没有记下成绩。记成绩：jiebang lineup results {roadshow.id} 打分表.xlsx --record"
        )
    for one in roadshow.rounds:
        for line in round_lines(one):
            say(line)


def _tell_results(found: Any, given: Mapping[str, str], through: int) -> None:
    say(f"{found.round.title} 成绩（{found.round.rules.text}）")
    rows = [
        [
            str(one.rank),
            one.entry,
            found.round.entries[one.entry],
            str(one.score),
            "，".join(filter(None, (given.get(one.entry, ""), "晋级" if place <= through else ""))),
            one.tie,
        ]
        for place, one in enumerate(found.standings, 1)
    ]
    table(["名次", "编号", "项目", "得分", "奖项", ""], rows, [4, 10, 40, 7, 12, 30])
    for one in found.fallen:
        say(f"没有成绩：“{found.round.entries[one.entry]}”（{one.entry}）：{one.reason}")


def _record(store: Any, roadshow: "Roadshow", one: "ScoredRound", since: int) -> None:
    """Keep the round, and put its awards into the achievements: one change."""
    from matcher.roadshow_results import results_kept
    from matcher.tasks import carry_out

    _, changes = results_kept(store, roadshow, one, role="staff", at=now(), pool=True)
    reason = f"路演 {roadshow.id} 第 {one.number} 轮成绩"
    done = carry_out(store, changes, actor=one.by, at=now(), reason=reason, since=since)
    new, awards = len(changes) - 1, sum(bool(ranked.award) for ranked in one.ranking)
    say(f"已记下第 {one.number} 轮成绩（第 {done.revision} 次改动）。")
    if awards:
        say(f"已把奖项记入 {new} 项成果。" if new else "这些奖项以前已经记过。")
        say(f"以后看获奖项目的后续：jiebang lineup follow {roadshow.id}")
    if any(ranked.through for ranked in one.ranking):
        say(
            f"下一轮的打分表：jiebang lineup export {roadshow.id} 打分表 --out 第{one.number + 1}轮打分表.xlsx"
        )


def _rubric(criteria: Sequence[str]) -> "Rubric":
    from decimal import InvalidOperation

    from matcher.grading import Criterion, Rubric

    found = []
    for name, text in pairs(criteria, "--criterion").items():
        try:
            found.append(Criterion(name=name, weight=Decimal(text)))
        except InvalidOperation:
            refuse(f"--criterion 里“{name}”的满分“{text[:20]}”不是数。", "请写 名称=满分，合计 100。")
    return Rubric(criteria=tuple(found))


def _stored(store: Any, roadshow: "Roadshow") -> "Kept | None":
    """The timetable as it is kept, beside the rooms that other roadshows have."""
    from api.roadshow_files import material
    from matcher.roadshow_timetable import booked_elsewhere
    from matcher.roadshows import Roadshow

    kept = material(store, roadshow).timetable
    others = booked_elsewhere(roadshow.id, store.processes(Roadshow))
    return replace(kept, elsewhere=others) if kept else None


def _told(
    store: Any,
    roadshow: "Roadshow",
    old: "Kept | None",
    given: Mapping[str, Mapping[str, str]],
    form: str,
    seed: int | None,
) -> "Kept":
    """The timetable with all that was said of it on the command line."""
    from api import timetable_forms as read
    from api.roadshow_files import material
    from matcher.lineup import lineup_policy
    from matcher.roadshow_timetable import booked_elsewhere, first_timetable
    from matcher.roadshows import Roadshow

    day = roadshow.day or (
        old.programme.sessions[0].span.start.date() if old and old.programme.sessions else None
    )
    new = {
        name: None if text == "取消" else read.session_of(name, text, day)
        for name, text in given["session"].items()
    }
    if old is None:
        if not new:
            refuse(f"{roadshow.id} 还没有场次。", '请加 --session "上午场=2026-12-05 09:00-11:30@一号厅"。')
        old = first_timetable(
            material(store, roadshow).values, read.format_of(form or lineup_policy()["slot"]), ()
        )
        old = replace(old, elsewhere=booked_elsewhere(roadshow.id, store.processes(Roadshow)))
    own = old.programme
    own = replace(
        own,
        format=read.format_of(form) if form else own.format,
        seed=own.seed if seed is None else seed,
        sessions=read.merged_sessions(own.sessions, new),
        levels={**own.levels, **read.levels_of(given["level"])},
        before=tuple(dict.fromkeys([*own.before, *given["before"].items()])),
        bookings=(
            *own.bookings,
            *(read.booking_of(room, text, day) for room, text in given["booked"].items()),
        ),
    )
    _known_sessions(own, [*given["pause"], *given["judge"]])
    own = replace(
        own,
        sessions=tuple(
            read.with_pauses(one, given["pause"][one.id]) if one.id in given["pause"] else one
            for one in own.sessions
        ),
    )
    own = read.with_judges(own, given["judge"])
    free = {name: read.spans_of(text, own.sessions[0].span.start.date() if own.sessions else day) for name, text in given["free"].items()}  # fmt: skip
    of_judges, of_pitches = _parted(own, free)
    own = read.of_judges(own, conflicts=given["conflict"], recused=given["recuse"], free=of_judges)
    own = read.of_pitches(own, presenters=given["presenter"], sessions=given["only"], free=of_pitches)
    ids = {one.id for one in own.sessions}
    places = {id: place for id, place in old.places.items() if place[0] in ids}
    return replace(old, programme=own, places=places, locked=old.locked & set(places))


def _parted(
    programme: "Programme", free: "Mapping[str, tuple[Span, ...]]"
) -> "tuple[dict[str, tuple[Span, ...]], dict[str, tuple[Span, ...]]]":
    judges = {one.name for one in programme.judges}
    return (
        {name: spans for name, spans in free.items() if name in judges},
        {name: spans for name, spans in free.items() if name not in judges},
    )


def _known_sessions(programme: "Programme", names: Sequence[str]) -> None:
    known = [one.id for one in programme.sessions]
    for name in names:
        if name not in known:
            refuse(f"没有场次“{name[:30]}”。", f"场次有：{'、'.join(known) or '（无）'}。", code=1)


def _solved(made: "Kept", fresh: bool) -> "Kept":
    from matcher.roadshow_timetable import solved

    kept, found = solved(made, fresh=fresh)
    if not found.proven:
        say(f"没有证明最优：还有 {found.hints} 处提示，最少不会低于 {found.hints_bound} 处。")
    return kept


def _show(roadshow: "Roadshow", kept: "Kept", as_json: bool) -> None:
    from api.roadshow_agenda import agenda, clock, session_lines
    from matcher.timetable import check

    if as_json:
        told = [
            {"rule": one.rule, "level": one.level, "message": one.message, "touches": list(one.touches)}
            for one in kept.conflicts
        ]
        say_json({"id": roadshow.id, **kept.values, "conflicts": told})
        return
    say(f"{roadshow.title}（{roadshow.id}）日程，抽签种子 {kept.programme.seed}")
    for session, lines in agenda(kept.programme, kept.places):
        say(f"{session.title}（{'；'.join(session_lines(kept.programme, session))}）")
        numbers = {id: str(number) for id, (at, number) in kept.places.items() if at == session.id}
        rows = [
            [numbers.get(one.pitch, ""), clock(one.span), one.pitch, one.what, one.who, one.institution, "锁" if one.pitch in kept.locked else one.judges]
            for one in lines
        ]  # fmt: skip
        table(["", "时间", "编号", "项目", "路演人", "单位", ""], rows, [2, 16, 10, 34, 10, 24, 12])
    say_problems(check(kept.programme))
    for remark in (*kept.gaps, *kept.few_judges):
        say(f"注意：{remark}。")
    found = kept.conflicts
    say(f"冲突 {len(found)} 处" + ("：" if found else "。"))
    for one in found:
        say(f"  {one.text}")
