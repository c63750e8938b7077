/**
 * `npm run check:ai [-- URL] [--timeout-ms N]`: whether an AI service answers every RPC of the contract as the gateway needs
 * it, over both protocols.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { namesOf, settings } from "../src/config/settings.ts";
import { AIService } from "../src/gen/qingyu/ai/ai_service_pb.ts";
import { type Check, checks, Failure, isLong } from "./ai-service-checks.ts";
import { explainFailure } from "./explain-failure.ts";

const defaultTimeoutMs = 20_000;
/** Twice what whole workflows were seen to take. */
const defaultLongTimeoutMs = 120_000;

if (existsSync(".env")) process.loadEnvFile(".env");
const { values, positionals } = readArguments();
const url = (positionals[0] ?? process.env.PYTHON_AI_SERVICE_URL ?? "http://127.0.0.1:50052").replace(/\/+$/, "");
const askedTimeoutMs = values["timeout-ms"] === undefined ? undefined : Number(values["timeout-ms"]);
const token = process.env.PYTHON_AI_TOKEN;
const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
/** The gateway always names it. */
const embeddingModel =
  namesOf("ai.embedding_model")
    .map((name) => process.env[name])
    .find(Boolean) ?? settings["ai.embedding_model"].default;

if (!URL.canParse(url) || !/^https?:/.test(url)) {
  console.error(`${url} is no http or https URL.`);
  process.exitCode = 2;
} else if (askedTimeoutMs !== undefined && !(Number.isInteger(askedTimeoutMs) && askedTimeoutMs > 0)) {
  console.error("--timeout-ms takes a whole number of milliseconds.");
  process.exitCode = 2;
} else {
  // A Worker cannot ask for compressed messages, and nothing that announces more is allocated for.
  const options = { baseUrl: url, acceptCompression: [], readMaxBytes: 8 * 1024 * 1024 };
  await checkProtocol("connect", createConnectTransport({ ...options, httpVersion: "1.1" }));
  await checkProtocol("grpc-web", createGrpcWebTransport({ ...options, httpVersion: "1.1" }));
}

function readArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: { "timeout-ms": { type: "string" } } });
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error} Known: URL, --timeout-ms N.`);
    process.exit(2);
  }
}

async function checkProtocol(protocol: string, transport: Transport): Promise<void> {
  const client = createClient(AIService, transport);
  const written = {};
  let hasAnswered = false;
  for (const check of checks) {
    // A service that has not answered anything yet is not waited for that long.
    const timeoutMs = askedTimeoutMs ?? (hasAnswered && isLong(check.rpc) ? defaultLongTimeoutMs : defaultTimeoutMs);
    const startedMs = performance.now();
    const row = (says: string) =>
      `${protocol.padEnd(9)} ${check.rpc.padEnd(24)} ${`${Math.round(performance.now() - startedMs)} ms`.padStart(9)}  ${says}`;
    try {
      const says = await check.ask({ client, call: { headers, timeoutMs }, embeddingModel, written });
      hasAnswered = true;
      console.log(row(says));
    } catch (error) {
      if (isMerelyLacking(check, error)) {
        console.log(row(`not offered (${check.without})`));
        continue;
      }
      const why =
        error instanceof Failure ? error.message : await explainFailure(error, { url, timeoutMs, hasAnswered });
      console.log(row(`FAILED: ${why}`));
      process.exitCode = 1;
    }
  }
}

/** Whether an error says that the service is without an RPC that it may be without. */
function isMerelyLacking({ without }: Check, error: unknown): boolean {
  return without !== undefined && ConnectError.from(error).code === Code.Unimplemented;
}
