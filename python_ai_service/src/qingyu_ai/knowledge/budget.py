"""Which cards fit into a budget of tokens; a card is the fields of one message of an answer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from qingyu_ai.tokens import cut_to_tokens, estimate_tokens

Card = Mapping[str, Any]

# Left whole: by these a reader knows what the card is about.
_WHOLE = frozenset({"id", "title", "name", "order", "level"})
_CUT = "……"
_LEAST_FIELD_TOKENS = 12
_LEAST_CARD_TOKENS = 120
_LEAST_LEFT_TOKENS = 20
_MAX_MISFITS = 50


def cost(value: object) -> int:
    """The tokens of a value as compact JSON, with the comma after it."""
    return estimate_tokens(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) + 1


def allowances(demands: Mapping[str, int], shares: Mapping[str, int], budget_tokens: int) -> dict[str, int]:
    """How much of a budget each kind may spend: what it needs, as far as its share goes and what others leave.

    Args:
        demands: The tokens that each kind could spend.
        shares: The weight of each kind, by which also what others leave is handed out.
        budget_tokens: Of all kinds.
    """
    given = dict.fromkeys(demands, 0)
    left = budget_tokens
    while wanting := [kind for kind in demands if given[kind] < demands[kind]]:
        weight = sum(shares[kind] for kind in wanting)
        more = {kind: min(demands[kind] - given[kind], left * shares[kind] // weight) for kind in wanting}
        if not any(more.values()):
            break
        for kind, tokens in more.items():
            given[kind] += tokens
            left -= tokens
    return given


def demand(cards: Sequence[Card], budget_tokens: int) -> int:
    """The tokens of all cards, or the budget where they are more."""
    total = 0
    for card in cards:
        total += cost(card)
        if total >= budget_tokens:
            return budget_tokens
    return total


def filled(cards: Sequence[Card], budget_tokens: int, *, unbroken: bool = False, keep_end: str = "") -> list[Card]:
    """The cards that fit, the first ones first.

    A card takes at most half of what is left where others need the rest, so that none starves them; it is cut to that.
    One that cannot be cut so far is left out, and those behind it are tried.

    Args:
        cards: The most wanted first.
        budget_tokens: For all of them.
        unbroken: Ends at the first card that does not fit.
        keep_end: The field of which the end is kept where it is cut.
    """
    found: list[Card] = []
    left, misfits = budget_tokens, 0
    for index, card in enumerate(cards):
        if left < _LEAST_LEFT_TOKENS or misfits > _MAX_MISFITS:
            break
        limit = left
        if cost(card) > left // 2:
            others = demand(cards[index + 1 :], left)
            limit = min(left, max(left - others, left // 2, _LEAST_CARD_TOKENS))
        fits = cut(card, limit, keep_end)
        if fits is not None:
            found.append(fits)
            left -= cost(fits)
        elif unbroken:
            break
        else:
            misfits += 1
    return found


def cut(card: Card, limit_tokens: int, keep_end: str = "") -> Card | None:
    """The card with its longest fields cut until it costs no more than a limit; None where what must stay does."""
    fields = {name: value for name, value in card.items() if value}
    while (over := cost(fields) - limit_tokens) > 0:
        sizes = sorted(((cost(value), name) for name, value in fields.items() if name not in _WHOLE), reverse=True)
        if not sizes:
            return None
        size, name = sizes[0]
        # The longest is brought down to the next one first, so that no field pays for another's length.
        following = sizes[1][0] if len(sizes) > 1 else 0
        target = max(size - over - 1, min(following, size // 2))
        shorter = (
            _shortened(fields[name], target, from_start=name == keep_end) if target >= _LEAST_FIELD_TOKENS else None
        )
        if shorter:
            fields[name] = shorter
        else:
            del fields[name]
    return fields


def _shortened(value: Any, target_tokens: int, *, from_start: bool) -> Any:  # noqa: ANN401 (a field of any card)
    if isinstance(value, str):
        # Quotes, backslashes and line ends are two characters in JSON: the rest of the loop sees to them.
        room = target_tokens - cost(_CUT)
        kept = cut_to_tokens(value[::-1], room)[::-1] if from_start else cut_to_tokens(value, room)
        return (_CUT + kept if from_start else kept + _CUT) if kept else ""
    parts = list(value.items()) if isinstance(value, Mapping) else list(value)
    while parts and cost(dict(parts) if isinstance(value, Mapping) else parts) > target_tokens:
        parts.pop()
    return dict(parts) if isinstance(value, Mapping) else parts
