"""How well passages fit a query, by its terms (BM25)."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

_K1 = 1.2
_B = 0.5
# Of a passage of some 300 characters.
_USUAL_TERMS = 500


def weights_of(terms: Sequence[str], counts: Mapping[str, int], passages: int) -> dict[str, float]:
    """What each term of a query weighs (BM25's inverse document frequency).

    Args:
        terms: Of the query.
        counts: In how many passages each occurs.
        passages: How many there are.
    """
    return {
        term: math.log(1 + (passages - counts.get(term, 0) + 0.5) / (counts.get(term, 0) + 0.5))
        for term in dict.fromkeys(terms)
    }


def fit(weights: Mapping[str, float], terms: Sequence[str]) -> float:
    """How well a passage fits a query: the share of the query's weight that it has, from 0 to 1.

    Args:
        weights: Of the query's terms.
        terms: Of the passage.
    """
    counts = Counter(term for term in terms if term in weights)
    norm = _K1 * (1 - _B + _B * len(terms) / _USUAL_TERMS)
    # Divided by its limit, a term that occurs very often counts as 1.
    got = sum(weights[term] * count / (count + norm) for term, count in counts.items())
    return got / (sum(weights.values()) or 1)
