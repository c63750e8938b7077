import * as z from "zod/mini";
import { type Description, json, open } from "../docs/description.ts";
import { jsonSchemas } from "../docs/schemas.ts";

const status = z.enum(["healthy", "degraded", "unhealthy"]);
const breaker = z.enum(["closed", "open", "half_open"]);
const dependencies = z.record(z.string(), z.object({ status, breaker, latencyMs: z.optional(z.number()) }));

const Live = z.object({ status: z.literal("alive") });
export type Live = z.infer<typeof Live>;

const Ready = z.object({
  status: z.enum(["ready", "degraded", "unready"]),
  warnings: z.array(z.string()),
  auth: z.optional(z.enum(["open", "api-key", "jwt"])),
  dependencies: z.optional(dependencies),
  problems: z
    .optional(z.array(z.object({ setting: z.string(), reason: z.string(), expected: z.string() })))
    .check(z.describe("What is wrong with the settings: names and reasons, never values.")),
});
export type Ready = z.infer<typeof Ready>;

const timestamp = z.string().check(z.describe("RFC 3339, UTC."));
const PlatformHealth = z.object({ status, service: z.string(), timestamp, dependencies });
export type PlatformHealth = z.infer<typeof PlatformHealth>;

const CreativeHealth = z.object({ status, checks: z.record(z.string(), status) });
export type CreativeHealth = z.infer<typeof CreativeHealth>;

const AiHealth = z.object({
  code: z.literal(0),
  message: z.string(),
  data: z.object({
    status,
    timestamp: z.int().check(z.describe("Unix time in seconds.")),
    service: z.literal("ai"),
  }),
  timestamp: z.int().check(z.describe("Unix time in milliseconds.")),
  request_id: z.string(),
});
export type AiHealth = z.infer<typeof AiHealth>;

const example: Ready = {
  status: "degraded",
  auth: "api-key",
  dependencies: {
    "ai-service": { status: "unhealthy", breaker: "open", latencyMs: 1003 },
    openai: { status: "healthy", breaker: "closed" },
  },
  warnings: [],
};

const headersBelowApi = ["x-request-id", "vary"];

export const healthDescription: Description = {
  tag: "Operations",
  about: "Open to everyone.",
  schemas: jsonSchemas({ Live, Ready, Health: PlatformHealth, CreativeHealth, AiHealth }),
  routes: {
    "GET /health/live": open({ operationId: "isLive", summary: "Whether the worker runs", answer: json("Live") }),
    "GET /health/ready": open({
      operationId: "isReady",
      summary: "Whether requests can be served",
      answer: json("Ready", example),
      unavailable: json("Ready"),
    }),
    "GET /api/v1/health": open({
      operationId: "health",
      summary: "Whether requests can be served, in the platform's shape",
      answer: json("Health"),
      unavailable: json("Health"),
      answerHeaders: headersBelowApi,
    }),
    "GET /api/v1/creative/health": open({
      operationId: "creativeHealth",
      summary: "Whether requests can be served, as the contract's HealthCheck has it",
      answer: json("CreativeHealth", { status: "degraded", checks: { "ai-service": "unhealthy", openai: "healthy" } }),
      unavailable: json("CreativeHealth"),
      answerHeaders: headersBelowApi,
    }),
    "GET /api/v1/ai/health": open({
      operationId: "aiHealth",
      summary: "Whether requests can be served, in the platform's envelope",
      answer: json("AiHealth"),
      unavailable: json("AiHealth"),
      answerHeaders: headersBelowApi,
    }),
  },
};
