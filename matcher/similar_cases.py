"""Similar cases for a scene, an achievement, a pair or a text just written: by meaning, by words, by the graph, and why.

All is read from one corpus and network, so that for an audience there are only cases, places and relations that it may
see. Every case is looked at: a city has hundreds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graph.kinds import Case, Node
from graph.network import FIELD, Network
from graph.paths import evidence_paths, proximity
from graph.store.changes import NodeKey
from matcher.corpus import Corpus, Key, Subject, keys_at
from matcher.features import centred_cosine
from matcher.links import titled
from matcher.phrases import reading, shared_phrases
from matcher.precedents import ALIKE, measured_in

# By reasoning, no data: what is alike in meaning comes first, and no relation alone makes a case alike but a close one.
_WEIGHTS = {"语义": 0.6, "用词": 0.2, "图谱": 0.15, "领域": 0.05}
# Below: what two places alike by nothing but a passing meaning come to.
_LEAST = ALIKE * _WEIGHTS["语义"]
_PHRASES = 4
_COUNTERPART = {"scene": "tried_in", "achievement": "adopts"}
_SELF = {"scene": "就在本场景试用", "achievement": "采用的就是本成果"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarCase:
    """A case like what was asked about: likeness 0..1 as the sum of ``parts`` (label, share), why, what was measured.

    ``path`` leads from what was asked about to the case in the graph; empty where no relation but a field does.
    """

    rank: int
    case: Case
    likeness: float
    parts: tuple[tuple[str, float], ...]
    reasons: tuple[str, ...]
    path: str
    measured: str


def similar_cases(
    corpus: Corpus, network: Network, asked: Sequence[Node], *, top: int,
    records: Callable[[NodeKey], Node | None],
) -> list[SimilarCase]:  # fmt: skip
    """The ``top`` cases most like what is asked about, the likest first, equals by id; none that are not alike.

    ``asked``: a scene (stored or just written), an achievement, or both. ``records`` gives a stored node by its key, as
    the audience sees it; a case that it does not give is left out.
    """
    slots = np.flatnonzero(corpus.mask("case")).astype(np.int64)
    cases = keys_at(corpus, slots.tolist())
    subjects = [corpus.subject(node) for node in asked]
    own = {(subject.node.kind, subject.node.id) for subject in subjects if subject.slot is not None}
    if not cases or not subjects:
        return []
    columns = {
        "语义": np.mean([_meaning(corpus, network, subject, cases) for subject in subjects], axis=0),
        "用词": np.mean([_words(corpus, network, subject, cases) for subject in subjects], axis=0),
        "图谱": np.max([_closeness(network, subject, cases) for subject in subjects], axis=0),
        "领域": np.array([_same_field(asked, network, case) for case in cases]),
    }
    # Rounded, so that the parts told add up to the likeness told.
    shares = {label: np.round(weight * columns[label], 6) for label, weight in _WEIGHTS.items()}
    likeness = np.round(sum(shares.values()), 6)
    order = sorted(np.flatnonzero(likeness >= _LEAST), key=lambda row: (-likeness[row], cases[row]))
    found: list[SimilarCase] = []
    for row in order:
        record = records(cases[row])
        if not isinstance(record, Case):
            continue
        found.append(
            SimilarCase(
                rank=len(found) + 1, case=record, likeness=float(likeness[row]),
                parts=tuple((label, float(share[row])) for label, share in shares.items()),
                reasons=tuple(_reasons(corpus, network, subjects, record, cases[row], own)),
                path=_path(network, own, cases[row]), measured=measured_in(record),
            )
        )  # fmt: skip
        if len(found) == top:
            break
    return found


def _ends(corpus: Corpus, network: Network, case: Key, kind: str) -> list[Key]:
    """The scenes in which a case was tried, or the achievements it adopted; by id."""
    if case not in network.graph or kind not in _COUNTERPART:
        return []
    relation = _COUNTERPART[kind]
    found = [end for _, end, name in network.graph.out_edges(case, keys=True) if name == relation]
    return sorted(end for end in found if end in corpus.slots)


def _meaning(corpus: Corpus, network: Network, subject: Subject, cases: Sequence[Key]) -> NDArray[np.float64]:
    """Centred cosine with the case's text or with the record of the same kind it tells of, whichever is nearer."""

    def alike(slots: NDArray[np.int64]) -> NDArray[np.float64]:
        return centred_cosine(corpus, "gist", subject.vectors["gist"], slots)

    return _nearest(corpus, network, subject, cases, alike)


