/** A function's place in a script, as V8 tells it: lines and columns are counted from 0. */
export interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
  readonly columnNumber: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: CallFrame;
  readonly children?: readonly number[];
}

/** A CPU profile (https://chromedevtools.github.io/devtools-protocol/tot/Profiler/#type-Profile): a call tree and which of its nodes was seen when. */
export interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds between the samples. */
  readonly timeDeltas: readonly number[];
}

/** Samples the worker behind a workerd inspector while `work` runs. */
export async function profileWhile(inspectorPort: number, work: () => Promise<unknown>): Promise<Profile> {
  // workerd names the inspected worker after its service.
  const socket = new WebSocket(`ws://127.0.0.1:${inspectorPort}/main`);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", () => reject(new Error("the inspector does not answer")), { once: true });
  });
  let lastId = 0;
  const ask = (method: string, params: object = {}): Promise<{ profile?: Profile }> => {
    const id = ++lastId;
    return new Promise((resolve) => {
      socket.addEventListener("message", function read({ data }) {
        const message = JSON.parse(String(data));
        if (message.id !== id) return;
        socket.removeEventListener("message", read);
        resolve(message.result);
      });
      socket.send(JSON.stringify({ id, method, params }));
    });
  };
  await ask("Profiler.enable");
  await ask("Profiler.setSamplingInterval", { interval: 100 });
  await ask("Profiler.start");
  await work();
  const { profile } = await ask("Profiler.stop");
  socket.close();
  if (!profile) throw new Error("the inspector sent no profile");
  return profile;
}
