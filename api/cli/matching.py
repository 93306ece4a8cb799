"""The work itself: show and match."""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from api.cli.feedback import keep_shown, pairs_of
from api.cli.history import show_said
from api.cli.reasons import show_breakdown, show_policy
from api.cli.screen import moment, progress, say, say_error, table, width
from api.cli.tuning import opened_reading
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from graph.kinds import Node
    from matcher.engine import Engine
    from matcher.explanation import Explanation
    from matcher.filters import Filters
    from matcher.ranking import Match
    from matcher.reading import Reading


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command()(show)
    app.command()(match)


def show(
    context: typer.Context, id: Annotated[str, typer.Argument(metavar="编号", help="任何一类记录的编号。")]
) -> None:
    """显示一条记录：内容、关系和改动历史。"""
    from graph.intake.exporting import cell_text
    from graph.kinds import columns

    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        for node in _nodes_called(store, id):
            say(f"【{node.label}】{node.title}（{node.id}）")
            for name, about in columns(type(node)).items():
                if name not in ("id", "title") and (text := cell_text(node, name)):
                    say(f"  {about.label}：{text}")
            for edge in store.edges_of(node.kind, node.id):
                say(f"  关系：{_edge_text(store, edge)}")
            for entry in store.history_of(node.kind, node.id):
                did = "修改" if entry.before is not None else "新增"
                say(
                    f"  历史：{moment(entry.at)} {entry.actor} {did}：{entry.reason}（版本 {entry.revision}）"
                )
            show_said(store, node.kind, node.id, 20)


def match(
    context: typer.Context,
    id: Annotated[
        str | None, typer.Argument(metavar="编号", help="场景编号（或成果编号：为成果找场景）。")
    ] = None,
    text: Annotated[str | None, typer.Option("--text", help="不入库，直接用一段文字找成果。")] = None,
    all_scenes: Annotated[bool, typer.Option("--all", help="所有场景都排，须配合 --out。")] = False,
    kind: Annotated[
        str | None, typer.Option("--for", help="找什么：achievement 成果、scene 场景、enterprise 企业。")
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="取前几名。")] = 20,
    why: Annotated[bool, typer.Option("--why", help="逐项说明理由。")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
    out: Annotated[Path | None, typer.Option("--out", "--xlsx", help="写成 Excel 工作簿（.xlsx）。")] = None,
    brokers_for: Annotated[
        str | None, typer.Option("--brokers", help="成果编号：为“场景—成果”这一对推荐技术经纪人。")
    ] = None,
    field: Annotated[list[str] | None, typer.Option(help="只看某产业领域，可多次。")] = None,
    district: Annotated[list[str] | None, typer.Option(help="只看某区，可多次。")] = None,
    min_trl: Annotated[int, typer.Option(min=0, max=9, help="成熟度不低于（TRL）。")] = 0,
    ip: Annotated[list[str] | None, typer.Option(help="知识产权状态，如 已授权，可多次。")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="只看未到截止日期的场景。")] = False,
    audience: Annotated[
        str, typer.Option(help="只用谁能看到的内容来排：public 公开、partner 合作方、staff 内部。")
    ] = "staff",
    no_record: Annotated[bool, typer.Option("--no-record", help="只看，不记下展示了哪些。")] = False,
    reranker: Annotated[
        Path | None, typer.Option("--reranker", help="重排模型的文件夹：再逐对精读前 50 名，要慢几秒。")
    ] = None,
) -> None:
    """排出最合适的对象，最好的在前，并说明理由。"""
    if sum((id is not None, text is not None, all_scenes)) != 1 or (all_scenes and out is None):
        _refuse(
            "没有写明要为谁匹配，或写了不止一个。",
            '请写 场景编号（或成果编号）、--text "一段文字"、--all --out 文件.xlsx 三者之一。',
        )
    if sum((as_json, out is not None, brokers_for is not None)) > 1:
        _refuse("--json、--out、--brokers 不能同时使用。", "请只留一个。")
    if brokers_for is not None and kind is not None:
        _refuse("--brokers 和 --for 不能同时使用。", "请只留一个。")
    if reranker is not None and brokers_for is not None:
        _refuse("--brokers 和 --reranker 不能同时使用。", "请只留一个。")
    from graph.values import parse_visibility

    filters = _filters(field or [], district or [], min_trl, ip or [], open_only)
    who = parse_visibility(audience)
    subject = None if text is None else _written(text)
    if out is not None:
        from api.output_files import check_target

        check_target(out, ".xlsx")
    settings: Settings = context.obj
    reading = opened_reading(reranker)
    with settings.open_engine(audience=who) as engine:
        if all_scenes and out is not None:
            shown = _match_all(engine, kind, top, filters, out, reading)
            if not no_record:
                keep_shown(engine, shown)
            return
        node = subject or _stored(engine, (id or "").strip())
        if brokers_for is not None:
            _show_brokers(engine, node, brokers_for, top)
            return
        wanted = _kind(kind, node, read=reranker is not None)
        matches = _ranked(engine, node, wanted, top, filters, reading)
        explanations = engine.explain(node, matches)
        if as_json:
            _print_json(node, matches, explanations)
        elif out is not None:
            _write_workbook(out, [(matches, explanations)])
        else:
            show_matches(node, matches, explanations, why=len(matches) if why else 0)
        if subject is None and not no_record:
            keep_shown(engine, pairs_of(node, matches))


