"""What a provider's failures mean; the same for both clients, for language models and embeddings."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qingyu_ai.errors import Reason, ServiceError

_CONTEXT_CODES = {"context_length_exceeded", "string_above_max_length"}
_FILTER_CODES = {"content_filter", "content_policy_violation"}


def status_failure(status: int, code: str, retry_after: str | None) -> ServiceError:
    """The failure that a provider's status and error code stand for.

    Args:
        status: HTTP status of at least 400.
        code: The provider's own word, empty where it has none; only known ones are looked at.
        retry_after: The header as it came; only seconds are understood.
    """
    if code in _CONTEXT_CODES or status == 413:
        return ServiceError(Reason.CONTEXT_LENGTH_EXCEEDED, "The prompt is longer than the model can read.")
    if code in _FILTER_CODES:
        return ServiceError(Reason.CONTENT_FILTER, "The language model's provider refused the prompt.")
    if code == "insufficient_quota" or status == 402:
        return ServiceError(Reason.QUOTA_EXHAUSTED, "The account at the language model's provider is used up.")
    if status == 429:
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
        return ServiceError(Reason.RATE_LIMITED, "The provider limits our rate.", retry_after_s=seconds)
    if status in (401, 403):
        return ServiceError(Reason.MODEL_CREDENTIAL, "The provider does not accept our key.")
    if status == 404:
        return ServiceError(Reason.MODEL_NOT_FOUND, "The provider does not have this model.")
    if status in (408, 504):
        return ServiceError(Reason.MODEL_TIMEOUT, "The provider did not answer in time.")
    if status in (400, 422):
        return ServiceError(Reason.INVALID_REQUEST, "The provider refused the request's parameters.")
    return ServiceError(Reason.MODEL_UNAVAILABLE, "The provider is in trouble.")


@contextmanager
def provider_failures(client: Any, base: type[Exception]) -> Iterator[None]:  # noqa: ANN401 (a module)
    """Turns what a client throws into `ServiceError`s without any text of the provider.

    Args:
        client: The module openai or anthropic: one generator made both, so their errors have the same names.
        base: The class of all its errors.
    """
    try:
        yield
    except client.APITimeoutError:
        raise ServiceError(Reason.MODEL_TIMEOUT, "The provider did not answer in time.") from None
    except client.APIConnectionError:
        raise ServiceError(Reason.MODEL_UNAVAILABLE, "The provider cannot be reached.") from None
    except client.APIStatusError as error:
        # Only OpenAI's has a code.
        code = getattr(error, "code", None)
        retry_after = error.response.headers.get("retry-after")
        raise status_failure(error.status_code, code if isinstance(code, str) else "", retry_after) from None
    except (base, ValueError, TypeError, AttributeError):
        # Also an error event within a stream, bytes that are no JSON, and JSON of another shape.
        raise ServiceError(Reason.MODEL_BAD_ANSWER, "The provider's answer makes no sense.") from None
