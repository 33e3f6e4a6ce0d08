import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { Jwt, type TokenRefusal, type Verification } from "../../lib/documents/jwt.ts";
import { SecretsUnavailable } from "../../lib/documents/secret-source.ts";
import { TenantSecrets } from "../../lib/documents/tenant-secrets.ts";
import { ConfigError } from "../../lib/errors.ts";
import { ManualClock } from "../support/manual-clock.ts";

const SECRET = "the-secret-of-acme-with-32-bytes";
const OTHER = "the-secret-of-other-has-32-bytes";
const NOW = 1_000_000;

function setUp() {
  const clock = new ManualClock();
  clock.advance(NOW * 1000);
  const tenants = new TenantSecrets();
  tenants.register("acme", SECRET);
  tenants.register("other", OTHER);
  return { clock, tenants, jwt: new Jwt(tenants, { clock }) };
}

/** Claims that are right, as a client's server might write them. */
const CLAIMS = {
  documentId: "doc-1",
  tenantId: "acme",
  scopes: ["doc:read", "doc:write"],
  user: { id: "ada" },
  iat: NOW,
  exp: NOW + 60,
  ver: "1.0",
};

const base64url = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A token made by hand: strings are taken as they are, so that they needn't be JSON. */
function forge(
  claims: unknown,
  header: unknown = { alg: "HS256", typ: "JWT" },
  secret = SECRET,
  hash = "sha256",
) {
  const signed = `${base64url(header)}.${base64url(claims)}`;
  return `${signed}.${createHmac(hash, secret).update(signed).digest("base64url")}`;
}

/** The message of a refusal, which must have that reason. */
function refused(result: Verification, reason: TokenRefusal): string {
  if (result.ok) throw new Error(`it was accepted: ${JSON.stringify(result.claims)}`);
  expect(result.reason, result.message).to.equal(reason);
  return result.message;
}

