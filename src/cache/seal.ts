/** How an entry's text stands in the store. */
export interface Seal {
  /** What to store under `key` for a tenant's text. */
  seal(text: string, tenant: string, key: string): Promise<string>;
  /** The text again; undefined where it was sealed otherwise: by another secret, for another tenant or key, or tampered with. */
  open(sealed: string, tenant: string, key: string): Promise<string | undefined>;
}

/** Texts as they are. */
export const unsealed: Seal = { seal: async (text) => text, open: async (text) => text };

const nonceBytes = 12;

/**
 * AES-256-GCM under a key of the tenant's own, derived from the secret by HKDF-SHA-256 (RFC 5869), and bound to the store's
 * key, so that a stored value is of use to nobody else and nowhere else. Base64 of nonce and ciphertext.
 */
export function sealedWith(secret: string): Seal {
  const encoder = new TextEncoder();
  // Keys and not promises of them: a promise dies with the request that made it, and would never settle for the others.
  const keysByTenant = new Map<string, CryptoKey>();
  const keyOf = async (tenant: string) => {
    const known = keysByTenant.get(tenant);
    if (known) return known;
    const key = await deriveKey(encoder.encode(secret), encoder.encode(tenant));
    keysByTenant.set(tenant, key);
    return key;
  };
  const parameters = (iv: Uint8Array, key: string) => ({ name: "AES-GCM", iv, additionalData: encoder.encode(key) });
  return {
    async seal(text, tenant, key) {
      const nonce = crypto.getRandomValues(new Uint8Array(nonceBytes));
      const encrypted = await crypto.subtle.encrypt(parameters(nonce, key), await keyOf(tenant), encoder.encode(text));
      const sealed = new Uint8Array(nonceBytes + encrypted.byteLength);
      sealed.set(nonce);
      sealed.set(new Uint8Array(encrypted), nonceBytes);
      return sealed.toBase64();
    },
    async open(sealed, tenant, key) {
      try {
        const bytes = Uint8Array.fromBase64(sealed);
        const [nonce, encrypted] = [bytes.subarray(0, nonceBytes), bytes.subarray(nonceBytes)];
        const text = await crypto.subtle.decrypt(parameters(nonce, key), await keyOf(tenant), encrypted);
        return new TextDecoder().decode(text);
      } catch {
        return undefined;
      }
    },
  };
}

async function deriveKey(secret: Uint8Array, tenant: Uint8Array): Promise<CryptoKey> {
  const root = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveKey"]);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: tenant };
  return crypto.subtle.deriveKey(hkdf, root, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}
