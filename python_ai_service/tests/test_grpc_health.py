import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio

from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService
from qingyu_ai.gen.qingyu.ai.ai_service_pb import GenerateContentRequest, GenerateContentResponse, HealthCheckRequest
from qingyu_ai.rpc.guard import Context, Guard
from qingyu_ai.rpc.plain_grpc import PlainGrpcServer
from qingyu_ai.serving.stopping import Stop
from tests.running import free_port, running

pytestmark = pytest.mark.anyio
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"
GENERATE = "/qingyu.ai.AIService/GenerateContent"


async def test_health_is_told_without_a_token_and_changes_when_the_process_ends() -> None:
    port = str(free_port())
    with running(PLAIN_GRPC_PORT=port, PYTHON_AI_TOKEN="t") as service:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
            assert await check(b"") == SERVING
            assert await check(b"\x0a\x13qingyu.ai.AIService") == SERVING
            watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
            told = watch(b"")
            assert await told.read() == SERVING
            service.process.terminate()
            assert await told.read() == NOT_SERVING
            assert await told.read() == aio.EOF
        assert service.wait() == 0


class Fast(AIService):
    async def generate_content(self, request: GenerateContentRequest, ctx: Context) -> GenerateContentResponse:
        return GenerateContentResponse(content=request.prompt)


async def refusal(channel: aio.Channel, method: str, sent: AsyncIterator[bytes], **metadata: str) -> aio.AioRpcError:
    call: Any = channel.stream_unary(method)
    with pytest.raises(aio.AioRpcError) as raised:
        await call(sent, metadata=tuple(metadata.items()), timeout=10)
    return raised.value


async def never() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_the_token_is_seen_before_the_request_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qingyu_ai.rpc.plain_grpc.BODY_S", 0.2)
    server = PlainGrpcServer(Fast(), Guard("t", 1, Stop()), read_max_bytes=100, connections=10, streams=10)
    address = f"127.0.0.1:{free_port()}"
    server.listen(address)
    await server.start()
    async with aio.insecure_channel(address) as channel:
        error = await refusal(channel, GENERATE, never())
        assert (error.code(), error.details()) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "unauthenticated: The bearer token is wrong.",
        )
        admitted = {"authorization": "Bearer t"}
        expected: tuple[tuple[AsyncIterator[bytes], grpc.StatusCode], ...] = (
            (never(), grpc.StatusCode.RESOURCE_EXHAUSTED),
            (once(b"x" * 101), grpc.StatusCode.RESOURCE_EXHAUSTED),
            (once(b"\xff\xff"), grpc.StatusCode.INVALID_ARGUMENT),
        )
        for sent, code in expected:
            assert (await refusal(channel, GENERATE, sent, **admitted)).code() == code
        odd = {**admitted, "x-qingyu-tenant": "a b"}
        assert (await refusal(channel, GENERATE, once(b""), **odd)).code() == grpc.StatusCode.INVALID_ARGUMENT
        good: Any = channel.unary_unary(GENERATE, response_deserializer=GenerateContentResponse.from_binary)
        request = GenerateContentRequest(prompt="x").to_binary()
        assert (await good(request, metadata=tuple(admitted.items()))).content == "x"
        # HealthCheck, which is open, reads nothing at all: it is not there in this service, and says so at once.
        health = await refusal(channel, "/qingyu.ai.AIService/HealthCheck", never())
        assert health.code() == grpc.StatusCode.UNIMPLEMENTED
    await server.drain(0, Stop())
    assert HealthCheckRequest().to_binary() == b""
