"""How the service's parts are."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from qingyu_ai.errors import Reason, ServiceError

_CHECK_TIMEOUT_S = 1.5
# A part that is here, or that did not work, is asked again so soon; a provider that works costs a call each time.
SOON_S = 5.0
PROVIDER_FRESH_S = 60.0
_ABOUT_PROVIDERS = frozenset(
    {
        Reason.MODEL_UNAVAILABLE,
        Reason.MODEL_CREDENTIAL,
        Reason.MODEL_TIMEOUT,
        Reason.MODEL_BAD_ANSWER,
        Reason.QUOTA_EXHAUSTED,
    }
)


@dataclass(frozen=True, slots=True)
class Report:
    """`status` is healthy, degraded or unhealthy; `checks` has ok or error for each part."""

    status: str
    checks: dict[str, str]


class Part:
    """One part of the service, and what was last known of it.

    Args:
        check: Raises `ServiceError`, `OSError` or `TimeoutError` where the part does not work.
        fresh_s: For so long a part that worked is not asked again.
    """

    def __init__(self, check: Callable[[], Awaitable[object]], fresh_s: float = SOON_S) -> None:
        self._check = check
        self._fresh_s = fresh_s
        self._is_ok = False
        self._known_until_s = 0.0

    def worked(self) -> None:
        """A call of the service's own was answered: nobody needs to ask."""
        self._know(is_ok=True)

    def failed(self, error: ServiceError) -> None:
        """A call of the service's own failed; the part is asked next time, where that can be its fault."""
        if error.reason in _ABOUT_PROVIDERS:
            self._known_until_s = 0.0

    async def is_ok(self) -> bool:
        """Asks the part where it must, for at most 1.5 s."""
        if time.monotonic() >= self._known_until_s:
            try:
                async with asyncio.timeout(_CHECK_TIMEOUT_S):
                    await self._check()
                self._know(is_ok=True)
            except (ServiceError, TimeoutError, OSError):
                self._know(is_ok=False)
        return self._is_ok

    def _know(self, *, is_ok: bool) -> None:
        self._is_ok = is_ok
        self._known_until_s = time.monotonic() + (self._fresh_s if is_ok else SOON_S)


class Health:
    """How the service is, by its parts; all are asked at once.

    Args:
        parts: By name.
        needed: The part without which nothing can be written: unhealthy, not degraded.
    """

    def __init__(self, parts: Mapping[str, Part], needed: str) -> None:
        self._parts = parts
        self._needed = needed
        self._asking = asyncio.Lock()

    async def report(self) -> Report:
        """Never fails."""
        async with self._asking:
            outcomes = await asyncio.gather(*(part.is_ok() for part in self._parts.values()))
        checks = {name: "ok" if is_ok else "error" for name, is_ok in zip(self._parts, outcomes, strict=True)}
        if checks[self._needed] != "ok":
            return Report("unhealthy", checks)
        return Report("healthy" if all(outcomes) else "degraded", checks)
