/*
 * A managed key is `qk_`, its id, `_`, 64 hexadecimal digits of chance and 16 digits that seal all before them; its id is its
 * tenant's name, `_` and 16 digits. So the one object that knows a key is found from the key alone, and what was never made
 * here is told from what was without asking that object.
 */

const randomBytes = 32;
const idBytes = 8;
const sealDigits = 16;

const idForm = /^([A-Za-z0-9._-]{1,64})_[0-9a-f]{16}$/;
const keyForm = /^((qk_(([A-Za-z0-9._-]{1,64})_[0-9a-f]{16}))_[0-9a-f]{64})([0-9a-f]{16})$/;

/** What a key says of itself; whether it is true, its seal and its tenant's registry say. */
export interface ReadKey {
  readonly id: string;
  readonly tenant: string;
  /** What the seal is of. */
  readonly sealed: string;
  readonly seal: string;
}

/** Undefined for what is no managed key by its form. */
export function readKey(key: string): ReadKey | undefined {
  const [, sealed, , id, tenant, seal] = keyForm.exec(key) ?? [];
  if (sealed === undefined || id === undefined || tenant === undefined || seal === undefined) return undefined;
  return { id, tenant, sealed, seal };
}

/** The tenant whom an id names; undefined for what is no id. */
export function tenantIn(id: string): string | undefined {
  return idForm.exec(id)?.[1];
}

export function newId(tenant: string): string {
  return `${tenant}_${randomHex(idBytes)}`;
}

/** A key that nobody has guessed: 256 bits of chance. */
export async function newKey(id: string, sealing: CryptoKey): Promise<string> {
  const sealed = `qk_${id}_${randomHex(randomBytes)}`;
  return sealed + (await sealOf(sealed, sealing));
}

/** Whether a key was made here at some time. */
export async function isSealed({ sealed, seal }: ReadKey, sealing: CryptoKey): Promise<boolean> {
  const encoder = new TextEncoder();
  return crypto.subtle.timingSafeEqual(encoder.encode(await sealOf(sealed, sealing)), encoder.encode(seal));
}

const algorithm = { name: "HMAC", hash: "SHA-256" };

/** What seals are made with. */
export async function sealingWith(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return await crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]);
}

/** SHA-256 in hexadecimal, under which a key is known. No salt and no slow hash: 256 bits of chance cannot be searched for. */
export async function hashOf(key: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))).toHex();
}

async function sealOf(sealed: string, sealing: CryptoKey): Promise<string> {
  const mac = await crypto.subtle.sign(algorithm, sealing, new TextEncoder().encode(sealed));
  return new Uint8Array(mac).toHex().slice(0, sealDigits);
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
