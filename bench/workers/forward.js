/** The least that a gateway can be: it forwards a request and its answer. */
export default {
  fetch: ({ method, headers, body, url }, { UPSTREAM }) =>
    fetch(UPSTREAM + new URL(url).pathname, { method, headers, body }),
};
