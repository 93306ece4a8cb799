"""What a text says it is not for: the clauses that rule something out, and the feature that weighs them.

An achievement may say 酸性体系不适用, a scene 番茄用不上: words that the two share there speak against the
pair. Such a clause is quoted as a caution and, where the other side says the very thing, counts in the score.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embeddings.segmentation import CHARACTER_MARK
from embeddings.text import clean_text
from graph.kinds import Node
from matcher.texts import node_texts

if TYPE_CHECKING:
    from embeddings.lexical_index import LexicalIndex
    from matcher.features import Pairs

Clause = frozenset[str]  # the terms of one clause
# A scene's 无法 and 不能 mostly state its problem, so fewer words count there.
_EXCLUDED = re.compile("不适用|不宜|不适合|不考虑|不接受|用不上|除外")
_INCAPABLE = re.compile("不适用|不宜|不适合|不能|无法|不接触|不支持|未做过|不具备|不做")
# 解决了传统方法无法检测的问题: what others cannot do is what this one can.
_OF_OTHERS = re.compile(
    "传统|现有|常规|以往|以前|普通|通常|一般|原有|同类|市售|国外|人工|解决|克服|避免|防止|弥补|突破|改变|难题|问题|短板|缺陷|如不|若不|不能不"
)
# 不接触, 无需: what an achievement spares its user is no limit of it, so it is shown and not counted.
_UNCOUNTED = re.compile("不接触")
_CLAUSES = re.compile(r"(?<=[。；;，,！？!?\n])")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
_CODE = re.compile(r"[a-z][a-z0-9]*(?:[.\-][a-z0-9]+)*")
# Function words and the words of denying themselves: no terms reach across them.
_BREAKS = re.compile(
    "不适用于|不适用|不适合|不宜|不考虑|不接受|用不上|除外|不能|无法|不接触|不支持|未做过|不具备|不做|"
    "用于|高于|低于|处理|条件|环境|场合|情况|尚|且|并|也|还|的|了|和|与|及|或|等|在|对|于|为|以|能|可|该|各|每|被|把|将|就|都|只|暂|什么|怎样|哪"
)
_COLUMNS = ("title", "summary", "problem", "wanted", "indicators", "advantages", "applications", "capabilities", "needs",
            "products", "strengths")  # fmt: skip
# Terms in more than this share of the nodes tell nothing (as for phrases), nor do clauses of fewer terms.
_COMMON, _FEW = 0.15, 3
# Share of a clause's telling terms (by idf) that the other side must use: below, the likeness is chance.
_ENOUGH = 0.5


def affirmed(text: str, kind: str) -> tuple[str, list[str]]:
    """The text of a node of ``kind`` without the clauses that rule something out, and those clauses."""
    denial = _EXCLUDED if kind == "scene" else _INCAPABLE
    if not denial.search(text):
        return text, []
    kept: list[str] = []
    denied: list[str] = []
    before = ""
    for clause in _CLAUSES.split(text):
        rules_out = denial.search(clause) and (kind == "scene" or not _OF_OTHERS.search(before + clause))
        if rules_out:
            denied.append(clause)
        kept.append("。" if rules_out else clause)
        # A sentence's subject may stand in the clause before.
        before = "" if clause.endswith(("。", "；", ";", "\n", "！", "？")) else clause
    return "".join(kept), denied


def denied_terms(node: Node) -> tuple[Clause, ...]:
    """The terms of each clause in which ``node`` rules something out, as the words index spells them.

    Most nodes have none, and that is found out by one look at each column.
    """
    denial = _EXCLUDED if node.kind == "scene" else _INCAPABLE
    said = vars(node)
    if not any(denial.search(text) for name in _COLUMNS if (text := said.get(name))):
        return ()
    clauses = affirmed(node_texts(node).whole, node.kind)[1]
    found = (_terms(clause) for clause in clauses if not _UNCOUNTED.search(clause))
    return tuple(terms for terms in found if terms)


def denial(pairs: "Pairs") -> NDArray[np.float64]:
    """-1..0: minus the share of a denied clause's words (by idf) that the other side uses, the worst clause.

    0 if less than half; NaN where neither side rules anything out. The same from both sides. Cost: one look-up of all
    candidates for each clause of the subject, and of the subject for each clause of a candidate; few have any.
    """
    index = pairs.corpus.words["whole"]
    own, theirs = pairs.demand.denials, pairs.offer.denials
    if pairs.subject.node.kind == "achievement":
        own, theirs = theirs, own
    result = np.full(len(pairs.slots), np.nan)
    for clause in own[0]:
        kept = telling(index, clause)
        shares = index.coverage(kept, pairs.slots) if kept else np.zeros(len(pairs.slots))
        result = np.fmin(result, _value(shares))
    bag: set[str] | None = None
    for row, clauses in enumerate(theirs):
        for clause in clauses:
            bag = set(pairs.subject.terms["whole"]) if bag is None else bag
            kept = telling(index, clause)
            mass = sum(index.idf(term) for term in kept)
            share = sum(index.idf(term) for term in kept if term in bag) / mass if mass else 0.0
            result[row] = np.fmin(result[row], _value(np.array([share]))[0])
    return result


def telling(index: "LexicalIndex", terms: Iterable[str]) -> list[str]:
    """Those of ``terms`` that some node uses and not too many do, sorted."""
    common = max(_FEW, _COMMON * len(index))
    return [term for term in sorted(terms) if 0 < index.document_frequency(term) <= common]


def _value(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    # Rounded: both sides add the same numbers up in another order. + 0.0: no negative zero.
    shares = np.round(shares, 9)
    return np.asarray(np.where(shares >= _ENOUGH, -shares, 0.0) + 0.0, dtype=np.float64)


def _terms(clause: str) -> Clause:
    """Codes, and pairs of neighbouring characters within runs that hold no word of denying."""
    clean = clean_text(clause).lower()
    pieces: Sequence[str] = _BREAKS.split(clean)
    terms = {code for piece in pieces for code in _CODE.findall(piece) if len(code) > 1}
    for piece in pieces:
        for run in _HAN.findall(piece):
            terms |= {CHARACTER_MARK + run[at : at + 2] for at in range(len(run) - 1)}
    return frozenset(terms)
