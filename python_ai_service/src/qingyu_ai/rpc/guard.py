"""What every call goes through: the token, the request id, the log line, and errors in the contract's codes."""

import logging
import math
from collections.abc import Sequence
from typing import Any, overload

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext

from qingyu_ai.callers import Credential, tenant_of
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.rpc.error_details import details_of
from qingyu_ai.serving.stopping import Stop
from qingyu_ai.telemetry.call import CallRecord, begin_call, current_call
from qingyu_ai.telemetry.log import event
from qingyu_ai.telemetry.observers import CallObserver

_log = logging.getLogger("qingyu_ai.calls")

# The gateway decides by these codes where a failure leads: a refusal of our own credential is no `unauthenticated`,
# which would mean the gateway's.
CODES = {
    Reason.INVALID_REQUEST: Code.INVALID_ARGUMENT,
    Reason.UNSUPPORTED_PARAMETER: Code.INVALID_ARGUMENT,
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
    Reason.SERVICE_UNAVAILABLE: Code.UNAVAILABLE,
    Reason.INTERNAL: Code.INTERNAL,
}
_REASONS = frozenset(Reason)
_OPEN = frozenset({"HealthCheck"})
_RETRY_AFTER_S = 1.0
# Those that the gateway answers with a status from 500.
_FAILURES = frozenset({Code.INTERNAL, Code.UNKNOWN, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED})

Context = RequestContext[Any, Any]


class Guard:
    """A metadata interceptor of connectrpc; plain gRPC calls it in the same way.

    Args:
        token: The bearer token that callers must send; None lets everybody in. HealthCheck is open.
        max_concurrency: Calls at once, HealthCheck apart; more are refused before their bodies are read.
        stop: Tells whose calls are ended because the process ends.
        observers: Who is told of each call besides the log.
    """

    def __init__(
        self, token: str | None, max_concurrency: int, stop: Stop, observers: Sequence[CallObserver] = ()
    ) -> None:
        self._credential = Credential(token)
        self._max_concurrency = max_concurrency
        self._stop = stop
        self._observers = observers
        self._under_way = 0

    async def on_start(self, ctx: Context) -> CallRecord:
        """Begins the call's record; echoes the caller's request id, by which the gateway knows its answers.

        Raises where the token is wrong or a header cannot be used.
        """
        headers = ctx.request_headers
        record = begin_call(headers.get("x-request-id") or "", headers.get("traceparent") or "")
        if record.request_id:
            ctx.response_headers["x-request-id"] = record.request_id
        for observer in self._observers:
            observer.began(record, ctx.method.name)
        try:
            if ctx.method.name not in _OPEN:
                self._admit(ctx)
            record.tenant = tenant_of([said for name, said in headers.allitems() if name == "x-qingyu-tenant"])
        except ServiceError as error:
            raise self._end(record, ctx, error) from None
        self._under_way += ctx.method.name not in _OPEN
        return record

    async def on_end(self, record: CallRecord, ctx: Context, error: Exception | None, /) -> None:
        """Writes the log line; raises what the caller is told instead of `error`."""
        self._under_way -= ctx.method.name not in _OPEN
        if isinstance(error, ConnectError) and error.code is Code.CANCELED and self._stop.is_asked:
            error = ServiceError(Reason.SERVICE_UNAVAILABLE, "The service stops.", retry_after_s=_RETRY_AFTER_S)
        told = self._end(record, ctx, error)
        if told is None or error is None:
            return
        # connectrpc keeps the error in a frame that the error's traceback leads to: a circle, which would keep the
        # request in memory until the next run of the garbage collector.
        error.__traceback__ = None
        if told is not error:
            raise told from error

    @overload
    def _end(self, record: CallRecord, ctx: Context, error: Exception) -> ConnectError: ...
    @overload
    def _end(self, record: CallRecord, ctx: Context, error: Exception | None) -> ConnectError | None: ...
    def _end(self, record: CallRecord, ctx: Context, error: Exception | None) -> ConnectError | None:
        """Tells the log and the observers; what the caller is told of an error."""
        told = None if error is None else _told(error)
        if isinstance(error, ServiceError) and error.retry_after_s is not None:
            ctx.response_headers["retry-after"] = str(math.ceil(error.retry_after_s))
        word = told.message.partition(":")[0] if told else ""
        word = word if word in _REASONS else ""
        _write(record, ctx, told, word)
        for observer in self._observers:
            observer.ended(record, ctx.method.name, told.code.value if told else "ok", word)
        return told

    def _admit(self, ctx: Context) -> None:
        self._credential.check((ctx.request_headers.get("authorization") or "").encode())
        if self._under_way >= self._max_concurrency:
            raise ServiceError(
                Reason.SERVICE_UNAVAILABLE, "The service has too much to do.", retry_after_s=_RETRY_AFTER_S
            )


def _write(record: CallRecord, ctx: Context, error: ConnectError | None, word: str) -> None:
    usage = {"promptTokens": record.prompt_tokens, "completionTokens": record.completion_tokens}
    # Probes come every few seconds.
    level = logging.DEBUG if ctx.method.name == "HealthCheck" else logging.INFO
    event(
        _log,
        level if error is None or error.code not in _FAILURES else logging.ERROR,
        "call",
        rpc=ctx.method.name,
        code=error.code.value if error else "ok",
        error=word,
        requestId=record.request_id,
        traceId=record.trace_id,
        tenant=record.tenant,
        model=record.model,
        provider=record.provider,
        finishReason=record.finish_reason,
        knowledge=record.knowledge,
        usage=usage if record.prompt_tokens is not None else None,
        firstTokenMs=record.first_token_ms,
        durationMs=record.age_ms,
    )


def _told(error: Exception) -> ConnectError:
    """The error as it goes over the wire. Texts of exceptions that are not ours stay in the log."""
    if isinstance(error, ConnectError):
        return error
    if isinstance(error, ServiceError):
        return ConnectError(CODES[error.reason], f"{error.reason}: {error.message}", details_of(error))
    _log.error("a call failed unexpectedly", exc_info=error, extra={"fields": {"requestId": current_call().request_id}})
    return ConnectError(Code.INTERNAL, f"{Reason.INTERNAL}: The service failed.")
