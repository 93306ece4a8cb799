"""Checks between records: repeated keys, relations without an end, words off the list."""

from dataclasses import replace
from typing import Any

from graph.intake.feedback_columns import PAIR
from graph.intake.rows import Record
from graph.intake.targets import kind_label, targets
from graph.intake.work import Found, Work, header_of, where
from graph.kinds import Enterprise, Institution, Node
from graph.problems import Problem
from graph.relations import Edge
from graph.store.changes import NodeKey, RecordKey
from graph.store.snapshot import Snapshot
from graph.values import TEXT_LIMIT

CHOICE_WARNING_LIMIT = 10


def without_repeats(found: list[Found]) -> list[Found]:
    """Of equal records the first, the others with a warning; records that differ under one key all fail.

    A firm or institution on several lines of a table without ids is one record: its texts are put one
    below the other and lists are united, unless the lines contradict each other (two codes, two districts).
    """
    groups: dict[tuple[str, ...], list[Found]] = {}
    for each in found:
        groups.setdefault(key_of(each.record), []).append(each)
    kept = []
    for members in groups.values():
        first = members[0]
        same = all(m.record == first.record for m in members)
        joined = first if same else _joined(members)
        if joined:
            kept.append(joined)
        if joined and not same:
            for member in members[1:]:
                member.work.add([_joined_warning(member, first)])
            continue
        for place, member in enumerate(members):
            if len(members) > 1 and (place > 0 or not same):
                member.work.add([_repeated(member, first if place > 0 else members[1], same=same)])
    return kept


def _joined(members: list[Found]) -> Found | None:
    """The one record of an organisation's several lines; ``None`` for other kinds, with ids, or on contradiction."""
    first = members[0].record
    if not isinstance(first, (Enterprise, Institution)):
        return None
    if any(m.work.mapping is None or "id" in m.work.mapping.attributes for m in members):
        return None
    update: dict[str, Any] = {}
    for name, target in targets(first.kind).items():
        values = [getattr(m.record, name) for m in members]
        different = [v for v in dict.fromkeys(map(_hashable, values)) if v]
        if name == "title" or len(different) < 2:
            update[name] = next((v for v in values if v), values[0])
        elif isinstance(values[0], tuple):
            update[name] = tuple(dict.fromkeys(entry for value in values for entry in value))
        elif target.is_text and len(text := "\n".join(different)) <= TEXT_LIMIT:
            update[name] = text
        else:
            return None
    return replace(members[0], record=first.model_copy(update=update))


def _hashable(value: Any) -> Any:
    return tuple(sorted(value.items())) if isinstance(value, dict) else value


def _joined_warning(one: Found, first: Found) -> Problem:
    return Problem(
        code="rows_joined",
        message=f"与{where(first, one)}是同一单位，已合并成一条记录",
        remedy="如为两个单位，请加一列“编号”分别编号",
        severity="warning",
        sheet=one.work.table.sheet,
        row=one.row,
    )


def _repeated(one: Found, other: Found, *, same: bool) -> Problem:
    place = where(other, one)
    column = header_of(one, "id")
    what = "这条关系"
    if isinstance(one.record, Node):
        what = f"编号“{one.record.id}”" if column else f"“{one.record.title[:30]}”（没有编号列）"
    if same:
        message, remedy = f"与{place}完全相同，只导入一次", "可删去多余的行"
    else:
        message, remedy = (
            f"{what}与{place}重复，但内容不同",
            "请核对：不同的记录用不同的编号，同一记录只留一行",
        )
    return Problem(
        code="row_repeated" if same else "id_repeated",
        message=message,
        remedy=remedy,
        severity="warning" if same else "error",
        sheet=one.work.table.sheet,
        row=one.row,
        column=column,
    )


def with_ends(found: list[Found], nodes: list[Found], now: Snapshot) -> list[Found]:
    """The edges and feedback whose ends are both in the store or in this import; the others fail.

    A record that the store holds already as it is passes: what was said of a removed record stays.
    """
    coming = {(f.record.kind, f.record.id) for f in nodes if isinstance(f.record, Node)}
    needed: dict[str, set[str]] = {}
    for each in found:
        for kind, id in _ends(each.record).values():
            if (kind, id) not in coming:
                needed.setdefault(kind, set()).add(id)
    known = coming | {(kind, id) for kind, ids in needed.items() for id in now.get_many(kind, sorted(ids))}
    kept = []
    for each in found:
        missing = {name: end for name, end in _ends(each.record).items() if end not in known}
        if not missing or each.record == each.stored:
            kept.append(each)
            continue
        for attribute, (kind, id) in missing.items():
            each.work.add([_end_unknown(each, attribute, kind, id)])
    return kept


def _end_unknown(found: Found, attribute: str, kind: str, id: str) -> Problem:
    return Problem(
        code="relation_end_unknown" if isinstance(found.record, Edge) else "feedback_end_unknown",
        message=f"没有编号为“{id}”的{kind_label(kind)}",
        remedy="请核对编号，或先（同时）导入这条记录；若它在本次导入中有错误，请先改正",
        sheet=found.work.table.sheet,
        row=found.row,
        column=header_of(found, attribute),
    )


def warn_of_choices(work: Work, found: list[Found]) -> None:
    mapping = work.mapping
    if mapping is None:
        return
    for column in mapping.mapped:
        target = targets(mapping.kind)[column.attribute]
        if not target.choices or not target.is_text:
            continue
        rows: dict[str, list[int]] = {}
        for each in found:
            value = getattr(each.record, target.attribute)
            if value and value not in target.choices:
                rows.setdefault(value, []).append(each.row)
        work.add(
            Problem(
                code="choice_unknown",
                message=f"“{value[:30]}”不在常用写法之中（共 {len(places)} 行），已照原样导入",
                remedy=f"常用写法：{'、'.join(target.choices)}",
                severity="warning",
                sheet=work.table.sheet,
                row=places[0],
                column=column.header,
            )
            for value, places in list(rows.items())[:CHOICE_WARNING_LIMIT]
        )


def _ends(record: Record) -> dict[str, NodeKey]:
    """The nodes a record speaks of, by the attribute that names each; none for a node."""
    if isinstance(record, Edge):
        source, target = (record.source_kind, record.source_id), (record.target_kind, record.target_id)
        return {"source_id": source, "target_id": target}
    if isinstance(record, Node):
        return {}
    return {name: (kind, getattr(record, name)) for name, kind in PAIR.items()}


def key_of(record: Record) -> RecordKey:
    return (record.kind, record.id) if isinstance(record, Node) else record.key
