"""OpenAI and every service with its API: vLLM, Ollama, DeepSeek, GLM."""

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Any

import openai
from openai import AsyncOpenAI
from openai.types import CompletionUsage

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.generation import Piece, Task, Usage
from qingyu_ai.llm.prompts import with_knowledge
from qingyu_ai.llm.provider_errors import provider_failures

_SILENCE_S = 120.0


def openai_client(api_key: str, base_url: str) -> AsyncOpenAI:
    """A client that does not retry, since the gateway does, and gives up after two minutes of silence."""
    return AsyncOpenAI(api_key=api_key, base_url=base_url, max_retries=0, timeout=_SILENCE_S)


class OpenAIModel:
    """Chat completions.

    Args:
        client: The official client.
        default_model: For tasks that name no model.
    """

    def __init__(self, client: AsyncOpenAI, default_model: str) -> None:
        self._client = client
        self._default_model = default_model

    async def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `LanguageModel`. Other roles than system, user and assistant are refused: they need tools."""
        finish_reason = ""
        usage: Usage | None = None
        with openai_failures():
            chunks: Any = await self._client.chat.completions.create(**self._body(task))
            async with chunks:
                async for chunk in chunks:
                    usage = _usage(chunk.usage) or usage
                    for choice in chunk.choices[:1]:
                        finish_reason = choice.finish_reason or finish_reason
                        if choice.delta.content:
                            yield Piece(choice.delta.content, chunk.model or "")
        if not finish_reason:
            raise ServiceError(Reason.MODEL_BAD_ANSWER, "The language model's answer broke off.")
        yield Piece(finish_reason=finish_reason, usage=usage)

    async def check(self) -> None:
        """Lists the models, which costs nothing. A service without that list counts as there."""
        try:
            with openai_failures():
                await self._client.with_options(timeout=3.0).models.list()
        except ServiceError as error:
            if error.reason not in (Reason.MODEL_NOT_FOUND, Reason.INVALID_REQUEST):
                raise

    def _body(self, task: Task) -> dict[str, Any]:
        """What is not said is not sent: each model has defaults of its own, and some take no temperature at all."""
        messages = [
            {"role": message.role, "content": message.content, **({"name": message.name} if message.name else {})}
            for message in with_knowledge(task)
        ]
        model = task.model or self._default_model
        # OpenAI's reasoning models have another name for the limit, and no temperature, which the gateway always sends.
        reasons = model.startswith(("o1", "o3", "o4", "gpt-5"))
        said = {
            "max_completion_tokens" if reasons else "max_tokens": task.max_tokens or None,
            "temperature": None if reasons else task.temperature,
            "top_p": task.top_p,
            "seed": task.seed,
            "presence_penalty": task.presence_penalty,
            "frequency_penalty": task.frequency_penalty,
            "stop": list(task.stop) or None,
            "response_format": {"type": "json_object"} if task.json else None,
        }
        return {
            "model": model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            **{name: value for name, value in said.items() if value is not None},
        }


def _usage(usage: CompletionUsage | None) -> Usage | None:
    return Usage(usage.prompt_tokens, usage.completion_tokens) if usage else None


def openai_failures() -> AbstractContextManager[None]:
    """Turns what the client throws into `ServiceError`s without any text of the provider."""
    return provider_failures(openai, openai.OpenAIError)
