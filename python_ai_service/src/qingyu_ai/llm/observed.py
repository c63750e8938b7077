"""A language model whose answers are written down in the record of the call that asked."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from qingyu_ai.generation import LanguageModel, Piece, Task
from qingyu_ai.telemetry.call import current_call


class ObservedModel:
    """See `LanguageModel`; changes nothing of what the model says.

    Args:
        name: The provider's: openai, anthropic, embedded.
        model: Who writes.
    """

    def __init__(self, name: str, model: LanguageModel) -> None:
        self._name = name
        self._model = model

    async def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `Writer`."""
        call = current_call()
        call.provider = self._name
        async with aclosing(self._model.stream(task)) as pieces:
            async for piece in pieces:
                if piece.text:
                    call.saw_token()
                call.model = piece.model or call.model
                call.finish_reason = piece.finish_reason or call.finish_reason
                if piece.usage:
                    call.add_usage(piece.usage.prompt_tokens, piece.usage.completion_tokens)
                yield piece

    async def check(self) -> None:
        """See `LanguageModel`."""
        await self._model.check()
