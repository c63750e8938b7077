"""What is asked of Anthropic."""

import re
from typing import Any

from qingyu_ai.errors import Reason, ServiceError, invalid
from qingyu_ai.generation import Message, Task
from qingyu_ai.llm.prompts import ONE_JSON_OBJECT, with_knowledge
from qingyu_ai.llm.provider_errors import RefusedError
from qingyu_ai.llm.schemas import JSON_SCHEMA, held_to, is_about_schema

DEFAULT_MAX_TOKENS = 4096
# Claude's models up to Opus 4.6, Sonnet 4.6 and Haiku 4.5 take a temperature or a top_p; all newer ones refuse both.
_SAMPLING = re.compile(r"claude-(\d|instant|(opus|sonnet|haiku)-4(-[0-6](?!\d)|-\d{8}|$))")
_MAX_TEMPERATURE = 1.0


def request_body(task: Task, model: str, left_out: frozenset[str]) -> dict[str, Any]:
    """The body of a message.

    A temperature, which the gateway always sends, is left out where the model has none, and beside a top_p, which it
    sends only for callers who did.

    Args:
        task: What is to be written.
        model: The model's name.
        left_out: Parameters that the model does not take; the limit, which must be there, is a smaller one then.

    Raises `unsupported_parameter` for what Claude cannot carry: another provider may.
    """
    _check(task)
    messages = with_knowledge(task)
    system = [message.content for message in messages if message.role == "system" and message.content.strip()]
    if task.json and task.schema is None:
        system.append(ONE_JSON_OBJECT)
    max_tokens = task.max_tokens or DEFAULT_MAX_TOKENS
    return {
        "model": model,
        "messages": _turns(messages),
        "max_tokens": min(max_tokens, DEFAULT_MAX_TOKENS) if "max_tokens" in left_out else max_tokens,
        "stream": True,
        **({"system": "\n\n".join(system)} if system else {}),
        **_output_config(task, left_out),
        **({"stop_sequences": list(task.stop)} if task.stop else {}),
        **{name: value for name, value in _sampling(task, model).items() if name not in left_out},
    }


def left_out_after(refusal: ServiceError, task: Task, left_out: frozenset[str]) -> frozenset[str]:
    """What to leave out when the model is asked again. Raises the refusal where it would be another request then."""
    if is_about_schema(refusal, task, left_out):
        return left_out | {JSON_SCHEMA}
    if not isinstance(refusal, RefusedError):
        raise refusal
    is_smaller = refusal.is_too_large and task.max_tokens > DEFAULT_MAX_TOKENS and "max_tokens" not in left_out
    is_ours = task.is_own_limit or refusal.reason is not Reason.CONTEXT_LENGTH_EXCEEDED
    if refusal.parameter == "temperature" or (refusal.parameter == "max_tokens" and is_smaller and is_ours):
        return left_out | {refusal.parameter}
    raise refusal


def _output_config(task: Task, left_out: frozenset[str]) -> dict[str, Any]:
    """Claude's models before 4.5 refuse it; they have the schema in words."""
    schema = held_to(task, left_out)
    return {"output_config": {"format": {"type": "json_schema", "schema": schema.schema}}} if schema else {}


def _check(task: Task) -> None:
    """A penalty of 0 is what Claude does anyway; a seed of 0 is a seed."""
    cannot = {
        "options.seed": task.seed is not None,
        "options.presence_penalty": bool(task.presence_penalty),
        "options.frequency_penalty": bool(task.frequency_penalty),
        "options.stop": any(not word.strip() for word in task.stop),
        "messages.name": any(message.name for message in task.messages),
    }
    for name, is_said in cannot.items():
        if is_said:
            raise _unsupported(f"{name}: Anthropic's models do not have it")


def _sampling(task: Task, model: str) -> dict[str, float]:
    """One of the two at most. 1 is what a top_p is where nobody chose it."""
    top_p = None if task.top_p == 1 else task.top_p
    if not _SAMPLING.match(model):
        if top_p is not None:
            raise _unsupported("options.top_p: this model of Anthropic's does not have it")
        return {}
    if top_p is not None:
        return {"top_p": top_p}
    return {} if task.temperature is None else {"temperature": min(_MAX_TEMPERATURE, task.temperature)}


def _turns(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    """User and assistant by turns: what one of them says in a row is one turn, and blank messages say nothing."""
    turns: list[dict[str, str]] = []
    for message in messages:
        if message.role == "system" or not message.content.strip():
            continue
        if turns and turns[-1]["role"] == message.role:
            turns[-1]["content"] += f"\n\n{message.content}"
        else:
            turns.append({"role": message.role, "content": message.content})
    if not turns:
        raise invalid("messages: holds nothing that a person said")
    if turns[0]["role"] != "user" or turns[-1]["role"] != "user":
        raise _unsupported("messages: with Anthropic's models the user speaks first and last")
    return turns


def _unsupported(message: str) -> ServiceError:
    return ServiceError(Reason.UNSUPPORTED_PARAMETER, message)
