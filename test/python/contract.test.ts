import { describeContract } from "../support/ai-service-contract.ts";
import { startService } from "./service.ts";

describeContract("the Python service", (token) => startService({ PYTHON_AI_TOKEN: token }));
