/** A JSON forwarder that also looks into KV before, and writes to it after: what KV itself costs a miss. */
const decoder = new TextDecoder("utf-8", { fatal: true });

export default {
  async fetch(request, { UPSTREAM, CACHE }, context) {
    const body = decoder.decode(await request.arrayBuffer());
    if (body === "") return new Response();
    const key = `generation:${body.slice(0, 100)}`;
    await CACHE.get(key, "arrayBuffer");
    const response = await fetch(`${UPSTREAM}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(JSON.parse(body)),
      signal: request.signal,
    });
    const bytes = await response.arrayBuffer();
    const answer = JSON.parse(decoder.decode(bytes));
    context.waitUntil(CACHE.put(key, bytes, { expirationTtl: 3600 }));
    console.log(JSON.stringify({ message: "request", model: answer.model }));
    return new Response(JSON.stringify(answer), { headers: { "content-type": "application/json" } });
  },
};
