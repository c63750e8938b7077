"""The documents of a project in the knowledge base of a service that runs elsewhere."""

import asyncio
import http.client
import json
import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.indexing.catalogue import DocumentKey, Tell
from qingyu_ai.indexing.decoding import InputError
from qingyu_ai.indexing.wire import (
    MAX_BODY_BYTES,
    MAX_KEYS,
    PATH,
    Key,
    ListAnswer,
    Listed,
    PutAnswer,
    PutRequest,
    RemoveAnswer,
    RemoveRequest,
)
from qingyu_ai.knowledge.document import Document

# Small enough that a batch is embedded within the time that proxies allow, large enough that few are needed.
_BATCH_DOCUMENTS = 100
_BATCH_BYTES = 512 * 1024
_TIMEOUT_S = 600.0
_TRIES = 4
_FIRST_PAUSE_S = 0.5
_MAX_PAUSE_S = 30
_TRY_AGAIN = frozenset({429, 502, 503, 504})
A = TypeVar("A", bound=BaseModel)


class RemoteCatalogue:
    """A `Catalogue` over the administration of `knowledge_api`.

    A call that fails for now is made again, three times at most: putting and removing twice is the same as once.
    Redirects are not followed, since the token would go with them.

    Args:
        url: Where the service's HTTP port is, https outside the own machine.
        token: The service's bearer token, None where it asks for none.
        tenant: Whose knowledge; None: the service's default.
        project: Which.
        is_insecure: Whether the token may go over http to another machine.

    Raises `InputError` where the URL is none, or the token would be read on its way.
    """

    def __init__(
        self, url: str, token: str | None, tenant: str | None, project: str, *, is_insecure: bool = False
    ) -> None:
        self._parts = _parts(url)
        if token is not None and not is_insecure and self._parts.scheme == "http" and not _is_own(self._parts.hostname):
            raise InputError("--url: http would tell the token to everybody on the way; use https, or give --insecure")
        self._headers: dict[str, str | bytes] = {"content-type": "application/json"}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}".encode()
        self._tenant = tenant
        self._project = project

    async def listed(self, *doc_types: str) -> list[Listed]:
        found = await self._ask("GET", f"/documents?{urlencode(self._whose())}", None, ListAnswer)
        return [document for document in found.documents if not doc_types or document.doc_type in doc_types]

    async def put(self, documents: Sequence[Document], tell: Tell) -> int:
        passages = done = 0
        for batch in _batches(documents):
            asked = PutRequest(tenant=self._tenant, project=self._project, documents=batch)
            content = asked.model_dump_json(exclude_defaults=True).encode()
            if len(content) > MAX_BODY_BYTES:
                raise InputError(f"{batch[0].doc_type} {batch[0].id}: is too long to be sent; cut it into several")
            passages += (await self._ask("POST", "/documents", content, PutAnswer)).passages
            done += len(batch)
            tell(f"{done}/{len(documents)}  {batch[-1].doc_type} {batch[-1].id}")
        return passages

    async def remove(self, documents: Sequence[DocumentKey]) -> int:
        removed = 0
        for start in range(0, len(documents), MAX_KEYS):
            keys = [Key(doc_type=doc_type, id=id_) for doc_type, id_ in documents[start : start + MAX_KEYS]]
            asked = RemoveRequest(tenant=self._tenant, project=self._project, documents=keys)
            content = asked.model_dump_json(exclude_none=True).encode()
            removed += (await self._ask("POST", "/documents/remove", content, RemoveAnswer)).removed
        return removed

    def _whose(self) -> dict[str, str]:
        return {"project": self._project, **({} if self._tenant is None else {"tenant": self._tenant})}

    async def _ask(self, method: str, path: str, content: bytes | None, shape: type[A]) -> A:
        target = quote(self._parts.path.rstrip("/"), safe="/%") + PATH + path
        for number in range(1, _TRIES + 1):
            pause_s = _FIRST_PAUSE_S * 4 ** (number - 1)
            try:
                status, answer, told_s = await asyncio.to_thread(self._send, method, target, content)
            except (OSError, http.client.HTTPException) as error:
                if number == _TRIES:
                    why = f"The service does not answer ({type(error).__name__})."
                    raise ServiceError(Reason.KNOWLEDGE_UNAVAILABLE, why) from None
            else:
                if status not in _TRY_AGAIN or number == _TRIES:
                    return _read(status, answer, shape)
                pause_s = max(pause_s, told_s)
            await asyncio.sleep(pause_s)
        raise AssertionError("unreachable")

    def _send(self, method: str, target: str, content: bytes | None) -> tuple[int, bytes, int]:
        """Status, body and the seconds that the service asks to wait."""
        connect = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = connect(self._parts.netloc, timeout=_TIMEOUT_S)
        try:
            connection.request(method, target, content, self._headers)
            response = connection.getresponse()
            told = response.headers.get("retry-after", "")
            return response.status, response.read(), min(int(told), _MAX_PAUSE_S) if told.isdecimal() else 0
        finally:
            connection.close()


def _parts(url: str) -> SplitResult:
    try:
        if re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", url):
            return urlsplit(url)
    except ValueError:
        pass  # A bracket without the other one.
    raise InputError("--url: must be like https://service:8000")


def _is_own(host: str | None) -> bool:
    """Whether a host is this machine, by its name alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for document in documents:
        own = len(document.model_dump_json(exclude_defaults=True).encode())
        if batch and (len(batch) == _BATCH_DOCUMENTS or size + own > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += own
    if batch:
        yield batch


def _read(status: int, answer: bytes, shape: type[A]) -> A:
    """An answer, or what the service says against it."""
    try:
        if status == 200:
            return shape.model_validate_json(answer)
        error = json.loads(answer)["error"]
        raise ServiceError(Reason(error["code"]), str(error["message"]))
    except (ValidationError, ValueError, KeyError, TypeError):
        why = f"What answers at --url is no service with this administration (HTTP status {status})."
        raise ServiceError(Reason.KNOWLEDGE_UNAVAILABLE, why) from None
