import type { Caller } from "../caller.ts";
import type { Quotas } from "../policy.ts";
import type { Accounts } from "./accounts.ts";
import { type Limit, platformPolicy, tenantAccount, userAccount } from "./holders.ts";

/** The numbers of the accounts. `limitOf` says whose hold for a caller. */
export function quotasIn(accounts: Accounts, limitOf: (caller: Caller) => Limit | undefined): Quotas {
  /** Both accounts that a user may be let in by. */
  const bothOf = (tenant: string, user: string) => [userAccount(tenant, user), tenantAccount(tenant)];
  return {
    async of(caller) {
      const limit = limitOf(caller);
      if (!limit) return undefined;
      return await accounts.ask(limit.account, (account) => account.quota(limit.user, limit.policy, true));
    },
    ofUser: (tenant, user) =>
      accounts.ask(userAccount(tenant, user), (account) => account.quota(user, platformPolicy([]), false)),
    setTotal: (tenant, user, total, type) =>
      accounts.ask(userAccount(tenant, user), (account) => account.grant({ total, type }, user, platformPolicy([]))),
    async suspend(tenant, user) {
      await Promise.all(bothOf(tenant, user).map((name) => accounts.ask(name, (account) => account.suspend(user))));
    },
    async activate(tenant, user) {
      await Promise.all(bothOf(tenant, user).map((name) => accounts.ask(name, (account) => account.activate(user))));
    },
  };
}
