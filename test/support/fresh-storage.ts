import { reset } from "cloudflare:test";

/* Before each file of tests: files share an isolate, so that its modules are read once, and what one has stored is nothing to the next. */
await reset();