def show_matches(
    node: "Node", matches: Sequence["Match"], explanations: Sequence["Explanation"], *, why: int
) -> None:
    """The ranked list of ``node``; the first ``why`` with their full breakdown."""
    from graph.kinds import Scene
    from matcher.comparison import compare
    from matcher.engine import UNSAVED
    from matcher.ranker import LEVELS

    say(
        f"为{node.label}“{node.title}”{f'（{node.id}）' if node.id != UNSAVED else ''}找到 {len(matches)} 个："
    )
    if isinstance(node, Scene) and node.deadline and node.deadline < date.today():
        say(f"注意：该场景的截止日期 {node.deadline.isoformat()} 已过。")
    if isinstance(node, Scene) and node.status == "已落地":
        say("注意：该场景已落地。")
    if not matches:
        say("没有符合条件的对象；可以放宽筛选条件。")
        return
    columns = shutil.get_terminal_size((140, 24)).columns
    widths = [4, 6, 8, min(36, max(14, *(width(e.found.id) for e in explanations))), 36]
    widths.append(max(30, columns - sum(widths) - 2 * len(widths)))
    rows = [
        [str(m.rank), f"{m.score:.1f}", LEVELS[m.level], e.found.id, e.found.title, e.reason]
        for m, e in zip(matches, explanations, strict=True)
    ]
    table(["名次", "得分", "等级", "编号", "名称", "理由"], rows, widths)
    for position, explanation in enumerate(explanations[:why]):
        show_breakdown(matches[position], explanation)
        if position + 1 < len(explanations):
            say(f"  与下一名相比：{compare(explanation, explanations[position + 1])}")
    show_policy(explanations[:why])


def _match_all(
    engine: "Engine", kind: str | None, top: int, filters: "Filters", out: Path, reading: "Reading | None"
) -> dict[tuple[str, str], int]:
    """Write every scene's list; gives the pairs that stand in it, each with its rank."""
    scenes = list(engine.store.nodes("scene"))
    wanted = _kind(kind, scenes[0], read=reading is not None) if scenes else "achievement"
    shown: dict[tuple[str, str], int] = {}

    def results() -> Iterator[tuple[Sequence["Match"], Sequence["Explanation"]]]:
        with progress("逐个场景匹配") as report:
            for done, scene in enumerate(scenes, 1):
                matches = _ranked(engine, scene, wanted, top, filters, reading)
                report(done, len(scenes))
                shown.update(pairs_of(scene, matches))
                yield matches, engine.explain(scene, matches)

    _write_workbook(out, results())
    return shown


def _ranked(
    engine: "Engine", node: "Node", kind: str, top: int, filters: "Filters", reading: "Reading | None"
) -> list["Match"]:
    today = date.today()
    if reading is None:
        return engine.match(node, top=top, today=today, kind=kind, filters=filters)
    return reading.match(engine, node, top=top, today=today, kind=kind, filters=filters)


def _write_workbook(path: Path, results: Iterable[tuple[Sequence["Match"], Sequence["Explanation"]]]) -> None:
    from api.match_workbook import write_matches
    from api.output_files import writing

    with writing(path, ".xlsx"):
        rows = write_matches(path, results)
    say(f"已写入 {rows} 行到 {path}。")


def _print_json(node: "Node", matches: Sequence["Match"], explanations: Sequence["Explanation"]) -> None:
    from api.breakdown import breakdown

    found = [breakdown(match, why) for match, why in zip(matches, explanations, strict=True)]
    say(
        json.dumps(
            {"kind": node.kind, "id": node.id, "title": node.title, "matches": found},
            ensure_ascii=False,
            indent=1,
        )
    )


