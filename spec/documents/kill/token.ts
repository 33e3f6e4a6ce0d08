import { Jwt, TenantSecrets } from "../../../lib/documents/index.ts";
import { SECRET } from "../served.ts";

/** A token that lets a user do everything with acme's doc-1. */
export function tokenFor(user: string): string {
  const tenants = new TenantSecrets();
  tenants.register("acme", SECRET);
  return new Jwt(tenants).generateFullAccessToken("acme", "doc-1", user, { expiresIn: 3600 });
}
