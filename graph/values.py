"""Types of single cells: how one value of a row is read, checked and kept."""

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer

from graph.identifiers.districts import parse_district
from graph.identifiers.fields import parse_fields
from graph.identifiers.industries import parse_industry_code
from graph.identifiers.ipc import parse_ipcs
from graph.identifiers.maturity import Maturity, parse_maturity
from graph.identifiers.patents import parse_patent_numbers
from graph.identifiers.uscc import parse_uscc
from graph.problems import BadValue

Visibility = Literal["public", "partner", "staff"]

VISIBILITY_LABELS: dict[Visibility, str] = {"public": "公开", "partner": "合作方", "staff": "内部"}

TITLE_LIMIT = 300
TEXT_LIMIT = 50_000
ID_LIMIT = 100
# What spreadsheets hold where an office means "nothing to say here".
BLANK_WORDS = frozenset(
    {"", "-", "--", "—", "——", "/", "\\", "无", "暂无", "空", "n/a", "na", "null", "none", "待定", "面议"}
)
SEPARATORS = re.compile(r"[；;、，,\n]+")
EXCEL_EPOCH = date(1899, 12, 30)


def clean_cell(value: object) -> str:
    """The text of a cell without what no reader sees: control characters, lone surrogates, edge space.

    Whole floats lose their ``.0`` (spreadsheets keep every number as a float). Inner line breaks stay.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).replace("\r\n", "\n").replace("\r", "\n")
    return legible(text).strip()


def legible(text: str) -> str:
    """The text without control characters and lone surrogates; line breaks, tabs and edge space stay."""
    # Nearly every text is printable but for line breaks and wide spaces: no need to look at each character.
    if text.replace("\n", "").replace("\t", "").replace("\u3000", "").isprintable():
        return text
    # Only other (C*) characters are dropped; ﻿ and zero-width space are Cf, NUL is Cc, surrogates are Cs.
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")


def is_blank(text: str) -> bool:
    """Whether an office means "nothing" by this text (empty, ``/``, 无, 待定 …)."""
    return text.strip().lower() in BLANK_WORDS


def split_list(text: str) -> tuple[str, ...]:
    """The entries of a cell that holds several, in order, once each; on spaces only if nothing else parts them."""
    parts = SEPARATORS.split(text) if SEPARATORS.search(text) else text.split()
    return tuple(dict.fromkeys(p.strip() for p in parts if p.strip()))


def parse_date(value: object) -> date | None:
    """A date as offices write it: ``2026-03-01``, ``2026.3.1``, ``2026年3月`` (last day), ``20260301``, Excel serial.

    Raises ``BadValue`` for a day that does not exist.
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = unicodedata.normalize("NFKC", clean_cell(value))
    if is_blank(text) or text in {"长期", "长期有效", "常年"}:
        return None
    if re.fullmatch(r"\d{5}(\.\d+)?", text):
        return EXCEL_EPOCH + timedelta(days=int(float(text)))
    whole = re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text) or re.fullmatch(
        r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?",
        text,
    )
    month = re.fullmatch(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*月?(?:底|末)?", text)
    try:
        if whole:
            return date(int(whole[1]), int(whole[2]), int(whole[3]))
        if month:
            year, number = int(month[1]), int(month[2])
            following = (
                date(year + number // 12, number % 12 + 1, 1) if 1 <= number <= 12 else date(year, number, 1)
            )
            return following - timedelta(days=1)
    except (ValueError, OverflowError):
        raise BadValue("date_not_real", f"日期“{text}”不存在", "请核对年月日，例如 2026-03-31") from None
    raise BadValue("date_unreadable", f"看不懂日期“{text[:30]}”", "请写成 2026-03-31 或 2026年3月")


def parse_amount(value: object) -> tuple[float, float] | None:
    """An amount in 万元 as (low, high): ``300``, ``100-200万元``, ``1.2亿``, ``不超过80万`` (low = 0).

    Amounts in plain 元 are converted. Raises ``BadValue`` when no number can be read.
    """
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return (float(value[0]), float(value[1]))
    text = unicodedata.normalize("NFKC", clean_cell(value)).replace(",", "").replace(" ", "")
    if is_blank(text):
        return None
    numbers = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", text)]
    if not 1 <= len(numbers) <= 2 or re.search(r"(?<![\d至到~])-\d", text):
        raise BadValue(
            "amount_unreadable", f"看不懂金额“{text[:30]}”", "请以万元为单位填数字，例如 300 或 100-200"
        )
    factor = 1e4 if "亿" in text else 1e-4 if "元" in text and "万" not in text else 1.0
    low, high = numbers[0] * factor, numbers[-1] * factor
    if len(numbers) == 1 and re.search(r"不超过|以内|≤|<|最高|上限", text):
        low = 0.0
    if not math.isfinite(max(low, high)):
        raise BadValue(
            "amount_unreadable", f"看不懂金额“{text[:30]}”", "请以万元为单位填数字，例如 300 或 100-200"
        )
    return (min(low, high), max(low, high))


def parse_count(value: object) -> int | None:
    """A non-negative whole number, full-width digits allowed; raises ``BadValue`` for anything else."""
    text = unicodedata.normalize("NFKC", clean_cell(value)).replace(",", "")
    if is_blank(text):
        return None
    found = re.fullmatch(r"(\d{1,9})\s*[个项次件人家]?", text)
    if not found:
        raise BadValue("count_unreadable", f"“{text[:30]}”不是整数", "请填 0 或正整数")
    return int(found[1])


def parse_flag(value: object) -> bool | None:
    """是/否 in the ways offices write it; raises ``BadValue`` for anything else."""
    text = clean_cell(value).lower()
    if is_blank(text) and text not in {"无"}:
        return None
    if text in {"是", "有", "y", "yes", "true", "1", "√", "✓"}:
        return True
    if text in {"否", "无", "不是", "n", "no", "false", "0", "×"}:
        return False
    raise BadValue("flag_unreadable", f"“{text[:30]}”不是“是/否”", "请填 是 或 否")


def parse_visibility(value: object) -> Visibility:
    """Who may see it: 公开, 合作方 or 内部; blank is 公开. Raises ``BadValue`` for anything else."""
    text = clean_cell(value).lower()
    if text == "":
        return "public"
    words: dict[str, Visibility] = {
        "公开": "public",
        "合作方": "partner",
        "合作平台": "partner",
        "内部": "staff",
        "不公开": "staff",
    }
    for name, label in VISIBILITY_LABELS.items():
        words[name] = words[label] = name
    if text not in words:
        raise BadValue(
            "visibility_unknown", f"不认识的可见范围“{text[:30]}”", "请从 公开、合作方、内部 中选一个"
        )
    return words[text]


_IP_STATUS_WORDS = {
    "授权": "已授权", "有权": "已授权", "有效": "已授权", "专利权维持": "已授权", "授权有效": "已授权",
    "实审": "实质审查中", "实质审查": "实质审查中", "审查中": "实质审查中", "审中": "实质审查中", "公开": "实质审查中",
    "受理": "已受理", "申请中": "已受理", "已申请": "已受理",
    "软著": "软件著作权", "软件著作权登记": "软件著作权",
    "未申请专利": "未申请",
}  # fmt: skip


def parse_ip_status(value: object) -> str:
    """The state of intellectual property in the words of the drop-down list; what is not known stays as written."""
    text = clean_cell(value)
    return _IP_STATUS_WORDS.get(text, text)


def parse_field_visibility(value: object) -> dict[str, Visibility]:
    """Per-column visibility written as ``预算=内部；合作需求=合作方``; names are resolved by the kind."""
    if isinstance(value, dict):
        return {str(k): parse_visibility(v) for k, v in value.items()}
    result: dict[str, Visibility] = {}
    for part in split_list(clean_cell(value)):
        name, sign, who = re.sub("[＝：:]", "=", part).partition("=")
        if not sign:
            raise BadValue(
                "field_visibility_unreadable",
                f"看不懂字段可见范围“{part[:30]}”",
                "请写成 预算=内部；联系人=合作方",
            )
        result[name.strip()] = parse_visibility(who)
    return result


def _text(limit: int, name: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = clean_cell(value)
        if len(text) > limit:
            remedy = (
                f"请缩到 {limit} 字以内；较长的内容请放进简介或技术难点"
                if limit == TITLE_LIMIT
                else f"请缩到 {limit} 字以内"
            )
            raise BadValue(f"{name}_too_long", f"有 {len(text)} 个字，超过上限 {limit} 字", remedy)
        return text

    return parse


def _optional(parse: Callable[[str], Any]) -> Callable[[object], Any]:
    """The parser applied to a cell's text; blank cells give None; values already parsed pass through."""

    def apply(value: object) -> Any:
        if value is None or isinstance(value, Maturity):
            return value
        if isinstance(value, dict):
            return Maturity(**value)
        text = clean_cell(value)
        return None if is_blank(text) else parse(text)

    return apply


def _several(parse: Callable[[str], tuple[str, ...]]) -> Callable[[object], tuple[str, ...]]:
    """As ``_optional`` for cells that hold several values; lists (from JSON) are taken entry by entry."""

    def apply(value: object) -> tuple[str, ...]:
        if isinstance(value, (list, tuple)):
            return tuple(dict.fromkeys(x for entry in value for x in apply(entry)))
        text = clean_cell(value)
        return () if is_blank(text) else parse(text)

    return apply


def _words(value: object) -> tuple[str, ...]:
    """The entries of a cell; entries of a list (from JSON) are parted already, so a space in one stays."""
    if isinstance(value, (list, tuple)):
        parts = (part.strip() for entry in value for part in SEPARATORS.split(clean_cell(entry)))
        return tuple(dict.fromkeys(part for part in parts if not is_blank(part)))
    return _several(split_list)(value)


def _patents(text: str) -> tuple[str, ...]:
    return tuple(str(n) for n in parse_patent_numbers(text))


Id = Annotated[str, BeforeValidator(_text(ID_LIMIT, "id"))]
Title = Annotated[str, BeforeValidator(_text(TITLE_LIMIT, "title"))]
Text = Annotated[str, BeforeValidator(_text(TEXT_LIMIT, "text"))]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Fields = Annotated[tuple[str, ...], BeforeValidator(_several(parse_fields))]
District = Annotated[str | None, BeforeValidator(_optional(parse_district))]
Uscc = Annotated[str | None, BeforeValidator(_optional(parse_uscc))]
IndustryCode = Annotated[str | None, BeforeValidator(_optional(parse_industry_code))]
Ipcs = Annotated[tuple[str, ...], BeforeValidator(_several(parse_ipcs))]
PatentNumbers = Annotated[tuple[str, ...], BeforeValidator(_several(_patents))]
MaturityLevel = Annotated[Maturity | None, BeforeValidator(_optional(parse_maturity))]
IpStatus = Annotated[str, BeforeValidator(parse_ip_status)]
Day = Annotated[date | None, BeforeValidator(parse_date)]
Amount = Annotated[tuple[float, float] | None, BeforeValidator(parse_amount)]
Count = Annotated[int | None, BeforeValidator(parse_count)]
Flag = Annotated[bool | None, BeforeValidator(parse_flag)]
Seen = Annotated[Visibility, BeforeValidator(parse_visibility)]
FieldVisibility = Annotated[
    dict[str, Visibility],
    BeforeValidator(parse_field_visibility),
    PlainSerializer(lambda v: dict(sorted(v.items()))),
]
