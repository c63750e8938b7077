"""The service as a process of its own."""

import os
import queue
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from connectrpc.codec import Codec
from connectrpc.protocol import ProtocolType
from grpc import aio

from qingyu_ai.gen.qingyu.ai.ai_service_connect import AIServiceClient

START_TIMEOUT_S = 30


# Below the ports that the system gives to outgoing connections.
_PORTS = range(20_000, 32_000)
# UDP sockets with the numbers that this process gave out: no other process, of whatever checkout, can have them too.
_TAKEN: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens, and which no other test is given while this process runs."""
    while True:
        port = random.choice(_PORTS)
        with suppress(OSError), ExitStack() as unless_taken:
            claim = unless_taken.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            claim.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
            unless_taken.pop_all()
            _TAKEN.append(claim)
            return port


class Place:
    """A folder with settings of its own, in which commands of the service run."""

    def __init__(self, settings: dict[str, str], folder: Path) -> None:
        self.settings = {
            "ENVIRONMENT": "development",
            "SERVICE_PORT": str(free_port()),
            "GRPC_PORT": str(free_port()),
            "MILVUS_URI": str(folder / "knowledge"),
            **settings,
        }
        self.folder = folder

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the machine's own settings."""
        return {"PATH": os.environ["PATH"], **self.settings}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the service, with the same settings."""
        return subprocess.run(
            [sys.executable, "-m", "qingyu_ai", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )


class Running(Place):
    """A started service; its output is read as it comes."""

    def __init__(self, settings: dict[str, str], folder: Path, launcher: Sequence[str] = ()) -> None:
        super().__init__(settings, folder)
        self.process = subprocess.Popen(
            [*launcher, sys.executable, "-m", "qingyu_ai"],
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._heard: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['GRPC_PORT']}"

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.settings['SERVICE_PORT']}"

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def client(self, protocol: ProtocolType = ProtocolType.CONNECT, codec: Codec | None = None) -> AIServiceClient:
        return AIServiceClient(self.url, protocol=protocol, codec=codec)

    def wait_for(self, text: str) -> None:
        """Until a line with the text is logged. Raises where the process ends first."""
        if any(text in line for line in self.lines):
            return
        while (line := self._heard.get(timeout=START_TIMEOUT_S)) is not None:
            if text in line:
                return
        raise AssertionError(f"ended without {text!r}: {self.log}")

    def wait(self, timeout_s: float = 15) -> int:
        """The exit code, with all output read."""
        code = self.process.wait(timeout_s)
        self._reader.join()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._heard.put(line)
        self._heard.put(None)


@contextmanager
def starting(launcher: Sequence[str] = (), **settings: str) -> Iterator[Running]:
    """A service that may not come up; killed at the end. `launcher` is a command that ends by starting it."""
    with TemporaryDirectory(prefix="qingyu-") as folder:
        service = Running(settings, Path(folder), launcher)
        try:
            yield service
        finally:
            service.process.kill()
            service.process.wait()


@contextmanager
def running(launcher: Sequence[str] = (), **settings: str) -> Iterator[Running]:
    """A service that listens; ended with SIGTERM."""
    with starting(launcher, **settings) as service:
        service.wait_for('"listening"')
        yield service
        service.process.terminate()
        service.wait()


def channel_to(service: Running) -> aio.Channel:
    """A channel of plain gRPC to a service that has the port."""
    return aio.insecure_channel(f"127.0.0.1:{service.settings['PLAIN_GRPC_PORT']}")
