/** How bytes stand in the store. */
export interface Encryption {
  /** What to store under `key` for a tenant's bytes. */
  seal(bytes: Uint8Array, tenant: string, key: string): Promise<Uint8Array>;
  /** The bytes again; undefined where they were sealed otherwise: by another secret, for another tenant or key, or tampered with. */
  open(sealed: Uint8Array, tenant: string, key: string): Promise<Uint8Array | undefined>;
}

/** Bytes as they are. */
export const unencrypted: Encryption = { seal: async (bytes) => bytes, open: async (bytes) => bytes };

const nonceBytes = 12;

/**
 * AES-256-GCM under a key of the tenant's own, derived from the secret by HKDF-SHA-256 (RFC 5869), and bound to the store's
 * key, so that a stored value is of use to nobody else and nowhere else. Nonce and ciphertext.
 */
export function encryptedWith(secret: string): Encryption {
  const encoder = new TextEncoder();
  // Keys and not promises of them: a promise dies with the request that made it, and would never settle for the others.
  const keysByTenant = new Map<string, CryptoKey>();
  const tenantKey = async (tenant: string) => {
    const known = keysByTenant.get(tenant);
    if (known) return known;
    const key = await deriveKey(encoder.encode(secret), encoder.encode(tenant));
    keysByTenant.set(tenant, key);
    return key;
  };
  const parameters = (iv: Uint8Array, key: string) => ({ name: "AES-GCM", iv, additionalData: encoder.encode(key) });
  return {
    async seal(bytes, tenant, key) {
      const nonce = crypto.getRandomValues(new Uint8Array(nonceBytes));
      const encrypted = await crypto.subtle.encrypt(parameters(nonce, key), await tenantKey(tenant), bytes);
      const sealed = new Uint8Array(nonceBytes + encrypted.byteLength);
      sealed.set(nonce);
      sealed.set(new Uint8Array(encrypted), nonceBytes);
      return sealed;
    },
    async open(sealed, tenant, key) {
      try {
        const [nonce, encrypted] = [sealed.subarray(0, nonceBytes), sealed.subarray(nonceBytes)];
        return new Uint8Array(await crypto.subtle.decrypt(parameters(nonce, key), await tenantKey(tenant), encrypted));
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
