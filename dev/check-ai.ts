/** `npm run check:ai [-- URL] [--timeout-ms N]`: whether an AI service answers as the gateway needs it, over both protocols. */
import { existsSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { parseArgs } from "node:util";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { namesOf, settings } from "../src/config/settings.ts";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";

if (existsSync(".env")) process.loadEnvFile(".env");
const { values, positionals } = readArguments();
const url = (positionals[0] ?? process.env.PYTHON_AI_SERVICE_URL ?? "http://127.0.0.1:50052").replace(/\/+$/, "");
const timeoutMs = Number(values["timeout-ms"]);
const token = process.env.PYTHON_AI_TOKEN;
const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
/** The gateway always names it. */
const embeddingModel =
  namesOf("ai.embedding_model")
    .map((name) => process.env[name])
    .find(Boolean) ?? settings["ai.embedding_model"].default;
const prompt = { projectId: "check", prompt: "写一句话。", options: { maxTokens: 32 } };

interface Outcome {
  /** The model where the call names one, or what else there is to say. */
  readonly says: string;
}

type Check = (client: Client<typeof AIService>) => Promise<Outcome>;

const checks: Readonly<Record<string, Check>> = {
  async HealthCheck(client) {
    const { status } = await client.healthCheck({}, { headers, timeoutMs });
    return { says: status };
  },
  async GenerateContent(client) {
    const { content, model } = await client.generateContent(prompt, { headers, timeoutMs });
    if (content === "") throw new Failure("answered OK with empty content");
    return { says: model || "(names no model)" };
  },
  async StreamGenerateContent(client) {
    let model = "";
    let text = "";
    try {
      for await (const chunk of client.streamGenerateContent(prompt, { headers, timeoutMs })) {
        model ||= chunk.model;
        text += chunk.delta;
      }
    } catch (error) {
      if (!isUnimplemented(error)) throw error;
      return { says: "not offered (the gateway uses GenerateContent)" };
    }
    if (text === "") throw new Failure("answered OK with an empty stream");
    return { says: model || "(names no model)" };
  },
  async EmbedText(client) {
    const texts = ["写一句话。", "A sentence."];
    const answer = await client
      .embedText({ texts, model: embeddingModel }, { headers, timeoutMs })
      .catch((error) => (isUnimplemented(error) ? undefined : Promise.reject(error)));
    if (!answer) return { says: "not offered (other providers embed)" };
    const [dimension = 0, ...others] = new Set(answer.embeddings.map(({ vector }) => vector.length));
    if (answer.embeddings.length !== texts.length) throw new Failure("answered OK with another number of vectors");
    if (dimension === 0) throw new Failure("answered OK with empty vectors");
    const isTrue = answer.embeddings.every((each) => each.dimension === 0 || each.dimension === dimension);
    if (others.length > 0 || !isTrue)
      throw new Failure("answered OK with vectors that are not of the dimension it says");
    return { says: `${embeddingModel}, ${dimension} numbers` };
  },
};

function isUnimplemented(error: unknown): boolean {
  return ConnectError.from(error).code === Code.Unimplemented;
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { "timeout-ms": { type: "string", default: "20000" } },
    });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error} Known: URL, --timeout-ms N.`);
    process.exit(2);
  }
}

/** A failure that says itself what is wrong. */
class Failure extends Error {}

if (!URL.canParse(url) || !/^https?:/.test(url)) {
  console.error(`${url} is no http or https URL.`);
  process.exitCode = 2;
} else if (!Number.isInteger(timeoutMs) || timeoutMs < 1) {
  console.error("--timeout-ms takes a whole number of milliseconds.");
  process.exitCode = 2;
} else {
  // A Worker cannot ask for compressed messages, and nothing that announces more is allocated for.
  const options = { baseUrl: url, acceptCompression: [], readMaxBytes: 8 * 1024 * 1024 };
  await checkProtocol("connect", createConnectTransport({ ...options, httpVersion: "1.1" }));
  await checkProtocol("grpc-web", createGrpcWebTransport({ ...options, httpVersion: "1.1" }));
}

async function checkProtocol(protocol: string, transport: Transport): Promise<void> {
  const client = createClient(AIService, transport);
  for (const [name, check] of Object.entries(checks)) {
    const startedMs = performance.now();
    const row = (says: string) =>
      `${protocol.padEnd(9)} ${name.padEnd(22)} ${`${Math.round(performance.now() - startedMs)} ms`.padStart(9)}  ${says}`;
    try {
      const { says } = await check(client);
      console.log(row(says));
    } catch (error) {
      console.log(row(`FAILED: ${await explain(error)}`));
      process.exitCode = 1;
    }
  }
}

/** One line about what is wrong and, where it can be known, what to do. */
async function explain(error: unknown): Promise<string> {
  if (error instanceof Failure) return error.message;
  const { code, cause, rawMessage } = ConnectError.from(error);
  const { code: systemCode, message } = rootCause(cause);
  if (systemCode === "ECONNREFUSED") return "connection refused: nothing listens there";
  if (systemCode === "ENOTFOUND" || systemCode === "EAI_AGAIN") return "the host name is not known";
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(systemCode))
    return `TLS: the certificate is not trusted (${systemCode})`;
  if (/SSL|EPROTO/.test(systemCode)) return "TLS: the port does not speak TLS; try http://";
  if (code === Code.DeadlineExceeded) return `no answer within ${timeoutMs} ms`;
  if (code === Code.Unauthenticated || code === Code.PermissionDenied)
    return "the service wants a token: set PYTHON_AI_TOKEN";
  if (code === Code.NotFound) return `it does not have the model that it was asked for (${rawMessage.slice(0, 100)})`;
  if (await speaksHttp2(url)) {
    return "plain gRPC only: a Worker cannot speak it. Let the service offer Connect or gRPC-Web, or put Envoy's grpc_web filter before it";
  }
  if (/ECONNRESET|EPIPE|HPE_/.test(systemCode)) {
    return `no HTTP/1.1 answer (${systemCode}); a TLS port? try https://`;
  }
  if (code === Code.Unimplemented)
    return "it speaks HTTP but does not offer this RPC; is this the AI service's RPC port?";
  if (/content type|HTTP \d+|readMaxBytes/.test(rawMessage))
    return `wrong protocol: it speaks HTTP but is not the AIService (${rawMessage})`;
  const said = !cause || message === rawMessage ? rawMessage : `${rawMessage} (${message})`;
  return `${Code[code]}: ${said.split("\n", 1)[0]?.slice(0, 200)}`;
}

/** The innermost error behind an error, where Node says what the network did. */
function rootCause(error: unknown): { code: string; message: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return rootCause(error.errors[0]);
  if (error instanceof Error && error.cause) return rootCause(error.cause);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return { code, message: error instanceof Error ? error.message : String(error) };
}

/** Whether the port takes an HTTP/2 connection without upgrade, as gRPC servers do. */
function speaksHttp2(origin: string): Promise<boolean> {
  return new Promise((resolve) => {
    const session = connectHttp2(origin);
    const settle = (answer: boolean) => {
      session.destroy();
      resolve(answer);
    };
    session.setTimeout(2000, () => settle(false));
    session.once("remoteSettings", () => settle(true));
    session.once("error", () => settle(false));
    session.once("close", () => settle(false));
  });
}
