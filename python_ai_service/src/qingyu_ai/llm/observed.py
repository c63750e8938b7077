"""A language model whose answers are written down in the record of the call that asked, and tell how it is."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import time_ns

from qingyu_ai.errors import ServiceError
from qingyu_ai.generation import LanguageModel, Piece, Task
from qingyu_ai.health import Part
from qingyu_ai.telemetry.call import ModelAsked, current_call


class ObservedModel:
    """See `LanguageModel`; changes nothing of what the model says.

    Args:
        name: The provider's: openai, anthropic, embedded.
        model: Who writes.
        part: What is known of the provider.
    """

    def __init__(self, name: str, model: LanguageModel, part: Part) -> None:
        self._name = name
        self._model = model
        self._part = part

    async def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `Writer`."""
        call = current_call()
        call.provider = self._name
        began_ns = time_ns()
        try:
            async with aclosing(self._model.stream(task)) as pieces:
                async for piece in pieces:
                    if piece.text:
                        call.saw_token()
                    call.model = piece.model or call.model
                    call.finish_reason = piece.finish_reason or call.finish_reason
                    if piece.usage:
                        call.add_usage(piece.usage.prompt_tokens, piece.usage.completion_tokens)
                    if piece.finish_reason:
                        self._part.worked()
                    yield piece
        except ServiceError as error:
            self._part.failed(error)
            raise
        finally:
            call.models_asked.append(ModelAsked(self._name, call.model, began_ns, time_ns()))

    async def check(self) -> None:
        """See `LanguageModel`."""
        await self._model.check()
