"""The registry of features: what is compared between a scene and an achievement, in which range, and what if unknown.

Every feature is a number for a pair, or unknown (NaN). Contributions add up to the score: weight x value,
and nothing where unknown. Text features are similarities from 0; features of fields and graph stand
around 0, so that a missing column neither helps nor harms.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from matcher.corpus import Corpus, Subject
from matcher.denials import denial
from matcher.experience import LIMIT
from matcher.facts import CLOSENESS, FIELDS, IP_STATUSES, RELATEDNESS, FactRows
from matcher.indicators import answers

Values = NDArray[np.float64]
READING = "reading"

# Characters beyond the headline from which a text describes itself, and the cosine of two such texts at
# which it is even odds whether they are related at all (level 2) in the sample world.
_ENOUGH = 40
_USUAL = 0.07


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """One subject against the nodes under ``slots``; ``demand`` and ``offer`` are the two sides' facts.

    The subject is the scene or the achievement; its facts are one row, the others' a row a slot.
    ``proximity``, ``precedent`` and ``links`` (see ``matcher.links``) come from the graph, ``experience`` from
    judged pairs (see ``matcher.experience``); NaN where they have nothing to say.
    """

    corpus: Corpus
    subject: Subject
    slots: NDArray[np.int64]
    demand: FactRows
    offer: FactRows
    today: date
    proximity: Values
    precedent: Values
    links: Mapping[str, Values] = field(default_factory=dict)
    experience: Values | None = None
    _wording: dict[str, Values] = field(default_factory=dict)

    def wording(self, view: str) -> Values:
        """TF-IDF cosine of a text of both sides, 0..1; worked out once."""
        if view not in self._wording:
            words = self.corpus.words[view]
            self._wording[view] = words.tfidf_cosine(self.subject.terms[view], self.slots)
        return self._wording[view]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature: its name, Chinese label, range, what "unknown" means, and how it is computed."""

    name: str
    label: str
    low: float
    high: float
    unknown: str
    compute: Callable[[Pairs], Values]


def features() -> Mapping[str, Feature]:
    """All features by name, in the order in which they are shown."""
    return _FEATURES


def values(pairs: Pairs) -> dict[str, Values]:
    """Every feature of every pair; NaN where unknown."""
    return {name: feature.compute(pairs) for name, feature in _FEATURES.items()}


def centred_cosine(corpus: Corpus, view: str, query: NDArray[np.float32], slots: NDArray[np.int64]) -> Values:
    """Cosine after the mean of the corpus is taken from both sides, 0..1 (below 0 counts as 0).

    e5 vectors share one large direction (raw cosines of unrelated texts lie at 0.8): taking the mean away
    leaves what tells texts apart (Mu and Viswanath, "All-but-the-Top", ICLR 2018). 0 for a blank text.
    """
    index = corpus.vectors[view]
    mean = corpus.centre(view)
    size = float(mean @ mean)
    # Row by row and not as one matrix product, whose last bits depend on how many rows there are.
    rows = index.vectors(slots)
    of_slots = (rows * mean).sum(axis=1)
    of_query = float((query * mean).sum())
    cosines = index.cosines(query, slots).astype(np.float64)
    lengths = (1 - 2 * of_query + size) * np.maximum(1 - 2 * of_slots + size, 0.0)
    products = cosines + size - (of_query + of_slots)
    known = (lengths > 1e-6) & rows.any(axis=1) & bool(query.any())
    lengths = np.sqrt(lengths, where=known, out=np.ones_like(lengths))
    centred = np.divide(products, lengths, where=known, out=np.zeros(len(slots)))
    return np.asarray(np.clip(centred, 0.0, 1.0), dtype=np.float64)


def centred_rows(corpus: Corpus, view: str, slots: NDArray[np.int64]) -> Values:
    """Unit vectors whose products are the cosines of ``centred_cosine``, but for their last bits; 0 for a blank text."""
    rows = corpus.vectors[view].vectors(slots).astype(np.float64)
    centred = np.where(rows.any(axis=1, keepdims=True), rows - corpus.centre(view), 0.0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, lengths, where=lengths > 1e-3, out=np.zeros_like(centred)))


def _meaning(view: str) -> Callable[[Pairs], Values]:
    return lambda pairs: centred_cosine(pairs.corpus, view, pairs.subject.vectors[view], pairs.slots)


def _wording(view: str) -> Callable[[Pairs], Values]:
    return lambda pairs: pairs.wording(view)


