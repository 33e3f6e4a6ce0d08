import { createHmac } from "node:crypto";
import { expect } from "chai";
import { Jwt, type TokenRefusal, type Verification } from "../../lib/documents/jwt.ts";
import { TenantSecrets } from "../../lib/documents/tenant-secrets.ts";
import { ManualClock } from "../support/manual-clock.ts";

export const SECRET = "the-secret-of-acme-with-32-bytes";
export const OTHER = "the-secret-of-other-has-32-bytes";
export const NOW = 1_000_000;

export function setUp() {
  const clock = new ManualClock();
  clock.advance(NOW * 1000);
  const tenants = new TenantSecrets();
  tenants.register("acme", SECRET);
  tenants.register("other", OTHER);
  return { clock, tenants, jwt: new Jwt(tenants, { clock }) };
}

/** Claims that are right, as a client's server might write them. */
export const CLAIMS = {
  documentId: "doc-1",
  tenantId: "acme",
  scopes: ["doc:read", "doc:write"],
  user: { id: "ada" },
  iat: NOW,
  exp: NOW + 60,
  ver: "1.0",
};

export const base64url = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token made by hand: strings are taken as they are, so that they needn't be JSON. */
export function forge(
  claims: unknown,
  header: unknown = { alg: "HS256", typ: "JWT" },
  secret = SECRET,
  hash = "sha256",
) {
  const signed = `${base64url(header)}.${base64url(claims)}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest("base64url")}`;
}

/** The message of a refusal, which must have that reason. */
export function refused(result: Verification, reason: TokenRefusal): string {
  if (result.ok) throw new Error(`it was accepted: ${JSON.stringify(result.claims)}`);
  expect(result.reason, result.message).to.equal(reason);
  return result.message;
}

export function accepted(result: Verification) {
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`);
  return result.claims;
}
