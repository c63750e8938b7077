"""What an error says to machines beside its code and message, in the messages of google.rpc."""

import math

from protobuf.wkt import Any, Duration

from qingyu_ai.errors import ServiceError

_DOMAIN = "qingyu.ai"


def details_of(error: ServiceError) -> list[Any]:
    """`google.rpc.ErrorInfo` with the reason in capitals, and `google.rpc.RetryInfo` where asking again can help.

    The two are small enough to be written by hand (google/rpc/error_details.proto).
    """
    details = [_any("ErrorInfo", _field(1, error.reason.upper().encode()) + _field(2, _DOMAIN.encode()))]
    if error.retry_after_s is not None:
        nanos, seconds = math.modf(error.retry_after_s)
        delay = Duration(seconds=int(seconds), nanos=round(nanos * 1e9))
        details.append(_any("RetryInfo", _field(1, delay.to_binary())))
    return details


def _field(number: int, value: bytes) -> bytes:
    """A field with a length of less than 128 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def _any(name: str, value: bytes) -> Any:
    return Any(type_url=f"type.googleapis.com/google.rpc.{name}", value=value)
