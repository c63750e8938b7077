"""Which provider writes what."""

from collections.abc import AsyncGenerator, Mapping

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.generation import LanguageModel, Piece, Task


class RoutedModel:
    """Several providers as one: the default one for tasks that name no model, else the name's own vendor.

    `claude-*` is Anthropic's; OpenAI-type services have models of every other name. Where the embedded writer is the
    default, everything is its own.

    Args:
        models: Providers by name (openai, anthropic, embedded).
        default: Whose turn it is where no model is named; a key of `models`.
    """

    def __init__(self, models: Mapping[str, LanguageModel], default: str) -> None:
        self._models = models
        self._default = default

    def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `LanguageModel`. Raises `model_not_found` where the name's vendor is not configured."""
        vendor = self._default
        if task.model and vendor != "embedded":
            vendor = "anthropic" if task.model.startswith("claude-") else "openai"
        model = self._models.get(vendor)
        if model is None:
            raise ServiceError(Reason.MODEL_NOT_FOUND, "options.model: this service has no model of its vendor")
        return model.stream(task)
