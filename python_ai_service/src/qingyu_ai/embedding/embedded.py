"""An embedding without a model: texts that share characters, their pairs or words are neighbours."""

import asyncio
import math
import re
import unicodedata
from collections import Counter

from qingyu_ai.embedded import MODEL_NAME, check_name, fnv1a
from qingyu_ai.embedding.embedder import Vector
from qingyu_ai.tokens import HAN

DIMENSION = 1024
_WORD = re.compile(rf"[{HAN}]+|[^\W_]+")
_HAN = re.compile(f"[{HAN}]")
_GRAM = 3
_TEXTS_PER_STEP = 16


class EmbeddedEmbedder:
    """Hashed n-grams: single Han characters and pairs of them, words and their groups of three letters.

    Args:
        takes_every_name: Whether it also stands in for models that it is not, as in development.
    """

    model = MODEL_NAME
    is_lexical = True

    def __init__(self, *, takes_every_name: bool = False) -> None:
        self._takes_every_name = takes_every_name

    async def embed(self, texts: list[str], model: str = "") -> list[Vector]:
        """Unit vectors of 1024 numbers; the same text always gives the same one.

        Raises `model_not_found` for another model where it must not stand in.
        """
        check_name(model, takes_every_name=self._takes_every_name)
        vectors: list[Vector] = []
        # In small steps, so that a caller who leaves ends the work.
        for start in range(0, len(texts), _TEXTS_PER_STEP):
            vectors += await asyncio.to_thread(
                lambda step: [_vector(text) for text in step], texts[start : start + _TEXTS_PER_STEP]
            )
        return vectors


def _vector(text: str) -> Vector:
    vector = [0.0] * DIMENSION
    counts = Counter(feature for word in _words(text) for feature in _features(word))
    for feature, count in counts.items():
        digest = fnv1a(feature)
        sign = 1.0 if digest & 0x10000 else -1.0
        # The low bits of FNV-1a of short texts hang together; the high ones are folded in.
        vector[(digest ^ (digest >> 17)) % DIMENSION] += sign * len(feature) * math.sqrt(count)
    if not any(vector):
        # A text without any word gets a direction too: no vector is empty.
        vector[fnv1a(text) % DIMENSION] = 1.0
    length = math.hypot(*vector)
    return [number / length for number in vector]


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def _features(word: str) -> list[str]:
    if _HAN.match(word):
        return [*word, *(word[index : index + 2] for index in range(len(word) - 1))]
    return [word, *(word[index : index + _GRAM] for index in range(len(word) - _GRAM + 1))]
