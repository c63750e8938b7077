"""What an embedder is."""

from typing import Protocol

from qingyu_ai.errors import Reason, ServiceError

Vector = list[float]


class Embedder(Protocol):
    """Turns texts into vectors of one dimension."""

    @property
    def model(self) -> str:
        """The model that is used where the caller names none; vectors of two models must not be compared."""
        ...

    @property
    def is_lexical(self) -> bool:
        """Whether its vectors tell only which terms a text has; lexical search then needs none of them."""
        ...

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        """One vector per text, in order, all of the same dimension. Raises `ServiceError`s only."""
        ...


def checked(vectors: list[Vector], count: int) -> list[Vector]:
    """Vectors as they came from outside. Raises `model_bad_answer` unless they are `count` of one dimension above 0."""
    if len(vectors) != count or len({len(vector) for vector in vectors}) > 1 or not all(vectors):
        raise ServiceError(Reason.MODEL_BAD_ANSWER, "The embedding model's answer does not fit the texts.")
    return vectors
