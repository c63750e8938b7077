import asyncio
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc import aio

from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIService
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    EmbedRequest,
    EmbedResponse,
    GenerateContentChunk,
    GenerateContentRequest,
    GenerateContentResponse,
    HealthCheckRequest,
    HealthCheckResponse,
)
from tests.providers import fails, openai_says, provider, silent
from tests.running import channel_to, free_port, running
from tests.test_messages import field

pytestmark = pytest.mark.anyio
REQUEST = GenerateContentRequest(prompt="雨")


def unary(channel: aio.Channel, method: str, answer: type) -> Any:  # noqa: ANN401
    return channel.unary_unary(
        f"/qingyu.ai.AIService/{method}",
        request_serializer=lambda message: message.to_binary(),
        response_deserializer=answer.from_binary,  # type: ignore[attr-defined]
    )


def stream(channel: aio.Channel) -> Any:  # noqa: ANN401
    return channel.unary_stream(
        "/qingyu.ai.AIService/StreamGenerateContent",
        request_serializer=lambda message: message.to_binary(),
        response_deserializer=GenerateContentChunk.from_binary,
    )


async def test_go_callers_are_served_as_everybody_else() -> None:
    with running(PLAIN_GRPC_PORT=str(free_port())) as service:
        async with channel_to(service) as channel:
            call = unary(channel, "GenerateContent", GenerateContentResponse)(
                REQUEST, metadata=(("x-request-id", "r1"),)
            )
            answer = await call
            assert (answer.model, answer.finish_reason) == ("embedded", "stop")
            assert dict(await call.trailing_metadata())["x-request-id"] == "r1"
            chunks = [chunk async for chunk in stream(channel)(REQUEST)]
            assert "".join(chunk.delta for chunk in chunks) == answer.content
            assert chunks[-1].finish_reason == "stop"
            embedded = await unary(channel, "EmbedText", EmbedResponse)(EmbedRequest(texts=["雨"]))
            assert embedded.embeddings[0].dimension == 1024
            health = await unary(channel, "HealthCheck", HealthCheckResponse)(HealthCheckRequest())
            assert health.status == "healthy"
            async with service.client() as client:
                assert (await client.generate_content(REQUEST)).content == answer.content
        assert '"rpc": "GenerateContent", "code": "ok", "requestId": "r1"' in service.log


async def test_what_is_under_way_ends_before_the_process_does() -> None:
    with running(PLAIN_GRPC_PORT=str(free_port())) as service:
        async with channel_to(service) as channel:
            chunks: list[GenerateContentChunk] = []
            async for chunk in stream(channel)(REQUEST):
                if not chunks:
                    service.process.terminate()
                chunks.append(chunk)
            assert chunks[-1].finish_reason == "stop"
        assert service.wait() == 0


async def test_every_method_of_the_contract_is_there() -> None:
    with running(PLAIN_GRPC_PORT=str(free_port())) as service:
        async with channel_to(service) as channel:
            for method in AIService.desc().methods:
                call: Any = channel.unary_stream(f"/qingyu.ai.AIService/{method.name}")(b"")  # type: ignore[arg-type]
                try:
                    async for _ in call:
                        pass
                except aio.AioRpcError as error:
                    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, method.name  # noqa: PT017
            with pytest.raises(aio.AioRpcError) as raised:
                await channel.unary_unary("/qingyu.ai.AIService/Nothing")(b"")  # type: ignore[arg-type]
            assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def unpacked(packed: Any, kind: Any) -> Any:  # noqa: ANN401
    message = kind()
    assert packed.Unpack(message)
    return message


async def test_errors_have_their_code_and_reason_and_the_token_is_asked_for() -> None:
    with provider(fails(429, retry_after="7"), fails(500), openai_says("x", None)) as model:
        settings = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{model.url}/v1", "PYTHON_AI_TOKEN": "t"}
        with running(PLAIN_GRPC_PORT=str(free_port()), **settings) as service:
            async with channel_to(service) as channel:
                ask = unary(channel, "GenerateContent", GenerateContentResponse)
                metadata = (("authorization", "Bearer t"),)
                for code, word in (("RESOURCE_EXHAUSTED", "rate_limited"), ("UNAVAILABLE", "model_unavailable")):
                    with pytest.raises(aio.AioRpcError) as raised:
                        await ask(REQUEST, metadata=metadata)
                    assert (raised.value.code().name, str(raised.value.details()).partition(":")[0]) == (code, word)
                    trailers = dict(raised.value.trailing_metadata())
                    status = Status.FromString(trailers["grpc-status-details-bin"])
                    info, *retry = status.details
                    assert (status.code, status.message) == (raised.value.code().value[0], raised.value.details())
                    assert (unpacked(info, ErrorInfo).reason, unpacked(info, ErrorInfo).domain) == (
                        word.upper(),
                        "qingyu.ai",
                    )
                    waits = [unpacked(each, RetryInfo).retry_delay.seconds for each in retry]
                    assert (waits, trailers.get("retry-after")) == (
                        ([7], "7") if word == "rate_limited" else ([], None)
                    )
                with pytest.raises(aio.AioRpcError) as raised:
                    [chunk async for chunk in stream(channel)(REQUEST, metadata=metadata)]
                assert raised.value.code() == grpc.StatusCode.INTERNAL
                for wrong in ((), (("authorization", "Bearer wrong"),)):
                    with pytest.raises(aio.AioRpcError) as raised:
                        await ask(REQUEST, metadata=wrong)
                    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert len(model.bodies) == 3


async def test_a_request_that_holds_too_much_or_makes_no_sense_is_the_callers_fault() -> None:
    with running(PLAIN_GRPC_PORT=str(free_port())) as service:
        async with channel_to(service) as channel:
            ask: Any = channel.unary_unary("/qingyu.ai.AIService/GeneratePlot")
            for sent, says in (
                (field(4, field(6, b"") * 4_000_000), "outline.chapters: there are more than 20000 objects"),
                (b"\x0a\x05", "no PlotRequest: it is not protobuf"),
                (b"\xa3\x06" * 1_000, "no PlotRequest: it is not protobuf"),
            ):
                with pytest.raises(aio.AioRpcError) as raised:
                    await ask(sent)
                assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
                assert str(raised.value.details()).startswith(f"invalid_request: {says}")


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_deadline_and_a_caller_who_leaves_end_the_models_work(is_stream: bool) -> None:
    with provider(silent) as model:
        settings = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{model.url}/v1"}
        with running(PLAIN_GRPC_PORT=str(free_port()), **settings) as service:
            async with channel_to(service) as channel:
                ask = stream(channel) if is_stream else unary(channel, "GenerateContent", GenerateContentResponse)
                call = ask(REQUEST, timeout=1)
                assert await call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
                assert await asyncio.to_thread(model.left.wait, 5)
                model.left.clear()
                model.asked.clear()
                call = ask(REQUEST)
                assert await asyncio.to_thread(model.asked.wait, 5)
                call.cancel()
                assert await asyncio.to_thread(model.left.wait, 5)
            service.wait_for('"code": "canceled"')
