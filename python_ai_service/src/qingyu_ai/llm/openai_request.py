"""What is asked of OpenAI and of services with its API."""

from dataclasses import replace
from typing import Any

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.generation import Message, Task
from qingyu_ai.llm.prompts import ONE_JSON_OBJECT, with_knowledge
from qingyu_ai.llm.provider_errors import JSON_IN_WORDS, SYSTEM_ROLE, RefusedError
from qingyu_ai.llm.schemas import JSON_SCHEMA, held_to, is_about_schema

_REASONING = ("o1", "o3", "o4", "gpt-5")
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
# A request says the same without them: how the answer comes, and a temperature, which the gateway always sends.
_FREE = frozenset({"stream", "stream_options", "temperature"})
_IN_WORDS = frozenset({"response_format", JSON_IN_WORDS})


def request_body(task: Task, model: str, left_out: frozenset[str]) -> dict[str, Any]:
    """The body of a chat completion. What is not said is not sent: each model has defaults of its own.

    Args:
        task: What is to be written.
        model: The model's name.
        left_out: Parameters that the model does not take. A limit is sent under its other name then; a schema gives
            way to any JSON object, and that to words; what the system says the user says.
    """
    # OpenAI's reasoning models have another name for the limit, and no temperature, which the gateway always sends;
    # those for chat, such as gpt-5-chat-latest, do not reason.
    reasons = model.startswith(_REASONING) and "-chat" not in model
    names = list(_OTHER_LIMIT)[::-1] if reasons else list(_OTHER_LIMIT)
    limit = next((name for name in names if name not in left_out), None)
    if task.json and task.schema is None and left_out & _IN_WORDS:
        task = replace(task, messages=(Message("system", ONE_JSON_OBJECT), *task.messages))
    messages = with_knowledge(task)
    if SYSTEM_ROLE in left_out:
        messages = _without_system(messages)
    said = {
        "stream": True,
        "stream_options": None if "stream" in left_out else {"include_usage": True},
        "temperature": None if reasons else task.temperature,
        "top_p": task.top_p,
        "seed": task.seed,
        "presence_penalty": task.presence_penalty,
        "frequency_penalty": task.frequency_penalty,
        "stop": list(task.stop) or None,
        "response_format": _response_format(task, left_out),
        **({limit: task.max_tokens or None} if limit else {}),
    }
    return {
        "model": model,
        "messages": [_message(message) for message in messages],
        **{name: value for name, value in said.items() if value is not None and name not in left_out},
    }


def left_out_after(refusal: ServiceError, task: Task, left_out: frozenset[str]) -> frozenset[str]:
    """What to leave out when the model is asked again. Raises the refusal where it would be another request then."""
    if is_about_schema(refusal, task, left_out):
        return left_out | {JSON_SCHEMA}
    if not isinstance(refusal, RefusedError):
        raise refusal
    name = refusal.parameter
    if name == SYSTEM_ROLE and name not in left_out and any(said.role == "system" for said in with_knowledge(task)):
        return left_out | {name}
    if name in _FREE | _IN_WORDS:
        return left_out | {name}
    if name in _OTHER_LIMIT:
        # A model that cannot write as much keeps within the limit by itself.
        is_about_context = refusal.reason is Reason.CONTEXT_LENGTH_EXCEEDED
        if refusal.is_too_large and (task.is_own_limit or not is_about_context):
            return left_out | _OTHER_LIMIT.keys()
        if not refusal.is_too_large and _OTHER_LIMIT[name] not in left_out:
            return left_out | {name}
    raise refusal


def lasting(left_out: frozenset[str]) -> frozenset[str]:
    """What a model will refuse again: a limit that was too large says nothing about the next one."""
    return left_out - _OTHER_LIMIT.keys() if _OTHER_LIMIT.keys() <= left_out else left_out


def _response_format(task: Task, left_out: frozenset[str]) -> dict[str, Any] | None:
    if schema := held_to(task, left_out):
        held = {"name": schema.name, "strict": True, "schema": schema.schema}
        return {"type": "json_schema", "json_schema": held}
    return {"type": "json_object"} if task.json else None


def _without_system(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The user begins with what the system says, which this service may have said alone: knowledge, a schema."""
    system = [message.content for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    first = rest.pop(0) if rest and rest[0].role == "user" else Message("user", "")
    content = "\n\n".join(filter(None, [*system, first.content]))
    return (replace(first, content=content), *rest)


def _message(message: Message) -> dict[str, str]:
    name = {"name": message.name} if message.name else {}
    return {"role": message.role, "content": message.content, **name}
