import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from connectrpc.request import Headers

from qingyu_ai.app import open_app
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    ChatMessage,
    EmbedRequest,
    GenerateContentRequest,
    GenerateOptions,
    HealthCheckRequest,
)
from qingyu_ai.generation import Completion, LanguageModel, Message, Task, complete
from qingyu_ai.llm.anthropic import AnthropicModel, anthropic_client
from qingyu_ai.llm.embedded import EmbeddedWriter
from qingyu_ai.llm.openai import OpenAIModel, openai_client
from qingyu_ai.llm.routed import RoutedModel
from qingyu_ai.rpc.guard import CODES, Context, Guard
from qingyu_ai.rpc.requests import conversation, task_of
from qingyu_ai.serving.stopping import Stop
from qingyu_ai.settings import Settings
from tests.providers import Handler, Provider, anthropic_says, events, fails, openai_says, provider, silent
from tests.running import running

pytestmark = pytest.mark.anyio
METHOD: dict[str, Any] = {
    "name": "M",
    "service_name": "S",
    "input": GenerateContentRequest,
    "output": GenerateContentRequest,
    "idempotency_level": IdempotencyLevel.UNKNOWN,
    "stream_type": StreamType.UNARY,
}
SAID = (Message("user", "雨"),)


@asynccontextmanager
async def openai_at(model: Provider) -> AsyncIterator[OpenAIModel]:
    async with openai_client("key", f"{model.url}/v1") as client:
        yield OpenAIModel(client, "default-model")


@asynccontextmanager
async def anthropic_at(model: Provider) -> AsyncIterator[AnthropicModel]:
    async with anthropic_client("key", model.url) as client:
        yield AnthropicModel(client, "claude-default")


async def write(
    of: Callable[[Provider], AbstractAsyncContextManager[LanguageModel]], model: Provider, task: Task
) -> Completion:
    async with of(model) as language_model:
        return await complete(language_model, task)


