"""What two texts say in the same words, and each text read once for it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

from embeddings.lexical_index import LexicalIndex
from embeddings.segmentation import CHARACTER_MARK, Segmenter
from graph.kinds import Node
from matcher.denials import affirmed
from matcher.texts import node_texts, word_list

PHRASES = 8
# A phrase all of whose terms stand in more than this share of the nodes is common: 系统, 平均, 明显.
_COMMON = 0.15
_FEW = 3  # nodes; in a small corpus nothing is common
# A word of two characters alone must be rarer to be common ground (满载, 电力).
_COMMON_ALONE = 0.05
# Texts kept read, so that an achievement that is explained for many scenes is cut into words once.
_KEPT = 2048
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_READ: WeakKeyDictionary[Segmenter, dict[tuple[str, str], "Reading"]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The whole text of a node: what it affirms, as text and as words (empty for function words), and what it denies."""

    whole: str
    affirmed: str
    words: tuple[str, ...]
    denied: tuple[str, ...]
    denied_words: tuple[tuple[str, ...], ...]
    bare: bool

    @property
    def every_word(self) -> tuple[str, ...]:
        """The words of the whole text; what is affirmed first."""
        return sum((("", *words) for words in self.denied_words), self.words)


def reading(segmenter: Segmenter, node: Node) -> Reading:
    """The node's whole text, read; a text read lately is not read again. ``bare``: it has nothing but a headline."""
    texts = node_texts(node)
    known = _READ.setdefault(segmenter, {})
    key = (node.kind, texts.whole)
    found = known.get(key)
    if found is None:
        text, denied = affirmed(texts.whole, node.kind)
        found = Reading(
            whole=texts.whole,
            affirmed=text,
            # A line break ends a phrase; as white space it would not.
            words=tuple(segmenter.content_words(text.replace("\n", "。"))),
            denied=tuple(denied),
            denied_words=tuple(tuple(segmenter.content_words(clause)) for clause in denied),
            bare=not texts.whole[len(texts.headline) :].strip(),
        )
        if len(known) >= _KEPT:
            known.clear()
        known[key] = found
    return found


def shared_phrases(
    index: LexicalIndex, first: Reading, second: Reading, limit: int = PHRASES
) -> tuple[str, ...]:
    """What both texts say in the same words: runs of common words, the most telling (rare) first.

    Clauses that say what a scene rules out or an achievement cannot do are left aside. Runs within a
    chosen run are left out.
    """
    weights = telling_runs(index, first.words, second.words)
    chosen: list[str] = []
    for text in sorted(weights, key=lambda t: (-weights[t], t)):
        if not any(text in other for other in chosen):
            chosen.append(text)
        if len(chosen) == limit:
            break
    return tuple(chosen)


def telling_runs(index: LexicalIndex, first: tuple[str, ...], second: tuple[str, ...]) -> dict[str, float]:
    """Runs of words that stand in both texts, with their weight.

    A run is one or more words that follow each other in both, and begins and ends at whole words in both. It is told
    only if not all its words are general ones and something in it (a pair of characters, a code) is rare among all
    nodes, and weighs the sum of its terms' idf.
    """
    weights: dict[str, float] = {}
    for run in _common_runs(whole_words(first), whole_words(second)):
        if all(word in general_words() for word in run):
            continue
        alone = len(run) == 1 and len(run[0]) <= 2
        common = max(_FEW, (_COMMON_ALONE if alone else _COMMON) * len(index))
        terms = _terms(run)
        if any(index.document_frequency(term) <= common for term in terms):
            weights[_joined(run)] = sum(index.idf(term) for term in terms)
    return weights


@lru_cache(maxsize=4 * _KEPT)
def whole_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """``words`` with the names of places put together again and, in place of pieces of a word, an empty word.

    The dictionary cuts names that it does not know (万/山区, 外/伶仃), and then leaves a single character that is no
    word: what stands beside it is not told. Behind a suffix (重力/式/网箱) a word may begin.
    """
    lists = word_groups()
    places, suffix, loose = lists["place"], lists["suffix"], lists["loose"]
    joined: list[str] = []
    at = 0
    while at < len(words):
        ends = (end for end in range(min(len(words), at + 4), at + 1, -1) if "".join(words[at:end]) in places)
        end = next((end for end in ends if all(words[at:end])), at + 1)
        joined.append("".join(words[at:end]))
        at = end
    odd = [len(word) == 1 and bool(_HAN.match(word)) and word not in loose for word in joined]
    bounded = (False, *odd, False)
    return tuple(
        ""
        if odd[at]
        or (bounded[at] and joined[at - 1] not in suffix)
        or (bounded[at + 2] and word not in places)
        else word
        for at, word in enumerate(joined)
    )


@lru_cache(maxsize=1)
def general_words() -> frozenset[str]:
    """The words that say nothing alone, whatever two texts are about."""
    lists = word_groups()
    return (
        lists["generic"] | lists["common"] | lists["verb"] | lists["fault"] | lists["break"] | lists["loose"]
    )


@lru_cache(maxsize=1)
def word_groups() -> Mapping[str, frozenset[str]]:
    """The lists of data/lexicon/element_words.txt by the names of their groups."""
    groups: dict[str, set[str]] = {}
    for line in word_list("element_words.txt"):
        if line.startswith("["):
            group = groups.setdefault(line.strip("[]"), set())
        else:
            group |= set(line.split())
    return {name: frozenset(words) for name, words in groups.items()}


def _terms(run: Sequence[str]) -> list[str]:
    """Pairs of Han characters, also across words, and codes that begin with a letter, as the index spells them.

    Single characters, figures and units tell nothing.
    """
    terms = [word for word in run if word[0].isascii() and len(word) > 2 and not word[0].isdigit()]
    before = ""
    for word in run:
        for character in word:
            if before and not (before.isascii() or character.isascii()):
                terms.append(CHARACTER_MARK + before + character)
            before = character
    return terms


def _common_runs(first: Sequence[str], second: Sequence[str]) -> set[tuple[str, ...]]:
    """Maximal runs of equal words; empty words (punctuation, function words) end a run."""
    places: dict[str, list[int]] = {word: [] for word in set(first).intersection(second) if word}
    for position, word in enumerate(second):
        if word in places:
            places[word].append(position)
    runs: set[tuple[str, ...]] = set()
    for start, word in enumerate(first):
        for place in places.get(word, ()):
            if start and place and first[start - 1] and first[start - 1] == second[place - 1]:
                continue  # inside a run that began earlier
            length = 0
            while (
                start + length < len(first)
                and place + length < len(second)
                and first[start + length]
                and first[start + length] == second[place + length]
            ):
                length += 1
            runs.add(tuple(first[start : start + length]))
    return runs


def _joined(run: Sequence[str]) -> str:
    """Words as one phrase: a space only between two that are latin or digits."""
    text = run[0]
    for word in run[1:]:
        text += (" " if text[-1].isascii() and word[0].isascii() else "") + word
    return text
