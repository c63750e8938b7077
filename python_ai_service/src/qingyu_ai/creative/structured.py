"""Structured answers of a language model: found, read, mended, checked, and repaired once."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic

from qingyu_ai.creative.author import M, Written
from qingyu_ai.creative.coerce import coerce
from qingyu_ai.creative.objects import json_objects, where_broken
from qingyu_ai.creative.schema import schema_of
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.generation import Completion, Message, Task, Writer, complete
from qingyu_ai.json_messages import holds_too_much, message_from_value

_MAX_TOKENS = 8192
_MAX_TOKENS_AFTER_A_CUT = 16_384
_MAX_ANSWER_CHARS = 400_000
_MAX_REPEATED_CHARS = 60_000
_TOLD_PROBLEMS = 20
_MAX_PROBLEM_CHARS = 300


@dataclass(frozen=True, slots=True)
class _Read(Generic[M]):
    """The structure of an answer, or why there is none."""

    data: M | None
    problems: list[str]


async def write_structured(
    model: Writer, messages: tuple[Message, ...], shape: type[M], problems_of: Callable[[M], list[str]]
) -> Written[M]:
    """One message of the contract, as JSON by a language model, asked twice at most.

    An answer that cannot be used is sent back once with the reasons. One that was cut at its limit of tokens is not: it
    would be cut again, so a shorter one is asked for, with twice the limit.

    Args:
        model: Who writes.
        messages: What is wanted; the shape is told by this function.
        shape: The contract's message type.
        problems_of: Mends what can be mended in an answer that has the shape, and says what is wrong with it then;
            nothing where it is good.

    Raises what the model raises; `content_filter` where the provider withheld the answer or its end; and
    `model_bad_answer` where the second answer cannot be used either, with a message of its own where it was cut.
    """
    schema = schema_of(shape)
    told = Message(
        "system",
        "Answer with one JSON object of this JSON Schema, all fields filled in, and nothing else:\n"
        + json.dumps(schema.schema, ensure_ascii=False, separators=(",", ":")),
    )
    task = Task(messages=(told, *messages), json=True, schema=schema, max_tokens=_MAX_TOKENS, is_own_limit=True)
    first = await _ask(model, task)
    read = _read(first, shape, problems_of)
    if read.data is not None:
        return Written(read.data, _tokens(first))
    second = await _ask(model, _shorter(task) if _is_cut(first) else _repair(task, first, read.problems))
    read = _read(second, shape, problems_of)
    if read.data is not None:
        return Written(read.data, _tokens(first, second))
    if _is_cut(second):
        raise ServiceError(
            Reason.MODEL_BAD_ANSWER,
            "The language model's answer was cut off at its limit of tokens; a smaller task may fit.",
        )
    raise ServiceError(Reason.MODEL_BAD_ANSWER, "The language model did not write what was asked for, twice.")


async def _ask(model: Writer, task: Task) -> Completion:
    answer = await complete(model, task)
    if answer.finish_reason == "content_filter":
        raise ServiceError(Reason.CONTENT_FILTER, "The language model's provider withheld the answer.")
    return answer


def _is_cut(answer: Completion) -> bool:
    return answer.finish_reason == "length"


def _shorter(task: Task) -> Task:
    wish = (
        "An earlier answer was cut off because it was too long. Write fewer elements and one short sentence for each "
        "text, so that the JSON object is complete."
    )
    return replace(task, messages=(*task.messages, Message("user", wish)), max_tokens=_MAX_TOKENS_AFTER_A_CUT)


def _repair(task: Task, answer: Completion, problems: list[str]) -> Task:
    told = "\n".join(problem[:_MAX_PROBLEM_CHARS] for problem in problems[:_TOLD_PROBLEMS])
    complaint = f"Your answer cannot be used:\n{told}\nAnswer with the whole, corrected JSON object."
    said = Message("assistant", answer.content[:_MAX_REPEATED_CHARS])
    return replace(task, messages=(*task.messages, said, Message("user", complaint)))


def _read(answer: Completion, shape: type[M], problems_of: Callable[[M], list[str]]) -> _Read[M]:
    """The first object of an answer that fits; else what is wrong with the one that has the least."""
    text = answer.content
    if len(text) > _MAX_ANSWER_CHARS or holds_too_much(text.encode()):
        return _Read(None, ["It is too long."])
    best: list[str] = []
    for value in json_objects(text):
        data, problems = _fit(value, shape, problems_of)
        if data is not None and not problems:
            return _Read(data, [])
        if not best or len(problems) < len(best):
            best = problems
    return _Read(None, best or [f"It holds no whole JSON object. {where_broken(text)}".strip()])


def _fit(value: dict[str, object], shape: type[M], problems_of: Callable[[M], list[str]]) -> tuple[M | None, list[str]]:
    fields, problems = coerce(shape, value)
    inner = next(iter(value.values()), None)
    if not fields and not problems and len(value) == 1 and isinstance(inner, dict):
        # Models like to put the object under its name: {"outline": {...}}.
        fields, problems = coerce(shape, inner)
    if problems:
        return None, problems
    try:
        data = message_from_value(shape, fields)
    except ValueError as error:
        return None, [f"It is {error}"]
    return data, problems_of(data)


def _tokens(*answers: Completion) -> int:
    """Of all answers together; 0, unknown, where one of them is not known."""
    counts = [answer.total_tokens for answer in answers]
    return sum(counts) if all(counts) else 0
