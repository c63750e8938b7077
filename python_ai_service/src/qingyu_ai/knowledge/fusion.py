"""Two rankings as one."""

from collections import defaultdict
from collections.abc import Sequence

from qingyu_ai.knowledge.store import Hit

# Of reciprocal rank fusion: how little the first places differ.
_K = 60


def fused(*rankings: Sequence[Hit]) -> list[Hit]:
    """The hits of several rankings by the sum of their reciprocal ranks, best first.

    The score is that sum as a share of its largest value: 1 for what is first in each.
    """
    hits = {hit.id: hit for ranking in rankings for hit in ranking}
    shares: defaultdict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, hit in enumerate(ranking):
            shares[hit.id] += (_K + 1) / (_K + 1 + rank) / len(rankings)
    return [hits[key].scored(share) for key, share in sorted(shares.items(), key=lambda item: -item[1])]
