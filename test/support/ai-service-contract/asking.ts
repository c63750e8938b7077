import type { Client } from "@connectrpc/connect";
import { expect } from "vitest";
import type { AIService } from "../../../src/gen/qingyu/ai/ai_service_pb.ts";

/** Makes a client of the service that is tested, over the protocol and in the encoding of the group. */
export type ClientOf = () => Client<typeof AIService>;

export const token = "contract-token";
export const headers = { authorization: `Bearer ${token}` };
/** Chinese, English, both with a character of two code units, and white space of all kinds. */
export const texts = ["夜雨落在青石巷，", "The lamps went out.", "青羽🪶 mixed 文字", "\ttabs\nand lines "];

/** Expects a time in seconds, as long ago as an answer takes. */
export function expectNow(unixSeconds: bigint): void {
  expect(Math.abs(Number(unixSeconds) - Date.now() / 1000)).toBeLessThan(10);
}

/** Expects a duration in seconds: measured, and no longer than a small machine takes. */
export function expectSeconds(duration: number | undefined): void {
  expect(duration).toBeGreaterThan(0);
  expect(duration).toBeLessThan(10);
}
