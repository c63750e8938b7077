"""How providers say that an answer ended, in the contract's words."""

import logging
import re

_log = logging.getLogger(__name__)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
_WORDS = {
    "stop": "stop eos eos_token end end_turn stop_sequence stop_token complete completed done finished",
    "length": (
        "length max_tokens max_output_tokens max_length model_length token_limit context_length "
        "model_context_window_exceeded max_completion_tokens"
    ),
    "content_filter": (
        "content_filter content_filtered safety refusal sensitive recitation blocklist prohibited_content spii "
        "guardrail_intervened moderation language image_safety"
    ),
    "tool_calls": "tool_calls tool_call tool_use function_call",
    # The provider gave up: what came is not the answer.
    "": (
        "error abort aborted cancelled canceled network_error insufficient_system_resource engine_error timeout "
        "malformed_function_call"
    ),
}
_CONTRACTS = {word: reason for reason, words in _WORDS.items() for word in words.split()}


def finish_reason_of(word: object) -> str | None:
    """The contract's word for a provider's, in any case; "" where the provider gave up, None where it said nothing.

    A word that nobody knows ends an answer as `stop` does.
    """
    if not isinstance(word, str) or not word.strip():
        return None
    known = word.strip().lower().removeprefix("finish_reason_").replace("-", "_")
    if known not in _CONTRACTS:
        _log.warning("unknown finish reason: %s", word if _WORD.fullmatch(word) else "not a word")
    return _CONTRACTS.get(known, "stop")