def _full_wording(pairs: Pairs) -> Values:
    """The wording of the whole texts once more where both sides say enough, around what pairs usually reach.

    Where both describe themselves, their words tell more than their titles; where one is a bare title, the
    whole text only repeats it. ``_USUAL`` is taken away so that saying more is no merit by itself.
    """
    enough = np.minimum(np.asarray(pairs.demand["said"]), np.asarray(pairs.offer["said"])) >= _ENOUGH
    return np.where(enough, pairs.wording("whole") - _USUAL, np.nan)


def _field(pairs: Pairs) -> Values:
    """+1 same field, 0 a related one at 0.5, -1 unrelated; of several fields the closest two count."""
    bits = 1 << np.arange(len(FIELDS), dtype=np.uint32)
    demand = (np.asarray(pairs.demand["field"])[:, None] & bits) != 0
    offer = (np.asarray(pairs.offer["field"])[:, None] & bits) != 0
    closest = np.max(RELATEDNESS[None] * (demand[:, :, None] & offer[:, None, :]), axis=(1, 2))
    return np.where(demand.any(axis=1) & offer.any(axis=1), 2 * closest - 1, np.nan)


def _district(pairs: Pairs) -> Values:
    """0..1: how near the owner sits; the same district makes trials easier, it decides nothing."""
    a, b = (np.asarray(rows["district"], dtype=np.int64) for rows in (pairs.demand, pairs.offer))
    return np.where((a >= 0) & (b >= 0), CLOSENESS[a, b], np.nan)


def _maturity(pairs: Pairs) -> Values:
    """+1 at or above the scene's floor, then down by half a level's worth to -1 at four levels short."""
    floor = np.asarray(pairs.demand["trl_floor"], dtype=np.float64)
    level = np.asarray(pairs.offer["trl"], dtype=np.float64)
    return np.where((floor > 0) & (level > 0), np.clip(1 - np.maximum(floor - level, 0) / 2, -1, 1), np.nan)


def _rights(pairs: Pairs) -> Values:
    """1 granted or software copyright, 0.5 under examination, 0 none applied for; by order of ``IP_STATUSES``."""
    worth = np.array([0.0, 0.3, 0.5, 1.0, 1.0])
    status = np.asarray(pairs.offer["ip_status"], dtype=np.int64)
    return _spread(np.where(status >= 0, worth[status % len(IP_STATUSES)], np.nan), pairs)


def _indicators(pairs: Pairs) -> Values:
    """(met - short) / stated, -1..1, over the demand's indicators; unknown if none is answered."""
    result = np.full(len(pairs.slots), np.nan)
    for row in range(len(pairs.slots)):
        wanted = pairs.demand.indicators[row % len(pairs.demand.indicators)]
        given = pairs.offer.indicators[row % len(pairs.offer.indicators)]
        if wanted and given:
            verdicts = [answer.verdict for answer in answers(wanted, given)]
            if set(verdicts) != {"silent"}:
                result[row] = (verdicts.count("met") - verdicts.count("short")) / len(verdicts)
    return result


