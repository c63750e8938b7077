"""Connections that cost little: who sends nothing, or too slowly, is closed, and so is who stands in another's way."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# From the first byte of a request, or from the connection's beginning, until all its headers are there.
HEADERS_S = 10.0
# A request that was answered before its body was read may send the rest for so long.
_LINGER_S = 5.0
# A caller who reads nothing of his answer for so long has gone.
_UNREAD_S = 30.0


class Crowd:
    """All connections of a port.

    Args:
        limit: More than so many are never open: who never asked anything is closed for the next one, the oldest first,
            then who asked longest ago. Who is being answered stays.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._silent: OrderedDict[Connection, None] = OrderedDict()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._busy: set[Connection] = set()

    def opened(self, connection: Connection) -> None:
        """Takes a connection in, and closes another where there are too many."""
        self._silent[connection] = None
        if len(self._silent) + len(self._idle) + len(self._busy) > self._limit:
            longest, _ = (self._silent if len(self._silent) > 1 else self._idle or self._silent).popitem(last=False)
            longest.cut()

    def asks(self, connection: Connection) -> None:
        """The headers of a request are there."""
        self.closed(connection)
        self._busy.add(connection)

    def answered(self, connection: Connection) -> None:
        """The answer is complete."""
        self.closed(connection)
        self._idle[connection] = None

    def closed(self, connection: Connection) -> None:
        """Forgets a connection."""
        self._silent.pop(connection, None)
        self._idle.pop(connection, None)
        self._busy.discard(connection)


class Connection(H11Protocol):
    """uvicorn's connection with deadlines for headers and for unread answers, in a crowd."""

    def __init__(self, *arguments: Any, crowd: Crowd, **named: Any) -> None:  # noqa: ANN401 (uvicorn's)
        super().__init__(*arguments, **named)
        self._crowd = crowd
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(HEADERS_S)
        self._crowd.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._is_waiting and self._deadline is None:
            self._within(HEADERS_S)
        super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._at_leisure()
            if not self.cycle.response_complete:
                self._crowd.asks(self)

    def on_response_complete(self) -> None:
        self._crowd.answered(self)
        if self.conn.their_state is h11.SEND_BODY:
            self._within(_LINGER_S)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuses what cannot be read, where no answer has begun, and tells whoever would answer that nobody waits."""
        if not self._is_waiting:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(_UNREAD_S, self.cut)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._at_leisure()
        if self._unread:
            self._unread.cancel()
        self._crowd.closed(self)
        super().connection_lost(exc)

    def cut(self) -> None:
        """Ends the connection at once."""
        self.transport.abort()

    @property
    def _is_waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _within(self, seconds: float) -> None:
        self._at_leisure()
        self._deadline = self.loop.call_later(seconds, self.cut)

    def _at_leisure(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
