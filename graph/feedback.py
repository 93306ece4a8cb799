"""What people say of a pair and what came of it: graded judgements and outcomes, as records of the store."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from graph.problems import BadValue
from graph.values import ID_LIMIT, Text, clean_cell, parse_count

FeedbackKind = Literal["judgement", "outcome"]
# (kind, scene, achievement, judge or stage)
FeedbackKey = tuple[str, str, str, str]
Stage = Literal["shown", "contacted", "met", "intent", "contract", "landed", "declined"]

LEVEL_LABELS: Mapping[int, str] = {4: "强相关", 3: "较强相关", 2: "弱相关", 1: "无相关"}
# In the order in which an introduction goes; "declined" can follow any of them.
STAGES: Mapping[Stage, str] = {
    "shown": "已展示",
    "contacted": "已联系",
    "met": "已见面",
    "intent": "有意向",
    "contract": "已签约",
    "landed": "已落地",
    "declined": "未成",
}
_SHORT_LEVELS = {"强": 4, "较强": 3, "弱": 2, "无": 1, "不相关": 1}
# Other words of offices for a stage.
_STAGE_WORDS: Mapping[str, Stage] = {
    "洽谈": "met", "洽谈中": "met", "失败": "declined", "终止": "declined", "放弃": "declined",
}  # fmt: skip
# A moment outside them is a slip of the pen.
_YEARS = (1900, 2199)


def parse_level(value: object) -> int:
    """The level 1-4 that a cell names: a digit (full-width too) or 强相关, 较强相关, 弱相关, 无相关.

    Raises ``BadValue`` (``level_unknown``).
    """
    plain = unicodedata.normalize("NFKC", clean_cell(value))
    if re.fullmatch(r"[1-4](\.0+)?[级分]?", plain):
        return int(plain[0])
    by_name = {label: level for level, label in LEVEL_LABELS.items()} | _SHORT_LEVELS
    if plain in by_name:
        return by_name[plain]
    raise BadValue(
        "level_unknown",
        f"看不懂等级“{plain[:20]}”",
        "请填 4、3、2、1，或 强相关、较强相关、弱相关、无相关",
    )


def parse_stage(value: object) -> Stage:
    """The stage that a cell names, in Chinese or by its English name. Raises ``BadValue`` (``stage_unknown``)."""
    plain = unicodedata.normalize("NFKC", clean_cell(value)).casefold()
    for stage, label in STAGES.items():
        if plain in (stage, label, label.removeprefix("已").removeprefix("有")):
            return stage
    if plain in _STAGE_WORDS:
        return _STAGE_WORDS[plain]
    raise BadValue(
        "stage_unknown", f"看不懂阶段“{plain[:20]}”", f"请从 {'、'.join(STAGES.values())} 中选一个"
    )


def partner_of(name: str) -> str:
    """The code of the partner that a person is named with (``hengqin:王某``); empty for the city's own."""
    found = re.match(r"([a-z][a-z0-9-]{1,31}):", name)
    return found[1] if found else ""


def spellings(text: str) -> list[str]:
    """An id as typed, and as it was probably meant: half-width, in capitals, in small letters."""
    typed = text.strip()
    plain = unicodedata.normalize("NFKC", typed).strip()
    return list(dict.fromkeys((typed, plain, plain.upper(), plain.lower())))


def _moment(value: object) -> datetime:
    """A moment with its zone, also in ISO 8601; never a bare number, which would be seconds since 1970."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime):
        raise BadValue(
            "date_unreadable",
            f"看不懂日期“{clean_cell(value)[:30]}”",
            "请写成 2026-03-31 或 2026-03-31 09:30",
        )
    if moment.tzinfo is None:
        raise BadValue("time_without_zone", "时间缺少时区", "请写明时区，或只写日期")
    return _utc(moment)


def _utc(moment: datetime) -> datetime:
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise BadValue("date_not_real", f"年份 {moment.year} 不合常理", "请核对年月日，例如 2026-03-31")
    return moment.astimezone(UTC)


def _id(value: object) -> str:
    """An id by the same rule as that of a node, for it has to be found again."""
    text = clean_cell(value)
    if not text:
        raise BadValue("value_missing", "必填项为空", "请补填")
    if len(text) > ID_LIMIT:
        raise BadValue("id_too_long", f"有 {len(text)} 个字，超过上限 {ID_LIMIT} 字", "请核对编号")
    return text


def _name(value: object) -> str:
    """A person's name: what is parted by line breaks or several spaces is the same name."""
    return " ".join(_id(value).split())


def _rank(value: object) -> int | None:
    rank = parse_count(value)
    if rank == 0:
        raise BadValue("rank_not_real", "名次从 1 开始", "请填 1、2、3 …，没有名次则留空")
    return rank


Reference = Annotated[str, BeforeValidator(_id)]
Name = Annotated[str, BeforeValidator(_name)]
Level = Annotated[int, BeforeValidator(parse_level)]
StageCell = Annotated[Stage, BeforeValidator(parse_stage)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Rank = Annotated[int | None, BeforeValidator(_rank)]


class Judgement(BaseModel):
    """One person's grade of one pair: level 4 强相关 … 1 无相关, when and why. A later one replaces it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scene: Reference
    achievement: Reference
    judge: Name
    level: Level
    at: Moment
    reason: Text = ""

    @property
    def key(self) -> FeedbackKey:
        """What the record is kept under."""
        return ("judgement", self.scene, self.achievement, self.judge)


class Outcome(BaseModel):
    """How far an introduction came, or why it did not: one record per pair and stage.

    "shown" is exposure: it keeps "never shown" apart from "not fitting"; ``rank`` (from 1) and ``ranker``
    say where and by which model it was shown. What a partner records (``by`` begins with its code and a colon) is
    a record of its own beside the city's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scene: Reference
    achievement: Reference
    stage: StageCell
    by: Name
    at: Moment
    reason: Text = ""
    rank: Rank = None
    ranker: Text = ""

    @property
    def key(self) -> FeedbackKey:
        """What the record is kept under."""
        partner = partner_of(self.by)
        return ("outcome", self.scene, self.achievement, f"{self.stage}@{partner}" if partner else self.stage)


Feedback = Judgement | Outcome
FEEDBACK: Mapping[str, type[Judgement] | type[Outcome]] = {
    "judgement": Judgement,
    "outcome": Outcome,
}
FEEDBACK_LABELS: Mapping[str, str] = {"judgement": "评级", "outcome": "对接结果"}