def _show_brokers(engine: "Engine", node: "Node", achievement_id: str, top: int) -> None:
    from graph.kinds import Achievement, Broker, Scene
    from matcher.brokers import rank_brokers

    remedy = "请写 jiebang match 场景编号 --brokers 成果编号。"
    if not isinstance(node, Scene):
        _refuse(f"“{node.id}”是{node.label}，不是场景。", remedy, code=1)
    achievement = engine.store.get("achievement", achievement_id.strip())
    if not isinstance(achievement, Achievement):
        _refuse(f"库中没有编号为“{achievement_id}”的成果。", remedy, code=1)
    brokers = [broker for broker in engine.store.nodes("broker") if isinstance(broker, Broker)]
    if not brokers:
        _refuse("库中没有技术经纪人。", "请先用 jiebang import 导入技术经纪人。", code=1)
    ranked = rank_brokers(
        node, achievement, brokers, engine.corpus, engine.network, top=top,
        outcomes=engine.store.outcomes(),
    )  # fmt: skip
    say(f"为“{node.title}”与“{achievement.title}”推荐技术经纪人：")
    rows = []
    for rank, found in enumerate(ranked, 1):
        parts = "，".join(f"{label} {points:.0f}" for label, points in found.parts.items() if points)
        ties = [f"关联：{conflict.path.text}" for conflict in found.conflicts if conflict.path]
        grounds = "；".join((*(f"注意：{note}" for note in found.notes), parts, *found.reasons, *ties))
        rows.append([str(rank), f"{found.score:.1f}", found.broker.title, found.broker.level, grounds])
    table(["名次", "得分", "姓名", "等级", "依据"], rows, [4, 6, 10, 16, 90])


def _written(text: str) -> "Node":
    from matcher.engine import written_scene

    if not text.strip():
        _refuse("--text 后面没有内容。", "请写一段描述需求的文字。")
    return written_scene(text)


def _stored(engine: "Engine", id: str) -> "Node":
    from graph.kinds import KINDS

    found = {node.kind: node for kind in KINDS if (node := engine.store.get(kind, id))}
    found = found or {node.kind: node for kind in KINDS if (node := engine.store.get(kind, id.upper()))}
    node = found.get("scene") or found.get("achievement")
    if node is None and found:
        label = next(iter(found.values())).label
        _refuse(f"“{id}”是{label}，不是场景或成果。", "请写场景编号或成果编号。", code=1)
    if node is None:
        _refuse(
            f"库中没有编号为“{id}”的场景或成果，或它不在这次的可见范围（--audience）之内。"
            if engine.audience != "staff"
            else f"库中没有编号为“{id}”的场景或成果。",
            "请核对编号；jiebang export 全部.xlsx 可以查看所有编号。",
            code=1,
        )
    return node


def _kind(word: str | None, node: "Node", *, read: bool = False) -> str:
    from graph.relations import parse_kind
    from matcher.ranking import COUNTERPARTS

    kind = parse_kind(word) if word else COUNTERPARTS[node.kind]
    if (node.kind, kind) not in {("scene", "achievement"), ("scene", "enterprise"), ("achievement", "scene")}:
        _refuse(
            f"不能为{node.label}找“{word}”。",
            "场景可以找成果（achievement）或企业（enterprise），成果可以找场景（scene）。",
        )
    if read and kind == "enterprise":
        _refuse("重排模型只会读“场景—成果”，不能用来找企业。", "请去掉 --reranker。")
    return kind


def _filters(
    fields: list[str], districts: list[str], min_trl: int, ip: list[str], open_only: bool
) -> "Filters":
    from graph.identifiers.districts import parse_district
    from graph.identifiers.fields import parse_fields
    from matcher.facts import IP_STATUSES
    from matcher.filters import Filters

    unknown = [status for status in ip if status not in IP_STATUSES]
    if unknown:
        _refuse(
            f"不认识的知识产权状态“{unknown[0]}”。", f"请从 {'、'.join(filter(None, IP_STATUSES))} 中选。"
        )
    return Filters(
        fields=[name for text in fields for name in parse_fields(text)],
        districts=[parse_district(text) for text in districts],
        min_trl=min_trl,
        ip_statuses=ip,
        open_on=date.today() if open_only else None,
    )


def _nodes_called(store: Any, id: str) -> list["Node"]:
    from graph.kinds import KINDS

    found = [node for kind in KINDS if (node := store.get(kind, id.strip()))]
    if not found:
        _refuse(f"库中没有编号为“{id}”的记录。", "请核对编号（注意大小写和全角、半角）。", code=1)
    return found


def _edge_text(store: Any, edge: Any) -> str:
    from graph.relations import RELATIONS

    ends = [
        store.get(kind, id)
        for kind, id in ((edge.source_kind, edge.source_id), (edge.target_kind, edge.target_id))
    ]
    return f"{ends[0].title} —{RELATIONS[edge.relation].label}→ {ends[1].title}"


def _refuse(message: str, remedy: str, *, code: int = 2) -> NoReturn:
    say_error(message, remedy)
    raise typer.Exit(code)
