"""Records as text and back: canonical JSON, digests, nodes and edges."""

import hashlib
import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from graph.kinds import KINDS, Node
from graph.problems import Refused
from graph.relations import Edge
from graph.store.changes import EdgeKey, NodeKey


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
    try:
        values = _bare(kind).validate_json(text)
    except ValidationError as error:
        where = "、".join(str(e["loc"][0]) for e in error.errors() if e["loc"])
        raise Refused(
            "record_unreadable",
            f"数据库里有一条{KINDS[kind].label}记录读不出来（{where or text[:40]}）。",
            "请先核验历史（verify），必要时用备份恢复。",
        ) from error
    return KINDS[kind].model_construct(_fields_set=set(values), **values)


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


def key_text(key: NodeKey | EdgeKey) -> str:
    """A record's key as the history keeps it: a JSON list of two (node) or five (edge) texts."""
    return canonical(list(key))


def key_from(text: str) -> NodeKey | EdgeKey:
    """The key of ``key_text``."""
    parts: NodeKey | EdgeKey = tuple(json.loads(text))
    return parts


@cache
def _bare(kind: str) -> TypeAdapter[dict[str, Any]]:
    """Reads the attributes of a kind by type alone; attributes that the kind no longer has are dropped."""
    types = {name: about.annotation for name, about in KINDS[kind].model_fields.items()}
    # mypy knows TypedDict as a form of class only, not as the function that makes one.
    make: Any = TypedDict
    return TypeAdapter(make(f"Stored{kind.title()}", types, total=False))
