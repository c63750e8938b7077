"""How answers are read, in the forms in which providers were seen to write them."""

import json
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from connectrpc.protocol import ProtocolType

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    GenerateContentChunk,
    GenerateContentRequest,
    GenerateContentResponse,
    GenerateOptions,
    StoryContextRequest,
    TokenUsage,
)
from qingyu_ai.generation import Completion, Message, Piece, SignsOfLife, Task, Usage, complete
from qingyu_ai.llm.anthropic import AnthropicModel, anthropic_client
from qingyu_ai.llm.finish_reasons import finish_reason_of
from qingyu_ai.llm.halves import Halves, whole
from qingyu_ai.llm.openai import OpenAIModel, openai_client
from tests.providers import Handler, Provider, events, provider
from tests.running import running

pytestmark = pytest.mark.anyio
SAID = (Message("user", "雨"),)
TASK = Task(messages=SAID)


def delta(content: object = None, finish_reason: object = None, **more: object) -> dict[str, Any]:
    said = {} if content is None else {"content": content}
    return {"model": "fake-model", "choices": [{"index": 0, "delta": {**said, **more}, "finish_reason": finish_reason}]}


def used(prompt: object, completion: object, *choices: object) -> dict[str, Any]:
    return {
        "model": "fake-model",
        "choices": list(choices),
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion},
    }


def stream(*items: object, named: bool = False) -> Callable[[Handler], None]:
    return lambda handler: handler.send(200, "text/event-stream", events(*items, named=named))


def raw(body: bytes, content_type: str = "text/event-stream") -> Callable[[Handler], None]:
    return lambda handler: handler.send(200, content_type, body)


async def pieces_by_openai(model: Provider) -> list[Piece]:
    async with openai_client("key", f"{model.url}/v1") as client:
        return [piece async for piece in OpenAIModel(client, "m").stream(TASK)]


async def pieces_by_anthropic(model: Provider) -> list[Piece]:
    async with anthropic_client("key", model.url) as client:
        return [piece async for piece in AnthropicModel(client, "claude-x").stream(TASK)]


async def by_openai(answer: Callable[[Handler], None]) -> Completion:
    with provider(answer) as model:
        async with openai_client("key", f"{model.url}/v1") as client:
            return await complete(OpenAIModel(client, "m"), TASK)


END = delta(finish_reason="stop")
USED = used(5, 7)
DONE = "[DONE]"
HALF = b'{"choices":[{"index":0,"delta":{"content":"a\\ud83d"}}]}'
OTHER_HALF = b'{"choices":[{"index":0,"delta":{"content":"\\ude00b"}}]}'
ENDED = json.dumps(delta(finish_reason="stop")).encode()

