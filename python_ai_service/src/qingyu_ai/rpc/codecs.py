"""What the RPC port reads and writes: protobuf's binary format and JSON."""

from collections.abc import Callable
from typing import Any, TypeVar

from connectrpc.code import Code
from connectrpc.codec import Codec, proto_binary_codec, proto_json_codec
from connectrpc.errors import ConnectError
from protobuf import Message

from qingyu_ai.errors import Reason
from qingyu_ai.json_messages import message_from_json
from qingyu_ai.rpc.binary import message_from_binary

M = TypeVar("M", bound=Message[Any])


class _Codec:
    """One of Connect's codecs with a reader of ours.

    Args:
        codec: Whose name and writer it has.
        read: Reads a message; raises `ValueError` with a message that may be told to the caller.
    """

    def __init__(self, codec: Codec[Message[Any], Any], read: Callable[[type[Any], bytes | bytearray], Any]) -> None:
        self._codec = codec
        self._read = read

    def name(self) -> str:
        return self._codec.name()

    def encode(self, message: Message[Any]) -> bytes:
        return self._codec.encode(message)

    def decode(self, data: bytes | bytearray, message_class: type[M]) -> M:
        try:
            message: M = self._read(message_class, data)
        except ValueError as error:
            raise ConnectError(Code.INVALID_ARGUMENT, f"{Reason.INVALID_REQUEST}: {error}") from None
        return message


def codecs() -> list[Codec[Any, Any]]:
    """The codecs of the RPC port."""
    return [_Codec(proto_binary_codec(), message_from_binary), _Codec(proto_json_codec(), message_from_json)]
