"""Indicators that nobody can meet or measure as written: a unit that does not go with the name, a value that cannot be.

Told only where it is sure, because a task with one is not posted. Scales: Celsius begins at −273.15 ℃, shares of a
whole end at 100 %, TRL at 9 (GB/T 22900), wind force at 17 (GB/T 28591).
"""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from graph.problems import Problem
from matcher.indicators import Indicator

_MEASURED_BY = {
    "length": ("航程|距离|长度|宽度|厚度|直径|半径|航距", "长度，例如 km、m、mm"),
    "mass": ("载重|重量|商载", "质量，例如 kg、t"),
    "time": ("时间|时长|时延|工期", "时间，例如 s、min、天"),
    "temperature": ("温度", "温度，例如 ℃"),
    "area": ("面积", "面积，例如 m2、亩"),
    "power": ("(?<!成)功率", "功率，例如 W、kW"),
}
_NAMED = {quantity: re.compile(rf"(?:{names})$") for quantity, (names, _) in _MEASURED_BY.items()}
_ELECTRIC = frozenset({"V", "mV", "kV", "A", "mA", "kA", "Ω", "kΩ", "MΩ", "mAh", "Ah"})
# What else measures surely something else; counts, levels, shares and units that are not known may be said of anything.
_PHYSICAL = frozenset({*_MEASURED_BY, "volume", "pressure", "energy", "frequency", "speed", "money"})
# Shares of a whole. Rates of growth, of use or of recovery (加样回收率102.1%) may be above it, and so are not here.
_SHARE_OF_WHOLE = re.compile(
    r"(?:准确|正确|合格|成功|召回|检出|识别|命中|良品|成品|完好|去除|误报|漏报|误检|漏检|误判|退单|可用|在线|及时)率$"
)
_ABSOLUTE_ZERO, _WHOLE, _HIGHEST_TRL, _STRONGEST_WIND = -273.15, 1.0, 9, 17


def impossible(indicators: Sequence[Indicator]) -> Iterator[Problem]:
    """What cannot be meant, as errors in the order of the indicators; then pairs of them that rule each other out."""
    for indicator in indicators:
        if told := _alone(indicator):
            yield _problem(f"“{indicator.text[:40]}”{told[0]}", told[1])
    for one, other in combinations(indicators, 2):
        if _rule_out(one, other) or _rule_out(other, one):
            quoted = f"“{one.text[:40]}”与“{other.text[:40]}”不能同时满足"
            yield _problem(quoted, "核对数值和方向，留下对的一条")


def _problem(message: str, remedy: str) -> Problem:
    return Problem(code="indicator_impossible", message=message, remedy=remedy, column="技术指标")


def _alone(indicator: Indicator) -> tuple[str, str] | None:
    name, quantity = indicator.name, indicator.quantity
    is_other = quantity in _PHYSICAL or indicator.unit in _ELECTRIC
    for wanted, pattern in _NAMED.items():
        if is_other and quantity != wanted and (named := pattern.search(name)):
            return f"的单位“{indicator.unit}”量不了{named[0]}", f"单位应是{_MEASURED_BY[wanted][1]}"
    if _SHARE_OF_WHOLE.search(name):
        if is_other:
            return f"的单位“{indicator.unit}”不能用于比率", "比率的单位是 %"
        if quantity == "share" and indicator.high > _WHOLE:
            return "超过了 100%", "改成 100% 以内的数值"
    if quantity == "temperature" and indicator.low < _ABSOLUTE_ZERO and "温差" not in name:
        return "低于绝对零度（-273.15℃）", "核对数值和单位"
    if re.search("TRL$|技术成熟度", name) and indicator.high > _HIGHEST_TRL:
        return "超过了最高的 9 级", "技术成熟度写 1 到 9 级"
    if quantity == "wind" and "风" in name and indicator.high > _STRONGEST_WIND:
        return "超过了最高的 17 级", "风力等级写 0 到 17 级"
    return None


def _rule_out(one: Indicator, other: Indicator) -> bool:
    """At least so much and at most less of the very same thing."""
    return (
        (one.name, one.quantity, one.under) == (other.name, other.quantity, other.under)
        and (one.operator, other.operator) == ("at_least", "at_most")
        and one.low > other.high
    )
