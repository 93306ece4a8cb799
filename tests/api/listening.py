"""Applications that last for a module, asked in process or on a port of 127.0.0.1."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import embeddings.encoder
from tests.api.conftest import Served, serving
from tests.api.world import BigramEncoder


@contextmanager
def lasting(indexed: Path, folder: Path, **changes: Any) -> Iterator[Served]:
    """An application over a copy of the world, for as long as the block; the fast encoder is known in it."""
    home = folder / "home"
    shutil.copytree(indexed, home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        with serving(home, **changes) as served:
            yield served


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """The address of an application that listens on a free port until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
