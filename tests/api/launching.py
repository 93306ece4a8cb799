"""Starts a server with the encoder of these tests, as a program of its own: python -m tests.api.launching HOME PORT SETTINGS.

Whatever processes it starts read this file too. In the home, a file ``hold`` keeps a job that has been begun from going
on while it is there; a text with 慢 takes a second to encode.
"""

import json
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import api.bulk
import api.server
import embeddings.encoder
from api.settings import ServeSettings
from matcher.home import Home
from tests.api.world import BigramEncoder


class SlowEncoder(BigramEncoder):
    """As ``BigramEncoder``, but for texts that ask for time."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any("慢" in text for text in texts):
            time.sleep(1.0)
        return super().encode_queries(texts)


_BULK: Any = api.bulk
_plan_import = _BULK.plan_import


def _held(path: Path, **options: Any) -> Any:
    hold = path.parent.parent / "hold"
    if hold.exists():
        (path.parent.parent / "held").touch()
    while hold.exists():
        time.sleep(0.02)
    return _plan_import(path, **options)


embeddings.encoder._ENCODERS["bigrams"] = ("bigrams", lambda _: SlowEncoder())
# Short, so that the tests need not wait as long as a caller would.
api.bulk._LEASE, api.bulk._BEAT = timedelta(seconds=2), 0.3
_BULK.plan_import = _held
api.server._HEAD = 2.0

if __name__ == "__main__":
    home, port, changes = sys.argv[1:]
    api.server.run_server(
        ServeSettings(home=Home(path=Path(home)), encoder="bigrams", **json.loads(changes)),
        host="127.0.0.1",
        port=int(port),
    )
