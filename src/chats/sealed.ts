import type { Encryption } from "../cache/storage/encryption.ts";
import type { Caller } from "../caller.ts";
import type { AboutAnswer } from "../chat.ts";

/** Texts of one user's chats as bytes, each bound to the id of what it is the text of. */
export interface Sealed {
  seal(text: string, id: string): Promise<Uint8Array>;
  /** Undefined where it was sealed otherwise. */
  open(sealed: Uint8Array, id: string): Promise<string | undefined>;
}

export function sealedFor({ tenant, user = "" }: Caller, encryption: Encryption): Sealed {
  const key = (id: string) => `chat:${user}:${id}`;
  return {
    seal: async (text, id) => await encryption.seal(new TextEncoder().encode(text), tenant, key(id)),
    async open(sealed, id) {
      const bytes = await encryption.open(sealed, tenant, key(id));
      return bytes && new TextDecoder().decode(bytes);
    },
  };
}

/** What is told about an answer, as it is kept: there is nothing of what was said in it. */
export const aboutText = (about: AboutAnswer): string => JSON.stringify(about);
/** Only ever of what `aboutText` made. */
export const aboutIn = (text: string): AboutAnswer => JSON.parse(text);
