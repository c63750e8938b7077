"""What the providers receive for each option of a caller, as a whole, by every way into the service."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from connectrpc.codec import Codec, proto_binary_codec, proto_json_codec
from connectrpc.protocol import ProtocolType

from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIServiceClient
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    ChatMessage,
    GenerateContentChunk,
    GenerateContentRequest,
    GenerateContentResponse,
    GenerateOptions,
    StoryContextRequest,
    TokenUsage,
)
from qingyu_ai.generation import Message, Task
from qingyu_ai.rpc.requests import task_of
from tests.providers import Provider, anthropic_says, openai_says, provider
from tests.running import Running, running

pytestmark = pytest.mark.anyio
CLAUDE = "claude-sonnet-4-6"

# Options, what is in the body for them, and what is left of them where nobody said so.
OPENAI: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"model": "qwen-max"}, {"model": "qwen-max"}),
    ({"model": "gpt-4-turbo-preview"}, {"model": "gpt-4-turbo-preview"}),
    ({"max_tokens": 0}, {}),
    ({"max_tokens": 9}, {"max_tokens": 9}),
    ({"model": "o3", "max_tokens": 9}, {"model": "o3", "max_completion_tokens": 9}),
    (
        {"model": "gpt-5-chat-latest", "max_tokens": 9, "temperature": 0.5},
        {"model": "gpt-5-chat-latest", "max_tokens": 9, "temperature": 0.5},
    ),
    ({"temperature": 0.0}, {}),
    ({"temperature": 0.7}, {"temperature": 0.7}),
    ({"stop": []}, {}),
    ({"stop": ["x", "", "y"]}, {"stop": ["x", "y"]}),
    ({"stream": True}, {}),
    ({"top_p": 0.0}, {"top_p": 0.0}),
    ({"top_p": 0.1}, {"top_p": 0.1}),
    ({"seed": 0}, {"seed": 0}),
    ({"seed": -(2**63)}, {"seed": -(2**63)}),
    ({"seed": 2**53 + 1}, {"seed": 2**53 + 1}),
    ({"presence_penalty": 0.0}, {"presence_penalty": 0.0}),
    ({"presence_penalty": -1.1}, {"presence_penalty": -1.1}),
    ({"frequency_penalty": 0.0}, {"frequency_penalty": 0.0}),
    ({"frequency_penalty": 2.0}, {"frequency_penalty": 2.0}),
    ({"response_format": ""}, {}),
    ({"response_format": "text"}, {}),
    ({"response_format": "json_object"}, {"response_format": {"type": "json_object"}}),
]
ANTHROPIC: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"max_tokens": 0}, {}),
    ({"max_tokens": 9}, {"max_tokens": 9}),
    ({"temperature": 0.0}, {}),
    ({"temperature": 0.7}, {"temperature": 0.7}),
    ({"stop": []}, {}),
    ({"stop": ["x", "", "y"]}, {"stop_sequences": ["x", "y"]}),
    ({"stream": True}, {}),
    ({"top_p": 0.0}, {"top_p": 0.0}),
    ({"top_p": 0.1}, {"top_p": 0.1}),
    ({"presence_penalty": 0.0}, {}),
    ({"frequency_penalty": 0.0}, {}),
    ({"response_format": ""}, {}),
    ({"response_format": "text"}, {}),
    ({"response_format": "json_object"}, {"system": "Answer with one JSON object and nothing else."}),
]
USAGE = TokenUsage(prompt_tokens=11, completion_tokens=7, total_tokens=18)
CLAUDES_USAGE = TokenUsage(prompt_tokens=5, completion_tokens=9, total_tokens=14)


@dataclass
class System:
    service: Running
    openai: Provider
    anthropic: Provider


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with provider(openai_says("夜雨")) as openai, provider(anthropic_says("夜雨")) as anthropic:
        keys = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"{openai.url}/v1", "ANTHROPIC_API_KEY": "k"}
        with running(**keys, ANTHROPIC_BASE_URL=anthropic.url) as service:
            yield System(service, openai, anthropic)


@pytest.fixture(params=[ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
def protocol(request: pytest.FixtureRequest) -> ProtocolType:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[proto_binary_codec, proto_json_codec], ids=["binary", "json"])
def codec(request: pytest.FixtureRequest) -> Codec:
    return request.param()  # type: ignore[no-any-return]


@pytest.fixture
async def client(system: System, protocol: ProtocolType, codec: Codec) -> AsyncIterator[AIServiceClient]:
    async with system.service.client(protocol, codec) as client:
        yield client


async def whole(client: AIServiceClient, options: GenerateOptions | None) -> None:
    answer = await client.generate_content(GenerateContentRequest(prompt="雨", options=options))
    is_claude = answer.model == "claude-x"
    assert answer.generated_at > 0
    usage = CLAUDES_USAGE if is_claude else USAGE
    assert answer == GenerateContentResponse(
        content="夜雨",
        tokens_used=usage.total_tokens,
        model="claude-x" if is_claude else "the-model",
        generated_at=answer.generated_at,
        finish_reason="stop",
        usage=usage,
        knowledge="none",
    )


async def streamed(client: AIServiceClient, options: GenerateOptions | None) -> None:
    chunks = [
        chunk async for chunk in client.stream_generate_content(GenerateContentRequest(prompt="雨", options=options))
    ]
    is_claude = chunks[0].model == "claude-x"
    model, usage = ("claude-x", CLAUDES_USAGE) if is_claude else ("the-model", USAGE)
    assert chunks == [
        GenerateContentChunk(delta="夜雨", model=model),
        GenerateContentChunk(model=model, finish_reason="stop", usage=usage, knowledge="none"),
    ]


async def story(client: AIServiceClient, options: GenerateOptions | None) -> None:
    request = StoryContextRequest(mode="continue", assembled_prompt="雨", options=options)
    answer = await client.story_write(request)
    assert answer.content == "夜雨"
    assert (answer.model, answer.tokens_used) in (("claude-x", 14), ("the-model", 18))


def told(body: dict[str, Any], ask: Callable[..., Any], *, is_claude: bool) -> dict[str, Any]:
    """The body without the instruction that StoryWrite puts before each prompt."""
    if ask is not story:
        return body
    instruction = "Continue the author's text in its language and voice. Answer with the continuation only."
    if is_claude:
        system = body["system"].removeprefix(instruction).strip()
        return {name: value for name, value in {**body, "system": system}.items() if value != ""}
    first, *rest = body["messages"]
    assert first == {"role": "system", "content": instruction}
    return {**body, "messages": rest}


@pytest.mark.parametrize("ask", [whole, streamed, story])
async def test_openai_receives_each_option_as_it_was_sent_and_nothing_else(
    system: System, client: AIServiceClient, ask: Callable[..., Any]
) -> None:
    for options, sent in [(None, {}), *((GenerateOptions(**given), sent) for given, sent in OPENAI)]:
        await ask(client, options)
        assert told(system.openai.bodies[-1], ask, is_claude=False) == {
            "model": "gpt-4-turbo-preview",
            "messages": [{"role": "user", "content": "雨"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            **sent,
        }


@pytest.mark.parametrize("ask", [whole, streamed, story])
async def test_anthropic_receives_each_option_as_it_was_sent_and_nothing_else(
    system: System, client: AIServiceClient, ask: Callable[..., Any]
) -> None:
    for given, sent in ANTHROPIC:
        await ask(client, GenerateOptions(**{"model": CLAUDE, **given}))
        assert told(system.anthropic.bodies[-1], ask, is_claude=True) == {
            "model": CLAUDE,
            "messages": [{"role": "user", "content": "雨"}],
            "max_tokens": 4096,
            "stream": True,
            **sent,
        }


async def test_a_conversation_reaches_both_with_its_roles_and_names(system: System, client: AIServiceClient) -> None:
    messages = [
        ChatMessage(role="system", content="s"),
        ChatMessage(role="user", content="a"),
        ChatMessage(role="assistant", content="b"),
        ChatMessage(role="user", content="c"),
    ]
    await client.generate_content(GenerateContentRequest(prompt="PROMPT", messages=messages, user_id="u"))
    plain = [{"role": message.role, "content": message.content} for message in messages]
    assert system.openai.bodies[-1]["messages"] == plain
    claude = GenerateOptions(model=CLAUDE)
    await client.generate_content(GenerateContentRequest(prompt="PROMPT", messages=messages, options=claude))
    assert (system.anthropic.bodies[-1]["system"], system.anthropic.bodies[-1]["messages"]) == ("s", plain[1:])
    messages[1].name = "lin"
    await client.generate_content(GenerateContentRequest(messages=messages))
    assert system.openai.bodies[-1]["messages"][1] == {"role": "user", "content": "a", "name": "lin"}


def test_no_optional_option_can_be_forgotten() -> None:
    """Walks the contract: whatever has presence there is read by presence, 0 included, and reaches the task."""
    optional = [field for field in GenerateOptions.desc().fields if field.presence.name == "EXPLICIT"]
    assert {field.name for field in optional} >= {
        "top_p",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "response_format",
    }
    said = (Message("user", "x"),)
    unsaid = Task(messages=said)
    assert task_of(said, GenerateOptions()) == task_of(said, None) == unsaid
    for field in optional:
        is_text = field.name == "response_format"
        changed = task_of(said, GenerateOptions(**{field.name: "json_object" if is_text else 0}))  # type: ignore[arg-type]
        assert changed != unsaid, field.name
        name = "json" if is_text else field.name
        assert getattr(changed, name) == (True if is_text else 0)
        assert [other for other in Task.__slots__ if getattr(changed, other) != getattr(unsaid, other)] == [name]
