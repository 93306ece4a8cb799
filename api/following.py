"""Follows the store: encodes what is new ahead of the lanes, and then lets them catch up."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path

from api.answering import Version
from api.lanes import Lanes
from api.metrics import Metrics
from api.settings import ServeSettings
from embeddings.encoder import open_encoder
from embeddings.generation import current
from embeddings.refusal import IndexRefused
from embeddings.vector_cache import VectorCache
from graph.store.audience import AudienceStore
from graph.store.store import Store
from graph.values import Visibility
from matcher.corpus import encode_ahead

_LOG = logging.getLogger("jiebang.following")
# Seconds between looks, and while something is the matter.
_PAUSE, _TROUBLED = 0.5, 5.0


class Follower:
    """Keeps ``lanes.versions``: of every audience that somebody asks for, how far its answers know the store.

    Writing is seen by answers within about a second, later where much has to be encoded; until then they are those
    of before, and never wait.
    """

    def __init__(self, settings: ServeSettings, store: Store, lanes: Lanes, metrics: Metrics) -> None:
        self._settings, self._store, self._lanes, self._metrics = settings, store, lanes, metrics
        self._cache = VectorCache(settings.home.vectors)
        self._encoder = open_encoder(settings.encoder)
        # What was looked at, by audience; of it only what concerns nodes or relations makes a new version.
        self._seen: dict[Visibility, int] = {}
        self._opening: dict[Visibility, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self.trouble = ""

    def poke(self) -> None:
        """Something was written: look at once."""
        self._wake.set()

    async def open(self, audience: Visibility) -> None:
        """Make an audience's index ready; returns when it is. Asked for by several at once, it is done once."""
        if audience in self._lanes.versions:
            return
        if audience not in self._opening:
            self._opening[audience] = asyncio.create_task(self._open(audience))
        try:
            await asyncio.shield(self._opening[audience])
        finally:
            if audience in self._opening and self._opening[audience].done():
                del self._opening[audience]

    async def run(self, audiences: Iterable[Visibility]) -> None:
        """Open the audiences and follow the store until cancelled; what fails is tried again."""
        wanted = list(audiences)
        while True:
            troubles = [await self._look(audience) for audience in {*wanted, *self._lanes.versions}]
            self.trouble = next(filter(None, troubles), "")
            with contextlib.suppress(TimeoutError):
                # Not ``wait_for``: see Dispatcher.
                async with asyncio.timeout(_TROUBLED if self.trouble else _PAUSE):
                    await self._wake.wait()
            self._wake.clear()

    async def _look(self, audience: Visibility) -> str:
        """Open an audience, or bring it up to the store; gives what is the matter."""
        is_open = audience in self._lanes.versions
        try:
            await (self._follow(audience) if is_open else self.open(audience))
        except Exception as error:
            _LOG.exception("answers cannot be brought up to the store", extra={"event": audience})
            if isinstance(error, IndexRefused) and error.code.startswith("encoder_"):
                return error.code
            return "store_unreadable" if is_open else "index_unusable"
        return ""

    async def _open(self, audience: Visibility) -> None:
        published = current(self._settings.home.index_for(audience))
        view = self._view(audience)
        since = 0
        if published is not None and published.manifest.get("store") == view.store_id:
            since = int(published.manifest["corpus_revision"])
        revision, _ = await asyncio.to_thread(encode_ahead, view, self._cache, self._encoder, since)
        version = Version(revision, self._ranker_stamp())
        await self._lanes.warm(audience, version)
        self._seen[audience] = revision
        self._lanes.versions[audience] = version
        self._tell(audience, revision)

    async def _follow(self, audience: Visibility) -> None:
        version, stamp = self._lanes.versions[audience], self._ranker_stamp()
        head = await asyncio.to_thread(self._store.revision)
        self._tell(audience, head)
        if head == self._seen[audience] and stamp == version.ranker:
            return
        revision, touched = await asyncio.to_thread(
            encode_ahead, self._view(audience), self._cache, self._encoder, self._seen[audience]
        )
        known = revision if touched else version.revision
        if (fresh := Version(known, stamp)) != version:
            await self._lanes.catch_up(audience, fresh)
        self._seen[audience] = revision
        self._tell(audience, head)

    def _tell(self, audience: Visibility, head: int) -> None:
        generation = current(self._settings.home.index_for(audience))
        self._metrics.generation.labels(audience).set(generation.number if generation else 0)
        self._metrics.indexed.labels(audience).set(self._seen.get(audience, 0))
        self._metrics.lag.labels(audience).set(head - self._seen.get(audience, 0))

    def _view(self, audience: Visibility) -> Store:
        return self._store if audience == "staff" else AudienceStore(self._store, audience)

    def _ranker_stamp(self) -> int:
        pointer: Path = self._settings.home.models / "current.json"
        try:
            return pointer.stat().st_mtime_ns
        except OSError:
            return 0
