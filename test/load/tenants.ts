export const tenants: readonly string[] = Array.from({ length: 8 }, (_, index) => `tenant-${index}`);

/** In every tenant's key. */
export const keyMark = "key-of-";

/** The key with which a tenant calls the gateway. */
export const keyOf = (tenant: string) => keyMark + tenant;
