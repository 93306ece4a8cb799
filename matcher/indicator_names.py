"""When two names of indicators mean the same figure: by a table of synonyms, else by their characters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from matcher.texts import word_list

# Below this, names of the same kind of figure mostly mean different things (附着物去除率, 悬浮物去除率: 0.6).
SAME_NAME = 0.62
# From here on a person should look: what is measured is shared, of what it is said is not sure.
NEAR_NAME = 0.3
_WEIGHT = re.compile("(?:重|重量|质量)$")
_FAULTS = ("过检", "漏检", "误检", "误报", "漏报", "误判", "漏判", "退单", "损失", "下降", "提升")


@lru_cache(maxsize=65536)
def name_closeness(a: str, b: str, *, quantity: str = "") -> float:
    """How nearly two names mean the same figure, 0..1: what the synonyms say, else what the characters say.

    ``a`` is the demand's, ``b`` the offer's, ``quantity`` what the unit of both measures (a duration needs no
    用时 in its name). Names that differ by what is wrong (过检率, 漏检率, 误报率), by which way something moves
    (出肉率, 出肉率损失) or by opposite words (满载, 空载) are never the same. By characters it is the Dice
    coefficient of their pairs, and 1 if one name is the other with words left out (抗风, 抗风能力); but a mere
    误差 of the offer says nothing of a 漏点定位误差.
    """
    known = _synonyms()
    a, b = known.plain(a, quantity), known.plain(b, quantity)
    if known.opposed(a, b):
        return 0.0
    (concept_a, rest_a), (concept_b, rest_b) = known.split(a), known.split(b)
    same = bool(concept_a) and concept_a == concept_b
    if _faults(rest_a if same else a) != _faults(rest_b if same else b):
        return 0.0
    core_a, core_b = (known.qualifiers.sub("", name) for name in (a, b))
    if core_b in known.empty and len(core_a) > len(core_b):
        return 0.0
    if _left_out(a, b) and ((core_a and core_b) or a == b):
        return 1.0
    if _left_out(core_a, core_b) and not ({core_a, core_b} & known.bare):
        return 1.0
    if same:
        return _rest_closeness(rest_a, rest_b, alone=concept_a not in known.generic)
    return max(_pairs_alike(a, b), _pairs_alike(core_a, core_b))


@lru_cache(maxsize=65536)
def name_nearness(a: str, b: str, *, quantity: str = "") -> float:
    """Between ``NEAR_NAME`` and ``SAME_NAME`` for names that may mean the same figure, else 0.

    Near: what is measured is named alike (回收率, 提取率) and of what it is said is alike in part or left out
    by the offer; or most characters are shared.
    """
    known = _synonyms()
    weighed = quantity == "mass" and all(_WEIGHT.search(name) for name in (a, b))
    a, b = known.plain(a, quantity), known.plain(b, quantity)
    if known.opposed(a, b) or _faults(a) != _faults(b):
        return 0.0
    a, b = (known.qualifiers.sub("", name) for name in (a, b))
    (concept_a, rest_a), (concept_b, rest_b) = known.split(a), known.split(b)
    if concept_a or concept_b:
        measured = concept_a == concept_b
        rest_a, rest_b = (rest_a if concept_a else a), (rest_b if concept_b else b)
    else:
        measured = bool(a and b) and a[-2:] == b[-2:]
        rest_a, rest_b = (a[:-2], b[:-2]) if measured else (a, b)
    pairs = _pairs(rest_a) & _pairs(rest_b) - known.common
    alike = _alike(a, b)
    bare = b in known.empty and a.endswith(b)
    near = bare or weighed or (measured and (pairs or not rest_b or not rest_a)) or (pairs and alike >= 0.5)
    return NEAR_NAME + 0.3 * alike if near else 0.0


def _left_out(a: str, b: str) -> bool:
    """Whether one name is the other with characters left out."""
    short, long = sorted((a, b), key=len)
    rest = iter(long)
    return len(short) >= 2 and all(character in rest for character in short)


def _pairs(name: str) -> set[str]:
    return {name[i : i + 2] for i in range(len(name) - 1)}


def _pairs_alike(a: str, b: str) -> float:
    pairs_a, pairs_b = _pairs(a), _pairs(b)
    total = len(pairs_a) + len(pairs_b)
    return 2 * len(pairs_a & pairs_b) / total if total else 0.0


def _alike(a: str, b: str) -> float:
    return 2 * len(set(a) & set(b)) / (len(set(a)) + len(set(b))) if a and b else 0.0


def _faults(name: str) -> set[str]:
    return {fault for fault in _FAULTS if fault in name}


def _rest_closeness(a: str, b: str, *, alone: bool) -> float:
    """Of two names of one concept, by what else they say: 铜回收率 is not 锂回收率.

    ``alone``: whether the concept by itself answers the concept with more said (载荷, 货舱载荷).
    """
    if not (a and b):
        return 1.0 if a == b else 0.9 * alone
    alike = _alike(a, b)
    return SAME_NAME + (1 - SAME_NAME) * alike if alike > 0.5 or (alike == 0.5 and _left_out(a, b)) else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Synonyms:
    concepts: dict[str, str]
    generic: frozenset[str]
    words: re.Pattern[str]
    qualifiers: re.Pattern[str]
    opposites: tuple[tuple[str, str], ...]
    equal: dict[str, str]
    equals: re.Pattern[str]
    implied: dict[str, re.Pattern[str]]
    empty: frozenset[str]
    bare: frozenset[str]
    common: frozenset[str]

    def plain(self, name: str, quantity: str) -> str:
        """A name with each word put as its group's first one, without what its unit says already."""
        name = self.equals.sub(lambda found: self.equal[found[0]], name)
        said = self.implied.get(quantity)
        if not said or any(name.endswith(word) for word in self.concepts):
            return name
        bare = said.sub("", name)
        return bare if len(bare) >= 2 else name

    def opposed(self, a: str, b: str) -> bool:
        return any((x in a and y in b) or (y in a and x in b) for x, y in self.opposites)

    def split(self, name: str) -> tuple[str, str]:
        """The concept in a name (empty for none) and what is left of it without qualifiers."""
        found = self.words.search(name)
        if found is None:
            return "", ""
        rest = name[: found.start()] + name[found.end() :]
        return self.concepts[found[0]], self.qualifiers.sub("", rest)


