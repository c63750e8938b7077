/**
 * Whether a request is not this machine's own: it came over Cloudflare's edge, which adds `cf-ray`, or is addressed to
 * another host than loopback, as it is through a tunnel, over the local network, or from a page whose name was made to
 * mean 127.0.0.1. Who reaches the port over a network can write any host: this is against accidents.
 */
export function isFromElsewhere({ url, headers }: Request): boolean {
  const host = URL.parse(url)?.hostname ?? "";
  return headers.has("cf-ray") || !loopback.test(host);
}

/** As a URL's parser writes them (RFC 6761, 6.3; RFC 1122, 3.2.1.3; RFC 4291, 2.5.3). */
const loopback = /^(.+\.)?localhost\.?$|^127\.\d+\.\d+\.\d+$|^\[::1\]$/;
