/** Workers KV as the runtime speaks to it, in memory: GET and PUT of a key. */
const values = new Map();

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (request.method === "PUT") {
      values.set(pathname, await request.arrayBuffer());
      return new Response();
    }
    const value = values.get(pathname);
    return value ? new Response(value) : new Response(null, { status: 404 });
  },
};
