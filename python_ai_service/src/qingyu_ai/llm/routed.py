"""Which provider writes what."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

from qingyu_ai.generation import LanguageModel, Piece, Task


class RoutedModel:
    """Several providers as one: a model's name chooses its own vendor where that one is configured.

    Any other name goes to the default provider: as it is to OpenAI-type services, which have models of every name, and
    replaced by the default model where the name is another vendor's.

    Args:
        models: Providers by name (openai, anthropic, embedded).
        default: Whose turn it is where the name does not say; a key of `models`.
        unnamed: The name that the gateway sends for callers who name none (OPENAI_MODEL); chooses nobody.
    """

    def __init__(self, models: Mapping[str, LanguageModel], default: str, unnamed: str) -> None:
        self._models = models
        self._default = default
        self._unnamed = unnamed

    def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """See `LanguageModel`."""
        vendor = "anthropic" if task.model.startswith("claude-") else "openai"
        if task.model not in ("", self._unnamed) and vendor in self._models and self._default != "embedded":
            return self._models[vendor].stream(task)
        return self._models[self._default].stream(replace(task, model=""))
