import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { fakeOpenAi, onlyOpenAi, testApp } from "./support/app-on-fake-network.ts";
import { requestTo, surfaces } from "./support/surfaces.ts";

const utf8 = new TextEncoder();
const limitBytes = 2_000;
const settings = { ...onlyOpenAi, QINGYU_LIMITS_BODY_BYTES: String(limitBytes), QINGYU_CACHE_ENABLED: "false" };

/** How a request of each kind is sent as gzip: which header says so, and what of its body is zipped. */
const forms = [
  ...surfaces.map((surface) => ({ kind: surface, surface, type: "application/json", header: "content-encoding" })),
  {
    kind: "Connect's streams",
    surface: "connect",
    type: "application/connect+json",
    header: "connect-content-encoding",
  },
  { kind: "gRPC-Web", surface: "connect", type: "application/grpc-web+json", header: "grpc-encoding" },
] as const;
type Form = (typeof forms)[number];

const isFramed = ({ type }: Form) => type !== "application/json";

function framed(flags: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array([flags, 0, 0, 0, 0, ...bytes]);
  new DataView(frame.buffer).setUint32(1, bytes.byteLength);
  return frame;
}

/** Sends a text as a request's JSON, zipped unless other bytes are given for it. */
function send(form: Form, text: string, sent: { coding?: string; bytes?: Uint8Array; flags?: number } = {}) {
  const { coding = "gzip", bytes = gzipSync(utf8.encode(text)), flags = 1 } = sent;
  const { network, seen } = fakeOpenAi();
  const { path } = requestTo(form.surface, form.type === "application/connect+json", "");
  const answer = testApp({ settings, network }).send(path, {
    method: "POST",
    headers: { "content-type": form.type, [form.header]: coding },
    body: isFramed(form) ? framed(flags, bytes) : bytes,
  });
  return answer.then((told) => ({ ...told, seen, error: JSON.parse(told.log.at(-1) ?? "{}").error }));
}

/** A request's JSON of so many bytes. */
function textOf({ surface }: Form, bytes = 0): string {
  const body =
    surface === "openai" ? { messages: [{ role: "user", content: "夜雨" }] } : { projectId: "p", prompt: "夜雨" };
  const json = JSON.stringify(body);
  return json + " ".repeat(Math.max(0, bytes - utf8.encode(json).byteLength));
}

describe.each(forms)("a request that is sent as gzip: $kind", (form) => {
  it.each(["gzip", "GZip", "x-gzip", "identity, gzip"])("is read as it was before: %s", async (coding) => {
    const { error, seen } = await send(form, textOf(form), { coding });
    expect([error, seen]).toMatchObject([undefined, [{ messages: [{ role: "user", content: "夜雨" }] }]]);
  });

  it("may be as large as the setting says once it is unzipped, whatever is around it", async () => {
    const [allowed, over] = [textOf(form, limitBytes), textOf(form, limitBytes + 1)];
    const stored = (text: string) => gzipSync(utf8.encode(text), { level: 0 });
    for (const [text, bytes, error] of [
      [allowed, undefined, undefined],
      [allowed, stored(allowed), undefined],
      [over, undefined, "payload_too_large"],
      [over, stored(over), "payload_too_large"],
    ] as const) {
      expect((await send(form, text, { bytes })).error).toBe(error);
    }
  });

  it("is refused where it is no gzip, or a torn one", async () => {
    const whole = gzipSync(utf8.encode(textOf(form)));
    for (const bytes of [utf8.encode(textOf(form)), whole.subarray(0, -4), new Uint8Array()]) {
      expect((await send(form, "", { bytes })).error).toBe("invalid_gzip");
    }
  });

  it.each(["br", "zstd", "gzip, gzip", "gzip, br"])("is refused in any other coding: %s", async (coding) => {
    const { error, seen } = await send(form, textOf(form), { coding });
    expect([error, seen]).toEqual([form.surface === "connect" ? "unimplemented" : "unsupported_media_type", []]);
  });

  it("gets an answer that is not", async () => {
    const { headers } = await send(form, textOf(form));
    for (const name of ["content-encoding", "connect-content-encoding", "grpc-encoding"]) {
      expect([name, headers.get(name)]).toEqual([name, null]);
    }
  });
});

it.each(surfaces.filter((surface) => surface !== "connect"))("says what would be taken: %s", async (surface) => {
  const { path, init } = requestTo(surface, false, "夜雨");
  const { status, headers } = await testApp({ settings }).send(path, {
    ...init,
    headers: { "content-type": "application/json", "content-encoding": "br" },
  });
  expect([status, headers.get("accept-encoding")]).toEqual([415, "gzip"]);
});

describe.each(forms.filter(isFramed))("a message in a frame: $kind", (form) => {
  it("may be as large as the setting says without its frame's head", async () => {
    const plain = (bytes: number) => send(form, "", { bytes: utf8.encode(textOf(form, bytes)), flags: 0 });
    expect((await plain(limitBytes)).error).toBeUndefined();
    expect((await plain(limitBytes + 1)).error).toBe("payload_too_large");
  });

  it("need not be zipped where it may be, and must say that it is", async () => {
    const bytes = utf8.encode(textOf(form));
    expect((await send(form, "", { bytes, flags: 0 })).error).toBeUndefined();
    expect((await send(form, textOf(form), { coding: "identity" })).error).toBe("internal");
  });
});
