"""What judged pairs tell of pairs like them: the part of a score that comes from cases, not from rules.

A Gaussian process over pairs (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, ch. 2):
how much better or worse than their features say were pairs judged whose scene and whose achievement read like
these? Two scenes count as alike by exp(8 (cosine - 1)) of their titles: a need posted again carries its
judgements over, an unrelated one next to nothing. What no judged scene is near to gets no value at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
_SCENE_SHARPNESS, _OFFER_SHARPNESS = 8.0, 3.0
# Variance that is common to all offers of a scene, and that follows how alike two offers read; noise of one
# judgement. In units of squared levels; only their ratios count.
_SHARED, _OFFERED, _NOISE = 0.5, 2.0, 1.0
# A scene less alike than this is no neighbour (cosine about 0.5). The rest is shifted to begin at 0, so that
# nothing jumps at the edge; in learning, scenes are solved together with all that a chain of this leads to.
_LEAST = 0.02
_LINKED = 0.5
_MOST = 2000
# Judged scenes that speak for a scene at most, the likest: bounds what a query costs.
_NEIGHBOURS = 30
_STRONGEST = 100.0  # no judgement pulls by as many levels; a file that says so was not written by us
# The largest value shown, in levels: nothing learned from cases overrules everything else.
LIMIT = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experience:
    """Judged pairs as anchors: vectors of S scenes and A achievements, and N pairs with their pull.

    ``scenes`` and ``offers`` are rows of signed bytes, each to be read at length 1, ``centre`` what was taken
    from the raw vectors before; ``pairs`` holds (scene row, offer row) of each; ``pull`` its weight in levels.
    ``encoder`` says whose vectors they are. ``levels`` are the judged levels and ``names`` the ids behind
    the pairs, empty where they may not be told.
    """

    encoder: str
    centre: Rows
    scenes: NDArray[np.int8]
    offers: NDArray[np.int8]
    pairs: NDArray[np.int32]
    pull: NDArray[np.float32]
    levels: NDArray[np.float32]
    names: tuple[tuple[str, str], ...] = ()
    _by_scene: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of every pair."""
        if not isinstance(other, Experience):
            return NotImplemented
        (told, arrays), (others_told, others) = to_arrays(self), to_arrays(other)
        return told == others_told and all(np.array_equal(arrays[name], others[name]) for name in arrays)

    __hash__ = None  # type: ignore[assignment]

    def values(self, scenes: NDArray[np.float32], offers: NDArray[np.float32]) -> Rows:
        """What experience adds, in levels, to each pair of raw vectors; NaN where no judged scene is near.

        One of the two sides may be a single row, which then meets every row of the other. The value of a
        pair does not depend on the others (to 1e-12).
        """
        near = self._near(scenes)
        wanted = np.flatnonzero(near.any(axis=0))
        result = np.full(max(len(scenes), len(offers)), np.nan)
        if not len(wanted):
            return result
        heads = self._heads(wanted, offers)  # (offers, wanted)
        found = (near[:, wanted] * heads).sum(axis=1)
        known = np.broadcast_to(near.any(axis=1), result.shape)
        result[known] = np.clip(found, -LIMIT, LIMIT)[known]
        return result

    def nearest(
        self, scene: NDArray[np.float32], offer: NDArray[np.float32], limit: int
    ) -> list[tuple[str, str, float, float]]:
        """The judged pairs that told most: (scene id, achievement id, judged level, levels added), largest first.

        Empty where names may not be told or nothing is near.
        """
        near = self._near(scene[None])[0]
        told: list[tuple[float, str, str, float]] = []
        for at in np.flatnonzero(near):
            members = self._members(int(at))
            kernel = self._alike(offer[None], self.pairs[members, 1])[0]
            added = near[at] * self.pull[members] * kernel
            told += [
                (float(added[i]), *self.names[pair], float(self.levels[pair]))
                for i, pair in enumerate(members.tolist())
                if self.names
            ]
        told.sort(key=lambda entry: (-abs(entry[0]), entry[1], entry[2]))
        return [(scene_id, offer_id, level, added) for added, scene_id, offer_id, level in told[:limit]]

    def without(self, scene: NDArray[np.float32], cosine: float) -> "Experience":
        """The experience without the judged scenes whose cosine with one raw vector is ``cosine`` or more."""
        alike = (_centred(scene, self.centre) @ _unpacked(self.scenes).T)[0] >= cosine
        if not alike.any():
            return self
        scenes = np.where(alike[:, None], 0, self.scenes).astype(np.int8)
        return replace(self, scenes=scenes, _by_scene={})

    def _near(self, scenes: NDArray[np.float32]) -> Rows:
        cosines = _centred(scenes, self.centre) @ _unpacked(self.scenes).T
        alike = np.exp(_SCENE_SHARPNESS * (np.minimum(cosines, 1.0) - 1))
        near = np.maximum((alike - _LEAST) / (1 - _LEAST), 0.0)
        if near.shape[1] > _NEIGHBOURS:
            farther = np.argsort(-near, axis=1, kind="stable")[:, _NEIGHBOURS:]
            np.put_along_axis(near, farther, 0.0, axis=1)
        return near

    def _heads(self, wanted: NDArray[np.int64], offers: NDArray[np.float32]) -> Rows:
        """What each judged scene says of each offer."""
        heads = np.zeros((len(offers), len(wanted)))
        for column, at in enumerate(wanted.tolist()):
            members = self._members(at)
            heads[:, column] = self._alike(offers, self.pairs[members, 1]) @ self.pull[members].astype(
                np.float64
            )
        return heads

    def _alike(self, offers: NDArray[np.float32], anchors: NDArray[np.int32]) -> Rows:
        cosines = _centred(offers, self.centre) @ _unpacked(self.offers[anchors]).T
        return offer_kernel(np.minimum(cosines, 1.0))

    def _members(self, scene: int) -> NDArray[np.int64]:
        if not self._by_scene:
            order = np.argsort(self.pairs[:, 0], kind="stable")
            starts = np.searchsorted(self.pairs[order, 0], np.arange(len(self.scenes) + 1))
            for at in range(len(self.scenes)):
                self._by_scene[at] = order[starts[at] : starts[at + 1]]
        return self._by_scene[scene]


