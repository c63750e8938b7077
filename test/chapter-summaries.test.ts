import { describe, expect, it } from "vitest";
import { sha256Hex } from "./support/app-on-fake-network.ts";
import { at } from "./support/json.ts";
import { type PlatformOptions, platformApp } from "./support/platform.ts";
import { bearer, secret, signed } from "./support/tokens.ts";

const path = "/api/v1/ai/writing/summarize-chapter";
const body = { projectId: "p-1", chapterId: "c-1", outlineLevel: 3 };
const says = {
  ...{ chapterTitle: " 模型的标题 ", summary: "少年归来。", keyPoints: ["归来", "归来", " "] },
  plotOutline: [
    {
      ...{ title: "归来", description: "夜里" },
      children: [
        { title: "敲门", description: "", children: [{ title: "开门", description: "吱呀" }] },
        { title: "", description: "只有描述", children: [] },
        { title: " ", description: "", children: [{ title: "无名之下", description: "" }] },
      ],
    },
  ],
  characters: [
    { name: "林青羽", role: "", appearance: "白衣" },
    { name: "林青羽", role: "剑客", appearance: "黑衣" },
    { name: " ", role: "x", appearance: "" },
  ],
};
const replies = [{ says }];
const ai = { AI_PROVIDERS: "openai" };
/** The text that a model was asked about. */
const textAsked = (visits: readonly { body: unknown }[]) =>
  String(at(visits[0]?.body, "messages", 1, "content") ?? at(visits[0]?.body, "messages", 1, "content", 0, "text"));
const original = (text: string) => `<原文>\n${text}\n</原文>`;
const unique = (text: string) => `${text}${crypto.randomUUID()}`;

function summarized(options: PlatformOptions, asked: object = body, headers: Record<string, string> = {}) {
  const { app, ...rest } = platformApp({ replies, ...options, settings: { ...ai, ...options.settings } });
  return { ...rest, answer: app.post(path, asked, headers) };
}
const giving = (content: unknown) => ({ content: () => Response.json({ content, wordCount: 3 }) });
const passage = (number: number, content: string, more: object = {}) => ({
  ...{ id: `c-1:${number}`, content, docType: "chapter", ...more },
  metadata: { document_id: "c-1", title: "夜雨", passage: String(number) },
});

