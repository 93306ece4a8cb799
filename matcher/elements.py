"""What a demand needs, part by part, and which part an achievement answers: material, method, effect, product, application.

The five parts follow the element model of patent recommendation for technology demands (Sustainability 18(7),
3339, 2026: 材料、方法、功效、产品、应用); indicators are the sixth. Phrases are found by rules over the cut text: nouns
by their last word, effects by a verb before or a fault behind, with the lists of data/lexicon/element_words.txt.
Nothing is encoded, and nothing is told that the words do not hold.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from embeddings.lexical_index import LexicalIndex
from embeddings.segmentation import CHARACTER_MARK
from embeddings.text import clean_text
from graph.kinds import Node, Scene
from matcher.indicators import Answer
from matcher.phrases import Reading, general_words, whole_words, word_groups
from matcher.texts import need_of

Kind = Literal["material", "method", "effect", "product", "application", "indicator"]
# short: an indicator that is not reached; check: figures that a person must compare; denied: ruled out in
# words; unknown: the achievement is only a title, which proves nothing either way.
Status = Literal["answered", "partial", "silent", "short", "check", "denied", "unknown"]
KIND_LABELS: Mapping[Kind, str] = {
    "material": "材料", "method": "方法/工艺", "effect": "效果/性能", "product": "产品/装备", "application": "应用对象/场合",
    "indicator": "指标",
}  # fmt: skip
STATUS_LABELS: Mapping[Status, str] = {
    "answered": "已回应", "partial": "部分", "silent": "未提及", "short": "未达到", "check": "请人工核对",
    "denied": "写明不适用", "unknown": "成果只有题目，无法判断",
}  # fmt: skip
# Share of a phrase's words (by idf) within one clause of the achievement from which it is answered, and from
# which it is answered in part; a part must hold the phrase's last word, another,
# and one that is rare.
ANSWERED, PARTIAL = 0.75, 0.4
_PER_KIND = 4
_QUOTE = 40
_AHEAD = 3  # words, where one is not found
# Characters of a phrase.
_LONGEST, _LONGEST_METHOD, _LONGEST_FAULT = 12, 8, 8
# Terms in more than this share of the nodes are common; a single word must be rarer to be a need of its own.
_COMMON, _COMMON_ALONE, _FEW = 0.15, 0.06, 3
# A clause of a summary or of a problem asks for something only in these words, and not where it says how it is now.
_ASKS = re.compile("需(?![求方])|须|要求|实现|解决|克服|征集|寻求|寻找|希望|拟采购|拟引进|购置|研制|预期目标")
_IS_NOW = re.compile(
    "需人工|需要人工|难以|无法|不能|未能|只能|目前|现有|过去|此前|原来|以往|依靠|全靠|是否|刚需|所需|按需"
)
# What a clause of wanted work says of the contract and not of the thing.
_CONTRACT = re.compile(
    "知识产权|租赁|租用|采购|购买|验收|派驻|驻场|驻厂|维保|运维|培训|试用|试点|推广|合作|联合|委托|交付|分成|收益|备案|资料|运营|施工|投标|"
    "招标|样机|样板|比测|临床|注册|供方|我方|双方|愿意|试验|试运行|对比|参与|方式|申报|独家|参股|保障|会诊|达标|效果|先做|交钥匙|揭榜|业绩"
)
# A clause that says what the achievement itself still needs or has not done answers nothing.
_LIMITS = re.compile(
    "(?<![无不免毋])[需须]|仅|尚[未无不待]|未[^来]|不能|无法|局限|有待|还没|没有做|只[能在做有限适]|暂|不足|目前没"
)
_SHORTEST: Mapping[Kind, int] = {"material": 2, "method": 3, "effect": 4, "product": 2, "application": 2}
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
_CODE = re.compile(r"[a-z][a-z0-9]*(?:[.\-+][a-z0-9]+)*")
# What is asked for may be several things in a row (需A、B、C).
_ASKED = re.compile(r"[。；;，,：:！？!?\n（）()]+")
_CLAUSES = re.compile(r"[。；;，,、：:！？!?\n（）()“”\"]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One thing that a demand needs: its kind and the words in which the demand says it, together and cut."""

    kind: Kind
    text: str
    words: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """What an answer is looked for by: whole words; one of a single character goes with the next (铜回收)."""
        units: list[str] = []
        before = ""
        for word in self.words or (self.text.lower(),):
            before += word
            if len(word) > 1:
                units.append(before)
                before = ""
        if before:
            units[-1:] = [(units[-1] if units else "") + before]
        return tuple(dict.fromkeys(units))


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementAnswer:
    """Whether an achievement answers an element; ``said`` is the clause that does, empty where none."""

    element: Element
    status: Status
    said: str

    @property
    def sentence(self) -> str:
        """In Chinese, e.g. ``产品/装备“耐盐雾电机轴承”：已回应（电机轴承采用陶瓷球并加正压防潮）``."""
        said = f"（{self.said}）" if self.said else ""
        return f"{KIND_LABELS[self.element.kind]}“{self.element.text}”：{STATUS_LABELS[self.status]}{said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clauses:
    """The clauses of an achievement as written and as compared; those from ``affirmed`` on deny something.

    ``bounds``: for each clause the places in ``plain`` where words begin or end. Clauses that state a limitation or
    a need of the achievement are not among them.
    """

    written: tuple[str, ...]
    plain: tuple[str, ...]
    bounds: tuple[frozenset[int], ...]
    affirmed: int


