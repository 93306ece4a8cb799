"""Why a pair scores as it does: one breakdown, made from the very parts of the score, in plain Chinese."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graph.kinds import Achievement, Case, Enterprise, Institution, Node, Scene
from graph.network import FIELD, Network
from graph.paths import Path, evidence_paths
from graph.store.changes import NodeKey
from matcher.advice import Advice, PairFields, advise, load_policy
from matcher.corpus import Corpus
from matcher.elements import (
    Clauses,
    ElementAnswer,
    Need,
    answer_elements,
    answer_indicators,
    clauses_of,
    elements_of,
    weighed,
)
from matcher.facts import indicators_of
from matcher.indicators import Answer, answers
from matcher.lifts import TITLE_ONLY, Change, Lift, changes, lifts
from matcher.links import LINKS, link_notes
from matcher.parts import MEANING, Part, note, parts_of
from matcher.phrases import Reading, reading, shared_phrases, telling_runs
from matcher.precedents import ALIKE, precedent_note, precedents
from matcher.ranker import LEVELS, Ranker
from matcher.ranking import Match

_PATHS = 3
_NEAREST = 3  # judged pairs named behind the part for experience
_SHORT_PATH = 4  # nodes: at most two between the ends
_CAUTIONS, _CAUTION = 2, 40
SHOWN_POINTS = 0.05  # a part below this shows as 0.0 and is left out of sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The breakdown of one pair; ``parts`` add up to ``score``. The same object serves every way out.

    ``answers``: the demand's indicators one by one, empty where the offer states nothing comparable.
    ``elements``: what the demand needs (indicators at the end) and whether the offer answers it. ``lifts``: what would
    raise the score and by how much. ``advice``: instruments of the policy that may suit. ``missing``: what the offer
    does not say, so that no one can judge; empty where it says enough.
    """

    subject: Node
    found: Node
    score: float
    level: str
    parts: tuple[Part, ...]
    phrases: tuple[str, ...]
    cautions: tuple[str, ...]
    answers: tuple[Answer, ...]
    paths: tuple[Path, ...]
    elements: tuple[ElementAnswer, ...] = ()
    lifts: tuple[Lift, ...] = ()
    advice: tuple[Advice, ...] = ()
    missing: str = ""

    @property
    def reason(self) -> str:
        """Why, in one line: the strongest grounds for it, then the gravest against."""
        grounds = list(self.cautions[:1])
        if self.phrases:
            grounds.append(f"都提到{'、'.join(self.phrases[:4])}")
        else:
            alike = [part for part in self.parts if part.name in MEANING and (part.value or 0) >= _ALIKE]
            strongest = max(alike, key=lambda part: part.points, default=None)
            grounds.append(f"{strongest.label}相近" if strongest else "没有明显的共同点")
        if any(answer.offer for answer in self.answers):
            grounds.append(f"指标 {len(self.answers)} 项：{_counted(self.answers)}")
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
                return abs(part.points) > SHOWN_POINTS
            case "price_fit":
                return part.points < 0
            case "precedent":
                return (part.value or 0) >= ALIKE
            case "deadline":
                return part.points < 0 and self.subject.kind != "scene"
            case _:
                return False


_ALIKE = 0.15  # centred cosine; the middle of what weakly related pairs of the sample world reach


def _counted(replies: Sequence[Answer]) -> str:
    """How many indicators are met, not reached, not stated and left to a person; only what there is."""
    told = {"满足": 0, "未达": 0, "未说明": 0, "待核对": 0}
    for reply in replies:
        silent = "待核对" if reply.offer else "未说明"
        told[{"met": "满足", "short": "未达", "silent": silent}[reply.verdict]] += 1
    return "、".join(f"{word} {count}" for word, count in told.items() if count)


