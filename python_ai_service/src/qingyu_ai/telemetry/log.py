"""The log: one line of JSON for each event, whoever logs it.

Fields are called as in the gateway's log. There is no place for prompts, answers, keys and providers' texts: of an
exception only its type and where it was raised are told, of a library's event only what is known to hold no data.
"""

import asyncio
import json
import logging
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import PurePath
from traceback import extract_tb
from types import TracebackType
from typing import TextIO

_LEVELS = {"WARNING": "warn", "CRITICAL": "error"}
_OWN = "qingyu_ai"
# Their warnings are about sockets and tasks. Others quote requests and answers.
_TOLD = ("uvicorn", "asyncio", "grpc")
_REPEAT_S = 10.0
_MAX_FRAMES = 30
_MAX_MESSAGE = 300


def start_logging(level: str, stream: TextIO) -> None:
    """Everything that this process logs goes to `stream`, as JSON.

    Args:
        level: From which level our own events are told: debug, info, warning or error. Others' are told from warning.
        stream: Where lines are written.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(_Repeats())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(_OWN).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    warnings.simplefilter("default")
    sys.excepthook = _uncaught


def event(logger: logging.Logger, level: int, message: str, **fields: object) -> None:
    """Logs something of ours; fields that are None or empty are left out."""
    logger.log(level, message, extra={"fields": fields})


def log_loop_failures(loop: asyncio.AbstractEventLoop) -> None:
    """What callbacks and forgotten tasks raise is told without the arguments that asyncio would quote."""
    loop.set_exception_handler(_loop_failed)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """`time` is RFC 3339 in UTC with milliseconds; `level` is debug, info, warn or error."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, object] = {
            "time": at,
            "level": _LEVELS.get(record.levelname, record.levelname.lower()),
            "message": _message(record),
            "logger": None if record.name.startswith(_OWN) else record.name,
            **getattr(record, "fields", {}),
            "repeated": getattr(record, "repeated", None),
        }
        if record.exc_info and record.exc_info[1]:
            line |= _exception(record.exc_info[1])
        told = {name: value for name, value in line.items() if value is not None and value != ""}
        return json.dumps(told, ensure_ascii=False, default=str)


class _Repeats(logging.Filter):
    """Lets an event of a library through once in ten seconds, with how often it was held back before."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith(_OWN):
            return True
        key = (record.name, record.pathname, record.lineno, record.msg if record.name == "asyncio" else "")
        now_s = time.monotonic()
        last_s, held_back = self._seen.get(key, (-_REPEAT_S, 0))
        if now_s - last_s < _REPEAT_S:
            self._seen[key] = (last_s, held_back + 1)
            return False
        self._seen[key] = (now_s, 0)
        record.repeated = held_back or None
        return True


def _message(record: logging.LogRecord) -> str:
    if record.name.startswith((_OWN, *_TOLD)):
        return record.getMessage()[:_MAX_MESSAGE].strip()
    return f"a library warned at {PurePath(record.pathname).name}:{record.lineno}"


def _exception(error: BaseException) -> dict[str, object]:
    """Type and frames, of what it was raised from too; never its text."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return {
        "cause": " from ".join(type(each).__name__ for each in chain),
        "traceback": [frame for each in reversed(chain) for frame in _frames(each.__traceback__)][-_MAX_FRAMES:],
    }


def _frames(traceback: TracebackType | None) -> list[str]:
    return [
        f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}"
        for frame in extract_tb(traceback)
    ]


def _uncaught(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    logging.getLogger(_OWN).error("the process failed", exc_info=error)


def _loop_failed(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    message = str(context.get("message", ""))
    if message.startswith("Exception in callback"):
        # The callback's name and, in brackets, what it was called with.
        message = message.partition("(")[0]
    logging.getLogger("asyncio").error(message, exc_info=error if isinstance(error, BaseException) else None)
