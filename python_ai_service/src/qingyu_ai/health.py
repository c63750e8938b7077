"""How the service's parts are."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from qingyu_ai.errors import ServiceError

_CHECK_TIMEOUT_S = 3.0
_FRESH_S = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    """`status` is healthy, degraded or unhealthy; `checks` has ok or error for each part."""

    status: str
    checks: dict[str, str]


class Health:
    """Asks each configured part, at most every five seconds, all at once and for at most three.

    Args:
        checks: Part to a check that raises `ServiceError` where the part does not work.
        needed: The part without which nothing can be written: unhealthy, not degraded.
    """

    def __init__(self, checks: Mapping[str, Callable[[], Awaitable[object]]], needed: str) -> None:
        self._checks = checks
        self._needed = needed
        self._asking = asyncio.Lock()
        self._report: Report | None = None
        self._asked_at_s = 0.0

    async def report(self) -> Report:
        """Never fails."""
        async with self._asking:
            if self._report is None or time.monotonic() - self._asked_at_s > _FRESH_S:
                self._report = await self._ask()
                self._asked_at_s = time.monotonic()
            return self._report

    async def _ask(self) -> Report:
        outcomes = await asyncio.gather(*(_outcome(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, outcomes, strict=True))
        failed = {name for name, outcome in checks.items() if outcome != "ok"}
        if self._needed in failed:
            return Report("unhealthy", checks)
        return Report("degraded" if failed else "healthy", checks)


async def _outcome(check: Callable[[], Awaitable[object]]) -> str:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            await check()
    except (ServiceError, TimeoutError, OSError):
        return "error"
    return "ok"
