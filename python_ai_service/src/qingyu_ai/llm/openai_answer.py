"""Reads chat completions as they come, also as other services than OpenAI write them."""

from qingyu_ai.generation import Piece
from qingyu_ai.llm.answers import Answer
from qingyu_ai.llm.events import Event, bad_answer
from qingyu_ai.llm.finish_reasons import finish_reason_of
from qingyu_ai.llm.problem import problem_in
from qingyu_ai.llm.provider_errors import failure_of

_TEXT_PARTS = ("text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning", "reference")
_THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "thinking")


class OpenAIAnswer:
    """One answer. One that comes whole is read like a stream of one event."""

    def __init__(self) -> None:
        self._answer = Answer()
        self._refuses = False

    def read(self, event: Event) -> Piece | None:
        """The piece of text in an event, an empty one where the model thinks; None where neither.

        Raises the failure that an event tells, and `model_bad_answer` where it makes no sense.
        """
        if event.get("error") or event.get("object") == "error":
            raise failure_of(problem_in(event))
        self._answer.named(event.get("model"))
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._answer.used(usage.get("prompt_tokens"), usage.get("completion_tokens"))
        choices = event.get("choices")
        if not isinstance(choices, list) or not choices:
            return None
        choice = choices[0]
        delta = choice.get("delta") or choice.get("message") or {} if isinstance(choice, dict) else None
        if not isinstance(delta, dict):
            raise bad_answer()
        self._answer.ended(finish_reason_of(choice.get("finish_reason")))
        self._refuses = self._refuses or bool(delta.get("refusal"))
        text, thinks = _content_of(delta.get("content"))
        return self._answer.add(text, thinks=thinks or any(delta.get(name) for name in _THOUGHTS))

    def end(self) -> Piece:
        """The last piece. Raises `model_bad_answer` where the answer broke off."""
        if self._refuses and not self._answer.has_text and self._answer.finish_reason:
            self._answer.ended("content_filter")
        return self._answer.end()


def _content_of(content: object) -> tuple[str, bool]:
    """A text, and whether a thought was there; some services send lists of parts. Raises `model_bad_answer`."""
    if content is None or isinstance(content, str):
        return content or "", False
    if isinstance(content, int | float) and not isinstance(content, bool):
        return str(content), False
    if not isinstance(content, list):
        raise bad_answer()
    texts, thinks = [], False
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        text = part.get("text") if kind in _TEXT_PARTS else part
        if isinstance(text, str):
            texts.append(text)
        elif kind in _THOUGHT_PARTS:
            thinks = True
        else:
            raise bad_answer()
    return "".join(texts), thinks
