"""Measured figures of a case (成效指标): what was before, what is after, in which unit, by which source."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator

from graph.problems import BadValue
from graph.values import clean_cell, is_blank

PENDING = "待补"
_ARROWS = r"→|⇒|->|-->|=>|——>|—>"
_NUMBER = r"-?\d+(?:\.\d+)?"
_FIGURE = rf"(?P<{{0}}>{_NUMBER}|{PENDING})\s*(?P<{{0}}_unit>[^→⇒()\s\d-][^→⇒()]*?)?"
_MEASURE = re.compile(
    rf"(?P<name>[^:]{{1,60}}?):\s*{_FIGURE.format('before')}\s*(?:{_ARROWS})\s*{_FIGURE.format('after')}"
    r"\s*(?:\((?:来源:)?\s*(?P<source>.*)\))?"
)
# Only what parts a measure: a ℃ or a m² stays as it was written.
_PLAIN = str.maketrans("０１２３４５６７８９：；（）－．％，【】", "0123456789:;()-.%,()")
# Between two measures, never inside brackets: a source may list several papers.
_BETWEEN = re.compile(r"[;\n]+(?![^()]*\))")
_MOST = 40
HOW = "请逐条写 指标：前→后 单位（来源：材料），用分号隔开，例如 登塔作业次数：120→17 次/年（来源：用户使用证明）"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure before and after, as decimals in ``unit``; ``None`` and an empty source are still to be filled in."""

    name: str
    before: Decimal | None
    after: Decimal | None
    unit: str
    source: str

    @property
    def is_measured(self) -> bool:
        """Whether both figures are there."""
        return self.before is not None and self.after is not None

    @property
    def text(self) -> str:
        """As it is written in a cell; comes back by ``parse_measures``."""
        return f"{self.change}（来源：{self.source or PENDING}）"

    @property
    def change(self) -> str:
        """Name, before and after, without the source: ``登塔作业次数：120→17 次/年``."""
        before, after = (PENDING if figure is None else f"{figure:f}" for figure in (self.before, self.after))
        return f"{self.name}：{before}→{after}{f' {self.unit}' if self.unit else ''}"


def parse_measures(text: str) -> tuple[Measure, ...]:
    """The measures in a cell, in order, at most 40. 待补 stands for a figure or a source that is still missing.

    Raises ``BadValue`` for a part that is no measure, two units that differ, and a name said twice.
    """
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.translate(_PLAIN))
    found: dict[str, Measure] = {}
    for part in filter(None, (part.strip() for part in _BETWEEN.split(plain))):
        measure = _measure(part)
        if measure.name in found:
            raise BadValue("measure_repeated", f"指标“{measure.name[:30]}”写了两次", "请合并成一条")
        found[measure.name] = measure
    if len(found) > _MOST:
        raise BadValue(
            "measures_too_many", f"有 {len(found)} 条成效指标", f"请留下最重要的，不超过 {_MOST} 条"
        )
    return tuple(found.values())


def measures_in(text: str) -> tuple[Measure, ...]:
    """The measures in a cell of a record, which may hold anything an office has written; none where it cannot be read."""
    try:
        return parse_measures(text)
    except BadValue:
        return ()


def _measure(part: str) -> Measure:
    read = _MEASURE.fullmatch(part)
    if not read:
        raise BadValue("measure_unreadable", f"看不懂成效指标“{part[:40]}”", HOW)
    units = [unit for name in ("before", "after") if (unit := (read[f"{name}_unit"] or "").strip())]
    if len(set(units)) > 1:
        raise BadValue(
            "measure_units", f"“{part[:40]}”前后的单位不同（{units[0]}、{units[1]}）", "请换算成同一单位"
        )
    figures = [None if read[name] == PENDING else Decimal(read[name]) for name in ("before", "after")]
    source = (read["source"] or "").strip()
    return Measure(
        name=read["name"].strip(), before=figures[0], after=figures[1], unit=units[0] if units else "",
        source="" if is_blank(source) or source == PENDING else source,
    )  # fmt: skip


def _canonical(value: object) -> str:
    text = clean_cell(value)
    return "；".join(measure.text for measure in parse_measures(text)) if not is_blank(text) else ""


# Kept as one text, so that sheets, JSON and the store hold it alike; of a case file only what can be read.
Measures = Annotated[str, BeforeValidator(_canonical)]
