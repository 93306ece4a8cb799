"""Following the store: writing is encoded ahead, then seen by answers; what fails is told and tried again."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from api import following
from api.answering import Version
from api.following import Follower
from api.metrics import Metrics
from api.settings import ServeSettings
from embeddings.refusal import IndexRefused
from graph.feedback import Judgement
from graph.kinds import Achievement
from graph.store.changes import Change, PutFeedback, PutNode
from graph.store.store import Store
from graph.values import Visibility
from matcher.corpus import encode_ahead
from matcher.engine import Engine
from matcher.home import Home
from tests.api.conftest import Portal, Served
from tests.api.world import BigramEncoder

AT = datetime(2026, 3, 31, tzinfo=UTC)


class Lanes:
    """Keeps what a follower says to lanes."""

    def __init__(self) -> None:
        self.versions: dict[Visibility, Version] = {}
        self.warmed: list[tuple[Visibility, Version]] = []
        self.failures: list[Exception] = []

    async def warm(self, audience: Visibility, version: Version) -> None:
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop()
        self.warmed.append((audience, version))

    async def catch_up(self, audience: Visibility, version: Version) -> None:
        self.versions[audience] = version


class CountingEncoder(BigramEncoder):
    """Counts the texts it encodes."""

    def __init__(self) -> None:
        self.texts = 0

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        return super().encode_queries(texts)

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        return super().encode_documents(texts)


class Followed:
    """A follower over a home, without the rest of a server."""

    def __init__(self, settings: ServeSettings, store: Store) -> None:
        self.settings, self.store, self.lanes = settings, store, Lanes()
        self.follower = Follower(settings, store, self.lanes, Metrics())  # type: ignore[arg-type]

    def write(self, *changes: Change) -> None:
        self.store.apply(changes, actor="程某", at=AT, reason="试")


@pytest.fixture
def followed(indexed: Path) -> Iterator[Followed]:
    settings = ServeSettings(home=Home(path=indexed), encoder="bigrams")
    with settings.home.open_store(create=False) as store:
        yield Followed(settings, store)


def achievement(id: str, visibility: str = "partner") -> PutNode:
    values = {"id": id, "title": f"海岛无人机送药航线{id}", "visibility": visibility}
    return PutNode(node=Achievement.model_validate(values))


def until(condition: Callable[[], Any]) -> Any:
    """What the condition gives once it gives something; an endless wait is a failure."""
    for _ in range(600):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came to pass")


def test_opened_audience_knows_the_store_as_it_is(followed: Followed) -> None:
    asyncio.run(followed.follower.open("partner"))
    version = Version(followed.store.revision(), 0)
    assert followed.lanes.versions == {"partner": version}
    assert followed.lanes.warmed == [("partner", version)]


def test_audience_asked_for_by_several_at_once_is_opened_once(followed: Followed) -> None:
    async def ask() -> None:
        await asyncio.gather(*(followed.follower.open("partner") for _ in range(5)))
        await followed.follower.open("partner")

    asyncio.run(ask())
    assert len(followed.lanes.warmed) == 1


def test_audience_that_failed_to_open_is_opened_when_asked_again(followed: Followed) -> None:
    followed.lanes.failures = [OSError("disk")]
    with pytest.raises(OSError, match="disk"):
        asyncio.run(followed.follower.open("partner"))
    assert followed.lanes.versions == {}
    asyncio.run(followed.follower.open("partner"))
    assert "partner" in followed.lanes.versions


def test_what_is_new_is_encoded_before_answers_may_know_it(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(followed.follower.open("partner"))
    before = followed.lanes.versions["partner"]
    followed.write(achievement("CG-8"))
    encode, seen = encode_ahead, list[Version]()

    def watched(*told: Any) -> Any:
        found = encode(*told)
        seen.append(followed.lanes.versions["partner"])
        return found

    monkeypatch.setattr(following, "encode_ahead", watched)
    asyncio.run(followed.follower._follow("partner"))
    assert seen == [before]
    assert followed.lanes.versions["partner"] == Version(followed.store.revision(), 0)
    encoder = CountingEncoder()
    engine = Engine(followed.settings.home, followed.store, encoder, audience="partner")
    engine.load()
    assert ("achievement", "CG-8") in engine.corpus.slots
    assert encoder.texts == 0


def test_only_what_answers_hold_makes_a_new_version(followed: Followed) -> None:
    asyncio.run(followed.follower.open("partner"))
    version = followed.lanes.versions["partner"]
    judged = Judgement(scene="CJ-1", achievement="CG-1", judge="李明", level=3, at=AT, reason="")
    followed.write(PutFeedback(record=judged))
    asyncio.run(followed.follower._follow("partner"))
    assert followed.lanes.versions["partner"] == version
    followed.write(achievement("CG-8"))
    asyncio.run(followed.follower._follow("partner"))
    assert followed.lanes.versions["partner"].revision == followed.store.revision()


def test_other_ranker_in_use_makes_a_new_version(followed: Followed) -> None:
    asyncio.run(followed.follower.open("partner"))
    version = followed.lanes.versions["partner"]
    followed.settings.home.models.mkdir(parents=True, exist_ok=True)
    (followed.settings.home.models / "current.json").write_text("{}", encoding="utf-8")
    asyncio.run(followed.follower._follow("partner"))
    after = followed.lanes.versions["partner"]
    assert (after.revision, after.ranker != version.ranker) == (version.revision, True)


def test_index_that_cannot_be_opened_is_told_and_tried_again(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_TROUBLED", 0.01)
    followed.lanes.failures = [OSError("disk")] * 3
    told = []

    async def follow() -> None:
        task = asyncio.create_task(followed.follower.run(["partner"]))
        while "partner" not in followed.lanes.versions or followed.follower.trouble:
            told.append(followed.follower.trouble)
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(asyncio.wait_for(follow(), 30))
    assert "index_unusable" in told


def test_an_encoder_that_fails_is_told_apart_from_the_index(followed: Followed) -> None:
    followed.lanes.failures = [IndexRefused("encoder_missing", "模型文件缺失。", "请重新安装。")]
    told: list[str] = []

    async def follow() -> None:
        task = asyncio.create_task(followed.follower.run(["partner"]))
        while not followed.follower.trouble:
            await asyncio.sleep(0.001)
        told.append(followed.follower.trouble)
        task.cancel()

    asyncio.run(asyncio.wait_for(follow(), 30))
    assert told == ["encoder_missing"]


def test_trouble_of_one_audience_is_not_hidden_by_another(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_PAUSE", 0.001)
    monkeypatch.setattr(following, "_TROUBLED", 0.001)
    look = followed.follower._follow
    looked: list[Visibility] = []

    async def failing(audience: Visibility) -> None:
        looked.append(audience)
        if audience == "partner":
            raise OSError("disk")
        await look(audience)

    monkeypatch.setattr(followed.follower, "_follow", failing)

    async def follow() -> set[str]:
        await asyncio.gather(followed.follower.open("partner"), followed.follower.open("public"))
        task, told = asyncio.create_task(followed.follower.run([])), set[str]()
        while len(looked) < 8:
            await asyncio.sleep(0.001)
            if len(looked) >= 3:
                told.add(followed.follower.trouble)
        task.cancel()
        return told

    assert asyncio.run(asyncio.wait_for(follow(), 30)) == {"store_unreadable"}


def test_writing_over_http_is_seen_by_answers(served: Served, partner: Portal) -> None:
    need = {"text": "海岛无人机送药航线CG-8", "top": 1}
    first = partner.post("/v1/match", need).json()["items"][0]["id"]
    assert first != "CG-8"
    served.store.apply([achievement("CG-8")], actor="程某", at=AT, reason="试")
    served.app.state.services.follower.poke()
    until(lambda: partner.post("/v1/match", need).json()["items"][0]["id"] == "CG-8")
    # What only staff may see never comes into the answers of others.
    served.store.apply([achievement("CG-8", "staff")], actor="程某", at=AT, reason="试")
    until(lambda: partner.post("/v1/match", need).json()["items"][0]["id"] == first)


def test_trouble_shows_in_readiness_and_goes_away_again(
    served: Served, partner: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_TROUBLED", 0.01)
    until(lambda: served.client.get("/readyz").status_code == 200)

    async def failing(_: Visibility) -> None:
        raise OSError("disk")

    with monkeypatch.context() as broken:
        broken.setattr(served.app.state.services.follower, "_follow", failing)
        told = until(lambda: (r := served.client.get("/readyz")).status_code == 503 and r.json())
        assert told == {"status": "not_ready", "store": "ok", "index": "store_unreadable", "encoder": "ok"}
        # What is known is answered all the same.
        assert partner.get("/v1/scenes/CJ-1/matches").status_code == 200
    until(lambda: served.client.get("/readyz").status_code == 200)
