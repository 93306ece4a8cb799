"""Technical indicators: read from text as offices write them, and answered one by one.

A demand says 单架次续航≥45min; an achievement says 续航52min, or says nothing, or falls short.
Numbers are compared only where the names mean the same thing and the units measure the same quantity.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from matcher.indicator_names import NEAR_NAME, SAME_NAME, name_closeness, name_nearness

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
    "energy": {"Wh": 1.0, "kWh": 1e3, "KWh": 1e3, "度": 1e3, "MWh": 1e6,
               "瓦时": 1.0, "千瓦时": 1e3, "兆瓦时": 1e6},
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
_ANY_UNIT = (
    r"(?:(?!以上|以内|以下|左右|且|同时|(?<![小瓦/])时|条件下|环境下)[A-Za-z\u4e00-\u9fffΩμ%/·]){1,8}[23]?"
)
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
# A figure inside a name tells of what the last one is said: 破洞（≥5cm）检出率91%, 10km2出图时间46min,
# 直径≥5cm破洞检出率≥95%.
_BRACKETED = re.compile(r"^(?P<name>[^\d(]+)\((?P<inside>[^()]*\d[^()]*)\)(?=\D*\d)")
_LEADING = re.compile(
    rf"^{_NUMBER}\s?{_KNOWN_UNIT}(?!.{{0,8}}?(?:时(?![间长刻延段速效限])|下))(?=[A-Za-z\u4e00-\u9fff]{{2,}}\D*\d)"
)
_QUALIFYING = re.compile(
    rf"^.{{0,31}}?(?P<figure>{_NUMBER}\s?(?:{_KNOWN_UNIT}|[次个种类台路批例人])(?:以上|以内|以下)?)(?=[\u4e00-\u9fff])"
)
# Counted things: 6个成分 are 6个, but 1个工作日 is a time.
_COUNTER = re.compile(r"^([个种类台套户批路次人条件例])(?!月|工作日|小时|星期|周)[\u4e00-\u9fff]+$")
_COUNTED = frozenset("个种类台套户批路次人条件例")
_PER_DAY = re.compile(r"(?P<every>每日|每天|每小时|每年)$")
# Better than: of these, in these units, less is better.
_FINER = re.compile("分辨率|精度|误差|偏差|检测限|检出限|时延|延迟|噪声")
_SMALLEST = re.compile("检出(?!率)|可检|瞳孔")
_FINER_IN = ("length", "time", "temperature", "level", "°")
# Between two figures of a clause: 6级时…, 20℃条件下…; 且, 同时.
_CONDITION = re.compile(
    r"(?:风|海况|工况|负载|载荷|左右|以上|以下)?(?:的?(?:条件|环境|情况|工况|状态|温度|高度|深度|浓度|湿度|流量|转速))?(?:时(?![间长刻延段速效限])|下)的?\s?"
)
_AFTER_CONDITION = re.compile(r"^.{1,8}?(?:时(?![间长刻延段速效限])|下)的?(?=..)")
_JOINT = re.compile(r"\s?(?:并且|同时|以及|且|并|而|和|及|与)\s?")
_CLAUSE = re.compile(r"[；;。\n]|，|、(?=[^\d])|,(?=\D)")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_NO_NAMES = ("在", "当", "于", "的", "且", "并")
_LIMIT = 40  # indicators of one text; a longer list is a data sheet, not a demand


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One figure: ``name`` ``operator`` ``low``–``high`` in ``unit``; ``quantity`` is what the unit measures.

    ``low`` and ``high`` are equal but for a range. ``text`` is the clause as written. ``under``: a figure inside
    the name, of what the indicator is said (10min预测准确率93%, 破洞（≥5cm）检出率91%).
    """

    name: str
    operator: Operator
    low: float
    high: float
    unit: str
    quantity: str
    text: str
    under: str = ""


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
        found += _indicators(clause.strip())
        if len(found) >= _LIMIT:
            break
    return tuple(found[:_LIMIT])


def _indicators(clause: str) -> list[Indicator]:
    """The figures of one clause: 20℃下粘度≤500mPa·s states the second, 航程162km且抗风≥7级 both.

    A figure under which another holds (…时, …下) is a condition and no indicator of its own.
    """
    bare, under = clause, ""
    if bracketed := _BRACKETED.match(bare):
        bare, under = bracketed["name"] + bare[bracketed.end() :], bracketed["inside"]
    if leading := _LEADING.match(bare):
        bare, under = bare[leading.end() :], leading[0]
    if (qualified := _QUALIFYING.match(bare)) and not _CONDITION.match(rest := bare[qualified.end() :]):
        last = None if _JOINT.match(rest) else _INDICATOR.match(rest)
        if last and _is_measured(last) and len(last["name"]) > 1:
            bare, under = rest, qualified["figure"]
    found = _stated(bare)
    if bare != clause and len(found) == 1:
        return [replace(found[0], text=clause[:60], under=re.sub(r"^\D+|以[上下内]$", "", under))]
    return found