def learn_experience(
    *,
    encoder: str,
    centre: Rows,
    scenes: NDArray[np.float32],
    offers: NDArray[np.float32],
    pairs: NDArray[np.int32],
    residuals: Rows,
    certainty: Rows,
    levels: Rows,
    names: Sequence[tuple[str, str]] = (),
) -> Experience:
    """The anchors that explain ``residuals`` (level judged less level expected from the features).

    ``scenes`` and ``offers`` are raw vectors, ``pairs`` (N, 2) their rows; ``certainty`` is how much a judgement
    counts (1: one judge). Scenes are solved group by group, a group being those linked by a cosine of 0.5
    or more: exact within it, nothing across. Cost: the cube of the largest group's pairs; a group of more than
    2,000 is solved scene by scene, and a scene of more in pieces of 2,000.
    """
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    packed_scenes, packed_offers = (_packed(_centred(rows, centre)) for rows in (scenes, offers))
    s, o = _unpacked(packed_scenes), _unpacked(packed_offers)
    cosines = np.minimum(s @ s.T, 1.0)
    _, group = connected_components(csr_array(cosines >= _LINKED), directed=False)
    pull = np.zeros(len(pairs))
    for members in _solvable(group[pairs[:, 0]], pairs[:, 0]):
        of_scene, of_offer = pairs[members].T
        kernel = np.exp(_SCENE_SHARPNESS * (cosines[np.ix_(of_scene, of_scene)] - 1))
        kernel *= offer_kernel(np.minimum(o[of_offer] @ o[of_offer].T, 1.0))
        kernel[np.diag_indices(len(members))] += _NOISE / certainty[members]
        pull[members] = cho_solve(cho_factor(kernel, lower=True), residuals[members])
    return Experience(
        encoder=encoder, centre=centre, scenes=packed_scenes, offers=packed_offers, pairs=pairs,
        pull=pull.astype(np.float32), levels=levels.astype(np.float32), names=tuple(names),
    )  # fmt: skip