async def test_openai_is_asked_for_what_was_said_and_nothing_else() -> None:
    with provider(openai_says("好")) as model:
        await write(openai_at, model, Task(messages=SAID))
        assert model.bodies[0] == {
            "model": "default-model",
            "messages": [{"role": "user", "content": "雨"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        everything = Task(
            messages=(Message("system", "s"), Message("user", "u", "name"), Message("assistant", "a")),
            knowledge="known",
            model="qwen-max",
            max_tokens=9,
            temperature=0.5,
            top_p=0.25,
            seed=3,
            presence_penalty=-1.0,
            frequency_penalty=1.0,
            stop=("x",),
            json=True,
        )
        completion = await write(openai_at, model, everything)
        assert model.bodies[1] == {
            "model": "qwen-max",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "system", "content": "known"},
                {"role": "user", "content": "u", "name": "name"},
                {"role": "assistant", "content": "a"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.25,
            "seed": 3,
            "presence_penalty": -1.0,
            "frequency_penalty": 1.0,
            "stop": ["x"],
            "response_format": {"type": "json_object"},
        }
        assert model.headers[0]["authorization"] == "Bearer key"
        assert (completion.content, completion.model, completion.finish_reason) == ("好", "the-model", "stop")
        assert completion.usage
        assert (completion.usage.prompt_tokens, completion.usage.total_tokens) == (11, 18)


@pytest.mark.parametrize("name", ["o1", "o3-mini", "o4-mini", "gpt-5-mini"])
async def test_openais_reasoning_models_have_their_own_limit_and_no_temperature(name: str) -> None:
    with provider(openai_says("x")) as model:
        await write(openai_at, model, Task(messages=SAID, model=name, max_tokens=9, temperature=0.7))
        assert model.bodies[0]["max_completion_tokens"] == 9
        assert not {"temperature", "max_tokens"} & model.bodies[0].keys()


async def test_anthropic_is_asked_in_its_own_shape() -> None:
    with provider(anthropic_says("好", "max_tokens")) as model:
        task = Task(
            messages=(Message("system", "s"), Message("user", "u")),
            knowledge="known",
            max_tokens=9,
            stop=("x",),
            json=True,
        )
        completion = await write(anthropic_at, model, task)
        assert model.bodies[0] == {
            "model": "claude-default",
            "system": "s\n\nknown\n\nAnswer with one JSON object and nothing else.",
            "messages": [{"role": "user", "content": "u"}],
            "max_tokens": 9,
            "stop_sequences": ["x"],
            "stream": True,
        }
        assert (completion.content, completion.model, completion.finish_reason) == ("好", "claude-x", "length")
        assert completion.usage
        assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (5, 9)


@pytest.mark.parametrize(
    ("model_name", "said", "sent"),
    [
        ("claude-sonnet-4-6", {"temperature": 0.5}, {"temperature": 0.5}),
        # Both are refused together, and only a caller chooses a top_p.
        ("claude-sonnet-4-6", {"temperature": 0.5, "top_p": 0.5}, {"top_p": 0.5}),
        ("claude-sonnet-4-6", {"temperature": 0.5, "top_p": 1.0}, {"temperature": 0.5}),
        ("claude-sonnet-4-6", {"top_p": 0.0}, {"top_p": 0.0}),
        ("claude-sonnet-4-6", {"temperature": 1.5}, {"temperature": 1.0}),
        ("claude-sonnet-4-6", {"top_p": 0.5}, {"top_p": 0.5}),
        ("claude-opus-5", {"temperature": 0.5, "top_p": 1.0}, {}),
    ],
)
async def test_how_anthropics_models_are_sampled(
    model_name: str, said: dict[str, float], sent: dict[str, float]
) -> None:
    with provider(anthropic_says("x")) as model:
        await write(anthropic_at, model, Task(messages=SAID, model=model_name, **said))  # type: ignore[arg-type]
        assert {name: model.bodies[0][name] for name in ("temperature", "top_p") if name in model.bodies[0]} == sent


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("model_context_window_exceeded", "length"),
    ],
)
async def test_how_anthropic_says_that_it_ended(stop_reason: str, finish_reason: str) -> None:
    with provider(anthropic_says("好", stop_reason)) as model:
        assert (await write(anthropic_at, model, Task(messages=SAID))).finish_reason == finish_reason


def closes(handler: Handler) -> None:
    handler.connection.close()
    handler.close_connection = True


def says(body: bytes, content_type: str = "text/event-stream") -> Callable[[Handler], None]:
    return lambda handler: handler.send(200, content_type, body)


FAILURES: list[tuple[Callable[[Handler], None], Reason]] = [
    (fails(400), Reason.INVALID_REQUEST),
    (fails(422), Reason.INVALID_REQUEST),
    (fails(401), Reason.MODEL_CREDENTIAL),
    (fails(403), Reason.MODEL_CREDENTIAL),
    (fails(402), Reason.QUOTA_EXHAUSTED),
    (fails(404), Reason.MODEL_NOT_FOUND),
    (fails(408), Reason.MODEL_TIMEOUT),
    (fails(413), Reason.CONTEXT_LENGTH_EXCEEDED),
    (fails(429), Reason.RATE_LIMITED),
    (fails(500), Reason.MODEL_UNAVAILABLE),
    (fails(503), Reason.MODEL_UNAVAILABLE),
    (fails(504), Reason.MODEL_TIMEOUT),
    (fails(529), Reason.MODEL_UNAVAILABLE),
    (closes, Reason.MODEL_UNAVAILABLE),
    (says(b"data: {\n\n"), Reason.MODEL_BAD_ANSWER),
    (says(b"<html>", "text/html"), Reason.MODEL_BAD_ANSWER),
    (says(events({"type": "message_start", "choices": [{"delta": None}]}, named=True)), Reason.MODEL_BAD_ANSWER),
    (says(b""), Reason.MODEL_BAD_ANSWER),
]


@pytest.mark.parametrize("of", [openai_at, anthropic_at])
@pytest.mark.parametrize(("answer", "reason"), FAILURES)
async def test_each_failure_has_its_reason_and_no_text_of_the_provider(
    of: Callable[[Provider], AbstractAsyncContextManager[LanguageModel]],
    answer: Callable[[Handler], None],
    reason: Reason,
) -> None:
    with provider(answer) as model:
        with pytest.raises(ServiceError) as raised:
            await write(of, model, Task(messages=SAID))
        assert raised.value.reason == reason
        assert "SECRET" not in str(raised.value)
        # Whoever called decides whether to ask again.
        assert len(model.bodies) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (fails(400, "context_length_exceeded"), Reason.CONTEXT_LENGTH_EXCEEDED),
        (fails(400, "content_filter"), Reason.CONTENT_FILTER),
        (fails(429, "insufficient_quota"), Reason.QUOTA_EXHAUSTED),
        (openai_says("坏", None), Reason.MODEL_BAD_ANSWER),
        (openai_says("坏", None, done=False), Reason.MODEL_BAD_ANSWER),
        (openai_says(""), Reason.MODEL_BAD_ANSWER),
        (openai_says("  \n"), Reason.MODEL_BAD_ANSWER),
        (openai_says("", "content_filter"), Reason.CONTENT_FILTER),
        (says(events({"error": {"message": "SECRET", "code": "x"}})), Reason.MODEL_UNAVAILABLE),
    ],
)
async def test_openais_own_failures(answer: Callable[[Handler], None], reason: Reason) -> None:
    with provider(answer) as model, pytest.raises(ServiceError) as raised:
        await write(openai_at, model, Task(messages=SAID))
    assert raised.value.reason == reason


