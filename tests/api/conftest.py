"""A small world with hidden parts, an encoder of milliseconds, and the HTTP application over them."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# pytest compiles the modules of its plugins itself when they are first imported, and CPython 3.11 cannot do that in
# two threads at once: here no application is running yet.
import pytest
import schemathesis.specs.openapi.schemas  # noqa: F401
from fastapi.testclient import TestClient

import embeddings.encoder
from api.application import create_app
from api.cli.app import run
from api.keys import SCOPES, create_key
from api.settings import ServeSettings
from graph.values import Visibility
from matcher.home import Home
from tests.api.world import WORLD, BigramEncoder


@pytest.fixture(autouse=True)
def bigram_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """``--encoder bigrams`` is known beside the real ones, and is what commands of these tests use."""
    monkeypatch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
    monkeypatch.setenv("JIEBANG_ENCODER", "bigrams")
    for name in ("JIEBANG_HOME", "JIEBANG_STORE", "JIEBANG_USER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder that is not there yet."""
    return tmp_path / "数据"


@pytest.fixture(scope="session")
def world_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The world as csv files."""
    folder = tmp_path_factory.mktemp("world")
    for name, text in WORLD.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in WORLD]


@pytest.fixture(scope="session")
def _indexed(tmp_path_factory: pytest.TempPathFactory, world_files: list[Path]) -> Path:
    place = tmp_path_factory.mktemp("indexed") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embeddings.encoder._ENCODERS, "bigrams", ("bigrams", lambda _: BigramEncoder()))
        before = ["--home", str(place), "--encoder", "bigrams"]
        assert run([*before, "import", *map(str, world_files)]) == 0
        assert run([*before, "index", "rebuild"]) == 0
    return place


@pytest.fixture
def indexed(home: Path, _indexed: Path) -> Path:
    """``home`` with the world and its index."""
    shutil.copytree(_indexed, home)
    return home


class Portal:
    """One caller of a running application: a client that shows its key."""

    def __init__(self, client: TestClient, token: str, key_id: str) -> None:
        self.client, self.token, self.key_id = client, token, key_id

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        """The response to a request; ``headers`` are added to the key's."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The response to a GET."""
        return self("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        """The response to a POST."""
        return self("POST", path, json=json, **options)


class Served:
    """A running application over a home."""

    def __init__(self, client: TestClient, settings: ServeSettings) -> None:
        self.client, self.settings = client, settings
        self.app: Any = client.app

    @property
    def store(self) -> Any:
        """The store of the application."""
        return self.app.state.services.store

    def portal(
        self,
        partner: str = "hengqin",
        *,
        scopes: tuple[str, ...] = tuple(SCOPES),
        audience: Visibility = "partner",
        per_minute: int = 100_000,
        lasts: timedelta | None = timedelta(days=1),
    ) -> Portal:
        """A caller with a new key."""
        key, token = create_key(
            self.store, partner=partner, name="试", scopes=scopes, audience=audience, lasts=lasts,
            per_minute=per_minute, actor="程某", at=datetime.now(UTC),
        )  # fmt: skip
        return Portal(self.client, token, key.id)


@contextmanager
def serving(home: Path, **changes: Any) -> Iterator[Served]:
    """An application over ``home``, running until the block ends; ``changes`` to its settings."""
    settings = replace(ServeSettings(home=Home(path=home), encoder="bigrams"), **changes)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield Served(client, settings)


Serve = Callable[..., Served]


@pytest.fixture
def serve(indexed: Path) -> Iterator[Serve]:
    """Starts the application over the world, with settings changed as asked; stopped at the end of the test."""
    running = []

    def start(**changes: Any) -> Served:
        running.append(serving(indexed, **changes))
        return running[-1].__enter__()

    yield start
    for one in running:
        one.__exit__(None, None, None)


@pytest.fixture
def served(serve: Serve) -> Served:
    """The application over the world."""
    return serve()


@pytest.fixture
def partner(served: Served) -> Portal:
    """A partner portal with every scope."""
    return served.portal()


@pytest.fixture
def staff(served: Served) -> Portal:
    """The city's own portal: sees and may do everything."""
    return served.portal("city", audience="staff")


def problem(response: Any) -> Mapping[str, Any]:
    """What a refusal says, and that it has the one shape."""
    document: Mapping[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert set(document) == {"type", "title", "status", "detail", "code", "remedy", "request_id", "problems"}
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:jiebang:problem:{document['code']}"
    assert document["detail"]
    assert document["remedy"]
    assert document["request_id"] == response.headers["x-request-id"]
    return document
