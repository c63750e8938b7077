"""Embeddings of OpenAI and of services with its API."""

from openai import AsyncOpenAI

from qingyu_ai.embedding.embedder import Vector, checked
from qingyu_ai.llm.openai import openai_failures

_TEXTS_PER_CALL = 64
_SENT = ("model", "input", "encoding_format")
_MOST = 3.4e38


class OpenAIEmbedder:
    """The `embeddings` endpoint, in batches.

    Args:
        client: The official client.
        model: For requests that name no model.
    """

    is_lexical = False

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self.model = model

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        """See `Embedder`. The model's dimension is whatever its service gives."""
        vectors: list[Vector] = []
        for start in range(0, len(texts), _TEXTS_PER_CALL):
            batch = texts[start : start + _TEXTS_PER_CALL]
            with openai_failures(_SENT):
                answer = await self._client.embeddings.create(
                    model=model or self.model, input=batch, encoding_format="float"
                )
                in_order = sorted(answer.data or [], key=lambda item: item.index)
                vectors += checked([[_number(each) for each in item.embedding] for item in in_order], len(batch))
        return checked(vectors, len(texts))


def _number(value: object) -> float:
    """A number that 32 bits can hold; the package checks nothing. Raises `ValueError`."""
    if not isinstance(value, int | float) or not abs(value) <= _MOST:
        raise ValueError("no number")
    return float(value)
