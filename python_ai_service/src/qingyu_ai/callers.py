"""Who calls, as headers say it, whichever protocol carries them."""

import hmac
import re
from collections.abc import Sequence

from qingyu_ai.errors import Reason, ServiceError, invalid

# What the gateway calls a tenant, as a regular expression and in words.
TENANT = r"^[A-Za-z0-9._-]{0,64}$"
TENANT_IN_WORDS = "at most 64 letters, digits, dots, underscores or hyphens"


class Credential:
    """What callers must show.

    Args:
        token: The bearer token; None lets everybody in.
    """

    def __init__(self, token: str | None) -> None:
        self._authorization = None if token is None else f"Bearer {token}".encode()

    def check(self, authorization: bytes) -> None:
        """Raises `unauthenticated`, after the same time for every wrong header."""
        if self._authorization is not None and not hmac.compare_digest(authorization, self._authorization):
            raise ServiceError(Reason.UNAUTHENTICATED, "The bearer token is wrong.")


def tenant_of(sent: Sequence[str]) -> str:
    """The tenant that the headers `x-qingyu-tenant` name; blank where there is none. Raises `invalid_request`."""
    tenant = ",".join(sent)
    if not re.fullmatch(TENANT, tenant):
        raise invalid(f"x-qingyu-tenant: must be {TENANT_IN_WORDS}")
    return tenant
