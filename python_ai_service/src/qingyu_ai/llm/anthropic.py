"""Anthropic's models."""

from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractContextManager
from typing import Any

import anthropic
from anthropic import AsyncAnthropic, AsyncStream

from qingyu_ai.generation import Piece, Task
from qingyu_ai.llm.anthropic_answer import AnthropicAnswer
from qingyu_ai.llm.anthropic_request import left_out_after, request_body
from qingyu_ai.llm.events import events_of
from qingyu_ai.llm.learned import Learned, ask_without
from qingyu_ai.llm.provider_errors import provider_failures
from qingyu_ai.llm.provider_http import SILENCE_S, bounded_client


def anthropic_client(api_key: str, base_url: str, silence_s: float = SILENCE_S) -> AsyncAnthropic:
    """A client that does not retry, since the gateway does, and gives up after two minutes of silence.

    Whatever a provider sends, a model's thoughts among it, ends the silence.
    """
    return AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        http_client=bounded_client(silence_s),
    )


class AnthropicModel:
    """Messages.

    Args:
        client: The official client.
        default_model: For tasks that name no model.
    """

    def __init__(self, client: AsyncAnthropic, default_model: str) -> None:
        self._client = client
        self._default_model = default_model
        self._learned = Learned()

    async def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `LanguageModel`.

        What Anthropic does not have (a seed, penalties, names of speakers) is `unsupported_parameter`. A temperature
        that the model refuses is left out, and the model asked again.
        """
        model = task.model or self._default_model
        answer, left_out = await ask_without(
            self._learned.of(model),
            lambda left_out: self._ask(request_body(task, model, left_out)),
            lambda refusal, left_out: left_out_after(refusal, task, left_out),
        )
        # A limit that was too large says nothing about the next one.
        self._learned.learn(model, left_out - {"max_tokens"})
        reading = AnthropicAnswer()
        with anthropic_failures():
            async with answer:
                async for event in events_of(answer.response):
                    if piece := reading.read(event):
                        yield piece
        yield reading.end()

    async def check(self) -> None:
        """Lists the models, which costs nothing."""
        with anthropic_failures():
            await self._client.with_options(timeout=3.0).models.list(limit=1)

    async def _ask(self, body: dict[str, Any]) -> AsyncStream[Any]:
        with anthropic_failures(body):
            return await self._client.post(
                "/v1/messages", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[Any]
            )


def anthropic_failures(sent: Collection[str] = ()) -> AbstractContextManager[None]:
    """Turns what the client throws into `ServiceError`s without any text of the provider."""
    return provider_failures(anthropic, anthropic.AnthropicError, sent)