async def test_a_model_that_cannot_be_reached_is_unavailable() -> None:
    with provider(openai_says("x")) as model:
        pass
    with pytest.raises(ServiceError) as raised:
        await write(openai_at, model, Task(messages=SAID))
    assert raised.value.reason == Reason.MODEL_UNAVAILABLE


@pytest.mark.parametrize(
    ("name", "value"),
    [("seed", 0), ("seed", 1), ("presence_penalty", 1.0), ("frequency_penalty", -1.0), ("stop", ("x", " \n"))],
)
async def test_what_anthropic_does_not_have_is_refused_by_name(name: str, value: object) -> None:
    with provider(anthropic_says("x")) as model:
        with pytest.raises(ServiceError, match=f"^options.{name}: ") as raised:
            await write(anthropic_at, model, Task(messages=SAID, **{name: value}))  # type: ignore[arg-type]
        # Not `invalid_request`: another provider may have it.
        assert raised.value.reason == Reason.UNSUPPORTED_PARAMETER
        assert model.bodies == []


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ((Message("user", "u", "name"),), "messages.name"),
        ((Message("assistant", "a"), Message("user", "u")), "messages"),
        ((Message("user", "u"), Message("assistant", "a")), "messages"),
    ],
)
async def test_conversations_that_anthropic_cannot_carry(messages: tuple[Message, ...], field: str) -> None:
    with provider(anthropic_says("x")) as model, pytest.raises(ServiceError, match=f"^{field}: ") as raised:
        await write(anthropic_at, model, Task(messages=messages))
    assert raised.value.reason == Reason.UNSUPPORTED_PARAMETER


async def test_anthropic_hears_user_and_assistant_by_turns() -> None:
    said = [("system", " "), ("user", "a"), ("user", "b"), ("assistant", " "), ("user", "c"), ("assistant", "d")]
    messages = tuple(Message(role, text) for role, text in [*said, ("system", "s"), ("user", "e")])
    with provider(anthropic_says("x")) as model:
        await write(anthropic_at, model, Task(messages=messages, presence_penalty=0.0, frequency_penalty=0.0))
        assert model.bodies[0] == {
            "model": "claude-default",
            "system": "s",
            "messages": [
                {"role": "user", "content": "a\n\nb\n\nc"},
                {"role": "assistant", "content": "d"},
                {"role": "user", "content": "e"},
            ],
            "max_tokens": 4096,
            "stream": True,
        }


