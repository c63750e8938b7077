"""Structures that a language model writes: how they are asked for, read and repaired."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from protobuf import Message as ProtoMessage

from qingyu_ai.creative.author import Written
from qingyu_ai.creative.coerce import coerce
from qingyu_ai.creative.objects import json_objects
from qingyu_ai.creative.schema import schema_of
from qingyu_ai.creative.structured import write_structured
from qingyu_ai.errors import Reason, ServiceError
from qingyu_ai.gen.qingyu.ai.ai_service_pb import (
    CharactersData,
    DiagnosticReportData,
    EventImpact,
    GenerateOptions,
    Mentorship,
    OutlineData,
    PlotData,
    StoryArc,
)
from qingyu_ai.generation import LanguageModel, Message
from qingyu_ai.llm.anthropic import AnthropicModel, anthropic_client
from qingyu_ai.llm.openai import OpenAIModel, openai_client
from tests.providers import Handler, Provider, anthropic_says, fails, openai_says, provider

pytestmark = pytest.mark.anyio
ASKED = (Message("system", "You plan."), Message("user", "写一件事"))
GOOD = '{"onPlot":"局势再变","onCharacters":[{"key":"林青羽","value":"更近真相"}],"emotionalImpact":"不安"}'
IMPACT = EventImpact(on_plot="局势再变", on_characters={"林青羽": "更近真相"}, emotional_impact="不安")
SCHEMA = {
    "type": "object",
    "properties": {
        "onPlot": {"type": "string"},
        "onCharacters": {
            "type": "array",
            "description": "Character to what the event does to them.",
            "items": {
                "type": "object",
                "properties": {"key": {"type": "string"}, "value": {"type": "string"}},
                "required": ["key", "value"],
                "additionalProperties": False,
            },
        },
        "emotionalImpact": {"type": "string"},
    },
    "required": ["onPlot", "onCharacters", "emotionalImpact"],
    "additionalProperties": False,
}
TOLD = "Answer with one JSON object of this JSON Schema, all fields filled in, and nothing else:\n" + json.dumps(
    SCHEMA, ensure_ascii=False, separators=(",", ":")
)


@asynccontextmanager
async def openai_at(model: Provider, name: str = "the-model") -> AsyncIterator[LanguageModel]:
    async with openai_client("key", f"{model.url}/v1") as client:
        yield OpenAIModel(client, name)


@asynccontextmanager
async def anthropic_at(model: Provider) -> AsyncIterator[LanguageModel]:
    async with anthropic_client("key", model.url) as client:
        yield AnthropicModel(client, "claude-sonnet-4-6")


def impact_problems(impact: EventImpact) -> list[str]:
    return [] if impact.on_plot else ["onPlot: is empty"]


async def write(writer: LanguageModel) -> Written[EventImpact]:
    return await write_structured(writer, ASKED, EventImpact, impact_problems)


async def written_after(*answers: Callable[[Handler], None]) -> tuple[Written[EventImpact], list[dict[str, Any]]]:
    with provider(*answers) as model:
        async with openai_at(model) as writer:
            return await write(writer), model.bodies


def refuses(status: int, message: str, param: str | None = None) -> Callable[[Handler], None]:
    error = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}
    return lambda handler: handler.send(status, "application/json", json.dumps(error).encode())


async def test_openai_is_held_to_the_schema_by_this_body() -> None:
    written, bodies = await written_after(openai_says(GOOD))
    assert written == Written(IMPACT, 18)
    assert bodies == [
        {
            "model": "the-model",
            "messages": [
                {"role": "system", "content": TOLD},
                {"role": "system", "content": "You plan."},
                {"role": "user", "content": "写一件事"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "EventImpact", "strict": True, "schema": SCHEMA},
            },
            "max_tokens": 8192,
        }
    ]


async def test_anthropic_is_held_to_the_schema_by_this_body() -> None:
    with provider(anthropic_says(GOOD)) as model:
        async with anthropic_at(model) as writer:
            assert await write(writer) == Written(IMPACT, 14)
        assert model.bodies == [
            {
                "model": "claude-sonnet-4-6",
                "system": f"{TOLD}\n\nYou plan.",
                "messages": [{"role": "user", "content": "写一件事"}],
                "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
                "max_tokens": 8192,
                "stream": True,
            }
        ]


# As DeepSeek, Ollama, OpenAI's older models and vLLM word it.
@pytest.mark.parametrize(
    "refusal",
    [
        refuses(400, "This response_format type is unavailable now"),
        refuses(422, "Failed to deserialize the JSON body: response_format.type `json_schema` is unavailable now"),
        refuses(400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported", "response_format"),
        refuses(400, "The guided decoding backend cannot compile the grammar."),
    ],
)
async def test_a_service_without_schemas_is_asked_for_any_object_and_not_offered_one_again(
    refusal: Callable[[Handler], None],
) -> None:
    with provider(refusal, openai_says(GOOD), openai_says(GOOD)) as model:
        async with openai_at(model) as writer:
            assert (await write(writer)).data == IMPACT
            assert (await write(writer)).data == IMPACT
        kinds = [body["response_format"]["type"] for body in model.bodies]
        assert kinds == ["json_schema", "json_object", "json_object"]
        held, unheld, again = ({**body, "response_format": None} for body in model.bodies)
        assert held == unheld == again


async def test_a_service_without_any_formats_is_asked_in_words() -> None:
    refusal = refuses(400, "Unknown parameter: response_format", "response_format")
    with provider(refusal, refusal, openai_says(GOOD)) as model:
        async with openai_at(model) as writer:
            assert (await write(writer)).data == IMPACT
            assert (await write(writer)).data == IMPACT
        assert ["response_format" in body for body in model.bodies] == [True, True, False, False]
        assert model.bodies[3]["messages"][0] == {"role": "system", "content": TOLD}


async def test_a_model_that_writes_less_than_is_wished_writes_what_it_can() -> None:
    refusal = refuses(
        400, "'max_tokens' is too large: 8192. This model's maximum context length is 4096 tokens.", "max_tokens"
    )
    with provider(refusal, openai_says(GOOD)) as model:
        async with openai_at(model) as writer:
            assert (await write(writer)).data == IMPACT
        first, second = model.bodies
        assert second == {name: value for name, value in first.items() if name != "max_tokens"}


async def test_a_model_of_claudes_without_schemas_is_asked_in_words() -> None:
    refusal = refuses(400, "output_config: Extra inputs are not permitted")
    with provider(refusal, anthropic_says(GOOD)) as model:
        async with anthropic_at(model) as writer:
            assert (await write(writer)).data == IMPACT
            assert (await write(writer)).data == IMPACT
        assert ["output_config" in body for body in model.bodies] == [True, False, False]
        assert model.bodies[1]["system"] == f"{TOLD}\n\nYou plan."


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (fails(401), Reason.MODEL_CREDENTIAL),
        (fails(429), Reason.RATE_LIMITED),
        (fails(400, "context_length_exceeded"), Reason.CONTEXT_LENGTH_EXCEEDED),
    ],
)
async def test_other_failures_are_not_asked_again_without_the_schema(
    failure: Callable[[Handler], None], reason: Reason
) -> None:
    with provider(failure) as model:
        async with openai_at(model) as writer:
            with pytest.raises(ServiceError) as raised:
                await write(writer)
        assert (raised.value.reason, len(model.bodies)) == (reason, 1)


@pytest.mark.parametrize(
    "answer",
    [
        f"Here it is:\n```json\n{GOOD}\n```\nDo you like it?",
        f'<think>A {{draft}}: {{"onPlot":"no"}} <b></think>\n{GOOD}',
        f'I think of {{"onPlot":"no"}}.</think>{GOOD}',
        f'{{"onPlot":""}} was wrong, so: {GOOD}',
        f'{{"eventImpact":{GOOD}}}',
        '{"on_plot":"局势再变","on_characters":{"林青羽":["更近真相"]},"emotional_impact":["不安"],"more":[1]}',
        '{"OnPlot":"局势再变","onCharacters":[{"林青羽":"更近真相"}],"emotional-impact":"不安","x":null}',
    ],
)
async def test_one_call_is_enough_where_the_object_can_be_found(answer: str) -> None:
    written, bodies = await written_after(openai_says(answer))
    assert (written, len(bodies)) == (Written(IMPACT, 18), 1)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("I cannot do that.", "It holds no whole JSON object."),
        ('{"onPlot":"a",}', "It holds no whole JSON object. "),
        ('{"onPlot":{"a":1}}', "onPlot: must be a text"),
        ('{"onCharacters":["a"]}', "onCharacters: must be an object, or a list of key and value"),
        ("{}", "onPlot: is empty"),
        ('{"onPlot":{},"emotionalImpact":{}} or {"onPlot":""} or {"onPlot":{}}', "onPlot: is empty"),
        ("[" * 3000, "It holds no whole JSON object."),
        ('{"onPlot":"\\ud83d"}', "It is no EventImpact: it holds half a surrogate pair"),
        ('<think>{"onPlot":"a"}', "It holds no whole JSON object."),
    ],
)
async def test_a_wrong_answer_is_sent_back_once_with_what_is_wrong(bad: str, complaint: str) -> None:
    written, bodies = await written_after(openai_says(bad), openai_says(GOOD))
    assert written == Written(IMPACT, 36)
    first, second = bodies
    said, told = second["messages"][3:]
    assert second == {**first, "messages": second["messages"]}
    assert second["messages"][:3] == first["messages"]
    assert said == {"role": "assistant", "content": bad}
    assert told["role"] == "user"
    assert told["content"].startswith(f"Your answer cannot be used:\n{complaint}")
    assert told["content"].endswith("\nAnswer with the whole, corrected JSON object.")


async def test_an_answer_that_is_wrong_twice_is_an_error() -> None:
    with pytest.raises(ServiceError, match="did not write what was asked for") as raised:
        await written_after(openai_says("{}"), openai_says("{}"), openai_says(GOOD))
    assert raised.value.reason is Reason.MODEL_BAD_ANSWER


async def test_an_answer_that_was_cut_is_asked_for_shorter_and_not_sent_back() -> None:
    written, bodies = await written_after(openai_says(GOOD[:30], "length"), openai_says(GOOD))
    assert written == Written(IMPACT, 36)
    first, second = bodies
    assert second["messages"][:-1] == first["messages"]
    assert "cut off because it was too long" in second["messages"][-1]["content"]
    assert (first["max_tokens"], second["max_tokens"]) == (8192, 16_384)


async def test_an_answer_that_is_whole_at_its_limit_is_good() -> None:
    written, bodies = await written_after(openai_says(GOOD, "length"))
    assert (written.data, len(bodies)) == (IMPACT, 1)


async def test_a_model_that_thinks_until_its_limit_is_asked_for_less() -> None:
    written, bodies = await written_after(openai_says("", "length"), openai_says(GOOD))
    assert (written.data, len(bodies)) == (IMPACT, 2)


async def test_an_answer_that_is_cut_twice_says_so() -> None:
    with pytest.raises(ServiceError, match="cut off at its limit of tokens") as raised:
        await written_after(openai_says(GOOD[:30], "length"))
    assert raised.value.reason is Reason.MODEL_BAD_ANSWER


async def test_an_answer_that_is_withheld_is_not_repaired() -> None:
    with pytest.raises(ServiceError) as raised:
        await written_after(openai_says(GOOD[:30], "content_filter"), openai_says(GOOD))
    assert raised.value.reason is Reason.CONTENT_FILTER


async def test_tokens_that_are_unknown_once_are_unknown() -> None:
    def without_usage(handler: Handler) -> None:
        chunk = {"choices": [{"index": 0, "delta": {"content": "{}"}, "finish_reason": "stop"}]}
        handler.send(200, "text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

    assert (await written_after(without_usage, openai_says(GOOD)))[0] == Written(IMPACT, 0)


async def test_a_huge_answer_is_neither_read_nor_sent_back_whole() -> None:
    huge = '{"onCharacters":{' + ",".join(f'"{index}":"a"' for index in range(60_000)) + "}}"

    def says_at_once(handler: Handler) -> None:
        chunk = {"choices": [{"index": 0, "delta": {"content": huge}, "finish_reason": "stop"}]}
        handler.send(200, "text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

    _, bodies = await written_after(says_at_once, openai_says(GOOD))
    said, told = bodies[1]["messages"][-2:]
    assert len(said["content"]) == 60_000
    assert "It is too long." in told["content"]


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("", []),
        ("{", []),
        ("[1]", []),
        ('{"a":1}', [{"a": 1}]),
        (' \n{"a":{"b":"}{"}} ', [{"a": {"b": "}{"}}]),
        ('use {braces} and { like {"a":1} or {"b":2}', [{"a": 1}, {"b": 2}]),
        ('{"a":[{"b":1},]} {"c":3}', [{"c": 3}]),
        ('{"a":"\\"}"} x', [{"a": '"}'}]),
        ('{"a":"unclosed \\" {"b":1}', []),
        ('{"a":"x\ny\t"}', [{"a": "x\ny\t"}]),
        ('<think>{"a":1}</think>{"b":"</think>"}', [{"b": "</think>"}]),
        ('{"b":"<think>"}', [{"b": "<think>"}]),
        ('<THINKING>{"a":1}</THINKING> so {"b":1}<think>{"c":1}', [{"b": 1}]),
        ('<think><think>{"a":1}</think>{"b":1}', [{"b": 1}]),
        ('{"a":1}</think>{"b":1}', [{"b": 1}]),
        ('so {"a":1}.</think> That is {"b":1}.', [{"b": 1}]),
        ('{"a":1} <think>x</think> no</think> It is {"b":1}.', [{"b": 1}]),
        ("{}" * 30, [{}] * 20),
    ],
)
def test_objects_are_found_in_what_stands_around_them(text: str, objects: list[Any]) -> None:
    assert list(json_objects(text)) == objects


@pytest.mark.parametrize("part", ["{", '{"', '{"a":', "{}", '{"a":1,} ', '\\"', "<think>", "</think>", "[", '{"a":[{'])
def test_a_text_that_makes_no_sense_is_searched_in_linear_time(part: str) -> None:
    # Quadratic, 400,000 characters would take hours.
    assert list(json_objects('{"' + part * (400_000 // len(part)))) in ([], [{}] * 20)


@pytest.mark.parametrize(
    ("shape", "given", "read"),
    [
        (OutlineData, {"title": 3}, {"title": "3"}),
        (OutlineData, {"title": 2.5, "genre": True}, {"title": "2.5", "genre": "true"}),
        (OutlineData, {"title": ["a", "b"]}, {"title": "a\nb"}),
        (OutlineData, {"title": None, "chapters": None, "storyArc": None}, {}),
        (OutlineData, {"estimatedTotalWords": "3"}, {"estimatedTotalWords": 3}),
        (OutlineData, {"estimated_total_words": " 3.0 "}, {"estimatedTotalWords": 3}),
        (OutlineData, {"estimatedTotalWords": 3.0}, {"estimatedTotalWords": 3}),
        (OutlineData, {"estimatedTotalWords": "-1e3"}, {"estimatedTotalWords": -1000}),
        (OutlineData, {"estimatedTotalWords": " 1,000,000"}, {"estimatedTotalWords": 1_000_000}),
        (OutlineData, {"chapters": {"keyEvents": "a"}}, {"chapters": [{"keyEvents": ["a"]}]}),
        (OutlineData, {"chapters": [None, {"keyEvents": ["a", None]}]}, {"chapters": [{"keyEvents": ["a"]}]}),
        (OutlineData, {"storyArc": [{"climax": "3"}]}, {"storyArc": {"climax": [3]}}),
        (OutlineData, {"title": "a", "Title": "b", "TITLE": "c"}, {"title": "a"}),
        (OutlineData, {"core_theme": "b", "coreTheme": "a"}, {"coreTheme": "a"}),
        (OutlineData, {"unknown": {"a": [1]}}, {}),
        (DiagnosticReportData, {"passed": "True", "qualityScore": "90"}, {"passed": True, "qualityScore": 90}),
        (DiagnosticReportData, {"passed": False}, {"passed": False}),
        (PlotData, {"key_plot_points": {"plot_point_1": "a"}}, {"keyPlotPoints": {"plotPoint1": "a"}}),
        (EventImpact, {"onCharacters": [{"key": "a", "value": 1}]}, {"onCharacters": {"a": "1"}}),
        (EventImpact, {"onCharacters": {"key": "a", "value": None}}, {"onCharacters": {"key": "a"}}),
        (GenerateOptions, {"topP": "0.5", "temperature": 1}, {"topP": 0.5, "temperature": 1.0}),
        (GenerateOptions, {"seed": "9007199254740993"}, {"seed": 9007199254740993}),
    ],
)
def test_what_loses_nothing_is_coerced(shape: type[ProtoMessage[Any]], given: Any, read: Any) -> None:  # noqa: ANN401
    assert coerce(shape, given) == (read, [])
    assert repr(coerce(shape, given)[0]) == repr(read)


@pytest.mark.parametrize(
    ("shape", "given", "problem"),
    [
        (OutlineData, {"title": {}}, "title: must be a text"),
        (OutlineData, {"title": ["a", 1]}, "title: must be a text"),
        (OutlineData, {"estimatedTotalWords": 3.5}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": "3.5"}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": "many"}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": "３"}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": True}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": 2**31}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": 10**4000}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": float("inf")}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"estimatedTotalWords": "1e99"}, "estimatedTotalWords: must be a whole number of 32 bits"),
        (OutlineData, {"chapters": "a"}, "chapters[0]: must be an object"),
        (OutlineData, {"chapters": [{}, {"keyEvents": [{}]}]}, "chapters[1].keyEvents[0]: must be a text"),
        (OutlineData, {"storyArc": "a"}, "storyArc: must be an object"),
        (OutlineData, {"storyArc": [{}, {}]}, "storyArc: must be an object"),
        (StoryArc, {"climax": ["1", "二"]}, "climax[1]: must be a whole number of 32 bits"),
        (DiagnosticReportData, {"passed": "yes"}, "passed: must be true or false"),
        (DiagnosticReportData, {"passed": 1}, "passed: must be true or false"),
        (
            EventImpact,
            {"onCharacters": [{"key": "a", "value": "b"}, {"key": "a", "value": "c"}]},
            "onCharacters[1]: the key is there already",
        ),
        (EventImpact, {"onCharacters": {"a": {}}}, "onCharacters[0]: must be a text"),
        (GenerateOptions, {"topP": float("nan")}, "topP: must be a number"),
        (GenerateOptions, {"topP": 1e39}, "topP: must be a number"),
        (GenerateOptions, {"topP": "0,500"}, "topP: must be a number"),
    ],
)
def test_what_does_not_fit_is_told_by_its_path(shape: type[ProtoMessage[Any]], given: Any, problem: str) -> None:  # noqa: ANN401
    assert coerce(shape, given)[1] == [problem]


def test_problems_are_bounded() -> None:
    assert len(coerce(OutlineData, {"chapters": ["a"] * 5_000})[1]) == 100


@pytest.mark.parametrize("shape", [OutlineData, CharactersData, PlotData, DiagnosticReportData])
def test_schemas_keep_the_strict_rules(shape: type[ProtoMessage[Any]]) -> None:
    schema = schema_of(shape)
    assert schema.name == shape.__name__
    root = dict(schema.schema)
    definitions = root.pop("$defs", {})
    deepest = 0

    def check(each: dict[str, Any], depth: int) -> None:
        nonlocal deepest
        if "$ref" in each:
            assert each.keys() == {"$ref"}
            check(definitions[each["$ref"].removeprefix("#/$defs/")], depth)
            return
        assert each["type"] in ("object", "array", "string", "integer", "number", "boolean")
        rest = each.keys() - {"type", "description"}
        if each["type"] == "object":
            deepest = max(deepest, depth)
            assert rest == {"properties", "required", "additionalProperties"}
            assert each["additionalProperties"] is False
            assert each["required"] == list(each["properties"])
            for inner in each["properties"].values():
                check(inner, depth + 1)
        elif each["type"] == "array":
            assert rest == {"items"}
            check(each["items"], depth)
        else:
            assert not rest

    check(root, 1)
    # OpenAI's limit was five levels once.
    assert deepest <= 5


def test_mentorships_are_told_too() -> None:
    assert schema_of(CharactersData).schema["$defs"]["Mentorship"]["required"] == ["mentor", "student"]
    assert schema_of(Mentorship).schema["properties"].keys() == {"mentor", "student"}
