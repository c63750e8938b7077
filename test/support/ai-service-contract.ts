import { request } from "node:http";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { write } from "../../dev/embedded-writer.ts";
import { AIService } from "../../src/gen/qingyu/ai/ai_service_pb.ts";

export interface Service {
  readonly url: string;
  readonly close: () => Promise<void>;
}

const token = "contract-token";
const headers = { authorization: `Bearer ${token}` };
const prompts = ["夜雨落在青石巷，", "The lamps went out.", "青羽🪶 mixed 文字", "\ttabs\nand lines "];

/** What every AI service that the project ships must do, whatever it is written in; text by the embedded writer. */
export function describeContract(name: string, start: (token: string) => Promise<Service>): void {
  describe.concurrent(`the AI service contract, by ${name}`, () => {
    let service: Service;
    beforeAll(async () => {
      service = await start(token);
    }, 60_000);
    afterAll(async () => await service.close(), 30_000);

    describe.each([
      ["Connect", createConnectTransport],
      ["gRPC-Web", createGrpcWebTransport],
    ])("over %s", (_, transportOf) => {
      const clientOf = (useBinaryFormat: boolean) =>
        createClient(AIService, transportOf({ baseUrl: service.url, useBinaryFormat }));

      describe.each([
        ["binary", true],
        ["JSON", false],
      ])("in %s", (_format, useBinaryFormat) => {
        it.each(prompts)("writes what the embedded writer writes: %j", async (prompt) => {
          const { pieces, finishReason, promptTokens } = write({ prompt, maxTokens: 0, stop: [] });
          const completionTokens = pieces.length;
          const answer = await clientOf(useBinaryFormat).generateContent({ projectId: "p", prompt }, { headers });
          expect(answer).toMatchObject({
            content: pieces.join(""),
            model: "embedded",
            finishReason,
            tokensUsed: promptTokens + completionTokens,
            usage: { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens },
          });
          expect(Math.abs(Number(answer.generatedAt) - Date.now() / 1000)).toBeLessThan(10);
        });

        it.each(prompts)("writes JSON where it is asked for: %j", async (prompt) => {
          const { pieces } = write({ prompt, maxTokens: 0, stop: [], json: true });
          const options = { responseFormat: "json_object" };
          const answer = await clientOf(useBinaryFormat).generateContent({ prompt, options }, { headers });
          expect(answer).toMatchObject({ content: pieces.join(""), finishReason: "stop" });
          const plain = write({ prompt, maxTokens: 0, stop: [] }).pieces.join("");
          expect(JSON.parse(answer.content)).toEqual({ text: plain });
          const stopped = { ...options, stop: [plain.slice(9, 12)] };
          const short = await clientOf(useBinaryFormat).generateContent({ prompt, options: stopped }, { headers });
          expect(JSON.parse(short.content)).toEqual({ text: plain.slice(0, 9).trimEnd() });
        });

        it("streams the same text piece by piece, with the end on the last chunk only", async () => {
          const prompt = "夜雨落在青石巷，";
          const { pieces } = write({ prompt, maxTokens: 0, stop: [] });
          const chunks = [];
          const client = clientOf(useBinaryFormat);
          for await (const chunk of client.streamGenerateContent({ projectId: "p", prompt }, { headers }))
            chunks.push({ atMs: performance.now(), ...chunk });
          expect(chunks.map(({ delta }) => delta).filter(Boolean)).toEqual(pieces);
          expect(chunks[0]?.model).toBe("embedded");
          expect(chunks.map(({ finishReason }) => finishReason).filter(Boolean)).toEqual(["stop"]);
          expect(chunks.at(-1)).toMatchObject({ finishReason: "stop", usage: { completionTokens: pieces.length } });
          expect(Number(chunks.at(-1)?.atMs) - Number(chunks[0]?.atMs)).toBeGreaterThan(pieces.length * 10);
        });
      });

      const client = () => clientOf(true);

      it("prefers messages to the prompt", async () => {
        const messages = [
          { role: "system", content: "你是小说家。" },
          { role: "user", content: "青羽落在窗前。" },
        ];
        const { pieces } = write({ prompt: "你是小说家。\n青羽落在窗前。", maxTokens: 0, stop: [] });
        const answer = await client().generateContent({ prompt: "something else", messages }, { headers });
        expect(answer.content).toBe(pieces.join(""));
      });

      it("ends after max_tokens, and before a stop word", async () => {
        const [prompt = ""] = prompts;
        const short = await client().generateContent({ prompt, options: { maxTokens: 3 } }, { headers });
        expect(short).toMatchObject({ finishReason: "length", usage: { completionTokens: 3 } });
        const whole = await client().generateContent({ prompt }, { headers });
        const stop = whole.content.slice(20, 24);
        const stopped = await client().generateContent({ prompt, options: { stop: [stop, ""] } }, { headers });
        expect(stopped).toMatchObject({ content: whole.content.slice(0, 20).trimEnd(), finishReason: "stop" });
      });

      it("refuses a request without text, a wrong token and an unknown method, each with its code", async () => {
        const codeOf = async (call: Promise<unknown>) => ConnectError.from(await call.catch((error) => error)).code;
        const wrong = { headers: { authorization: "Bearer wrong" } };
        expect(await codeOf(client().generateContent({}, { headers }))).toBe(Code.InvalidArgument);
        expect(await codeOf(first(client().streamGenerateContent({}, { headers })))).toBe(Code.InvalidArgument);
        expect(await codeOf(client().embedText({}, { headers }))).toBe(Code.InvalidArgument);
        expect(await codeOf(client().generateContent({ prompt: "x" }, wrong))).toBe(Code.Unauthenticated);
        expect(await codeOf(client().generateContent({ prompt: "x" }))).toBe(Code.Unauthenticated);
        expect(await codeOf(first(client().streamGenerateContent({ prompt: "x" }, wrong)))).toBe(Code.Unauthenticated);
        expect(await codeOf(client().embedText({ texts: ["x"] }, wrong))).toBe(Code.Unauthenticated);
      });

      it("embeds: unit vectors of the dimension that it names, neighbours where texts are alike", async () => {
        const texts = [
          "林青羽在长安城遇见老剑客",
          "长安城里的老剑客教林青羽",
          "股票市场今天大跌",
          "The ship left at dawn",
          "At dawn the ship sailed",
        ];
        const { embeddings } = await client().embedText({ texts, model: "any" }, { headers });
        expect(embeddings).toHaveLength(texts.length);
        for (const { vector, dimension } of embeddings) {
          expect(vector).toHaveLength(dimension);
          expect(dimension).toBe(1024);
          expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
        }
        const again = await client().embedText({ texts: texts.slice(2) }, { headers });
        expect(again.embeddings).toEqual(embeddings.slice(2));
        const likeness = (a: number, b: number) =>
          (embeddings[a]?.vector ?? []).reduce((sum, x, index) => sum + x * (embeddings[b]?.vector[index] ?? 0), 0);
        expect(likeness(0, 1)).toBeGreaterThan(likeness(0, 2) + 0.1);
        expect(likeness(3, 4)).toBeGreaterThan(likeness(3, 2) + 0.1);
      });

      it("says how it is, to callers without a token too", async () => {
        const { status, checks } = await client().healthCheck({});
        expect(status).toBe("healthy");
        expect(Object.values(checks)).toContain("ok");
      });

      it("goes on after callers who left in mid-stream", async () => {
        const gone = new AbortController();
        const stream = client().streamGenerateContent({ prompt: "x" }, { headers, signal: gone.signal });
        for await (const { delta } of stream) {
          expect(delta).not.toBe("");
          break;
        }
        gone.abort();
        expect((await client().generateContent({ prompt: "x" }, { headers })).content).not.toBe("");
      });
    });

    // What a client of Connect's would end itself is asked for by hand here.
    const body = JSON.stringify({ prompt: "x" });
    it.each([
      ["Connect", "GenerateContent", "application/json", { "connect-timeout-ms": "60" }, body],
      [
        "Connect stream",
        "StreamGenerateContent",
        "application/connect+json",
        { "connect-timeout-ms": "60" },
        framed(body),
      ],
      ["gRPC-Web", "GenerateContent", "application/grpc-web+json", { "grpc-timeout": "60m" }, framed(body)],
      [
        "gRPC-Web stream",
        "StreamGenerateContent",
        "application/grpc-web+json",
        { "grpc-timeout": "60m" },
        framed(body),
      ],
    ])("ends by itself at the caller's deadline: %s", async (_, method, type, deadline, sent) => {
      const startedMs = performance.now();
      const { text, requestId } = await post(`${service.url}/qingyu.ai.AIService/${method}`, sent, {
        ...headers,
        ...deadline,
        "content-type": type,
        "x-request-id": "deadline-1",
      });
      expect(text).toMatch(/deadline_exceeded|grpc-status: ?4/i);
      expect(performance.now() - startedMs).toBeLessThan(3_000);
      expect(requestId).toBe("deadline-1");
    });

    it.each([
      ["a method that it does not have", "Nothing", body],
      ["a body that is no JSON", "GenerateContent", "{"],
      ["a field of a wrong type", "GenerateContent", '{"prompt":1}'],
    ])("refuses %s", async (_, method, sent) => {
      const { status } = await post(`${service.url}/qingyu.ai.AIService/${method}`, sent, {
        ...headers,
        "content-type": "application/json",
      });
      expect([400, 404, 501]).toContain(status);
    });
  });
}

async function first<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of stream) return item;
  return undefined;
}

function framed(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

interface Posted {
  readonly status: number;
  readonly requestId: string | undefined;
  /** The body, and what gRPC-Web says in headers where there is no body. */
  readonly text: string;
}

function post(url: string, body: string | Buffer, headers: Record<string, string>): Promise<Posted> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", headers }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => pieces.push(piece));
      answer.on("end", () => {
        const grpcStatus = answer.headers["grpc-status"];
        resolve({
          status: answer.statusCode ?? 0,
          requestId: answer.headers["x-request-id"]?.toString(),
          text: `${Buffer.concat(pieces)}${grpcStatus ? ` grpc-status: ${grpcStatus}` : ""}`,
        });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