# An element, the share of its idf that each of its words is, and which of them are rare.
Need = tuple[Element, Mapping[str, float], frozenset[str]]


def elements_of(demand: Node, read: Reading, index: LexicalIndex) -> tuple[Element, ...]:
    """What ``demand`` needs in words, at most four of each kind, in the order in which it says them.

    ``read`` is its text as read. Of a scene only what it asks for counts: title, wanted work without the terms of the
    contract, and those clauses of problem and summary that ask. Phrases that cannot be cut at whole words are left
    out. Of more, those in title and wanted work go before the others, then the rarer. What is contained in another of its kind is left out, and so is what all say.
    """
    first, rest = _sources(demand)
    found: dict[tuple[Kind, str], tuple[int, Element]] = {}
    for position, (kind, words) in enumerate(_phrases(whole_words(read.words))):
        text = "".join(words)
        if (
            text in first or text in rest
        ):  # not of what is described, nor of indicators, elements of their own
            found.setdefault((kind, text), (position, Element(kind=kind, text=text, words=tuple(words))))
    chosen: list[Element] = []
    for kind in KIND_LABELS:
        own = {
            text: (position, element) for (other, text), (position, element) in found.items() if other == kind
        }
        kept = [
            t for t in own if _tells(own[t][1], index) and not any(t != other and t in other for other in own)
        ]
        kept.sort(
            key=lambda t: (t not in first, -sum(_mass(unit, index) for unit in own[t][1].units), own[t][0])
        )
        chosen += [
            element for _, element in sorted((own[t] for t in kept[:_PER_KIND]), key=lambda item: item[0])
        ]
    return tuple(chosen)


def clauses_of(offer: Reading) -> Clauses:
    """The clauses of an achievement's text, ready to be asked for words; without those that state a limitation."""
    said = [clause for clause in map(str.strip, _CLAUSES.split(offer.affirmed)) if len(clause) > 1]
    denied = [clause.strip(" ，,；;。") for clause in offer.denied]
    bounds = [
        *_bounds([_plain(clause) for clause in said], offer.words),
        *(
            _bounds([_plain(clause)], words)[0]
            for clause, words in zip(denied, offer.denied_words, strict=True)
        ),
    ]
    written = (*said, *denied)
    kept = [n for n, clause in enumerate(written) if n >= len(said) or not _LIMITS.search(clause)]
    return Clauses(
        written=tuple(written[n] for n in kept),
        plain=tuple(_plain(written[n]) for n in kept),
        bounds=tuple(bounds[n] for n in kept),
        affirmed=sum(n < len(said) for n in kept),
    )


def weighed(elements: Sequence[Element], index: LexicalIndex) -> tuple[Need, ...]:
    """Each element with its words, the share of its idf that each is, and those that are rare."""
    result = []
    for element in elements:
        weights = {unit: _mass(unit, index) for unit in element.units}
        mass = sum(weights.values()) or 1.0
        shares = {unit: weight / mass for unit, weight in weights.items()}
        rare = frozenset(unit for unit in shares if unit not in general_words() and _is_rare(unit, index))
        result.append((element, shares, rare))
    return tuple(result)


def answer_elements(needs: Sequence[Need], clauses: Clauses, *, bare: bool) -> tuple[ElementAnswer, ...]:
    """For each element the clause that holds most of its terms, and whether that answers it.

    ``bare``: the achievement is only a title; what the title does not say cannot be judged.
    """
    return tuple(_answer(*need, clauses, bare=bare) for need in needs)


