"""What the readers of both providers' answers share."""

from qingyu_ai.generation import Piece, Usage
from qingyu_ai.llm.events import bad_answer, too_large
from qingyu_ai.llm.halves import Halves, whole

MAX_TEXT_BYTES = 4 * 1024 * 1024
_MAX_MODEL_CHARS = 200
_MAX_COUNT = 2**31 - 1


class Answer:
    """One answer while it comes: its text in whole characters and at most 4 MiB, its model, end and usage."""

    def __init__(self) -> None:
        self._halves = Halves()
        self._left_bytes = MAX_TEXT_BYTES
        self._prompt_tokens = 0
        self._completion_tokens = 0
        self.model = ""
        self.finish_reason: str | None = None
        self.has_text = False

    def named(self, model: object) -> None:
        """The model that answers; the first name that is one stays."""
        if isinstance(model, str) and not self.model:
            self.model = whole(model[:_MAX_MODEL_CHARS])

    def add(self, text: str, *, thinks: bool = False) -> Piece | None:
        """The piece that can be told of a text that came; an empty one where a model thinks; None where neither.

        Raises `model_bad_answer` where the text becomes too long.
        """
        self.has_text = self.has_text or bool(text)
        text = self._halves.join(text)
        self._left_bytes -= len(text.encode())
        if self._left_bytes < 0:
            raise too_large()
        return Piece(text, self.model) if text or thinks else None

    def used(self, prompt_tokens: object, completion_tokens: object) -> None:
        """Counts as the provider tells them; of several, the last that says something, since zeros come beside them."""
        self._prompt_tokens = _count(prompt_tokens) or self._prompt_tokens
        self._completion_tokens = _count(completion_tokens) or self._completion_tokens

    def ended(self, finish_reason: str | None) -> None:
        """How it ended, as `finish_reason_of` says; the last word that says something holds."""
        self.finish_reason = self.finish_reason if finish_reason is None else finish_reason

    def end(self) -> Piece:
        """The last piece. Raises `model_bad_answer` where the answer broke off."""
        if not self.finish_reason:
            raise bad_answer("The language model's answer broke off.")
        counts = (self._prompt_tokens, self._completion_tokens)
        return Piece(self._halves.rest(), self.model, self.finish_reason, Usage(*counts) if any(counts) else None)


def _count(value: object) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return 0
    return int(value) if 0 <= value <= _MAX_COUNT else 0
