"""Providers of language models and embeddings on a real socket, which answer as a test says."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Provider:
    """What was asked of it, and what it answers: the first of `answers` that is left, the last one for ever."""

    url: str
    answers: list[Callable[["Handler"], None]]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    provider: Provider

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _answer(self, body: dict[str, Any]) -> None:
        provider = self.server.provider  # type: ignore[attr-defined]
        provider.bodies.append(body)
        provider.headers.append({name.lower(): value for name, value in self.headers.items()})
        provider.asked.set()
        answers = provider.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def send(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def until_left(self) -> None:
        """Says nothing more until the caller has gone."""
        if self.connection.recv(1) == b"":
            self.server.provider.left.set()  # type: ignore[attr-defined]
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def provider(*answers: Callable[[Handler], None]) -> Iterator[Provider]:
    """A provider that answers so, one after the other."""
    server = _Server(("127.0.0.1", 0), Handler)
    made = Provider(f"http://127.0.0.1:{server.server_port}", list(answers))
    server.provider = made  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def events(*items: object, named: bool = False) -> bytes:
    """Server-sent events, with names where the API has them (Anthropic)."""
    lines = []
    for item in items:
        name = f"event: {item['type']}\n" if named and isinstance(item, dict) else ""
        lines.append(f"{name}data: {item if isinstance(item, str) else json.dumps(item)}\n\n")
    return "".join(lines).encode()


def openai_says(text: str, finish_reason: str | None = "stop", *, done: bool = True) -> Callable[[Handler], None]:
    """A streamed chat completion of a few pieces."""

    def answer(handler: Handler) -> None:
        base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "the-model"}
        pieces = [text[at : at + 40] for at in range(0, len(text), 40)]
        chunks = [{**base, "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
        end = (
            [{**base, "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}] if finish_reason else []
        )
        usage = {**base, "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}
        handler.send(200, "text/event-stream", events(*chunks, *end, usage, *(["[DONE]"] if done else [])))

    return answer


def anthropic_says(text: str, stop_reason: str = "end_turn") -> Callable[[Handler], None]:
    """A streamed message of one piece."""
    start = {"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    items: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**start, "usage": {"input_tokens": 5, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    ]
    return lambda handler: handler.send(200, "text/event-stream", events(*items, named=True))


def fails(status: int, code: str = "", **headers: str) -> Callable[[Handler], None]:
    """An error as OpenAI words it, with texts that nobody may pass on."""

    def answer(handler: Handler) -> None:
        error = {"error": {"message": "SECRET http://internal:1 sk-SECRET", "type": "x", "code": code or None}}
        handler.send(status, "application/json", json.dumps(error).encode(), **headers)

    return answer


def silent(handler: Handler) -> None:
    """No answer."""
    handler.until_left()
