import { startAiService } from "../../dev/ai-service.ts";
import { describeContract } from "../support/ai-service-contract.ts";

describeContract("the stand-in", (token) => startAiService({ port: 0, token }));
