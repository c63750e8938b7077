import type { DescMessage } from "@bufbuild/protobuf";
import type * as z from "zod/mini";
import type { JsonObject } from "../../generation.ts";
import type { TaskAnswer, TaskRequest } from "../../task.ts";
import { type StructuredTask, taskRequest, taskResult } from "../../tasks/structured-task.ts";
import { textsIn } from "../../token-count.ts";
import type { Asked } from "../call.ts";
import { requireModel, requireShort } from "../limits.ts";
import { type Form, inForm, type Said } from "../qingyu/form.ts";
import { usageIn } from "../qingyu/text-answers.ts";
import type { Codec } from "../serve.ts";

export interface TaskCall<Wish> extends Asked<TaskRequest> {
  readonly wish: Wish;
  readonly form: Form;
}

interface TaskMethod<Body extends z.ZodMiniType, Wish extends JsonObject, Desc extends DescMessage, Result> {
  readonly task: StructuredTask<Wish, Desc, Result>;
  readonly body: Body;
  readonly said: Said;
  readonly decode: (
    body: z.infer<Body>,
    headers: Headers,
  ) => Omit<TaskCall<Wish>, "request" | "stream"> & { readonly asked: Parameters<typeof taskRequest>[2] };
  /** What is told of the result, but for what is told of every answer. */
  readonly data: (result: Result, wish: Wish) => object;
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
      return { ...call, request: taskRequest(task, call.wish, asked), stream: false };
    },
    check({ wish, model }, { limits, ai }) {
      requireShort(() => textsIn(wish), limits.promptChars, "messages");
      requireModel(model, ai.models);
    },
    isImpatient: true,
    whole(answer: TaskAnswer, requestId: string, { wish, form }: Pick<TaskCall<Wish>, "wish" | "form">): object {
      const { usage, model, provider, createdAtMs } = answer;
      const told = {
        ...{ tokensUsed: usage?.totalTokens ?? null, model, provider, usage: usageIn(usage) },
        processedAt: new Date(createdAtMs).toISOString(),
      };
      return inForm({ ...data(taskResult(task, answer, wish), wish), ...told }, form, requestId, said);
    },
  } as const satisfies Codec<Body, TaskRequest, TaskAnswer, TaskCall<Wish>>;
}
