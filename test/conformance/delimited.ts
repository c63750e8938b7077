/** The messages of a stream, each behind its length in four bytes, as the runner speaks with its programs. */
export async function* delimitedMessages(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held = Buffer.alloc(0);
  for await (const piece of stream) {
    held = Buffer.concat([held, piece]);
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
      const end = 4 + held.readUInt32BE();
      yield held.subarray(4, end);
      held = held.subarray(end);
    }
  }
}

/** A message behind its length. */
export function delimited(message: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(message.length);
  return Buffer.concat([length, message]);
}
