import { toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { CharactersDataSchema, OutlineDataSchema, PlotDataSchema } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { testApp } from "./support/app-on-fake-network.ts";
import { characters, outline, plot } from "./support/creative.ts";
import { connectCalls, type Reply, writerSettings, writers } from "./support/writers.ts";

const task = "写一部小说";

/** The outline that a language model writes by itself, after what it was asked. */
async function outlineBy(replies: readonly Reply[], provider = "openai") {
  const { network, visits } = writers(replies);
  const call = connectCalls(network, writerSettings(provider));
  const told = await call((client, options) => client.generateOutline({ task }, options));
  const written = told.answer?.outline && toJson(OutlineDataSchema, told.answer.outline);
  return { ...told, written, visits };
}

/** The messages of a request in OpenAI's form without the first two, which are the task. */
function later(visit: { readonly body: unknown } | undefined): unknown {
  const { body } = visit ?? {};
  if (typeof body !== "object" || body === null || !("messages" in body) || !Array.isArray(body.messages)) return body;
  return body.messages.slice(2);
}

const json = JSON.stringify(outline);

describe("a structured answer is found", () => {
  it.each([
    ["alone", json],
    ["with white space around", `\n\n  ${json}\n`],
    ["in a fence", `\`\`\`json\n${json}\n\`\`\``],
    ["in prose", `Here is {your} outline: ${json} {I hope} it helps. }`],
    ["after a thought with a draft in it", `<think>{"title": "draft", "chapters": []}</think>\n${json}`],
    [
      "after a thought whose beginning was in the prompt",
      `hm ${json.replace("青羽", "draft")} </thinking> ${json} — done`,
    ],
    ["before a thought that does not end", `${json}\n<think>{"title": "x"}`],
    ["with tags within its strings", JSON.stringify({ ...outline, genre: "<think>玄幻</think>" })],
    ["after an object that is something else", `{"plan": "first the arc"} ${json}`],
    ["after an object that is broken", `{"title": "x", "chapters": [}\n${json}`],
    ["printed on many lines", JSON.stringify(outline, null, 2)],
    ["with line breaks in its strings", json.replace("雨夜里他回来了。", "雨夜里\n他\t回来了。")],
    ["under its own name", JSON.stringify({ outline })],
    ["in snake_case", JSON.stringify(snakeCased(outline))],
    ["with nulls for what is absent", JSON.stringify({ ...outline, genre: null, story_arc: null, notes: [1, {}] })],
  ])("%s", async (_, says) => {
    const { written, visits } = await outlineBy([{ says }]);
    expect(written).toMatchObject({ title: "青羽", chapters: [{ chapterId: 1 }, { chapterId: 2, title: "晨光" }] });
    expect(visits).toHaveLength(1);
  });

  it("and read where nothing is lost by it", async () => {
    const { written } = await outlineBy([
      {
        says: {
          title: ["青羽", "归来"],
          genre: 7,
          coreTheme: true,
          estimated_total_words: "100,000",
          chapters: [
            { "chapter-id": "1", Title: "夜雨", summary: "雨", keyEvents: "归来", estimatedWordCount: 3000.0 },
            { chapterId: 2, title: "晨光", summary: "亮", keyEvents: ["b"], key_events: ["a", null] },
          ],
          storyArc: [{ setup: 1, climax: ["2"] }],
        },
      },
    ]);
    expect(written).toEqual({
      title: "青羽\n归来",
      genre: "7",
      coreTheme: "true",
      estimatedTotalWords: 100_000,
      chapters: [
        { chapterId: 1, title: "夜雨", summary: "雨", keyEvents: ["归来"], estimatedWordCount: 3000 },
        { chapterId: 2, title: "晨光", summary: "亮", keyEvents: ["b"] },
      ],
      storyArc: { setup: [1], climax: [2] },
    });
  });

  it.each([
    ["a list of key and value", [{ key: "青羽", value: "醒悟" }]],
    ["a list of pairs", [{ 青羽: "醒悟" }]],
    ["an object", { 青羽: "醒悟" }],
  ])("with %s for a map", async (_, onCharacters) => {
    const { network } = writers([
      { says: { timelineEvents: [{ title: "归来", chapterId: 9, impact: { onCharacters } }] } },
    ]);
    const call = connectCalls(network, writerSettings("openai"));
    const { answer } = await call((client, options) => client.generatePlot({ task }, options));
    expect(answer?.plot && toJson(PlotDataSchema, answer.plot)).toEqual({
      timelineEvents: [{ eventId: "event-1", title: "归来", chapterId: 9, impact: { onCharacters: { 青羽: "醒悟" } } }],
    });
  });
});

describe("a structured answer that cannot be used", () => {
  const complaint = (...problems: string[]) => ({
    role: "user",
    content: `Your answer cannot be used:\n${problems.join("\n")}\nAnswer with the whole, corrected JSON object.`,
  });

  it.each([
    ["holds no object", "I cannot do that.", ["It holds no JSON object."]],
    [
      "is another object",
      '{"error": "I cannot do that."}',
      [`must have the fields ${OutlineDataSchema.fields.map(({ jsonName }) => jsonName).join(", ")}`],
    ],
    [
      "has values of other types",
      JSON.stringify({ title: {}, estimatedTotalWords: "many", chapters: [7, { chapterId: 1.5 }], storyArc: "x" }),
      [
        "title: must be a text",
        "estimatedTotalWords: must be a whole number of 32 bits",
        "chapters[0]: must be an object",
        "chapters[1].chapterId: must be a whole number of 32 bits",
        "storyArc: must be an object",
      ],
    ],
    [
      "lacks what makes it worth anything",
      JSON.stringify({ chapters: [{ chapterId: 1, title: "a" }] }),
      ["title: is empty", "chapters[0].summary: is empty"],
    ],
    [
      "numbers its chapters twice",
      JSON.stringify({ title: "t", chapters: [1, 1, 0].map((chapterId) => ({ chapterId, title: "a", summary: "b" })) }),
      ["chapters: each needs a chapterId of its own", "chapters: each chapterId must be at least 1"],
    ],
    [
      "is nested too deeply",
      `{"a":${"[".repeat(200)}${"]".repeat(200)}}`,
      ["The JSON object in it is nested more than 100 levels deep."],
    ],
    ["does not end", `{"title": "青羽", "chapters": [`, ["The JSON object in it has an end that is not there."]],
  ])("because it %s is repaired once", async (_, says, problems) => {
    const { written, visits, headers } = await outlineBy([{ says }, { says: outline }]);
    expect(written).toEqual(outline);
    expect(visits).toHaveLength(2);
    expect(later(visits[0])).toEqual([]);
    expect(later(visits[1])).toEqual([{ role: "assistant", content: says }, complaint(...problems)]);
    expect(headers.get("x-qingyu-attempts")).toBe("openai:ok");
  });

  it("is shown to Anthropic by turns, and to the AI service", async () => {
    const anthropic = await outlineBy([{ says: "no" }, { says: outline }], "anthropic");
    expect(anthropic.written).toEqual(outline);
    expect(later({ body: { messages: [0, ...messagesOf(anthropic.visits[1])] } })).toEqual([
      { role: "assistant", content: "no" },
      complaint("It holds no JSON object."),
    ]);
    const service = await outlineBy([{ says: "no" }, { says: outline }], "ai-service");
    expect(later(service.visits[1])).toEqual([
      { role: "assistant", content: "no" },
      complaint("It holds no JSON object."),
    ]);
  });

  it("is no answer where the repair cannot be used either", async () => {
    for (const provider of ["openai", "ai-service,openai"]) {
      const { error, headers, visits } = await outlineBy([{ says: "no" }], provider);
      expect(error?.code).toBe(Code.Internal);
      expect(headers.get("x-qingyu-attempts")).toMatch(/openai:malformed$/);
      expect(visits.filter((visit) => visit.provider === "openai")).toHaveLength(2);
    }
  });

  it("leads to the next provider then", async () => {
    const { written, headers } = await outlineBy(
      [{ says: "no" }, { says: "no" }, { says: outline }],
      "openai,anthropic",
    );
    expect(written).toEqual(outline);
    expect(headers.get("x-qingyu-attempts")).toBe("openai:malformed, anthropic:ok");
    expect(headers.get("x-qingyu-provider")).toBe("anthropic");
  });

  it("is asked for once more, shorter, where it was cut at its length", async () => {
    const says = json.slice(0, -9);
    const { written, visits } = await outlineBy([{ says, finishReason: "length" }, { says: outline }]);
    expect(written).toEqual(outline);
    expect(later(visits[1])).toEqual([
      {
        role: "user",
        content:
          "An earlier answer was cut off because it was too long. Write fewer elements and one short sentence for each text, so that the JSON object is complete.",
      },
    ]);
    const thought = await outlineBy([{ says: "", finishReason: "length" }, { says: outline }]);
    expect(thought.written).toEqual(outline);
    const cutTwice = await outlineBy([{ says, finishReason: "length" }]);
    expect(cutTwice.error?.code).toBe(Code.Internal);
  });

  it("is not asked for again where it says nothing or was withheld", async () => {
    const empty = await outlineBy([{ says: " " }, { says: outline }]);
    expect(empty.headers.get("x-qingyu-attempts")).toBe("openai:empty");
    expect(empty.visits).toHaveLength(1);
    const withheld = await outlineBy([{ says: json, finishReason: "content_filter" }, { says: outline }]);
    expect(withheld.headers.get("x-qingyu-attempts")).toBe("openai:content_filter");
    expect(withheld.error?.code).toBe(Code.InvalidArgument);
    expect(withheld.visits).toHaveLength(1);
  });

  it("is not paid a third time where its repair cannot be had", async () => {
    const limited = { refuses: { status: 429, body: { error: { code: "rate_limit_exceeded" } } } };
    const { headers, visits } = await outlineBy([{ says: "no" }, limited, { says: outline }]);
    expect(headers.get("x-qingyu-attempts")).toBe("openai:malformed");
    expect(visits).toHaveLength(2);
  });

  it("is asked again only where the provider refused before beginning", async () => {
    const limited = { refuses: { status: 429, body: { error: { code: "rate_limit_exceeded" } } } };
    const begun = await outlineBy([limited, { says: outline }]);
    expect(begun.written).toEqual(outline);
    const failed = await outlineBy([{ refuses: { status: 500, body: {} } }, { says: outline }]);
    expect(failed.headers.get("x-qingyu-attempts")).toBe("openai:internal");
    expect(failed.visits).toHaveLength(1);
  });
});

function messagesOf(visit: { readonly body: unknown } | undefined): unknown[] {
  const { body } = visit ?? {};
  if (typeof body !== "object" || body === null || !("messages" in body)) return [];
  return Array.isArray(body.messages) ? body.messages : [];
}

describe("what refers to what does not exist", () => {
  it("is dropped from an outline's arc, whose chapters get numbers", async () => {
    const chapters = [
      { title: "a", summary: "b" },
      { title: "c", summary: "d" },
    ];
    const storyArc = { setup: [1, 3], risingAction: [9], climax: [2] };
    const { written } = await outlineBy([{ says: { title: "t", chapters, storyArc } }]);
    expect(written).toEqual({
      title: "t",
      chapters: [
        { ...chapters[0], chapterId: 1 },
        { ...chapters[1], chapterId: 2 },
      ],
      storyArc: { setup: [1], climax: [2] },
    });
  });

  const cast = {
    characters: [
      {
        name: "青羽",
        firstAppearance: 9,
        chaptersInvolved: [2, 1, 9],
        relationships: [{ character: " 墨白" }, { character: "nobody" }],
      },
      { name: "Ann", firstAppearance: 9 },
      { name: "墨白", firstAppearance: 2 },
    ],
    relationshipNetwork: {
      alliances: [{ members: ["青羽", "ANN", "nobody"] }, { members: ["青羽", "nobody"] }],
      conflicts: [{ parties: ["nobody", "墨白"] }],
      mentorships: [
        { mentor: "墨白", student: "character-1" },
        { mentor: "墨白", student: "nobody" },
      ],
    },
  };
  const charactersOf = async (given: object, says: unknown) => {
    const { network } = writers([{ says }]);
    const call = connectCalls(network, writerSettings("openai"));
    const { answer } = await call((client, options) => client.generateCharacters({ task, ...given }, options));
    return answer?.characters && toJson(CharactersDataSchema, answer.characters);
  };

  it("is dropped from characters", async () => {
    expect(await charactersOf({ outline }, cast)).toEqual({
      characters: [
        {
          characterId: "character-1",
          name: "青羽",
          firstAppearance: 1,
          chaptersInvolved: [2, 1],
          relationships: [{ character: " 墨白" }],
        },
        { characterId: "character-2", name: "Ann" },
        { characterId: "character-3", name: "墨白", firstAppearance: 2 },
      ],
      relationshipNetwork: {
        alliances: [{ members: ["青羽", "ANN"] }],
        mentorships: [{ mentor: "墨白", student: "character-1" }],
      },
    });
  });

  it("is left where there is no outline to hold it to", async () => {
    expect(await charactersOf({}, characters)).toEqual(characters);
    expect(await charactersOf({}, cast)).toMatchObject({ characters: [{ chaptersInvolved: [2, 1, 9] }, {}, {}] });
  });

  it("is dropped from a plot, whose events may be named by their titles", async () => {
    const { network } = writers([
      {
        says: {
          ...plot,
          timelineEvents: [
            { eventId: "e1", title: "归来", chapterId: 9 },
            { eventId: "e2", title: "决战", chapterId: 2 },
          ],
          plotThreads: [{ threadId: "t1", events: ["决战", "e1", "e9"] }],
          conflicts: [{ conflictId: "k1", escalationEvents: ["nothing"] }],
        },
      },
    ]);
    const call = connectCalls(network, writerSettings("openai"));
    const { answer } = await call((client, options) => client.generatePlot({ task, outline }, options));
    expect(answer?.plot && toJson(PlotDataSchema, answer.plot)).toEqual({
      timelineEvents: [
        { eventId: "e1", title: "归来" },
        { eventId: "e2", title: "决战", chapterId: 2 },
      ],
      plotThreads: [{ threadId: "t1", events: ["e2", "e1"] }],
      conflicts: [{ conflictId: "k1" }],
    });
  });

  it.each([
    ["characters", { characters: [] }, "characters: is empty"],
    [
      "characters",
      { characters: [{ characterId: "a", name: "x" }, { characterId: "a" }] },
      "characters: each needs a characterId of its own\ncharacters[1].name: is empty",
    ],
    ["plot", { plotThreads: [{ title: "x" }] }, "timelineEvents: is empty"],
    [
      "plot",
      { timelineEvents: [{ eventId: "a", title: "x" }, { title: "y" }, { eventId: "a" }] },
      "timelineEvents: each needs an eventId of its own\ntimelineEvents[1].eventId: is empty\ntimelineEvents[2].title: is empty",
    ],
  ])("and what is missing of %s is asked for", async (part, says, problems) => {
    const { network, visits } = writers([{ says }, { says: { ...characters, ...plot } }]);
    const call = connectCalls(network, writerSettings("openai"));
    await call<unknown>((client, options) =>
      part === "plot" ? client.generatePlot({ task }, options) : client.generateCharacters({ task }, options),
    );
    expect(JSON.stringify(later(visits[1]))).toContain(JSON.stringify(`\n${problems}\n`).slice(1, -1));
  });
});

describe("a schema that a model cannot be held to", () => {
  const refusal = (message: string, more = {}) => ({
    refuses: { status: 400, body: { error: { message, type: "invalid_request_error", ...more } } },
  });
  const formats = (visits: readonly { readonly body: unknown }[]) =>
    visits.map(({ body }) => JSON.parse(JSON.stringify(body)).response_format?.type);

  it.each([
    ["by its name", refusal("Invalid parameter", { param: "response_format" })],
    ["in words", refusal("This response_format type is unavailable now")],
    ["without a name for it", refusal("json schema mode is not there for the model m")],
  ])("is left out where it is refused %s: any object, then words alone", async (_, refused) => {
    const { written, visits } = await outlineBy([refused, refused, { says: outline }]);
    expect(written).toEqual(outline);
    expect(formats(visits)).toEqual(["json_schema", "json_object", undefined]);
    const once = await outlineBy([refused, { says: outline }]);
    expect(formats(once.visits)).toEqual(["json_schema", "json_object"]);
  });

  it("is remembered for the model, where that was plain", async () => {
    const asked = async (refused: Reply) => {
      const { network, visits } = writers([refused, { says: outline }]);
      const call = connectCalls(network, writerSettings("openai"));
      await call((client, options) => client.generateOutline({ task }, options));
      await call((client, options) => client.generateOutline({ task: `${task}。` }, options));
      return formats(visits);
    };
    const named = refusal("Invalid parameter", { param: "response_format" });
    expect(await asked(named)).toEqual(["json_schema", "json_object", "json_object"]);
    expect(await asked(refusal("no"))).toEqual(["json_schema", "json_object", "json_schema"]);
  });

  it("is left out for a Claude that has none", async () => {
    const refused = {
      refuses: {
        status: 400,
        body: {
          type: "error",
          error: { type: "invalid_request_error", message: "output_config: Extra inputs are not permitted" },
        },
      },
    };
    const { written, visits } = await outlineBy([refused, { says: outline }], "anthropic");
    expect(written).toEqual(outline);
    expect(visits[0]?.body).toHaveProperty("output_config");
    expect(visits[1]?.body).not.toHaveProperty("output_config");
  });

  it("is not what another refusal is about", async () => {
    const { headers, visits } = await outlineBy([refusal("no such model", { code: "model_not_found" })]);
    expect(headers.get("x-qingyu-attempts")).toBe("openai:model_not_found");
    expect(visits).toHaveLength(1);
  });
});

describe("what a structured answer took", () => {
  const usageIn = async (replies: readonly Reply[]) => {
    const { network } = writers(replies);
    const { post } = testApp({ settings: writerSettings("openai"), network });
    const sent = await post("/qingyu.ai.AIService/GenerateOutline", { task });
    expect(sent.status).toBe(200);
    return JSON.parse(sent.log.at(-1) ?? "{}").usage;
  };

  it("is what both answers took, or not known where one is not", async () => {
    expect(await usageIn([{ says: outline }])).toMatchObject({
      promptTokens: 11,
      completionTokens: 7,
      totalTokens: 18,
    });
    const both = await usageIn([{ says: "no" }, { says: outline }]);
    expect(both).toMatchObject({ promptTokens: 22, completionTokens: 14, totalTokens: 36 });
    const unknown = await usageIn([{ says: "no", hasNoUsage: true }, { says: outline }]);
    expect(unknown).toBeUndefined();
  });
});

describe("a structured answer beyond all bounds", () => {
  it.each([
    ["of 4 MiB", JSON.stringify({ ...outline, genre: "x".repeat(4 * 1024 * 1024) })],
    ["of a hundred thousand chapters", `{"title":"t","chapters":[${"{},".repeat(99_999)}{}]}`],
    ["of a hundred thousand braces", `{"title":"t"} ${"{ ".repeat(100_000)}`],
    ["of a hundred thousand thoughts", "<think></think>".repeat(25_000)],
    ["that is nested a hundred thousand deep", `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
    ["that opens a hundred thousand objects", '{"a":'.repeat(70_000)],
    ["of three hundred thousand backslashes", `{"a":"${"\\".repeat(300_000)}`],
  ])("%s is refused at little cost, and shown in part", async (_, says) => {
    const startedMs = Date.now();
    const { written, visits } = await outlineBy([{ says }, { says: outline }]);
    expect(written).toEqual(outline);
    expect(Date.now() - startedMs).toBeLessThan(5_000);
    expect(JSON.stringify(visits[1]?.body).length).toBeLessThan(200_000);
  });
});

/** An object with its members' names in snake_case. */
function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCased(member),
    ]),
  );
}