ANSWERS: list[tuple[str, Callable[[Handler], None], str, str, Usage | None]] = [
    ("plain", stream(delta("one"), delta(" two"), END, USED, DONE), "one two", "stop", Usage(5, 7)),
    ("no [DONE]", stream(delta("one"), END, USED), "one", "stop", Usage(5, 7)),
    ("no usage", stream(delta("one"), END, DONE), "one", "stop", None),
    ("usage of null", stream({**delta("one"), "usage": None}, END, DONE), "one", "stop", None),
    (
        "zeros beside each piece",
        stream({**delta("a"), "usage": used(0, 0)["usage"]}, END, used(10, 2), DONE),
        "a",
        "stop",
        Usage(10, 2),
    ),
    (
        "usage before the end",
        stream(used(5, 7), delta("a"), used(0, 0, END["choices"][0]), DONE),
        "a",
        "stop",
        Usage(5, 7),
    ),
    ("running usage", stream(used(5, 1), delta("a"), used(5, 2), END, used(5, 3)), "a", "stop", Usage(5, 3)),
    ("usage that is none", stream(delta("a"), END, used("x", -1), used(True, 2**40), used([], {})), "a", "stop", None),
    (
        "an end on every piece",
        stream(delta("one", "stop"), delta(" two", "stop"), delta("", "length"), DONE),
        "one two",
        "length",
        None,
    ),
    (
        "events without choices",
        stream({"hook_results": {}}, {"choices": None}, delta("a"), END, DONE),
        "a",
        "stop",
        None,
    ),
    ("choices without a delta", stream({"choices": [{"delta": None}]}, delta("a"), END, DONE), "a", "stop", None),
    (
        "a text in parts",
        stream(delta([{"type": "text", "text": "Hi "}]), delta([{"type": "text", "text": "th"}, "ere"]), END),
        "Hi there",
        "stop",
        None,
    ),
    (
        "thoughts in parts",
        stream(delta([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]), delta("a"), END),
        "a",
        "stop",
        None,
    ),
    ("a number", stream(delta(4), delta(2.5), END), "42.5", "stop", None),
    (
        "thoughts beside the text",
        stream(delta("", reasoning_content="hm"), delta(reasoning="hm"), delta("a"), END),
        "a",
        "stop",
        None,
    ),
    (
        "a whole answer",
        raw(
            json.dumps(
                {
                    "model": "fake-model",
                    "choices": [{"message": {"content": "Hi"}, "finish_reason": "STOP"}],
                    "usage": USED["usage"],
                }
            ).encode(),
            "application/json",
        ),
        "Hi",
        "stop",
        Usage(5, 7),
    ),
    (
        "comments and empty data",
        raw(b": PROCESSING\n\ndata:\n\ndata: \n\n" + events(delta("a"), END, DONE)),
        "a",
        "stop",
        None,
    ),
    ("CRLF", raw(events(delta("a"), END, DONE).replace(b"\n", b"\r\n")), "a", "stop", None),
    ("no blank line at the end", raw(events(delta("a"), END).rstrip()), "a", "stop", None),
    (
        "data in two lines",
        raw(b'data: {"choices":\ndata: [{"delta":{"content":"a"}}]}\n\n' + events(END)),
        "a",
        "stop",
        None,
    ),
    (
        "a character in two halves",
        raw(b"data: " + HALF + b"\n\ndata: " + OTHER_HALF + b"\n\ndata: " + ENDED + b"\n\n"),
        "a😀b",
        "stop",
        None,
    ),
    ("a half alone", raw(b"data: " + HALF + b"\n\ndata: " + ENDED + b"\n\n"), "a\ufffd", "stop", None),
    (
        "more choices than were asked for",
        stream({"choices": [*delta("a")["choices"], {"index": 1, "delta": {"content": "b"}}]}, END, DONE),
        "a",
        "stop",
        None,
    ),
    ("a refusal beside the text", stream(delta("a"), delta(refusal="no"), END, DONE), "a", "stop", None),
    ("an unknown end", stream(delta("a"), delta(finish_reason="banana"), DONE), "a", "stop", None),
    ("length", stream(delta("a"), delta(finish_reason="model_length"), DONE), "a", "length", None),
    (
        "a limit used up by thinking",
        stream(delta("", reasoning_content="hm"), delta(finish_reason="length"), used(9, 16), DONE),
        "",
        "length",
        Usage(9, 16),
    ),
    ("a filter in the midst", stream(delta("a"), delta(finish_reason="SAFETY"), DONE), "a", "content_filter", None),
]


