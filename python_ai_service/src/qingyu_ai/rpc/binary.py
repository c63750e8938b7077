"""The contract's messages from protobuf's binary format that anybody may have written."""

from functools import cache
from typing import Any, NamedTuple, NoReturn, TypeVar

from protobuf import DescFieldValueList, DescFieldValueMap, DescFieldValueMessage, DescMessage, Message, ScalarType

from qingyu_ai.json_messages import MAX_MESSAGES, MAX_VALUES, too_many

M = TypeVar("M", bound=Message[Any])

# So few bytes cannot hold enough messages to matter.
_SMALL_BYTES = 64 * 1024
_LONGEST_VARINT_BYTES = 10
_LONGER = 0x80
_VARINT, _BYTES = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
# A group's start and end: what is between is counted as if it stood there.
_GROUP = (3, 4)
_TEXTS = (ScalarType.STRING, ScalarType.BYTES)


def message_from_binary(shape: type[M], data: bytes | bytearray) -> M:
    """Reads a message; unknown fields are skipped.

    An empty message takes two bytes on the wire and some 300 in memory, so that the largest request there may be would
    take gigabytes and seconds. So what is in it is counted first.

    Raises `ValueError` with a message that names the field and holds nothing of the data.
    """
    try:
        if len(data) > _SMALL_BYTES:
            _Counter(data).count(shape.desc(), "", 0, len(data))
        return shape.from_binary(data)
    except _TooManyError as error:
        raise ValueError(str(error)) from None
    except (ValueError, OverflowError, RecursionError):
        raise ValueError(f"no {shape.__name__}: it is not protobuf, or its texts are not UTF-8") from None


class _TooManyError(Exception):
    pass


class _Field(NamedTuple):
    name: str
    message: DescMessage | None
    is_packable: bool
    holds_more: bool


@cache
def _fields(message: DescMessage | None) -> dict[int, _Field]:
    return {field.number: _field(field.name, field.value) for field in message.fields} if message else {}


def _field(name: str, value: object) -> _Field:
    if isinstance(value, DescFieldValueMessage):
        return _Field(name, value.message, is_packable=False, holds_more=True)
    if isinstance(value, DescFieldValueList):
        element = value.element
        message = element if isinstance(element, DescMessage) else None
        is_packable = message is None and element not in _TEXTS
        return _Field(name, message, is_packable, holds_more=is_packable or message is not None)
    return _Field(name, None, is_packable=False, holds_more=isinstance(value, DescFieldValueMap))


class _Counter:
    """Counts messages and values in what may be a message; whatever cannot be read ends it with `ValueError`."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self._messages = 0
        self._values = 0

    def count(self, message: DescMessage | None, path: str, at: int, end: int) -> None:
        """Walks the fields of a message, or of a map's entry, between two positions."""
        data, fields = self._data, _fields(message)
        while at < end:
            # Nearly every tag and length is of one byte; this loop is what a hostile request costs.
            tag, at = (data[at], at + 1) if data[at] < _LONGER else self._varint(at, end)
            self._values += 1
            if self._values > MAX_VALUES:
                self._refuse(fields.get(tag >> 3), path)
            kind = tag & 7
            if kind == _BYTES:
                length, at = (data[at], at + 1) if at < end and data[at] < _LONGER else self._varint(at, end)
                if length > end - at:
                    raise ValueError("truncated")
                field = fields.get(tag >> 3)
                if field and field.holds_more:
                    self._within(field, path, at, at + length)
                at += length
            elif kind == _VARINT:
                at = at + 1 if at < end and data[at] < _LONGER else self._varint(at, end)[1]
            elif kind in _FIXED_BYTES:
                at += _FIXED_BYTES[kind]
            elif kind not in _GROUP:
                raise ValueError("no wire type")

    def _within(self, field: _Field, path: str, at: int, end: int) -> None:
        if field.is_packable:
            self._values += end - at
        else:
            self._messages += 1
        if self._values > MAX_VALUES or self._messages > MAX_MESSAGES:
            self._refuse(field, path)
        if not field.is_packable:
            self.count(field.message, f"{path}{field.name}.", at, end)

    def _refuse(self, field: _Field | None, path: str) -> NoReturn:
        raise _TooManyError(too_many(path + field.name if field else path.rstrip(".")))

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        for position in range(at, min(end, at + _LONGEST_VARINT_BYTES)):
            byte = self._data[position]
            value |= (byte & 0x7F) << shift
            if byte < _LONGER:
                return value, position + 1
            shift += 7
        raise ValueError("no varint")
