"""Reads the contract's requests into the domain, and checks them."""

from typing import Any

from qingyu_ai.errors import invalid
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    EmbedRequest,
    GenerateContentRequest,
    GenerateOptions,
    RAGFilters,
)
from qingyu_ai.generation import Message, Task
from qingyu_ai.knowledge.document import label
from qingyu_ai.knowledge.store import Scope
from qingyu_ai.rpc.guard import Context
from qingyu_ai.rpc.sizes import MAX_PROMPT_CHARS, check_filter, check_options

_ROLES = ("system", "user", "assistant", "tool")
_MAX_TEXTS = 2048
_MAX_EMBEDDED_CHARS = 32_768
# An unset field reads as 0 or "" like a set one; only its presence tells the two apart.
_OPTIONAL: tuple[Any, ...] = tuple(
    field.name for field in GenerateOptions.desc().fields if field.presence.name == "EXPLICIT"
)
_RANGES = {"top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
MAX_TOP_K = 100
MAX_REFLECTIONS = 10


def scope_of(ctx: Context, project_id: str, default_tenant: str) -> Scope:
    """Whose knowledge a call is about: the tenant that the gateway names, and the project."""
    return Scope(ctx.request_headers.get("x-qingyu-tenant") or default_tenant, project_id)


def conversation(request: GenerateContentRequest) -> tuple[Message, ...]:
    """The conversation of a request; a prompt is what a user said. Raises `invalid_request`."""
    if not request.messages:
        return (Message("user", required("prompt", request.prompt)),)
    for index, message in enumerate(request.messages):
        if message.role not in _ROLES:
            raise invalid(f"messages[{index}].role: is none of {', '.join(_ROLES)}")
    if not any(message.content.strip() for message in request.messages):
        raise invalid("messages: hold no text")
    if sum(len(message.content) + len(message.name) for message in request.messages) > MAX_PROMPT_CHARS:
        raise invalid(f"messages: hold more than {MAX_PROMPT_CHARS} characters")
    return tuple(Message(message.role, message.content, message.name) for message in request.messages)


def is_gateway(ctx: Context) -> bool:
    """Whether the gateway asks: it names a tenant with every call."""
    return "x-qingyu-tenant" in ctx.request_headers


def task_of(messages: tuple[Message, ...], options: GenerateOptions | None, *, says_temperature: bool = False) -> Task:
    """What a model is asked to write. Raises `invalid_request` where an option is out of its range.

    Options with presence are said only where the caller sent them, and 0 is a value then; the others are not said where
    they are 0 or empty.

    Args:
        messages: The conversation.
        options: As they came.
        says_temperature: Whether the caller says a temperature with every request, as the gateway does: then 0 is one.
    """
    options = options or GenerateOptions()
    check_options(options.model, options.stop)
    if options.max_tokens < 0:
        raise invalid("options.max_tokens: must not be negative")
    _within("options.temperature", options.temperature, 0, 2)
    said = {name: getattr(options, name) for name in _OPTIONAL if options.has_field(name)}
    for name, (least, most) in _RANGES.items():
        if name in said:
            said[name] = _rounded(_within(f"options.{name}", said[name], least, most))
    response_format = said.pop("response_format", "")
    if response_format not in ("", "text", "json_object"):
        raise invalid("options.response_format: is none of text, json_object")
    return Task(
        messages=messages,
        model=options.model,
        max_tokens=options.max_tokens,
        temperature=_rounded(options.temperature) if options.temperature or says_temperature else None,
        stop=tuple(filter(None, options.stop)),
        json=response_format == "json_object",
        **said,
    )


def _within(name: str, value: float, least: float, most: float) -> float:
    if not least <= value <= most:
        raise invalid(f"{name}: must be from {least} to {most}")
    return value


def _rounded(value: float) -> float:
    """A 32-bit float as the caller wrote it: 0.7 instead of 0.699999988."""
    return float(f"{value:.7g}")


def embedding_texts(request: EmbedRequest) -> list[str]:
    """The texts to embed. Raises `invalid_request`."""
    if not 0 < len(request.texts) <= _MAX_TEXTS:
        raise invalid(f"texts: must be 1 to {_MAX_TEXTS}")
    for index, text in enumerate(request.texts):
        if not text.strip():
            raise invalid(f"texts[{index}]: is empty")
        if len(text) > _MAX_EMBEDDED_CHARS:
            raise invalid(f"texts[{index}]: has more than {_MAX_EMBEDDED_CHARS} characters")
    return list(request.texts)


def search_filters(filters: RAGFilters | None) -> list[list[str]]:
    """The choices of labels of which a passage must have one each. Raises `invalid_request`."""
    if filters is None:
        return []
    kinds = {
        "doc_types": ("doc_type", filters.doc_types),
        "character_ids": ("character", filters.character_ids),
        "timeline_ids": ("timeline", filters.timeline_ids),
        "chapter_ids": ("chapter", filters.chapter_ids),
    }
    for name, (_, values) in kinds.items():
        check_filter(name, values)
    return [[label(kind, value) for value in values] for kind, values in kinds.values() if values]


def required(name: str, value: str) -> str:
    """A field that must hold something. Raises `invalid_request`."""
    if not value.strip():
        raise invalid(f"{name}: is empty")
    if len(value) > MAX_PROMPT_CHARS:
        raise invalid(f"{name}: has more than {MAX_PROMPT_CHARS} characters")
    return value


def reflections(value: int) -> int:
    """Rounds of correction. Raises `invalid_request`."""
    if not 0 <= value <= MAX_REFLECTIONS:
        raise invalid(f"max_reflections: must be from 0 to {MAX_REFLECTIONS}")
    return value
