"""The domain of text generation: what is asked of a language model, and what it answers."""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from qingyu_ai.errors import Reason, ServiceError

_SIGN_OF_LIFE_S = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; `role` is system, user, assistant or tool, an empty `name` is none."""

    role: str
    content: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON Schema by the strict rules of structured outputs, and a name for it of letters and digits."""

    name: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a model is asked to write. What is None, empty or 0 was not said: the model's own default holds.

    Attributes:
        messages: The conversation, oldest first; never empty.
        knowledge: Passages of the project, ready to be read by a model; empty where there are none.
        model: The model's name as the caller gave it.
        max_tokens: The most tokens of the answer.
        is_own_limit: Whether `max_tokens` is this service's wish, not the caller's: a model that has less gives less.
        temperature: 0.0 to 2.0.
        stop: The answer ends before the first of these.
        json: Whether the answer must be one JSON object.
        schema: What that object must be like. The messages say it too, since not every model can be held to it.
    """

    messages: tuple[Message, ...]
    knowledge: str = ""
    model: str = ""
    max_tokens: int = 0
    is_own_limit: bool = False
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    json: bool = False
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts in tokens of the model that answered."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Prompt and answer together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer as it comes; one without a text is a sign of life of a model that thinks.

    The last one of every stream, and no other, has a finish reason: stop, length, content_filter or tool_calls.
    """

    text: str = ""
    model: str = ""
    finish_reason: str = ""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer; `usage` is None where the provider gave none."""

    content: str
    model: str
    finish_reason: str
    usage: Usage | None

    @property
    def total_tokens(self) -> int:
        """Prompt and answer together; 0 where the provider gave no counts."""
        return self.usage.total_tokens if self.usage else 0


class SignsOfLife:
    """Thins out the signs of life of a model that thinks: one a second is enough.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_s = clock()

    def is_due(self) -> bool:
        """Whether this one is to be passed on; the first one is."""
        now_s = self._clock()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + _SIGN_OF_LIFE_S
        return True


class Writer(Protocol):
    """Whoever writes texts."""

    def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """Writes an answer piece by piece.

        Closing the generator, or cancelling who iterates it, ends the provider's work. Raises `ServiceError`s only; an
        answer that ends without a finish reason is one.
        """
        ...


class LanguageModel(Writer, Protocol):
    """A provider of language models."""

    async def check(self) -> None:
        """Raises `ServiceError` where the provider could not answer now."""
        ...


async def complete(model: Writer, task: Task) -> Completion:
    """The whole answer to a task. Raises what `stream` raises and what `check_end` does."""
    collected = _Collected()
    async with aclosing(model.stream(task)) as pieces:
        async for piece in pieces:
            collected.add(piece)
    content = "".join(collected.texts)
    check_end(collected.finish_reason, has_text=bool(content.strip()))
    return Completion(content, collected.model, collected.finish_reason, collected.usage)


@dataclass(slots=True)
class _Collected:
    texts: list[str] = field(default_factory=list)
    model: str = ""
    finish_reason: str = ""
    usage: Usage | None = None

    def add(self, piece: Piece) -> None:
        self.texts.append(piece.text)
        self.model = self.model or piece.model
        self.finish_reason = piece.finish_reason or self.finish_reason
        self.usage = piece.usage or self.usage


def check_end(finish_reason: str, *, has_text: bool) -> None:
    """Raises for an answer without text: `content_filter` or `model_bad_answer`; never passed on as a success.

    One that ended at its limit is an answer all the same: the limit was used up by thinking, and nobody is to blame.
    """
    if has_text or finish_reason == "length":
        return
    if finish_reason == "content_filter":
        raise ServiceError(Reason.CONTENT_FILTER, "The language model's provider withheld the answer.")
    raise ServiceError(Reason.MODEL_BAD_ANSWER, "The language model answered without any text.")
