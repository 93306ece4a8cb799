"""What was changed, by whom and why, and taking it back: history, undo."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.feedback import (
    AsJson,
    By,
    kind_label,
    meant,
    named_person,
    refuse,
    refuse_unknown,
    say_json,
    spellings,
)
from api.cli.screen import fitted, moment, say, table
from api.cli.upkeep import Settings

if TYPE_CHECKING:
    from graph.feedback import Judgement, Outcome
    from graph.store.history import Entry, Revision
    from graph.store.store import Store

_CELL = 60


def register(app: typer.Typer) -> None:
    """Add the commands of this file to ``app``."""
    for command in (history, undo):
        app.command()(command)


def history(
    context: typer.Context,
    which: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[类型] 编号", help="一条记录（类型可不写）；都不写则列出最近的改动。", show_default=False
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="最多列出多少次改动。")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="连同匹配时自动记下的展示一起列出。")] = False,
    as_json: AsJson = False,
) -> None:
    """看改动历史：最近谁在什么时候改了什么、为什么；写编号则看一条记录的历次改动。"""
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        if which:
            _show_record_history(store, which, limit, as_json)
            return
        found, hidden = _revisions(store, limit, everything)
        did = [_did(store, revision) for revision in found]
    if as_json:
        say_json({"revisions": [asdict(revision) for revision in found], "hidden": hidden})
    elif not found and not hidden:
        say("还没有写入过数据。")
    else:
        rows = [
            [str(r.revision), moment(r.at), r.actor, done, r.reason]
            for r, done in zip(found, did, strict=True)
        ]
        table(["修订号", "时间", "经办人", "改动", "事由"], rows, [6, 19, 12, 28, 40])
        if hidden:
            say(f"另有 {hidden} 次是匹配时自动记下的展示，没有列出（--all 列出）。")
        say("撤销其中一次：jiebang undo 修订号 --reason 原因")


def undo(
    context: typer.Context,
    revision: Annotated[
        int, typer.Argument(min=1, metavar="修订号", help="撤销哪一次改动；用 jiebang history 查看。")
    ],
    reason: Annotated[str, typer.Option(help="为什么撤销，记入历史。")] = "",
    by: By = None,
) -> None:
    """撤销一次改动（导入、评级、结果都可以）：那次改到的记录恢复原样；历史仍保留。"""
    who = named_person(by)
    why = f"撤销第 {revision} 次改动" + (f"：{reason.strip()}" if reason.strip() else "")
    settings: Settings = context.obj
    with settings.home.open_store(create=False) as store:
        before = store.revision()
        applied = store.undo(revision, actor=who, at=datetime.now(UTC), reason=why)
    if applied.revision == before:
        say(f"没有变化：第 {revision} 次改动的记录已经是原样。")
        return
    counts = ((applied.removed, "去掉新增的"), (applied.changed, "改回原样的"), (applied.added, "恢复删除的"))
    did = "，".join(f"{label} {count} 条" for count, label in counts if count)
    say(f"已撤销第 {revision} 次改动：{did}。若要反悔：jiebang undo {applied.revision}。")
    if not settings.home.models.is_dir() or not any(settings.home.models.iterdir()):
        return
    say(
        "已学得的排序模型不会自动改变：如果它学过这次撤销的评级或结果，请重新学习（jiebang learn），"
        "或退回上一个模型（jiebang models rollback）。"
    )


def _revisions(store: "Store", limit: int, everything: bool) -> tuple[list["Revision"], int]:
    """The last ``limit`` revisions worth telling, newest first, and how many of being shown were passed over."""
    from api.showings import SHOWN_REASON

    asked = limit
    while True:
        last = store.revisions(asked)
        told = [r for r in last if everything or r.reason != SHOWN_REASON][:limit]
        if len(told) == limit or len(last) < asked:
            oldest = told[-1].revision if len(told) == limit else 0
            return told, sum(r.revision > oldest for r in last if r not in told)
        asked *= 4


def _did(store: "Store", revision: "Revision") -> str:
    """What a batch changed, by kind of record."""
    from graph.feedback import FEEDBACK_LABELS

    nouns = {"node": "记录", "edge": "关系", "process": "流程"}
    told = []
    for action, count in revision.counts.items():
        verb, what = action.split("_")
        did = "写入" if verb == "put" else "删除"
        if what != "feedback":
            told.append(f"{did}{nouns[what]} {count}")
            continue
        kinds = store.feedback_kinds(revision.revision, action)
        told += [f"{did}{FEEDBACK_LABELS[kind]} {number}" for kind, number in kinds.items()]
    return "，".join(told)


def _show_record_history(store: "Store", which: Sequence[str], limit: int, as_json: bool) -> None:
    from graph.relations import parse_kind

    if len(which) > 2:
        refuse("写了不止一条记录。", "请写 jiebang history 编号，或 jiebang history 类型 编号。")
    kinds = [meant(parse_kind, which[0])] if len(which) == 2 else None
    kind, id, entries = _entries(store, which[-1], kinds)
    if as_json:
        names = ("revision", "at", "actor", "action", "reason", "before", "after")
        rows = [{name: getattr(entry, name) for name in names} for entry in entries[-limit:]]
        said = [{name: getattr(e, name) for name in names} for e in said_of(store, kind, id)]
        say_json({"kind": kind, "id": id, "history": rows, "feedback": said})
        return
    say(f"{kind_label(kind)} {id} 的改动，最近的在前：")
    for entry in reversed(entries[-limit:]):
        did = "删除" if entry.after is None else "新增" if entry.before is None else "修改"
        say(f"第 {entry.revision} 次改动 {moment(entry.at)} {entry.actor} {did}：{entry.reason}")
        for line in _differences(kind, entry.before, entry.after):
            say(f"  {line}")
    if len(entries) > limit:
        say(f"更早的还有 {len(entries) - limit} 次（--limit 可以多列）。")
    show_said(store, kind, id, limit)


def said_of(store: "Store", kind: str, id: str) -> list["Entry"]:
    """The changes of the judgements and outcomes that stand on a scene or achievement, oldest first."""
    if kind not in ("scene", "achievement"):
        return []
    scene = id if kind == "scene" else None
    records: list[Judgement | Outcome] = [*store.judgements(scene), *store.outcomes(scene)]
    keys = [record.key for record in records if id == getattr(record, kind)]
    return sorted((e for key in keys for e in store.history_of_feedback(key)), key=lambda e: e.seq)


def show_said(store: "Store", kind: str, id: str, limit: int) -> None:
    """What people said of a scene or achievement, the latest first; what a match recorded only as a number."""
    from api.showings import SHOWN_REASON
    from graph.feedback import FEEDBACK_LABELS

    said = said_of(store, kind, id)
    told = [entry for entry in said if entry.reason != SHOWN_REASON]
    if told:
        say("评级和对接结果，最近的在前：")
    for entry in reversed(told[-limit:]):
        feedback, scene, achievement = list(entry.key)[:3]
        did = "删除" if entry.after is None else "新增" if entry.before is None else "修改"
        other = achievement if kind == "scene" else scene
        label = FEEDBACK_LABELS[feedback]
        say(
            f"第 {entry.revision} 次改动 {moment(entry.at)} {entry.actor} {did}{label}（{other}）："
            f"{_said_text(entry.after or entry.before or {})}"
        )
    if len(told) > limit:
        say(f"更早的还有 {len(told) - limit} 条（--limit 可以多列）。")
    if len(said) > len(told):
        say(f"另有 {len(said) - len(told)} 条是匹配时自动记下的展示，没有列出。")


def _said_text(values: dict[str, Any]) -> str:
    from graph.feedback import LEVEL_LABELS, STAGES

    reason = f"，{values['reason']}" if values.get("reason") else ""
    if "level" in values:
        return f"{values['judge']} 评为 {values['level']} 级（{LEVEL_LABELS[values['level']]}）{reason}"
    return f"{STAGES[values['stage']]}（{values['by']}）{reason}"


def _entries(store: "Store", text: str, kinds: Sequence[str] | None) -> tuple[str, str, list["Entry"]]:
    """The changes of the one record called so, also if it is gone; ends the command where there is none."""
    from graph.kinds import KINDS

    for id in spellings(text):
        for kind in kinds or KINDS:
            if entries := store.history_of(kind, id):
                return kind, id, entries
    refuse_unknown(store, text, kinds or list(KINDS))


def _differences(kind: str, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Iterator[str]:
    """Of a change of a record each column that differs, from what to what."""
    from graph.intake.exporting import cell_text
    from graph.kinds import KINDS, columns
    from graph.store.records import canonical, node_from

    if before is None or after is None:
        return
    old, new = (node_from(kind, canonical(values)) for values in (before, after))
    for name, about in columns(KINDS[kind]).items():
        texts = [fitted(cell_text(node, name) or "（空）", _CELL).rstrip() for node in (old, new)]
        if before.get(name) != after.get(name):
            say_it = " → ".join(texts) if texts[0] != texts[1] else f"{texts[0]}（后面的文字有改动）"
            yield f"{about.label}：{say_it}"
