"""Reads what a provider answers as JSON objects: server-sent events, or one whole document."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

import httpx2

from qingyu_ai.errors import Reason, ServiceError

MAX_EVENT_BYTES = 1024 * 1024
_DRAIN_S = 0.1

Event = dict[str, object]


def bad_answer(message: str = "The provider's answer makes no sense.") -> ServiceError:
    """The failure of an answer that cannot be read; `message` is our own words."""
    return ServiceError(Reason.MODEL_BAD_ANSWER, message)


def too_large() -> ServiceError:
    """The failure of an answer beyond its bound."""
    return bad_answer("The provider's answer is too large.")


async def events_of(response: httpx2.Response) -> AsyncGenerator[Event]:
    """The events of a streamed answer; of a provider that does not stream, its whole answer as the only one.

    Events without data are skipped, and the last one needs no blank line behind it. An event named `error` is told as
    `{"error": ...}`. Raises `model_bad_answer` where an event is no JSON object or has more than 1 MiB.
    """
    if "json" in response.headers.get("content-type", ""):
        yield parsed(await response.aread())
        return
    name = b""
    data: list[bytes] = []
    size_bytes = 0
    lines = _lines(response.aiter_raw())
    async for line in lines:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
            size_bytes += len(line)
            if size_bytes > MAX_EVENT_BYTES:
                raise too_large()
        elif field == b"event":
            name = value
        elif not line:
            told, is_error = b"\n".join(data).strip(), name == b"error"
            name, data, size_bytes = b"", [], 0
            event = parsed(told) if told and told != b"[DONE]" else {}
            if event:
                yield {"error": event} if is_error and "error" not in event else event
            if told == b"[DONE]" or event.get("type") == "message_stop":
                await _drained(lines)
                return


async def _drained(lines: AsyncGenerator[bytes]) -> None:
    """Reads what follows the last event, so that the connection can be used again; for no longer than a moment.

    The answer is whole: how the connection fares is nothing to it any more.
    """
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in lines:
                pass


def parsed(text: bytes) -> Event:
    """A JSON object as it came from outside. Raises `model_bad_answer`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise bad_answer() from None
    if not isinstance(value, dict):
        raise bad_answer()
    return value


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Lines that end with LF or CRLF, and an empty one at the end, which ends the last event."""
    begun = bytearray()
    async for piece in pieces:
        first, *rest = piece.split(b"\n")
        begun += first
        for part in rest:
            yield bytes(begun.removesuffix(b"\r"))
            begun = bytearray(part)
        if len(begun) > MAX_EVENT_BYTES:
            raise too_large()
    yield bytes(begun.removesuffix(b"\r"))
    yield b""
