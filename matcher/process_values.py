"""Types of the values in tasks, bids and races: money in whole 元, moments to the second, texts without secrets."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator

from graph.intake.secrecy import has_secret_star, is_marked_secret
from graph.problems import BadValue
from graph.processes import Process
from graph.values import clean_cell, is_blank, parse_date

CHINA = timezone(timedelta(hours=8))
WAN = 10_000  # 元 in 万元
_FACTORS = {"": WAN, "万": WAN, "万元": WAN, "元": 1, "亿": 10**8, "亿元": 10**8}
_MOST_YUAN = 10**13
_CLOCK = re.compile(r"(?P<day>.+?)[T\s]+(?P<hour>\d{1,2})[:时](?P<minute>\d{2})分?(?::(?P<second>\d{2}))?")
_LAST_SECOND = time(23, 59, 59)


def parse_yuan(value: object) -> int | None:
    """Whole 元: an ``int`` is 元; a text is 万元 unless it names 元 or 亿 (``300``, ``1.2亿元``, ``3000000元``).

    Decimal arithmetic throughout. Raises ``BadValue`` for a text that is no single amount, a negative one, a part of a
    元, or more than 10^13 元.
    """
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        amount = None if value is None else Decimal(value)
    else:
        text = re.sub(r"[,，\s]", "", unicodedata.normalize("NFKC", clean_cell(value)))
        if is_blank(text):
            return None
        found = re.fullmatch(r"(?:人民币)?(\d+(?:\.\d+)?)(万元?|元|亿元?|)", text)
        if not found:
            raise BadValue("yuan_unreadable", f"看不懂金额“{text[:30]}”", "请以万元为单位填一个数，例如 300")
        amount = Decimal(found[1]) * _FACTORS[found[2]]
    if amount is not None and not (0 <= amount <= _MOST_YUAN and amount == amount.to_integral_value()):
        raise BadValue("yuan_out_of_range", f"金额“{value}”不合常理", "请核对单位；金额应为 0 以上、精确到元")
    return None if amount is None else int(amount)


def parse_moment(value: object) -> datetime | None:
    """A moment to the second: a day alone is its last second in China; a time without zone is China's.

    Raises ``BadValue`` for what is neither.
    """
    if isinstance(value, datetime):
        return value.replace(microsecond=0) if value.tzinfo else value
    if isinstance(value, date):
        return datetime.combine(value, _LAST_SECOND, tzinfo=CHINA)
    text = unicodedata.normalize("NFKC", clean_cell(value))
    if is_blank(text):
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", text):
        return _real(lambda: datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0), text)
    clock = _CLOCK.fullmatch(text)
    day = parse_date(clock["day"] if clock else text)
    if day is None:
        return None
    if not clock:
        return datetime.combine(day, _LAST_SECOND, tzinfo=CHINA)
    hour, minute, second = (int(clock[name] or 0) for name in ("hour", "minute", "second"))
    return _real(lambda: datetime.combine(day, time(hour, minute, second), tzinfo=CHINA), text)


def _real(make: Any, text: str) -> datetime:
    try:
        moment: datetime = make()
    except (ValueError, OverflowError):
        raise BadValue("date_not_real", f"时间“{text}”不存在", "请核对，例如 2026-09-30 17:00") from None
    return moment


def parse_points(value: object) -> Decimal | None:
    """Points from 0 to 100, at most two decimals. Raises ``BadValue`` for anything else."""
    text = unicodedata.normalize("NFKC", clean_cell(value)).removesuffix("分")
    if is_blank(text):
        return None
    if not re.fullmatch(r"\d{1,3}(?:\.\d{1,2}0*)?", text) or Decimal(text) > 100:
        raise BadValue("points_unreadable", f"看不懂得分“{text[:30]}”", "请填 0 到 100，最多两位小数")
    return Decimal(text).quantize(Decimal("0.01"))


Yuan = Annotated[int | None, BeforeValidator(parse_yuan)]
Moment = Annotated[datetime | None, BeforeValidator(parse_moment)]
Points = Annotated[Decimal | None, BeforeValidator(parse_points)]


def in_wan(amount: int | None) -> str:
    """An amount in 元 as people read it: ``300 万元``, ``12.5 万元``; empty for None."""
    if amount is None:
        return ""
    return f"{(Decimal(amount) / WAN).normalize():,f} 万元"


def in_china(moment: datetime | None, *, seconds: bool = True) -> str:
    """A moment as a clock in China shows it; empty for None."""
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M{':%S' if seconds else ''}}" if moment else ""


def to_the_second(at: datetime) -> datetime:
    """The moment without what is below a second, in UTC."""
    return at.astimezone(UTC).replace(microsecond=0)


class Part(BaseModel):
    """A piece of a paper, such as a milestone; loose, because it is read back by its own rules."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Paper(Process):
    """A process that people write: no text in it may carry a mark of secrecy."""

    @field_validator("*")
    @classmethod
    def _not_secret(cls, value: Any) -> Any:
        if any(is_marked_secret(text) or has_secret_star(text) for text in _texts(value)):
            remedy = "本系统不接收涉密内容，请按保密规定处理"
            raise BadValue("secret_refused", "内容标有密级，不能填报", remedy)
        return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from _texts(entry)
    elif isinstance(value, dict):
        yield from _texts([*value.keys(), *value.values()])
    elif isinstance(value, Part):
        for _, entry in value:
            yield from _texts(entry)
