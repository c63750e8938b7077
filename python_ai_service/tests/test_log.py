import asyncio
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from connectrpc.errors import ConnectError

from qingyu_ai.gen.qingyu.ai.ai_service_pb import GenerateContentRequest
from qingyu_ai.telemetry.call import CallRecord, begin_call, current_call, valid_traceparent
from qingyu_ai.telemetry.log import JsonLines, log_loop_failures, start_logging
from tests.providers import fails, openai_says, provider
from tests.running import Running, running

pytestmark = pytest.mark.anyio
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def calls(service: Running) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.lines]
    assert all(TIME.fullmatch(line["time"]) and line["level"] and line["message"] for line in lines)
    return [line for line in lines if line["message"] == "call"]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged in this process; everything is as before at the end."""
    root, own = logging.getLogger(), logging.getLogger("qingyu_ai")
    before = (root.handlers[:], root.level, own.level, sys.excepthook, warnings.filters[:])
    stream = io.StringIO()
    try:
        start_logging("info", stream)
        yield stream
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:], level, own_level, sys.excepthook, warnings.filters[:] = before  # type: ignore[index]
        root.setLevel(level)
        own.setLevel(own_level)


async def test_a_call_has_one_line_with_the_gateways_names_and_nothing_that_was_said() -> None:
    headers = {"x-request-id": "r1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-qingyu-tenant": "t1"}
    with provider(openai_says("ANSWER")) as model:
        with running(OPENAI_API_KEY="sk-KEY", OPENAI_BASE_URL=f"{model.url}/v1", LOG_LEVEL="debug") as service:
            async with service.client() as client:
                request = GenerateContentRequest(prompt="PROMPT", project_id="p")
                await client.generate_content(request, headers=headers)
                async for _ in client.stream_generate_content(GenerateContentRequest(prompt="PROMPT")):
                    pass
    whole, streamed = calls(service)
    assert isinstance(whole.pop("durationMs"), int)
    assert isinstance(whole.pop("firstTokenMs"), int)
    assert TIME.fullmatch(whole.pop("time"))
    assert whole == {
        "level": "info",
        "message": "call",
        "rpc": "GenerateContent",
        "code": "ok",
        "requestId": "r1",
        "traceId": TRACE,
        "tenant": "t1",
        "model": "the-model",
        "provider": "openai",
        "finishReason": "stop",
        "knowledge": "none",
        "usage": {"promptTokens": 11, "completionTokens": 7},
    }
    assert (streamed["rpc"], streamed["usage"]["completionTokens"], streamed["provider"]) == (
        "StreamGenerateContent",
        7,
        "openai",
    )
    assert not {"requestId", "traceId", "tenant"} & streamed.keys()
    assert not [word for word in ("PROMPT", "ANSWER", "sk-KEY") if word in service.log]


async def test_a_failed_call_says_which_error_the_caller_got() -> None:
    with provider(fails(429)) as model:
        with running(OPENAI_API_KEY="k", OPENAI_BASE_URL=f"{model.url}/v1") as service:
            async with service.client() as client:
                for prompt in ("x", ""):
                    with pytest.raises(ConnectError):
                        await client.generate_content(GenerateContentRequest(prompt=prompt))
    told = [(line["level"], line["code"], line["error"], line.get("provider")) for line in calls(service)]
    assert told == [
        ("info", "resource_exhausted", "rate_limited", "openai"),
        ("info", "invalid_argument", "invalid_request", None),
    ]
    assert "SECRET" not in service.log


def test_an_exception_is_told_by_type_and_place_in_one_line(logged: io.StringIO) -> None:
    try:
        try:
            raise KeyError("SECRET")  # noqa: TRY301
        except KeyError as error:
            raise ExceptionGroup("SECRET", [ValueError("SECRET")]) from error
    except ExceptionGroup:
        logging.getLogger("qingyu_ai.x").exception("it failed")
    line = json.loads(logged.getvalue())
    assert (line["level"], line["message"], line["cause"]) == ("error", "it failed", "ExceptionGroup from ValueError")
    assert any(re.fullmatch(r"tests/test_log\.py:\d+ test_an_exception\w+", frame) for frame in line["traceback"])
    assert "SECRET" not in logged.getvalue()


def test_libraries_are_told_in_json_without_what_they_quote_and_not_in_a_tight_loop(logged: io.StringIO) -> None:
    for number in range(1000):
        logging.getLogger("library.of.others").error(f"RPC error: SECRET {number}")  # noqa: G004
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
        logging.getLogger("qingyu_ai.calls").info("call")
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    told = {line.get("logger"): re.sub(r":\d+$", "", line["message"]) for line in lines}
    assert told["library.of.others"] == "a library warned at test_log.py"
    assert told["uvicorn.error"] == "Invalid HTTP request received."
    assert [sum(line.get("logger") == name for line in lines) for name in told] == [1, 1, 1000]


def test_warnings_are_told_in_json_without_what_they_quote(logged: io.StringIO) -> None:
    warnings.warn("SECRET", UserWarning, stacklevel=1)
    assert '"logger": "py.warnings"' in logged.getvalue()
    assert "SECRET" not in logged.getvalue()


async def test_what_callbacks_raise_is_told_once_and_without_their_arguments(logged: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    log_loop_failures(loop)

    def fail(_secret: str) -> None:
        raise ValueError("SECRET")

    for _ in range(3):
        loop.call_soon(fail, "SECRET")
    for _ in range(1000):
        loop.call_exception_handler({"message": "socket.accept() out of system resource", "exception": OSError(24)})
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [(line["message"], line["cause"]) for line in lines] == [
        ("socket.accept() out of system resource", "OSError"),
        (f"Exception in callback {fail.__qualname__}", "ValueError"),
    ]
    assert "SECRET" not in logged.getvalue()


def test_what_was_held_back_is_counted(monkeypatch: pytest.MonkeyPatch, logged: io.StringIO) -> None:
    now_s = 100.0
    monkeypatch.setattr("qingyu_ai.telemetry.log.time.monotonic", lambda: now_s)
    for _ in range(2):
        for _ in range(3):
            logging.getLogger("uvicorn").warning("again")
        now_s += 10
    assert [json.loads(line).get("repeated") for line in logged.getvalue().splitlines()] == [None, 2]


def test_what_a_line_does_not_know_is_left_out() -> None:
    record = logging.LogRecord("qingyu_ai", logging.WARNING, "f", 1, "said", None, None)
    record.fields = {"a": None, "b": "", "c": 0}
    line = json.loads(JsonLines().format(record))
    assert TIME.fullmatch(line.pop("time"))
    assert line == {"level": "warn", "message": "said", "c": 0}


@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-more", TRACE),
        (f"00-{TRACE}-00f067aa0ba902b7-01-more", ""),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", ""),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", ""),
        ("SECRET", ""),
        ("", ""),
    ],
)
def test_only_a_valid_traceparent_names_a_trace(header: str, trace_id: str) -> None:
    assert valid_traceparent(header) == (header if trace_id else "")
    assert CallRecord(traceparent=valid_traceparent(header)).trace_id == trace_id


async def test_what_a_call_starts_sees_its_record_and_another_call_does_not() -> None:
    async def one(name: str) -> str:
        begin_call().request_id = name
        await asyncio.sleep(0)
        await asyncio.create_task(_note(name))
        return current_call().model

    assert list(await asyncio.gather(one("a"), one("b"))) == ["model of a", "model of b"]
    assert current_call().model == ""


async def _note(name: str) -> None:
    assert current_call().request_id == name
    current_call().model = f"model of {name}"
