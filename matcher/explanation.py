"""Why a pair scores as it does: one breakdown, made from the very parts of the score, in plain Chinese."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graph.identifiers.maturity import trl
from graph.intake.exporting import visible_attributes
from graph.kinds import Achievement, Node, Scene, columns
from graph.network import FIELD, Network
from graph.paths import Path, evidence_paths
from graph.values import Visibility
from matcher.corpus import Corpus
from matcher.facts import indicators_of
from matcher.features import features
from matcher.indicators import Answer, answers
from matcher.ranker import LEVELS
from matcher.ranking import Match
from matcher.texts import node_texts

_PHRASES = 8
# A phrase all of whose terms stand in more than this share of the nodes is common: 系统, 平均, 明显.
_COMMON = 0.15
_FEW = 3  # nodes; in a small corpus nothing is common
_PATHS = 3
_SHORT_PATH = 4  # nodes: at most two between the ends
_CAUTIONS, _CAUTION = 2, 40
_SHOWN_POINTS = 0.05  # a part below this shows as 0.0 and is left out of sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One addend of the score: its label, points, the feature's value (None where unknown) and what it means here."""

    name: str
    label: str
    points: float
    value: float | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The breakdown of one pair; ``parts`` add up to ``score``. The same object serves every way out."""

    subject: Node
    found: Node
    score: float
    level: str
    parts: tuple[Part, ...]
    phrases: tuple[str, ...]
    cautions: tuple[str, ...]
    answers: tuple[Answer, ...]
    paths: tuple[Path, ...]

    @property
    def reason(self) -> str:
        """Why, in one line: the strongest grounds for it, then the gravest against."""
        grounds = list(self.cautions[:1])
        if self.phrases:
            grounds.append(f"都提到{'、'.join(self.phrases[:4])}")
        else:
            alike = [part for part in self.parts if part.name in _MEANING and (part.value or 0) >= _ALIKE]
            strongest = max(alike, key=lambda part: part.points, default=None)
            grounds.append(f"{strongest.label}相近" if strongest else "没有明显的共同点")
        verdicts = [answer.verdict for answer in self.answers]
        if set(verdicts) - {"silent"}:
            told = (("满足", "met"), ("未达", "short"), ("未说明", "silent"))
            counts = [f"{word} {verdicts.count(verdict)}" for word, verdict in told if verdict in verdicts]
            grounds.append(f"指标 {len(verdicts)} 项：{'、'.join(counts)}")
        grounds += [part.note for part in self.parts if part.note and self._tells(part)]
        link = next((path for path in self.paths if _is_telling(path)), None)
        if link is not None:
            between = link.titles[1:-1]
            grounds.append(f"图谱中经{'、'.join(between)}相连" if between else "图谱中直接相连")
        return "；".join(grounds)

    def _tells(self, part: Part) -> bool:
        """Whether a part's note belongs in one line: what fits or not, and of price and deadline only trouble.

        A scene's passed deadline is the same for all that is found for it.
        """
        match part.name:
            case "maturity_fit":
                return True
            case "field_fit":
                return abs(part.points) > _SHOWN_POINTS
            case "price_fit":
                return part.points < 0
            case "deadline":
                return part.points < 0 and self.subject.kind != "scene"
            case _:
                return False


_MEANING = ("headline_meaning", "core_meaning", "gist_meaning")
_ALIKE = 0.15  # centred cosine; the middle of what weakly related pairs of the sample world reach


# Clauses that say what something is not for; what they name is no common ground. A scene's 无法 and 不能 mostly
# state its problem, so fewer words count there.
_EXCLUDED = re.compile("不适用|不宜|不适合|不考虑|不接受|用不上|除外")
_INCAPABLE = re.compile("不适用|不宜|不适合|不能|无法|不接触|不支持|未做过|不具备")
_CLAUSES = re.compile(r"(?<=[。；;，,！？!?\n])")


def explain(
    match: Match,
    subject: Node,
    found: Node,
    corpus: Corpus,
    network: Network,
    *,
    audience: Visibility = "staff",
) -> Explanation:
    """The breakdown of ``match`` between ``subject`` and ``found``.

    For an ``audience`` other than staff, what it may not see of either is as if it were not filled in:
    it is in no reason, and ``subject`` and ``found`` of the result are without it.
    """
    subject, found = _seen_by(audience, subject), _seen_by(audience, found)
    demand, offer = (found, subject) if subject.kind == "achievement" else (subject, found)
    replies = answers(indicators_of(demand), indicators_of(offer))
    parts = tuple(
        Part(
            name=name,
            label=features()[name].label,
            points=points,
            value=None if np.isnan(match.values[name]) else match.values[name],
            note=_note(name, match.values[name], demand, offer),
        )
        for name, points in match.parts.items()
    )
    return Explanation(
        subject=subject,
        found=found,
        score=match.score,
        level=LEVELS[match.level],
        parts=parts,
        phrases=shared_phrases(corpus, demand, offer),
        cautions=_cautions(corpus, demand, offer),
        answers=replies if any(reply.offer for reply in replies) else (),
        paths=_paths(network, subject, found, audience),
    )


def _seen_by(audience: Visibility, node: Node) -> Node:
    """The node with the columns that are hidden from ``audience`` empty; its id stays."""
    visible = visible_attributes(node, audience)
    hidden = [
        name for name in columns(type(node)) if name not in visible and name not in ("id", "visibility")
    ]
    if audience == "staff" or not hidden:
        return node
    fields = type(node).model_fields
    return node.model_copy(
        update={name: "" if fields[name].is_required() else fields[name].default for name in hidden}
    )


def _paths(network: Network, subject: Node, found: Node, audience: Visibility) -> tuple[Path, ...]:
    """The best evidence; that both are in one field is said by the part for fields, not by a path."""
    paths = evidence_paths(
        network, (subject.kind, subject.id), (found.kind, found.id), limit=_PATHS, audience=audience
    )
    return tuple(path for path in paths if all(kind != FIELD for kind, _ in path.nodes))


def shared_phrases(corpus: Corpus, demand: Node, offer: Node, limit: int = _PHRASES) -> tuple[str, ...]:
    """What both texts say in the same words: runs of common words, the most telling (rare) first.

    Clauses that say what a scene rules out or an achievement cannot do are left aside. Runs within a
    chosen run are left out.
    """
    first, _ = _affirmed(node_texts(demand).whole, _EXCLUDED)
    second, _ = _affirmed(node_texts(offer).whole, _INCAPABLE)
    weights = _telling_runs(corpus, first, second)
    chosen: list[str] = []
    for text in sorted(weights, key=lambda t: (-weights[t], t)):
        if not any(text in other for other in chosen):
            chosen.append(text)
        if len(chosen) == limit:
            break
    return tuple(chosen)


def _cautions(corpus: Corpus, demand: Node, offer: Node) -> tuple[str, ...]:
    """What one side rules out in words that the other uses: an achievement that says it is not for this."""
    asked, offered = (node_texts(node).whole for node in (demand, offer))
    sides = (("成果", offered, asked, _INCAPABLE), ("场景", asked, offered, _EXCLUDED))
    found = [
        f"注意：{who}写明“{clause.strip(' ，,；;。')[:_CAUTION]}”"
        for who, text, other, denial in sides
        for clause in _affirmed(text, denial)[1]
        if _telling_runs(corpus, clause, other)
    ]
    return tuple(found[:_CAUTIONS])


def _affirmed(text: str, denial: re.Pattern[str]) -> tuple[str, list[str]]:
    """The text without the clauses that hold a denial, and those clauses."""
    clauses = _CLAUSES.split(text)
    denied = [clause for clause in clauses if denial.search(clause)]
    return "".join("。" if denial.search(clause) else clause for clause in clauses), denied


def _telling_runs(corpus: Corpus, first: str, second: str) -> dict[str, float]:
    """Runs of words that stand in both texts, with their weight.

    A run is one or more words that follow each other in both. It is told only if something in it (a pair
    of characters, a code) is rare among all nodes, and weighs the sum of its terms' idf.
    """
    index = corpus.words["whole"]
    common = max(_FEW, _COMMON * len(index))
    weights: dict[str, float] = {}
    for run in _common_runs(*(corpus.segmenter.content_words(text) for text in (first, second))):
        text = _joined(run)
        terms = [term for term in corpus.segmenter.terms(text) if _is_word(term)]
        if any(index.document_frequency(term) <= common for term in terms):
            weights[text] = sum(index.idf(term) for term in terms)
    return weights


def _is_word(term: str) -> bool:
    """Two Han characters, or a code that begins with a letter: single characters, figures, units tell nothing."""
    return len(term) > 2 and not term[0].isdigit()


def _is_telling(path: Path) -> bool:
    """Whether a path is a reason in one line: short, and not merely that one broker serves both."""
    return len(path.nodes) <= _SHORT_PATH and all(kind != "broker" for kind, _ in path.nodes)


def compare(above: Explanation, below: Explanation) -> str:
    """Why one stands above the other, in one sentence: the parts that differ most, from the same breakdowns."""
    difference = {part.label: part.points for part in above.parts}
    for part in below.parts:
        difference[part.label] = difference.get(part.label, 0.0) - part.points
    ordered = sorted(difference.items(), key=lambda item: (-abs(item[1]), item[0]))[:3]
    said = "、".join(f"{label}{points:+.1f}" for label, points in ordered if abs(points) > _SHOWN_POINTS)
    if said:
        return f"比“{below.found.title}”高 {above.score - below.score:.1f} 分，主要差在：{said}"
    if above.score != below.score:
        return f"与“{below.found.title}”相差很小，各项都在 0.1 分以内"
    return f"与“{below.found.title}”得分相同，按编号排列"


def _common_runs(first: Sequence[str], second: Sequence[str]) -> set[tuple[str, ...]]:
    """Maximal runs of equal words; empty words (punctuation, function words) end a run."""
    places: dict[str, list[int]] = {}
    for position, word in enumerate(second):
        if word:
            places.setdefault(word, []).append(position)
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


def _note(name: str, value: float, demand: Node, offer: Node) -> str:
    """What the feature's value means for this pair; empty where there is nothing more to say."""
    if np.isnan(value):
        return ""
    if name == "maturity_fit" and isinstance(demand, Scene) and isinstance(offer, Achievement):
        if demand.maturity_floor and offer.maturity:
            floor, level = trl(demand.maturity_floor), trl(offer.maturity)
            return f"成熟度 TRL{level}，{'达到' if level >= floor else '低于'}要求的 TRL{floor}"
    elif name == "field_fit" and demand.field and offer.field:
        if set(demand.field) & set(offer.field):
            return f"同属{'、'.join(f for f in demand.field if f in offer.field)}"
        return f"领域不同（{'、'.join(demand.field)}／{'、'.join(offer.field)}）"
    elif name == "district_fit" and demand.district and offer.district:
        return (
            f"同在{demand.district}"
            if demand.district == offer.district
            else f"分别在{demand.district}和{offer.district}"
        )
    elif name == "rights" and isinstance(offer, Achievement) and offer.ip_status:
        return offer.ip_status
    elif (
        name == "price_fit"
        and isinstance(demand, Scene)
        and isinstance(offer, Achievement)
        and demand.budget
        and offer.price
    ):
        asked, most = (_amount(amount) for amount in (offer.price, demand.budget))
        return f"意向价格 {asked} 万元，{'在' if value >= 1 else '超出'}预算 {most} 万元{'之内' if value >= 1 else ''}"
    elif name == "deadline" and isinstance(demand, Scene) and demand.deadline:
        return f"截止日期 {demand.deadline.isoformat()} 已过" if value < 0 else ""
    elif name == "precedent":
        return "该成果已在相似场景中用过" if value >= 0.2 else "该成果已在其他场景中用过"
    return ""


def _amount(amount: tuple[float, float]) -> str:
    return f"{amount[0]:g}" if amount[0] == amount[1] else f"{amount[0]:g}–{amount[1]:g}"
