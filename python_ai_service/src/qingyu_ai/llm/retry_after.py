"""How long a provider asks us to wait."""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_MAX_WAIT_S = 3600.0
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")


def retry_after_s(headers: Mapping[str, str], now_s: float | None = None) -> float | None:
    """Seconds to wait, at most an hour.

    That is `retry-after-ms`, else `retry-after` in seconds or as a date (RFC 9110, 10.2.3).

    Args:
        headers: The answer's, by names without case.
        now_s: Unix time; the clock's where None.
    """
    said = headers.get("retry-after", "").strip()
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        wait_s = float(milliseconds) / 1000
    elif _NUMBER.fullmatch(said):
        wait_s = float(said)
    else:
        try:
            at_s = parsedate_to_datetime(said).timestamp()
        except (ValueError, OverflowError):
            return None
        wait_s = at_s - (time.time() if now_s is None else now_s)
    return min(_MAX_WAIT_S, max(0.0, wait_s))