@pytest.mark.parametrize(
    ("default", "asked", "who", "model"),
    [
        ("openai", "", "openai", "default-model"),
        ("openai", "qwen-max", "openai", "qwen-max"),
        ("openai", "claude-9", "anthropic", "claude-9"),
        ("anthropic", "", "anthropic", "claude-default"),
        ("anthropic", "gpt-x", "openai", "gpt-x"),
        # OpenAI's own default is a name like any other.
        ("anthropic", "default-model", "openai", "default-model"),
    ],
)
async def test_a_models_name_chooses_its_vendor(default: str, asked: str, who: str, model: str) -> None:
    with provider(openai_says("x")) as openai, provider(anthropic_says("x")) as anthropic:
        async with openai_at(openai) as one, anthropic_at(anthropic) as other:
            models: dict[str, LanguageModel] = {"openai": one, "anthropic": other, "embedded": EmbeddedWriter()}
            await complete(RoutedModel(models, default), Task(messages=SAID, model=asked))
        bodies = {"openai": openai.bodies, "anthropic": anthropic.bodies}
        assert [(name, body["model"]) for name, asked in bodies.items() for body in asked] == [(who, model)]


@pytest.mark.parametrize(("default", "asked"), [("openai", "claude-9"), ("anthropic", "gpt-x")])
async def test_a_model_whose_vendor_is_not_configured_is_not_found(default: str, asked: str) -> None:
    with provider(openai_says("x")) as openai, provider(anthropic_says("x")) as anthropic:
        async with openai_at(openai) as one, anthropic_at(anthropic) as other:
            models: dict[str, LanguageModel] = {"openai": one} if default == "openai" else {"anthropic": other}
            with pytest.raises(ServiceError) as raised:
                await complete(RoutedModel(models, default), Task(messages=SAID, model=asked))
        assert raised.value.reason == Reason.MODEL_NOT_FOUND
        assert openai.bodies + anthropic.bodies == []


@pytest.mark.parametrize(("asked", "is_here"), [("", True), ("embedded", True), ("gpt-4o", False)])
async def test_the_embedded_writer_stands_in_for_real_models_only_where_it_may(asked: str, is_here: bool) -> None:
    task = Task(messages=SAID, model=asked, max_tokens=1)
    assert (await complete(RoutedModel({"embedded": EmbeddedWriter(takes_every_name=True)}, "embedded"), task)).content
    strict = RoutedModel({"embedded": EmbeddedWriter()}, "embedded")
    if is_here:
        assert (await complete(strict, task)).model == "embedded"
    else:
        with pytest.raises(ServiceError) as raised:
            await complete(strict, task)
        assert raised.value.reason == Reason.MODEL_NOT_FOUND


@pytest.mark.parametrize(
    ("settings", "content", "asked"),
    [
        ({}, "embedded", []),
        ({"openai_api_key": "k"}, "the-model", ["own-gpt"]),
        ({"anthropic_api_key": "k"}, "claude-x", ["own-claude"]),
        ({"openai_api_key": "k", "anthropic_api_key": "k"}, "the-model", ["own-gpt"]),
        (
            {"openai_api_key": "k", "anthropic_api_key": "k", "default_llm_provider": "anthropic"},
            "claude-x",
            ["own-claude"],
        ),
        ({"openai_api_key": "k", "default_llm_provider": "embedded"}, "embedded", []),
    ],
)
async def test_who_writes_for_callers_who_name_no_model_follows_from_the_settings(
    settings: dict[str, str], content: str, asked: list[str], tmp_path: Path
) -> None:
    with provider(openai_says("x")) as openai, provider(anthropic_says("x")) as anthropic:
        made = Settings(
            openai_base_url=f"{openai.url}/v1",
            anthropic_base_url=anthropic.url,
            openai_model="own-gpt",
            anthropic_model="own-claude",
            milvus_uri=str(tmp_path / "k.db"),
            **settings,  # type: ignore[arg-type]
        )
        async with open_app(made) as app:
            assert (await complete(app.service._model, Task(messages=SAID))).model == content
        assert [body["model"] for body in openai.bodies + anthropic.bodies] == asked


