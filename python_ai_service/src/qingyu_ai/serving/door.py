"""What every request of a port goes through before the application: headers that can be read, bodies that come."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from qingyu_ai.serving.stopping import Stop

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# From when the application begins to read a body until it is there: 16 MiB in this time are 0.5 MiB a second.
BODY_S = 30.0
_SMALL_BYTES = 4096
_CLOSE = (b"connection", b"close")


class BodyRefused(Exception):  # noqa: N818 (no error of ours)
    """A request's body comes too slowly, or is larger than the path can need."""


class Door:
    """An ASGI application before another one.

    Args:
        app: Who answers.
        stop: Once it is asked, each answer closes its connection.
        small: Paths that anybody may ask and that need next to no body.
        refusal: What the application is told, while it reads, of a body that is not waited for.
    """

    def __init__(
        self,
        app: Application,
        stop: Stop,
        *,
        small: Collection[str] = (),
        refusal: Callable[[str], Exception] = BodyRefused,
    ) -> None:
        self._app = app
        self._stop = stop
        self._small = small
        self._refusal = refusal

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """See ASGI."""
        scope["headers"] = [(name, _readable(value)) for name, value in scope["headers"]]
        body = _Body(receive, _SMALL_BYTES if scope["path"] in self._small else None, self._refusal)

        has_begun = is_complete = False

        async def answer(message: Message) -> None:
            nonlocal has_begun, is_complete
            if message["type"] == "http.response.start" and self._stop.is_asked:
                message["headers"] = [*message.get("headers", ()), _CLOSE]
            await send(message)
            has_begun = True
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)

        if _needs_trailers(scope["headers"]):
            await _refuse(415, answer)
            return
        try:
            await self._app(scope, body.receive, answer)
        except asyncio.CancelledError:
            # The server ends what did not end by itself. It would log as a failure what is none.
            if not self._stop.is_asked or (has_begun and not is_complete):
                raise
            if not has_begun:
                await _refuse(503, answer)


class _Body:
    """A request's body, which must be there in time."""

    def __init__(self, receive: Receive, limit: int | None, refusal: Callable[[str], Exception]) -> None:
        self._receive = receive
        self._limit = limit
        self._refusal = refusal
        self._ends_at_s: float | None = None
        self._is_whole = False
        self._bytes = 0

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        if self._ends_at_s is None:
            self._ends_at_s = asyncio.get_running_loop().time() + BODY_S
        try:
            async with asyncio.timeout_at(self._ends_at_s):
                message = await self._receive()
        except TimeoutError:
            raise self._refusal(f"The request's body did not come within {BODY_S:.0f} s.") from None
        self._is_whole = not message.get("more_body", False)
        self._bytes += len(message.get("body", b""))
        if self._limit is not None and self._bytes > self._limit:
            raise self._refusal(f"The request's body is larger than {self._limit} bytes.")
        return message


async def _refuse(status: int, answer: Send) -> None:
    await answer({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await answer({"type": "http.response.body", "body": b""})


def _readable(value: bytes) -> bytes:
    """A header's value as UTF-8, which applications take it for; odd bytes stay odd, and none is an exception."""
    return value if value.isascii() else value.decode("latin-1").encode()


def _needs_trailers(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether this is plain gRPC, whose status would come after the body: HTTP/1.1's servers cannot send that."""
    content_type = next((value for name, value in headers if name == b"content-type"), b"")
    return content_type.startswith(b"application/grpc") and not content_type.startswith(b"application/grpc-web")
