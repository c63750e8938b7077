"""A writer without a model: deterministic text that continues a prompt in its language, and structures by their schema.

It writes the same as the Node stand-in of `npm run dev` (dev/embedded-writer.ts); a contract test compares the two.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from itertools import count

from qingyu_ai.embedded import MODEL_NAME, check_name, fnv1a
from qingyu_ai.generation import Piece, Task, Usage
from qingyu_ai.llm.embedded_material import asked_in
from qingyu_ai.llm.embedded_structure import write_structure
from qingyu_ai.tokens import HAN, pieces_of

_SECONDS_PER_BREATH = 0.015
# What is long is written faster, so that it is there before a client has left.
_MAX_BREATHS = 130
_SENTENCES_PER_ANSWER = 8
# Steps by which every sentence comes once.
_ORDERS = (7, 3, 9, 1)

_CHINESE = (
    "夜色渐深，檐角的风铃轻轻作响。",
    "他停下脚步，望向远处隐约的灯火。",
    "“你终于来了。”那人低声说道。",
    "雨丝落在青石板上，溅起细碎的光。",
    "她握紧手中的信，心里却异常平静。",
    "山道尽头，一片青色的羽毛缓缓飘落。",
    "没有人记得这座城从何时起沉默。",
    "酒已凉透，故事却才刚刚开始。",
    "他忽然明白，真正的答案一直在身边。",
    "天边泛起微光，新的一天就要到来。",
)
_ENGLISH = (
    "The lamps along the river burned low. ",
    "She folded the letter and said nothing. ",
    "Somewhere behind them a door closed softly. ",
    '"You are late," said the old man, without turning round. ',
    "Rain had begun to fall on the empty square. ",
    "He remembered the road, but not why he had taken it. ",
    "A single blue feather lay on the sill. ",
    "Nobody in the town would speak of that winter. ",
    "The answer had been in front of them all along. ",
    "By morning the snow had covered every track. ",
)


class EmbeddedWriter:
    """The language model that is always there.

    Args:
        takes_every_name: Whether it also stands in for models that it is not, as in development.
    """

    def __init__(self, *, takes_every_name: bool = False) -> None:
        self._takes_every_name = takes_every_name

    async def stream(self, task: Task) -> AsyncGenerator[Piece]:
        """Writes a few sentences at a natural pace, or as many as were asked for, or a structure.

        Before the answer to a prompt stands the first passage of the project, where there is one. JSON without a schema
        is an object with the text as `text`. Raises `model_not_found` for another model where it must not stand in.
        """
        check_name(task.model, takes_every_name=self._takes_every_name)
        prompt = "\n".join(message.content for message in task.messages)
        pieces = pieces_of(_answer_to(task, prompt))
        is_cut = 0 < task.max_tokens < len(pieces)
        written = pieces[: task.max_tokens] if is_cut else pieces
        pieces_per_breath = -(-len(written) // _MAX_BREATHS)
        for index, piece in enumerate(written):
            yield Piece(piece, MODEL_NAME)
            if index % pieces_per_breath == 0:
                await asyncio.sleep(_SECONDS_PER_BREATH)
        usage = Usage(len(pieces_of(task.knowledge)) + len(pieces_of(prompt)), len(written))
        yield Piece(finish_reason="length" if is_cut else "stop", usage=usage)

    async def check(self) -> None:
        """Never fails."""


def _answer_to(task: Task, prompt: str) -> str:
    asked = asked_in(task.messages)
    structure = write_structure(asked) if asked and asked.schema is not None else None
    if structure is not None:
        return structure
    if asked is None:
        text = _quote(task.knowledge) + _few_sentences(prompt)
    elif asked.length is None:
        text = _few_sentences(asked.text)
    else:
        text = _sentences_of_length(asked.text, asked.length)
    for word in filter(None, task.stop):
        text = text.partition(word)[0]
    text = text.rstrip()
    return json.dumps({"text": text}, ensure_ascii=False, separators=(",", ":")) if task.json else text


def _is_chinese(text: str) -> bool:
    return re.search(f"[{HAN}]", text) is not None


def _few_sentences(text: str) -> str:
    sentences = _CHINESE if _is_chinese(text) else _ENGLISH
    seed = fnv1a(text)
    return "".join(sentences[(seed + turn * 7) % len(sentences)] for turn in range(_SENTENCES_PER_ANSWER))


def _sentences_of_length(text: str, length: int) -> str:
    """Whole sentences while they fit; paragraphs have all of them, each in another order.

    What is then missing is filled up.
    """
    sentences, end = (_CHINESE, "。") if _is_chinese(text) else (_ENGLISH, ".")
    seed = fnv1a(text)
    written: list[str] = []
    left = length
    for turn in count():
        number = turn // len(sentences)
        step = _ORDERS[number % len(_ORDERS)]
        following = sentences[(seed + number + turn * step) % len(sentences)]
        between = "\n" if turn > 0 and turn % len(sentences) == 0 else ""
        if len(between) + len(following) > left:
            if left > length * 0.1:
                begun = following[: max(0, left - len(between) - len(end))]
                written += [between, begun.rstrip('，。“”,." '), end]
            break
        written += [between, following]
        left -= len(between) + len(following)
    return "".join(written)


def _quote(knowledge: str) -> str:
    """The first passage, so that without a model too a person sees that the knowledge base was asked."""
    passage = knowledge.partition("\n\n")[2].partition("\n\n")[0].strip()
    return f"{passage}\n\n" if passage else ""
