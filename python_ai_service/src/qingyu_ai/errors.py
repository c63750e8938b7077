"""What can go wrong, as one class with a closed set of reasons."""

from enum import StrEnum


class Reason(StrEnum):
    """The stable word of a failure; every message on the wire begins with it."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_PARAMETER = "unsupported_parameter"
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    CONTENT_FILTER = "content_filter"
    UNAUTHENTICATED = "unauthenticated"
    MODEL_NOT_FOUND = "model_not_found"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_CREDENTIAL = "model_credential"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_BAD_ANSWER = "model_bad_answer"
    KNOWLEDGE_UNAVAILABLE = "knowledge_unavailable"
    KNOWLEDGE_OTHER_MODEL = "knowledge_other_model"
    SERVICE_UNAVAILABLE = "service_unavailable"
    INTERNAL = "internal"


class ServiceError(Exception):
    """A failure that may be told to the caller: the message is ours and holds no text of a provider.

    Args:
        reason: Which failure it is; decides the code on the wire.
        message: One sentence for a person.
        retry_after_s: Seconds after which asking again can help, where the provider said so.
    """

    def __init__(self, reason: Reason, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s


def invalid(message: str) -> ServiceError:
    """A request that can never be served; `message` names the field."""
    return ServiceError(Reason.INVALID_REQUEST, message)