async def test_outside_development_the_embedded_models_are_nobody_elses() -> None:
    settings = {"ENVIRONMENT": "production", "PYTHON_AI_TOKEN": "t", "DEFAULT_LLM_PROVIDER": "embedded"}
    headers = {"authorization": "Bearer t"}
    named = GenerateContentRequest(prompt="x", options=GenerateOptions(model="gpt-4o"))
    as_json = GenerateContentRequest(prompt="x", options=GenerateOptions(response_format="json_object"))
    with running(**settings, EMBEDDING_PROVIDER="embedded") as service:
        async with service.client() as client:
            for call in (
                client.generate_content(named, headers=headers),
                client.embed_text(EmbedRequest(texts=["x"], model="text-embedding-3-small"), headers=headers),
            ):
                with pytest.raises(ConnectError, match=r"^model_not_found: ") as raised:
                    await call
                assert raised.value.code == Code.NOT_FOUND
            assert json.loads((await client.generate_content(as_json, headers=headers)).content)["text"]
            assert (await client.embed_text(EmbedRequest(texts=["x"]), headers=headers)).embeddings


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
async def test_failures_reach_the_caller_as_code_and_reason(protocol: ProtocolType) -> None:
    answers = [answer for answer, _ in FAILURES]
    with provider(*answers, *answers) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client(protocol) as client:
                for _, reason in FAILURES:
                    with pytest.raises(ConnectError) as raised:
                        await client.generate_content(GenerateContentRequest(prompt="PROMPT"))
                    assert raised.value.code == CODES[reason]
                    assert raised.value.message.startswith(f"{reason}: ")
                for _, reason in FAILURES:
                    with pytest.raises(ConnectError) as raised:
                        async for _ in client.stream_generate_content(GenerateContentRequest(prompt="PROMPT")):
                            pass
                    assert raised.value.code == CODES[reason]
        assert "SECRET" not in service.log
        assert "PROMPT" not in service.log
        lines = [json.loads(line) for line in service.lines if '"code"' in line]
        assert [line["error"] for line in lines] == [str(reason) for _, reason in FAILURES] * 2


async def test_an_answer_without_text_is_an_error_when_it_is_streamed_too() -> None:
    with provider(openai_says(""), openai_says(" ", "content_filter")) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client() as client:
                for reason in (Reason.MODEL_BAD_ANSWER, Reason.CONTENT_FILTER):
                    with pytest.raises(ConnectError, match=f"^{reason}: "):
                        [_ async for _ in client.stream_generate_content(GenerateContentRequest(prompt="x"))]


async def test_an_anthropic_answer_that_breaks_off_is_an_error() -> None:
    start = {"type": "message_start", "message": {"model": "claude-x", "usage": {"input_tokens": 5}}}
    piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "坏"}}
    with provider(says(events(start, piece, named=True))) as model, pytest.raises(ServiceError) as raised:
        await write(anthropic_at, model, Task(messages=SAID))
    assert raised.value.reason == Reason.MODEL_BAD_ANSWER


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (fails(401), "unhealthy"),
        (fails(500), "unhealthy"),
        (silent, "unhealthy"),
        # A service without a list of models is there all the same.
        (fails(404), "healthy"),
        (says(b'{"object":"list","data":[]}', "application/json"), "healthy"),
    ],
)
async def test_the_health_of_the_models_provider(answer: Callable[[Handler], None], status: str) -> None:
    with provider(answer) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client() as client:
                for _ in range(3):
                    health = await client.health_check(HealthCheckRequest(), timeout_ms=3000)
                    assert health.status == status
                    assert health.checks["openai"] == ("ok" if status == "healthy" else "error")
        # Whoever asks often costs the provider nothing.
        assert len(model.headers) == 1


