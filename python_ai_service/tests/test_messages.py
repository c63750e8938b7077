"""What anybody may send in the place of a message of the contract."""

from typing import Any

import pytest
from protobuf import Message

from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    AgentExecutionRequest,
    ChapterData,
    GenerateContentRequest,
    OutlineData,
    OutlineRequest,
    RAGQueryRequest,
    StoryArc,
)
from qingyu_ai.json_messages import MAX_MESSAGES, MAX_VALUES, message_from_json
from qingyu_ai.rpc.binary import message_from_binary

# Protobuf's binary format by hand.
CHAPTER = b"\x32\x00"
CHARACTER_ID = b"\x12\x01a"
UNKNOWN = b"\xa0\x06\x01"
GROUP = b"\xa3\x06"
GROUP_END = b"\xa4\x06"


def field(number: int, data: bytes) -> bytes:
    length, size = b"", len(data)
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


@pytest.mark.parametrize(
    ("shape", "data", "says"),
    [
        (OutlineData, CHAPTER * (MAX_MESSAGES + 20_000), "chapters: there are more than 20000 objects"),
        (RAGQueryRequest, field(3, CHARACTER_ID * 2_000_000), "filters.character_ids: there are more than"),
        (AgentExecutionRequest, field(3, b"") * 1_000_000, "parameters: there are more than"),
        (AgentExecutionRequest, field(3, b"\x0a\x01k" * 1_000_000), "parameters: there are more than"),
        (StoryArc, field(1, b"\x01" * 1_000_000), "setup: there are more than"),
        (StoryArc, b"\x08\x01" * 1_000_000, "setup: there are more than"),
        (OutlineData, UNKNOWN * 1_000_000, "the request: there are more than"),
        (OutlineData, field(6, UNKNOWN * 1_000_000), "chapters: there are more than"),
        (OutlineData, GROUP * 5_000_000, "the request: there are more than"),
        (OutlineData, GROUP * 1_000 + GROUP_END * 1_000, "no OutlineData: "),
        (OutlineData, field(1, b"x" * 100_000)[:-1], "no OutlineData: "),
        (OutlineData, field(1, b"x" * 100_000) + b"\x80" * 11, "no OutlineData: "),
        (OutlineData, field(1, b"x" * 100_000) + b"\x0f", "no OutlineData: "),
        (OutlineData, b"\x0a\xff\xff\xff\xff\x07", "no OutlineData: "),
        (OutlineData, field(1, b"\xff\xfe"), "no OutlineData: "),
        (OutlineData, field(1, "\ud83d".encode("utf-8", "surrogatepass")), "no OutlineData: "),
    ],
)
def test_binary_that_holds_too_much_or_makes_no_sense_is_refused(
    shape: type[Message[Any]], data: bytes, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        message_from_binary(shape, data)


def test_binary_within_the_limits_is_read_as_it_is() -> None:
    long = "夜雨" * 100_000
    outline = OutlineData(title=long, estimated_total_words=-1, chapters=[ChapterData(title="a", key_events=["b"])])
    assert message_from_binary(OutlineData, outline.to_binary()) == outline
    later = message_from_binary(OutlineData, outline.to_binary() + UNKNOWN + GROUP + UNKNOWN + GROUP_END)
    assert (later.title, later.estimated_total_words, len(later.chapters)) == (long, -1, 1)
    most = StoryArc(setup=[1] * (MAX_VALUES - 1))
    assert message_from_binary(StoryArc, most.to_binary()) == most
    chapters = message_from_binary(OutlineData, CHAPTER * MAX_MESSAGES + field(1, b"x" * 100_000))
    assert len(chapters.chapters) == MAX_MESSAGES


@pytest.mark.parametrize(
    ("shape", "text", "says"),
    [
        (OutlineData, '{"chapters":[' + "{}," * 1_000_000 + "{}]}", "chapters: there are more than 20000 objects"),
        (OutlineData, '{"chapters":[' + "[]," * 1_000_000 + "[]]}", "chapters: there are more than"),
        (
            RAGQueryRequest,
            '{"query":"x","filters":{"characterIds":[' + '"a",' * 1_000_000 + '"a"]}}',
            "filters.characterIds: there are more than",
        ),
        (
            OutlineRequest,
            '{"workspaceContext":{' + ",".join(f'"{index}":""' for index in range(200_000)) + "}}",
            "workspaceContext: there are more than",
        ),
        (StoryArc, '{"setup":[' + "1," * 1_000_000 + "1]}", "setup: there are more than"),
        (StoryArc, '{"' + "k" * 1000 + '":[' + "1," * 1_000_000 + "1]}", r"^\?: there are more than"),
        (OutlineData, '{"a":' + "[" * 1_000_000, "^the request: there are more than"),
        (OutlineData, "[" * 5_000, "no OutlineData: it is not JSON, or nested too deeply"),
        (OutlineData, '{"chapters":' + "[" * 15_000 + "]" * 15_000 + "}", "no OutlineData: .*nested too deeply"),
        (OutlineData, '{"estimatedTotalWords":' + "1" * 1_000_000 + "}", "^no OutlineData: it is not JSON"),
        (OutlineData, '{"estimatedTotalWords":2147483648}', "^no OutlineData: a number is out of range for field "),
        (OutlineData, '{"estimatedTotalWords":1e40}', "^no OutlineData: a number is out of range for field "),
        (GenerateContentRequest, '{"options":{"topP":1e40}}', r"out of range for field .*GenerateOptions\.top_p$"),
        (OutlineData, '{"title":"\\ud83d"}', "no OutlineData: it holds half a surrogate pair"),
        (OutlineData, b'{"title":"\xff"}', "no OutlineData: it is not UTF-8"),
        (OutlineData, '{"title":"a"}'.encode("utf-16"), "no OutlineData: it is not UTF-8"),
        (OutlineData, '"1"', "no OutlineData: "),
        (OutlineData, "[]", "no OutlineData: "),
        (OutlineData, '{"storyArc":[]}', "no OutlineData: "),
    ],
)
def test_json_that_holds_too_much_or_makes_no_sense_is_refused(
    shape: type[Message[Any]], text: str | bytes, says: str
) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        message_from_json(shape, text)
    assert not any(value in str(raised.value) for value in ("2147483648", "e+40", "000000"))


@pytest.mark.parametrize("char", [",", "[", "{", '"', "\\", '\\"', "夜", "\n", "\x00", '",', "\\,", '\\",', '[{",'])
def test_what_a_text_holds_is_not_counted(char: str) -> None:
    prompt = char * (MAX_VALUES + 1)
    asked = GenerateContentRequest(prompt=prompt)
    assert message_from_json(GenerateContentRequest, asked.to_json()).prompt == prompt


def test_json_within_the_limits_is_read_as_it_is() -> None:
    assert len(message_from_json(StoryArc, '{"setup":[' + "1," * (MAX_VALUES - 3) + "1]}").setup) == MAX_VALUES - 2
    assert message_from_json(OutlineData, '\ufeff{"core_theme":"a","unknown":{"b":[1]}}') == OutlineData(core_theme="a")