def answer_indicators(answers: Sequence[Answer], *, bare: bool) -> tuple[ElementAnswer, ...]:
    """The demand's indicators as elements, answered as ``matcher.indicators`` has compared them."""
    result = []
    for answer in answers:
        status: Status = "unknown" if bare else "silent"
        if answer.offer is not None:
            status = {"met": "answered", "short": "short", "silent": "check"}[answer.verdict]  # type: ignore[assignment]
        said = answer.offer.text if answer.offer else ""
        result.append(
            ElementAnswer(
                element=Element(kind="indicator", text=answer.demand.text), status=status, said=said
            )
        )
    return tuple(result)


def terms_of(text: str) -> frozenset[str]:
    """Pairs of neighbouring Han characters and codes, as the words index spells them."""
    clean = clean_text(text).lower()
    pairs = {CHARACTER_MARK + run[at : at + 2] for run in _HAN.findall(clean) for at in range(len(run) - 1)}
    return frozenset(pairs | {code for code in _CODE.findall(clean) if len(code) > 1})


def _answer(
    element: Element, shares: Mapping[str, float], rare: frozenset[str], clauses: Clauses, *, bare: bool
) -> ElementAnswer:
    held: dict[int, float] = {}
    head = element.units[-1]
    for number, (text, bounds) in enumerate(zip(clauses.plain, clauses.bounds, strict=True)):
        words = [unit for unit in shares if unit in text and _stands(unit, text, bounds)]
        share = sum(shares[unit] for unit in words)
        # 居家养老 is no part of 居家训练, nor 碱性蚀刻 of 酸性蚀刻: a part has what the phrase is about, and more.
        if not rare.isdisjoint(words) and ((head in words and len(words) > 1) or share >= ANSWERED - 1e-9):
            held[number] = share
    best = max(held, key=lambda number: (round(held[number], 9), -number), default=None)
    if best is None or held[best] < PARTIAL - 1e-9:
        return ElementAnswer(element=element, status="unknown" if bare else "silent", said="")
    status: Status = "answered" if held[best] >= ANSWERED - 1e-9 else "partial"
    if best >= clauses.affirmed:
        status = "denied"
    return ElementAnswer(element=element, status=status, said=clauses.written[best][:_QUOTE])


def _stands(word: str, text: str, bounds: frozenset[int]) -> bool:
    """Whether a word stands in a text from one end of a word to another: 电机 not in 发电机."""
    at = text.find(word)
    while at >= 0:
        if at in bounds and at + len(word) in bounds:
            return True
        at = text.find(word, at + 1)
    return False


def _bounds(clauses: Sequence[str], words: Sequence[str]) -> list[frozenset[int]]:
    """Where words begin and end in each clause; ``words`` are those of all clauses in order."""
    content = [word.replace(" ", "") for word in words if word]
    at = 0
    result = []
    for clause in clauses:
        bounds, position, ahead = {0, len(clause)}, 0, 0
        while at + ahead < len(content) and ahead < _AHEAD:
            start = clause.find(content[at + ahead], position)
            if start < 0:
                ahead += 1  # a word that is in no clause (1,5 is parted by its comma)
                continue
            position = start + len(content[at + ahead])
            bounds |= {start, position}
            at, ahead = at + ahead + 1, 0
        result.append(frozenset(bounds))
    return result


def _sources(demand: Node) -> tuple[str, str]:
    """What a demand asks for in plain words, and what its description asks for."""
    match demand:
        case Scene():
            wanted = _clauses_that(demand.wanted, lambda clause: not _CONTRACT.search(clause))
            described = f"{demand.problem}\n{need_of(demand.summary)}"
            return "\n".join((_plain(demand.title), wanted)), _clauses_that(described, _asks)
        case _:
            needs = f"{demand.title}\n{getattr(demand, 'needs', '')}"
            return _plain(needs), _clauses_that(demand.summary, _asks)


def _asks(clause: str) -> bool:
    return bool(_ASKS.search(clause)) and not (_IS_NOW.search(clause) or _CONTRACT.search(clause))


def _clauses_that(text: str, holds: Callable[[str], bool]) -> str:
    return "\n".join(_plain(clause) for clause in _ASKED.split(text) if holds(clause))


