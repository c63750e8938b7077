"""AIService over plain gRPC, for callers who speak neither Connect nor gRPC-Web. The same methods, the same guard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import Headers
from grpc import aio
from protobuf import DescMethod, Message

from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService
from qingyu_ai.rpc.guard import Context, Guard


def grpc_server(service: AIService, guard: Guard, read_max_bytes: int) -> aio.Server:
    """A server without a port yet.

    Args:
        service: Whose methods are called.
        guard: What every call goes through.
        read_max_bytes: Requests above this size are refused.
    """
    server = aio.server(
        options=[("grpc.max_receive_message_length", read_max_bytes), ("grpc.so_reuseport", 0)],
    )
    descriptor = AIService.desc()
    handlers = {method.name: _handler(method, descriptor.type_name, service, guard) for method in descriptor.methods}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(descriptor.type_name, handlers)])
    return server


def _handler(
    method: DescMethod, service_name: str, service: AIService, guard: Guard
) -> grpc.RpcMethodHandler[Any, Any]:
    function = getattr(service, re.sub(r"(?<=.)([A-Z])", r"_\1", method.name).lower())
    request_type: type[Message[Any]] = method.input.type
    info = MethodInfo(
        name=method.name,
        service_name=service_name,
        input=method.input.type,
        output=method.output.type,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )

    async def unary(request: Message[Any], servicer: aio.ServicerContext[Any, Any]) -> Message[Any]:
        async with _guarded(info, servicer, guard) as ctx:
            answer: Message[Any] = await function(request, ctx)
            return answer

    async def stream(request: Message[Any], servicer: aio.ServicerContext[Any, Any]) -> AsyncGenerator[Message[Any]]:
        async with _guarded(info, servicer, guard) as ctx:
            await servicer.send_initial_metadata(list(ctx.response_headers.allitems()))
            async for answer in function(request, ctx):
                yield answer

    is_stream = method.method_kind == "server_streaming"
    make = grpc.unary_stream_rpc_method_handler if is_stream else grpc.unary_unary_rpc_method_handler
    return make(
        stream if is_stream else unary,
        request_deserializer=request_type.from_binary,
        response_serializer=lambda message: message.to_binary(),
    )


@asynccontextmanager
async def _guarded(
    info: MethodInfo[Any, Any], servicer: aio.ServicerContext[Any, Any], guard: Guard
) -> AsyncIterator[Context]:
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
    servicer.set_trailing_metadata(list(ctx.response_headers.allitems()))
    if isinstance(error, ConnectError):
        name = "CANCELLED" if error.code is Code.CANCELED else error.code.name
        await servicer.abort(grpc.StatusCode[name], error.message)
