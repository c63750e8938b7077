import { request } from "node:http";
import { expect, it } from "vitest";
import { headers } from "./asking.ts";

/** What must hold below the protocols' own clients. */
export function testWire(url: () => string): void {
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
    ["gRPC-Web stream", "StreamGenerateContent", "application/grpc-web+json", { "grpc-timeout": "60m" }, framed(body)],
  ])("ends by itself at the caller's deadline: %s", async (_, method, type, deadline, sent) => {
    const startedMs = performance.now();
    const { text, requestId } = await post(`${url()}/qingyu.ai.AIService/${method}`, sent, {
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
    const { status } = await post(`${url()}/qingyu.ai.AIService/${method}`, sent, {
      ...headers,
      "content-type": "application/json",
    });
    expect([400, 404, 501]).toContain(status);
  });
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
