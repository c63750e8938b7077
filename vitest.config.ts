import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Fault servers on real sockets, started once for all projects.
    globalSetup: "./test/support/global-setup.ts",
    // Far more than any test needs, for machines that do much else.
    testTimeout: 20_000,
    // Tests that wait for a slow network wait together.
    maxConcurrency: 8,
    projects: [
      {
        // Verbose, workerd reports every connection that a test breaks on purpose, however well it was caught.
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            main: "./test/support/main.ts",
            miniflare: { durableObjects: { TEST_RUNS: { className: "TestRun", useSQLite: true } } },
            verbose: false,
          }),
        ],
        // An isolate for each file would take half of the time for reading the same modules again.
        test: {
          name: "worker",
          include: ["test/*.test.ts"],
          isolate: false,
          setupFiles: "./test/support/fresh-storage.ts",
        },
      },
      { test: { name: "e2e", include: ["test/e2e/**/*.test.ts"] } },
      // Needs the Python service's environment: `npm run test:python`.
      { test: { name: "python", include: ["test/python/*.test.ts"] } },
    ],
  },
});
