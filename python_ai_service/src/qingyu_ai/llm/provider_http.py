"""The HTTP client towards providers: it follows no redirects, and what it reads is bounded."""

import zlib
from collections.abc import AsyncIterator

import httpx2

MAX_ERROR_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_STREAM_BYTES = 64 * 1024 * 1024
_STEP_BYTES = 64 * 1024
SILENCE_S = 120.0
_CONNECT_S = 10.0
_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
# Either coding may stand behind the word deflate; 32 lets zlib look at the head of gzip and zlib.
_ANY_HEAD = 32 + zlib.MAX_WBITS


class AnswerTooLargeError(httpx2.TransportError):
    """An answer beyond its bound, or in a coding that cannot be read within bounds."""


def bounded_client(silence_s: float) -> httpx2.AsyncClient:
    """A client for one of the official packages.

    An error's body is cut after 64 KiB; a whole answer may have 8 MiB and a streamed one 64, unpacked. More raises
    `AnswerTooLargeError`. Proxies of the environment are used as ever.

    Args:
        silence_s: Seconds without a byte after which a call fails. Connecting may take ten.
    """
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(silence_s, connect=_CONNECT_S),
        limits=_LIMITS,
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [_bound]},
    )


async def _bound(response: httpx2.Response) -> None:
    is_stream = "event-stream" in response.headers.get("content-type", "")
    coding = response.headers.pop("content-encoding", "identity").strip().lower()
    is_error = response.status_code >= httpx2.codes.MULTIPLE_CHOICES
    limit = MAX_ERROR_BYTES if is_error else MAX_STREAM_BYTES if is_stream else MAX_ANSWER_BYTES
    inner = response.stream
    if isinstance(inner, httpx2.AsyncByteStream):
        response.stream = _Bounded(inner, coding, limit, is_cut=is_error)


class _Bounded(httpx2.AsyncByteStream):
    """Unpacks in small steps, so that a small packed body cannot become a large one at once."""

    def __init__(self, inner: httpx2.AsyncByteStream, coding: str, limit: int, *, is_cut: bool) -> None:
        self._inner = inner
        self._coding = coding
        self._limit = limit
        self._is_cut = is_cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        async for piece in self._unpacked():
            left -= len(piece)
            if left < 0 and not self._is_cut:
                raise AnswerTooLargeError("a provider's answer is too large")
            yield piece[: len(piece) + min(0, left)]
            if left <= 0 and self._is_cut:
                return

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _unpacked(self) -> AsyncIterator[bytes]:
        if self._coding in ("", "identity"):
            async for packed in self._inner:
                yield packed
            return
        if self._coding not in ("gzip", "x-gzip", "deflate"):
            raise AnswerTooLargeError("a provider's answer is packed in an unknown way")
        unpacker = zlib.decompressobj(_ANY_HEAD)
        async for packed in self._inner:
            rest = packed
            while rest:
                try:
                    piece = unpacker.decompress(rest, _STEP_BYTES)
                except zlib.error as error:
                    raise httpx2.DecodingError("a provider's answer is not packed as it says") from error
                rest = unpacker.unconsumed_tail
                if not piece:
                    break
                yield piece
