"""Reads rows of judgements and outcomes: whose they are, which of several is taken, what is already known."""

from dataclasses import replace
from datetime import datetime

from graph.feedback import LEVEL_LABELS, STAGES, Feedback, FeedbackKey, Judgement, Outcome
from graph.intake.feedback_columns import PERSON
from graph.intake.rows import read_row
from graph.intake.targets import targets
from graph.intake.work import ROWS_NAMED, Found, Work, header_of, rows_of, where
from graph.problems import Problem
from graph.store.snapshot import Snapshot

# Up to so many scenes are asked for one by one; beyond, reading all feedback at once is cheaper.
SCENES_ASKED = 50


def read_feedback(work: Work, *, actor: str, at: datetime) -> list[Found]:
    """The judgements or outcomes of a table; who and when are ``actor`` and ``at`` where a row does not say.

    That a person was filled in is said once for the table. Without ``actor`` such a row is an error.
    """
    mapping = work.mapping
    if mapping is None:
        return []
    person = PERSON[mapping.kind]
    defaults = {"at": at, person: actor} if actor else {"at": at}
    found = []
    for row in rows_of(work, mapping):
        reading = read_row(row, work.table, mapping, defaults=defaults)
        work.add(reading.problems)
        if reading.record is not None:
            found.append(Found(work, row.number, reading.record, None, reading.unstated))
    nameless = [each.row for each in found if person in each.unstated]
    if nameless:
        work.add([_filled_in(work, mapping.kind, actor, nameless)])
    return found


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
        result.append(replace(each, record=record, stored=before))
    return result


def _updated(record: Feedback, before: Feedback, unstated: frozenset[str]) -> Feedback:
    kept = record.model_copy(update={name: getattr(before, name) for name in unstated})
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
