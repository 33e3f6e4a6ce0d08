import { createSign, generateKeyPairSync } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { Jwt, type Verification } from "../../lib/documents/jwt.ts";
import { TenantSecrets } from "../../lib/documents/tenant-secrets.ts";
import { accepted, base64url, CLAIMS, forge, NOW, OTHER, refused, SECRET, setUp } from "./tokens.ts";

describe("Jwt refuses a token", () => {
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
