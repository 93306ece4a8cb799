"""The case library: case new, from, list, show, edit, move, similar, export, history."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.case_pages import (
    CASE_JSON,
    say_case_moves,
    say_case_next,
    say_case_refused,
    say_case_state,
    show_case,
    show_similar,
    step_of,
)
from api.cli.feedback import AsJson, By, named_person, refuse, refuse_unknown, say_json, spellings
from api.cli.proceedings import now, pairs, refuse_field, say_problems
from api.cli.screen import moment, say, table
from api.cli.upkeep import Settings
from api.cli.usage import ChineseCommand, ChineseGroup

if TYPE_CHECKING:
    from graph.kinds import Case, Node
    from graph.store.store import Store
    from matcher.cases import CaseFile

cases = typer.Typer(
    name="case",
    cls=ChineseGroup,
    help="标杆案例：由结题的榜单或落地的对接起草、补填、审核、发布、退役；找相似案例；导出典型案例。",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Id = Annotated[str, typer.Argument(metavar="案例编号", help="哪个案例；jiebang case list 列出。")]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="填一项：项目=内容，可多次；项目就是案例表的列名，如 做法、成效指标。"),
]
_Form = Annotated[Path | None, typer.Argument(metavar="文件", help="填好的案例表（jiebang case template）。")]
_Audience = Annotated[str, typer.Option(help="只用谁能看到的内容：public 公开、partner 合作方、staff 内部。")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.add_typer(cases)


@cases.command(cls=ChineseCommand)
def template(
    context: typer.Context,
    id: Annotated[
        str, typer.Argument(metavar="案例编号", help="哪个案例：已有的内容先填好；不写则是空白的。")
    ] = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="写到哪里（.xlsx）；不写则为 案例表-编号.xlsx。")
    ] = None,
) -> None:
    """生成案例表：一项一行，成效指标一条一行；填好后 case edit 或 case new。"""
    from api.output_files import writing
    from api.process_forms import write_case_form

    file = None
    if id:
        settings: Settings = context.obj
        with settings.home.open_store(create=False) as store:
            file = known_case(store, id)
    path = out or Path(f"案例表-{_in_a_name(file.id)}.xlsx" if file else "案例表.xlsx")
    with writing(path, ".xlsx"):
        write_case_form(path, file)
    back = f"jiebang case edit {file.id} {path}" if file else f"jiebang case new {path}"
    say(f"已写好 {path}；填好后：{back}")


@cases.command(cls=ChineseCommand)
def new(
    context: typer.Context,
    form: _Form = None,
    given: _Set = None,
    scene: Annotated[str | None, typer.Option("--scene", help="关联库中的场景（编号）。")] = None,
    achievement: Annotated[str | None, typer.Option("--achievement", help="关联库中的成果（编号）。")] = None,
    by: By = None,
) -> None:
    """起草一个案例：用填好的表，或用 --set 逐项填（比表优先）；草稿别人看不到，也不影响排序。"""
    from matcher.case_steps import add_case

    who, values = named_person(by), _values(form, given)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        if scene:
            values["scene_id"] = _record(store, scene, ("scene",)).id
        if achievement:
            values["achievement_id"] = _record(store, achievement, ("achievement",)).id
        file = add_case(store, actor=who, at=now(), **values)
    _say_drafted(file)


@cases.command("from", cls=ChineseCommand)
def from_record(
    context: typer.Context,
    ids: Annotated[
        list[str], typer.Argument(metavar="编号", help="已结题的榜单编号；或已落地的场景编号和成果编号。")
    ],
    by: By = None,
) -> None:
    """由结题的榜单或落地的一对起草案例：库里知道的都填上，其余待补；承诺的指标不当作实测。"""
    from matcher.case_steps import case_from_pair, case_from_task
    from matcher.tasks import Task

    who = named_person(by)
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        if len(ids) == 2:
            pair = [
                _record(store, text, (kind,)).id
                for text, kind in zip(ids, ("scene", "achievement"), strict=True)
            ]
            file = case_from_pair(store, *pair, actor=who, at=now())
        elif len(ids) == 1:
            known = (id for id in spellings(ids[0]) if store.process(Task, id))
            file = case_from_task(store, next(known, ids[0].strip()), actor=who, at=now())
        else:
            refuse(
                "写了两个以上的编号。",
                "请写 jiebang case from 榜单编号，或 jiebang case from 场景编号 成果编号。",
            )
    _say_drafted(file)


@cases.command("list", cls=ChineseCommand)
def list_cases(
    context: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help="只列某个状态：草稿、审核、发布、退役。")
    ] = None,
    late: Annotated[bool, typer.Option("--late", help="只列超过办理时限的。")] = False,
    as_json: AsJson = False,
) -> None:
    """列出案例；用表格导入的算作已发布。"""
    from matcher.case_steps import all_cases
    from matcher.cases import LABELS

    names = {label: name for name, (label, _) in LABELS.items()} | {name: name for name in LABELS}
    if state is not None and state not in names:
        refuse(f"没有“{state}”这个状态。", f"可写：{'、'.join(label for label, _ in LABELS.values())}。")
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        found = all_cases(store)
    at = now()
    found = [
        file
        for file in found
        if (state is None or file.state == names[state])
        and (not late or (file.due is not None and file.due < at))
    ]
    if as_json:
        say_json(
            [
                {
                    name: getattr(file, name)
                    for name in ("id", "title", "state", "scene_id", "achievement_id", "editor")
                }
                for file in found
            ]
        )
    elif not found:
        say(
            "没有这样的案例。"
            if state or late
            else "还没有案例；jiebang case from 场景编号 成果编号 由落地的对接起草。"
        )
    else:
        rows = [
            [file.id, file.title, LABELS[file.state][0], file.scene_id, file.achievement_id, file.editor]
            for file in found
        ]
        table(["编号", "名称", "状态", "场景", "成果", "起草人"], rows, [14, 44, 6, 12, 12, 10])


@cases.command(cls=ChineseCommand)
def show(context: typer.Context, id: _Id, as_json: AsJson = False) -> None:
    """显示一个案例：内容、待补的项目、现在能办什么、别的为什么不能。"""
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        file = known_case(store, id)
    if as_json:
        from matcher.cases import lacking

        say_json(file.model_dump(mode="json", exclude=CASE_JSON) | {"lacking": lacking(file)})
        return
    show_case(file)
    say_case_moves(file, now())


@cases.command(cls=ChineseCommand)
def edit(
    context: typer.Context, id: _Id, form: _Form = None, given: _Set = None, by: By = None
) -> None:  # fmt: skip
    """补填或修改草稿：用填好的表（jiebang case template 案例编号），或用 --set 逐项；改了内容，建设单位的同意要重新取得。"""
    from matcher.case_steps import edit_case

    who, values = named_person(by), _values(form, given)
    if not values:
        refuse(
            "没有写要改什么。",
            f"请加 --set 项目=内容，例如 --set 可复制条件=单程三十公里以内；或填表：jiebang case template {id}。",
        )
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        before = known_case(store, id)
        file = edit_case(store, before.id, values, actor=who, at=now())
    say(f"已修改案例“{file.title}”（{file.id}）。")
    if before.consent and not file.consent:
        say("注意：内容改了，建设单位的同意已清空，请重新取得。")
    _say_lacking(file)
    say_case_next(file)


@cases.command(cls=ChineseCommand)
def move(
    context: typer.Context,
    id: _Id,
    step: Annotated[
        str,
        typer.Argument(
            metavar="步骤",
            help="送审、建设单位同意、退回、发布、撤回修改、退役、作废；不写则列出现在能办的。",
        ),
    ] = "",
    consent: Annotated[str, typer.Option("--consent", help="建设单位怎样同意：单位、日期、依据。")] = "",
    reason: Annotated[str, typer.Option("--reason", help="理由，记入历史。")] = "",
    role: Annotated[
        str,
        typer.Option(
            "--as", help="以什么身份办：editor 案例编辑、reviewer 审核人、owner 建设单位；不写按步骤。"
        ),
    ] = "",
    by: By = None,
) -> None:
    """办理一步；不写步骤则列出现在能办的和不能办的原因。"""
    from graph.problems import Refused
    from matcher.case_steps import move_case
    from matcher.cases import ROLES

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        file = known_case(store, id)
        if not step:
            say_case_state(file)
            say_case_moves(file, now())
            return
        chosen = step_of(file, step)
        values = {name: text for name, text in (("consent", consent), ("reason", reason)) if text.strip()}
        acting = role or next(one for one in ROLES if one in chosen.roles)
        try:
            file = move_case(
                store, file.id, chosen.name, role=acting, values=values, actor=named_person(by), at=now()
            )
        except Refused as refused:
            say_case_refused(file, chosen, refused)
            raise typer.Exit(1) from refused
    say(f"已办理“{chosen.label}”。")
    say_case_state(file)
    if file.state == "published":
        say("从现在起，它作为相似案例参与排序和理由；可见范围之内的人都看得到。")
    elif chosen.name in ("retire", "recall"):
        say("它已退出排序、图谱和案例清单。")
    say_case_next(file)


@cases.command(cls=ChineseCommand)
def similar(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="编号", help="场景编号、成果编号，或一对场景编号和成果编号。"),
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="不入库，直接写一段需求。")] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=50, help="最多列几个。")] = 5,
    audience: _Audience = "staff",
    as_json: AsJson = False,
) -> None:
    """找相似的已发布案例：哪里像、图谱上怎样相连、实测了什么。"""
    from graph.values import parse_visibility
    from matcher.engine import written_scene
    from matcher.similar_cases import similar_cases

    who = parse_visibility(audience)
    if bool(ids) == bool(text and text.strip()) or len(ids or ()) > 2:
        refuse(
            "没有写为什么找案例，或写了不止一样。", "请写场景编号、成果编号、一对编号，或 --text 一段需求。"
        )
    settings: Settings = context.obj
    with settings.open_engine(audience=who) as engine:
        asked = (
            [written_scene(text)]
            if text
            else [_record(engine.store, one, ("scene", "achievement")) for one in ids or ()]
        )
        if len({node.kind for node in asked}) < len(asked):
            refuse("一对应是一个场景和一项成果。", "请写 jiebang case similar 场景编号 成果编号。")
        found = similar_cases(
            engine.corpus, engine.network, asked, top=top, records=lambda key: engine.store.get(*key)
        )
    if as_json:
        from api.breakdown import case_breakdown

        say_json([case_breakdown(one) for one in found])
    else:
        show_similar(asked, found)


@cases.command(cls=ChineseCommand)
def export(
    context: typer.Context,
    id: _Id,
    out: Annotated[
        Path | None, typer.Option("--out", help="写到哪里（.docx）；不写则为 典型案例-编号.docx。")
    ] = None,
    audience: _Audience = "staff",
) -> None:
    """导出为典型案例文档；草稿也可以导出，会标明未发布，缺的内容写“待补”。"""
    from api.case_document import write_case
    from graph.store.audience import AudienceStore
    from graph.values import parse_visibility
    from matcher.cases import LABELS, PUBLISHED, case_of

    who, path = parse_visibility(audience), out
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        file = known_case(store, id)
        seen: Case | Node | None = AudienceStore(store, who).get("case", file.id)
        draft = "" if file.state == PUBLISHED else LABELS[file.state][0]
        if draft:
            if who != "staff":
                refuse(
                    f"案例 {file.id} 是“{draft}”，只能内部导出。",
                    "发布以后才能按合作方、公开的范围导出。",
                    code=1,
                )
            seen = case_of(file)
    from graph.kinds import Case as Record

    if not isinstance(seen, Record):
        refuse(f"案例 {file.id} 不在这次的可见范围之内。", "请换 --audience，或改案例的可见范围。", code=1)
    path = path or Path(f"典型案例-{_in_a_name(file.id)}.docx")
    write_case(path, seen, draft=draft)
    say(f"已写好 {path}。" + (f"这是{draft}，文中已标明未发布。" if draft else ""))


@cases.command(cls=ChineseCommand)
def history(context: typer.Context, id: _Id, as_json: AsJson = False) -> None:
    """一个案例的全部改动：谁、什么时候、办了哪一步；jiebang undo 可以撤销。"""
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        file = known_case(store, id)
        entries = [*store.history_of_process("case", file.id), *store.history_of("case", file.id)]
    # A step writes file and record in one revision: it is one line.
    by_revision = {entry.revision: entry for entry in sorted(entries, key=lambda entry: -entry.seq)}
    found = [by_revision[revision] for revision in sorted(by_revision)]
    if as_json:
        names = ("revision", "at", "actor", "reason")
        say_json([{name: getattr(entry, name) for name in names} for entry in found])
        return
    say(f"案例 {file.id} 的改动，最近的在前：")
    for entry in reversed(found):
        say(f"第 {entry.revision} 次改动 {moment(entry.at)} {entry.actor}：{entry.reason}")


def _in_a_name(id: str) -> str:
    return id.replace("/", "_").replace(":", "_")


def _values(form: Path | None, given: list[str] | None) -> dict[str, Any]:
    """What a form and the options say, by attribute; the options win."""
    values: dict[str, Any] = {}
    if form is not None:
        from api.process_forms import read_case_form

        read = read_case_form(form)
        if read.problems:
            say_problems(read.problems)
            refuse(f"“{form.name}”有 {len(read.problems)} 处要改，没有写入。", "改好后再运行一次。", code=1)
        values |= read.values
    return values | attributes(pairs(given, "--set"))


def attributes(given: dict[str, str]) -> dict[str, Any]:
    """Values by attribute from values by Chinese title (any header of the case sheet, or attribute), or the command ends."""
    from graph.kinds import Case, columns
    from matcher.cases import CONTENT

    known: dict[str, str] = {}
    for name, about in columns(Case).items():
        if name in CONTENT:
            known |= dict.fromkeys(
                (name, about.label, about.label.removesuffix("（万元）"), *about.aliases), name
            )
    known["背景与需求"] = "summary"
    if unknown := [name for name in given if name not in known]:
        labels = [about.label for name, about in columns(Case).items() if name in CONTENT]
        refuse_field(unknown[0], labels)
    return {known[name]: value for name, value in given.items()}


def known_case(store: "Store", text: str) -> "CaseFile":
    """The case so called, or the command ends."""
    from matcher.case_steps import all_cases, found_case

    for id in spellings(text):
        if file := found_case(store, id):
            return file
    near = [file.id for file in all_cases(store) if file.id.endswith(f"-{text.strip()}")]
    hint = f"你是否想写 {'、'.join(near)}？" if near else "jiebang case list 列出全部案例。"
    refuse(f"没有编号为“{text.strip()}”的案例。", hint, code=1)


def _record(store: "Store", text: str, kinds: Sequence[str]) -> Any:
    for id in spellings(text):
        for kind in kinds:
            if node := store.get(kind, id):
                return node
    refuse_unknown(store, text, list(kinds))


def _say_drafted(file: "CaseFile") -> None:
    say(f"已起草案例“{file.title or '（待补名称）'}”，编号 {file.id}；发布之前别人看不到，也不影响排序。")
    _say_lacking(file)
    say_case_next(file)


def _say_lacking(file: "CaseFile") -> None:
    from matcher.cases import lacking

    if missing := lacking(file):
        say(f"待补 {len(missing)} 项：{'；'.join(missing)}。")
    else:
        say("内容已齐。")