@lru_cache(maxsize=1)
def _synonyms() -> _Synonyms:
    """What data/lexicon/indicator_synonyms.txt says."""
    concepts: dict[str, str] = {}
    qualifiers: list[str] = []
    opposites: list[tuple[str, str]] = []
    generic: set[str] = set()
    equal: dict[str, str] = {}
    implied: dict[str, re.Pattern[str]] = {}
    empty: set[str] = set()
    for line in word_list("indicator_synonyms.txt"):
        first, *others = line.split()
        if first == "~":
            qualifiers += others
        elif first == "=":
            equal |= dict.fromkeys(others, others[0])
        elif first == "$":
            implied[others[0]] = re.compile(f"(?:{_any_of(others[1:]).pattern})$")
        elif first == "-":
            empty |= set(others)
        elif first == "≠":
            opposites.append((others[0], others[1]))
        else:
            names = others if first == "*" else [first, *others]
            concepts |= dict.fromkeys(names, names[0])
            generic |= {names[0]} if first == "*" else set()
    return _Synonyms(
        concepts=concepts, generic=frozenset(generic), words=_any_of(concepts),
        qualifiers=_any_of(qualifiers), opposites=tuple(opposites),
        equal=equal, equals=_any_of(equal), implied=implied, empty=frozenset(empty),
        bare=frozenset(word for word, concept in concepts.items() if concept in generic),
        common=frozenset(pair for word in (*empty, *qualifiers) if len(word) == 2 for pair in _pairs(word)),
    )  # fmt: skip


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(
        "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))
    )
