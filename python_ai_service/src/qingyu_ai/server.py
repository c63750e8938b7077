"""One process, one event loop, all ports or none."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from qingyu_ai.app import default_tenant, open_app
from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService, AIServiceASGIApplication, AIServiceClient
from qingyu_ai.gen.qingyu.ai.ai_service_pb import HealthCheckRequest
from qingyu_ai.health import Report
from qingyu_ai.http_api import http_api
from qingyu_ai.knowledge_api import knowledge_api
from qingyu_ai.rpc.codecs import codecs
from qingyu_ai.rpc.compression import OneGzip
from qingyu_ai.rpc.guard import Guard
from qingyu_ai.serving.door import Door
from qingyu_ai.serving.http_server import HttpServer
from qingyu_ai.serving.ports import PortError, connections_per_port, listen, raise_descriptor_limit
from qingyu_ai.serving.stopping import Stop
from qingyu_ai.settings import Settings
from qingyu_ai.settings_fit import remarks
from qingyu_ai.settings_names import mistaken_names
from qingyu_ai.telemetry.log import event, log_loop_failures

if TYPE_CHECKING:
    from qingyu_ai.rpc.plain_grpc import PlainGrpcServer
    from qingyu_ai.telemetry.metrics import Metrics
    from qingyu_ai.telemetry.traces import Traces

_log = logging.getLogger(__name__)

_READ_MAX_BYTES = 16 * 1024 * 1024
_PROBE_TIMEOUT_MS = 4000
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not listened on)


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then lets what is under way end, for DRAIN_SECONDS or until a second signal.

    Raises `PortError` before anything is served, and what ends one of the servers: the others end with it.
    """
    loop = asyncio.get_running_loop()
    log_loop_failures(loop)
    stop = Stop()
    ports = 3 if settings.plain_grpc_port else 2
    connections = connections_per_port(raise_descriptor_limit(), settings.max_concurrency, ports)
    limits = {"drain_s": settings.drain_seconds, "connections": connections}
    with ExitStack() as stack:
        http_socket = stack.enter_context(listen(settings.service_host, settings.service_port, "SERVICE_PORT"))
        rpc_socket = stack.enter_context(listen(settings.service_host, settings.grpc_port, "GRPC_PORT"))
        async with open_app(settings) as app, AIServiceClient(_url(settings)) as own_client:
            token = settings.python_ai_token.get_secret_value() if settings.python_ai_token else None
            metrics = _metrics(settings)
            traces = _traces(settings, stack)
            guard = Guard(token, settings.max_concurrency, stop, [each for each in (metrics, traces) if each])
            count = metrics.administered if metrics else None
            administration = knowledge_api(app.knowledge, token, default_tenant(settings), count)
            api = http_api(lambda: _ask(own_client), administration, stop, metrics)
            http = HttpServer(Door(api, stop), http_socket, stop, **limits)
            rpc = HttpServer(_rpc(app.service, guard, stop), rpc_socket, stop, **limits)
            plain = _plain_server(settings, app.service, guard, connections)
            for signal_number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(signal_number, stop.ask)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(http.run_until_stopped())
                serving = tasks.create_task(rpc.run_until_stopped())
                if plain:
                    await plain.start()
                _announce(settings)
                await stop.asked()
                rpc.should_exit = True
                if plain:
                    await plain.drain(settings.drain_seconds, stop)
                await serving
                # The last one: until here it says that nobody should ask any more.
                http.should_exit = True
    event(_log, logging.INFO, "stopped")


def _rpc(service: AIService, guard: Guard, stop: Stop) -> Door:
    app = AIServiceASGIApplication(
        service, interceptors=[guard], read_max_bytes=_READ_MAX_BYTES, codecs=codecs(), compressions=[OneGzip()]
    )
    return Door(app, stop, small=[f"{app.path}/HealthCheck"], refusal=partial(ConnectError, Code.RESOURCE_EXHAUSTED))


def _metrics(settings: Settings) -> Metrics | None:
    if not settings.metrics:
        return None
    from qingyu_ai.telemetry.metrics import Metrics

    return Metrics()


def _traces(settings: Settings, stack: ExitStack) -> Traces | None:
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    from qingyu_ai.telemetry.traces import Traces

    traces = Traces(settings.otel_exporter_otlp_endpoint)
    stack.callback(traces.close)
    return traces


def _plain_server(settings: Settings, service: AIService, guard: Guard, connections: int) -> PlainGrpcServer | None:
    port = settings.plain_grpc_port
    if port is None:
        return None
    from qingyu_ai.rpc.plain_grpc import PlainGrpcServer

    server = PlainGrpcServer(
        service, guard, read_max_bytes=_READ_MAX_BYTES, connections=connections, streams=settings.max_concurrency
    )
    try:
        server.listen(_address(settings.service_host, port))
    except RuntimeError:
        raise PortError(f"Port {port} (PLAIN_GRPC_PORT) of {settings.service_host} cannot be listened on.") from None
    return server


def _url(settings: Settings) -> str:
    host = _EVERYWHERE.get(settings.service_host, settings.service_host)
    return f"http://{_address(host, settings.grpc_port)}"


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _ask(client: AIServiceClient) -> Report:
    """HealthCheck as a caller would ask for it. Raises `ConnectionError` where the RPC port does not answer."""
    try:
        answer = await client.health_check(HealthCheckRequest(), timeout_ms=_PROBE_TIMEOUT_MS)
    except ConnectError as error:
        raise ConnectionError from error
    return Report(answer.status, dict(answer.checks))


def _announce(settings: Settings) -> None:
    ports = {"http": settings.service_port, "rpc": settings.grpc_port, "plain_grpc": settings.plain_grpc_port}
    told = {name: port for name, port in ports.items() if port}
    writes = {"writes": settings.llm_provider, "embeds": settings.embedding_provider}
    event(_log, logging.INFO, "listening", host=settings.service_host, **told, **writes)
    for remark in (*remarks(settings), *mistaken_names(Settings.model_fields)):
        event(_log, logging.WARNING, str(remark))
