"""The contract's messages from JSON that anybody may have written."""

import json
import re
from collections import Counter
from itertools import islice
from typing import Any, TypeVar

from protobuf import Message, message_from_json_value

M = TypeVar("M", bound=Message[Any])

# What one message may hold, all in all. A plan of a thousand chapters is a third of it; reading more would keep
# everybody else waiting for more than a tenth of a second.
MAX_MESSAGES = 20_000
MAX_VALUES = 100_000

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"\\,[]{}'))
_TOKEN = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)(?:"|\\?\Z)(\s*:)?|[\[\]{}]|[^\s"\[\]{},:]+', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NAME = re.compile(r"\w{1,64}")
_SAMPLED_TOKENS = 20_000
_DEEPEST = 20


def message_from_json(shape: type[M], text: str | bytes | bytearray) -> M:
    """Reads a message; unknown fields are skipped.

    protobuf-py's own reader of text (0.7.0) overflows the stack, and so ends the process, where JSON is nested some
    twenty thousand deep in the place of a message. Python's stops at a thousand, so it reads first.

    Raises `ValueError` with a message that names the field and holds nothing of the text.
    """
    try:
        data = text.encode() if isinstance(text, str) else bytes(text)
        checked = data.decode("utf-8-sig")
    except UnicodeError:
        raise ValueError(f"no {shape.__name__}: it is not UTF-8") from None
    if holds_too_much(data):
        raise ValueError(too_many(_fullest(checked)))
    try:
        value = json.loads(checked)
    except (ValueError, RecursionError):
        raise ValueError(f"no {shape.__name__}: it is not JSON, or nested too deeply") from None
    # Text that was UTF-8 can hold one only in its escapes.
    return message_from_value(shape, value, may_have_surrogates=_SURROGATE.search(data) is not None)


def message_from_value(shape: type[M], value: Any, *, may_have_surrogates: bool = True) -> M:  # noqa: ANN401 (JSON)
    """Reads a message from JSON that has been read already; unknown fields are skipped.

    Raises `ValueError` with a message that names the field and holds nothing of the value.
    """
    try:
        if may_have_surrogates:
            # Half a surrogate pair has no UTF-8: no provider could be sent it.
            json.dumps(value, ensure_ascii=False).encode()
        return message_from_json_value(shape, value, ignore_unknown_fields=True)
    except UnicodeError:
        raise ValueError(f"no {shape.__name__}: it holds half a surrogate pair") from None
    except RecursionError:
        raise ValueError(f"no {shape.__name__}: it is nested too deeply") from None
    except OverflowError as error:
        # What precedes is the number itself.
        _, _, field = str(error).rpartition(" for field ")
        raise ValueError(f"no {shape.__name__}: a number is out of range for field {field}") from None
    except (ValueError, TypeError) as error:
        # What follows is the value itself.
        raise ValueError(f"no {shape.__name__}: {str(error).partition(' from JSON: ')[0]}") from None


def too_many(field: str) -> str:
    """What is said where a message holds too much; `field` is the one in which it was seen."""
    return f"{field or 'the request'}: there are more than {MAX_MESSAGES} objects or {MAX_VALUES} values"


def holds_too_much(data: bytes) -> bool:
    """Whether JSON is beyond the limits. Counts without building anything: `[],[],` takes twenty times its size."""
    if data.count(b",") + data.count(b"[") + data.count(b"{") <= MAX_MESSAGES:
        return False
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    if bare.count(b'"') > 4 * MAX_VALUES:
        return True
    bare = b"".join(bare.split(b'"')[::2])
    objects = bare.count(b"{")
    return objects > MAX_MESSAGES or objects + bare.count(b"[") + bare.count(b",") > MAX_VALUES


def _fullest(text: str) -> str:
    """The field that holds the most, as far as the beginning of a text tells: a path without the places in lists."""
    held: Counter[tuple[str, ...]] = Counter()
    path: list[str] = []
    name = ""
    for token in islice(_TOKEN.finditer(text), _SAMPLED_TOKENS):
        if token[2]:
            name = token[1] if _NAME.fullmatch(token[1]) else "?"
        elif token[0] in "[{":
            held[tuple(path)] += 1
            if len(path) > _DEEPEST:
                break
            path.append(name)
            name = ""
        elif token[0] in "]}":
            path = path[:-1]
        else:
            held[tuple(path)] += 1
    fullest = held.most_common(1)
    return ".".join(filter(None, fullest[0][0])) if fullest else ""
