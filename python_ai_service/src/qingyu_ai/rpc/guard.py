"""What every call goes through: the token, the request id, the log line, and errors in the contract's codes."""

import hmac
import json
import logging
import re
import time
from dataclasses import dataclass
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext

from qingyu_ai.errors import Reason, ServiceError

_log = logging.getLogger("qingyu_ai.calls")

# The gateway decides by these codes where a failure leads: a refusal of our own credential is no `unauthenticated`,
# which would mean the gateway's.
CODES = {
    Reason.INVALID_REQUEST: Code.INVALID_ARGUMENT,
    Reason.CONTEXT_LENGTH_EXCEEDED: Code.INVALID_ARGUMENT,
    Reason.CONTENT_FILTER: Code.INVALID_ARGUMENT,
    Reason.UNAUTHENTICATED: Code.UNAUTHENTICATED,
    Reason.MODEL_NOT_FOUND: Code.NOT_FOUND,
    Reason.RATE_LIMITED: Code.RESOURCE_EXHAUSTED,
    Reason.QUOTA_EXHAUSTED: Code.RESOURCE_EXHAUSTED,
    Reason.MODEL_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.MODEL_CREDENTIAL: Code.UNAVAILABLE,
    Reason.MODEL_TIMEOUT: Code.DEADLINE_EXCEEDED,
    Reason.MODEL_BAD_ANSWER: Code.INTERNAL,
    Reason.KNOWLEDGE_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.KNOWLEDGE_OTHER_MODEL: Code.FAILED_PRECONDITION,
    Reason.INTERNAL: Code.INTERNAL,
}
_REASONS = frozenset(Reason)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

Context = RequestContext[Any, Any]


@dataclass(frozen=True, slots=True)
class _Started:
    at_s: float
    request_id: str


class Guard:
    """A metadata interceptor of connectrpc; plain gRPC calls it in the same way.

    Args:
        token: The bearer token that callers must send; None lets everybody in. HealthCheck is open.
    """

    def __init__(self, token: str | None) -> None:
        self._authorization = None if token is None else f"Bearer {token}".encode()

    async def on_start(self, ctx: Context) -> _Started:
        """Echoes the caller's request id, by which the gateway knows its answers. Raises where the token is wrong."""
        request_id = ctx.request_headers.get("x-request-id") or ""
        if _REQUEST_ID.fullmatch(request_id):
            ctx.response_headers["x-request-id"] = request_id
        else:
            request_id = ""
        started = _Started(time.perf_counter(), request_id)
        sent = (ctx.request_headers.get("authorization") or "").encode()
        is_open = self._authorization is None or ctx.method.name == "HealthCheck"
        if not is_open and not hmac.compare_digest(sent, self._authorization or b""):
            refusal = _told(ServiceError(Reason.UNAUTHENTICATED, "The bearer token is wrong."))
            self._write(started, ctx, refusal)
            raise refusal
        return started

    async def on_end(self, started: _Started, ctx: Context, error: Exception | None, /) -> None:
        """Writes the log line; raises what the caller is told instead of `error`."""
        told = None if error is None else _told(error)
        self._write(started, ctx, told)
        if told is None:
            return
        if isinstance(error, ServiceError) and error.retry_after_s is not None:
            ctx.response_headers["retry-after"] = f"{error.retry_after_s:.0f}"
        if told is not error:
            raise told from error

    def _write(self, started: _Started, ctx: Context, error: ConnectError | None) -> None:
        word = error.message.partition(":")[0] if error else ""
        line = {
            "rpc": ctx.method.name,
            "code": error.code.value if error else "ok",
            "reason": word if word in _REASONS else None,
            "request_id": started.request_id or None,
            "duration_ms": round((time.perf_counter() - started.at_s) * 1000),
        }
        # Probes come every few seconds.
        level = logging.DEBUG if ctx.method.name == "HealthCheck" and error is None else logging.INFO
        _log.log(level, json.dumps({name: value for name, value in line.items() if value is not None}))


def _told(error: Exception) -> ConnectError:
    """The error as it goes over the wire. Texts of exceptions that are not ours stay in the log."""
    if isinstance(error, ConnectError):
        return error
    if isinstance(error, ServiceError):
        return ConnectError(CODES[error.reason], f"{error.reason}: {error.message}")
    _log.error("a call failed unexpectedly", exc_info=error)
    return ConnectError(Code.INTERNAL, f"{Reason.INTERNAL}: The service failed.")
