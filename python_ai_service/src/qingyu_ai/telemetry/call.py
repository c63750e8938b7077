"""What is written down about a call on its way; the log line, metrics and the span are read off it."""

import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/).
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class ModelAsked:
    """One answer of a model, in Unix time."""

    provider: str
    model: str
    began_ns: int
    ended_ns: int


@dataclass(slots=True)
class CallRecord:
    """One call; whoever learns something sets it. None and "" are what nobody has learned.

    Attributes:
        request_id: The caller's, where it has the form of one.
        traceparent: The caller's, where it is valid.
        tenant: The caller's, as the gateway says it.
        model: Who wrote, as the provider calls it.
        provider: Which provider of language models was asked: openai, anthropic, embedded.
        prompt_tokens: Of all that the call asked of models.
        completion_tokens: Of all that the models wrote for it.
        first_token_ms: From the call's start to the first text of a model.
        finish_reason: Of the last answer of a model.
        knowledge: used, none or unavailable.
        models_asked: Each answer of a model, in order of their ends.
    """

    started_at_s: float = field(default_factory=time.perf_counter)
    request_id: str = ""
    traceparent: str = ""
    tenant: str = ""
    model: str = ""
    provider: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_ms: int | None = None
    finish_reason: str = ""
    knowledge: str = ""
    models_asked: list[ModelAsked] = field(default_factory=list)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits, or none."""
        return self.traceparent[3:35]

    @property
    def age_ms(self) -> int:
        """Since the call began."""
        return round((time.perf_counter() - self.started_at_s) * 1000)

    def saw_token(self) -> None:
        """A text of a model came; the first one counts."""
        if self.first_token_ms is None:
            self.first_token_ms = self.age_ms

    def add_usage(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Counts one answer of a model; a call may ask for several."""
        self.prompt_tokens = (self.prompt_tokens or 0) + prompt_tokens
        self.completion_tokens = (self.completion_tokens or 0) + completion_tokens


_current: ContextVar[CallRecord] = ContextVar("call")


def begin_call(request_id: str = "", traceparent: str = "") -> CallRecord:
    """The record of a call that begins in this task; what it starts sees the same.

    Args:
        request_id: The caller's header `x-request-id`; kept where it has the form that the gateway gives it.
        traceparent: The caller's header of that name; kept where it is valid.
    """
    record = CallRecord(
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else "", traceparent=valid_traceparent(traceparent)
    )
    _current.set(record)
    return record


def current_call() -> CallRecord:
    """The record of the call under way; where none is (a command, a test), one that nobody reads."""
    return _current.get(None) or CallRecord()


def valid_traceparent(sent: str) -> str:
    """A `traceparent` header; empty where it is absent or malformed (section 3.2.2.3)."""
    match = _TRACEPARENT.fullmatch(sent)
    if match is None:
        return ""
    version, trace_id, parent, _flags, rest = match.groups()
    is_valid = version != "ff" and set(trace_id) != {"0"} and set(parent) != {"0"} and (version != "00" or not rest)
    return sent if is_valid else ""
