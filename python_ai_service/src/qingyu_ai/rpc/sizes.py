"""How much a request may hold: checked before anything is asked of a model or of the knowledge base."""

from collections.abc import Mapping, Sequence
from typing import Any

from protobuf import Message

from qingyu_ai.errors import invalid

MAX_PROMPT_CHARS = 1_000_000
# The gateway's limits too.
_MAX_STOPS = 16
_MAX_STOP_CHARS = 1024
_MAX_MODEL_CHARS = 256
_MAX_FILTER_VALUES = 1000
# Around each entry of a map that is rendered into a prompt.
_ENTRY_CHARS = 4

PromptPart = str | Mapping[str, str] | Message[Any] | None


def check_prompt(**fields: PromptPart) -> None:
    """What goes into one prompt, all in all. Raises `invalid_request` that names the field which holds the most."""
    sizes = {name: _chars(value) for name, value in fields.items()}
    largest = max(sizes, key=lambda name: sizes[name])
    if sizes[largest] > MAX_PROMPT_CHARS:
        raise invalid(f"{largest}: has more than {MAX_PROMPT_CHARS} characters")
    if sum(sizes.values()) > MAX_PROMPT_CHARS:
        raise invalid(f"{largest}: has, with {_listed(sizes, largest)}, more than {MAX_PROMPT_CHARS} characters")


def check_options(model: str, stop: Sequence[str]) -> None:
    """Raises `invalid_request` that names the option."""
    if len(model) > _MAX_MODEL_CHARS:
        raise invalid(f"options.model: has more than {_MAX_MODEL_CHARS} characters")
    if len(stop) > _MAX_STOPS:
        raise invalid(f"options.stop: must be at most {_MAX_STOPS}")
    for index, word in enumerate(stop):
        if len(word) > _MAX_STOP_CHARS:
            raise invalid(f"options.stop[{index}]: has more than {_MAX_STOP_CHARS} characters")


def check_filter(name: str, values: Sequence[str]) -> None:
    """Raises `invalid_request` that names the filter."""
    if len(values) > _MAX_FILTER_VALUES:
        raise invalid(f"filters.{name}: must be at most {_MAX_FILTER_VALUES}")


def _chars(value: PromptPart) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + len(text) + _ENTRY_CHARS for key, text in value.items())
    return len(value.to_json()) if value else 0


def _listed(sizes: Mapping[str, int], largest: str) -> str:
    return ", ".join(name for name, size in sizes.items() if size and name != largest)
