"""How well experts fit bids, asked of a lane: it has the encoder and the graph."""

from dataclasses import dataclass
from typing import Any

from api.question import OwnQuestion
from embeddings.vector_cache import VectorCache
from graph.kinds import Expert
from graph.store.changes import NodeKey
from matcher.engine import Engine
from matcher.expertise import fits_of


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
