"""Getting spreadsheets in and out: import, template, export."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.screen import say, say_aside, say_error
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from graph.feedback import Feedback, FeedbackKind
    from graph.intake.importing import ImportPlan, ImportResult
    from graph.kinds import Node
    from graph.problems import Problem
    from graph.relations import Edge
    from graph.store.snapshot import Snapshot

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    app.command("import")(import_)
    app.command()(template)
    app.command()(export)


def import_(
    context: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="文件",
            help="xlsx、csv 或 jsonl 文件，可以多个；前面可写类别，如 judgements（评级）、outcomes（对接结果）。",
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            help="表里是什么：场景、成果、企业、机构、经纪人、案例、关系、评级、对接结果 …；不写则按表头判断。"
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="指定列的含义，如 --map 甲方=建设单位，可多次。")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不写入。")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="有错误的行跳过，其余写入；不加则一行有错全部不写。")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="错误报告写到哪里（xlsx）；不写则放在数据目录。")
    ] = None,
    reason: Annotated[str, typer.Option(help="写入历史的事由。")] = "",
    actor: Annotated[str, typer.Option(envvar="JIEBANG_USER", help="写入历史的经办人。")] = "命令行",
    judge: Annotated[
        str, typer.Option("--judge", "--by", help="评级或对接结果没写是谁的，记为谁；不写则记为经办人。")
    ] = "",
) -> None:
    """导入表格：先核对，再整批写入；有错误则指出位置和改法。"""
    from api.output_files import check_target
    from graph.intake.importing import plan_import
    from matcher.case_steps import held_back

    settings: Settings = context.obj
    kind, files = _kind_and_files(kind, files)
    overrides = _overrides(mapping or [])
    if not actor.strip():
        say_error("--actor 后面没有内容。", "请写经办人的姓名；不写这个选项则记为“命令行”。")
        raise typer.Exit(2)
    if report is not None:
        check_target(report, ".xlsx")
    with settings.home.open_store(create=True) as store:
        plan = plan_import(
            list(files),
            store=store,
            at=datetime.now(UTC),
            kind=kind,
            overrides=overrides,
            actor=judge.strip() or actor.strip(),
            held=held_back,
        )
        _show_mapping(plan)
        _show_problems(plan)
        counts = plan.counts
        say(
            f"核对结果：新增 {counts.new}，更新 {counts.changed}，不变 {counts.unchanged}，有错的行 {counts.refused}，跳过的行 {counts.skipped}。"
        )
        if plan.errors or len(plan.problems) > _SHOWN or (plan.problems and report):
            _write_report(plan, report or settings.home.path / f"错误报告-{files[0].stem}.xlsx")
        if dry_run:
            say("试运行：没有写入任何内容。")
        elif plan.errors and not partial:
            say_error(
                "有错误，没有写入任何内容。", "请按提示修改后重新导入；或加 --partial 先写入没有错误的行。"
            )
        else:
            from api.showings import SHOWN_REASON

            names = "、".join(file.name for file in files)
            if reason.strip() == SHOWN_REASON:  # ``history`` leaves these out: no import may hide among them
                reason = f"导入 {names}（{SHOWN_REASON}）"
            result = plan.commit(store, actor=actor, reason=reason or f"导入 {names}", partial=partial)
            _show_written(plan, result)
    if plan.errors:
        raise typer.Exit(3 if partial and not dry_run else 1)


def _show_written(plan: "ImportPlan", result: "ImportResult") -> None:
    written = result.applied.added + result.applied.changed if result.applied else 0
    if written:
        say(f"已写入 {written} 条。" + ("有错的行没有写入。" if plan.errors else ""))
        if result.applied:
            revision = result.applied.revision
            say(f"这是第 {revision} 次改动。撤销：jiebang undo {revision}")
    elif plan.counts.unchanged or not plan.errors:
        say("没有改动：可以写入的内容与库中一致。")
    else:
        say("没有写入任何内容：没有一行是完好的。")


def template(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="类别",
            help="场景、成果、企业、机构、经纪人、案例、关系、评级、对接结果 …（或 scene 等英文名）。",
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="写到哪里，默认 模板-类别.xlsx。")] = None,
) -> None:
    """生成一张空白模板：表头、下拉选项、示例行和填写说明。"""
    from api.output_files import writing
    from graph.intake.targets import KIND_NAMES, kind_label
    from graph.intake.templates import write_template

    name = _kind(kind) or ""
    path = out or Path(f"模板-{kind_label(name) if name in KIND_NAMES else '未知'}.xlsx")
    with writing(path, ".xlsx"):
        write_template(name, path)
    say(f"模板已写到 {path}。示例行以“示例”开头，导入时自动跳过。")


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="文件", help="写到哪里：.xlsx、.csv 或 .jsonl。")],
    kind: Annotated[str | None, typer.Option(help="只导出一类；不写则全部（xlsx 每类一张表）。")] = None,
    audience: Annotated[
        str, typer.Option(help="给谁看：public 公开、partner 合作方、staff 内部。")
    ] = "staff",
) -> None:
    """导出数据；导出的文件（内部视角）可以原样再导入。"""
    from api.output_files import writing
    from graph.intake.exporting import write_edges, write_feedback, write_nodes
    from graph.intake.feedback_columns import FEEDBACK_WORDS
    from graph.intake.targets import RELATION
    from graph.relations import parse_kind
    from graph.store.audience import AudienceStore
    from graph.values import parse_visibility

    settings: Settings = context.obj
    wanted, who = _kind(kind), parse_visibility(audience)
    said_of = FEEDBACK_WORDS.get(wanted or "")
    if wanted not in (None, RELATION) and not said_of:
        parse_kind(wanted)
    if said_of and who != "staff":
        say_error("评级和对接结果只供内部。", "请去掉 --audience，或写 --audience staff。")
        raise typer.Exit(1)
    with writing(out, ".xlsx", ".csv", ".jsonl"), settings.home.open_store(create=False) as store:
        with (store if who == "staff" else AudienceStore(store, who)).snapshot() as now:
            nodes, edges, feedback = _chosen(now, wanted)
        if said_of:
            write_feedback(feedback, out, said_of)
        elif wanted == RELATION:
            write_edges(edges, out)
        elif wanted is not None:
            write_nodes(nodes, out, who)
        elif out.suffix.lower() == ".xlsx":
            write_nodes(nodes, out, who, edges=edges, feedback=feedback)
        else:
            say_error(f"一个 {out.suffix} 文件只能放一类记录。", "请改用 .xlsx，或用 --kind 指定一类。")
            raise typer.Exit(2)
    told = [f"{len(nodes)} 条记录"] if wanted != RELATION and not said_of else []
    told += [f"{len(edges)} 条关系"] if wanted in (None, RELATION) else []
    told += _counted(feedback, said_of)
    limit = "" if who == "staff" else "（只含对方可见的内容）"
    say(f"已导出 {'、'.join(told)}到 {out}{limit}。")


def _chosen(now: "Snapshot", wanted: str | None) -> tuple[list["Node"], list["Edge"], list["Feedback"]]:
    """What is wanted of the store; ``None`` wants everything."""
    from graph.feedback import FEEDBACK_LABELS
    from graph.intake.feedback_columns import JUDGEMENT, OUTCOME
    from graph.intake.targets import RELATION

    feedback: list[Feedback] = []
    if wanted in (None, JUDGEMENT):
        feedback += now.judgements()
    if wanted in (None, OUTCOME):
        feedback += now.outcomes()
    if wanted in FEEDBACK_LABELS:
        return [], [], feedback
    kind = None if wanted == RELATION else wanted
    return list(now.nodes(kind)), list(now.edges()) if kind is None else [], feedback


def _counted(feedback: Sequence["Feedback"], wanted: "FeedbackKind | None") -> list[str]:
    """How many judgements and outcomes there are; where none was asked for by name, those there are none of go unsaid."""
    from graph.feedback import FEEDBACK_LABELS

    numbers = {kind: sum(record.key[0] == kind for record in feedback) for kind in FEEDBACK_LABELS}
    if wanted:
        return [f"{numbers[wanted]} 条{FEEDBACK_LABELS[wanted]}"]
    return [f"{number} 条{FEEDBACK_LABELS[kind]}" for kind, number in numbers.items() if number]


def _kind(word: str | None) -> str | None:
    """A kind by its Chinese or English word, relations and feedback too; what is not known stays for who refuses it."""
    return None if word is None else _kind_words().get(word.strip(), word)


def _kind_words() -> dict[str, str]:
    from graph.intake.feedback_columns import FEEDBACK_WORDS
    from graph.intake.targets import RELATION, RELATION_LABEL
    from graph.relations import KIND_WORDS

    return {RELATION_LABEL: RELATION, RELATION: RELATION, **KIND_WORDS, **FEEDBACK_WORDS}


def _kind_and_files(word: str | None, files: list[Path]) -> tuple[str | None, list[Path]]:
    """The kind asked for and the files; the first of ``files`` is a kind's word if no file is called that."""
    first = str(files[0])
    if word is not None or first not in _kind_words() or files[0].exists():
        return _kind(word), files
    if len(files) == 1:
        say_error(f"{first} 后面没有写文件。", f"请写成 jiebang import {first} 文件.xlsx")
        raise typer.Exit(2)
    return _kind(first), files[1:]


