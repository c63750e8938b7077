"""Anthropic's models."""

import re
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Any

import anthropic
from anthropic import AsyncAnthropic

from qingyu_ai.errors import Reason, ServiceError, invalid
from qingyu_ai.generation import Message, Piece, Task, Usage
from qingyu_ai.llm.prompts import with_knowledge
from qingyu_ai.llm.provider_errors import provider_failures

_SILENCE_S = 120.0
_DEFAULT_MAX_TOKENS = 4096
# Claude's models up to Opus 4.6, Sonnet 4.6 and Haiku 4.5 take a temperature or a top_p; all newer ones refuse both.
_SAMPLING = re.compile(r"claude-(\d|instant|(opus|sonnet|haiku)-4(-[0-6](?!\d)|-\d{8}|$))")
_MAX_TEMPERATURE = 1.0
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def anthropic_client(api_key: str, base_url: str) -> AsyncAnthropic:
    """A client that does not retry, since the gateway does, and gives up after two minutes of silence."""
    return AsyncAnthropic(api_key=api_key, base_url=base_url, max_retries=0, timeout=_SILENCE_S)


class AnthropicModel:
    """Messages.

    Args:
        client: The official client.
        default_model: For tasks that name no model.
    """

    def __init__(self, client: AsyncAnthropic, default_model: str) -> None:
        self._client = client
        self._default_model = default_model

    async def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `LanguageModel`.

        A seed and penalties, which Anthropic does not have, are refused. A temperature, which the gateway always sends,
        is left out where the model has none.
        """
        finish_reason = model = ""
        prompt_tokens = completion_tokens = 0
        with anthropic_failures():
            events: Any = await self._client.messages.create(**self._body(task))
            async with events:
                async for event in events:
                    if event.type == "message_start":
                        model = event.message.model
                        prompt_tokens = event.message.usage.input_tokens
                    elif event.type == "content_block_delta" and event.delta.type == "text_delta":
                        yield Piece(event.delta.text, model)
                    elif event.type == "message_delta":
                        finish_reason = _FINISH_REASONS.get(event.delta.stop_reason or "", "stop")
                        completion_tokens = event.usage.output_tokens
        if not finish_reason:
            raise ServiceError(Reason.MODEL_BAD_ANSWER, "The language model's answer broke off.")
        yield Piece(finish_reason=finish_reason, usage=Usage(prompt_tokens, completion_tokens))

    async def check(self) -> None:
        """Lists the models, which costs nothing."""
        with anthropic_failures():
            await self._client.with_options(timeout=3.0).models.list(limit=1)

    def _body(self, task: Task) -> dict[str, Any]:
        for name in ("seed", "presence_penalty", "frequency_penalty"):
            if getattr(task, name) is not None:
                raise invalid(f"options.{name}: Anthropic's models do not have it")
        messages = with_knowledge(task)
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        if task.json:
            system = f"{system}\n\nAnswer with one JSON object and nothing else.".strip()
        model = task.model or self._default_model
        said = {
            "system": system or None,
            "stop_sequences": list(task.stop) or None,
            "extra_body": _sampling(task) if _SAMPLING.match(model) else None,
        }
        return {
            "model": model,
            "messages": _turns(messages),
            "max_tokens": task.max_tokens or _DEFAULT_MAX_TOKENS,
            "stream": True,
            **{name: value for name, value in said.items() if value is not None},
        }


def _sampling(task: Task) -> dict[str, float] | None:
    """One of the two at most; the client no longer has parameters for them."""
    if task.temperature is not None:
        return {"temperature": min(_MAX_TEMPERATURE, task.temperature)}
    return None if task.top_p is None else {"top_p": task.top_p}


def _turns(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    turns = [{"role": message.role, "content": message.content} for message in messages if message.role != "system"]
    if not turns:
        raise invalid("messages: holds nothing that a person said")
    return turns


def anthropic_failures() -> AbstractContextManager[None]:
    """Turns what the client throws into `ServiceError`s without any text of the provider."""
    return provider_failures(anthropic, anthropic.AnthropicError)
