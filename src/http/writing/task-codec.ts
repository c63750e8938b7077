import type { DescMessage } from "@bufbuild/protobuf";
import type * as z from "zod/mini";
import { directivesFrom } from "../../cache-directives.ts";
import type { Caller } from "../../caller.ts";
import type { JsonObject } from "../../generation.ts";
import type { RequestRecord } from "../../record.ts";
import type { TaskAnswer, TaskRequest } from "../../task.ts";
import { type StructuredTask, taskRequest, taskResult } from "../../tasks/structured-task.ts";
import { textsIn } from "../../token-count.ts";
import type { Asked } from "../call.ts";
import { requireModel, requireShort } from "../limits.ts";
import { type Form, inForm, type Said } from "../qingyu/form.ts";
import { sourceOf } from "../qingyu/generated.ts";
import type { Codec } from "../serve.ts";

/** How a caller wants his result to be kept. */
interface Keeping {
  readonly idempotencyKey?: string;
  /** Nothing of it may be kept (RFC 9111, 5.2.1.5). */
  readonly noStore: boolean;
}

export interface TaskCall<Wish> extends Asked<TaskRequest>, Keeping {
  readonly wish: Wish;
  readonly form: Form;
}

/** For whom a result is put into words, and which answer it is of. */
export interface Telling extends Keeping {
  readonly caller: Caller;
  readonly createdAtMs: number;
}

interface TaskMethod<Body extends z.ZodMiniType, Wish extends JsonObject, Desc extends DescMessage, Result> {
  readonly task: StructuredTask<Wish, Desc, Result>;
  readonly body: Body;
  readonly said: Said;
  readonly decode: (
    body: z.infer<Body>,
    headers: Headers,
  ) => Omit<TaskCall<Wish>, "request" | "stream" | keyof Keeping> & {
    readonly asked: Parameters<typeof taskRequest>[2];
  };
  /** What is told of the result, but for what is told of every answer. */
  readonly data: (result: Result, wish: Wish, telling: Telling) => object | Promise<object>;
}

/** A method whose answer is a structure. */
export function taskCodec<Body extends z.ZodMiniType, Wish extends JsonObject, Desc extends DescMessage, Result>({
  task,
  body,
  said,
  decode,
  data,
}: TaskMethod<Body, Wish, Desc, Result>) {
  return {
    body,
    decode(read, headers) {
      const { asked, ...call } = decode(read, headers);
      const idempotencyKey = headers.get("idempotency-key") ?? undefined;
      const { noStore } = directivesFrom(headers.get("cache-control") ?? undefined);
      return { ...call, idempotencyKey, noStore, request: taskRequest(task, call.wish, asked), stream: false };
    },
    check({ wish, model }, { limits, ai }) {
      requireShort(() => textsIn(wish), limits.promptChars, "messages");
      requireModel(model, ai.models);
    },
    isImpatient: true,
    async whole(
      answer: TaskAnswer,
      requestId: string,
      { wish, form, idempotencyKey, noStore }: Pick<TaskCall<Wish>, "wish" | "form" | keyof Keeping>,
      { caller }: Pick<RequestRecord, "caller">,
    ): Promise<object> {
      if (!caller) throw new Error("an answer is for somebody");
      const { createdAtMs } = answer;
      const telling = { caller, idempotencyKey, noStore, createdAtMs };
      const found = await data(taskResult(task, answer, wish), wish, telling);
      return inForm({ ...found, ...toldOf(answer) }, form, requestId, said);
    },
  } as const satisfies Codec<Body, TaskRequest, TaskAnswer, TaskCall<Wish>>;
}

/** What is told of every answer to a task. */
export function toldOf(answer: TaskAnswer) {
  return { ...sourceOf(answer), processedAt: new Date(answer.createdAtMs).toISOString() };
}
