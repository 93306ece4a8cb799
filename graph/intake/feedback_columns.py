"""The columns of judgements and outcomes in a sheet, and how their cells are read and written."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

from graph.feedback import LEVEL_LABELS, STAGES, Feedback, FeedbackKind, Judgement, Outcome, parse_level
from graph.problems import BadValue
from graph.values import TEXT_LIMIT, TITLE_LIMIT, clean_cell, is_blank, parse_count, parse_date

JUDGEMENT: FeedbackKind = "judgement"
OUTCOME: FeedbackKind = "outcome"
FEEDBACK_WORDS: Mapping[str, FeedbackKind] = {
    **dict.fromkeys(("评级", "评价", "人工评级", "judgement", "judgements"), JUDGEMENT),
    **dict.fromkeys(("对接结果", "结果", "对接", "outcome", "outcomes"), OUTCOME),
}
# Whose word it is; where the sheet does not say, it is that of who imports it.
PERSON: Mapping[str, str] = {JUDGEMENT: "judge", OUTCOME: "by"}
# The ends of a pair: attribute and kind of node.
PAIR: Mapping[str, str] = {"scene": "scene", "achievement": "achievement"}

# China has one time zone and no summer time.
CHINA = timezone(timedelta(hours=8))
_MOMENT = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?[T ]*"
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)

_MONTH = re.compile(r"\d{4}\s*[-/.年]\s*\d{1,2}\s*月?(?:底|末)?")
_SCORE = re.compile(r"\d{1,3}(?:\.\d+)?分?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackColumn:
    """One column: its header, other headers, what may be chosen, an example, and its own rule if it has one."""

    label: str
    aliases: tuple[str, ...]
    required: bool = False
    choices: tuple[str, ...] = ()
    example: str = ""
    parse: Callable[[Any], Any] | None = None


def parse_moment(value: object) -> datetime | None:
    """The moment that a cell names, in UTC; ``None`` for a blank.

    A day alone is its 00:00 UTC, which is the same day in China; a time without a zone is China's.
    Raises ``BadValue`` (``date_unreadable``, ``date_not_real``).
    """
    if isinstance(value, datetime):
        if value.tzinfo is None and value.time() == time():
            return value.replace(tzinfo=UTC)
        return _in_utc(value, str(value))
    text = unicodedata.normalize("NFKC", clean_cell(value))
    found = _MOMENT.fullmatch(text)
    if found is None:
        day = parse_date(value)
        return None if day is None else datetime.combine(day, time(), UTC)
    year, month, day_, hour, minute = map(int, found.groups()[:5])
    second, micro = int(found[6] or 0), int((found[7] or "").ljust(6, "0"))
    try:
        moment = datetime(year, month, day_, hour, minute, second, micro, tzinfo=_zone(found[8]))
    except ValueError:
        raise _not_real(text) from None
    if found[8] is None and moment.time() == time():
        return moment.replace(tzinfo=UTC)
    return _in_utc(moment, text)


def moment_text(moment: datetime) -> str:
    """A moment to the second as a cell for ``parse_moment``: a day alone, or with China's time and zone."""
    at = moment.astimezone(UTC).replace(microsecond=0)
    return at.date().isoformat() if at.time() == time() else at.astimezone(CHINA).isoformat()


def is_month_alone(value: object) -> bool:
    """Whether a cell names a month without a day, which ``parse_moment`` takes for its last day."""
    return isinstance(value, str) and bool(_MONTH.fullmatch(unicodedata.normalize("NFKC", clean_cell(value))))


def _in_utc(moment: datetime, text: str) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=CHINA)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _not_real(text) from None


def _zone(text: str | None) -> timezone:
    if text is None:
        return CHINA
    if text in "Zz":
        return UTC
    distance = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-distance if text[0] == "-" else distance)


def _not_real(text: str) -> BadValue:
    return BadValue("date_not_real", f"日期“{text[:40]}”不存在", "请核对年月日和时间，例如 2026-03-31 14:30")


