/** Workers KV as the runtime speaks to it, in memory: GET and PUT of a key. `GET /` lists the keys, for who looks into it. */
const values = new Map();

export default {
  async fetch(request, { BYTES_PER_MS }) {
    const { pathname } = new URL(request.url);
    if (request.method === "PUT") {
      values.set(pathname, await request.arrayBuffer());
      return new Response();
    }
    if (request.method === "DELETE") {
      values.delete(pathname);
      return new Response();
    }
    if (pathname === "/") return Response.json([...values.keys()]);
    const value = values.get(pathname);
    if (!value) return new Response(null, { status: 404 });
    return new Response(BYTES_PER_MS ? paced(value, Number(BYTES_PER_MS)) : value);
  },
};

/** A value as it comes from afar: its beginning at once, and the rest bit by bit. */
function paced(value, bytesPerMs) {
  const everyMs = 10;
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      if (sent > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
      const end = sent + bytesPerMs * everyMs;
      controller.enqueue(new Uint8Array(value.slice(sent, end)));
      sent = end;
      if (sent >= value.byteLength) controller.close();
    },
  });
}
