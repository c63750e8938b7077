import { GatewayError } from "../../errors.ts";

/**
 * What is not known to the gateway is carried to OpenAI-type servers as it is, and some of them (LiteLLM, other gateways,
 * vLLM and SGLang in parts, Azure) take more from a body than what a model is asked: where to go, with which key, whom else
 * to ask, what to answer instead. A caller would speak there for whoever runs this gateway, whose key and network it is.
 * Names are compared without case, `_` and `-`.
 */
const steering: Readonly<Record<"names" | "beginnings" | "endings", readonly string[]>> = {
  names: [
    // Where to go, and how.
    "apitype",
    "apiversion",
    "client",
    "deploymentid",
    "deploymenturl",
    "httpclient",
    "proxies",
    "proxy",
    "sslverify",
    "useclient",
    // As whom.
    "clientid",
    "clientsecret",
    "configurableclientsideauthparams",
    "organization",
    "tenantid",
    // What else to send: each may hold all of the above.
    "defaultheaders",
    "defaultquery",
    "extrabody",
    "extraheaders",
    "extraquery",
    "headers",
    "providerspecificheader",
    // Whom else to ask, also models that the setting ai.models leaves out.
    "customllmprovider",
    "fallbacks",
    "modelinfo",
    "modellist",
    "models",
    "specificdeployment",
    "userconfig",
    // From where to fetch a prompt's state or documents, in the server's own network and name.
    "datasources",
    "kvtransferparams",
  ],
  // Of clouds, of LiteLLM itself and of where it reports to, of servers that share a prompt, and answers that are made up.
  beginnings: ["aws", "azure", "bootstrap", "langfuse", "langsmith", "litellm", "mock", "vertex"],
  endings: [
    "apibase",
    "apikey",
    "baseurl",
    "credentials",
    "endpoint",
    "endpointurl",
    "fallbacks",
    "host",
    "webhookurl",
  ],
};
const names = new Set(steering.names);
const parts = new RegExp(`^(${steering.beginnings.join("|")})|(${steering.endings.join("|")})$`);

/** Throws 400 `unsupported_parameter` for the first member that would steer a server; null is the same as absent. */
export function refuseSteering(members: Readonly<Record<string, unknown>>): void {
  for (const [param, value] of Object.entries(members)) {
    const name = param.toLowerCase().replace(/[_-]/g, "");
    if (value === null || !(names.has(name) || parts.test(name))) continue;
    throw new GatewayError("invalid_request", "The parameter '{param}' is not carried to providers.", {
      code: "unsupported_parameter",
      param,
    });
  }
}
