/** The least that a cache hit can be: it reads the request and answers from KV. A PUT is what will be read. */
export default {
  async fetch(request, { CACHE }) {
    const text = await request.text();
    if (request.method === "PUT") await CACHE.put("answer", text);
    return new Response(await CACHE.get("answer"), { headers: { "content-type": "application/json" } });
  },
};
