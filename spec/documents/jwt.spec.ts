import { inspect } from "node:util";
import { expect } from "chai";
import { Jwt, type Verification } from "../../lib/documents/jwt.ts";
import { SecretsUnavailable } from "../../lib/documents/secret-source.ts";
import { TenantSecrets } from "../../lib/documents/tenant-secrets.ts";
import { ConfigError } from "../../lib/errors.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { accepted, CLAIMS, forge, NOW, OTHER, refused, SECRET, setUp } from "./tokens.ts";

function notSigned(call: () => unknown, code = "invalid_argument"): string {
  try {
    call();
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    expect((error as ConfigError).code).to.equal(code);
    return (error as ConfigError).message;
  }
  throw new Error("it was signed");
}

describe("Jwt", () => {
  describe("generates tokens", () => {
    it("for everything, for reading, and for tests", () => {
      const { jwt } = setUp();
      const scopes = (token: string) => accepted(jwt.verifyAndDecode("acme", token, "doc-1")).scopes;
      expect(scopes(jwt.generateFullAccessToken("acme", "doc-1", "ada"))).to.deep.equal([
        "doc:read",
        "doc:write",
        "summary:write",
      ]);
      expect(scopes(jwt.generateReadOnlyToken("acme", "doc-1", "ada"))).to.deep.equal(["doc:read"]);
      expect(scopes(jwt.generateTestToken("acme", "doc-1", "ada"))).to.deep.equal(["doc:read", "doc:write"]);
      expect(scopes(jwt.generateTestToken("acme", "doc-1", "ada", { scopes: [] }))).to.deep.equal([]);
    });

    it("with all claims, for an hour or as long as is asked", () => {
      const { jwt } = setUp();
      const user = { id: "ada", name: "Ada", groups: ["a"] };
      const token = jwt.generateReadOnlyToken("acme", "doc:1", user, { expiresIn: 60, jti: "t1" });
      expect(accepted(jwt.verifyAndDecode("acme", token))).to.deep.equal({
        documentId: "doc:1",
        tenantId: "acme",
        scopes: ["doc:read"],
        user,
        iat: NOW,
        exp: NOW + 60,
        ver: "1.0",
        jti: "t1",
      });
      const hour = accepted(jwt.verifyAndDecode("acme", jwt.generateReadOnlyToken("acme", "d", "u")));
      expect(hour.exp).to.equal(NOW + 3600);
      expect(hour).to.not.have.property("jti");
    });

    it("that are plain HS256 tokens of three parts", () => {
      const { jwt } = setUp();
      const token = jwt.generateFullAccessToken("acme", "doc-1", "ada");
      const [header = "", claims = ""] = token.split(".");
      expect(JSON.parse(Buffer.from(header, "base64url").toString())).to.deep.equal({
        alg: "HS256",
        typ: "JWT",
      });
      expect(forge(Buffer.from(claims, "base64url").toString())).to.equal(token);
    });

    it("also when the clock stands at 0", () => {
      const tenants = new TenantSecrets();
      tenants.register("acme", SECRET);
      const jwt = new Jwt(tenants, { clock: new ManualClock() });
      const claims = accepted(jwt.verifyAndDecode("acme", jwt.generateReadOnlyToken("acme", "d", "u")));
      expect(claims).to.include({ iat: 0, exp: 3600 });
      refused(
        jwt.verifyAndDecode("acme", jwt.generateTestToken("acme", "d", "u", { expiresIn: -9 })),
        "token_expired",
      );
    });

    it("for no unknown tenant, and for no id that would be refused", () => {
      const { jwt } = setUp();
      expect(notSigned(() => jwt.generateReadOnlyToken("nobody", "d", "u"))).to.include('"nobody"');
      for (const [tenant, document, user] of [
        ["a:b", "d", "u"],
        ["__proto__", "d", "u"],
        ["acme", "", "u"],
        ["acme", "d\ud800", "u"],
        ["acme", "d".repeat(257), "u"],
        ["acme", "d", ""],
        ["acme", "d", "u\u0000"],
        ["acme", "d", { name: "Ada" }],
        ["acme", "d", null],
      ] as [string, string, string][]) {
        notSigned(() => jwt.generateReadOnlyToken(tenant, document, user));
      }
    });

    it("refuses options that aren't ones", () => {
      const { jwt } = setUp();
      const generate = (options: object) => () => jwt.generateFullAccessToken("acme", "d", "u", options);
      expect(notSigned(generate({ expires: 5 }), "unknown_option")).to.include("expiresIn");
      notSigned(generate({ scopes: ["doc:read"] }), "unknown_option");
      for (const options of [{ expiresIn: 0 }, { expiresIn: "1h" }, { expiresIn: 1.5 }, { jti: 7 }]) {
        notSigned(generate(options), "invalid_option");
      }
      notSigned(() => new Jwt(new TenantSecrets(), { clockTolerance: 61 }), "invalid_option");
      notSigned(() => new Jwt({ acme: SECRET } as never), "invalid_option");
    });
  });

  describe("sign", () => {
    it("takes any claims, and has defaults for their time and version", () => {
      const { jwt } = setUp();
      const { documentId, tenantId, scopes, user } = CLAIMS;
      const claims = { documentId, tenantId, scopes, user, plan: { seats: 3 } };
      const token = jwt.sign(claims);
      expect(accepted(jwt.verifyAndDecode("acme", token))).to.deep.equal({
        ...claims,
        iat: NOW,
        exp: NOW + 3600,
        ver: "1.0",
      });
      expect(accepted(jwt.verifyAndDecode("acme", jwt.sign(CLAIMS)))).to.deep.equal(CLAIMS);
    });

    it("refuses what verifying would, and what JSON can't express or makes something else of", () => {
      const { jwt } = setUp();
      const wrong: object[] = [
        { scopes: "doc:read" },
        { exp: "tomorrow" },
        { exp: Number.NaN },
        { user: { id: 7 } },
        { user: { id: "ada", age: 36n } },
        { toJSON: () => undefined },
        { toJSON: () => "claims" },
        { note: "x".repeat(8192) },
      ];
      for (const claims of wrong) notSigned(() => jwt.sign({ ...CLAIMS, ...claims }));
      notSigned(() => jwt.sign(null as never));
      expect(notSigned(() => jwt.sign({ ...CLAIMS, scopes: undefined as never }))).to.include("scopes");
    });
  });

  describe("accepts", () => {
    it("a token of another library", () => {
      const { jwt } = setUp();
      expect(accepted(jwt.verifyAndDecode("acme", forge(CLAIMS), "doc-1"))).to.deep.equal(CLAIMS);
      for (const header of [{ alg: "HS256" }, { alg: "HS256", kid: "1" }, { typ: "at+jwt", alg: "HS256" }]) {
        accepted(jwt.verifyAndDecode("acme", forge(CLAIMS, header)));
      }
    });

    it("the claims are frozen: who gets them can't change them for others", () => {
      const { jwt } = setUp();
      const claims = accepted(jwt.verifyAndDecode("acme", forge(CLAIMS)));
      for (const part of [claims, claims.scopes, claims.user]) expect(Object.isFrozen(part)).to.equal(true);
    });

    it("tokens of both secrets while a tenant rotates, of the newer two after that", () => {
      const { jwt, tenants } = setUp();
      const first = jwt.generateReadOnlyToken("acme", "d", "u");
      tenants.rotate("acme", "the-second-secret-of-acme-32-bytes");
      const second = jwt.generateReadOnlyToken("acme", "d", "u");
      accepted(jwt.verifyAndDecode("acme", first));
      accepted(jwt.verifyAndDecode("acme", second));
      tenants.rotate("acme", "the-third-secret-of-acme-32-bytes");
      refused(jwt.verifyAndDecode("acme", first), "invalid_signature");
      accepted(jwt.verifyAndDecode("acme", second));
      tenants.unregister("acme");
      refused(jwt.verifyAndDecode("acme", second), "unknown_tenant");
    });

    it("no key named __proto__ as a prototype", () => {
      const { jwt } = setUp();
      const json = JSON.stringify(CLAIMS).slice(0, -1);
      const claims = accepted(jwt.verifyAndDecode("acme", forge(`${json},"__proto__":{"admin":true}}`)));
      expect(claims.admin).to.equal(undefined);
      const inherited = `{"__proto__":${JSON.stringify(CLAIMS)}}`;
      expect(refused(jwt.verifyAndDecode("acme", forge(inherited)), "missing_claims")).to.include("tenantId");
      refused(
        jwt.verifyAndDecode("acme", forge(CLAIMS, '{"__proto__":{"alg":"HS256"}}')),
        "invalid_signature",
      );
    });
  });

  describe("with a source", () => {
    it("resolves, and is sync once the secret is cached", async () => {
      const tenants = new TenantSecrets({ source: async (tenant) => (tenant === "acme" ? SECRET : null) });
      const jwt = new Jwt(tenants);
      const token = await jwt.generateFullAccessToken("acme", "doc-1", "ada");
      expect(jwt.generateFullAccessToken("acme", "doc-1", "ada")).to.be.a("string");
      accepted(jwt.verifyAndDecode("acme", token) as Verification);
      const asked = jwt.verifyAndDecode("nobody", token);
      expect(asked).to.be.instanceOf(Promise);
      refused(await asked, "unknown_tenant");
    });

    it("that fails, nothing is said of the token", async () => {
      const tenants = new TenantSecrets({ source: () => Promise.reject(new Error("down")) });
      let thrown: unknown;
      try {
        await new Jwt(tenants).verifyAndDecode("acme", forge(CLAIMS));
      } catch (error) {
        thrown = error;
      }
      expect(thrown).to.be.instanceOf(SecretsUnavailable);
      expect(inspect(thrown)).to.not.include(forge(CLAIMS));
    });

    it("accepts a token of a secret that was rotated elsewhere a moment ago", async () => {
      const { clock } = setUp();
      let secret = SECRET;
      const tenants = new TenantSecrets({ source: () => secret, clock, ttlMs: 3_600_000 });
      const jwt = new Jwt(tenants, { clock });
      accepted(await jwt.verifyAndDecode("acme", forge(CLAIMS)));
      secret = OTHER;
      clock.advance(5000);
      accepted(await jwt.verifyAndDecode("acme", forge(CLAIMS, undefined, OTHER)));
    });
  });
});
