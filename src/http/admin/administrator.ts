import type { MiddlewareHandler } from "hono";
import { administers, type Caller } from "../../caller.ts";
import { GatewayError } from "../../errors.ts";
import type { Walk } from "../call.ts";
import { missingField } from "../invalid.ts";

/** Lets only those pass who administer some tenant. Throws 403 `permission_denied`. */
export const requireAdministrator: MiddlewareHandler<Walk> = (c, next) => {
  requireAdministers(c.get("caller"), c.get("caller").tenant);
  return next();
};

/** The tenant that an administrator means: the one that he names, else his own. Throws 403 where it is not his to administer. */
export function meantTenant(caller: Caller, named: string | undefined): string {
  if (named === undefined && caller.isOperator) throw missingField("tenant");
  const tenant = named ?? caller.tenant;
  requireAdministers(caller, tenant);
  return tenant;
}

/** Throws 403 `permission_denied` where a tenant is not a caller's to administer. */
export function requireAdministers(caller: Caller, tenant: string): void {
  if (administers(caller, tenant)) return;
  throw new GatewayError(
    "permission_denied",
    "This takes an operator's key (auth.admin_keys), or a token of this tenant with the role 'admin'.",
  );
}