function accepted(result: Verification) {
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`);
  return result.claims;
}

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

  describe("invalid_signature", () => {
    it("of another secret, also that of another tenant", () => {
      const { jwt } = setUp();
      const message = refused(
        jwt.verifyAndDecode("acme", forge(CLAIMS, undefined, OTHER)),
        "invalid_signature",
      );
      expect(message).to.include('"acme"').and.include("signed");
    });

    it("with one bit of the token changed, wherever it is", () => {
      const { jwt } = setUp();
      const token = forge(CLAIMS);
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      for (let at = 0; at < token.length; at++) {
        if (token[at] === ".") continue;
        const changed = alphabet[alphabet.indexOf(token[at] ?? "") ^ 1];
        const result = jwt.verifyAndDecode("acme", token.slice(0, at) + changed + token.slice(at + 1));
        if (result.ok) throw new Error(`accepted with letter ${at} changed`);
      }
    });

    it("alg none, in any spelling, with or without a signature", () => {
      const { jwt } = setUp();
      for (const alg of ["none", "None", "NONE", "", null, undefined, 0, ["HS256"], { HS256: 1 }]) {
        const whole = forge(CLAIMS, { alg, typ: "JWT" });
        const bare = whole.slice(0, whole.lastIndexOf(".") + 1);
        for (const token of [whole, bare]) {
          expect(refused(jwt.verifyAndDecode("acme", token), "invalid_signature")).to.include("HS256");
        }
      }
      const unsigned = forge(CLAIMS).replace(/[^.]+$/, "");
      expect(refused(jwt.verifyAndDecode("acme", unsigned), "invalid_signature")).to.include("no signature");
    });

    it("HS384 and HS512 with the right secret", () => {
      const { jwt } = setUp();
      for (const [alg, hash] of [
        ["HS384", "sha384"],
        ["HS512", "sha512"],
        ["hs256", "sha256"],
        ["HS256 ", "sha256"],
      ] as const) {
        refused(jwt.verifyAndDecode("acme", forge(CLAIMS, { alg }, SECRET, hash)), "invalid_signature");
      }
    });

    it("RS256, whether the secret is the public key or signs as HS256", () => {
      const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
      const { tenants, jwt } = setUp();
      tenants.register("acme", pem);
      const signed = `${base64url({ alg: "RS256" })}.${base64url(CLAIMS)}`;
      const signature = createSign("RSA-SHA256").update(signed).sign(privateKey).toString("base64url");
      refused(jwt.verifyAndDecode("acme", `${signed}.${signature}`), "invalid_signature");
      refused(jwt.verifyAndDecode("acme", forge(CLAIMS, { alg: "RS256" }, pem)), "invalid_signature");
      // Registered as a secret it is one: text like any other.
      accepted(jwt.verifyAndDecode("acme", forge(CLAIMS, { alg: "HS256" }, pem)));
    });

    it("keys in the header are never used", () => {
      const { jwt } = setUp();
      const jwk = { kty: "oct", k: base64url(OTHER) };
      for (const header of [{ jwk }, { jku: "https://evil.example/keys" }, { x5u: "https://evil.example" }]) {
        refused(
          jwt.verifyAndDecode("acme", forge(CLAIMS, { alg: "HS256", ...header }, OTHER)),
          "invalid_signature",
        );
      }
    });
  });

  describe("token_expired", () => {
    it("from exp on, by the injected clock; the message says when and how long ago", () => {
      const { clock, jwt } = setUp();
      const token = jwt.generateReadOnlyToken("acme", "d", "u", { expiresIn: 60 });
      clock.advance(59_999);
      accepted(jwt.verifyAndDecode("acme", token));
      clock.advance(1);
      refused(jwt.verifyAndDecode("acme", token), "token_expired");
      clock.advance(35_000);
      const message = refused(jwt.verifyAndDecode("acme", token), "token_expired");
      expect(message)
        .to.include("1970-01-12T13:47:40.000Z")
        .and.include("35 s ago")
        .and.include("server's clock");
      for (const [seconds, shown] of [
        [600, "10 min"],
        [3 * 3600, "3 h"],
        [20 * 86_400, "20 days"],
      ] as const) {
        const later = setUp();
        later.clock.advance(seconds * 1000);
        const old = forge({ ...CLAIMS, exp: NOW });
        expect(refused(later.jwt.verifyAndDecode("acme", old), "token_expired")).to.include(`${shown} ago`);
      }
    });

    it("a test token may have expired when it is made", () => {
      const { jwt } = setUp();
      const token = jwt.generateTestToken("acme", "d", "u", { expiresIn: -5 });
      expect(refused(jwt.verifyAndDecode("acme", token), "token_expired")).to.include("5 s ago");
    });

    it("later by clockTolerance", () => {
      const { clock, tenants } = setUp();
      const jwt = new Jwt(tenants, { clock, clockTolerance: 5 });
      accepted(jwt.verifyAndDecode("acme", forge({ ...CLAIMS, exp: NOW - 4, nbf: NOW + 5 })));
      refused(jwt.verifyAndDecode("acme", forge({ ...CLAIMS, exp: NOW - 5 })), "token_expired");
      refused(jwt.verifyAndDecode("acme", forge({ ...CLAIMS, nbf: NOW + 6 })), "token_expired");
    });

    it("before nbf: the token's time has not begun, as the message says", () => {
      const { clock, jwt } = setUp();
      const token = forge({ ...CLAIMS, nbf: NOW + 30 });
      expect(refused(jwt.verifyAndDecode("acme", token), "token_expired"))
        .to.include("isn't valid before 1970-01-12T13:47:10.000Z")
        .and.include("in 30 s");
      clock.advance(30_000);
      accepted(jwt.verifyAndDecode("acme", token));
    });
  });

  describe("missing_claims", () => {
    it("names the claim that isn't there", () => {
      const { jwt } = setUp();
      for (const name of Object.keys(CLAIMS)) {
        const message = refused(
          jwt.verifyAndDecode("acme", forge({ ...CLAIMS, [name]: undefined })),
          "missing_claims",
        );
        expect(message).to.include(`no claim ${name} `);
      }
    });

    it("names the claim that has another type, a size or a time that can't be", () => {
      const { jwt } = setUp();
      const long = "x".repeat(257);
      const ids = ["", 7, null, {}, [], ["a"], long, "a\u0000", "a\ud800"];
      const times = ["1", null, -1, 8.64e12 + 1, [NOW], {}, true];
      const wrong: [string, unknown[]][] = [
        ["tenantId", [...ids, "a:b"]],
        ["documentId", ids],
        ["scopes", ["doc:read", {}, null, [7], [null], [["doc:read"]], [long], [""], Array(65).fill("s")]],
        ["user", ["ada", null, [], {}, { id: 7 }, { id: "" }, { id: ["ada"] }, { ID: "ada" }, [{ id: "a" }]]],
        ["iat", times],
        ["exp", times],
        ["ver", ids],
        ["jti", ids],
        ["nbf", times],
      ];
      for (const [name, values] of wrong) {
        for (const value of values) {
          const message = refused(
            jwt.verifyAndDecode("acme", forge({ ...CLAIMS, [name]: value })),
            "missing_claims",
          );
          expect(message, JSON.stringify(value)).to.include(`claim ${name} that isn't`);
          expect(message).to.not.include(long);
        }
      }
    });

    it("exp can't be more than a number holds", () => {
      const { jwt } = setUp();
      const json = JSON.stringify(CLAIMS).replace(`"exp":${NOW + 60}`, '"exp":1e999');
      expect(refused(jwt.verifyAndDecode("acme", forge(json)), "missing_claims")).to.include("claim exp");
    });
  });

  describe("of another tenant or document", () => {
    it("wrong_tenant: the secret of this tenant, but claims of another", () => {
      const { jwt } = setUp();
      const message = refused(
        jwt.verifyAndDecode("acme", forge({ ...CLAIMS, tenantId: "other" })),
        "wrong_tenant",
      );
      expect(message).to.include('"other"').and.include('"acme"');
    });

    it("wrong_tenant: a good token of another tenant", () => {
      const { jwt } = setUp();
      refused(
        jwt.verifyAndDecode("acme", jwt.generateFullAccessToken("other", "doc-1", "ada")),
        "wrong_tenant",
      );
    });

    it("wrong_document, if a document is asked for", () => {
      const { jwt } = setUp();
      const token = jwt.generateFullAccessToken("acme", "doc-1", "ada");
      const message = refused(jwt.verifyAndDecode("acme", token, "doc-2"), "wrong_document");
      expect(message).to.include('"doc-1"').and.include('"doc-2"');
      refused(jwt.verifyAndDecode("acme", token, "Doc-1"), "wrong_document");
      refused(jwt.verifyAndDecode("acme", token, ""), "wrong_document");
      accepted(jwt.verifyAndDecode("acme", token));
    });

    it("unknown_tenant, also for what only looks like one", () => {
      const { jwt } = setUp();
      for (const tenant of [
        "nobody",
        "",
        "__proto__",
        "constructor",
        "acme:",
        "Acme",
        null,
        undefined,
        7,
        {},
      ]) {
        refused(jwt.verifyAndDecode(tenant as string, forge(CLAIMS)), "unknown_tenant");
      }
    });

    it("__proto__ is a tenant like any other, once it is registered", () => {
      const { jwt, tenants } = setUp();
      tenants.register("__proto__", OTHER);
      const token = jwt.generateFullAccessToken("__proto__", "__proto__", "__proto__");
      expect(accepted(jwt.verifyAndDecode("__proto__", token, "__proto__"))).to.deep.include({
        tenantId: "__proto__",
        documentId: "__proto__",
        user: { id: "__proto__" },
      });
      refused(jwt.verifyAndDecode("acme", token), "wrong_tenant");
    });
  });

  describe("malformed_token", () => {
    it("isn't a string", () => {
      const { jwt } = setUp();
      for (const token of [undefined, null, 7, true, {}, [forge(CLAIMS)], Buffer.from(forge(CLAIMS))]) {
        refused(jwt.verifyAndDecode("acme", token), "malformed_token");
      }
    });

    it("isn't three parts of base64url", () => {
      const { jwt } = setUp();
      const good = forge(CLAIMS);
      const [header = "", claims = "", signature = ""] = good.split(".");
      const wrong = [
        "",
        ".",
        "..",
        "a.b",
        `${header}.${claims}`,
        `${good}.`,
        `.${good}`,
        `${good}.${signature}`,
      ];
      wrong.push(`${header}..${signature}`, `.${claims}.${signature}`, ` ${good}`, `${good}\n`, `${good}=`);
      wrong.push(`Bearer ${good}`, `${header}+.${claims}.${signature}`, `${header}.${claims}.${signature}é`);
      for (const token of wrong) refused(jwt.verifyAndDecode("acme", token), "malformed_token");
    });

    it("has a header or claims that are no JSON object", () => {
      const { jwt } = setUp();
      for (const part of [
        "null",
        "7",
        '"text"',
        "[]",
        "{",
        "{}{}",
        "\ufeff{}",
        "not json",
        '{"alg":HS256}',
      ]) {
        refused(jwt.verifyAndDecode("acme", forge(part)), "malformed_token");
        refused(jwt.verifyAndDecode("acme", forge(CLAIMS, part)), "malformed_token");
      }
      const bytes = Buffer.from(`{"alg":"HS256","x":"\xff"}`, "latin1").toString("base64url");
      refused(jwt.verifyAndDecode("acme", forge(CLAIMS).replace(/^[^.]+/, bytes)), "malformed_token");
    });

    it("has a header with crit, though its signature is right", () => {
      const { jwt } = setUp();
      for (const crit of [["b64"], ["exp"], [], null]) {
        const header = { alg: "HS256", crit, b64: false };
        expect(refused(jwt.verifyAndDecode("acme", forge(CLAIMS, header)), "malformed_token")).to.include(
          "crit",
        );
      }
    });

    it("is longer than 8,192 characters, before a source is asked", () => {
      const tenants = new TenantSecrets({
        source: (): never => {
          throw new Error("it was asked");
        },
      });
      const token = forge({ ...CLAIMS, note: "x".repeat(8192) });
      const message = refused(
        new Jwt(tenants).verifyAndDecode("acme", token) as Verification,
        "malformed_token",
      );
      expect(message).to.include("8192");
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

  it("tells neither token nor secret, whatever it is given", function () {
    this.timeout(30_000);
    const { jwt } = setUp();
    const json = fc.oneof(
      fc.constant(JSON.stringify(CLAIMS)),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      fc
        .record({ exp: fc.double(), tenantId: fc.string() }, { requiredKeys: [] })
        .map((part) => JSON.stringify({ ...CLAIMS, ...part })),
      fc.string({ minLength: 3 }),
    );
    const header = fc.oneof(fc.constant('{"alg":"HS256"}'), fc.json(), fc.string());
    fc.assert(
      fc.property(header, json, fc.constantFrom(SECRET, OTHER), fc.nat(3), (head, claims, secret, cut) => {
        const whole = forge(claims, head, secret);
        const token = cut === 0 ? whole : whole.slice(cut);
        const result = jwt.verifyAndDecode("acme", token, "doc-2");
        if (result.ok) throw new Error("accepted for another document");
        for (const hidden of [SECRET, OTHER, ...token.split(".")]) {
          if (hidden.length > 8 && result.message.includes(hidden)) throw new Error(result.message);
        }
        if (result.message.length > 400) throw new Error(`${result.message.length} characters`);
      }),
      { numRuns: 1000 },
    );
  });
});
