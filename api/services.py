"""What the routes of one application work with."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.bulk import JobRunner
from api.dispatching import Dispatcher
from api.following import Follower
from api.gap_runs import GapRuns
from api.lanes import Lanes
from api.metrics import Metrics
from api.problem_documents import busy
from api.question import Question
from api.settings import ServeSettings
from graph.store.store import Store
from graph.values import Visibility

_SOON = 3.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of a running application."""

    settings: ServeSettings
    store: Store
    lanes: Lanes
    follower: Follower
    metrics: Metrics
    bulk: JobRunner
    assignments: JobRunner
    solutions: JobRunner
    dispatcher: Dispatcher
    gaps: GapRuns

    def changed(self) -> None:
        """Something was written: answers and webhooks are to know it at once."""
        self.follower.poke()
        self.dispatcher.poke()

    async def answer(self, question: Question) -> bytes:
        """The answer to a matching question as JSON, its audience's index opened if it is not yet."""
        await self.follower.open(question.audience)
        return await self.lanes.ask(question)

    async def answer_soon(self, question: Question) -> bytes:
        """As ``answer``, for people: an index that is still being made is told of, and not waited for.

        Raises ``Refusal`` (503, ``index_opening``).
        """
        await self.opened(question.audience)
        return await self.lanes.ask(question)

    async def opened(self, audience: Visibility) -> None:
        """The index of an audience is open. Raises ``Refusal`` (503, ``index_opening``) where that takes longer."""
        try:
            async with asyncio.timeout(_SOON):
                await self.follower.open(audience)
        except TimeoutError:
            raise busy(
                "index_opening", "正在整理文本，还不能匹配；第一次启动或导入大量记录后要几分钟。", seconds=5
            ) from None


def services_of(request: Request) -> Services:
    """The services of the application that the request is for."""
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]
