"""The work beside the routes: it ends when it is told to, also at the very moment at which something wakes it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.assignments import assignment_runner
from api.bulk import bulk_runner
from api.dispatching import Dispatcher
from api.following import Follower
from api.lanes import Lanes
from api.metrics import Metrics
from api.settings import ServeSettings
from matcher.home import Home


def follower(settings: ServeSettings, store: Any) -> Follower:
    return Follower(settings, store, Lanes(settings, Metrics()), Metrics())


WORKERS: dict[str, Any] = {
    "follower": follower,
    "dispatcher": Dispatcher,
    "bulk": lambda settings, store: bulk_runner(settings, store, lambda: None),
    "assignments": assignment_runner,
}


@pytest.mark.parametrize("name", WORKERS)
@pytest.mark.parametrize("ticks", range(4))
def test_work_that_is_woken_while_it_is_told_to_end_ends(indexed: Path, name: str, ticks: int) -> None:
    settings = ServeSettings(home=Home(path=indexed), encoder="bigrams")

    async def ended() -> bool:
        with settings.home.open_store(create=False) as store:
            worker = WORKERS[name](settings, store)
            task = asyncio.create_task(worker.run([]) if name == "follower" else worker.run())
            await asyncio.sleep(0.1)  # until it rests
            worker.poke()
            for _ in range(ticks):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=5)
            if not done:
                task.cancel()
                await asyncio.wait([task])
            return bool(done)

    assert asyncio.run(ended())
