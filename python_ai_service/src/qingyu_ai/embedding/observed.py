"""An embedder whose answers tell how it is."""

from qingyu_ai.embedding.embedder import Embedder, Vector
from qingyu_ai.errors import ServiceError
from qingyu_ai.health import Part


class ObservedEmbedder:
    """See `Embedder`; changes nothing of what it says.

    Args:
        embedder: Who embeds.
        part: What is known of it.
    """

    def __init__(self, embedder: Embedder, part: Part) -> None:
        self._embedder = embedder
        self._part = part

    @property
    def model(self) -> str:
        """See `Embedder`."""
        return self._embedder.model

    @property
    def is_lexical(self) -> bool:
        """See `Embedder`."""
        return self._embedder.is_lexical

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        """See `Embedder`."""
        try:
            vectors = await self._embedder.embed(texts, model)
        except ServiceError as error:
            self._part.failed(error)
            raise
        if texts:
            self._part.worked()
        return vectors
