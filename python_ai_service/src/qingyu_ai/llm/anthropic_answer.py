"""Reads Anthropic's messages as they come."""

from typing import Any

from qingyu_ai.generation import Piece
from qingyu_ai.llm.answers import Answer
from qingyu_ai.llm.events import Event, bad_answer
from qingyu_ai.llm.finish_reasons import finish_reason_of
from qingyu_ai.llm.problem import problem_in
from qingyu_ai.llm.provider_errors import failure_of

_PROMPT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class AnthropicAnswer:
    """One answer. One that comes whole is read like a stream of one event."""

    def __init__(self) -> None:
        self._answer = Answer()

    def read(self, event: Event) -> Piece | None:
        """The piece of text in an event, an empty one where the model thinks; None where neither.

        Raises the failure that an event tells, and `model_bad_answer` where it makes no sense.
        """
        if event.get("error"):
            raise failure_of(problem_in(event))
        match event.get("type"):
            case "message_start":
                self._tell(_object(event.get("message")))
            case "message_delta":
                self._tell({**_object(event.get("delta")), "usage": event.get("usage")})
            case "content_block_start":
                return self._read_block(_object(event.get("content_block")))
            case "content_block_delta":
                return self._read_block(_object(event.get("delta")))
            case "message":
                return self._read_whole(event)
        return None

    def end(self) -> Piece:
        """The last piece. Raises `model_bad_answer` where the answer broke off."""
        return self._answer.end()

    def _tell(self, message: dict[str, Any]) -> None:
        self._answer.named(message.get("model"))
        self._answer.ended(finish_reason_of(message.get("stop_reason")))
        usage = message.get("usage")
        if isinstance(usage, dict):
            counts = [usage.get(name) for name in _PROMPT_COUNTS]
            prompt = sum(count for count in counts if isinstance(count, int))
            self._answer.used(prompt, usage.get("output_tokens"))

    def _read_block(self, block: dict[str, Any]) -> Piece | None:
        kind = block.get("type")
        if kind not in ("text", "text_delta"):
            return self._answer.add("", thinks="thinking" in str(kind))
        if not isinstance(block.get("text"), str):
            raise bad_answer()
        return self._answer.add(block["text"])

    def _read_whole(self, message: Event) -> Piece | None:
        self._tell(message)
        blocks = message.get("content")
        pieces = [self._read_block(_object(block)) for block in blocks] if isinstance(blocks, list) else []
        return Piece("".join(piece.text for piece in pieces if piece), self._answer.model)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_answer()
    return value
