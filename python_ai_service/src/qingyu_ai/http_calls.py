"""What every call of the HTTP side's JSON goes through: the token, the log line, the body, and errors as JSON."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qingyu_ai.callers import Credential
from qingyu_ai.errors import Reason, ServiceError, invalid
from qingyu_ai.serving.door import BodyRefused
from qingyu_ai.telemetry.call import begin_call
from qingyu_ai.telemetry.log import event

_log = logging.getLogger("qingyu_ai.calls")
STATUS = {
    Reason.INVALID_REQUEST: 400,
    Reason.UNSUPPORTED_PARAMETER: 400,
    Reason.CONTEXT_LENGTH_EXCEEDED: 400,
    Reason.CONTENT_FILTER: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.MODEL_NOT_FOUND: 404,
    Reason.RATE_LIMITED: 429,
    Reason.QUOTA_EXHAUSTED: 429,
    Reason.MODEL_UNAVAILABLE: 503,
    Reason.MODEL_CREDENTIAL: 503,
    Reason.MODEL_TIMEOUT: 504,
    Reason.MODEL_BAD_ANSWER: 502,
    Reason.KNOWLEDGE_UNAVAILABLE: 503,
    Reason.KNOWLEDGE_OTHER_MODEL: 409,
    Reason.SERVICE_UNAVAILABLE: 503,
    Reason.INTERNAL: 500,
}
_TOO_LARGE, _TOO_SLOW = 413, 408
M = TypeVar("M", bound=BaseModel)


class Guarded:
    """Refuses callers without the token before anything of theirs is read; logs and counts each call.

    Args:
        api: Who answers.
        token: The bearer token that callers must send; None lets everybody in.
        operations: What a call is counted as, by its method and path; `other` where it is none of them.
        count: Is told of each call that, its HTTP status and how many seconds it took.
    """

    def __init__(
        self,
        api: ASGIApp,
        token: str | None,
        operations: Mapping[tuple[str, str], str],
        count: Callable[[str, int, float], None] | None,
    ) -> None:
        self._api = api
        self._credential = Credential(token)
        self._operations = operations
        self._count = count

    async def __call__(self, connection: Scope, receive: Receive, send: Send) -> None:
        headers = dict(connection["headers"])
        record = begin_call(*(headers.get(name, b"").decode("latin-1") for name in (b"x-request-id", b"traceparent")))
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if record.request_id:
                    message["headers"] = [*message["headers"], (b"x-request-id", record.request_id.encode())]
            await send(message)

        answer = self._api
        try:
            self._credential.check(headers.get(b"authorization", b""))
        except ServiceError as error:
            answer = _told(error)
        try:
            await answer(connection, receive, observed)
        finally:
            if self._count:
                operation = self._operations.get((connection["method"], connection["path"]), "other")
                self._count(operation, status, record.age_ms / 1000)
            event(
                _log,
                logging.INFO if status < 500 else logging.ERROR,
                "administration",
                method=connection["method"],
                path=connection["path"],
                status=status,
                requestId=record.request_id,
                traceId=record.trace_id,
                tenant=record.tenant,
                durationMs=record.age_ms,
            )


def answer_errors(api: FastAPI) -> None:
    """Has an application answer its errors as `{"error": {"code", "message"}}`, with the service's reasons."""

    @api.exception_handler(ServiceError)
    async def refused(_request: Request, error: ServiceError) -> JSONResponse:
        return _told(error)

    @api.exception_handler(RequestValidationError)
    async def misread(_request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(400, Reason.INVALID_REQUEST, _problem(error.errors()[0]))

    @api.exception_handler(HTTPException)
    async def unknown(_request: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, Reason.INVALID_REQUEST, f"{error.detail}.")

    @api.exception_handler(Exception)
    async def failed(_request: Request, _error: Exception) -> JSONResponse:
        return _answer(500, Reason.INTERNAL, "The service failed.")


class _BodyError(ServiceError):
    """A body that is not read to its end."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(Reason.INVALID_REQUEST, message)
        self.status = status


async def read_body(request: Request, shape: type[M], max_bytes: int) -> M:
    """Reads a request's JSON, at most so many bytes. Raises `invalid_request`."""
    declared = request.headers.get("content-length", "")
    too_large = _BodyError(_TOO_LARGE, f"body: has more than {max_bytes} bytes; send fewer documents at once.")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > max_bytes:
                raise too_large
    except ClientDisconnect:
        raise invalid("body: ended early.") from None
    except BodyRefused as error:
        raise _BodyError(_TOO_SLOW, f"body: {error}") from None
    # Reading 16 MiB takes long enough for other callers to notice.
    return await asyncio.to_thread(_read, bytes(content), shape)


def _read(content: bytes, shape: type[M]) -> M:
    try:
        return shape.model_validate(from_json(content))
    except ValidationError as error:
        raise invalid(_problem(error.errors(include_url=False, include_input=False)[0])) from None
    except ValueError as error:
        raise invalid(f"body: is not JSON ({error}).") from None


def _problem(problem: Mapping[str, Any]) -> str:
    """What is wrong with a field, by its path."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
    return f"{path.removeprefix('.query').removeprefix('.') or 'body'}: {problem['msg'].removeprefix('Value error, ')}."


def _told(error: ServiceError) -> JSONResponse:
    status = error.status if isinstance(error, _BodyError) else STATUS[error.reason]
    response = _answer(status, error.reason, error.message)
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(math.ceil(error.retry_after_s))
    return response


def _answer(status: int, reason: Reason, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": reason, "message": message}}, status)