def _plain(text: str) -> str:
    return clean_text(text).lower().replace(" ", "")


def _tells(element: Element, index: LexicalIndex) -> bool:
    """Whether a phrase is more than 设备 or 检测系统: some word of it is rare, and one that is alone is rarer."""
    own = [unit for unit in element.units if unit not in general_words()]
    alone = len(element.units) == 1
    return any(_is_rare(unit, index, _COMMON_ALONE if alone else _COMMON) for unit in own)


def _is_rare(unit: str, index: LexicalIndex, share: float = _COMMON) -> bool:
    common = max(_FEW, share * len(index))
    return any(index.document_frequency(term) <= common for term in terms_of(unit))


def _mass(unit: str, index: LexicalIndex) -> float:
    return sum(map(index.idf, sorted(terms_of(unit))))


def _phrases(words: Sequence[str]) -> Iterator[tuple[Kind, Sequence[str]]]:
    """The phrases of a text cut into words: effects by verb or fault, then nouns by their heads."""
    known = _words()
    yield from _effects(words, known)
    for run in known.runs(words):
        end = len(run)
        while end:
            kind = known.kind_of(run[end - 1])
            start = end - 1
            if kind is not None:
                longest = _LONGEST_METHOD if kind == "method" else _LONGEST
                while (
                    start and known.belongs(run[start - 1], kind) and _length(run[start - 1 : end]) <= longest
                ):
                    start -= 1
                if _length(run[start:end]) >= _SHORTEST[kind]:
                    yield kind, run[start:end]
            # What a method is done to is a need of its own (海岛, 无人机 in 海岛无人机投送).
            whole = not start or not known.belongs(run[start - 1], "method")
            end = end - 1 if kind == "method" and whole else start


def _effects(words: Sequence[str], known: "_Words") -> Iterator[tuple[Kind, Sequence[str]]]:
    """降低运输成本 by its verb, 公网信号断续 by its fault; a verb's object must end as an effect does."""
    for at, word in enumerate(words):
        start = end = at
        if word in known.groups["verb"]:
            while (
                end + 1 < len(words)
                and known.carries(words[end + 1])
                and _length(words[at : end + 2]) <= _LONGEST
            ):
                end += 1
            if known.kind_of(words[end]) != "effect":
                continue
        elif word in known.groups["fault"] and len(word) > 1:
            while (
                start
                and known.carries(words[start - 1])
                and _length(words[start - 1 : at + 1]) <= _LONGEST_FAULT
            ):
                start -= 1
        if end > start and _length(words[start : end + 1]) >= _SHORTEST["effect"]:
            yield "effect", words[start : end + 1]


def _length(words: Sequence[str]) -> int:
    return sum(map(len, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The lists by group, and which phrase a word may end or carry on."""

    groups: Mapping[str, frozenset[str]]
    heads: Mapping[str, Kind]

    def kind_of(self, word: str) -> Kind | None:
        """The kind of phrase that a word ends, by its longest suffix in a list of heads."""
        if word in self.groups["other"]:
            return None
        for start in range(len(word)):
            # One character is a suffix (稳定性), no word of its own.
            if (kind := self.heads.get(word[start:])) is not None and (start or len(word) > 1):
                return kind
        return None

    def carries(self, word: str) -> bool:
        """Whether a word can be inside a phrase."""
        return bool(_HAN.match(word) or _CODE.fullmatch(word)) and word not in self.groups["break"]

    def belongs(self, word: str, kind: Kind) -> bool:
        """Whether a word before a head says more of it.

        A method is said by what it is done to (海缆巡检), a product also by what it does (清洗机器人).
        """
        other = self.kind_of(word)
        fits = other in (None, kind) or kind == "method" or (kind == "product" and other == "method")
        return fits and word not in self.groups["verb"]

    def runs(self, words: Sequence[str]) -> Iterator[list[str]]:
        """Stretches of words that can be inside a phrase."""
        run: list[str] = []
        for word in (*words, ""):
            if word and self.carries(word) and word not in self.groups["fault"]:
                run.append(word)
            elif run:
                yield run
                run = []


@lru_cache(maxsize=1)
def _words() -> _Words:
    """What data/lexicon/element_words.txt says."""
    groups = word_groups()
    heads: dict[str, Kind] = {}
    for kind in ("effect", "method", "application", "material", "product"):
        heads |= dict.fromkeys(groups[kind], kind)
    return _Words(groups=groups, heads=heads)
