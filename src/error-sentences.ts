import type { Language } from "./language.ts";

/*
 * What callers are told of errors. The code names a sentence by its English, so one without Chinese does not compile.
 * `{name}` stands for a value of the error; `{param}`, `{field}` and `{about}` are made of the parameter at fault.
 */

/** Each sentence in Chinese. It may name the parameter where the English does not. */
export const sentences = {
  // Fields and bodies.
  "{field} is missing.": "{field}缺失。",
  "One of the fields '{names}' must be there.": "以下字段至少要有一个：'{names}'。",
  "Unknown field: {names}.": "未知字段：{names}。",
  "Unknown fields: {names}.": "未知字段：{names}。",
  "The request is not valid.": "请求无效。",
  "{field} is not valid.": "{field}的值无效。",
  "{field} is not of its type.": "{field}的类型不对。",
  "{field} must be {types}.": "{field}必须是{types}。",
  "{field} must be one of {values}.": "{field}只能是以下之一：{values}。",
  "{field} must be from {least} to {most}.": "{field}必须在 {least} 到 {most} 之间。",
  "{field} must be at least {least}.": "{field}不能小于 {least}。",
  "{field} must be more than {least}.": "{field}必须大于 {least}。",
  "{field} must be at most {most}.": "{field}不能大于 {most}。",
  "{field} must be at least {least} characters long.": "{field}至少要有 {least} 个字符。",
  "{field} must be at most {most} characters long.": "{field}最多 {most} 个字符。",
  "{field} must be at least {least} items long.": "{field}至少要有 {least} 项。",
  "{field} must be at most {most} items long.": "{field}最多 {most} 项。",
  "{field} must be at most 4096 characters of JSON.": "{field}写成 JSON 最多 4096 个字符。",
  "{field} must not be empty.": "{field}不能为空。",
  "{field} must be a text or a list of tokens.": "{field}必须是文本或 token 列表。",
  "{field} must be a token, a whole number of at least 0.": "{field}必须是 token，即不小于 0 的整数。",
  "{field} must be at most {most} (limits.max_tokens).": "{field}不能大于 {most}（limits.max_tokens）。",
  "The prompt is longer than {most} characters (limits.prompt_chars).":
    "文本超过 {most} 个字符（limits.prompt_chars），请缩短。{about}",
  "Send 'prompt' or 'messages', not both.": "'prompt' 和 'messages' 只能发送其中之一。",
  "'max_tokens' and 'max_completion_tokens' differ; send one of them.":
    "'max_tokens' 与 'max_completion_tokens' 不一致，请只发送其中之一。",
  "The parameter '{param}' is not carried to providers.": "参数 '{param}' 不会转交给 AI 服务，请去掉。",
  "No configured provider supports the parameter '{param}'.": "已配置的 AI 服务都不支持参数 '{param}'。",
  "'from' is after 'to'.": "'from' 晚于 'to'。",
  "There are at most {most} days from 'from' to 'to'.": "'from' 到 'to' 最多 {most} 天。",
  "There are too many groups: ask for fewer days, or tell less apart.":
    "分组过多：请缩短日期范围，或减少 'group' 中的项。",
  "There are too many tenants: name one.": "租户过多：请用 'tenant' 指定一个。",
  "The body is larger than {most} bytes (limits.body_bytes).": "请求体超过 {most} 字节（limits.body_bytes）。",
  "The body is not UTF-8.": "请求体不是 UTF-8 编码。",
  "The body is not valid JSON.": "请求体不是有效的 JSON。",
  "The body is not gzip.": "请求体不是 gzip 格式。",
  "The body is not the method's message.": "请求体不是该方法的消息。",
  "The body has an unpaired surrogate in a string.": "请求体的字符串中有不成对的代理字符。",
  "The body has a member named '__proto__'.": "请求体不能有名为 '__proto__' 的字段。",
  "The body has a number that is too large.": "请求体中有过大的数字。",
  "The body is nested more than {most} levels deep.": "请求体嵌套超过 {most} 层。",
  "The body has more than {most} members in an object.": "请求体中有对象的字段超过 {most} 个。",
  "The body has too many values in it.": "请求体中的值过多。",
  "The body has more than {most} integers that no double holds.": "请求体中超出双精度范围的整数多于 {most} 个。",
  "The body ends within a frame.": "请求体在一帧中途结束。",
  "The message has too many fields in it.": "消息中的字段过多。",
  "The message is not the method's.": "消息不属于该方法。",
  "The request's body did not come in time.": "未能在限定时间内收到请求体。",
  "The request's body ended too early.": "请求体提前结束。",
  "Send JSON as 'content-type: application/json'.": "请以 'content-type: application/json' 发送 JSON。",
  "Compress the body as 'content-encoding: gzip', or not at all.":
    "请求体只能以 'content-encoding: gzip' 压缩，或者不压缩。",
  "The header 'host' is not a host.": "请求头 'host' 不是主机名。",
  "The header '{param}' must be a positive whole number.": "请求头 '{param}' 必须是正整数。",
  "The header '{param}' must be 'live' or 'atomic'.": "请求头 '{param}' 只能是 'live' 或 'atomic'。",
  "The header '{param}' must be 1 to 255 visible ASCII characters.":
    "请求头 '{param}' 必须是 1 到 255 个可见的 ASCII 字符。",
  "The header 'idempotency-key' stands for another request already.": "请求头 'idempotency-key' 已用于另一个请求。",

  "The message is longer than {most} bytes.": "消息超过 {most} 字节，请缩短。{about}",
  "The field 'prompt' must be a text; tokens are not taken.": "字段 'prompt' 必须是文本，不接受 token。",
  "The field 'prompt' must be one text; send the others one by one.":
    "字段 'prompt' 只能是一段文本，其余的请逐个发送。",
  "The parameter '{param}' is not carried for completions.": "参数 '{param}' 不能用于文本补全。",

  // Paths and methods.
  "There is nothing at this path. The base URL for OpenAI's clients is this host's '/v1' ('https://host/v1'); the platform's paths begin with '/api/v1'.":
    "路径不存在。平台的路径以 '/api/v1' 开头；OpenAI 客户端的基础地址是本主机的 '/v1'（'https://host/v1'）。",
  "Use {methods}.": "请求方法不对，请使用 {methods}。",
  "The documentation's files are not deployed.": "文档文件没有部署。",

  // Who may do what.
  "Send an API key as 'Authorization: Bearer <key>'.": "请登录，或以 'Authorization: Bearer <key>' 发送 API 密钥。",
  "Send an API key or a token as 'Authorization: Bearer <key>'.":
    "请登录，或以 'Authorization: Bearer <key>' 发送 API 密钥或令牌。",
  "The API key is not known.": "API 密钥无效。",
  "The token has expired.": "登录已过期。",
  "The token is not valid.": "登录凭证无效，请重新登录。",
  "The keys that tokens are signed with cannot be read now.": "暂时无法验证登录凭证，请稍后再试。",
  "An operator's key is for '/admin' only; send a tenant's key.": "运维密钥只能用于 '/admin'，请使用租户的密钥。",
  "This takes an operator's key (auth.admin_keys), or a token of this tenant with the role 'admin'.":
    "此操作需要运维密钥（auth.admin_keys），或本租户中角色为 'admin' 的令牌。",
  "This takes a token of this tenant with the role 'admin'.": "此操作需要本租户的管理员（角色 'admin'）身份。",
  "Only a key, or a user with the role 'admin', may forget all answers.":
    "只有密钥或角色为 'admin' 的用户才能清除全部缓存。",
  "Only an operator may give a key a policy.": "只有运维人员才能为密钥设定策略。{about}",
  "There is no key with this id.": "没有这个 id 的密钥。",
  "The key has expired or was revoked; make another one.": "密钥已过期或已吊销，请另建一个。",
  "There are as many keys as there may be; revoke one first.": "密钥数量已达上限，请先吊销一个。",
  "The registry of keys does not answer now.": "密钥登记服务暂无响应，请稍后再试。",

  // Limits and quotas.
  "You ask faster than anybody may.": "请求过于频繁，请稍后再试。",
  "You have asked as often as you may in a minute.": "一分钟内的请求次数已达上限，请稍后再试。",
  "You have as many requests under way as you may have.": "同时进行的请求数已达上限，请等前面的完成。",
  "What your requests under way may still take leaves no room for this one.":
    "剩余的额度已被正在进行的请求占用，请等它们完成后再试。",
  "Your quota is suspended.": "您的配额已被暂停，请联系管理员。",
  "Your quota is used up.": "您的配额已用完。",
  "Your quota does not suffice: {left} tokens are left, and this request may take more (max_tokens).":
    "您的配额不足：剩余 {left} 个 token，而这次请求可能需要更多（max_tokens）。",
  "What you may spend in this month is used up, or does not suffice for this request.":
    "本月的费用额度已用完，或不足以完成这次请求。",
  "The limits that hold for you cannot be asked for now.": "暂时无法查询您的配额，请稍后再试。",
  "The model has no price here, and your limits are in money.":
    "该模型没有定价，而您的额度以金额计，因此不能使用。{about}",
  "The ledger does not answer now.": "用量账本暂无响应，请稍后再试。",

  // Models and providers.
  "The model does not exist or is not offered here.": "模型不存在，或此处不提供。{about}",
  "No AI provider is available now.": "目前没有可用的 AI 服务，请稍后再试。",
  "The AI provider is not available.": "AI 服务暂时不可用，请稍后再试。",
  "The AI provider could not be reached.": "无法连接 AI 服务，请稍后再试。",
  "The AI provider failed.": "AI 服务出错了，请稍后再试。",
  "The AI provider gave the request up.": "AI 服务中止了这次请求，请重试。",
  "The AI provider could not take the request now.": "AI 服务暂时无法受理这次请求，请稍后再试。",
  "The AI provider does not offer this operation.": "AI 服务不提供此功能。",
  "The AI provider does not know this operation.": "AI 服务不认识此功能。",
  "The AI provider is at its limit.": "AI 服务繁忙，已达到调用上限，请稍后再试。",
  "The AI provider's account is used up.": "AI 服务的账户额度已用尽。",
  "The AI provider did not finish in time.": "AI 服务未能及时完成。",
  "The AI provider did not answer in time.": "AI 服务未能及时响应。",
  "The AI provider does not have this model.": "AI 服务没有这个模型。{about}",
  "The AI provider does not have what the request is about.": "AI 服务找不到请求所涉及的内容。",
  "The gateway could not authenticate with the AI provider.": "AI 服务没有接受网关的凭证。",
  "The gateway is not permitted to use the AI provider.": "网关无权使用该 AI 服务。",
  "The AI provider answered with a redirect.": "AI 服务返回了重定向，无法使用。",
  "The AI provider leads back to a gateway that asks it.": "AI 服务又指回了向它请求的网关。",
  "The request is longer than the model's context.{about}": "请求超出了模型的上下文长度，请缩短文本。{about}",
  "The AI provider's model does not have a parameter of the request.{about}":
    "AI 服务的模型不支持请求中的某个参数。{about}",
  "The AI provider refused the request as invalid.{about}": "AI 服务认为请求无效，拒绝了它。{about}",
  "The AI provider's content filter refused the request.{about}": "AI 服务的内容审核拒绝了这次请求。{about}",
  "The AI provider's answer could not be understood.": "AI 服务的回答无法解析。",
  "The AI provider's answer ended too early.": "AI 服务的回答中途断开。",
  "The AI provider's answer is too large.": "AI 服务的回答过大。",
  "The AI provider's answer is empty.": "AI 服务的回答为空。",
  "The AI provider's answer has no text.": "AI 服务的回答中没有文本。",
  "The AI provider answered another request.": "AI 服务的回答不属于这次请求。",

  "The AI provider's content filter left nothing of the answer.": "回答被 AI 服务的内容审核全部拦截。",

  // Chapters, and what was kept.
  "There is no text of the chapter that '{param}' names: neither the platform (platform.url) nor the project's knowledge base gives it. Index the chapter there, with this id and the type 'chapter'.":
    "找不到 '{param}' 所指章节的正文：平台（platform.url）和项目知识库都没有提供。请以此 id 和类型 'chapter' 将该章节编入知识库。",
  "There is no result with this id, or none of yours, or it has expired.":
    "没有这个 id 的结果，或者它不属于您，或者已过期。{about}",
  "What was kept cannot be asked for now.": "暂时无法查询已保存的结果，请稍后再试。",

  // Chats.
  "There is no session with this id.": "会话不存在。{about}",
  "The chats do not answer now.": "会话服务暂无响应，请稍后再试。",
  "The session's message before this one was not answered in time.": "会话中的上一条消息未能及时得到回答，请稍后再试。",
  "The answer under this 'idempotency-key' cannot be read any more.":
    "此 'idempotency-key' 对应的回答已无法读取，请换一个。",

  // The gateway itself.
  "The gateway failed.": "网关出错了，请稍后再试。",
  "The gateway holds as much as it can for requests in flight.": "网关繁忙，处理中的请求已达上限，请稍后再试。",
  "The setting {setting} {reason}; /health/ready says all that is wrong.":
    "网关的设置项 {setting} 有误，暂时无法服务；/health/ready 列出了全部问题。",
  "The request came back to this gateway: its providers lead to itself.":
    "请求又回到了本网关：它的 AI 服务指向了它自己。",
  "The caller left.": "调用方已离开。",
  "The answer was read too slowly.": "读取回答过慢。",
  "The answer was not there in time.": "未能在限定时间内得到回答。",
  "The answer was not there in time; it will be under the same 'idempotency-key'.":
    "未能在限定时间内得到回答；稍后可用相同的 'idempotency-key' 取得。",
  "There is no answer in the cache.": "缓存中没有回答。",
  "The cache could not be purged.": "未能清除缓存，请稍后再试。",
  "Nobody knows how the work goes on; ask again under the same key.":
    "暂时无法得知任务的进展，请用相同的 'idempotency-key' 再次请求。",
  "The work was lost; ask again to have it begin anew.": "任务已丢失，请再次请求以重新开始。",
} as const satisfies Record<string, string>;

