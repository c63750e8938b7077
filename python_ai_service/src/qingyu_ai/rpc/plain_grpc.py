"""AIService over plain gRPC, for callers who speak neither Connect nor gRPC-Web. The same methods, the same guard.

Every method is handled as a stream of requests, which looks the same to callers: so nothing of a request is read, and
held, before the guard has seen its headers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import Headers
from grpc import aio
from protobuf import DescMethod, Message

from qingyu_ai.errors import invalid
from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService
from qingyu_ai.rpc.binary import message_from_binary
from qingyu_ai.rpc.error_details import status_of
from qingyu_ai.rpc.guard import Context, Guard
from qingyu_ai.serving.door import BODY_S
from qingyu_ai.serving.stopping import Stop

# A caller who has not spoken HTTP/2 by then is closed; until then he holds a place.
_HANDSHAKE_S = 5
_IDLE_S = 300
_MAX_WATCHERS = 100
_SERVING, _NOT_SERVING = b"\x08\x01", b"\x08\x02"

_Servicer = aio.ServicerContext[Any, Any]
_Handler = Callable[[AsyncIterator[bytes], _Servicer], Awaitable[None]]


class PlainGrpcServer:
    """A server without a port yet.

    Args:
        service: Whose methods are called.
        guard: What every call goes through.
        read_max_bytes: Requests above this size are refused.
        connections: More are never open; who does not speak HTTP/2 in time is closed.
        streams: Calls at once on one connection.
    """

    def __init__(
        self, service: AIService, guard: Guard, *, read_max_bytes: int, connections: int, streams: int
    ) -> None:
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", read_max_bytes),
                ("grpc.so_reuseport", 0),
                ("grpc.max_allowed_incoming_connections", connections),
                ("grpc.max_concurrent_streams", streams),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_S * 1000),
                ("grpc.max_connection_idle_ms", _IDLE_S * 1000),
            ],
        )
        self._is_stopping = asyncio.Event()
        descriptor = AIService.desc()
        handlers = {
            method.name: _handler(method, descriptor.type_name, service, guard) for method in descriptor.methods
        }
        self._watchers = 0
        health: dict[str, _Handler] = {"Check": self._check, "Watch": self._watch}
        self._server.add_generic_rpc_handlers(
            [
                _named(descriptor.type_name, handlers),
                _named("grpc.health.v1.Health", health),
            ]
        )

    def listen(self, address: str) -> None:
        """Raises `RuntimeError` where the address cannot be listened on."""
        self._server.add_insecure_port(address)

    async def start(self) -> None:
        """Serves from now on."""
        await self._server.start()

    async def drain(self, seconds: float, stop: Stop) -> None:
        """Takes no new calls; ends those under way after some time, or as soon as `stop` is in a hurry."""
        self._is_stopping.set()
        hurry = asyncio.create_task(stop.hurried())
        ending = asyncio.create_task(self._server.stop(seconds))
        await asyncio.wait((hurry, ending), return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        await self._server.stop(0)
        await ending

    async def _check(self, _requests: AsyncIterator[bytes], servicer: _Servicer) -> None:
        """grpc.health.v1, for the whole server, whichever service is named: the request is not read."""
        await servicer.write(_NOT_SERVING if self._is_stopping.is_set() else _SERVING)

    async def _watch(self, _requests: AsyncIterator[bytes], servicer: _Servicer) -> None:
        if self._watchers == _MAX_WATCHERS:
            await servicer.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many watch already.")
        self._watchers += 1
        try:
            await servicer.write(_SERVING)
            await self._is_stopping.wait()
            await servicer.write(_NOT_SERVING)
        finally:
            self._watchers -= 1


def _named(service: str, handlers: Mapping[str, _Handler]) -> grpc.GenericRpcHandler:
    made: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.stream_stream_rpc_method_handler(handler) for name, handler in handlers.items()
    }
    return grpc.method_handlers_generic_handler(service, made)


def _handler(method: DescMethod, service_name: str, service: AIService, guard: Guard) -> _Handler:
    function = getattr(service, re.sub(r"(?<=.)([A-Z])", r"_\1", method.name).lower())
    info = MethodInfo(
        name=method.name,
        service_name=service_name,
        input=method.input.type,
        output=method.output.type,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )
    is_stream = method.method_kind == "server_streaming"

    async def handle(_requests: AsyncIterator[bytes], servicer: _Servicer) -> None:
        async with _guarded(info, servicer, guard) as ctx:
            request = await _read(info, servicer)
            if is_stream:
                await servicer.send_initial_metadata(list(ctx.response_headers.allitems()))
                async for answer in function(request, ctx):
                    await servicer.write(answer.to_binary())
            else:
                await servicer.write((await function(request, ctx)).to_binary())

    return handle


async def _read(info: MethodInfo[Any, Any], servicer: _Servicer) -> Message[Any]:
    """The request, which must be there in time. HealthCheck's is empty and open to all: nothing is read."""
    request_type: type[Message[Any]] = info.input
    if info.name == "HealthCheck":
        return request_type()
    try:
        async with asyncio.timeout(BODY_S):
            sent = await servicer.read()
    except TimeoutError:
        raise ConnectError(Code.RESOURCE_EXHAUSTED, f"The request did not come within {BODY_S:.0f} s.") from None
    if not isinstance(sent, bytes):
        raise ConnectError(Code.INVALID_ARGUMENT, "The request is missing.")
    try:
        return message_from_binary(request_type, sent)
    except ValueError as error:
        raise invalid(str(error)) from None


@asynccontextmanager
async def _guarded(info: MethodInfo[Any, Any], servicer: _Servicer, guard: Guard) -> AsyncIterator[Context]:
    """Walks a call through the guard, and ends it with the status of what was raised."""
    metadata = [(name, value) for name, value in servicer.invocation_metadata() or () if isinstance(value, str)]
    ctx: Context = Context(method=info, http_method="POST", request_headers=Headers(metadata))
    error: Exception | None = None
    try:
        started = await guard.on_start(ctx)
        try:
            yield ctx
        except asyncio.CancelledError:
            await guard.on_end(started, ctx, ConnectError(Code.CANCELED, "The caller left or its deadline passed."))
            raise
        except Exception as raised:  # noqa: BLE001 (the guard decides what is told)
            error = raised
        await guard.on_end(started, ctx, error)
    except ConnectError as told:
        error = told
    trailers: list[tuple[str, str | bytes]] = list(ctx.response_headers.allitems())
    if not isinstance(error, ConnectError):
        servicer.set_trailing_metadata(trailers)
        return
    status = grpc.StatusCode["CANCELLED" if error.code is Code.CANCELED else error.code.name]
    details = status_of(error, status.value[0])
    servicer.set_trailing_metadata([*trailers, ("grpc-status-details-bin", details)])
    await servicer.abort(status, error.message)
