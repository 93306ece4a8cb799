"""Technical indicators: read from text as offices write them, and answered one by one.

A demand says 单架次续航≥45min; an achievement says 续航52min, or says nothing, or falls short.
Numbers are compared only where the names mean the same thing and the units measure the same quantity.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Operator = Literal["at_least", "at_most", "equal"]
# Silent: nothing comparable is said, or the demand does not say which way is better.
Verdict = Literal["met", "short", "silent"]

_AT_LEAST = (
    "≥",
    ">=",
    "≧",
    "≮",
    ">",
    "不低于",
    "不少于",
    "不小于",
    "大于等于",
    "大于或等于",
    "大于",
    "高于",
    "超过",
    "至少",
    "达到",
    "可达",
    "以上",
)
_AT_MOST = (
    "≤",
    "<=",
    "≦",
    "≯",
    "<",
    "不超过",
    "不高于",
    "不大于",
    "不多于",
    "小于等于",
    "小于或等于",
    "小于",
    "低于",
    "少于",
    "控制在",
    "以内",
    "以下",
)
# Better than, as low as: which way is better only the name would tell.
_NO_DIRECTION = ("=", ":", "为", "约", "达", "优于", "低至", "高达")
_UNITS: dict[str, tuple[str, float]] = {}
for _measured, _table in {
    "length": {"nm": 1e-9, "μm": 1e-6, "um": 1e-6, "微米": 1e-6, "mm": 1e-3, "毫米": 1e-3, "cm": 1e-2, "厘米": 1e-2,
               "m": 1.0, "米": 1.0, "km": 1e3, "Km": 1e3, "KM": 1e3, "公里": 1e3, "千米": 1e3, "海里": 1852.0},
    "area": {"mm2": 1e-6, "cm2": 1e-4, "m2": 1.0, "平方米": 1.0, "km2": 1e6, "平方公里": 1e6, "亩": 2000 / 3, "公顷": 1e4},
    "time": {"μs": 1e-6, "ms": 1e-3, "毫秒": 1e-3, "s": 1.0, "秒": 1.0, "min": 60.0, "分钟": 60.0, "分": 60.0,
             "h": 3600.0, "小时": 3600.0, "天": 86400.0, "d": 86400.0, "日": 86400.0, "年": 31536000.0, "个月": 2592000.0},
    "mass": {"mg": 1e-6, "g": 1e-3, "克": 1e-3, "kg": 1.0, "Kg": 1.0, "KG": 1.0, "公斤": 1.0, "千克": 1.0, "t": 1e3, "吨": 1e3,
             "μg": 1e-9, "ug": 1e-9},
    "share": {"%": 0.01, "‰": 0.001},
    "power": {"mW": 1e-3, "W": 1.0, "瓦": 1.0, "kW": 1e3, "KW": 1e3, "千瓦": 1e3, "MW": 1e6, "兆瓦": 1e6},
    "energy": {"Wh": 1.0, "kWh": 1e3, "KWh": 1e3, "度": 1e3, "MWh": 1e6},
    "pressure": {"Pa": 1.0, "kPa": 1e3, "MPa": 1e6, "Mpa": 1e6, "GPa": 1e9, "bar": 1e5},
    "temperature": {"℃": 1.0, "摄氏度": 1.0},
    "level": {"dB": 1.0, "dB(A)": 1.0, "分贝": 1.0},
    "speed": {"m/s": 1.0, "km/h": 1 / 3.6, "节": 0.514},
    "frequency": {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "fps": 1.0, "帧/s": 1.0, "帧/秒": 1.0},
    "volume": {"μL": 1e-6, "mL": 1e-3, "ml": 1e-3, "L": 1.0, "升": 1.0, "m3": 1e3, "立方米": 1e3, "cm3": 1e-3},
    "money": {"元": 1.0, "万元": 1e4, "亿元": 1e8},
    "wind": {"级": 1.0},
}.items():  # fmt: skip
    _UNITS |= {name: (_measured, factor) for name, factor in _table.items()}
# Elsewhere a "-" before a figure is a dash.
_SIGNED = ("temperature", "level")
_TENS = {"万": 1e4, "亿": 1e8}


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


_ONE_UNIT = _any_of([unit for unit in _UNITS if unit not in ("%", "‰")])
# A unit of the table stands alone: the d of dB and the m of mV are no days and metres.
_KNOWN_UNIT = rf"(?:%|‰|(?:{_ONE_UNIT})(?:/(?:{_ONE_UNIT}))?(?![A-Za-z0-9·/]))"
_ANY_UNIT = r"(?:(?!以上|以内|以下|左右)[A-Za-z\u4e00-\u9fffΩμ%/·]){1,8}[23]?"
_NUMBER = r"(?:\d(?:\.\d+)?[x×*]10\^?-?\d{1,2}(?!\d)|10\^-?\d+|\d{1,3}(?:,\d{3})+(?![\d,])|\d+(?:\.\d+)?(?:[x×*]10\^-?\d+)?)"
_FIGURE = (
    rf"(?P<tolerance>±)?(?P<low>(?:(?<![A-Za-z0-9])-)?{_NUMBER})\s?"
    rf"(?:(?P<low_unit>{_KNOWN_UNIT})?\s?(?P<range>[~至到—±-])\s?(?P<high>(?:(?<!-)-)?{_NUMBER})\s?)?"
    rf"(?P<unit>{_KNOWN_UNIT}|{_ANY_UNIT})?\s?(?P<after>以上|以内|以下)?"
)
_COMPARISONS = _any_of((*_AT_LEAST, *_AT_MOST))
_NOT_IN_NAMES = r"\d；;，,。、\n（(≥≧≮≤≦≯<>=±~"
# A name begins where the clause does or after a character that no name has, and is short: a clerk may paste
# pages, and each of these bounds keeps the time in proportion to their length.
_INDICATOR = re.compile(
    rf"(?:^|(?<=[{_NOT_IN_NAMES})）]))(?![)）]|{_COMPARISONS})(?P<name>[^{_NOT_IN_NAMES}]{{0,31}}?[A-Za-z\u4e00-\u9fff)）])\s?"
    rf"(?:(?P<operator>{_any_of((*_AT_LEAST, *_AT_MOST, *_NO_DIRECTION))})\s?)?(?:IPX?|TRL)?{_FIGURE}"
)
# Names with figures in them (PM2.5浓度, 粒径D50) are told from their values by a comparison that follows.
_CODED_INDICATOR = re.compile(
    rf"(?:[(（]?\d{{1,2}}[)）.、]\s?)?(?!{_COMPARISONS})(?P<name>(?:[A-Za-z]{{1,6}}\d{{1,4}}(?:\.\d{{1,2}})?|[^{_NOT_IN_NAMES}]){{1,31}}?)\s?"
    rf"(?P<operator>{_COMPARISONS}|[:=])\s?(?:IPX?|TRL)?{_FIGURE}"
)
_CLAUSE = re.compile(r"[；;。\n]|，|、(?=[^\d])|,(?=\D)")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
# Below this, names of the same kind of figure mostly mean different things (附着物去除率, 悬浮物去除率: 0.6).
_SAME_NAME = 0.62
_FAULTS = ("过检", "漏检", "误检", "误报", "漏报", "误判", "漏判", "误差", "退单", "退回")
_LIMIT = 40  # indicators of one text; a longer list is a data sheet, not a demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One figure: ``name`` ``operator`` ``low``–``high`` in ``unit``; ``quantity`` is what the unit measures.

    ``low`` and ``high`` are equal but for a range. ``text`` is the clause as written.
    """

    name: str
    operator: Operator
    low: float
    high: float
    unit: str
    quantity: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an achievement says to one indicator of a demand."""

    demand: Indicator
    offer: Indicator | None
    verdict: Verdict

    @property
    def sentence(self) -> str:
        """The answer in Chinese, e.g. ``续航≥45min：成果为“续航52min”，满足``."""
        if self.offer is None:
            return f"{self.demand.text}：成果未说明"
        said = {"met": "满足", "short": "未达到", "silent": "请人工核对"}[self.verdict]
        return f"{self.demand.text}：成果为“{self.offer.text}”，{said}"


@lru_cache(maxsize=65536)
def parse_indicators(text: str) -> tuple[Indicator, ...]:
    """The indicators stated in ``text``, in order, at most 40; clauses without a name and a number are skipped."""
    found = []
    for clause in _CLAUSE.split(_normal(text)):
        clause = clause.strip()
        match = _CODED_INDICATOR.match(clause) or _INDICATOR.search(clause)
        if match and (indicator := _indicator(match, clause)):
            found.append(indicator)
        if len(found) == _LIMIT:
            break
    return tuple(found)


def answers(demand: Sequence[Indicator], offer: Sequence[Indicator]) -> tuple[Answer, ...]:
    """For each indicator of ``demand`` the best-named comparable one of ``offer`` and whether it suffices.

    Comparable: same quantity, and names that are nearly one (see ``_name_closeness``). Of several, the
    closest name; of equal names, the first.
    """
    result = []
    for wanted in demand:
        best: tuple[float, Indicator] | None = None
        for given in offer:
            closeness = _name_closeness(wanted.name, given.name) if wanted.quantity == given.quantity else 0.0
            if closeness >= _SAME_NAME and (best is None or closeness > best[0]):
                best = (closeness, given)
        if best is None:
            result.append(Answer(demand=wanted, offer=None, verdict="silent"))
        else:
            result.append(Answer(demand=wanted, offer=best[1], verdict=_verdict(wanted, best[1])))
    return tuple(result)


def _normal(text: str) -> str:
    # 10⁶ becomes 106 under NFKC, and 2 000 spaces are one.
    text = re.sub(
        "10([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: "10^" + found[1].translate(_SUPERSCRIPT).lstrip("+"), text
    )
    text = unicodedata.normalize("NFKC", text).replace("µ", "μ").replace("°C", "℃").replace("−", "-")
    return re.sub(r"[^\S\n]+", " ", text)


def _indicator(match: re.Match[str], clause: str) -> Indicator | None:
    name = re.sub(r"^(?:其中|要求|实现|使|且)", "", match["name"].strip()).strip(" :为")
    name = "防护等级" if name in ("IP", "IPX") else name
    if not name or len(name) > 30:
        return None
    unit, sign = (match["unit"] or "").strip(), match["range"]
    if sign == "±" and match["low_unit"] not in (None, unit):
        unit, sign = match["low_unit"], None  # 220V±10%: the tolerance is in another unit
    quantity, factor = _quantity(unit)
    low = _number(match["low"]) * (_quantity(match["low_unit"])[1] if match["low_unit"] and sign else factor)
    high = _number(match["high"]) * factor if sign else low
    if quantity not in _SIGNED:
        low, high = abs(low), abs(high)
    if sign == "±":
        low, high = low - high, low + high
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    operator = _operator(match["operator"], match["after"])
    if match["tolerance"] and operator == "equal":
        operator = "at_most"
    return Indicator(
        name=name, operator=operator, low=min(low, high), high=max(low, high),
        unit=unit, quantity=quantity, text=clause[:60],
    )  # fmt: skip


def _operator(before: str | None, after: str | None) -> Operator:
    if before in _AT_LEAST or after == "以上":
        return "at_least"
    if before in _AT_MOST or after in ("以内", "以下"):
        return "at_most"
    return "equal"


def _quantity(unit: str) -> tuple[str, float]:
    """What a unit measures and its factor; of a rate both parts count; unknown units are their own."""
    if unit in _UNITS:
        return _UNITS[unit]
    if len(unit) > 1 and unit[0] in _TENS:
        quantity, factor = _quantity(unit[1:])
        return (quantity, factor * _TENS[unit[0]])
    base, slash, per = unit.partition("/")
    if slash and base:
        (quantity, factor), (by, share) = _quantity(base), _quantity(per)
        quantity = "speed" if (quantity, by) == ("length", "time") else f"{quantity}/{by}"
        return (quantity, factor / share)
    return (unit or "number", 1.0)


def _number(text: str) -> float:
    """The value of ``-5``, ``1,200``, ``1.5×10^4``, ``1×104`` (its superscript lost) and ``10^6``; infinite if too large."""
    sign = -1.0 if text.startswith("-") else 1.0
    digits = re.sub("[x×*]", "x", text.removeprefix("-").replace(",", ""))
    mantissa, times, power = digits.partition("x")
    if times:
        return sign * float(f"{mantissa}e{power.removeprefix('10').removeprefix('^')}")
    _, caret, power = digits.partition("^")
    return sign * float(f"1e{power}" if caret else digits)


def _verdict(wanted: Indicator, given: Indicator) -> Verdict:
    tolerance = 1e-9 * max(abs(wanted.low), abs(wanted.high), 1e-12)
    if wanted.operator == "at_least":
        if given.operator == "at_most":  # a bound on the other side proves nothing, unless it rules out
            return "short" if given.high < wanted.low - tolerance else "silent"
        value = given.high if given.operator == "equal" else given.low
        return "met" if value >= wanted.low - tolerance else "short"
    if wanted.operator == "at_most":
        if given.operator == "at_least":
            return "short" if given.low > wanted.high + tolerance else "silent"
        value = given.low if given.operator == "equal" else given.high
        return "met" if value <= wanted.high + tolerance else "short"
    covers = given.low <= wanted.low + tolerance and given.high >= wanted.high - tolerance
    within = given.low >= wanted.low - tolerance and given.high <= wanted.high + tolerance
    point = given.low == given.high and given.operator == "equal"
    if covers or (within and point):
        return "met"
    return "short" if wanted.low < wanted.high else "silent"


def _name_closeness(a: str, b: str) -> float:
    """Dice coefficient of character pairs; 1 if one name is the other with words left out (抗风, 抗风能力).

    Names that differ by what is wrong (过检率, 漏检率, 误报率) are never the same.
    """
    if {fault for fault in _FAULTS if fault in a} != {fault for fault in _FAULTS if fault in b}:
        return 0.0
    short, long = sorted((a, b), key=len)
    rest = iter(long)
    if len(short) >= 2 and all(character in rest for character in short):
        return 1.0
    pairs_a, pairs_b = ({x[i : i + 2] for i in range(len(x) - 1)} for x in (a, b))
    total = len(pairs_a) + len(pairs_b)
    return 2 * len(pairs_a & pairs_b) / total if total else 0.0
