"""What models have refused."""

import time
from collections import OrderedDict

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
