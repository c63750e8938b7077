"""Embeddings by a model on this machine."""

import asyncio

from qingyu_ai.embedding.embedder import Vector, checked
from qingyu_ai.errors import Reason, ServiceError


class LocalEmbedder:
    """A model of sentence-transformers: a name of the Hugging Face hub, or a folder. Loading it takes a while.

    Raises:
        ImportError: Where the extra `local` is not installed.
        OSError: Where the model is neither a folder nor can be fetched.
    """

    is_lexical = False

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise ImportError(
                "EMBEDDING_PROVIDER=local needs the extra of that name: pip install sentence-transformers"
            ) from error
        self.model = model
        self._transformer: SentenceTransformer = SentenceTransformer(model)

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        """See `Embedder`. Another model than the loaded one is `model_not_found`."""
        if model not in ("", self.model):
            raise ServiceError(Reason.MODEL_NOT_FOUND, "Only the model of EMBEDDING_MODEL_NAME is loaded.")
        return await asyncio.to_thread(self._encode, texts)

    def _encode(self, texts: list[str]) -> list[Vector]:
        encoded = self._transformer.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return checked([[float(number) for number in row] for row in encoded], len(texts))
