"""Reads what a provider says when it fails, whatever shape its body has. Nothing of it is ever told."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LEAST_STATUS = 400
_MOST_STATUS = 599
_MAX_MESSAGE_CHARS = 4000
_OK_BELOW = 300
_SAID_IN_A_STREAM = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """A provider's failure.

    Attributes:
        status: HTTP status; for an error within an answer the numeric code, else 500.
        words: Its codes, types and reasons, in lower case without underscores and the like.
        message: Its sentences, for pattern matching only.
        parameter: The name of the parameter that it objects to, where it says so in a field of its own.
    """

    status: int
    words: frozenset[str] = frozenset()
    message: str = ""
    parameter: str = ""


def problem_of(status: int, body: bytes) -> Problem:
    """What an error answer says. A body that cannot be read leaves the status."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    return problem_in(value, status)


def problem_in(value: object, status: int = 0) -> Problem:
    """The same for what is parsed already; a status of 0 is that of an error within an answer that began well."""
    error = _error_in(value)
    details = [detail for detail in _list(error.get("details")) if isinstance(detail, dict)]
    metadata, inner = _object(error.get("metadata")), _object(error.get("innererror"))
    said = [error.get("code"), error.get("type"), error.get("status"), inner.get("code"), metadata.get("error_type")]
    said += [detail.get("reason") for detail in details]
    if _list(metadata.get("reasons")):
        said.append("content_filter")
    places = [place for detail in _list(error.get("detail")) if (place := _place_of(detail))]
    message = " ".join(_texts(error, metadata))[:_MAX_MESSAGE_CHARS]
    named = error.get("param")
    parameter: str = named if isinstance(named, str) else next(iter(places), "")
    return Problem(
        status=status if status >= _OK_BELOW else _numeric(error.get("code")) or _SAID_IN_A_STREAM,
        words=frozenset(_normal(word) for word in said if isinstance(word, str | int)),
        message=message,
        parameter=parameter.partition(".")[0],
    )


def _error_in(value: object) -> dict[str, Any]:
    """The error object: under `error`, in a list, or the body itself."""
    if isinstance(value, list):
        value = next(iter(value), None)
    if not isinstance(value, dict):
        return {}
    error = value.get("error") or next(iter(_list(value.get("errors"))), None)
    if isinstance(error, list):
        error = next(iter(error), None)
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {**value, "message": error}
    if isinstance(value.get("detail"), dict):
        return _error_in({"error": value["detail"]})
    if isinstance(value.get("message"), dict):
        # Mistral's form: {"message": {"detail": [...]}, "type": ...}.
        return {**value, **value["message"]}
    return value if value.keys() & {"message", "detail", "code", "type", "msg"} else {}


def _texts(error: dict[str, Any], metadata: dict[str, Any]) -> Iterator[str]:
    for text in (error.get("message"), error.get("msg"), error.get("detail"), metadata.get("raw")):
        if isinstance(text, str):
            yield text
    for detail in _list(error.get("detail")):
        if isinstance(detail, dict) and isinstance(detail.get("msg"), str):
            yield detail["msg"]


def _place_of(detail: object) -> str:
    """The parameter in FastAPI's form: {"loc": ["body", "stream_options", "include_usage"], "msg": ...}."""
    place = _list(detail.get("loc")) if isinstance(detail, dict) else []
    return next((name for name in place if isinstance(name, str) and name != "body"), "")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _numeric(code: object) -> int:
    """A code that is a status, as a number or its digits; else 0."""
    if isinstance(code, str) and re.fullmatch(r"[45]\d\d", code):
        code = int(code)
    return code if isinstance(code, int) and _LEAST_STATUS <= code <= _MOST_STATUS else 0


def _normal(word: str | int) -> str:
    return re.sub(r"[^a-z0-9]", "", str(word)[:100].lower())