class Explainer:
    """Explains the matches of one subject: what is said of the subject is worked out once.

    ``ranker`` is the one that made the matches; without it nothing is said of what would lift them. ``records``
    gives a stored node by its key, for the organisations behind the two sides. ``brief`` leaves out what a ranked list
    does not show: elements, lifts and advice, about half of the work.
    """

    def __init__(
        self,
        subject: Node,
        corpus: Corpus,
        network: Network,
        ranker: Ranker | None = None,
        *,
        records: Callable[[NodeKey], Node | None] = lambda key: None,
        brief: bool = False,
    ) -> None:
        self._subject, self._records, self._brief = subject, records, brief
        self._corpus, self._network, self._ranker = corpus, network, ranker
        self._index = corpus.words["whole"]
        self._reading = reading(corpus.segmenter, subject)
        self._headline: NDArray[np.float32] | None = None
        self._enterprises: dict[NodeKey, Enterprise | None] = {}
        self._needs: tuple[Need, ...] | None = None
        self._clauses: Clauses | None = None

    def explain(self, found: Sequence[tuple[Match, Node]]) -> list[Explanation]:
        """The breakdown of each match between the subject and the node it found, in their order."""
        wanted = [self._explained(match, node) for match, node in found]
        if self._ranker is None or self._brief:
            return [why for why, _ in wanted]
        made = lifts(
            [(match, several) for (match, _), (_, several) in zip(found, wanted, strict=True)], self._ranker
        )
        return [replace(why, lifts=lifted) for (why, _), lifted in zip(wanted, made, strict=True)]

    def _explained(self, match: Match, found: Node) -> tuple[Explanation, tuple[Change, ...]]:
        """The breakdown without what would lift it, and the changes that may."""
        subject = self._subject
        theirs = reading(self._corpus.segmenter, found)
        asked_for = subject.kind == "achievement"
        demand, offer = (found, subject) if asked_for else (subject, found)
        asked, offered = (theirs, self._reading) if asked_for else (self._reading, theirs)
        replies = answers(indicators_of(demand), indicators_of(offer))
        why = Explanation(
            subject=subject,
            found=found,
            score=match.score,
            level=LEVELS[match.level],
            parts=parts_of(match.parts, match.values, self._notes(match, demand, offer)),
            phrases=shared_phrases(self._index, asked, offered),
            cautions=self._cautions(asked, offered),
            answers=replies if any(reply.offer for reply in replies) else (),
            paths=self._paths(match, found),
            elements=() if self._brief else self._elements(demand, asked, offered, replies),
            advice=() if self._brief else self._advice(match, demand, offer),
            missing=TITLE_ONLY if offered.bare and isinstance(offer, Achievement) else "",
        )
        return why, () if self._brief else changes(match, demand, offer, replies)

    def _notes(self, match: Match, demand: Node, offer: Node) -> dict[str, str]:
        notes = {name: note(name, value, demand, offer) for name, value in match.values.items()}
        if not np.isnan(match.values.get("precedent", np.nan)):
            notes["precedent"] = self._precedent_note(demand, offer)
        if any(match.values.get(name, np.nan) > 0 for name in LINKS):
            ends = ((demand.kind, demand.id), (offer.kind, offer.id))
            notes |= link_notes(self._corpus, self._network, *ends)
        if not np.isnan(match.values.get("experience", np.nan)):
            notes["experience"] = self._experience_note(match)
        return notes

    def _precedent_note(self, demand: Node, offer: Node) -> str:
        """The likest case in which the offer was tried; empty where it has gone since the ranking."""
        scene, achievement = self._corpus.subject(demand), (offer.kind, offer.id)
        found = precedents(self._corpus, self._network, scene, achievement)
        if not found:
            return ""
        record = self._records(found[0].case)
        return precedent_note(
            self._network, (demand.kind, demand.id), found[0], record if isinstance(record, Case) else None
        )

    def _experience_note(self, match: Match) -> str:
        """The judged pairs behind the part for experience; empty without the ranker that has them."""
        experience = self._ranker.experience if self._ranker else None
        if experience is None:
            return ""
        if not experience.names:
            return "与随程序附带的经验中评过的需求题目相近"
        headlines = self._corpus.vectors["headline"]
        found = headlines.vectors([self._corpus.slots[match.key]])[0]
        if self._headline is None:
            self._headline = self._corpus.subject(self._subject).vectors["headline"]
        asked_for = self._subject.kind == "achievement"
        scene, offer = (found, self._headline) if asked_for else (self._headline, found)
        told = experience.nearest(scene, offer, _NEAREST)
        words = "、".join(
            f"{scene_id}—{offer_id}（{LEVELS[int(level + 0.5)]}，{added:+.1f} 级）"
            for scene_id, offer_id, level, added in told
        )
        return f"据评过的相近各对：{words}" + ("等" if len(told) == _NEAREST else "")

    def _cautions(self, asked: Reading, offered: Reading) -> tuple[str, ...]:
        """What one side rules out in words that the other uses: an achievement that says it is not for this."""
        found = [
            f"注意：{who}写明“{clause.strip(' ，,；;。')[:_CAUTION]}”"
            for who, own, other in (("成果", offered, asked), ("场景", asked, offered))
            for clause, words in zip(own.denied, own.denied_words, strict=True)
            if telling_runs(self._index, words, other.every_word)
        ]
        return tuple(found[:_CAUTIONS])

    def _paths(self, match: Match, found: Node) -> tuple[Path, ...]:
        """The best evidence; that both are in one field is said by the part for fields, not by a path."""
        if np.isnan(match.values["proximity"]):
            return ()  # nothing but a field leads there within the walk, which is longer than a path
        ends = (self._subject.kind, self._subject.id), (found.kind, found.id)
        paths = evidence_paths(self._network, *ends, limit=_PATHS)
        return tuple(path for path in paths if all(kind != FIELD for kind, _ in path.nodes))

    def _elements(
        self, demand: Node, asked: Reading, offered: Reading, replies: tuple[Answer, ...]
    ) -> tuple[ElementAnswer, ...]:
        if demand is not self._subject or self._needs is None:
            self._needs = weighed(elements_of(demand, asked, self._index), self._index)
        if demand is self._subject or self._clauses is None:
            self._clauses = clauses_of(offered)
        bare = offered.bare
        return (
            *answer_elements(self._needs, self._clauses, bare=bare),
            *answer_indicators(replies, bare=bare),
        )

    def _advice(self, match: Match, demand: Node, offer: Node) -> tuple[Advice, ...]:
        if not (isinstance(demand, Scene) and isinstance(offer, Achievement)):
            return ()
        fields = PairFields(
            demand,
            offer,
            match.level,
            self._network,
            enterprise=self._enterprise,
            institution=self._institution,
        )
        return advise(fields, load_policy())

    def _enterprise(self, key: NodeKey) -> Enterprise | None:
        """The enterprise; looked up once."""
        if key not in self._enterprises:
            record = self._records(key)
            self._enterprises[key] = record if isinstance(record, Enterprise) else None
        return self._enterprises[key]

    def _institution(self, key: NodeKey) -> Institution | None:
        record = self._records(key)
        return record if isinstance(record, Institution) else None


def explain(
    match: Match,
    subject: Node,
    found: Node,
    corpus: Corpus,
    network: Network,
    ranker: Ranker | None = None,
) -> Explanation:
    """The breakdown of one match, see ``Explainer``."""
    return Explainer(subject, corpus, network, ranker).explain([(match, found)])[0]


def _is_telling(path: Path) -> bool:
    """Whether a path is a reason in one line: short, and not merely that one broker serves both."""
    return len(path.nodes) <= _SHORT_PATH and all(kind != "broker" for kind, _ in path.nodes)
