"""Structured answers of a language model: checked, and repaired once."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

from pydantic import TypeAdapter

from qingyu_ai.creative.author import M, Written
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.generation import Completion, Message, Task, Writer, complete
from qingyu_ai.json_messages import message_from_json

_FENCED = re.compile(r"^\s*```\w*\n(.*?)\n?```\s*$", re.DOTALL)
_MAX_TOKENS = 8192
_TOLD_PROBLEMS = 20


async def write_structured(
    model: Writer, messages: tuple[Message, ...], shape: type[M], problems_of: Callable[[M], list[str]]
) -> Written[M]:
    """One message of the contract, as JSON by a language model.

    Args:
        model: Who writes.
        messages: What is wanted; the shape is told by this function.
        shape: The contract's message type.
        problems_of: What is wrong with an answer that has the shape; nothing where it is good.

    Raises what the model raises, and `model_bad_answer` where the repaired answer is wrong too.
    """
    task = Task(messages=(_told(shape), *messages), json=True, max_tokens=_MAX_TOKENS)
    first = await complete(model, task)
    data, problems = _read(first, shape, problems_of)
    if data is not None:
        return Written(data, _tokens(first))
    complaint = (
        "Your answer cannot be used:\n"
        + "\n".join(problems[:_TOLD_PROBLEMS])
        + "\nAnswer with the whole, corrected JSON."
    )
    repair = replace(task, messages=(*task.messages, Message("assistant", first.content), Message("user", complaint)))
    second = await complete(model, repair)
    data, _ = _read(second, shape, problems_of)
    if data is None:
        raise ServiceError(Reason.MODEL_BAD_ANSWER, "The language model did not write what was asked for, twice.")
    return Written(data, _tokens(first) + _tokens(second))


def _told(shape: type[M]) -> Message:
    schema = json.dumps(TypeAdapter(shape).json_schema(), ensure_ascii=False, separators=(",", ":"))
    return Message("system", f"Answer with one JSON object of this JSON Schema, all fields filled in:\n{schema}")


def _read(completion: Completion, shape: type[M], problems_of: Callable[[M], list[str]]) -> tuple[M | None, list[str]]:
    fenced = _FENCED.match(completion.content)
    try:
        data = message_from_json(shape, fenced[1] if fenced else completion.content)
    except ValueError as error:
        return None, [f"It is {error}"]
    problems = problems_of(data)
    return (None, problems) if problems else (data, [])


def _tokens(completion: Completion) -> int:
    return completion.usage.total_tokens if completion.usage else 0