describe("a chapter's summary", () => {
  it("is of the platform's text, under the platform's title, in the platform's envelope", async () => {
    const outline = () =>
      Response.json({
        outline: [
          { documentId: null, title: "卷" },
          { documentId: "c-1", title: " 第一章 夜雨 " },
        ],
      });
    const { answer, visits, seen } = summarized({ ...giving("夜雨。"), outline });
    const { status, json, headers } = await answer;
    expect([status, json()]).toEqual([
      200,
      {
        ...{ code: 0, message: "章节总结成功", timestamp: expect.any(Number), request_id: expect.any(String) },
        data: {
          ...{ chapterId: "c-1", chapterTitle: "第一章 夜雨", summary: "少年归来。", keyPoints: ["归来"] },
          plotOutline: [
            {
              ...{ level: 1, title: "归来", description: "夜里" },
              children: [
                {
                  ...{ level: 2, title: "敲门", description: "" },
                  children: [{ level: 3, title: "开门", description: "吱呀", children: [] }],
                },
                { level: 2, title: "只有描述", description: "", children: [] },
                { level: 2, title: "无名之下", description: "", children: [] },
              ],
            },
          ],
          characters: [{ name: "林青羽", role: "剑客", appearance: "白衣" }],
          ...{ tokensUsed: 18, model: expect.any(String), provider: "openai", processedAt: expect.any(String) },
          usage: expect.objectContaining({ total_tokens: 18 }),
        },
      },
    ]);
    expect(textAsked(visits)).toBe(original("夜雨。"));
    expect(headers.get("x-qingyu-attempts")).toBe("openai:ok");
    expect(seen.map(({ url }) => url).toSorted()).toEqual([
      "https://platform.test/api/v1/internal/documents/c-1/content?project_id=p-1",
      "https://platform.test/api/v1/internal/projects/p-1/outline?project_id=p-1",
    ]);
    for (const { headers, redirect } of seen) {
      expect([headers.get("x-ai-service-key"), redirect]).toEqual(["service-key-of-the-platform", "manual"]);
    }
  });

  const whole = [{ children: [{ children: [{ level: 3 }] }, {}, {}] }];
  it.each<[number | null, object[], string]>([
    [1, [{ level: 1, children: [] }], "一律为空列表"],
    [2, [{ level: 1, children: [{ level: 2, children: [] }, {}, {}] }], "步骤的 children 一律为空列表"],
    [-4, [{ level: 1, children: [] }], "一律为空列表"],
    [null, whole, "步骤的 children。"],
    [0, whole, "步骤的 children。"],
    [9, whole, "步骤的 children。"],
  ])("has an outline as deep as is wanted: %s", async (outlineLevel, plotOutline, told) => {
    const { answer, visits } = summarized(giving(unique("夜雨。")), { ...body, outlineLevel });
    expect((await answer).json()).toMatchObject({ data: { chapterTitle: "模型的标题", plotOutline } });
    expect(at(visits[0]?.body, "messages", 0, "content")).toContain(told);
  });

  it.each([
    ["a text", "夜雨。\r\n\r\n  他说：*走* 3 < 5 & [罢了]。", "夜雨。\n\n  他说：*走* 3 < 5 & [罢了]。"],
    ["what looks like JSON", "[第一章] 夜雨。", "[第一章] 夜雨。"],
    ["JSON that is no text of TipTap's", '{"a":1}', '{"a":1}'],
    ["Markdown", "# 夜雨\n\n> 他**笑**了。\n\n***\n见[注](http://x)。", "夜雨\n\n他笑了。\n\n\n见注。"],
    [
      "HTML",
      "<h1>夜雨</h1><!-- <p>秘</p> --><p class='a'>他&nbsp;说：&ldquo;走&#x3002;&rdquo;<br>好 &amp; 快</p><script>alert('<p>')</script><P>完</P>",
      "夜雨\n他 说：“走。”\n好 & 快\n完",
    ],
    ["HTML without ends", "<p>一<script>二", "一"],
    [
      "TipTap's JSON as text",
      JSON.stringify({
        type: "doc",
        content: [
          { type: "heading", attrs: { level: 1 }, content: [{ type: "text", text: "夜雨" }] },
          {
            type: "paragraph",
            content: [
              { type: "text", text: "他", marks: [{ type: "bold" }] },
              { type: "text", text: "说。" },
              { type: "hardBreak" },
              { type: "text", text: "走。" },
            ],
          },
          { type: "paragraph" },
          {
            type: "bulletList",
            content: [{ type: "listItem", content: [{ type: "paragraph", content: [{ type: "text", text: "一" }] }] }],
          },
        ],
      }),
      "夜雨\n他说。\n走。\n\n一",
    ],
    ["a paragraph of TipTap's", { type: "paragraph", content: [{ type: "text", text: "夜雨。" }] }, "夜雨。"],
    [
      "paragraphs of TipTap's",
      [
        { type: "paragraph", content: [{ type: "text", text: "夜" }] },
        { type: "paragraph", content: [{ type: "text", text: "雨" }] },
      ],
      "夜\n雨",
    ],
  ])("is of plain text, whatever the platform keeps: %s", async (_, content, text) => {
    const { answer, visits } = summarized({ ...giving(content), settings: { QINGYU_CACHE_ENABLED: "false" } });
    expect([(await answer).status, textAsked(visits)]).toEqual([200, original(text)]);
  });

  it.each([0, 200])("reads the platform's envelope too: code %i", async (code) => {
    const text = unique("夜雨。");
    const { answer, visits } = summarized({
      content: () => Response.json({ code, message: "ok", data: { content: text } }),
    });
    expect([(await answer).status, textAsked(visits)]).toEqual([200, original(text)]);
  });

  it("asks for ids as they are, and for none that leads elsewhere", async () => {
    const odd = summarized(giving(unique("夜雨。")), { projectId: "项目?a=1", chapterId: "卷/十二#?&%2e" });
    expect((await odd.answer).status).toBe(200);
    expect(odd.seen.map(({ url }) => url).toSorted()[0]).toBe(
      `https://platform.test/api/v1/internal/documents/${encodeURIComponent("卷/十二#?&%2e")}/content?project_id=${encodeURIComponent("项目?a=1")}`,
    );
    for (const chapterId of ["..", ".", "../../projects/p/context", "a/../b", "a\\..\\b", "a//b", "/etc"]) {
      const { answer, seen } = summarized(giving("秘密"), { ...body, chapterId });
      expect([(await answer).status, seen.length]).toEqual([404, 0]);
    }
  });

  it.each([
    ["projectId", { chapterId: "c" }, "missing_field"],
    ["projectId", { projectId: " ", chapterId: "c" }, "missing_field"],
    ["chapterId", { projectId: "p", chapterId: null }, "missing_field"],
    ["chapterId", { projectId: "p", chapterId: 12 }, "invalid_value"],
    ["outlineLevel", { ...body, outlineLevel: "3" }, "invalid_value"],
    ["options.model", { ...body, options: { model: 1 } }, "invalid_value"],
  ])("names the field at fault: %s, %j", async (param, asked, error) => {
    const { answer, seen } = summarized(giving("夜雨。"), asked);
    expect([(await answer).status, (await answer).json()]).toMatchObject([400, { code: 1001, error, param }]);
    expect(seen).toEqual([]);
  });

  it("of a long chapter keeps the points and people of its parts under one summary", async () => {
    const part = (name: string, point: string) => ({
      ...{ chapterTitle: "", summary: `${name}的事。`, keyPoints: [point] },
      plotOutline: [{ title: point, description: "", children: [] }],
      characters: [{ name, role: "路人", appearance: "" }],
    });
    const whole = { ...part("合", "合"), summary: "合而为一。", keyPoints: ["要点"], characters: [] };
    const { answer, visits } = summarized({
      ...giving(`${"雨".repeat(999)}\n`.repeat(40)),
      replies: [{ says: part("甲", "一") }, { says: part("乙", "二") }, { says: whole }],
    });
    const { data } = Object((await answer).json());
    expect(data).toMatchObject({ summary: "合而为一。", keyPoints: ["要点"], tokensUsed: 54 });
    expect(data.plotOutline.map(({ title }: { title: string }) => title)).toEqual(["一", "二"]);
    expect(data.characters.map(({ name }: { name: string }) => name)).toEqual(["甲", "乙"]);
    expect(at(visits[2]?.body, "messages", 1, "content")).toBe(
      original("甲的事。\n- 一\n人物：甲（路人）\n\n乙的事。\n- 二\n人物：乙（路人）"),
    );
  });

  it("is kept by what the text says", async () => {
    let text = unique("夜雨。");
    const { app, visits } = platformApp({ replies, content: () => Response.json({ content: text }), settings: ai });
    const ask = async () => (await app.post(path, body)).headers.get("x-cache");
    expect([await ask(), await ask()]).toEqual(["MISS", "HIT"]);
    text = unique("晴。");
    expect([await ask(), visits.length]).toEqual(["MISS", 2]);
  });
});

