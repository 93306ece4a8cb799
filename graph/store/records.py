"""Records as text and back: canonical JSON, digests, nodes, edges, feedback, processes."""

import hashlib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from graph.feedback import FEEDBACK, FEEDBACK_LABELS, STAGES, Feedback, FeedbackKind
from graph.kinds import KINDS, Node
from graph.problems import Refused
from graph.processes import Process
from graph.relations import RELATIONS, Edge
from graph.store.changes import EdgeKey, NodeKey, RecordKey
from graph.store.moments import moment_from, moment_text

P = TypeVar("P", bound=Process)


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, Chinese as itself; NaN raises ``ValueError``."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(text: str) -> str:
    """SHA-256 of the text as UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def node_text(node: Node) -> str:
    """The node as canonical JSON; attributes at their default are left out."""
    return canonical(node.model_dump(mode="json", exclude_defaults=True))


def edge_text(key: EdgeKey, note: str) -> str:
    """The edge as canonical JSON; an empty note is left out."""
    source_kind, source_id, relation, target_kind, target_id = key
    parts = {
        "source_kind": source_kind,
        "source_id": source_id,
        "relation": relation,
        "target_kind": target_kind,
        "target_id": target_id,
    }
    return canonical({**parts, "note": note} if note else parts)


def node_from(kind: str, text: str) -> Node:
    """The node of a stored text.

    The rules of cells are for the door: what was let in is read back by its bare types, so that a
    rule made stricter later does not lock people out of their own data, and a list entry with a
    space in it is not split again. Raises ``Refused`` for a kind or text this version cannot read.
    """
    if kind not in KINDS:
        raise Refused("store_newer", f"数据库里有本版本不认识的类型“{kind}”。", "请升级揭榜后再打开。")
    values = _values(KINDS[kind], KINDS[kind].label, text)
    return KINDS[kind].model_construct(_fields_set=set(values), **values)


def feedback_text(record: Feedback) -> str:
    """The judgement or outcome as canonical JSON; attributes at their default are left out."""
    return canonical(record.model_dump(mode="json", exclude_defaults=True))


def feedback_from(kind: FeedbackKind, text: str) -> Feedback:
    """The judgement or outcome of a stored text, read like ``node_from``. Raises ``Refused`` likewise."""
    model, label = FEEDBACK[kind], FEEDBACK_LABELS[kind]
    values = _all_values(model, label, text)
    values["at"] = values["at"].astimezone(UTC)
    return model.model_construct(_fields_set=set(values), **values)


def process_text(process: Process) -> str:
    """The process as canonical JSON; attributes at their default are left out."""
    return canonical(process.model_dump(mode="json", exclude_defaults=True))


def process_from(kind: type[P], text: str) -> P:
    """The process of a stored text, read like ``node_from``, its times as UTC. Raises ``Refused`` likewise."""
    values = _all_values(kind, kind.label, text)
    moments = {name: value for name, value in values.items() if isinstance(value, datetime)}
    values.update((name, moment.astimezone(UTC)) for name, moment in moments.items())
    return cast(P, kind.model_construct(_fields_set=set(values), **values))


def process_copies(text: str) -> dict[str, str | None]:
    """What a process's row repeats of its text, for queries: state, partner, due."""
    values = json.loads(text)
    due = values.get("due")
    return {
        "state": values["state"],
        "partner": values.get("partner", ""),
        "due": None if due is None else moment_text(moment_from(due)),
    }


def edge_from(key: EdgeKey, note: str) -> Edge:
    """The edge of a stored row."""
    source_kind, source_id, relation, target_kind, target_id = key
    return Edge.model_construct(
        source_kind=source_kind,
        source_id=source_id,
        relation=relation,
        target_kind=target_kind,
        target_id=target_id,
        note=note,
    )


def key_text(key: RecordKey) -> str:
    """A record's key as the history keeps it: a JSON list of 2 (node), 5 (edge), 4 (feedback) or 3 (process) texts."""
    return canonical(list(key))


def key_from(text: str) -> RecordKey:
    """The key of ``key_text``."""
    parts: RecordKey = tuple(json.loads(text))
    return parts


def named(key: RecordKey, missing: Collection[NodeKey] = ()) -> str:
    """A record as people call it, in Chinese; nodes of it that are ``missing`` are marked."""
    if len(key) == 2:
        return _named_node(key, missing)
    if len(key) == 5:
        label = RELATIONS[key[2]].label if key[2] in RELATIONS else key[2]
        return f"{_named_node(key[:2], missing)} —{label}→ {_named_node(key[3:], missing)}"
    if len(key) == 3:
        return f"流程 {key[1]} {key[2]}"
    kind, scene, achievement, mark = key
    stages = {str(stage): label for stage, label in STAGES.items() if kind == "outcome"}
    pair = f"{_named_node(('scene', scene), missing)} 与 {_named_node(('achievement', achievement), missing)}"
    stage, _, partner = mark.partition("@") if kind == "outcome" else (mark, "", "")
    told = stages.get(stage, stage) + (f"，{partner}" if partner else "")
    return f"{pair} 的{FEEDBACK_LABELS.get(kind, kind)}（{told}）"


def _named_node(key: NodeKey, missing: Collection[NodeKey]) -> str:
    kind, id = key
    label = KINDS[kind].label if kind in KINDS else kind
    return f"{label} {id}" + ("（不存在）" if key in missing else "")


def _values(model: type[BaseModel], label: str, text: str) -> dict[str, Any]:
    try:
        return _bare(model).validate_json(text)
    except ValidationError as error:
        where = "、".join(str(e["loc"][0]) for e in error.errors() if e["loc"])
        raise _unreadable(label, where or text[:40]) from error


def _all_values(model: type[BaseModel], label: str, text: str) -> dict[str, Any]:
    values = _values(model, label, text)
    if lacking := [n for n, about in model.model_fields.items() if about.is_required() and n not in values]:
        raise _unreadable(label, "、".join(lacking))
    return values


def _unreadable(label: str, where: str) -> Refused:
    return Refused(
        "record_unreadable",
        f"数据库里有一条{label}记录读不出来（{where}）。",
        "请先核验历史（verify），必要时用备份恢复。",
    )


@cache
def _bare(model: type[BaseModel]) -> TypeAdapter[dict[str, Any]]:
    """Reads the attributes of a model by type alone; attributes that the model no longer has are dropped."""
    types = {name: about.annotation for name, about in model.model_fields.items()}
    # mypy knows TypedDict as a form of class only, not as the function that makes one.
    make: Any = TypedDict
    return TypeAdapter(make(f"Stored{model.__name__}", types, total=False))
