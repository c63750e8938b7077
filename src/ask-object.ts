/** Asks the object of a name. Throws what it throws, also where it cannot be reached or none is bound. */
export type AskObject<Stub> = <T>(name: string, question: (object: Stub) => PromiseLike<T>) => Promise<T>;

/** The objects of a namespace, by a stub of its own for each question: one whose object has failed once goes on failing. */
export function askObjectIn<Class extends Rpc.DurableObjectBranded>(
  objects: DurableObjectNamespace<Class> | undefined,
): AskObject<DurableObjectStub<Class>> {
  return async (name, question) => {
    if (!objects) throw new Error("no namespace of such objects is bound");
    return await question(objects.get(objects.idFromName(name)));
  };
}

/**
 * Asks once more where it fails, since an object that is restarted fails who asks it just then. For questions that do no more
 * when they are asked twice.
 */
export function askedTwice<Stub>(ask: AskObject<Stub>): AskObject<Stub> {
  return async (name, question) => {
    try {
      return await ask(name, question);
    } catch {
      return await ask(name, question);
    }
  };
}