def _stated(clause: str) -> list[Indicator]:
    found: list[Indicator] = []
    match = _CODED_INDICATOR.match(clause) or _INDICATOR.search(clause)
    quoted = rest = clause
    while match:
        after = rest[match.end() :]
        condition = _CONDITION.match(after)
        if condition and (held := _INDICATOR.match(after[condition.end() :])):
            rest, match = after[condition.end() :], held
            continue
        joint = _JOINT.match(after)
        further = _INDICATOR.match(after[joint.end() :]) if joint else None
        if not (further and _is_measured(further)):
            further = None
        if indicator := _indicator(match, quoted[: len(quoted) - len(after)] if further else quoted):
            found.append(indicator)
        match = further
        quoted = rest = after[joint.end() :] if joint else ""
    return found


def _is_measured(match: re.Match[str]) -> bool:
    """Whether a further figure is surely one: compared, or in a unit that is known (并符合GB 3838 is neither)."""
    return match["operator"] in (*_AT_LEAST, *_AT_MOST) or (match["unit"] or "") in _UNITS


def answers(demand: Sequence[Indicator], offer: Sequence[Indicator]) -> tuple[Answer, ...]:
    """For each indicator of ``demand`` the best-named comparable one of ``offer`` and whether it suffices.

    Comparable: same quantity, and names that are nearly one (see ``name_closeness``). Of several, the
    closest name; of equal names, the first. What is only near (same kind of unit, names that share what is
    measured) is given with the verdict ``silent``: a person has to look.
    """
    result = []
    for wanted in demand:
        best: tuple[float, Indicator] | None = None
        for given in offer:
            closeness = _closeness(wanted, given)
            if closeness and (best is None or closeness > best[0]):
                best = (closeness, given)
        if best is None:
            result.append(Answer(demand=wanted, offer=None, verdict="silent"))
        else:
            verdict = _verdict(wanted, best[1]) if best[0] >= SAME_NAME else "silent"
            result.append(Answer(demand=wanted, offer=best[1], verdict=verdict))
    return tuple(result)


def _closeness(wanted: Indicator, given: Indicator) -> float:
    """How nearly two indicators say the same: from SAME_NAME on they compare, from NEAR_NAME on a person should."""
    names = (wanted.name, given.name)
    if wanted.quantity == given.quantity or _per_batch(wanted, given) or _per_batch(given, wanted):
        closeness = name_closeness(*names, quantity=wanted.quantity)
        if closeness >= SAME_NAME and (not given.under or given.under in wanted.text):
            return closeness
        return NEAR_NAME if closeness >= SAME_NAME else name_nearness(*names, quantity=wanted.quantity)
    counted, by, _ = wanted.quantity.partition("/")
    if by and given.quantity.startswith(f"{counted}/") and counted in _COUNTED:  # 次/站, 次/日·站
        return NEAR_NAME if name_closeness(*names) >= SAME_NAME else 0.0
    if "number" in (wanted.quantity, given.quantity) and _COUNTED & {wanted.quantity, given.quantity}:
        return name_nearness(*names)
    return 0.0


def _per_batch(a: Indicator, b: Indicator) -> bool:
    """300kg/批 and 批量500kg are said of the same."""
    return a.quantity == f"{b.quantity}/批" and "批" in b.name


def _normal(text: str) -> str:
    # 10⁶ becomes 106 under NFKC, and 2 000 spaces are one.
    text = re.sub(
        "10([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: "10^" + found[1].translate(_SUPERSCRIPT).lstrip("+"), text
    )
    text = unicodedata.normalize("NFKC", text).replace("µ", "μ").replace("°C", "℃").replace("−", "-")
    return re.sub(r"[^\S\n]+", " ", text)


def _indicator(match: re.Match[str], clause: str) -> Indicator | None:
    name = match["name"].strip()
    if match.start("name") and match.string[match.start("name") - 1].isdigit():
        name = _AFTER_CONDITION.sub("", name)  # 6级风下定位误差: the name begins behind the condition
    name = re.sub(r"^(?:其中|要求|实现|使|且)", "", name).strip(" :为")
    name = "防护等级" if name in ("IP", "IPX") else name
    if not name or name in _NO_NAMES or len(name) > 30:
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
    if (every := _PER_DAY.search(name)) and "/" not in quantity and quantity not in ("time", "share"):
        per = {"每小时": 3600.0, "每年": 31536000.0}.get(every["every"], 86400.0)
        name, quantity, low, high = name[: every.start()] or name, f"{quantity}/time", low / per, high / per
    operator = _operator(match["operator"], match["after"])
    if match["operator"] == "优于" and quantity in _FINER_IN and _FINER.search(name):
        operator = "at_most"
    if operator == "equal" and name.startswith("支持") and quantity in _COUNTED:
        operator = "at_least"
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
    if counted := _COUNTER.match(unit):
        return (counted[1], 1.0)
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
    if wanted.operator == given.operator == "at_least" and _SMALLEST.search(wanted.name + given.name):
        return "silent"  # 检出面积≥16cm2 finds more than ≥25cm2 does
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
