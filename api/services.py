"""What the routes of one application work with."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from api.bulk import JobRunner
from api.dispatching import Dispatcher
from api.following import Follower
from api.lanes import Lanes
from api.metrics import Metrics
from api.questions import Question
from api.settings import ServeSettings
from graph.store.store import Store


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

    def changed(self) -> None:
        """Something was written: answers and webhooks are to know it at once."""
        self.follower.poke()
        self.dispatcher.poke()

    async def answer(self, question: Question) -> bytes:
        """The answer to a matching question as JSON, its audience's index opened if it is not yet."""
        await self.follower.open(question.audience)
        return await self.lanes.ask(question)


def services_of(request: Request) -> Services:
    """The services of the application that the request is for."""
    services: Services = request.app.state.services
    return services


Parts = Annotated[Services, Depends(services_of)]
