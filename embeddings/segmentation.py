"""Chinese texts to terms: words of a dictionary, codes and formulas whole, characters as a net."""

import hashlib
import importlib.metadata
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from embeddings.refusal import IndexRefused
from embeddings.text import clean_text

if TYPE_CHECKING:
    from rjieba import Jieba

# Raise when the rules below change the terms of any text: an index made with other rules then
# refuses to load instead of missing matches.
_RULES_VERSION = 1

# NFKC turns every full-width form into a half-width one, so no clean word can contain this.
CHARACTER_MARK = "＃"

# A word of the lexicon against the dictionary's 60 million counts: enough to win over its parts.
_LEXICON_FREQUENCY = 1_000_000

_LETTER = "a-z0-9α-ω"
# Codes (r123-78, gb/t is two), figures (pm2.5, 0.1mm), oxides (al2o3·sio2) and formulas with
# brackets that something follows (ca(oh)2, li[ni0.8co0.1]o2); a final + # or % belongs (ca2+, c#).
_CODE = re.compile(rf"[{_LETTER}]+(?:[.\-_·][{_LETTER}]+|[(\[][{_LETTER}.]+[)\]][{_LETTER}]+)*[+#%]*")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af々〇]+")
_HAS_CONTENT = re.compile(r"\w")

# Function words only: common nouns of the field (技术, 系统) are left to their low idf.
_STOP_WORDS_TEXT = """
的 了 和 与 及 或 等 在 对 于 为 以 之 其 是 有 由 从 到 把 被 将 并 而 且 也 都 就 这 那 个 种 中 后
前 所 能 可 该 各 每 我 你 他 它 们 着 过 得 地 不 无 很 更 最 还 又 再 则 但 若 如 因 使 让 用 向 至
按 据 及其 以及 或者 并且 而且 但是 因此 所以 如果 虽然 由于 通过 基于 关于 对于 根据 按照 为了 其中 其他
这个 这些 这种 那些 一个 一种 一些 可以 能够 进行 具有 采用 使用 利用 包括 等等 我们 目前 同时 此外 之间
a an and are as at be by for from in into is it of on or that the this to via was were which with
"""
_STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())


class Segmenter:
    """Cuts texts with rjieba's dictionary, a lexicon of the domain, and rules for codes.

    Every instance has a dictionary of its own (about 0.2 s and 60 MB to make): two with different
    lexicons do not disturb each other.  Cutting is pure: same text, same words, on any thread.
    """

    def __init__(self, lexicon: Sequence[str] = ()) -> None:
        """Keep the words of ``lexicon`` whole; order, case, width and repetition do not matter.

        Raises ``IndexRefused`` with code ``segmenter_missing`` if rjieba is not installed.
        """
        self._dictionary = _dictionary()
        words = sorted({clean_text(word).lower() for word in lexicon} - {""})
        for word in words:
            self._dictionary.add_word(word, _LEXICON_FREQUENCY, "n")
        # The dictionary is not asked about some characters (Greek, slash, space); words with
        # these are looked for in the text itself, the longest first.
        odd = [word for word in words if self._dictionary.cut(word) != [word]]
        self._odd_word = _alternatives(odd) if odd else None
        self._lexicon = frozenset(words)
        self._identity = _identity(words)

    @property
    def identity(self) -> str:
        """Version of dictionary and rules, digest of the lexicon; equal means equal terms."""
        return self._identity

    def words(self, text: str) -> list[str]:
        """Return the words of ``clean_text(text)`` in lower case and in order.

        Punctuation is kept as words of its own, white space is not: joined, they are the clean
        text without spaces (except those inside words of the lexicon).
        """
        clean = clean_text(text).lower()
        ends = self._ends(clean)
        cut = (clean[start:end].strip() for start, end in pairwise([0, *ends]))
        return [word for word in cut if word]

    def content_words(self, text: str) -> list[str]:
        """Return ``words(text)`` with an empty string in place of each punctuation and function word."""
        return [word if _says_something(word) else "" for word in self.words(text)]

    def terms(self, text: str) -> list[str]:
        """Return what to index and to search by, in order and with repetitions.

        First the words of the lexicon and what is not written in Han characters (codes, formulas,
        figures, English); then, marked with ``CHARACTER_MARK``, every Han character and every pair
        of neighbours among them.  Pairs do not reach across function words (的, 以及), punctuation
        or spaces.  Other words of the dictionary are left out: they repeat what the pairs say, are
        cut differently in different texts (石墨/烯, 石墨烯), and rank titles worse (figures in
        matcher/README.md).
        """
        clean = clean_text(text).lower()
        words: list[str] = []
        runs: list[str] = [""]
        for start, end in pairwise([0, *self._ends(clean)]):
            word = clean[start:end].strip()
            if _says_something(word):
                if word in self._lexicon or not _HAN.fullmatch(word):
                    words.append(word)
                runs[-1] += word
            else:
                runs.append("")
        return words + list(_characters_and_pairs(runs))

    def _ends(self, clean: str) -> list[int]:
        """Return where words end, ascending; the last is ``len(clean)``."""
        ends: set[int] = set()
        position = 0
        for piece in self._dictionary.cut(clean):
            position += len(piece)
            ends.add(position)
        _keep_whole(ends, (match.span() for match in _CODE.finditer(clean)))
        if self._odd_word:
            _keep_whole(ends, (match.span() for match in self._odd_word.finditer(clean)))
        return sorted(ends)


def _says_something(word: str) -> bool:
    return word not in _STOP_WORDS and bool(_HAS_CONTENT.search(word))


def _keep_whole(ends: set[int], spans: Iterable[tuple[int, int]]) -> None:
    """Make each span that was cut inside one word.  A span inside a longer word stays there."""
    for start, end in spans:
        inside = [position for position in range(start + 1, end) if position in ends]
        if inside:
            ends.difference_update(inside)
            ends.update((start, end) if start else (end,))


def _characters_and_pairs(runs: Iterable[str]) -> Iterable[str]:
    for run in runs:
        for han in _HAN.findall(run):
            for character in han:
                yield CHARACTER_MARK + character
            for first, second in pairwise(han):
                yield CHARACTER_MARK + first + second


def _alternatives(words: list[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=lambda word: (-len(word), word))
    return re.compile("|".join(_bounded(word) for word in longest_first))


def _bounded(word: str) -> str:
    """Escape ``word`` so that it does not match within a longer code (5g基站 within 15g基站)."""
    letter = re.compile(f"[{_LETTER}]")
    before = f"(?<![{_LETTER}])" if letter.match(word[0]) else ""
    after = f"(?![{_LETTER}])" if letter.match(word[-1]) else ""
    return before + re.escape(word) + after


def _dictionary() -> "Jieba":
    try:
        from rjieba import Jieba
    except ImportError as error:
        raise IndexRefused(
            "segmenter_missing",
            f"分词组件 rjieba 无法载入（{error}）。",
            "请重新安装：pip install rjieba==0.2.2。",
        ) from error
    return Jieba()


def _identity(words: list[str]) -> str:
    digest = hashlib.blake2b("\n".join(words).encode(), digest_size=8).hexdigest()
    version = importlib.metadata.version("rjieba")
    return f"rjieba/{version}/rules={_RULES_VERSION}/lexicon={len(words)}:{digest}"
