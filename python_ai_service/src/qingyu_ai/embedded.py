"""What the embedded stand-ins for models have in common."""

from qingyu_ai.errors import Reason, ServiceError

MODEL_NAME = "embedded"


def check_name(model: str, *, takes_every_name: bool) -> None:
    """Raises `model_not_found` where a caller names a real model and must not get the embedded one instead."""
    if model not in ("", MODEL_NAME) and not takes_every_name:
        raise ServiceError(Reason.MODEL_NOT_FOUND, f"only the model {MODEL_NAME!r} is here")


def fnv1a(text: str) -> int:
    """FNV-1a over UTF-16 code units, 32 bits, as JavaScript counts them."""
    encoded = text.encode("utf-16-le", "surrogatepass")
    value = 0x811C9DC5
    for index in range(0, len(encoded), 2):
        value = ((value ^ int.from_bytes(encoded[index : index + 2], "little")) * 0x01000193) & 0xFFFFFFFF
    return value
