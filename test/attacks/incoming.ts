import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import type { Attack } from "./attack.ts";

const [purge, generate] = ["/api/v1/ai/cache/purge", "/api/v1/ai/generate"];
const hello = '"model":"m","messages":[{"role":"user","content":"Hello"}]';

/** What a caller sends. */
export const incoming: readonly Attack[] = [
  attack("4 MiB of empty messages", listOf("messages", "{}", 4_000_000)),
  attack("4 MiB of empty messages to purge", listOf("messages", "{}", 4_000_000), purge),
  attack("4 MiB of empty messages to generate", listOf("messages", "{}", 4_000_000, '"projectId":"p"'), generate),
  attack("as many messages as there may be, all wrong", listOf("messages", '{"role":1}', 11 * 2048)),
  attack("4 MiB of content parts", `{"messages":[${listOf("content", "{}", 4_000_000, '"role":"user"')}]}`),
  attack("4 MiB of stop words", listOf("stop", "1", 4_000_000, hello)),
  attack("4 MiB of tools", listOf("tools", "[]", 4_000_000, hello)),
  attack("4 MiB of unknown members", members(4_000_000)),
  attack("4 MiB of unknown members to generate", members(4_000_000), generate),
  attack("4 MiB of inputs", listOf("input", '""', 4_000_000), "/v1/embeddings"),
  attack("4 MiB of tokens", listOf("input", "1", 4_000_000), "/v1/embeddings"),
  attack(
    "as many values as there may be in objects",
    `{"messages":[${objects(20, 2040, '"role":"user","content":"Hi"')}]}`,
  ),
  attack("as many values as there may be within one", `{${hello},"tools":[${objects(20, 2040)}]}`),
  attack("as many objects as there may be", listOf("tools", '{"a":{}}', 140_000, hello)),
  attack("a number too large, 4 MiB deep in a text", `{${hello},"a":["${"1e400".repeat(800_000)}",1e400]}`),
  ...rpcAttacks("4 MiB of empty messages", Buffer.from("a20600", "hex"), `{"messages":[${"{},".repeat(1_390_000)}{}]}`),
  ...rpcAttacks("4 MiB of unknown fields", Buffer.from("3801", "hex"), members(4_000_000)),
  ...rpcAttacks("4 MiB of groups", Buffer.from("3b", "hex"), `{"x":${"[".repeat(4_000_000)}`),
  {
    name: "a hundred bodies that do not come to their end",
    settings: { QINGYU_DEADLINES_REQUEST_MS: "2000" },
    async play({ port, key, connect }) {
      const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:${port}\r\nAuthorization: Bearer ${key}\r\n`;
      const waiting = Array.from({ length: 100 }, () => {
        const socket = connect();
        socket.write(`${head}Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"messages":`);
        return once(socket, "data");
      });
      await Promise.all(waiting);
    },
  },
  {
    ...attack("hosts that lead to another path", ""),
    play: ({ askAll }) => askAll(20, 2, () => ({ headers: { host: "localhost/health/live#" }, body: `{${hello}}` })),
  },
  {
    ...attack("4 MiB of frames", ""),
    play: ({ askAll }) => askAll(20, 2, () => rpc("application/connect+proto", Buffer.alloc(4 * 1024 * 1024))),
  },
  zipped("4 GiB as gzip", () => Buffer.alloc(4_000_000, gzipSync(Buffer.alloc(16 * 1024 * 1024)))),
  zipped("4 MiB of empty members of gzip", () => Buffer.alloc(4_000_000, gzipSync(""))),
  zipped("4 MiB of spaces as gzip", () => gzipSync(`{${hello}${" ".repeat(4_000_000)}}`)),
  zipped("4 MiB of empty messages as gzip", () => gzipSync(listOf("messages", "{}", 4_000_000))),
];

/** Two callers send this at once, forty times in all, in JSON's place and in that of a message in a frame. */
function zipped(name: string, make: () => Buffer): Attack {
  return {
    ...attack(name, ""),
    async play({ askAll }) {
      const body = make();
      const framed = rpc("application/connect+json", Buffer.from(encodeEnvelope(1, body)));
      const headers = { ...framed.headers, "connect-content-encoding": "gzip" };
      await askAll(40, 2, (index) =>
        index % 2 === 0 ? { headers: { "content-encoding": "gzip" }, body } : { ...framed, headers },
      );
    },
  };
}

/** The same in every form that a contract's method takes: so many times these bytes, or this JSON. */
function rpcAttacks(name: string, field: Uint8Array, json: string): readonly Attack[] {
  const binary = Buffer.alloc(Math.floor(4_000_000 / field.byteLength) * field.byteLength, field);
  const framed = (message: Uint8Array) => Buffer.from(encodeEnvelope(0, message));
  const forms: Readonly<Record<string, Uint8Array>> = {
    "application/proto": binary,
    "application/json": Buffer.from(json),
    "application/connect+proto": framed(binary),
    "application/connect+json": framed(Buffer.from(json)),
    "application/grpc-web+proto": framed(binary),
    "application/grpc-web+json": framed(Buffer.from(json)),
  };
  return Object.entries(forms).map(([type, body]) => ({
    ...attack(`${name}, ${type}`, ""),
    play: ({ askAll }) => askAll(20, 2, () => rpc(type, body)),
  }));
}

function rpc(type: string, body: Uint8Array) {
  const method = type.startsWith("application/connect+") ? "StreamGenerateContent" : "GenerateContent";
  return { path: `/qingyu.ai.AIService/${method}`, headers: { "content-type": type }, body };
}

/** Two callers send this at once, twenty times in all. */
function attack(name: string, body: string, path?: string): Attack {
  return {
    name,
    settings: { QINGYU_LIMITS_BODY_BYTES: String(4 * 1024 * 1024) },
    play: ({ askAll }) => askAll(20, 2, () => ({ path, body })),
  };
}

/** `{<more>, "<name>": [<item>, <item>, ...]}` of about so many bytes. */
function listOf(name: string, item: string, bytes: number, more = '"model":"m"'): string {
  const items = Array.from({ length: Math.floor(bytes / (item.length + 1)) }, () => item);
  return `{${more},"${name}":[${items.join(",")}]}`;
}

/** So many objects of so many members. */
function objects(count: number, each: number, more = '"type":"function"'): string {
  return Array.from({ length: count }, () => members(16 * each, more)).join(",");
}

/** `{<more>, "k0": 0, "k1": 1, ...}` of about so many bytes. */
function members(bytes: number, more = '"model":"m"'): string {
  const each = Array.from({ length: Math.floor(bytes / 16) }, (_, index) => `"k${index}":${index}`);
  return `{${more},${each.join(",")}}`;
}
