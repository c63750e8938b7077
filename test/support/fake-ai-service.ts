import { testApp } from "./app-on-fake-network.ts";
import { aiServices, type Service } from "./rpcs.ts";

/** A gateway whose only provider is an AI service over Connect, and what that was asked. */
export function aiServiceApp(service: Service, settings: Record<string, unknown> = {}) {
  const { network, asked } = aiServices({ ai: service });
  const onlyService = { PYTHON_AI_SERVICE_URL: "https://ai.test", AI_PROVIDERS: "ai-service" };
  return { ...testApp({ network, settings: { ...onlyService, ...settings } }), asked };
}
