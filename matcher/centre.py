"""The usual mean of an encoder's vectors, shipped for the embedded encoder: what stands in for a corpus still small.

python -m matcher.centre HOME FILE      writes the means of a home's corpus, as was done for data/ranker
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.encoder import Encoder
from graph.resources import resource

_DECIMALS = 4


def usual_centre(encoder: Encoder) -> Mapping[str, NDArray[np.float64]]:
    """The shipped mean of each view, or nothing if it was made with another encoder."""
    content = json.loads(resource("ranker", "centre.json").read_text(encoding="utf-8"))
    if content["encoder"] != encoder.identity:
        return {}
    return {view: np.array(row, dtype=np.float64) for view, row in content["views"].items()}


def main() -> None:
    """Write the means of a home's corpus."""
    from matcher.engine import Engine
    from matcher.home import Home

    with Engine.open(Home(path=Path(sys.argv[1]))) as engine:
        views = {
            view: index.mean().round(_DECIMALS).tolist() for view, index in engine.corpus.vectors.items()
        }
        content = {
            "encoder": engine.corpus.encoder.identity,
            "nodes": len(engine.corpus.slots),
            "views": views,
        }
    Path(sys.argv[2]).write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
