"""The administration of what projects know, as JSON over HTTP: documents are put, listed and removed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.types import ASGIApp

from qingyu_ai.callers import TENANT, tenant_of
from qingyu_ai.errors import Reason, ServiceError, invalid
from qingyu_ai.http_calls import Guarded, answer_errors, read_body
from qingyu_ai.indexing.wire import (
    MAX_BODY_BYTES,
    PATH,
    ListAnswer,
    Listed,
    PutAnswer,
    PutRequest,
    RemoveAnswer,
    RemoveRequest,
    in_order,
)
from qingyu_ai.knowledge.knowledge import Knowledge
from qingyu_ai.knowledge.store import Scope
from qingyu_ai.telemetry.call import current_call

# Each holds a body.
CALLS_AT_ONCE = 8
_RETRY_AFTER_S = 5
_OPERATIONS = {
    ("POST", f"{PATH}/documents"): "put",
    ("GET", f"{PATH}/documents"): "list",
    ("POST", f"{PATH}/documents/remove"): "remove",
}


def knowledge_api(
    knowledge: Knowledge,
    token: str | None,
    default_tenant: str,
    count: Callable[[str, int, float], None] | None = None,
) -> ASGIApp:
    """The application that is mounted at `wire.PATH`.

    Errors are `{"error": {"code", "message"}}` with the service's reasons. The tenant is told by the request or by
    `x-qingyu-tenant`.

    Args:
        knowledge: What is administrated.
        token: The bearer token that callers must send; None lets everybody in.
        default_tenant: Whose knowledge it is where nobody says; empty: it must be said.
        count: See `Guarded`.
    """
    api = FastAPI(openapi_url=None)
    answer_errors(api)
    slots = asyncio.Semaphore(CALLS_AT_ONCE)

    @asynccontextmanager
    async def slot() -> AsyncIterator[None]:
        if slots.locked():
            message = f"{CALLS_AT_ONCE} other calls are changing knowledge; ask again."
            raise ServiceError(Reason.RATE_LIMITED, message, retry_after_s=_RETRY_AFTER_S)
        async with slots:
            yield

    def scope(request: Request, tenant: str | None, project: str) -> Scope:
        named = tenant_of(request.headers.getlist("x-qingyu-tenant")) or None
        if None not in (tenant, named) and tenant != named:
            raise invalid("tenant: is another one than in x-qingyu-tenant.")
        told = named if tenant is None else tenant
        if told is None and not default_tenant:
            raise invalid("tenant: is needed, in the request or in x-qingyu-tenant.")
        record = current_call()
        record.tenant = default_tenant if told is None else told
        return Scope(record.tenant, project)

    @api.post("/documents")
    async def put(request: Request) -> PutAnswer:
        async with slot():
            asked = await read_body(request, PutRequest, MAX_BODY_BYTES)
            passages = await knowledge.index(scope(request, asked.tenant, asked.project), asked.documents)
        return PutAnswer(indexed=len(asked.documents), passages=passages)

    @api.get("/documents")
    async def listed(
        request: Request,
        project: Annotated[str, Query(min_length=1, max_length=200)],
        tenant: Annotated[str | None, Query(pattern=TENANT)] = None,
        doc_type: Annotated[str, Query(max_length=64)] = "",
    ) -> ListAnswer:
        doc_types = (doc_type,) if doc_type else ()
        found = await knowledge.store.documents(scope(request, tenant, project), *doc_types)
        return ListAnswer(documents=in_order([Listed.of(stored) for stored in found]))

    @api.post("/documents/remove")
    async def remove(request: Request) -> RemoveAnswer:
        async with slot():
            asked = await read_body(request, RemoveRequest, MAX_BODY_BYTES)
            within = scope(request, asked.tenant, asked.project)
            named = {(key.doc_type, key.id) for key in asked.documents or asked.keep or ()}
            if asked.keep is not None:
                there = await knowledge.store.documents(within)
                named = {(each.document.doc_type, each.document.id) for each in there} - named
            return RemoveAnswer(removed=await knowledge.store.remove(within, sorted(named)) if named else 0)

    return Guarded(api, token, _OPERATIONS, count)