/** Bytes without an end. */
const endless = () => {
  const chunk = new TextEncoder().encode(`{"content":"${"雨".repeat(300_000)}`);
  return new Response(new ReadableStream({ pull: (controller) => controller.enqueue(chunk) }));
};
const platforms: [string, NonNullable<PlatformOptions["content"]>][] = [
  ["knows no such document", (c) => c.json({ error: "document not found" }, 404)],
  ["fails", (c) => c.json({ error: "secret-of-the-platform" }, 500)],
  ["refuses our key", (c) => c.json({ error: "unauthorized" }, 401)],
  ["refuses our address", (c) => c.json({ error: "forbidden" }, 403)],
  ["answers a page", (c) => c.html("<p>夜雨</p>")],
  ["answers half a document", (c) => c.body('{"content":"夜')],
  ["answers no text", (c) => c.json({ content: 5 })],
  ["answers null", (c) => c.json({ content: null })],
  ["answers an empty text", (c) => c.json({ content: " \n", wordCount: 0 })],
  ["answers an empty document", (c) => c.json({ content: '{"type":"doc","content":[{"type":"paragraph"}]}' })],
  ["answers a list", (c) => c.json([1])],
  ["tells of a failure in its envelope", (c) => c.json({ code: 1004, message: "x", data: { content: "x" } })],
  ["answers nothing", (c) => c.body(null, 204)],
  ["sends us elsewhere", (c) => c.redirect("https://platform.test/elsewhere")],
  ["has no end", endless],
  ["is silent", () => new Promise<Response>(() => {})],
  ["stops in the midst", () => new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array([123])) }))],
  [
    "cannot be reached",
    () => {
      throw new Error("connection refused at 10.0.0.7");
    },
  ],
];

describe.each(platforms)("where the platform %s", (_, content) => {
  const headers = { "x-request-timeout-ms": "2000" };

  it("the chapter is read from the knowledge base, and else it is said what to index", async () => {
    const text = unique("夜雨。");
    const found = summarized(
      { content, knowledge: () => [passage(0, text)], settings: { AI_PROVIDERS: "ai-service,openai" } },
      body,
      headers,
    );
    const { status, text: answered, log } = await found.answer;
    expect([status, at(found.visits[0]?.body, "prompt") ?? textAsked(found.visits)]).toEqual([
      200,
      expect.stringContaining(original(text)),
    ]);
    const lacking = summarized(
      { content, knowledge: () => [], settings: { AI_PROVIDERS: "ai-service,openai" } },
      body,
      headers,
    );
    const refused = await lacking.answer;
    expect([refused.status, refused.json(), lacking.visits]).toMatchObject([
      404,
      { code: 1004, error: "document_not_found", param: "chapterId", message: expect.stringContaining("chapterId") },
      [],
    ]);
    for (const shown of [answered, refused.text, ...log, ...refused.log]) {
      expect(shown).not.toMatch(/service-key-of|secret-of|10\.0\.0\.7|夜雨。/);
    }
    expect(found.seen.some(({ url }) => url.includes("elsewhere"))).toBe(false);
  });
});

