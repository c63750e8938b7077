/** Objects of a namespace of which every second question comes just as they are restarted, from the first one on. */
export function restarted<Class extends Rpc.DurableObjectBranded>(
  objects: DurableObjectNamespace<Class>,
): DurableObjectNamespace<Class> {
  let questions = 0;
  const failing = new Proxy({}, { get: () => () => Promise.reject(new Error("restarted")) });
  return new Proxy(objects, {
    get(all, name) {
      const inner = Reflect.get(all, name).bind(all);
      return name === "get" ? (id: DurableObjectId) => (questions++ % 2 === 0 ? failing : inner(id)) : inner;
    },
  });
}
