"""Estimates of token counts, and pieces of about a token."""

import re

# Script=Han of Unicode, as far as novels use it.
HAN = "\u2e80-\u2fd5\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"

_PIECE = re.compile(rf"[{HAN}]{{1,2}}|[^{HAN}\s]+\s*|\s+")
_WIDE = re.compile(r"[\u2e80-\U0010ffff]")
_CHARS_PER_TOKEN = 4


def pieces_of(text: str) -> list[str]:
    """Cuts a text into pieces of about one token: two Han characters or one word. Joined, they are the text."""
    return _PIECE.findall(text)


def estimate_tokens(text: str) -> int:
    """How many tokens a text takes at most with the tokenizers in use: one per wide character, else one per four."""
    wide = len(_WIDE.findall(text))
    return wide + -(-(len(text) - wide) // _CHARS_PER_TOKEN)


def cut_to_tokens(text: str, budget_tokens: int) -> str:
    """The longest beginning of a text whose estimate is within a budget."""
    used = 0.0
    for index, char in enumerate(text):
        used += 1 if char >= "\u2e80" else 1 / _CHARS_PER_TOKEN
        if used > budget_tokens:
            return text[:index]
    return text
