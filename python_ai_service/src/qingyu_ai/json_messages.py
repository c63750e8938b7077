"""The contract's messages from JSON that anybody may have written."""

import json
from typing import Any, TypeVar

from connectrpc.codec import Codec, proto_binary_codec, proto_json_codec
from protobuf import Message, message_from_json_value

M = TypeVar("M", bound=Message[Any])


def message_from_json(shape: type[M], text: str | bytes | bytearray) -> M:
    """Reads a message; unknown fields are skipped.

    protobuf-py's own reader of text (0.7.0) overflows the stack, and so ends the process, where JSON is nested some
    twenty thousand deep in the place of a message. Python's stops at a thousand, so it reads first.

    Raises `ValueError` with a message that names the field and holds nothing of the text.
    """
    try:
        value = json.loads(text)
        # Half a surrogate pair has no UTF-8: no provider could be sent it.
        json.dumps(value, ensure_ascii=False).encode()
        return message_from_json_value(shape, value, ignore_unknown_fields=True)
    except (ValueError, TypeError, RecursionError) as error:
        said = "" if isinstance(error, json.JSONDecodeError | UnicodeError | RecursionError) else str(error)
        # What follows is the value itself.
        why = said.partition(" from JSON: ")[0] or "it is not JSON, not UTF-8 or nested too deeply"
        raise ValueError(f"no {shape.__name__}: {why}") from None


class _JsonCodec:
    """Connect's codec for JSON with the reader above."""

    def __init__(self) -> None:
        self._codec: Codec[Message[Any], Any] = proto_json_codec()

    def name(self) -> str:
        return self._codec.name()

    def encode(self, message: Message[Any]) -> bytes:
        return self._codec.encode(message)

    def decode(self, data: bytes | bytearray, message_class: type[M]) -> M:
        return message_from_json(message_class, data)


def codecs() -> list[Codec[Any, Any]]:
    """What the RPC port reads and writes: binary and JSON."""
    return [proto_binary_codec(), _JsonCodec()]
