"""Holding a model to a JSON Schema: services with structured outputs are, and others say that they cannot be."""

from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.generation import Schema, Task
from qingyu_ai.llm.provider_errors import RefusedError

# Stands for the schema in what a model is known to refuse. Its parameter may be taken all the same, with less in it.
JSON_SCHEMA = "json_schema"
_PARAMETERS = ("response_format", "output_config")


def held_to(task: Task, left_out: frozenset[str]) -> Schema | None:
    """The schema that the model is sent."""
    return None if JSON_SCHEMA in left_out else task.schema


def is_about_schema(refusal: ServiceError, task: Task, left_out: frozenset[str]) -> bool:
    """Whether a refusal may be about the schema that was sent.

    Some name the parameter; others speak of grammars, complexity or guided decoding, which is as good as nothing: a
    request that was refused for no known reason is worth asking once without its schema.
    """
    if held_to(task, left_out) is None:
        return False
    if isinstance(refusal, RefusedError):
        return refusal.parameter in _PARAMETERS
    return refusal.reason is Reason.INVALID_REQUEST