def _solvable(group: NDArray[np.int64], scene: NDArray[np.int32]) -> Iterator[NDArray[np.int64]]:
    """Rows that are solved together: a group, or where it is too large its scenes, or pieces of one."""
    for each in np.unique(group):
        members = np.flatnonzero(group == each)
        if len(members) <= _MOST:
            yield members
            continue
        for at in np.unique(scene[members]):
            own = members[scene[members] == at]
            yield from (own[start : start + _MOST] for start in range(0, len(own), _MOST))


def offer_kernel(cosines: Rows) -> Rows:
    """How much two offers of like scenes have in common, in squared levels."""
    return _SHARED + _OFFERED * np.exp(_OFFER_SHARPNESS * (cosines - 1))


def linked_scenes(vectors: NDArray[np.float32], centre: Rows, least: float) -> NDArray[np.int64]:
    """A group number for every row, the same for rows joined by a chain of centred cosines of ``least`` or more."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    rows = _centred(vectors, centre)
    _, group = connected_components(csr_array(rows @ rows.T >= least), directed=False)
    return np.asarray(group, dtype=np.int64)


def to_arrays(experience: Experience) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """An experience as what JSON and what arrays hold of it."""
    told = {"encoder": experience.encoder, "names": [list(pair) for pair in experience.names]}
    arrays: dict[str, NDArray[Any]] = {
        "centre": experience.centre,
        "scenes": experience.scenes,
        "offers": experience.offers,
        "pairs": experience.pairs,
        "pull": experience.pull,
        "levels": experience.levels,
    }
    return told, arrays


def from_arrays(told: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Experience:
    """The experience of ``to_arrays``. Raises ``ValueError`` or ``KeyError`` if they do not fit together."""
    scenes, offers = arrays["scenes"], arrays["offers"]
    pairs, pull, levels = arrays["pairs"], arrays["pull"], arrays["levels"]
    names = tuple((str(scene), str(offer)) for scene, offer in told["names"])
    fits = (
        scenes.dtype == offers.dtype == np.int8
        and arrays["centre"].shape == scenes.shape[1:] == offers.shape[1:]
        and pairs.shape == (len(pull), 2)
        and pairs.dtype == np.int32
        and pull.ndim == levels.ndim == 1
        and len(levels) == len(pull)
        and bool(np.all((levels >= 1) & (levels <= 4)))
        and bool(np.all(np.isfinite(arrays["centre"])))
        and len(names) in (0, len(pull))
        and (not len(pull) or (pairs.min() >= 0 and (pairs.max(axis=0) < [len(scenes), len(offers)]).all()))
        and bool(np.all(np.abs(pull) <= _STRONGEST))
    )
    if not fits:
        raise ValueError("经验数组互不相符")
    return Experience(
        encoder=str(told["encoder"]), centre=arrays["centre"].astype(np.float64), scenes=scenes, offers=offers,
        pairs=pairs, pull=pull, levels=levels, names=names,
    )  # fmt: skip


def _centred(rows: NDArray[np.float32], centre: Rows) -> Rows:
    """Unit rows after the centre is taken away; a row of zeros (a blank text) stays zero."""
    kept = np.asarray(rows, dtype=np.float64)
    shifted = np.where(kept.any(axis=1, keepdims=True), kept - centre, 0.0)
    lengths = np.linalg.norm(shifted, axis=1, keepdims=True)
    return np.asarray(shifted / np.where(lengths > 1e-9, lengths, 1.0))


def _packed(rows: Rows) -> NDArray[np.int8]:
    """Rows in an eighth of their size; the largest entry of each becomes 127."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    return np.asarray(np.round(rows / np.where(largest > 0, largest, 1.0) * 127), dtype=np.int8)


def _unpacked(rows: NDArray[np.int8]) -> Rows:
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float64)
