import { execFileSync } from "node:child_process";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Comments } from "../src/http/docs/message-schemas.ts";

/** The comments of `proto/`, which generated descriptors are without. */
export function protoComments(): Comments {
  const image = execFileSync("buf", ["build", "--as-file-descriptor-set", "--output", "-"], {
    shell: process.platform === "win32",
  });
  const comments = new Map<string, string>();
  for (const { proto, messages, services } of createFileRegistry(fromBinary(FileDescriptorSetSchema, image)).files) {
    // A path is made of field numbers and indexes in descriptor.proto: 4 is `message_type`, 2 a message's `field`; 6 is `service`, 2 a
    // service's `method`.
    const byPath = new Map(
      proto.sourceCodeInfo?.location.map(({ path, leadingComments }) => [path.join("."), leadingComments]),
    );
    const note = (desc: object, path: string) => {
      const comment = byPath.get(path)?.trim().replaceAll(/\n */g, " ");
      if (comment) comments.set(String(desc), comment);
    };
    for (const [m, message] of messages.entries()) {
      note(message, `4.${m}`);
      for (const [f, field] of message.fields.entries()) note(field, `4.${m}.2.${f}`);
    }
    for (const [s, service] of services.entries()) {
      for (const [m, method] of service.methods.entries()) note(method, `6.${s}.2.${m}`);
    }
  }
  return comments;
}
