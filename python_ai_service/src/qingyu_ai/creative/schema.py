"""The contract's messages as JSON Schema, as language models are told and held to it."""

from typing import Any

from protobuf import Message
from pydantic import TypeAdapter

from qingyu_ai.generation import Schema


def schema_of(shape: type[Message[Any]]) -> Schema:
    """The schema of a message type, by the strict rules of OpenAI's and Anthropic's structured outputs.

    Every object is closed and needs all its fields: a model that must not leave out one fills it in. There is no way to
    say a map by those rules, so a map is a list of pairs; `coerce` reads both. Descriptions are the contract's own.
    """
    schema = TypeAdapter(shape).json_schema()
    definitions = {name: _strict(each) for name, each in schema.get("$defs", {}).items()}
    return Schema(shape.__name__, _strict(schema) | ({"$defs": definitions} if definitions else {}))


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        # Nothing may stand beside it.
        return {"$ref": schema["$ref"]}
    strict: dict[str, Any] = {"type": schema["type"]}
    if "description" in schema:
        strict["description"] = schema["description"]
    if "items" in schema:
        strict["items"] = _strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        pair = {"key": {"type": "string"}, "value": _strict(schema["additionalProperties"])}
        return strict | {"type": "array", "items": _closed(pair)}
    if "properties" in schema:
        strict |= _closed({name: _strict(each) for name, each in schema["properties"].items()})
    return strict


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
