"""How well passages fit a query, by its terms (BM25)."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from qingyu_ai.knowledge.terms import is_word, normal, telling_terms, terms_of

# A passage: its document, as the store calls it, and its place in it.
Place = tuple[int | str, int]

_K1 = 1.2
_B = 0.5
# Of a passage of some 300 characters.
_USUAL_TERMS = 500
# How much the passages around one count beside it, and which they are.
_NEIGHBOURS = 0.3
_AROUND = (-2, -1, 1, 2)
# Of a long prompt some words are everywhere: so many of its telling terms ask for one more that is shared.
_TERMS_PER_SHARED = 40


def weights_of(terms: Iterable[str], counts: Mapping[str, int], passages: int) -> dict[str, float]:
    """What each term of a query weighs (BM25's inverse document frequency).

    Args:
        terms: Of the query, each once.
        counts: In how many passages each occurs.
        passages: How many there are.
    """
    return {term: math.log(1 + (passages - counts.get(term, 0) + 0.5) / (counts.get(term, 0) + 0.5)) for term in terms}


def counts_in(terms: Iterable[str], text: str) -> dict[str, int]:
    """How often terms occur in a text, those that do. Faster than cutting the text into its terms."""
    text = normal(text)
    words: Counter[str] | None = None
    counts: dict[str, int] = {}
    for term in terms:
        # A word may be a part of another; a character or a pair is what it is everywhere.
        if term in text:
            if is_word(term):
                words = words or Counter(filter(is_word, terms_of(text)))
            counts[term] = words[term] if words and is_word(term) else text.count(term)
    return counts


def fit(weights: Mapping[str, float], counts: Mapping[str, int], length: int) -> float:
    """How well a passage fits a query: the share of the query's weight that it has, from 0 to 1.

    Args:
        weights: Of the query's terms.
        counts: How often they occur in the passage.
        length: How many terms the passage has.
    """
    norm = _K1 * (1 - _B + _B * length / _USUAL_TERMS)
    # A term that a passage of usual length has once counts as it weighs, one that it has often up to 2.2 times.
    got = sum(weights[term] * count * (_K1 + 1) / (count + norm) for term, count in counts.items() if term in weights)
    return min(1.0, got / (sum(weights.values()) or 1))


def with_neighbours(fits: Mapping[Place, float]) -> dict[Place, float]:
    """The fits of passages with a share of those around them, which often name who or what a passage speaks of.

    Args:
        fits: From 0 to 1, by document and place in it, of the passages that may be found; others do not fit.
    """
    mixed: dict[Place, float] = {}
    for (document, chunk), own in fits.items():
        around = sum(fits.get((document, chunk + step), 0.0) for step in _AROUND) / len(_AROUND)
        mixed[document, chunk] = (own + _NEIGHBOURS * around) / (1 + _NEIGHBOURS)
    return mixed


def is_related(query: str, text: str) -> bool:
    """Whether a passage has anything of what a query is about.

    Passages that share only single characters or function words with it are noise: some always do, and more of them in
    a larger project.
    """
    telling = telling_terms(query)
    shared = len(counts_in(telling, text))
    return shared > len(telling) // _TERMS_PER_SHARED
