"""What was learned a while ago, and is forgotten after a while."""

import time
from collections import OrderedDict
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """Values by name.

    Args:
        limit: How many; one more, and the one that was put first is forgotten.
        kept_s: Seconds after which a value is forgotten.
    """

    def __init__(self, limit: int, kept_s: float) -> None:
        self._limit = limit
        self._kept_s = kept_s
        self._values: OrderedDict[str, tuple[float, V]] = OrderedDict()

    def get(self, name: str) -> V | None:
        """The value, where it is known."""
        until_s, value = self._values.get(name, (0.0, None))
        return value if time.monotonic() < until_s else None

    def put(self, name: str, value: V) -> None:
        """Remembers a value from now on."""
        self._values[name] = (time.monotonic() + self._kept_s, value)
        self._values.move_to_end(name)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)

    def forget(self, name: str) -> None:
        """Forgets a value, if it is known."""
        self._values.pop(name, None)
