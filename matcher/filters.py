"""Filters: which nodes may be shown at all, as a mask over slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from matcher.corpus import Corpus
from matcher.facts import DISTRICTS, IP_STATUSES, field_mask


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a match must have; empty means no demand. A node that does not state a demanded fact is left out.

    ``min_trl`` counts for achievements, ``open_on`` (deadline not passed) for scenes.
    """

    fields: Sequence[str] = ()
    districts: Sequence[str] = ()
    min_trl: int = 0
    ip_statuses: Sequence[str] = ()
    open_on: date | None = None


def allowed_slots(corpus: Corpus, kind: str, filters: Filters) -> NDArray[np.bool_]:
    """Mask by slot of the nodes of ``kind`` that pass ``filters``; length ``corpus.facts.capacity``."""
    facts = corpus.facts
    mask = corpus.mask(kind)
    if filters.fields:
        mask &= (np.asarray(facts.column("field")) & np.uint32(field_mask(filters.fields))) != 0
    if filters.districts:
        mask &= np.isin(facts.column("district"), [DISTRICTS.index(name) for name in filters.districts])
    if filters.min_trl and kind == "achievement":
        mask &= np.asarray(facts.column("trl")) >= filters.min_trl
    if filters.ip_statuses and kind == "achievement":
        mask &= np.isin(facts.column("ip_status"), [IP_STATUSES.index(name) for name in filters.ip_statuses])
    if filters.open_on and kind == "scene":
        deadline = np.asarray(facts.column("deadline"))
        mask &= (deadline == 0) | (deadline >= filters.open_on.toordinal())
    return mask
