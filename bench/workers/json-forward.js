/** The least that a gateway written in JavaScript can be: it parses and writes both bodies, and logs a line. */
const decoder = new TextDecoder("utf-8", { fatal: true });

export default {
  async fetch(request, { UPSTREAM }) {
    const body = decoder.decode(await request.arrayBuffer());
    if (body === "") return new Response();
    const response = await fetch(`${UPSTREAM}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(JSON.parse(body)),
      signal: request.signal,
    });
    const answer = JSON.parse(decoder.decode(await response.arrayBuffer()));
    console.log(JSON.stringify({ message: "request", model: answer.model }));
    return new Response(JSON.stringify(answer), { headers: { "content-type": "application/json" } });
  },
};
