"""Makes what a language model wrote fit the contract's types where nothing is lost by it."""

import math
import re
from functools import cache
from typing import Any

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescMessage,
    ScalarType,
)
from protobuf import Message as ProtoMessage

# A numeral, where an integer may have a fraction of zeros.
_NUMERAL = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,2})?", re.ASCII)
# As people write 100,000.
_IN_THOUSANDS = re.compile(r"\d{1,3}(,\d{3}){1,5}", re.ASCII)
_INT_BITS = {ScalarType.INT32: 31, ScalarType.INT64: 63}
_FLOATS = (ScalarType.FLOAT, ScalarType.DOUBLE)
_LARGEST_FLOAT = 3.4e38
_MAX_PROBLEMS = 100

_Kind = ScalarType | DescMessage | DescEnum


def coerce(shape: type[ProtoMessage[Any]], value: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The value in the contract's types, under its JSON names, and what does not fit: sentences that name the path.

    What is taken: keys in snake_case or another case, one text for a list of texts, a list of texts for a text (a line
    each), numerals and whole floats for integers, numbers for texts, null for a field that is absent, the words true
    and false, a list of `key` and `value` for a map. What is not known is left out.
    """
    problems: list[str] = []
    return _Coercion(problems).message(shape.desc(), value, ""), problems[:_MAX_PROBLEMS]


class _NoFitError(Exception):
    pass


@cache
def _fields_of(message: DescMessage) -> dict[str, DescField]:
    return {_plain(field.name): field for field in message.fields}


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


class _Coercion:
    def __init__(self, problems: list[str]) -> None:
        self._problems = problems

    def message(self, message: DescMessage, value: dict[str, Any], path: str) -> dict[str, Any]:
        fields = _fields_of(message)
        read: dict[str, Any] = {}
        exact: set[str] = set()
        for key, each in value.items():
            field = fields.get(_plain(key))
            if field is None or each is None or field.json_name in exact:
                continue
            at = f"{path}{field.json_name}"
            try:
                read[field.json_name] = self._field(field, each, at)
            except _NoFitError as error:
                self._tell(f"{at}: must be {error}")
            if key == field.json_name:
                exact.add(key)
        return read

    def _field(self, field: DescField, value: object, at: str) -> object:
        match field.value:
            case DescFieldValueList(element=element):
                return self._list(element, value, at)
            case DescFieldValueMap(value=kind):
                return self._map(kind, value, at)
            case DescFieldValueMessage(message=message):
                return self._value(message, value, at)
            case scalar:
                return self._value(getattr(scalar, "scalar", ScalarType.STRING), value, at)

    def _list(self, kind: _Kind, value: object, at: str) -> list[object]:
        elements = value if isinstance(value, list) else [value]
        read: list[object] = []
        for index, each in enumerate(elements):
            if each is None:
                continue
            try:
                read.append(self._value(kind, each, f"{at}[{index}]"))
            except _NoFitError as error:
                self._tell(f"{at}[{index}]: must be {error}")
        return read

    def _map(self, kind: _Kind, value: object, at: str) -> dict[str, object]:
        pairs = value if isinstance(value, list) else [value]
        read: dict[str, object] = {}
        for index, pair in enumerate(pairs):
            if not isinstance(pair, dict):
                raise _NoFitError("an object, or a list of key and value")
            is_pair = pair.keys() == {"key", "value"} and isinstance(value, list)
            for key, each in [(str(pair["key"]), pair["value"])] if is_pair else pair.items():
                if each is None:
                    continue
                if key in read:
                    self._tell(f"{at}[{index}]: the key is there already")
                    continue
                try:
                    read[key] = self._value(kind, each, at)
                except _NoFitError as error:
                    self._tell(f"{at}[{index}]: must be {error}")
        return read

    def _value(self, kind: _Kind, value: object, at: str) -> object:
        if isinstance(kind, DescMessage):
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if not isinstance(value, dict):
                raise _NoFitError("an object")
            return self.message(kind, value, f"{at}.")
        if kind is ScalarType.BOOL:
            return _bool(value)
        if isinstance(kind, ScalarType) and kind in _INT_BITS:
            return _int(value, _INT_BITS[kind])
        return _float(value) if kind in _FLOATS else _text(value)

    def _tell(self, problem: str) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    raise _NoFitError("a text")


def _bool(value: object) -> bool:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    if isinstance(value, bool):
        return value
    raise _NoFitError("true or false")


def _int(value: object, bits: int) -> int:
    if isinstance(value, str) and _IN_THOUSANDS.fullmatch(value.strip()):
        value = value.replace(",", "")
    number = _number(value)
    if number is None or not float(number).is_integer() or not -(2**bits) <= number < 2**bits:
        raise _NoFitError(f"a whole number of {bits + 1} bits")
    return int(number)


def _float(value: object) -> float:
    number = _number(value)
    if number is None or not abs(number) <= _LARGEST_FLOAT:
        raise _NoFitError("a number")
    return float(number)


def _number(value: object) -> int | float | None:
    if isinstance(value, str) and _NUMERAL.fullmatch(value.strip()):
        return int(value) if value.strip().lstrip("+-").isdecimal() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _LARGEST_FLOAT else None
