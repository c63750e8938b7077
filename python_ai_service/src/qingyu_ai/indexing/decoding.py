"""Bytes of a file to its text."""

import codecs
from pathlib import Path

_SHOWN_CHARS = 12
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class InputError(Exception):
    """What was given cannot be used; the message is one line that names it and what is wrong."""


def read_text(file: Path, encoding: str) -> str:
    """A file's text without a byte order mark.

    Args:
        file: Which.
        encoding: A name that Python knows.

    Raises `InputError`, with the encoding that the file seems to be in where it is another one.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {str(error.strerror).lower()}") from None
    try:
        text = content.decode(encoding)
    except UnicodeError:
        raise InputError(f"{file}: is not {encoding.upper()} text{_hint(content, encoding)}") from None
    if "\0" in text:
        raise InputError(f"{file}: has NUL characters, so it is no {encoding.upper()} text{_hint(content, encoding)}")
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _hint(content: bytes, tried: str) -> str:
    if content.startswith(_UTF_16):
        return _offer("utf-16", content)
    for encoding in ("utf-8", "gb18030"):
        if codecs.lookup(encoding).name != codecs.lookup(tried).name and b"\0" not in content:
            hint = _offer(encoding, content)
            if hint:
                return hint
    return ""


def _offer(encoding: str, content: bytes) -> str:
    """That the file can be read so, with its beginning, by which a person sees whether it is right."""
    try:
        text = content.decode(encoding)
    except UnicodeError:
        return ""
    beginning = "".join(text.removeprefix("\ufeff").split())[:_SHOWN_CHARS]
    return f"; as {encoding} it begins 「{beginning}」: if that is right, add --encoding {encoding}"