export type Sentence = keyof typeof sentences;

/** What stands in a sentence: numbers, names, or several things of which one is meant. */
export type Values = Readonly<Record<string, string | number | readonly string[]>>;

/** What a field may be, in Chinese. */
const things: ReadonlyMap<string, string> = new Map([
  ["a string", "字符串"],
  ["a number", "数字"],
  ["a whole number", "整数"],
  ["a boolean", "布尔值"],
  ["an object", "对象"],
  ["an array", "数组"],
  ["a value", "规定的值"],
]);

const languages = {
  en: {
    words: (sentence: Sentence): string => sentence,
    field: (param: string | undefined) => (param === undefined ? "The body" : `The field '${param}'`),
    about: (param: string) => ` It is about '${param}'.`,
    either: (choices: readonly string[]) => choices.join(" or "),
  },
  zh: {
    words: (sentence: Sentence): string => sentences[sentence],
    field: (param: string | undefined) => (param === undefined ? "请求体" : `字段 '${param}' `),
    about: (param: string) => `（字段 '${param}'）`,
    either: (choices: readonly string[]) => choices.map((choice) => things.get(choice) ?? choice).join("或"),
  },
};

/** A sentence in a language, with its values in it and the parameter that is at fault. */
export function tell(sentence: Sentence, values: Values, param: string | undefined, language: Language): string {
  const { words, field, about, either } = languages[language];
  return words(sentence).replace(/\{(\w+)\}/g, (_, name: string) => {
    if (name === "field") return field(param);
    if (name === "about") return param === undefined ? "" : about(param);
    const value = name === "param" ? param : values[name];
    return typeof value === "object" ? either(value) : String(value);
  });
}
