"""What models have refused."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.llm.provider_errors import RefusedError
from qingyu_ai.recent import Recent

A = TypeVar("A")

_MAX_MODELS = 100
_MAX_NAME_CHARS = 200
_KEPT_S = 3600.0


class Learned:
    """Parameters that a model does not take, for an hour and for the last hundred models."""

    def __init__(self) -> None:
        self._refused = Recent[frozenset[str]](_MAX_MODELS, _KEPT_S)

    def of(self, model: str) -> frozenset[str]:
        """What a model is known to refuse."""
        return self._refused.get(model) or frozenset()

    def learn(self, model: str, refused: frozenset[str]) -> None:
        """Remembers what an answer came without."""
        if refused != self.of(model) and len(model) <= _MAX_NAME_CHARS:
            self._refused.put(model, refused)


async def ask_without(
    left_out: frozenset[str],
    ask: Callable[[frozenset[str]], Awaitable[A]],
    after: Callable[[ServiceError, frozenset[str]], frozenset[str]],
) -> tuple[A, frozenset[str]]:
    """Asks, and asks again without what is refused; the answer, and what it came without.

    Args:
        left_out: What is left out from the start.
        ask: Asks without the parameters that it is given.
        after: What to leave out after a failure; raises it where asking again cannot help or would ask another thing.

    Raises what the two raise; the refusal of what this service sent never becomes the caller's `invalid_request`.
    """
    first: RefusedError | None = None
    while True:
        try:
            return await ask(left_out), left_out
        except ServiceError as error:
            try:
                left_out = after(error, left_out)
            except ServiceError:
                if first and error.reason is Reason.INVALID_REQUEST:
                    raise first from None
                raise
            if isinstance(error, RefusedError):
                first = first or error
