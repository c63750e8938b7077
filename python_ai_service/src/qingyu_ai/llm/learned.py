"""What models have refused."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.llm.provider_errors import RefusedError

A = TypeVar("A")

_MAX_MODELS = 100
_MAX_NAME_CHARS = 200
_KEPT_S = 3600.0


class Learned:
    """Parameters that a model does not take, for an hour and for the last hundred models."""

    def __init__(self) -> None:
        self._by_model: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()

    def of(self, model: str) -> frozenset[str]:
        """What a model is known to refuse."""
        until_s, refused = self._by_model.get(model, (0.0, frozenset[str]()))
        return refused if time.monotonic() < until_s else frozenset()

    def learn(self, model: str, refused: frozenset[str]) -> None:
        """Remembers what an answer came without."""
        if refused == self.of(model) or len(model) > _MAX_NAME_CHARS:
            return
        self._by_model[model] = (time.monotonic() + _KEPT_S, refused)
        self._by_model.move_to_end(model)
        if len(self._by_model) > _MAX_MODELS:
            self._by_model.popitem(last=False)


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
