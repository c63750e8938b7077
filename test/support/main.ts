/** The worker that tests run in: the deployed one, and Durable Objects that tests give their work to. */
export * from "../../src/index.ts";
export { default } from "../../src/index.ts";
export { TestRun } from "./test-runs.ts";
