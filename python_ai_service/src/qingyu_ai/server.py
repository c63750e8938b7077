"""One process, one event loop, all ports or none."""

import asyncio
import logging
import signal
import socket
from contextlib import AbstractContextManager, ExitStack, nullcontext

import uvicorn
from connectrpc.errors import ConnectError
from connectrpc.server import ConnectASGIApplication
from fastapi import FastAPI
from grpc import aio

from qingyu_ai.app import default_tenant, open_app
from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService, AIServiceASGIApplication, AIServiceClient
from qingyu_ai.gen.qingyu.ai.ai_service_pb import HealthCheckRequest
from qingyu_ai.health import Report
from qingyu_ai.http_api import http_api
from qingyu_ai.knowledge_api import knowledge_api
from qingyu_ai.rpc.codecs import codecs
from qingyu_ai.rpc.guard import Guard
from qingyu_ai.rpc.plain_grpc import grpc_server
from qingyu_ai.settings import Settings
from qingyu_ai.settings_fit import remarks
from qingyu_ai.settings_names import mistaken_names
from qingyu_ai.telemetry.log import event, log_loop_failures

_log = logging.getLogger(__name__)

# What is under way at SIGTERM may end; with what follows, the process is gone within 10 s.
_DRAIN_S = 8
_BACKLOG = 1024
_READ_MAX_BYTES = 16 * 1024 * 1024
_PROBE_TIMEOUT_MS = 4000
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not listened on)


class PortError(OSError):
    """A port cannot be listened on; the message is one line that names it."""


class _Server(uvicorn.Server):
    """Leaves the process's signals to `serve`: two servers would take them from each other."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then lets what is under way end, for 8 s at most.

    Raises `PortError` before anything is served, and what ends one of the servers: the others end with it.
    """
    log_loop_failures(asyncio.get_running_loop())
    with ExitStack() as sockets:
        http_socket = sockets.enter_context(_listen(settings.service_host, settings.service_port, "SERVICE_PORT"))
        rpc_socket = sockets.enter_context(_listen(settings.service_host, settings.grpc_port, "GRPC_PORT"))
        async with open_app(settings) as app, AIServiceClient(_url(settings)) as own_client:
            token = settings.python_ai_token.get_secret_value() if settings.python_ai_token else None
            guard = Guard(token)
            administration = knowledge_api(app.knowledge, token, default_tenant(settings))
            rpc = AIServiceASGIApplication(
                app.service, interceptors=[guard], read_max_bytes=_READ_MAX_BYTES, codecs=codecs()
            )
            plain = _plain_server(settings, app.service, guard)
            http = http_api(lambda: _ask(own_client), administration)
            servers = {http_socket: _server(http), rpc_socket: _server(rpc)}
            stopped = asyncio.Event()
            for signal_number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
            async with asyncio.TaskGroup() as tasks:
                for listening, server in servers.items():
                    tasks.create_task(_run(server, listening, stopped))
                if plain:
                    await plain.start()
                _announce(settings)
                await stopped.wait()
                for server in servers.values():
                    server.should_exit = True
                if plain:
                    await plain.stop(_DRAIN_S)
    event(_log, logging.INFO, "stopped")


def _listen(host: str, port: int, setting: str) -> socket.socket:
    """Listens at once, so that no other process can have the port while the rest is put together."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=_BACKLOG
        )
    except OSError as error:
        raise PortError(f"Port {port} ({setting}) of {host} cannot be listened on: {error.strerror}.") from None


def _plain_server(settings: Settings, service: AIService, guard: Guard) -> aio.Server | None:
    port = settings.plain_grpc_port
    if port is None:
        return None
    server = grpc_server(service, guard, _READ_MAX_BYTES)
    try:
        server.add_insecure_port(_address(settings.service_host, port))
    except RuntimeError:
        raise PortError(f"Port {port} (PLAIN_GRPC_PORT) of {settings.service_host} cannot be listened on.") from None
    return server


def _server(app: FastAPI | ConnectASGIApplication[AIService]) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )


async def _run(server: uvicorn.Server, listening: socket.socket, stopped: asyncio.Event) -> None:
    await server.serve(sockets=[listening])
    if not stopped.is_set():
        raise RuntimeError("a server ended by itself")


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
    for remark in (*remarks(settings), *mistaken_names(Settings)):
        event(_log, logging.WARNING, str(remark))
