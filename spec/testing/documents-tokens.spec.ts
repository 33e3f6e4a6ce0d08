import { createSecretKey } from "node:crypto";
import { expect } from "chai";
import jsonwebtoken from "jsonwebtoken";
import { Documents, TenantSecrets } from "../../lib/documents/index.ts";
import { ConfigError } from "../../lib/index.ts";
import { newDocumentCase } from "./document.ts";

const SECRET = "the-secret-of-acme-with-32-bytes";

describe("tokens of a document kit", () => {
  it("full allows everything, readOnly reading, withScopes what it says", async () => {
    const kit = newDocumentCase({ tenant: "acme", document: "doc-1" });
    const full = await kit.connectDocument({ token: kit.tokens.full({ user: "ada" }) });
    expect(full.mode).to.equal("write");
    expect(full.connected.claims).to.deep.include({
      tenantId: "acme",
      documentId: "doc-1",
      scopes: ["doc:read", "doc:write", "summary:write"],
      user: { id: "ada" },
    });
    expect(full.connected.claims.exp - full.connected.claims.iat).to.equal(3600);

    const reader = await kit.connectDocument({ token: kit.tokens.readOnly() });
    expect(reader.mode).to.equal("read");
    expect(reader.connected.claims.scopes).to.deep.equal(["doc:read"]);

    const scopes = ["doc:read", "notes:admin"];
    const admin = await kit.connectDocument({ token: kit.tokens.withScopes(scopes) });
    expect(admin.connected.claims.scopes).to.deep.equal(scopes);
  });

  it("say what they are wished to say", async () => {
    const kit = newDocumentCase({ document: "doc-2" });
    const user = { id: "ada", name: "Ada" };
    const token = kit.tokens.full({ user, document: "doc-3", expiresIn: 60, claims: { team: 7, jti: "t1" } });
    const client = await kit.connectDocument({ document: "doc-3", token });
    const { claims } = client.connected;
    expect(claims).to.deep.include({ documentId: "doc-3", user, team: 7, jti: "t1" });
    expect(claims.exp - claims.iat).to.equal(60);
    expect(client.document).to.equal("doc-3");
  });

  for (const { kind, reason, code } of [
    { kind: "expired", reason: "token_expired", code: 401 },
    { kind: "notYetValid", reason: "token_expired", code: 401 },
    { kind: "wrongSecret", reason: "invalid_signature", code: 401 },
    { kind: "wrongAlgorithm", reason: "invalid_signature", code: 401 },
    { kind: "otherTenant", reason: "wrong_tenant", code: 403 },
    { kind: "otherDocument", reason: "wrong_document", code: 403 },
    { kind: "malformed", reason: "malformed_token", code: 401 },
  ] as const) {
    it(`${kind} is refused as ${reason}`, async () => {
      const kit = newDocumentCase();
      const refusal = await kit.assertDocumentRefused({ token: kit.tokens[kind]() });
      expect(refusal).to.include({ reason, code });
    });
  }

  it("without a claim is refused as missing_claims, and names it", async () => {
    const kit = newDocumentCase();
    for (const claim of ["tenantId", "documentId", "scopes", "user", "iat", "exp", "ver"]) {
      const refusal = await kit.assertDocumentRefused({ token: kit.tokens.without(claim) });
      expect(refusal).to.include({ reason: "missing_claims" });
      expect(refusal.message).to.include(`no claim ${claim}`);
    }
  });

  it("differ from a good one in one thing only", () => {
    const kit = newDocumentCase({ secret: SECRET });
    const options = {
      algorithms: ["HS256", "HS384", "HS512"] as jsonwebtoken.Algorithm[],
      ignoreExpiration: true,
    };
    const read = (token: string) =>
      jsonwebtoken.verify(token, createSecretKey(Buffer.from(SECRET)), { ...options, ignoreNotBefore: true });
    const good = read(kit.tokens.full()) as object;
    expect(read(kit.tokens.wrongAlgorithm())).to.deep.equal(good);
    expect(read(kit.tokens.wrongAlgorithm("HS384"))).to.deep.equal(good);
    expect(jsonwebtoken.decode(kit.tokens.wrongAlgorithm("none"))).to.deep.equal(good);
    expect(jsonwebtoken.decode(kit.tokens.wrongSecret())).to.deep.equal(good);
    expect(() => read(kit.tokens.wrongSecret())).to.throw("invalid signature");
    expect(read(kit.tokens.otherDocument())).to.deep.equal({ ...good, documentId: "not-doc-1" });
    const { exp } = good as { exp: number };
    const now = exp - 3600;
    expect(read(kit.tokens.expired())).to.deep.equal({ ...good, iat: now - 3600, exp: now - 1 });
    expect(read(kit.tokens.notYetValid())).to.deep.equal({ ...good, nbf: now + 3600, exp: now + 7200 });
    expect(read(kit.tokens.sign({ hello: 1 }))).to.include({ hello: 1 });
  });

  it("go by the kit's clock", async () => {
    const kit = newDocumentCase();
    const token = kit.tokens.full({ expiresIn: 60 });
    await kit.clock.advance(60_000);
    await kit.assertDocumentRefused({ token }, { reason: "token_expired" });
    await kit.connectDocument({ token: kit.tokens.full({ expiresIn: 60 }) });
  });

  it("are the app's documents' own, where a test brings documents", async () => {
    const tenants = new TenantSecrets();
    tenants.register("acme", SECRET);
    const kit = newDocumentCase({ documents: new Documents({ tenants }) });
    await kit.connectDocument();
    tenants.rotate("acme", `new ${SECRET}`);
    await kit.connectDocument();
  });

  it("need the secret, where those of the documents come from a source", async () => {
    const tenants = new TenantSecrets({ source: async () => SECRET });
    const documents = new Documents({ tenants });
    const without = newDocumentCase({ documents });
    expect(() => without.tokens.full())
      .to.throw(ConfigError, "secret")
      .with.property("code", "invalid_option");
    const kit = newDocumentCase({ documents: new Documents({ tenants }), secret: SECRET });
    await kit.connectDocument();
  });

  it("of a tenant without a secret are refused as unknown_tenant; one that registers has them", async () => {
    const kit = newDocumentCase();
    await kit.assertDocumentRefused({ tenant: "umbrella" }, { reason: "unknown_tenant" });
    kit.tenants.register("umbrella", SECRET);
    const client = await kit.connectDocument({ tenant: "umbrella" });
    expect(client.tenant).to.equal("umbrella");
  });

  it("refuse wishes that make no sense", () => {
    const { tokens } = newDocumentCase();
    expect(() => tokens.full({ usr: "ada" } as never)).to.throw(ConfigError, 'full has no option "usr"');
    expect(() => tokens.full({ user: 7 } as never)).to.throw(ConfigError, "full: user");
    expect(() => tokens.withScopes("doc:read" as never)).to.throw(ConfigError, "withScopes: scopes");
    expect(() => tokens.wrongAlgorithm("HS256" as never)).to.throw(ConfigError, 'got "HS256"');
  });
});