describe("the knowledge base", () => {
  const settings = { AI_PROVIDERS: "ai-service,openai", QINGYU_PLATFORM_URL: "" };
  const asked = (options: PlatformOptions) => summarized({ ...options, settings });

  it("gives a chapter's passages in their order, and those of no other chapter", async () => {
    const mark = unique("");
    const passages = [
      passage(2, `三${mark}`),
      passage(0, "一"),
      { id: "c-2:0", content: "别章", docType: "chapter", metadata: { document_id: "c-2" } },
      { id: "lin", content: "人物", docType: "character", metadata: { chapter_id: "c-1" } },
      { id: "x", content: "不知哪章", docType: "chapter" },
    ];
    const { answer, visits, searches } = asked({
      knowledge: ({ query }) => (query === "夜雨" ? [passage(1, "二"), passage(2, `三${mark}`)] : passages),
    });
    expect((await answer).json()).toMatchObject({ data: { chapterTitle: "夜雨" } });
    expect(at(visits[0]?.body, "prompt") ?? textAsked(visits)).toContain(original(`一\n二\n三${mark}`));
    expect(searches).toMatchObject([
      {
        tenant: "development",
        asked: { projectId: "p-1", topK: 100, filters: { chapterIds: ["c-1"], docTypes: ["chapter"] } },
      },
      { asked: { query: "夜雨" } },
    ]);
  });

  it.each<[string, PlatformOptions["knowledge"], number, string]>([
    ["knows nothing", () => [], 404, "document_not_found"],
    ["is none", undefined, 404, "document_not_found"],
    ["lacks a passage", () => [passage(0, "一"), passage(2, "三")], 404, "document_not_found"],
    ["knows other chapters only", () => [{ id: "c-2:0", content: "x", docType: "chapter" }], 404, "document_not_found"],
    [
      "is down",
      () => Response.json({ code: "unavailable", message: "10.0.0.7" }, { status: 503 }),
      503,
      "upstream_unavailable",
    ],
  ])("%s", async (_, knowledge, status, error) => {
    const { answer, visits } = asked({ knowledge });
    expect([(await answer).status, (await answer).json(), visits]).toMatchObject([status, { error }, []]);
    expect((await answer).text).not.toContain("10.0.0.7");
  });

  it("is asked for who asks, and counted by no limit", async () => {
    const policies = [{ tenant: "a", requestsPerMinute: 50 }];
    const text = unique("夜雨。");
    const { app, searches } = platformApp({
      replies,
      knowledge: (_, tenant) => (tenant === "a" ? [passage(0, text)] : []),
      settings: {
        ...settings,
        AI_POLICIES: JSON.stringify(policies),
        GATEWAY_API_KEYS: `a:${await sha256Hex("key-of-a")},b:${await sha256Hex("key-of-b")}`,
        JWT_SECRET: secret,
      },
    });
    const ask = (token: string) => app.post(path, body, bearer(token));
    const ofA = await ask("key-of-a");
    const again = await ask("key-of-a");
    const left = [ofA, again].map(({ headers }) => Number(headers.get("x-ratelimit-remaining-requests")));
    expect([ofA.status, again.status, Number(left[0]) - Number(left[1])]).toEqual([200, 200, 1]);
    expect((await ask("key-of-b")).status).toBe(404);
    expect((await ask(await signed())).status).toBe(404);
    expect(searches.map(({ tenant, user }) => `${tenant} ${user}`).filter((who) => !who.startsWith("a"))).toEqual([
      "b null",
      "qingyu u-1",
    ]);
  });
});

describe("the platform's texts", () => {
  it("are asked for in the name of a token's user, and are only for the tenants that the settings name", async () => {
    const { app, seen } = platformApp({
      replies,
      ...giving(unique("夜雨。")),
      settings: {
        ...ai,
        QINGYU_PLATFORM_TENANTS: "qingyu",
        GATEWAY_API_KEYS: `b:${await sha256Hex("key-of-b")}`,
        JWT_SECRET: secret,
      },
    });
    const ofUser = await app.post(path, body, bearer(await signed({ claims: { user_id: "u-2", sub: "u-2" } })));
    expect([ofUser.status, seen.map(({ url }) => new URL(url).search)]).toEqual([
      200,
      ["?project_id=p-1&user_id=u-2", "?project_id=p-1&user_id=u-2"],
    ]);
    expect((await app.post(path, body, bearer("key-of-b"))).status).toBe(404);
    expect(seen).toHaveLength(2);
  });
});
