"""Texts as terms: what lexical search counts."""

import re
import unicodedata

# Of what is written without spaces each character and each pair of neighbours, else words.
_WIDE = "\u2e80-\U0010ffff"
_RUN = re.compile(rf"(?:(?![\W_])[{_WIDE}])+|(?:(?![\W_])[^{_WIDE}])+")


def terms_of(text: str) -> list[str]:
    """The terms of a text, in order, each as often as it occurs. Terms are letters and digits."""
    terms: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        if run[0] < "\u2e80":
            terms.append(run)
        else:
            terms += run
            terms += [run[at : at + 2] for at in range(len(run) - 1)]
    return terms
