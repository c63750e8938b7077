"""How the process ends: first what is under way may end, then everything ends."""

import asyncio
import time


class Stop:
    """Told of signals; asked by everybody who must know that the process ends."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._hurried = asyncio.Event()
        self._asked_at_s = 0.0

    def ask(self) -> None:
        """The first time: what is under way may end, for as long as DRAIN_SECONDS says. The second time: it may not."""
        if self._asked.is_set():
            self._hurried.set()
        else:
            self._asked_at_s = time.monotonic()
        self._asked.set()

    @property
    def is_asked(self) -> bool:
        """Whether the process is about to end."""
        return self._asked.is_set()

    def is_over(self, drain_s: float) -> bool:
        """Whether what is under way must end now; `drain_s` is how long it could take since the process was to end."""
        return self._hurried.is_set() or (self.is_asked and time.monotonic() - self._asked_at_s >= drain_s)

    async def asked(self) -> None:
        """Waits until the process is to end."""
        await self._asked.wait()

    async def hurried(self) -> None:
        """Waits until what is under way must end."""
        await self._hurried.wait()
