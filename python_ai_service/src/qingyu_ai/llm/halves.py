"""Characters that JSON cuts in two."""

import re

_HALF = re.compile(r"[\ud800-\udfff]")
_FIRST_HALVES = ("\ud800", "\udbff")


class Halves:
    """Puts characters together again whose two UTF-16 halves came in two pieces of a text."""

    def __init__(self) -> None:
        self._held = ""

    def join(self, piece: str) -> str:
        """The piece with what was held back before it; a first half at its end is held back for the next one."""
        text = self._held + piece
        self._held = ""
        if text and _FIRST_HALVES[0] <= text[-1] <= _FIRST_HALVES[1]:
            self._held = text[-1]
            text = text[:-1]
        return whole(text)

    def rest(self) -> str:
        """What is held back when nothing comes any more: U+FFFD for a half, else nothing."""
        held, self._held = self._held, ""
        return whole(held)


def whole(text: str) -> str:
    """A text that every encoding can carry: pairs of halves are joined, a half that stands alone becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") if _HALF.search(text) else text
