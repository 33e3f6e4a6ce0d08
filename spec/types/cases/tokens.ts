import { Jwt, type Verification } from "../../../lib/documents/jwt.ts";
import { type AnyTenantSecrets, TenantSecrets } from "../../../lib/documents/tenant-secrets.ts";
import { expectType, type Same } from "./expect-type.ts";

// Without a source nothing is a promise.
const memory = new TenantSecrets({ ttlMs: 5 });
const token = new Jwt(memory).generateFullAccessToken("acme", "doc", "ada");
expectType<Same<typeof token, string>>();
const checked = new Jwt(memory).verifyAndDecode("acme", token);
expectType<Same<typeof checked, Verification>>();
if (checked.ok) expectType<Same<typeof checked.claims.user.id, string>>();
else {
  // @ts-expect-error: a refusal has no claims
  checked.claims;
}

// With one, whatever may have to ask it is.
const asked = new TenantSecrets({ source: async (tenant) => (tenant === "acme" ? "secret" : null) });
const later = new Jwt(asked).generateFullAccessToken("acme", "doc", "ada");
expectType<Same<typeof later, string | Promise<string>>>();
const mac = asked.mac("acme", ["x"]);
expectType<Same<typeof mac, string | null | Promise<string | null>>>();
new TenantSecrets({ source: () => ["secret", "previous"] as const });
// @ts-expect-error: a source gives secrets
new TenantSecrets({ source: () => 7 });

// Code that takes any of them awaits.
export const any: readonly AnyTenantSecrets[] = [memory, asked];
// @ts-expect-error: it may return promises
export const sync: TenantSecrets = asked;
