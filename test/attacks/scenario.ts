/** Where a prompt names what the back end is to play. */
const form = /\[\[([^\]]+)\]\]/;

/** A prompt for which the back end of an attack plays a scenario of `test/upstreams/scenarios.ts`. */
export const promptFor = (scenario: string) => `[[${scenario}]]`;

/** The scenario that a request's prompt names. */
export function scenarioIn(body: Buffer): string | undefined {
  return form.exec(body.toString("latin1"))?.[1];
}
