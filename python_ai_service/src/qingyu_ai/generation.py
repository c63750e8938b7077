"""The domain of text generation: what is asked of a language model, and what it answers."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from qingyu_ai.errors import Reason, ServiceError


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; `role` is system, user, assistant or tool, an empty `name` is none."""

    role: str
    content: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a model is asked to write. What is None, empty or 0 was not said: the model's own default holds.

    Attributes:
        messages: The conversation, oldest first; never empty.
        knowledge: Passages of the project, ready to be read by a model; empty where there are none.
        model: The model's name as the caller gave it.
        max_tokens: The most tokens of the answer.
        temperature: 0.0 to 2.0.
        stop: The answer ends before the first of these.
        json: Whether the answer must be one JSON object.
    """

    messages: tuple[Message, ...]
    knowledge: str = ""
    model: str = ""
    max_tokens: int = 0
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stop: tuple[str, ...] = ()
    json: bool = False


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
    """A part of an answer as it comes.

    Every stream has one with a finish reason: stop, length, content_filter or tool_calls.
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
    """The whole answer to a task. Raises what `stream` raises, and `model_bad_answer` where the answer is empty."""
    collected = _Collected()
    async with aclosing(model.stream(task)) as pieces:
        async for piece in pieces:
            collected.add(piece)
    content = "".join(collected.texts)
    if not content.strip():
        raise empty_answer(collected.finish_reason)
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


def empty_answer(finish_reason: str) -> ServiceError:
    """The failure of an answer without text: never passed on as a success."""
    if finish_reason == "content_filter":
        return ServiceError(Reason.CONTENT_FILTER, "The language model's provider withheld the answer.")
    return ServiceError(Reason.MODEL_BAD_ANSWER, "The language model answered without any text.")