def _price(pairs: Pairs) -> Values:
    """+1 asked price within the budget, falling to -1 at three times the budget."""
    budget = np.asarray(pairs.demand["budget"], dtype=np.float64)
    price = np.asarray(pairs.offer["price"], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(budget > 0, np.clip(2 - price / budget, -1, 1), np.nan)


_TRADE = re.compile("销售|采购|购买|购置|供货")


def _cooperation(pairs: Pairs) -> Values:
    """1 if a mode of cooperation is named by both, 0 if both name some and none is the same."""
    result = np.full(len(pairs.slots), np.nan)
    for row in range(len(pairs.slots)):
        wanted = pairs.demand.cooperation[row % len(pairs.demand.cooperation)]
        given = pairs.offer.cooperation[row % len(pairs.offer.cooperation)]
        if wanted and given:
            result[row] = float(bool(_modes(wanted) & _modes(given)))
    return result


@lru_cache(maxsize=4096)
def _modes(named: frozenset[str]) -> frozenset[str]:
    """Modes of cooperation under one name each: who buys and who sells mean the same; goods are no services."""
    modes = set()
    for mode in named:
        traded = _TRADE.search(mode) is not None
        service = "采购服务" if "服务" in mode else "购销"
        modes.add("租赁" if "租赁" in mode else service if traded else mode)
    return frozenset(modes)


def _deadline(pairs: Pairs) -> Values:
    """-1 if the scene's deadline has passed, else 0; unknown without one."""
    deadline = np.asarray(pairs.demand["deadline"], dtype=np.int64)
    return _spread(
        np.where(deadline > 0, np.where(deadline < pairs.today.toordinal(), -1.0, 0.0), np.nan), pairs
    )


def _linked(name: str) -> Callable[[Pairs], Values]:
    return lambda pairs: pairs.links.get(name, np.full(len(pairs.slots), np.nan))


def _experience(pairs: Pairs) -> Values:
    return np.full(len(pairs.slots), np.nan) if pairs.experience is None else pairs.experience


def _unread(pairs: Pairs) -> Values:
    """Reading costs too much for every pair: ``matcher.reading`` fills it in for the best ones."""
    return np.full(len(pairs.slots), np.nan)


def _spread(column: Values, pairs: Pairs) -> Values:
    return np.broadcast_to(column, (len(pairs.slots),)).copy()


def _registry(entries: Sequence[Feature]) -> Mapping[str, Feature]:
    return {feature.name: feature for feature in entries}


_TEXT = "文本为空时记 0"
_NEITHER = "任一方未填时不加不减"
_FEATURES = _registry(
    [
        Feature(
            name="headline_meaning",
            label="题目语义",
            low=0,
            high=1,
            unknown=_TEXT,
            compute=_meaning("headline"),
        ),
        Feature(
            name="core_meaning", label="核心词语义", low=0, high=1, unknown=_TEXT, compute=_meaning("core")
        ),
        Feature(
            name="gist_meaning", label="内容语义", low=0, high=1, unknown=_TEXT, compute=_meaning("gist")
        ),
        Feature(
            name="headline_words",
            label="题目用词",
            low=0,
            high=1,
            unknown=_TEXT,
            compute=_wording("headline"),
        ),
        Feature(
            name="whole_words", label="全文用词", low=0, high=1, unknown=_TEXT, compute=_wording("whole")
        ),
        Feature(
            name="full_words",
            label="正文用词",
            low=-_USUAL,
            high=1 - _USUAL,
            unknown="任一方只有题目时不加不减",
            compute=_full_wording,
        ),
        Feature(
            name="indicator_fit",
            label="技术指标",
            low=-1,
            high=1,
            unknown="没有可比的指标时不加不减",
            compute=_indicators,
        ),
        Feature(
            name="denial",
            label="写明不适用",
            low=-1,
            high=0,
            unknown="双方都没有写明不适用时不加不减",
            compute=denial,
        ),
        Feature(name="maturity_fit", label="成熟度", low=-1, high=1, unknown=_NEITHER, compute=_maturity),
        Feature(name="field_fit", label="产业领域", low=-1, high=1, unknown=_NEITHER, compute=_field),
        Feature(name="district_fit", label="所在区", low=0, high=1, unknown=_NEITHER, compute=_district),
        Feature(name="rights", label="知识产权", low=0, high=1, unknown="未填时不加不减", compute=_rights),
        Feature(name="price_fit", label="价格与预算", low=-1, high=1, unknown=_NEITHER, compute=_price),
        Feature(
            name="cooperation_fit", label="合作方式", low=0, high=1, unknown=_NEITHER, compute=_cooperation
        ),
        Feature(
            name="deadline", label="截止日期", low=-1, high=0, unknown="未填时不加不减", compute=_deadline
        ),
        Feature(
            name="proximity",
            label="图谱关联",
            low=0,
            high=1,
            unknown="图谱中没有通路时不加不减",
            compute=lambda p: p.proximity,
        ),
        Feature(
            name="precedent",
            label="相似案例",
            low=0,
            high=1,
            unknown="没有采用过该成果的案例时不加不减",
            compute=lambda p: p.precedent,
        ),
        Feature(
            name="partner_path",
            label="单位往来",
            low=0,
            high=1,
            unknown="双方单位没有往来记录时不加不减",
            compute=_linked("partner_path"),
        ),
        Feature(
            name="team_record",
            label="团队实绩",
            low=0,
            high=1,
            unknown="团队没有其他成果的应用案例时不加不减",
            compute=_linked("team_record"),
        ),
        Feature(
            name="broker_link",
            label="经纪人联系",
            low=0,
            high=1,
            unknown="没有两边都熟悉的经纪人时不加不减",
            compute=_linked("broker_link"),
        ),
        Feature(
            name="experience",
            label="评级经验",
            low=-LIMIT,
            high=LIMIT,
            unknown="没有评过相近的场景时不加不减",
            compute=_experience,
        ),
        Feature(
            name=READING,
            label="精读",
            low=-1,
            high=2,
            unknown="没有精读时不加不减",
            compute=_unread,
        ),
    ]
)
