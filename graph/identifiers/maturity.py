"""技术成熟度: what clerks write for it, on the 9-level and the Chinese 13-level scale."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from graph.problems import BadValue

Scale = Literal["GB/T 22900", "TRL13"]

_LEVELS: Mapping[Scale, int] = {"GB/T 22900": 9, "TRL13": 13}

# Stage words by level of the 9-level scale. Our own reading, on the cautious side, along the three
# stages of the achievement registration form (初期 = 实验室/小试, 中期 = 中试, 成熟应用): levels
# 1-4, 5-7 and 8-9. The words are those of that form and of technology markets' drop-down lists.
_WORDS_BY_LEVEL: Mapping[int, str] = {
    1: "基础研究 理论研究 基本原理",
    2: "概念 技术概念 设想 方案 技术方案 方案设计 应用研究",
    3: "初期 研发 正在研发 研制 在研 概念验证 原理验证 仿真 仿真验证",
    4: "实验室 实验室验证 实验室研究 实验室成果 小试 小规模试验 原理样机 样品",
    5: "中期 原型 原型机 样机 样机研制 初样 初样机",
    6: "中试 中试熟化 中试放大 中间试验 工程样机 工程化 正样 正样机",
    7: "试生产 小批量 小批量生产 小批量试生产 小批量试产 小批量试制 示范 示范应用 应用示范 工程示范 试用 试点应用",
    8: "成熟 成熟应用 成熟产品 定型 产品定型 可量产 可以量产 可产业化",
    9: "产业化 产业化应用 批量 批量生产 大批量生产 量产 规模化生产 规模化应用 大规模应用 推广应用 市场化 商业化 上市",
}
_STAGE_WORDS = {word: level for level, words in _WORDS_BY_LEVEL.items() for word in words.split()}

_NUMERALS = {numeral: str(i) for i, numeral in enumerate([*"零一二三四五六七八九十", "十一", "十二", "十三"])}
# Spreadsheets keep whole numbers as 6.0.
_RANGE = r"第?(\d{1,4})(?:\.0)?级?(?:[-~—–―至到或]+(?:TRL)?第?(\d{1,4})(?:\.0)?级?)?"
_THIRTEEN = re.compile(
    rf"(?:TRL)?13(?:级制|级标准|级量表|级中|级(?=第))[-:]?{_RANGE}|TRL13[-:/](?:第?)(\d{{1,4}})级?"
)
_NINE = re.compile(rf"(?:(?:TRL)?9级(?:制|标准|量表|中)[-:]?)?(?:TRL[-:=]?)?{_RANGE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """A technology's maturity: a level of a scale and what proves it.

    ``scale`` ``GB/T 22900`` has levels 1-9 (edition of 2022; its wording of the levels was not at hand, so
    nothing here quotes it), ``TRL13`` levels 1-13 (报告 方案 仿真 功能 初样 正样
    环境 产品 系统 销售 盈亏 利润 回报; 青科资字〔2025〕2号). Raises ``BadValue``: ``maturity_scale_unknown``,
    ``maturity_out_of_range``. As text it is what ``parse_maturity`` reads back, evidence aside.
    """

    scale: Scale
    level: int
    evidence: str = ""

    def __post_init__(self) -> None:
        top = _LEVELS.get(self.scale)
        if top is None:
            remedy = "请用 GB/T 22900（9 级制）或 TRL13（13 级制）"
            raise BadValue("maturity_scale_unknown", f"不认识的成熟度标准“{self.scale}”", remedy)
        if isinstance(self.level, bool) or not isinstance(self.level, int) or not 1 <= self.level <= top:
            other = "；13 级制的请写成 13级制第8级" if self.scale == "GB/T 22900" else ""
            raise BadValue(
                "maturity_out_of_range",
                f"{top} 级制的成熟度没有第 {self.level} 级",
                f"请填 1 至 {top} 之间的整数级别{other}",
            )

    def __str__(self) -> str:
        return f"TRL{self.level}" if self.scale == "GB/T 22900" else f"13级制第{self.level}级"


def parse_maturity(text: str) -> Maturity:
    """The maturity a cell means: ``TRL6``, ``TRL 6-7`` (the lower end), ``6级``, ``中试``, ``13级制第8级``.

    ``TRL13-8`` is level 8 of the 13-level scale; a bare number is on the 9-level scale; 及以上, ≥ and
    不低于 give the floor itself. A level written out wins over a stage word beside it: ``中试（TRL5）``
    is 5; of several the lowest counts. Stage words are read by our own table (小试 4, 中试 6, 产业化 9 …).
    Raises ``BadValue``: ``maturity_unreadable``, ``maturity_out_of_range``.
    """
    whole = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).upper()
    parts = [p for p in re.split(r"[()\[\]【】,、;/]+", whole) if p]
    readings = [whole, *parts]
    if found := [level for part in readings if (level := _level(_without_phrases(part)))]:
        return min(found, key=trl)
    words = [_without_phrases(part).removesuffix("中") for part in readings]
    if levels := [_STAGE_WORDS[word] for word in words if word in _STAGE_WORDS]:
        return Maturity(scale="GB/T 22900", level=min(levels))
    raise BadValue(
        "maturity_unreadable",
        f"看不懂成熟度“{text.strip()[:30]}”",
        "请写 TRL1 至 TRL9，或 13级制第8级，"
        "或 初期、小试、样机、中期、中试、试生产、成熟应用、批量生产、已产业化",
    )


def trl(maturity: Maturity) -> int:
    """The level on the 9-level scale (GB/T 22900-2022), 1-9.

    The 13-level scale follows the nine levels up to 系统 (9) and adds four of the market (10 销售, 11 盈亏,
    12 利润, 13 回报), all of which presume a technology that is in use: they count as 9. This mapping is
    our reading; no standard states it.
    """
    return min(maturity.level, 9)


def maturity_label(level: int) -> str:
    """The stage of the registration form for a level 1-9: 初期 (1-4), 中期 (5-7), 成熟应用 (8, 9).

    The bounds are our reading. Raises ``BadValue`` (``maturity_out_of_range``).
    """
    Maturity(scale="GB/T 22900", level=level)
    return "初期" if level <= 4 else "中期" if level <= 7 else "成熟应用"


def _level(text: str) -> Maturity | None:
    """The level written as a number, or None where the text is no such number."""
    text = re.sub("十[一二三]?|[零一二三四五六七八九]", lambda found: _NUMERALS[found[0]], text)
    if found := _THIRTEEN.fullmatch(text):
        return _lower_end("TRL13", found[1] or found[3], found[2])
    if found := _NINE.fullmatch(text):
        return _lower_end("GB/T 22900", found[1], found[2])
    return None


def _lower_end(scale: Scale, first: str, second: str | None) -> Maturity:
    ends = [Maturity(scale=scale, level=int(end)) for end in (first, second) if end]
    return min(ends, key=lambda end: end.level)


def _without_phrases(text: str) -> str:
    """The text without what clerks put around a level: 技术成熟度, 处于, 已完成; 阶段, 及以上."""
    text = re.sub(r"^(?:技术)?(?:成熟度|就绪度|所处阶段|阶段)(?:等级|水平)?(?:为|:)?", "", text)
    text = re.sub(r"^(?:≥|>=|不低于|至少|不小于)", "", text)
    text = re.sub(r"^(?:目前|现)?(?:处于|处在|进入|已?(?:完成|通过|达到|有|实现)|已)(?=.)", "", text)
    text = re.sub(r"(?:及|或)?以上$|\+$", "", text)
    return re.sub(r"(?<=.)(?:阶段|水平)?(?:已?完成)?$", "", text)
