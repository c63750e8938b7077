"""The HTTP side: how the service is, in the platform's shape."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Response

from qingyu_ai.health import Report


def http_api(ask_rpc: Callable[[], Awaitable[Report]]) -> FastAPI:
    """The application of the HTTP port.

    Args:
        ask_rpc: Asks HealthCheck over the RPC port, as a caller would; raises `ConnectionError` where nobody answers.
    """
    app = FastAPI(title="Qingyu AI service", openapi_url=None)

    @app.get("/api/v1/health")
    async def health() -> dict[str, object]:
        try:
            report = await ask_rpc()
        except ConnectionError:
            return {"status": "unhealthy", "checks": {"rpc": "error"}}
        return {"status": report.status, "checks": {"rpc": "ok", **report.checks}}

    @app.get("/api/v1/health/ready")
    async def ready(response: Response) -> dict[str, object]:
        """Ready where the RPC port answers; 503 otherwise."""
        answer = await health()
        is_ready = answer["checks"] != {"rpc": "error"}
        response.status_code = 200 if is_ready else 503
        return {"ready": is_ready, **answer}

    @app.get("/api/v1/health/live")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    return app