def _overrides(mapping: list[str]) -> dict[str, str]:
    result = {}
    for entry in mapping:
        header, sign, target = entry.replace("＝", "=").partition("=")
        if not sign or not header.strip() or not target.strip():
            say_error(
                f"看不懂 --map {entry}", "请写成 --map 表里的列名=系统里的列名，例如 --map 甲方=建设单位"
            )
            raise typer.Exit(2)
        result[header.strip()] = target.strip()
    return result


def _show_mapping(plan: "ImportPlan") -> None:
    from graph.intake.targets import kind_label
    from graph.kinds import KINDS

    for planned in plan.tables:
        place = f"“{planned.table.sheet}”" if planned.table.sheet else planned.table.source
        if planned.mapping is None:
            say(f"{place}：未导入。")
            continue
        say(f"{place}：按“{kind_label(planned.mapping.kind)}”读取，{len(planned.table.rows)} 行")
        taken = [
            f"{c.header}→{c.label}" if c.header != c.label else c.header
            for c in planned.mapping.columns
            if c.attribute
        ]
        say("  列：" + "，".join(taken))
        for column in planned.mapping.columns:
            if not column.attribute:
                say(f"  未用：{column.header}（{column.reason}）")
        if planned.mapping.kind in KINDS and "visibility" not in planned.mapping.attributes:
            say("  没有“可见范围”列：新记录按“公开”保存（联系人和联系方式始终只供内部）。")


def _show_problems(plan: "ImportPlan") -> None:
    for title, severity in (("错误", "error"), ("提示", "warning")):
        problems = [problem for problem in plan.problems if problem.severity == severity]
        if problems:
            say(f"{title} {len(problems)} 处：")
        for problem in problems[:_SHOWN]:
            say(f"  {_line(problem)}")
        if len(problems) > _SHOWN:
            say(f"  ……另有 {len(problems) - _SHOWN} 处，见错误报告。")


def _line(problem: "Problem") -> str:
    place = f"{problem.place}：" if problem.place else ""
    return f"{place}{problem.message}。{problem.remedy}。"


def _write_report(plan: "ImportPlan", path: Path) -> None:
    from api.output_files import writing
    from graph.intake.error_report import write_error_report

    with writing(path):
        write_error_report(plan, path)
    say_aside(f"错误报告：{path}（出错的单元格已标色，可直接在上面修改后重新导入）")
