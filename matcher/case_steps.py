"""Steps of a case written to the store: file and record together, one batch each, or nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from graph.kinds import Case, Node
from graph.problems import Problem, Refused
from graph.processes import OpenMove, moved, moves_from, opened
from graph.store.changes import Change, PutNode, PutProcess, RemoveNode
from graph.store.snapshot import Snapshot
from graph.store.store import Store
from matcher.case_drafts import new_case, values_of_pair, values_of_task
from matcher.cases import (
    CONTENT,
    LABELS,
    PUBLISHED,
    RETIRED,
    CaseFile,
    case_of,
    case_rules,
    content_of,
)
from matcher.process_values import to_the_second
from matcher.tasks import carry_out

_PREFIX = "AL"


def found_case(now: Snapshot | Store, id: str) -> CaseFile | None:
    """The case file of an id; of a published case with what its record says now.

    A record that came by a sheet or from a partner has no file yet: it counts as published when it came.
    """
    file, record = now.process(CaseFile, id), now.get(Case.kind, id)
    if not isinstance(record, Case):
        return file
    if file is not None:
        return file.model_copy(update=content_of(record)) if file.state == PUBLISHED else file
    at = datetime.fromisoformat(now.history_of(Case.kind, id)[0].at)
    draft = opened(CaseFile, case_rules(), id=id, at=at)
    return draft.model_copy(
        update={**content_of(record), "state": PUBLISHED, "due": None, "published_at": to_the_second(at)}
    )


def all_cases(now: Snapshot | Store) -> list[CaseFile]:
    """Every case file by id, those of records without one among them."""
    ids = {file.id for file in now.processes(CaseFile)} | {node.id for node in now.nodes(Case.kind)}
    return [file for id in sorted(ids) if (file := found_case(now, id)) is not None]


def add_case(store: Store, *, actor: str, at: datetime, id: str = "", **values: Any) -> CaseFile:
    """Put a new draft under the next free number, or under ``id``. Raises ``Refused`` (``case_exists``, ``plan_stale``)."""
    with store.snapshot() as now:
        revision = now.revision
        taken = {file.id for file in now.processes(CaseFile)} | {node.id for node in now.nodes(Case.kind)}
    if id in taken:
        raise Refused("case_exists", f"已有编号为“{id}”的案例。", "请换一个编号，或不写编号由程序编号。")
    file = new_case(id or _next_id(taken, at), at=at, editor=actor, **values)
    told = f"起草案例 {file.id}"
    carry_out(store, [PutProcess(process=file)], actor=actor, at=at, reason=told, since=revision)
    return file


def case_from_pair(
    store: Store, scene: str, achievement: str, *, actor: str, at: datetime, id: str = ""
) -> CaseFile:
    """Draft the case of a pairing that landed. Raises ``Refused`` as ``values_of_pair``, and ``case_exists``."""
    with store.snapshot() as now:
        values = values_of_pair(now, scene, achievement)
        _none_yet(now, lambda file: (file.scene_id, file.achievement_id) == (scene, achievement))
    return add_case(store, actor=actor, at=at, id=id, **values)


def case_from_task(store: Store, task: str, *, actor: str, at: datetime, id: str = "") -> CaseFile:
    """Draft the case of a concluded task. Raises ``Refused`` as ``values_of_task``, and ``case_exists``."""
    with store.snapshot() as now:
        values = values_of_task(now, task)
        _none_yet(now, lambda file: file.task == task)
    return add_case(store, actor=actor, at=at, id=id, **values)


def edit_case(store: Store, id: str, values: Mapping[str, Any], *, actor: str, at: datetime) -> CaseFile:
    """Change what a draft says; consent given to other words is gone. Raises ``Refused`` as ``move_case``."""
    return move_case(store, id, "amend", role="editor", values=values, actor=actor, at=at)


def move_case(
    store: Store, id: str, name: str, *, role: str, values: Mapping[str, Any], actor: str, at: datetime
) -> CaseFile:
    """Make a move of a case, its record put into the store or taken out with it.

    What a move always tells (who, when) is added here. Raises ``Refused``: ``case_unknown``, what the move refuses,
    ``plan_stale``.
    """
    with store.snapshot() as now:
        revision, before = now.revision, found_case(now, id)
        record = now.get(Case.kind, id)
    if before is None:
        raise Refused("case_unknown", f"没有编号为“{id[:40]}”的案例。", "jiebang case list 列出全部案例。")
    given = {**_usual(before, name, values, actor, at), **values}
    after = moved(before, case_rules(), name, role=role, at=at, values=given)
    changes: list[Change] = [PutProcess(process=after)]
    if after.state == PUBLISHED:
        changes.append(PutNode(node=case_of(after)))
    elif before.state == PUBLISHED and record is not None:
        changes.append(RemoveNode(kind=Case.kind, id=id))
    why = str(given.get("reason", ""))
    told = f"案例 {id} {case_rules().moves[name].label}" + (f"：{why}" if why else "")
    carry_out(store, changes, actor=actor, at=at, reason=told, since=revision)
    return after


def case_moves(file: CaseFile, *, role: str, at: datetime, actor: str) -> list[OpenMove]:
    """Every move by a role with what stands in its way; who and when are taken as given."""
    rules = case_rules()
    found = []
    for name in rules.moves:
        values = _usual(file, name, {}, actor, at)
        found += [
            one for one in moves_from(file, rules, role=role, at=at, values=values) if one.move.name == name
        ]
    return found


def held_back(now: Snapshot | Store, record: Node) -> Problem | None:
    """Why a case may not be put under its id: a file holds it that is not published. None: it may, and so may other kinds.

    A sheet handed in again must not bring back what was retired, nor publish a draft around its review.
    """
    id = record.id
    file = now.process(CaseFile, id) if isinstance(record, Case) else None
    if file is None or file.state == PUBLISHED:
        return None
    label = LABELS[file.state][0]
    remedy = (
        "退役的案例不能靠导入恢复；误退役的请用 jiebang undo 撤销那次改动"
        if file.state == RETIRED
        else f"请用 jiebang case edit {id} 修改、jiebang case move {id} 办理，或换一个编号"
    )
    return Problem(
        code="case_not_published", message=f"案例“{id}”现在是“{label}”，不能直接写入", remedy=remedy
    )


def _usual(file: CaseFile, name: str, values: Mapping[str, Any], actor: str, at: datetime) -> dict[str, Any]:
    """What a move is always told: who makes it, when, and that consent to other words is gone."""
    match name:
        case "amend":
            changed = any(values[one] != getattr(file, one) for one in values if one in CONTENT)
            return {"editor": actor} | (
                {"consent": "", "consented_at": None} if changed and file.consent else {}
            )
        case "consent":
            return {"consented_at": to_the_second(at)}
        case "publish":
            return {"reviewer": actor, "published_at": to_the_second(at)}
        case "recall":
            return {"consent": "", "consented_at": None}
    return {}


def _next_id(taken: set[str], at: datetime) -> str:
    """The first number of the year that neither a file nor a record has: ``AL-2026-001``."""
    start = f"{_PREFIX}-{at.year}-"
    numbers = [int(rest) for id in taken if (rest := id.removeprefix(start)) != id and rest.isdecimal()]
    return f"{start}{max(numbers, default=0) + 1:03d}"


def _none_yet(now: Snapshot, same: Callable[[CaseFile], bool]) -> None:
    """Raises ``Refused`` (``case_exists``) where a case of the same is there and not retired."""
    for file in all_cases(now):
        if file.state != RETIRED and same(file):
            label = LABELS[file.state][0]
            raise Refused(
                "case_exists",
                f"已有案例 {file.id}（{label}）写的是同一件事。",
                f"请接着办这一个：jiebang case show {file.id}。",
            )
