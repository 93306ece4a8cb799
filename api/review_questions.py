"""How well experts fit bids, asked of a lane: it has the encoder and the graph."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool

from api.question import OwnQuestion
from api.services import Services
from embeddings.vector_cache import VectorCache
from graph.kinds import Expert
from graph.store.changes import NodeKey
from graph.store.store import Store
from matcher.engine import Engine
from matcher.expertise import fits_of
from matcher.review_material import Material
from matcher.review_steps import Fits, Fitting, under_review


@dataclass(frozen=True, kw_only=True)
class ReviewFitsQuestion(OwnQuestion):
    """``bids`` are (id, text, nodes it offers), ``experts`` ids. Only for staff: it hangs on every record."""

    bids: tuple[tuple[str, str, tuple[NodeKey, ...]], ...]
    experts: tuple[str, ...]

    def answer(self, engine: Engine) -> dict[str, Any]:
        known = engine.store.get_many("expert", self.experts)
        experts = [one for id in self.experts if isinstance(one := known.get(id), Expert)]
        found = fits_of(
            engine.corpus.encoder, VectorCache(engine.home.vectors), engine.network,
            [(text, about) for _, text, about in self.bids], experts,
        )  # fmt: skip
        fits = [
            [bid, expert.id, float(found[row, column])]
            for row, (bid, _, _) in enumerate(self.bids)
            for column, expert in enumerate(experts)
        ]
        return {"fits": fits}


async def fitting_of(parts: Services, store: Store, task_id: str, today: date) -> Fitting:
    """How well the experts fit the bids of a task, asked of a lane before the bids are given out.

    Raises ``Refused`` as ``under_review`` does.
    """
    material = await run_in_threadpool(under_review, store, task_id)
    question = ReviewFitsQuestion(
        audience="staff", today=today, bids=tuple((one.id, one.text, one.about) for one in material.entries),
        experts=tuple(one.id for one in material.experts),
    )  # fmt: skip
    fits = {(bid, who): fit for bid, who, fit in json.loads(await parts.answer(question))["fits"]}
    return partial(_as_asked, fits)


def _as_asked(
    fits: Mapping[tuple[str, str], float], material: Material, experts: Sequence[Expert]
) -> Fits:  # fmt: skip
    """The fits by id; a pair that was not asked for (something was added meanwhile) counts nothing."""
    rows = [[fits.get((bid.id, one.id), 0.0) for one in experts] for bid in material.bids]
    return np.array(rows, dtype=np.float64).reshape(len(material.bids), len(experts))
