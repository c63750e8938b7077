"""What an error says to machines beside its code and message, in the messages of google.rpc."""

import math

from connectrpc.errors import ConnectError
from protobuf.wkt import Any, Duration

from qingyu_ai.errors import ServiceError

_DOMAIN = "qingyu.ai"


def details_of(error: ServiceError) -> list[Any]:
    """`google.rpc.ErrorInfo` with the reason in capitals, and `google.rpc.RetryInfo` where asking again can help.

    The two are small enough to be written by hand (google/rpc/error_details.proto).
    """
    details = [_any("google.rpc.ErrorInfo", _field(1, error.reason.upper().encode()) + _field(2, _DOMAIN.encode()))]
    if error.retry_after_s is not None:
        nanos, seconds = math.modf(error.retry_after_s)
        delay = Duration(seconds=int(seconds), nanos=round(nanos * 1e9))
        details.append(_any("google.rpc.RetryInfo", _field(1, delay.to_binary())))
    return details


def status_of(error: ConnectError, code: int) -> bytes:
    """The error as `google.rpc.Status`: what plain gRPC sends as `grpc-status-details-bin`; `code` is gRPC's number."""
    packed = [_any(detail.type_name, detail.message_bytes) for detail in error.details]
    details = b"".join(_field(3, detail.to_binary()) for detail in packed)
    return bytes([1 << 3, code]) + _field(2, error.message.encode()) + details


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _any(name: str, value: bytes) -> Any:
    return Any(type_url=f"type.googleapis.com/{name}", value=value)
