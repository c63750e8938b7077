"""The HTTP side: how the service is, in the platform's shape, and the administration of what projects know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp

from qingyu_ai.health import Report
from qingyu_ai.indexing.wire import PATH
from qingyu_ai.serving.stopping import Stop

if TYPE_CHECKING:
    from qingyu_ai.telemetry.metrics import Metrics


def http_api(
    ask_rpc: Callable[[], Awaitable[Report]], administration: ASGIApp, stop: Stop, metrics: Metrics | None = None
) -> FastAPI:
    """The application of the HTTP port.

    Args:
        ask_rpc: Asks HealthCheck over the RPC port, as a caller would; raises `ConnectionError` where nobody answers.
        administration: See `knowledge_api`.
        stop: Once it is asked, the service is not ready.
        metrics: What /metrics tells, to anybody; None: there is none.
    """
    app = FastAPI(title="Qingyu AI service", openapi_url=None)

    async def report() -> Report:
        """HealthCheck's, with the RPC port as one part more."""
        if stop.is_asked:
            return Report("stopping", {"rpc": "error"})
        try:
            told = await ask_rpc()
        except ConnectionError:
            return Report("unhealthy", {"rpc": "error"})
        return Report(told.status, {"rpc": "ok", **told.checks})

    @app.get("/api/v1/health")
    async def health() -> Report:
        return await report()

    @app.get("/api/v1/health/ready")
    async def ready(response: Response) -> dict[str, object]:
        """Ready where the RPC port answers and is to go on; 503 otherwise."""
        told = await report()
        is_ready = told.checks["rpc"] == "ok"
        response.status_code = 200 if is_ready else 503
        return {"ready": is_ready, "status": told.status, "checks": told.checks}

    @app.get("/api/v1/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    if metrics:

        @app.get("/metrics")
        async def scrape(request: Request) -> Response:
            body, content_type = metrics.exposition(request.headers.get("accept", ""))
            return Response(body, headers={"content-type": content_type})

    app.mount(PATH, administration)
    return app