async def test_each_provider_that_is_configured_has_its_entry_and_only_the_default_is_needed() -> None:
    with provider(fails(401)) as broken, provider(says(b'{"data":[]}', "application/json")) as good:
        settings = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{broken.url}/v1"}
        more = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": good.url, "DEFAULT_LLM_PROVIDER": "anthropic"}
        with running(**settings, **more) as service:
            async with service.client() as client:
                health = await client.health_check(HealthCheckRequest())
                assert health.status == "degraded"
                assert dict(health.checks) == {
                    "openai": "error",
                    "anthropic": "ok",
                    "embeddings": "ok",
                    "knowledge": "ok",
                }


async def test_what_nobody_foresaw_is_told_without_its_words() -> None:
    ctx = Context(method=MethodInfo(**METHOD), http_method="POST", request_headers=Headers())
    guard = Guard(None, 1, Stop())
    with pytest.raises(ConnectError) as raised:
        await guard.on_end(await guard.on_start(ctx), ctx, RuntimeError("SECRET"))
    assert (raised.value.code, raised.value.message) == (Code.INTERNAL, "internal: The service failed.")


async def test_a_retry_after_is_handed_on() -> None:
    with provider(fails(429, retry_after="6.2")) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(service.settings["GRPC_PORT"]))
            writer.write(
                b"POST /qingyu.ai.AIService/GenerateContent HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
                b'content-type: application/json\r\ncontent-length: 14\r\n\r\n{"prompt":"x"}'
            )
            answer = await reader.read()
            writer.close()
    assert answer.startswith(b"HTTP/1.1 429")
    assert b"retry-after: 7\r\n" in answer


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_caller_who_leaves_ends_the_models_work(protocol: ProtocolType, is_stream: bool) -> None:
    with provider(silent) as model, running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:

        async def ask() -> None:
            async with service.client(protocol) as client:
                if not is_stream:
                    await client.generate_content(GenerateContentRequest(prompt="x"))
                async for _ in client.stream_generate_content(GenerateContentRequest(prompt="x")):
                    pass

        call = asyncio.create_task(ask())
        assert await asyncio.to_thread(model.asked.wait, 5)
        call.cancel()
        assert await asyncio.to_thread(model.left.wait, 5)
        service.wait_for('"code": "canceled"')
        with pytest.raises((ConnectError, asyncio.CancelledError)):
            await call


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GenerateContentRequest(), "prompt"),
        (GenerateContentRequest(prompt=" \n"), "prompt"),
        (GenerateContentRequest(messages=[ChatMessage(role="wizard", content="x")]), r"messages\[0\].role"),
        (GenerateContentRequest(messages=[ChatMessage(role="user")]), "messages"),
        (GenerateContentRequest(prompt="x" * 1_000_001), "prompt"),
        (GenerateContentRequest(messages=[ChatMessage(role="user", content="x" * 500_001)] * 2), "messages"),
        (GenerateContentRequest(prompt="x", options=GenerateOptions(max_tokens=-1)), "options.max_tokens"),
        (GenerateContentRequest(prompt="x", options=GenerateOptions(temperature=9)), "options.temperature"),
        (GenerateContentRequest(prompt="x", options=GenerateOptions(temperature=float("nan"))), "options.temperature"),
        (GenerateContentRequest(prompt="x", options=GenerateOptions(top_p=2)), "options.top_p"),
        (GenerateContentRequest(prompt="x", options=GenerateOptions(presence_penalty=3)), "options.presence_penalty"),
        (GenerateContentRequest(prompt="x", options=GenerateOptions(response_format="xml")), "options.response_format"),
    ],
)
async def test_wrong_requests_are_refused_by_the_fields_name(request_: GenerateContentRequest, field: str) -> None:
    with pytest.raises(ServiceError, match=f"^{field}: |^{field} ") as raised:
        task_of(conversation(request_), request_.options)
    assert CODES[raised.value.reason] == Code.INVALID_ARGUMENT


def test_a_float_of_32_bits_is_the_number_that_was_written() -> None:
    sent = GenerateContentRequest(prompt="x", options=GenerateOptions(temperature=0.7, top_p=0.1)).to_binary()
    request = GenerateContentRequest.from_binary(sent)
    task = task_of(conversation(request), request.options)
    assert (task.temperature, task.top_p) == (0.7, 0.1)