@pytest.mark.parametrize(
    ("answer", "content", "finish_reason", "usage"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
async def test_an_answer_is_read_whole(
    answer: Callable[[Handler], None], content: str, finish_reason: str, usage: Usage | None
) -> None:
    completion = await by_openai(answer)
    assert (completion.content, completion.finish_reason, completion.usage) == (content, finish_reason, usage)


BROKEN: list[tuple[str, Callable[[Handler], None], Reason]] = [
    (
        "a torn event",
        raw(b'data: {"choices":[{"delta":{"content":"a \n\n' + events(END, DONE)),
        Reason.MODEL_BAD_ANSWER,
    ),
    ("an event that is no object", stream([], END), Reason.MODEL_BAD_ANSWER),
    ("a choice that is none", stream({"choices": [1]}, END), Reason.MODEL_BAD_ANSWER),
    ("a delta that is none", stream({"choices": [{"delta": "a"}]}, END), Reason.MODEL_BAD_ANSWER),
    ("a text that is an object", stream(delta({"a": 1}), END), Reason.MODEL_BAD_ANSWER),
    ("a text that is a truth", stream(delta(True), END), Reason.MODEL_BAD_ANSWER),
    ("a part that is no text", stream(delta([{"type": "image_url"}]), END), Reason.MODEL_BAD_ANSWER),
    ("a part whose text is none", stream(delta([{"type": "text", "text": 1}]), END), Reason.MODEL_BAD_ANSWER),
    ("deep nesting", raw(b"data: " + b"[" * 100_000 + b"\n\n"), Reason.MODEL_BAD_ANSWER),
    ("no end", stream(delta("a"), DONE), Reason.MODEL_BAD_ANSWER),
    (
        "given up",
        stream(delta("a"), delta(finish_reason="insufficient_system_resource"), DONE),
        Reason.MODEL_BAD_ANSWER,
    ),
    ("given up after an end", stream(delta("a", "stop"), delta(finish_reason="error"), DONE), Reason.MODEL_BAD_ANSWER),
    ("only thoughts", stream(delta(reasoning_content="hm"), END, DONE), Reason.MODEL_BAD_ANSWER),
    ("only a refusal", stream(delta(refusal="I will not"), END, DONE), Reason.CONTENT_FILTER),
    ("nothing, filtered", stream(delta(finish_reason="content_filter"), DONE), Reason.CONTENT_FILTER),
]


@pytest.mark.parametrize(("answer", "reason"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
async def test_what_is_no_answer_is_never_passed_on(answer: Callable[[Handler], None], reason: Reason) -> None:
    with pytest.raises(ServiceError) as raised:
        await by_openai(answer)
    assert raised.value.reason == reason


CLAUDE_STARTS = {
    "type": "message_start",
    "message": {
        "model": "claude-x",
        "usage": {
            "input_tokens": 5,
            "cache_read_input_tokens": 2,
            "cache_creation_input_tokens": 3,
            "output_tokens": 1,
        },
    },
}


def block(kind: str, **more: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **more}}


async def test_claudes_thoughts_are_signs_of_life_and_no_text() -> None:
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    items = [
        CLAUDE_STARTS,
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        block("thinking_delta", thinking="SECRET"),
        block("signature_delta", signature="SECRET"),
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        block("text_delta", text="a\ud83d"),
        block("text_delta", text="\ude00"),
        {"type": "new_kind"},
        ended,
        {"type": "message_stop"},
    ]
    with provider(stream(*items, named=True)) as model:
        pieces = await pieces_by_anthropic(model)
    assert pieces == [
        Piece(model="claude-x"),
        Piece(model="claude-x"),
        Piece("a", "claude-x"),
        Piece("😀", "claude-x"),
        Piece("", "claude-x", "stop", Usage(10, 9)),
    ]


async def test_claudes_whole_answer_and_later_counts_are_read_too() -> None:
    content = [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    answer = {"type": "message", "model": "claude-x", "content": content, "stop_reason": "max_tokens"}
    with provider(
        raw(json.dumps({**answer, "usage": {"input_tokens": 3, "output_tokens": 4}}).encode(), "application/json")
    ) as model:
        assert await pieces_by_anthropic(model) == [
            Piece("ab", "claude-x"),
            Piece("", "claude-x", "length", Usage(3, 4)),
        ]
    start = {"type": "message_start", "message": {"model": "claude-x", "usage": {"input_tokens": 0}}}
    ended = {
        "type": "message_delta",
        "delta": {"stop_reason": "stop_sequence"},
        "usage": {"input_tokens": 8, "output_tokens": 9},
    }
    with provider(stream(start, block("text_delta", text="a"), ended, named=True)) as model:
        assert (await pieces_by_anthropic(model))[-1] == Piece("", "claude-x", "stop", Usage(8, 9))


@pytest.mark.parametrize(
    "item", [{"type": "message_start", "message": 1}, block("text_delta", text=1), {"type": "content_block_delta"}]
)
async def test_an_answer_of_claudes_that_makes_no_sense_is_an_error(item: object) -> None:
    with provider(stream(item, named=True)) as model, pytest.raises(ServiceError) as raised:
        await pieces_by_anthropic(model)
    assert raised.value.reason == Reason.MODEL_BAD_ANSWER


async def test_thoughts_are_signs_of_life() -> None:
    with provider(
        stream(delta("", reasoning_content="SECRET"), delta(reasoning_details=[1]), delta("a"), END)
    ) as model:
        pieces = await pieces_by_openai(model)
    empty = Piece(model="fake-model")
    assert pieces == [empty, empty, Piece("a", "fake-model"), Piece("", "fake-model", "stop")]


SILENCE_S = 0.4


async def written_within(silence_s: float, model: Provider) -> Completion:
    async with openai_client("key", f"{model.url}/v1", silence_s) as client:
        return await complete(OpenAIModel(client, "m"), TASK)


def slowly(*steps: bytes, step_s: float) -> Callable[[Handler], None]:
    """A streamed answer in steps; the connection is lost after the last one."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("content-length", "1000000")
        handler.end_headers()
        for step in steps:
            handler.wfile.write(step)
            handler.server.provider.left.wait(step_s)  # type: ignore[attr-defined]
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    return answer


async def test_a_model_that_thinks_for_long_does_not_time_out() -> None:
    thought = events(delta("", reasoning_content="hm"))
    answer = slowly(*[thought] * 8, events(delta("a"), END, DONE), step_s=SILENCE_S / 4)
    with provider(answer) as model:
        assert (await written_within(SILENCE_S, model)).content == "a"


async def test_an_answer_ends_with_its_last_event_though_the_connection_stays_open() -> None:
    other = {**delta("b"), "model": "another"}
    with provider(slowly(events(delta("a"), other, END, DONE), step_s=30)) as model:
        completion = await written_within(SILENCE_S, model)
        assert (completion.content, completion.model) == ("ab", "fake-model")
        model.left.set()
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
    items = events(CLAUDE_STARTS, block("text_delta", text="a"), ended, {"type": "message_stop"}, named=True)
    with provider(slowly(items, step_s=30)) as model:
        async with anthropic_client("key", model.url, SILENCE_S) as client:
            assert (await complete(AnthropicModel(client, "claude-x"), TASK)).content == "a"
        model.left.set()


async def test_an_answer_ends_with_its_last_event_though_the_connection_is_lost_then() -> None:
    with provider(slowly(events(delta("a"), END, DONE), step_s=0)) as model:
        assert (await written_within(10, model)).content == "a"


async def test_a_model_that_falls_silent_is_given_up() -> None:
    with provider(slowly(events(delta("a")), step_s=30)) as model:
        with pytest.raises(ServiceError) as raised:
            await written_within(SILENCE_S, model)
        model.left.set()
    assert raised.value.reason == Reason.MODEL_TIMEOUT


async def test_a_connection_that_is_lost_in_the_midst_is_a_provider_in_trouble() -> None:
    with provider(slowly(events(delta("a")), step_s=0)) as model, pytest.raises(ServiceError) as raised:
        await written_within(SILENCE_S, model)
    assert raised.value.reason == Reason.MODEL_UNAVAILABLE


def test_one_sign_of_life_a_second_is_passed_on() -> None:
    now_s = 100.0
    signs = SignsOfLife(lambda: now_s)
    told = []
    for step_s in (0.0, 0.5, 0.49, 0.01, 0.9, 3.0, 0.1):
        now_s += step_s
        told.append(signs.is_due())
    assert told == [True, False, False, True, False, True, False]


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
async def test_the_caller_hears_that_a_model_thinks_before_it_writes(protocol: ProtocolType) -> None:
    heard = threading.Event()

    def thinks(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream")
        handler.send_header("connection", "close")
        handler.end_headers()
        handler.wfile.write(events(delta("", reasoning_content="SECRET")) * 20)
        # Nothing more is said before the caller has heard of it.
        assert heard.wait(20)
        handler.wfile.write(events(delta("夜"), END, USED, DONE))
        handler.close_connection = True

    with provider(thinks) as model, running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
        async with service.client(protocol) as client:
            chunks = []
            async for chunk in client.stream_generate_content(GenerateContentRequest(prompt="x")):
                chunks.append(chunk)
                heard.set()
        assert "SECRET" not in service.log
    assert chunks == [
        GenerateContentChunk(model="fake-model"),
        GenerateContentChunk(delta="夜", model="fake-model"),
        GenerateContentChunk(
            model="fake-model",
            finish_reason="stop",
            usage=TokenUsage(prompt_tokens=5, completion_tokens=7, total_tokens=12),
            knowledge="none",
        ),
    ]


async def test_an_answer_whose_limit_was_used_up_by_thinking_is_passed_on() -> None:
    answer = stream(delta("", reasoning_content="hm"), delta(finish_reason="length"), used(9, 16), DONE)
    with provider(answer) as model, running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
        async with service.client() as client:
            request = GenerateContentRequest(prompt="x", options=GenerateOptions(max_tokens=16))
            whole_answer = await client.generate_content(request)
            chunks = [chunk async for chunk in client.stream_generate_content(request)]
            story = await client.story_write(StoryContextRequest(assembled_prompt="x", options=request.options))
    usage = TokenUsage(prompt_tokens=9, completion_tokens=16, total_tokens=25)
    assert whole_answer == GenerateContentResponse(
        content="",
        tokens_used=25,
        model="fake-model",
        generated_at=whole_answer.generated_at,
        finish_reason="length",
        usage=usage,
        knowledge="none",
    )
    assert chunks[-1] == GenerateContentChunk(model="fake-model", finish_reason="length", usage=usage, knowledge="none")
    assert (story.content, story.tokens_used) == ("", 25)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("FINISH_REASON_STOP", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("refusal", "content_filter"),
        ("sensitive", "content_filter"),
        ("tool_calls", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("function_call", "tool_calls"),
        ("error", ""),
        ("network_error", ""),
        ("", None),
        (" ", None),
        (None, None),
        (1, None),
        ("banana", "stop"),
    ],
)
def test_how_providers_say_that_an_answer_ended(word: object, reason: str | None) -> None:
    assert finish_reason_of(word) == reason


def test_an_unknown_end_is_logged_only_where_it_is_a_word(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        finish_reason_of("banana_split")
        finish_reason_of("a secret: sk-1")
        finish_reason_of("x" * 41)
    assert [record.getMessage() for record in caplog.records] == [
        "unknown finish reason: banana_split",
        "unknown finish reason: not a word",
        "unknown finish reason: not a word",
    ]


def test_halves_of_characters_find_each_other() -> None:
    halves = Halves()
    assert [halves.join(text) for text in ("a\ud83d", "\ude00", "", "\ud83d", "", "x", "\ude00\ud83d")] == [
        "a",
        "😀",
        "",
        "",
        "",
        "\ufffdx",
        "\ufffd",
    ]
    assert (halves.rest(), halves.rest()) == ("\ufffd", "")
    assert whole("\ud83d\ude00 \ude00\ud83d") == "😀 \ufffd\ufffd"
