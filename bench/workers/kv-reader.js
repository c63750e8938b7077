/** The least that a cache hit can be: it reads the request and answers from KV. */
export default {
  async fetch(request, { CACHE }) {
    await request.text();
    return new Response(await CACHE.get("answer"), { headers: { "content-type": "application/json" } });
  },
};