def _person(value: object) -> str | None:
    text = clean_cell(value)
    return None if is_blank(text) else _limited(text, TITLE_LIMIT, "name")


def is_grade(name: str) -> bool:
    """Whether what stands for a judge is a grade: a column “打分” may hold either."""
    try:
        parse_level(name)
    except BadValue:
        return _SCORE.fullmatch(unicodedata.normalize("NFKC", name)) is not None
    return True


def _reason(value: object) -> str:
    return _limited(clean_cell(value), TEXT_LIMIT, "text")


def _limited(text: str, limit: int, name: str) -> str:
    if len(text) > limit:
        raise BadValue(
            f"{name}_too_long", f"有 {len(text)} 个字，超过上限 {limit} 字", f"请缩到 {limit} 字以内"
        )
    return text


_SCENE = FeedbackColumn(
    label="场景编号",
    aliases=("场景id", "scene_id", "需求编号", "需求id", "demand_id", "demand"),
    required=True,
    example="CJ-2026-001",
)
_ACHIEVEMENT = FeedbackColumn(
    label="成果编号", aliases=("成果id", "achievement_id"), required=True, example="CG-2026-001"
)
_AT = ("时间", "date", "time", "timestamp")

FEEDBACK_COLUMNS: Mapping[str, Mapping[str, FeedbackColumn]] = {
    JUDGEMENT: {
        "scene": _SCENE,
        "achievement": _ACHIEVEMENT,
        "level": FeedbackColumn(
            label="等级",
            aliases=("评级", "评级等级", "匹配等级", "相关等级", "相关程度", "相关性", "label", "grade"),
            required=True,
            choices=tuple(LEVEL_LABELS.values()),
            example="较强相关",
        ),
        "judge": FeedbackColumn(
            label="评级人",
            aliases=("评价人", "评审人", "评审专家", "评价专家", "专家姓名", "专家", "评审", "打分人", "打分", "经办人", "by",
                     "rater"),
            example="李明",
            parse=_person,
        ),
        "at": FeedbackColumn(
            label="日期", aliases=("评级日期", "评价日期", "评级时间", "评价时间", *_AT), example="2026-03-01",
            parse=parse_moment,
        ),
        "reason": FeedbackColumn(
            label="理由", aliases=("评级理由", "评价理由", "意见", "评语", "评审意见", "说明", "备注", "原因", "note", "remark"),
            example="指标满足，价格合适", parse=_reason,
        ),
    },
    OUTCOME: {
        "scene": _SCENE,
        "achievement": _ACHIEVEMENT,
        "stage": FeedbackColumn(
            label="阶段",
            aliases=("结果", "对接结果", "对接阶段", "对接进展", "进展阶段", "进展", "outcome", "result"),
            required=True,
            choices=tuple(STAGES.values()),
            example="已见面",
        ),
        "by": FeedbackColumn(
            label="经办人", aliases=("对接人", "填报人", "记录人", "登记人", "actor"), example="李明", parse=_person
        ),
        "at": FeedbackColumn(
            label="日期", aliases=("对接日期", "办理日期", "对接时间", *_AT), example="2026-03-01",
            parse=parse_moment,
        ),
        "reason": FeedbackColumn(
            label="说明", aliases=("理由", "原因", "未成原因", "备注", "note", "remark"),
            example="双方约定下周看现场", parse=_reason,
        ),
        "rank": FeedbackColumn(label="展示名次", aliases=("名次", "排名"), parse=parse_count),
        "ranker": FeedbackColumn(label="排序版本", aliases=("排序模型",)),
    },
}  # fmt: skip


def feedback_cell(record: Feedback, attribute: str) -> str:
    """An attribute of a judgement or outcome as a cell that the import reads back as the same value."""
    value: object = getattr(record, attribute)
    if isinstance(value, datetime):
        return moment_text(value)
    if attribute == "level" and isinstance(record, Judgement):
        return LEVEL_LABELS[record.level]
    if attribute == "stage" and isinstance(record, Outcome):
        return STAGES[record.stage]
    return "" if value is None else str(value)
