"""One port's server: uvicorn, with our connections and our end."""

import asyncio
import socket
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import uvicorn

from qingyu_ai.serving.connections import Connection, Crowd
from qingyu_ai.serving.door import Application
from qingyu_ai.serving.ports import BACKLOG
from qingyu_ai.serving.stopping import Stop

# Longer than callers' pools keep a connection: whoever sends on one that was just closed must ask again.
_KEEP_ALIVE_S = 75
# Connections taken at once; each may be closed again before the next are taken.
_ACCEPTED_AT_ONCE = 16
_LAST_WORDS_S = 1.0
_TICK_S = 0.05


class HttpServer(uvicorn.Server):
    """Serves until it is told to stop, then lets what is under way end.

    Args:
        app: What answers.
        listening: The socket; closed at the end.
        stop: Cuts the end short.
        drain_s: Seconds that what is under way may take since the end was asked for.
        connections: More are never open.
    """

    def __init__(
        self, app: Application, listening: socket.socket, stop: Stop, *, drain_s: float, connections: int
    ) -> None:
        protocol = partial(Connection, crowd=Crowd(connections))
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_ACCEPTED_AT_ONCE,
                timeout_keep_alive=_KEEP_ALIVE_S,
            )
        )
        self._listening = listening
        self._stop = stop
        self._drain_s = drain_s

    async def run_until_stopped(self) -> None:
        """Raises `RuntimeError` where the server ends without having been told to."""
        await self.serve(sockets=[self._listening])
        if not self._stop.is_asked:
            raise RuntimeError("a server ended by itself")

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leaves the process's signals alone: two servers would take them from each other."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn; asyncio takes its batches' size for the backlog too, which is put right here."""
        await super().startup(sockets)
        self._listening.listen(BACKLOG)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes nothing new, lets what is under way end, then ends it with an answer where that is possible."""
        for server in self.servers:
            server.close()
        for listening in sockets or ():
            listening.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        while (state.connections or state.tasks) and not self._stop.is_over(self._drain_s):  # noqa: ASYNC110 (sets, no events)
            await asyncio.sleep(_TICK_S)
        if state.tasks:
            for task in state.tasks:
                task.cancel()
            await asyncio.wait(state.tasks, timeout=_LAST_WORDS_S)
        for connection in list(state.connections):
            connection.transport.close()
