"""The HTTP application: routes, the gate before them, and the work beside them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from api import problem_documents
from api.access import declared_scopes
from api.assignments import assignment_runner
from api.bounds import Bounds
from api.bulk import bulk_runner
from api.description import described
from api.dispatching import Dispatcher
from api.following import Follower
from api.gap_runs import GapRuns
from api.gate import OPEN, Gate
from api.idempotency import Idempotency
from api.keys import Key
from api.lanes import Lanes
from api.metrics import Metrics
from api.page_paths import Pages
from api.records import PLURALS
from api.request_log import RequestLog
from api.roadshow_solving import solution_runner
from api.routes import (
    assignments,
    awards,
    bids,
    cases,
    docs,
    feedback,
    graph,
    health,
    jobs,
    keys,
    lists,
    matches,
    open_roadshows,
    orders,
    races,
    reviews,
    roadshow_plans,
    roadshows,
    tasks,
    webhooks,
)  # fmt: skip
from api.routes.nodes import node_router
from api.services import Services
from api.settings import ServeSettings
from api.workbench import pages as workbench
from api.workbench.access import declared_roles
from api.workbench.forms import StaleForm, takes_form
from api.workbench.gate import OPEN_PAGES, PageAnswers, PageGate
from graph.problems import Refused
from graph.store.store import Store
from graph.values import Visibility

_LOG = logging.getLogger("jiebang.server")
_TIDY = 3600.0


def create_app(settings: ServeSettings) -> FastAPI:
    """The application over a home that exists; nothing is answered before its lifespan has begun.

    Raises ``Refused`` as the store does, and ``RuntimeError`` for a route that declares no scope: what nobody
    thought about is not served.
    """
    store = settings.home.open_store(create=False)
    metrics = Metrics()
    app = FastAPI(
        title="揭榜 Jiebang", version="1", docs_url=None, redoc_url=None, openapi_url=None,
        lifespan=lambda app: _running(app, settings, store, metrics), redirect_slashes=False,
    )  # fmt: skip
    # In this order the page lists them: what partners come for first.
    for module in (
        docs, matches, graph, feedback, orders, tasks, bids, reviews, awards, races, assignments, roadshows, roadshow_plans,
        open_roadshows, cases, lists,
        jobs, webhooks, keys,
    ):  # fmt: skip
        app.include_router(module.router)
    for kind in PLURALS:
        app.include_router(node_router(kind))
    for router in workbench.ROUTERS:
        app.include_router(router)
    pages = Pages(route.path for router in workbench.ROUTERS for route in router.routes)
    app.include_router(health.router)
    problem_documents.install(app)
    app.add_exception_handler(StaleForm, workbench.shown_again)
    # The last added is the outermost.
    app.add_middleware(Idempotency, store=store)
    app.add_middleware(Gate, store=store, settings=settings, metrics=metrics, pages=pages)
    app.add_middleware(PageGate, store=store, settings=settings, pages=pages)
    app.add_middleware(Bounds, settings=settings, metrics=metrics, pages=pages)
    app.add_middleware(RequestLog, metrics=metrics)
    app.add_middleware(PageAnswers, pages=pages)
    app.state.routes, app.state.pages = _routes(app), pages
    _refuse_unguarded(app.state.routes, pages)
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    return app


def _refuse_unguarded(routes: Sequence[APIRoute], pages: Pages) -> None:
    """Raise ``RuntimeError`` for a route that declares neither scope nor role, and for a form without its token."""
    unguarded = [
        r.path
        for r in routes
        if r.path not in OPEN | OPEN_PAGES
        and not (declared_roles if pages.has(r.path) else declared_scopes)(r)
    ]
    if unguarded:
        raise RuntimeError(f"routes without a scope or role: {unguarded}")
    posted = [
        r
        for r in routes
        if pages.has(r.path) and r.path not in OPEN_PAGES and (r.methods or set()) - {"GET", "HEAD"}
    ]
    if loose := [r.path for r in posted if not takes_form(r)]:
        raise RuntimeError(f"forms without a token: {loose}")


def api_routes(app: FastAPI) -> list[APIRoute]:
    """Every route that programs ask, those of included routers too."""
    return [route for route in _routes(app) if not app.state.pages.has(route.path)]


def page_routes(app: FastAPI) -> list[APIRoute]:
    """Every route of the workbench."""
    return [route for route in _routes(app) if app.state.pages.has(route.path)]


def _routes(app: FastAPI) -> list[APIRoute]:
    found = (context.original_route for context in iter_route_contexts(app.routes))
    return [route for route in found if isinstance(route, APIRoute)]


@contextlib.asynccontextmanager
async def _running(
    app: FastAPI, settings: ServeSettings, store: Store, metrics: Metrics
) -> AsyncIterator[None]:
    """The work beside the routes, from the first request to the last."""
    lanes = Lanes(settings, metrics)
    follower = Follower(settings, store, lanes, metrics)
    dispatcher = Dispatcher(settings, store)
    services: Services
    bulk = bulk_runner(settings, store, lambda: services.changed())
    solver = assignment_runner(settings, store)
    solutions = solution_runner(settings, store, lambda: services.changed())
    services = Services(
        settings=settings,
        store=store,
        lanes=lanes,
        follower=follower,
        metrics=metrics,
        bulk=bulk,
        assignments=solver,
        solutions=solutions,
        dispatcher=dispatcher,
        gaps=GapRuns(store, lanes.ask, lambda: lanes.versions.get("staff")),
    )
    app.state.services = services
    lanes.start()
    work = [
        asyncio.create_task(coroutine)
        for coroutine in (
            follower.run(_audiences(store)),
            bulk.run(),
            solver.run(),
            solutions.run(),
            dispatcher.run(),
            _tidy(settings, store),
        )
    ]
    for task in work:
        task.add_done_callback(_say_end)
    try:
        yield
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await services.gaps.stop()
        await lanes.stop()
        store.close()


def _audiences(store: Store) -> list[Visibility]:
    """Whose indexes are opened at the start: staff's, who use the workbench, and those that a key can ask."""
    return sorted({"staff", *(key.audience for key in store.processes(Key, state="active"))}, reverse=True)


async def _tidy(settings: ServeSettings, store: Store) -> None:
    """Forget what is only kept for a while."""
    while True:
        now = datetime.now(UTC)
        with contextlib.suppress(Refused):
            await asyncio.to_thread(store.receipts.prune, now - settings.receipts_kept)
            await asyncio.to_thread(store.outbox.prune, now - settings.log_kept)
            await asyncio.to_thread(store.jobs.prune, now - settings.log_kept)
            await asyncio.to_thread(store.accounts.prune, now)
            await asyncio.to_thread(_remove_files, settings, now - settings.log_kept)
        await asyncio.sleep(_TIDY)


def _remove_files(settings: ServeSettings, before: datetime) -> None:
    """Uploads and reports of jobs that are forgotten, and parts of uploads that were cut off."""
    folder = settings.jobs_folder
    for path in folder.iterdir() if folder.is_dir() else ():
        age = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        if age < before or (path.suffix == ".part" and age < datetime.now(UTC) - timedelta(days=1)):
            path.unlink(missing_ok=True)


def _say_end(task: "asyncio.Task[None]") -> None:
    """Work beside the routes never ends by itself: if it does, somebody must know."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("work beside the routes has ended", exc_info=error)
