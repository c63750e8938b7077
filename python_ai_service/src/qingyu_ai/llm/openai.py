"""OpenAI and every service with its API: vLLM, Ollama, DeepSeek, GLM."""

from collections.abc import AsyncGenerator, Collection
from contextlib import AbstractContextManager
from typing import Any

import openai
from openai import AsyncOpenAI, AsyncStream

from qingyu_ai.generation import Piece, Task
from qingyu_ai.llm.events import events_of
from qingyu_ai.llm.learned import Learned, ask_without
from qingyu_ai.llm.openai_answer import OpenAIAnswer
from qingyu_ai.llm.openai_request import lasting, left_out_after, request_body
from qingyu_ai.llm.provider_errors import provider_failures
from qingyu_ai.llm.provider_http import SILENCE_S, bounded_client

# Where asking for the list of models says that there is none.
_NO_LIST = (400, 404, 405, 501)


def openai_client(api_key: str, base_url: str, silence_s: float = SILENCE_S) -> AsyncOpenAI:
    """A client that does not retry, since the gateway does, and gives up after two minutes of silence.

    Whatever a provider sends, a model's thoughts among it, ends the silence.
    """
    return AsyncOpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        http_client=bounded_client(silence_s),
    )


class OpenAIModel:
    """Chat completions.

    Args:
        client: The official client.
        default_model: For tasks that name no model.
    """

    def __init__(self, client: AsyncOpenAI, default_model: str) -> None:
        self._client = client
        self._default_model = default_model
        self._learned = Learned()

    async def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `LanguageModel`. Other roles than system, user and assistant are refused: they need tools.

        What the model refuses and the request is as good without is left out, and the model asked again.
        """
        model = task.model or self._default_model
        answer, left_out = await ask_without(
            self._learned.of(model),
            lambda left_out: self._ask(request_body(task, model, left_out)),
            lambda refusal, left_out: left_out_after(refusal, task, left_out),
        )
        self._learned.learn(model, lasting(left_out))
        reading = OpenAIAnswer()
        with openai_failures():
            async with answer:
                async for event in events_of(answer.response):
                    if piece := reading.read(event):
                        yield piece
        yield reading.end()

    async def check(self) -> None:
        """Lists the models, which costs nothing. A service without that list counts as there."""
        with openai_failures():
            try:
                await self._client.with_options(timeout=3.0).models.list()
            except openai.APIStatusError as error:
                if error.status_code not in _NO_LIST:
                    raise

    async def _ask(self, body: dict[str, Any]) -> AsyncStream[Any]:
        """The package reads no stream as other services than OpenAI's write it, so it only sends and opens it."""
        with openai_failures(body):
            return await self._client.post(
                "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[Any]
            )


def openai_failures(sent: Collection[str] = ()) -> AbstractContextManager[None]:
    """Turns what the client throws into `ServiceError`s without any text of the provider."""
    return provider_failures(openai, openai.OpenAIError, sent)
