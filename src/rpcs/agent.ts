import type { AgentExecutionResponse } from "../gen/qingyu/ai/ai_service_pb.ts";
import { UpstreamFailure } from "../upstream-failure.ts";

/**
 * An agent's answer that tells of a success: only `completed` does, of an open set of words. Its errors are the exceptions
 * of somebody's program, and no caller's business. Throws `UpstreamFailure` for every other status.
 */
export function completedAgent(answer: AgentExecutionResponse): AgentExecutionResponse {
  if (answer.status === "completed") return { ...answer, errors: [] };
  throw failures.get(answer.status)?.() ?? UpstreamFailure.wire("malformed");
}

const failures: ReadonlyMap<string, () => UpstreamFailure> = new Map([
  ["failed", () => UpstreamFailure.peer("internal")],
  ["cancelled", () => UpstreamFailure.peer("canceled")],
  // Nobody can be asked how it goes on.
  ["running", () => UpstreamFailure.wire("truncated")],
]);
