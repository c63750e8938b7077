import { connect as connectHttp2 } from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";

export interface Circumstances {
  readonly url: string;
  /** The time that the call had. */
  readonly timeoutMs: number;
  /** Whether another call was answered: then it is not the protocol that is wrong. */
  readonly hasAnswered: boolean;
}

/** One line about why a call of an AI service failed and, where it can be known, what to do. */
export async function explainFailure(error: unknown, { url, timeoutMs, hasAnswered }: Circumstances): Promise<string> {
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
  if (code === Code.NotFound)
    return `it does not have the model, or what else it was asked for (${rawMessage.slice(0, 100)})`;
  if (!hasAnswered && (await speaksHttp2(url))) {
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
