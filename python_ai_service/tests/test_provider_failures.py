"""What providers' error answers mean, in the shapes and words in which they were seen."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from connectrpc.errors import ConnectError
from connectrpc.protocol import ProtocolType

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import GenerateContentRequest
from qingyu_ai.generation import Message, Task, complete
from qingyu_ai.llm.anthropic import AnthropicModel, anthropic_client
from qingyu_ai.llm.learned import Learned
from qingyu_ai.llm.openai import OpenAIModel, openai_client
from qingyu_ai.llm.retry_after import retry_after_s
from tests.providers import Handler, Provider, anthropic_says, events, openai_says, provider
from tests.running import running

pytestmark = pytest.mark.anyio
SAID = (Message("user", "雨"),)
SECRET = "SECRET http://internal:1"


def answers(status: int, body: object, **headers: str) -> Callable[[Handler], None]:
    text = body if isinstance(body, str) else json.dumps(body)
    return lambda handler: handler.send(status, "application/json", text.encode(), **headers)


def says(*items: object, named: bool = False) -> Callable[[Handler], None]:
    return lambda handler: handler.send(200, "text/event-stream", events(*items, named=named))


def error(message: object = SECRET, **more: object) -> dict[str, object]:
    return {"error": {"message": message, **more}}


async def by_openai(model: Provider, task: Task) -> str:
    async with openai_client("key", f"{model.url}/v1") as client:
        return (await complete(OpenAIModel(client, "m"), task)).content


async def by_anthropic(model: Provider, task: Task) -> str:
    async with anthropic_client("key", model.url) as client:
        return (await complete(AnthropicModel(client, "claude-sonnet-4-6"), task)).content


TOO_LONG = [
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 in the messages).",
    "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000, decrease input length",
    "prompt too long; exceeded max context length by 12 tokens",
    "the request exceeds the available context size, try increasing it",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 20 `max_new_tokens`",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
    "Invalid request: Your request exceeded model token limit: 8192",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Please reduce the length of the messages or completion.",
    "Prompt 超长",
]
FAILURES: list[tuple[int, object, Reason]] = [
    *((400, error(text, code=400), Reason.CONTEXT_LENGTH_EXCEEDED) for text in TOO_LONG),
    # The shapes: an object, a list, a flat body, words alone, FastAPI's.
    (400, [error(TOO_LONG[0])], Reason.CONTEXT_LENGTH_EXCEEDED),
    (400, {"object": "error", "message": TOO_LONG[0], "code": 400}, Reason.CONTEXT_LENGTH_EXCEEDED),
    (500, {"error": TOO_LONG[5]}, Reason.CONTEXT_LENGTH_EXCEEDED),
    (422, {"detail": [{"loc": ["body", "messages"], "msg": TOO_LONG[0]}]}, Reason.CONTEXT_LENGTH_EXCEEDED),
    (422, {"detail": TOO_LONG[0]}, Reason.CONTEXT_LENGTH_EXCEEDED),
    (400, error("Provider returned error", metadata={"raw": TOO_LONG[0]}), Reason.CONTEXT_LENGTH_EXCEEDED),
    (400, error(type="exceed_context_size_error"), Reason.CONTEXT_LENGTH_EXCEEDED),
    (413, "<html>", Reason.CONTEXT_LENGTH_EXCEEDED),
    (413, {"type": "error", **error(type="request_too_large")}, Reason.CONTEXT_LENGTH_EXCEEDED),
    # A model that is not there.
    (404, {"object": "error", "message": "The model `ghost` does not exist.", "code": 404}, Reason.MODEL_NOT_FOUND),
    (404, error('model "ghost" not found, try pulling it first'), Reason.MODEL_NOT_FOUND),
    (404, {"error": 'model "ghost" not found'}, Reason.MODEL_NOT_FOUND),
    (404, error(code="DeploymentNotFound"), Reason.MODEL_NOT_FOUND),
    (404, {"type": "error", **error("model: claude-x", type="not_found_error")}, Reason.MODEL_NOT_FOUND),
    (400, error("ghost is not a valid model ID", code=400), Reason.MODEL_NOT_FOUND),
    (400, error("Model Not Exist", type="invalid_request_error"), Reason.MODEL_NOT_FOUND),
    (400, error(code="1211"), Reason.MODEL_NOT_FOUND),
    (400, error(param="model", code="invalid_value"), Reason.MODEL_NOT_FOUND),
    (404, "<html>", Reason.MODEL_NOT_FOUND),
    # An address that is none.
    (405, "", Reason.MODEL_UNAVAILABLE),
    (302, "", Reason.MODEL_UNAVAILABLE),
    # Our key, our account.
    (401, error(), Reason.MODEL_CREDENTIAL),
    (
        400,
        error("no", code=400, status="INVALID_ARGUMENT", details=[{"reason": "API_KEY_INVALID"}]),
        Reason.MODEL_CREDENTIAL,
    ),
    (400, [error("API key not valid. Please pass a valid API key.")], Reason.MODEL_CREDENTIAL),
    (403, error(), Reason.MODEL_CREDENTIAL),
    (402, error(), Reason.QUOTA_EXHAUSTED),
    (429, error(code="insufficient_quota", type="insufficient_quota"), Reason.QUOTA_EXHAUSTED),
    (429, error(type="exceeded_current_quota_error"), Reason.QUOTA_EXHAUSTED),
    (
        400,
        {"type": "error", **error("Your credit balance is too low", type="invalid_request_error")},
        Reason.QUOTA_EXHAUSTED,
    ),
    (403, error("余额不足"), Reason.QUOTA_EXHAUSTED),
    # A prompt that its filter refuses.
    (403, error("x", code=403, metadata={"reasons": ["violence"]}), Reason.CONTENT_FILTER),
    (403, error('x requires moderation. Your input was flagged for "violence".'), Reason.CONTENT_FILTER),
    (400, error(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"}), Reason.CONTENT_FILTER),
    (400, error(code="data_inspection_failed"), Reason.CONTENT_FILTER),
    (400, {"code": "DataInspectionFailed", "message": SECRET}, Reason.CONTENT_FILTER),
    (400, error("Output blocked by content filtering policy", type="invalid_request_error"), Reason.CONTENT_FILTER),
    # Its rate, its trouble.
    (429, error("You exceeded your current quota, please check your plan"), Reason.RATE_LIMITED),
    (429, "", Reason.RATE_LIMITED),
    (529, {"type": "error", **error(type="overloaded_error")}, Reason.MODEL_UNAVAILABLE),
    (500, error(), Reason.MODEL_UNAVAILABLE),
    (409, error(), Reason.MODEL_UNAVAILABLE),
    (408, "", Reason.MODEL_TIMEOUT),
    (504, "<html>", Reason.MODEL_TIMEOUT),
    # What nobody can put a name to.
    (400, error("[] is too short - 'tools'"), Reason.INVALID_REQUEST),
    (400, "{", Reason.INVALID_REQUEST),
    (400, "[" * 50_000, Reason.INVALID_REQUEST),
    (400, [], Reason.INVALID_REQUEST),
    (400, error(1, code={}, type=[], param=1, details=1, metadata=1, innererror=1), Reason.INVALID_REQUEST),
    (422, {"detail": [{"loc": [], "msg": 1}, 1]}, Reason.INVALID_REQUEST),
]


@pytest.mark.parametrize("ask", [by_openai, by_anthropic])
@pytest.mark.parametrize(("status", "body", "reason"), FAILURES)
async def test_each_error_answer_has_its_reason(
    ask: Callable[[Provider, Task], Any], status: int, body: object, reason: Reason
) -> None:
    with provider(answers(status, body)) as model:
        with pytest.raises(ServiceError) as raised:
            await ask(model, Task(messages=SAID))
        assert raised.value.reason == reason
        assert "SECRET" not in raised.value.message
        assert len(model.bodies) == 1


STREAMED: list[tuple[object, Reason]] = [
    ({"error": {"message": "flagged", "code": "content_filter"}}, Reason.CONTENT_FILTER),
    ({"error": {"message": "Rate limit exceeded", "code": 429}, "user_id": "u"}, Reason.RATE_LIMITED),
    ({"error": {"message": SECRET, "code": "502"}, "choices": []}, Reason.MODEL_UNAVAILABLE),
    ({"error": {"message": TOO_LONG[0], "code": 400}}, Reason.CONTEXT_LENGTH_EXCEEDED),
    ({"error": {"message": SECRET, "code": 401}}, Reason.MODEL_CREDENTIAL),
    ({"error": SECRET}, Reason.MODEL_UNAVAILABLE),
    ({"object": "error", "message": SECRET, "code": 404}, Reason.MODEL_NOT_FOUND),
    (
        {"error": {"code": 504, "message": SECRET}, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]},
        Reason.MODEL_TIMEOUT,
    ),
]


@pytest.mark.parametrize(("body", "reason"), STREAMED)
async def test_an_error_within_an_answer_is_that_error(body: object, reason: Reason) -> None:
    text = {"choices": [{"index": 0, "delta": {"content": "坏"}}]}
    for answer in (says(body), says(text, body), answers(200, body)):
        with provider(answer) as model, pytest.raises(ServiceError) as raised:
            await by_openai(model, Task(messages=SAID))
        assert raised.value.reason == reason
        assert "SECRET" not in raised.value.message


async def test_an_event_named_error_is_one() -> None:
    named = b'event: error\ndata: {"message": "SECRET", "code": 429}\n\n'
    with provider(lambda handler: handler.send(200, "text/event-stream", named)) as model:
        with pytest.raises(ServiceError) as raised:
            await by_openai(model, Task(messages=SAID))
    assert raised.value.reason == Reason.RATE_LIMITED


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("overloaded_error", Reason.MODEL_UNAVAILABLE),
        ("rate_limit_error", Reason.RATE_LIMITED),
        ("api_error", Reason.MODEL_UNAVAILABLE),
        ("authentication_error", Reason.MODEL_CREDENTIAL),
        ("timeout_error", Reason.MODEL_TIMEOUT),
    ],
)
async def test_an_error_within_anthropics_answer_is_that_error(kind: str, reason: Reason) -> None:
    failed = {"type": "error", "error": {"type": kind, "message": SECRET}}
    with provider(says(failed, named=True)) as model, pytest.raises(ServiceError) as raised:
        await by_anthropic(model, Task(messages=SAID))
    assert raised.value.reason == reason


EVERYTHING = Task(messages=SAID, max_tokens=9, temperature=0.5, top_p=0.5, json=True)
BODY: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "雨"}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 9,
    "temperature": 0.5,
    "top_p": 0.5,
    "response_format": {"type": "json_object"},
}
IN_WORDS = [{"role": "system", "content": "Answer with one JSON object and nothing else."}, *BODY["messages"]]
REFUSALS: list[tuple[list[tuple[int, object]], dict[str, Any]]] = [
    # What is objected to, and what the next request has in its place; None is nothing.
    ([(400, error("Unrecognized request argument supplied: stream_options"))], {"stream_options": None}),
    ([(422, {"detail": [{"loc": ["body", "stream_options"], "msg": "extra fields"}]})], {"stream_options": None}),
    ([(422, {"detail": [{"loc": ["body", "stream_options", "include_usage"]}]})], {"stream_options": None}),
    ([(422, {"message": {"detail": [{"loc": ["body", "temperature"]}]}, "type": "x"})], {"temperature": None}),
    ([(400, error("no", param="stream_options.include_usage"))], {"stream_options": None}),
    ([(400, error("no", param="temperature", code="unsupported_value"))], {"temperature": None}),
    (
        [(400, error("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens"))],
        {"max_tokens": None, "max_completion_tokens": 9},
    ),
    (
        [(400, error("max_tokens is too large: 9. This model supports at most 4 tokens"))],
        {"max_tokens": None},
    ),
    ([(400, error("`response_format` is not supported"))], {"response_format": None, "messages": IN_WORDS}),
    (
        [
            (
                400,
                error(
                    "'messages' must contain the word 'json' in some form, to use 'response_format'", param="messages"
                ),
            )
        ],
        {"messages": IN_WORDS},
    ),
    ([(400, error("no", param="stream"))], {"stream": None, "stream_options": None}),
    (
        [(400, error("no", param="max_tokens")), (400, error("no", param="temperature"))],
        {"max_tokens": None, "max_completion_tokens": 9, "temperature": None},
    ),
]


@pytest.mark.parametrize(("refusals", "instead"), REFUSALS)
async def test_what_the_request_is_as_good_without_is_left_out_and_remembered(
    refusals: list[tuple[int, object]], instead: dict[str, Any]
) -> None:
    expected = {name: value for name, value in {**BODY, **instead}.items() if value is not None}
    with provider(*(answers(status, body) for status, body in refusals), openai_says("{}")) as model:
        async with openai_client("key", f"{model.url}/v1") as client:
            writer = OpenAIModel(client, "m")
            assert (await complete(writer, EVERYTHING)).content == "{}"
            assert model.bodies[0] == BODY
            assert model.bodies[-1] == expected
            asked = len(model.bodies)
            await complete(writer, EVERYTHING)
            # A limit that was too large says nothing about the next one.
            is_limit = instead == {"max_tokens": None}
            assert model.bodies[asked:] == [BODY if is_limit else expected]
            # Another model may have what this one has not.
            await complete(writer, Task(messages=SAID, model="other", temperature=0.5))
            assert model.bodies[-1]["temperature"] == 0.5
            assert "stream_options" in model.bodies[-1]


@pytest.mark.parametrize(
    ("parameter", "task"),
    [
        ("top_p", Task(messages=SAID, top_p=0.5)),
        ("seed", Task(messages=SAID, seed=0)),
        ("presence_penalty", Task(messages=SAID, presence_penalty=1)),
        ("frequency_penalty", Task(messages=SAID, frequency_penalty=1)),
        ("stop", Task(messages=SAID, stop=("x",))),
    ],
)
async def test_a_callers_parameter_that_a_model_does_not_take_is_named(parameter: str, task: Task) -> None:
    with provider(answers(400, error(SECRET, param=parameter, code="unsupported_parameter"))) as model:
        with pytest.raises(ServiceError, match=f"^options.{parameter}: ") as raised:
            await by_openai(model, task)
        assert raised.value.reason == Reason.UNSUPPORTED_PARAMETER
        assert len(model.bodies) == 1


@pytest.mark.parametrize(
    "told",
    [
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Only user and assistant roles are supported!",
        "This model does not support system messages.",
    ],
)
async def test_where_a_model_has_no_system_role_the_user_says_it_all(told: str) -> None:
    talk = (Message("system", "s"), Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    with provider(answers(400, error(told)), openai_says("x")) as model:
        async with openai_client("key", f"{model.url}/v1") as client:
            writer = OpenAIModel(client, "m")
            await complete(writer, Task(messages=talk, knowledge="k"))
            await complete(writer, Task(messages=SAID, knowledge="k"))
        said = [[(each["role"], each["content"]) for each in body["messages"]] for body in model.bodies]
    assert said[1:] == [
        [("user", "s\n\nk\n\na"), ("assistant", "b"), ("user", "c")],
        [("user", f"k\n\n{SAID[0].content}")],
    ]


async def test_roles_that_only_the_caller_chose_are_his_fault() -> None:
    with provider(answers(400, error("Conversation roles must alternate"))) as model:
        with pytest.raises(ServiceError) as raised:
            await by_openai(model, Task(messages=(*SAID, *SAID)))
        assert (raised.value.reason, len(model.bodies)) == (Reason.INVALID_REQUEST, 1)


async def test_a_limit_under_neither_name_is_refused() -> None:
    refusals = [answers(400, error("no", param=name)) for name in ("max_tokens", "max_completion_tokens")]
    with provider(*refusals) as model:
        with pytest.raises(ServiceError, match=r"^options\.max_tokens: ") as raised:
            await by_openai(model, Task(messages=SAID, max_tokens=9))
        assert raised.value.reason == Reason.UNSUPPORTED_PARAMETER
        assert len(model.bodies) == 2


@pytest.mark.parametrize("is_own", [False, True])
async def test_a_limit_beyond_the_context_is_the_callers_fault_only_where_it_is_his(is_own: bool) -> None:
    told = error("'max_tokens' is too large: 4000. This model's maximum context length is 4096", param="max_tokens")
    with provider(answers(400, told), openai_says("x")) as model:
        task = Task(messages=SAID, max_tokens=4000, is_own_limit=is_own)
        if is_own:
            assert await by_openai(model, task) == "x"
            assert "max_tokens" not in model.bodies[1]
        else:
            with pytest.raises(ServiceError) as raised:
                await by_openai(model, task)
            assert raised.value.reason == Reason.CONTEXT_LENGTH_EXCEEDED


async def test_what_only_the_service_sends_is_nobodys_fault_but_its_own() -> None:
    with provider(answers(400, error("no", param="stream_options"))) as model:
        async with openai_client("key", f"{model.url}/v1") as client:
            with pytest.raises(ServiceError) as raised:
                await complete(OpenAIModel(client, "m"), Task(messages=SAID))
    # Once without it; what is objected to then was not even sent.
    assert (len(model.bodies), raised.value.reason) == (2, Reason.MODEL_UNAVAILABLE)


async def test_anthropic_is_asked_again_without_a_temperature_and_for_less() -> None:
    refusals = [
        answers(400, {"type": "error", **error("`temperature` is deprecated for this model.")}),
        answers(400, {"type": "error", **error("max_tokens: 9000 > 8192, which is the maximum allowed number")}),
    ]
    with provider(*refusals, anthropic_says("x")) as model:
        async with anthropic_client("key", model.url) as client:
            writer = AnthropicModel(client, "claude-sonnet-4-6")
            await complete(writer, Task(messages=SAID, max_tokens=9000, temperature=0.5))
            await complete(writer, Task(messages=SAID, max_tokens=9000, temperature=0.5))
    assert [(body["max_tokens"], body.get("temperature")) for body in model.bodies] == [
        (9000, 0.5),
        (9000, None),
        (4096, None),
        (9000, None),
    ]


def test_what_models_refused_is_kept_within_bounds() -> None:
    learned = Learned()
    for number in range(200):
        learned.learn(f"m{number}", frozenset({"temperature"}))
    assert [bool(learned.of(f"m{number}")) for number in (0, 99, 100, 199)] == [False, False, True, True]
    learned.learn("x" * 201, frozenset({"temperature"}))
    assert not learned.of("x" * 201)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "99999999"}, 3600.0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Thu, 99 Jan 1970 00:00:00 GMT"}, None),
    ],
)
def test_how_long_a_provider_asks_to_wait(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers, now_s=10.0) == wait_s


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
async def test_errors_carry_details_for_machines(protocol: ProtocolType) -> None:
    limited = answers(429, error(), retry_after_ms="1500")
    with provider(limited, answers(400, error(code="context_length_exceeded"))) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client(protocol) as client:
                with pytest.raises(ConnectError) as raised:
                    await client.generate_content(GenerateContentRequest(prompt="x"))
                assert [(detail.type_name, detail.message_bytes) for detail in raised.value.details] == [
                    ("google.rpc.ErrorInfo", b"\x0a\x0cRATE_LIMITED\x12\x09qingyu.ai"),
                    ("google.rpc.RetryInfo", b"\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01"),
                ]
                with pytest.raises(ConnectError, match=r"^context_length_exceeded: ") as raised:
                    [_ async for _ in client.stream_generate_content(GenerateContentRequest(prompt="x"))]
                assert [(detail.type_name, detail.message_bytes) for detail in raised.value.details] == [
                    ("google.rpc.ErrorInfo", b"\x0a\x17CONTEXT_LENGTH_EXCEEDED\x12\x09qingyu.ai"),
                ]
