"""Reads the contract's requests into the domain, and checks them."""

from qingyu_ai.creative.author import Brief
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

_ROLES = ("system", "user", "assistant", "tool")
_MAX_TEXTS = 2048
_MAX_EMBEDDED_CHARS = 32_768
_MAX_PROMPT_CHARS = 1_000_000
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
    if sum(len(message.content) for message in request.messages) > _MAX_PROMPT_CHARS:
        raise invalid(f"messages: hold more than {_MAX_PROMPT_CHARS} characters")
    return tuple(Message(message.role, message.content, message.name) for message in request.messages)


def task_of(messages: tuple[Message, ...], knowledge: str, options: GenerateOptions | None) -> Task:
    """What a model is asked to write. Raises `invalid_request` where an option is out of its range."""
    options = options or GenerateOptions()
    if options.max_tokens < 0:
        raise invalid("options.max_tokens: must not be negative")
    _within("options.temperature", options.temperature, 0, 2)
    _within("options.top_p", options.top_p, 0, 1)
    _within("options.presence_penalty", options.presence_penalty, -2, 2)
    _within("options.frequency_penalty", options.frequency_penalty, -2, 2)
    if options.response_format not in (None, "", "text", "json_object"):
        raise invalid("options.response_format: is none of text, json_object")
    return Task(
        messages=messages,
        knowledge=knowledge,
        model=options.model,
        max_tokens=options.max_tokens,
        # The field has no presence: 0 and "not said" are the same on the wire.
        temperature=_rounded(options.temperature) or None,
        top_p=_rounded(options.top_p),
        seed=options.seed,
        presence_penalty=_rounded(options.presence_penalty),
        frequency_penalty=_rounded(options.frequency_penalty),
        stop=tuple(options.stop),
        json=options.response_format == "json_object",
    )


def _within(name: str, value: float | None, least: float, most: float) -> None:
    if value is not None and not least <= value <= most:
        raise invalid(f"{name}: must be from {least} to {most}")


def _rounded(value: float | None) -> float | None:
    """A 32-bit float as the caller wrote it: 0.7 instead of 0.699999988."""
    return None if value is None else float(f"{value:.7g}")


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
    """The choices of labels of which a passage must have one each."""
    if filters is None:
        return []
    kinds = {
        "doc_type": filters.doc_types,
        "character": filters.character_ids,
        "timeline": filters.timeline_ids,
        "chapter": filters.chapter_ids,
    }
    return [[label(kind, value) for value in values] for kind, values in kinds.items() if values]


def brief_of(task: str, workspace: dict[str, str], knowledge: str, correction: str = "") -> Brief:
    """What is to be written. Raises `invalid_request` where there is no task."""
    return Brief(task=required("task", task), knowledge=knowledge, workspace=dict(workspace), correction=correction)


def required(name: str, value: str) -> str:
    """A field that must hold something. Raises `invalid_request`."""
    if not value.strip():
        raise invalid(f"{name}: is empty")
    if len(value) > _MAX_PROMPT_CHARS:
        raise invalid(f"{name}: has more than {_MAX_PROMPT_CHARS} characters")
    return value


def reflections(value: int) -> int:
    """Rounds of correction. Raises `invalid_request`."""
    if not 0 <= value <= MAX_REFLECTIONS:
        raise invalid(f"max_reflections: must be from 0 to {MAX_REFLECTIONS}")
    return value