def _words(corpus: Corpus, network: Network, subject: Subject, cases: Sequence[Key]) -> NDArray[np.float64]:
    """TF-IDF cosine over whole texts, likewise."""

    def alike(slots: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(corpus.words["whole"].tfidf_cosine(subject.terms["whole"], slots), dtype=np.float64)

    return _nearest(corpus, network, subject, cases, alike)


def _nearest(
    corpus: Corpus, network: Network, subject: Subject, cases: Sequence[Key],
    alike: Callable[[NDArray[np.int64]], NDArray[np.float64]],
) -> NDArray[np.float64]:  # fmt: skip
    several = [[case, *_ends(corpus, network, case, subject.node.kind)] for case in cases]
    flat = np.array([corpus.slots[key] for keys in several for key in keys], dtype=np.int64)
    starts = np.cumsum([0, *(len(keys) for keys in several[:-1])])
    return np.asarray(np.maximum.reduceat(alike(flat), starts), dtype=np.float64)


def _closeness(network: Network, subject: Subject, cases: Sequence[Key]) -> NDArray[np.float64]:
    key = (subject.node.kind, subject.node.id)
    if subject.slot is None or key not in network.graph:
        return np.zeros(len(cases))
    near = proximity(network, key, cases)
    return np.array([near.get(case, 0.0) for case in cases])


def _same_field(asked: Sequence[Node], network: Network, case: Key) -> float:
    return float(bool(_shared_fields(asked, network, case)))


def _shared_fields(asked: Sequence[Node], network: Network, case: Key) -> list[str]:
    theirs = network.graph.nodes[case]["field"] if case in network.graph else ()
    return [name for name in theirs if any(name in node.field for node in asked)]


def _reasons(
    corpus: Corpus, network: Network, subjects: Sequence[Subject], record: Case, case: Key, own: set[Key]
) -> list[str]:
    """What is in common, the surest first."""
    told: list[str] = []
    for subject in subjects:
        kind = subject.node.kind
        ends = _ends(corpus, network, case, kind)
        if any(end in own for end in ends):
            told.append(_SELF[kind])
            continue
        alike = [(_cosine(corpus, subject, end), end) for end in ends]
        near = [one for one in alike if one[0] >= ALIKE]
        if near:
            _, end = max(near, key=lambda one: (one[0], one[1]))
            what = "用于的场景" if kind == "scene" else "采用的成果"
            told.append(
                f"{what}{titled(network, end)}（{end[1]}）与{'所问场景' if kind == 'scene' else '所问成果'}语义相近"
            )
        elif _cosine(corpus, subject, case) >= ALIKE:
            told.append("案例内容与所问语义相近")
    phrases = dict.fromkeys(
        phrase
        for subject in subjects
        for phrase in shared_phrases(
            corpus.words["whole"], reading(corpus.segmenter, subject.node), reading(corpus.segmenter, record)
        )
    )
    if phrases:
        told.append(f"都提到{'、'.join(list(phrases)[:_PHRASES])}")
    if fields := _shared_fields([subject.node for subject in subjects], network, case):
        told.append(f"同属{'、'.join(fields)}")
    return told


def _cosine(corpus: Corpus, subject: Subject, key: Key) -> float:
    slot = np.array([corpus.slots[key]], dtype=np.int64)
    return float(centred_cosine(corpus, "gist", subject.vectors["gist"], slot)[0])


def _path(network: Network, own: set[Key], case: Key) -> str:
    """The best path that leads to the case by more than a field."""
    several = [path for key in sorted(own) for path in evidence_paths(network, key, case, limit=1)]
    telling = [path for path in several if all(kind != FIELD for kind, _ in path.nodes)]
    return min(telling, key=lambda path: (len(path.nodes), path.nodes)).text if telling else ""
