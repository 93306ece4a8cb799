"""Reads rows of judgements and outcomes: whose they are, which of several is taken, what is already known."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from graph.feedback import LEVEL_LABELS, STAGES, Feedback, FeedbackKey, Judgement, Outcome, spellings
from graph.intake.feedback_columns import CHINA, PAIR, PERSON, is_grade, is_month_alone
from graph.intake.rows import read_row
from graph.intake.targets import targets
from graph.intake.work import ROWS_NAMED, Found, Work, header_of, rows_of, where
from graph.kinds import Node
from graph.problems import Problem
from graph.store.snapshot import Snapshot

# Up to so many scenes are asked for one by one; beyond, reading all feedback at once is cheaper.
SCENES_ASKED = 50
_SEVERAL_NAMES = re.compile(r"\S\s*[、，,；;]\s*\S")


def read_feedback(work: Work, *, actor: str, at: datetime) -> list[Found]:
    """The judgements or outcomes of a table; who and when are ``actor`` and ``at`` where a row does not say.

    That a person was filled in is said once for the table. Without ``actor`` such a row is an error.
    """
    mapping = work.mapping
    if mapping is None:
        return []
    person = PERSON[mapping.kind]
    defaults = {"at": at, person: actor} if actor else {"at": at}
    header = next((m.header for m in mapping.mapped if m.attribute == "judge"), None)
    found: list[Found] = []
    for row in rows_of(work, mapping):
        reading = read_row(row, work.table, mapping, defaults=defaults)
        work.add(reading.problems)
        record = reading.record
        if isinstance(record, Judgement) and header == "打分" and is_grade(record.judge):
            work.add([_grade_for_name(work, row.number, record.judge)])
        elif record is not None:
            found.append(Found(work, row.number, record, None, reading.unstated))
            place = mapping.places.get("at")
            work.add(_doubts(found[-1], None if place is None else row.cells[place], at))
    nameless = [each.row for each in found if person in each.unstated]
    if nameless:
        work.add([_filled_in(work, mapping.kind, actor, nameless)])
    return found


def with_stored_ids(found: list[Found], nodes: list[Found], now: Snapshot) -> list[Found]:
    """Each record with its pair's ids as they are kept, where a row writes them full-width or in other capitals.

    An id known as it is written, in the store or in this import, is left as it is; so is one not known at all.
    """
    known: dict[str, set[str]] = {}
    for attribute, kind in PAIR.items():
        asked = {id for f in found for id in spellings(getattr(f.record, attribute))}
        coming = {f.record.id for f in nodes if isinstance(f.record, Node) and f.record.kind == kind}
        known[attribute] = coming | now.get_many(kind, sorted(asked)).keys()
    result = []
    for each in found:
        record = _record(each)
        ids = {name: _kept_id(getattr(record, name), ids) for name, ids in known.items()}
        result.append(replace(each, record=record.model_copy(update=ids)))
    return result


def _kept_id(written: str, known: set[str]) -> str:
    return next((id for id in spellings(written) if id in known), written)


def one_per_key(found: list[Found]) -> list[Found]:
    """Of rows for one key the one with the latest date that a row states (then the first); the others are told.

    A judge who gave one pair two levels has said nothing certain: all rows of that key fail.
    """
    groups: dict[FeedbackKey, list[Found]] = {}
    for each in found:
        groups.setdefault(_record(each).key, []).append(each)
    kept = []
    for members in groups.values():
        contradicted = [(m, other) for m in members if (other := _of_another_level(m, members))]
        for member, other in contradicted:
            member.work.add([_contradiction(member, other)])
        if contradicted:
            continue
        taken = max(members, key=lambda m: ("at" not in m.unstated, _record(m).at))
        kept.append(taken)
        for member in members:
            if member is not taken:
                member.work.add([_taken_once(member, taken)])
    return kept


def with_stored_feedback(found: list[Found], now: Snapshot) -> list[Found]:
    """Each record with its like in the store, whose values stand where the row says nothing.

    So a sheet without dates imported again changes nothing. A judgement that changes its level or reason is a
    new one: it has its own date and, unless it says so, no reason.
    """
    stored = _stored({_record(each).scene for each in found}, now)
    result = []
    for each in found:
        record = _record(each)
        before = stored.get(record.key)
        if before is not None:
            record = _updated(record, before, each.unstated)
        if isinstance(record, Outcome) and _lacks_reason(record) and record != before:
            each.work.add([_without_reason(each)])
            continue
        result.append(replace(each, record=record, stored=before))
    return result


def _updated(record: Feedback, before: Feedback, unstated: frozenset[str]) -> Feedback:
    same = {name: getattr(before, name) for name in unstated}
    if record.at == before.at.replace(microsecond=0):
        # A sheet written here says the second only.
        same["at"] = before.at
        record = record.model_copy(update={"at": before.at})
    kept = record.model_copy(update=same)
    if isinstance(kept, Judgement) and isinstance(before, Judgement):
        return kept if (kept.level, kept.reason) == (before.level, before.reason) else record
    return kept


def _stored(scenes: set[str], now: Snapshot) -> dict[FeedbackKey, Feedback]:
    asked: list[str | None] = [*sorted(scenes)] if len(scenes) <= SCENES_ASKED else [None]
    found: dict[FeedbackKey, Feedback] = {}
    for scene in asked:
        found.update((judgement.key, judgement) for judgement in now.judgements(scene))
        found.update((outcome.key, outcome) for outcome in now.outcomes(scene))
    return found


def _record(found: Found) -> Feedback:
    assert isinstance(found.record, (Judgement, Outcome))  # noqa: S101  (they come from ``read_feedback``)
    return found.record


def _of_another_level(one: Found, members: list[Found]) -> Found | None:
    if not isinstance(one.record, Judgement):
        return None
    level = one.record.level
    return next((m for m in members if isinstance(m.record, Judgement) and m.record.level != level), None)


def _lacks_reason(outcome: Outcome) -> bool:
    return outcome.stage == "declined" and not outcome.reason.strip()


def _doubts(found: Found, date_cell: object, at: datetime) -> Iterator[Problem]:
    """What of a row was taken as it stands, though it is probably not what was meant."""
    record = _record(found)
    day = record.at.astimezone(CHINA).date()
    if "at" not in found.unstated and is_month_alone(date_cell):
        told = f"日期只写到月，记为当月最后一天 {day}"
        yield _doubt(found, "at", "day_filled_in", told, "如需准确，请写到日，例如 2026-03-15")
    if "at" not in found.unstated and day > at.astimezone(CHINA).date():
        yield _doubt(found, "at", "date_in_future", f"日期 {day} 还没有到", "请核对年月日")
    if (
        isinstance(record, Judgement)
        and "judge" not in found.unstated
        and _SEVERAL_NAMES.search(record.judge)
    ):
        told = f"“{record.judge}”像是几个人的名字，按一个评级人记"
        yield _doubt(found, "judge", "judges_joined", told, "若是几个人，请每人一行；是一个人则不必改")


def _doubt(found: Found, attribute: str, code: str, message: str, remedy: str) -> Problem:
    return Problem(
        code=code,
        message=message,
        remedy=remedy,
        severity="warning",
        sheet=found.work.table.sheet,
        row=found.row,
        column=header_of(found, attribute),
    )


def _grade_for_name(work: Work, row: int, name: str) -> Problem:
    return Problem(
        code="judge_is_grade",
        message=f"“打分”列当作评级人，“{name}”却是分数或等级",
        remedy="请填姓名；若此列是等级，请加 --map 打分=等级",
        sheet=work.table.sheet,
        row=row,
        column="打分",
    )


def _without_reason(one: Found) -> Problem:
    return Problem(
        code="reason_missing",
        message="记“未成”要写原因",
        remedy="请在“说明”里写为什么没成，例如：价格谈不拢",
        sheet=one.work.table.sheet,
        row=one.row,
        column=header_of(one, "reason") or targets("outcome")["reason"].label,
    )


def _filled_in(work: Work, kind: str, actor: str, rows: list[int]) -> Problem:
    label = targets(kind)[PERSON[kind]].label
    has = work.mapping is not None and PERSON[kind] in work.mapping.attributes
    places = "、".join(map(str, rows[:ROWS_NAMED])) + (" 等" if len(rows) > ROWS_NAMED else "")
    what = f"“{label}”有 {len(rows)} 行没有填（第 {places} 行）" if has else f"没有“{label}”列"
    return Problem(
        code="person_filled_in",
        message=f"{what}，记为“{actor}”",
        remedy=f"如是别人的，请填写“{label}”，或用 --judge 写明",
        severity="warning",
        sheet=work.table.sheet,
    )


def _contradiction(one: Found, other: Found) -> Problem:
    record, against = one.record, other.record
    assert isinstance(record, Judgement)  # noqa: S101
    assert isinstance(against, Judgement)  # noqa: S101
    levels = f"本行{LEVEL_LABELS[record.level]}，{where(other, one)}{LEVEL_LABELS[against.level]}"
    return Problem(
        code="judgement_contradicted",
        message=f"“{record.judge}”对 {record.scene} 与 {record.achievement} 给了两个不同的等级：{levels}",
        remedy="请只留一行；如是两个人的评级，请分别填写“评级人”",
        sheet=one.work.table.sheet,
        row=one.row,
        column=header_of(one, "level"),
    )


def _taken_once(one: Found, taken: Found) -> Problem:
    record, other = _record(one), _record(taken)
    if isinstance(record, Judgement):
        what = f"“{record.judge}”对同一对的评级，等级相同"
    else:
        what = f"同一对的同一阶段“{STAGES[record.stage]}”"
    same = record == other
    message = f"与{where(taken, one)}是{what}，{'只导入一次' if same else f'只采用{where(taken, one)}'}"
    return Problem(
        code="row_repeated",
        message=message,
        remedy="可删去多余的行" if same else "请核对日期和文字，只留要用的一行",
        severity="warning",
        sheet=one.work.table.sheet,
        row=one.row,
        column=header_of(one, "level" if isinstance(record, Judgement) else "stage"),
    )
