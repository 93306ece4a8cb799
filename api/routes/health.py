"""Whether the process lives, whether it can answer, and what it counts."""

from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool

from api.access import StaffAdministrator
from api.responses import REFUSALS, json_response
from api.routes.paths import now
from api.services import Parts, Services
from api.wire import Given
from embeddings.generation import current
from matcher.orders import Order

router = APIRouter(tags=["运行"], responses={503: REFUSALS[503]})


class Alive(Given):
    """The process answers."""

    status: Literal["alive"]


class Ready(Given):
    """Whether questions can be answered; each part is ``ok`` or says what is the matter."""

    status: Literal["ready", "not_ready"]
    store: str
    index: str
    encoder: str


@router.get("/healthz", operation_id="get_health", summary="进程是否在", responses={200: {"model": Alive}})
async def get_health() -> Response:
    return json_response({"status": "alive"})


@router.get(
    "/readyz", operation_id="get_readiness", summary="能否回答问题",
    responses={200: {"model": Ready}, 503: {"model": Ready, "description": "还不能", "content": {"application/json": {}}}},
)  # fmt: skip
async def get_readiness(parts: Parts) -> Response:
    """Tells no numbers: generations and revisions are in ``/metrics``, for those who may know how much goes on."""
    told = {"store": "ok", "index": "ok", "encoder": "ok"}
    try:
        await run_in_threadpool(parts.store.revision)
    except Exception:
        told["store"] = "store_unreadable"
    if trouble := parts.follower.trouble:
        told["encoder" if trouble.startswith("encoder_") else "index"] = trouble
    elif not parts.lanes.versions:
        told["index"] = "opening"
    ready = set(told.values()) == {"ok"}
    body = {"status": "ready" if ready else "not_ready", **told}
    return json_response(body, 200 if ready else 503, {} if ready else {"Retry-After": "5"})


@router.get(
    "/metrics", operation_id="get_metrics", summary="指标（Prometheus 文本）", responses={
        **REFUSALS, 200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "指标"},
    },
)  # fmt: skip
def get_metrics(caller: StaffAdministrator, parts: Parts) -> Response:
    _gauges(parts)
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/v1/status", operation_id="get_status", summary="各部分的版本（管理用）",
    responses={**REFUSALS, 200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "版本"}},
)  # fmt: skip
def get_status(caller: StaffAdministrator, parts: Parts) -> Response:
    return json_response(_status(parts))


def _status(parts: Services) -> dict[str, Any]:
    indexes = {}
    for audience, version in parts.lanes.versions.items():
        generation = current(parts.settings.home.index_for(audience))
        indexes[audience] = {
            "revision": version.revision,
            "generation": generation.number if generation else None,
            "encoder": generation.manifest["encoder"] if generation else None,
        }
    revision = parts.store.revision()
    return {
        "revision": revision,
        "indexes": indexes,
        "workers": parts.settings.workers,
        "waiting": parts.lanes.waiting,
    }


def _gauges(parts: Services) -> None:
    metrics, store = parts.metrics, parts.store
    for state, count in store.jobs.counts().items():
        metrics.jobs.labels(state).set(count)
    for delivery, count in store.outbox.counts().items():
        metrics.deliveries.labels(delivery).set(count)
    metrics.orders_late.set(len(store.late(Order, now())))
