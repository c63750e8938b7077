/** What we use of Node.js's zlib, whose own types would bring all of Node.js's globals with them. */
declare module "node:zlib" {
  export function gzipSync(bytes: Uint8Array): Uint8Array;
  /** Throws where the bytes are no gzip, and where they become more than `maxOutputLength`. */
  export function gunzipSync(bytes: Uint8Array, options: { readonly maxOutputLength: number }): Uint8Array;
}
