import { createHmac } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { TenantSecrets } from "../../lib/documents/tenant-secrets.ts";
import { ConfigError } from "../../lib/errors.ts";

const FIRST = "first-secret-of-at-least-32-bytes";
const SECOND = "second-secret-of-at-least-32-bytes";
const THIRD = "third-secret-of-at-least-32-bytes";

/** What a call throws, which must be a ConfigError with that code. */
function refusal(call: () => unknown, code = "invalid_argument"): string {
  try {
    call();
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    expect((error as ConfigError).code).to.equal(code);
    return (error as ConfigError).message;
  }
  throw new Error("it was taken");
}

describe("TenantSecrets", () => {
  describe("register", () => {
    it("takes strings and bytes, and counts bytes of UTF-8", () => {
      const tenants = new TenantSecrets();
      tenants.register("a", "é".repeat(16));
      tenants.register("b", new Uint8Array(32));
      expect(tenants.mac("a", [])).to.be.a("string");
      expect(tenants.mac("b", [])).to.be.a("string");
    });

    it("copies bytes: what becomes of them later makes no difference", () => {
      const bytes = new Uint8Array(32).fill(7);
      const tenants = new TenantSecrets();
      tenants.register("a", bytes);
      const mac = tenants.mac("a", ["x"]);
      bytes.fill(0);
      expect(tenants.mac("a", ["x"])).to.equal(mac);
    });

    it("refuses a secret that is too short, naming the minimum and never the secret", () => {
      const short = "a-short-one-of-31-bytes-exactly";
      const message = refusal(() => new TenantSecrets().register("acme", short));
      expect(message).to.include("at least 32 bytes").and.include("31 bytes").and.include('"acme"');
      expect(message).to.not.include(short);
    });

    it("refuses what is no secret: a variable that isn't set, a number, text that isn't well-formed", () => {
      const tenants = new TenantSecrets();
      expect(refusal(() => tenants.register("acme", undefined))).to.include("type undefined");
      for (const value of [null, 12345678, {}, ["x".repeat(40)], new Uint16Array(32), "\ud800".repeat(40)]) {
        const message = refusal(() => tenants.register("acme", value as string));
        expect(message).to.include("at least 32 bytes").and.not.include("12345678");
      }
      expect(tenants.mac("acme", [])).to.equal(null);
    });

    it("refuses what can't be a tenant's name", () => {
      for (const name of ["", "a:b", "a\n", "\ud800", "x".repeat(257), 7, null, undefined]) {
        expect(refusal(() => new TenantSecrets().register(name as string, FIRST))).to.include("tenant");
      }
    });

    it("again replaces the secret at once", () => {
      const tenants = new TenantSecrets();
      tenants.register("acme", FIRST);
      const mac = tenants.mac("acme", ["x"]);
      tenants.register("acme", SECOND);
      expect(tenants.verifyMac("acme", ["x"], mac)).to.equal(false);
    });

    it("keeps tenants named as what every object has apart", () => {
      const tenants = new TenantSecrets();
      for (const name of ["__proto__", "constructor", "toString"]) {
        expect(tenants.mac(name, [])).to.equal(null);
        tenants.register(name, FIRST);
        expect(tenants.mac(name, [])).to.be.a("string");
        expect(tenants.unregister(name)).to.equal(true);
        expect(tenants.mac(name, [])).to.equal(null);
      }
    });
  });

  it("unregister says whether there was something", () => {
    const tenants = new TenantSecrets();
    tenants.register("acme", FIRST);
    expect(tenants.unregister("acme")).to.equal(true);
    expect(tenants.unregister("acme")).to.equal(false);
    expect(tenants.mac("acme", ["x"])).to.equal(null);
  });

  describe("rotate", () => {
    it("lets both verify and the new one sign; the next one drops the oldest", () => {
      const tenants = new TenantSecrets();
      tenants.register("acme", FIRST);
      const first = tenants.mac("acme", ["x"]);
      tenants.rotate("acme", SECOND);
      const second = tenants.mac("acme", ["x"]);
      expect(second).to.not.equal(first);
      expect(tenants.verifyMac("acme", ["x"], first)).to.equal(true);
      expect(tenants.verifyMac("acme", ["x"], second)).to.equal(true);
      tenants.rotate("acme", THIRD);
      expect(tenants.verifyMac("acme", ["x"], first)).to.equal(false);
      expect(tenants.verifyMac("acme", ["x"], second)).to.equal(true);
    });

    it("to the secret that signs changes nothing: a deployment may run it twice", () => {
      const tenants = new TenantSecrets();
      tenants.register("acme", FIRST);
      const first = tenants.mac("acme", ["x"]);
      tenants.rotate("acme", SECOND);
      tenants.rotate("acme", SECOND);
      expect(tenants.verifyMac("acme", ["x"], first)).to.equal(true);
    });

    it("refuses a tenant that isn't registered, and a bad secret, after which all is as before", () => {
      const tenants = new TenantSecrets();
      expect(refusal(() => tenants.rotate("acme", FIRST)))
        .to.include('"acme"')
        .and.include("register it");
      tenants.register("acme", FIRST);
      const mac = tenants.mac("acme", ["x"]);
      expect(refusal(() => tenants.rotate("acme", "too short"))).to.not.include("too short,");
      expect(tenants.mac("acme", ["x"])).to.equal(mac);
    });
  });

  describe("MACs", () => {
    const tenants = new TenantSecrets();
    tenants.register("acme", FIRST);
    tenants.register("other", SECOND);

    it("verify for the same parts only", () => {
      const mac = tenants.mac("acme", ["doc", "client", "user"]);
      expect(tenants.verifyMac("acme", ["doc", "client", "user"], mac)).to.equal(true);
      expect(tenants.verifyMac("acme", ["doc", "client", "user2"], mac)).to.equal(false);
      expect(tenants.verifyMac("other", ["doc", "client", "user"], mac)).to.equal(false);
      expect(tenants.verifyMac("nobody", ["doc", "client", "user"], mac)).to.equal(false);
    });

    it("are unlike for any two lists of parts", () => {
      const part = fc.string({ unit: "binary", maxLength: 4 }).filter((text) => text.isWellFormed());
      const list = fc.array(part, { maxLength: 4 });
      fc.assert(
        fc.property(list, list, (a, b) => {
          const same = JSON.stringify(a) === JSON.stringify(b);
          expect(tenants.verifyMac("acme", b, tenants.mac("acme", a))).to.equal(same);
        }),
      );
      expect(tenants.mac("acme", ["ab", "c"])).to.not.equal(tenants.mac("acme", ["a", "bc"]));
      expect(tenants.mac("acme", [])).to.not.equal(tenants.mac("acme", [""]));
    });

    it("aren't the bare HMAC of what they are over, which a token's signature is", () => {
      const mac = tenants.mac("acme", ["header.claims"]);
      expect(mac).to.not.equal(createHmac("sha256", FIRST).update("header.claims").digest("base64url"));
    });

    it("refuse what isn't one: other types, a letter more or less, another encoding of the same bytes", () => {
      const mac = tenants.mac("acme", ["x"]) ?? "";
      const last = mac.at(-1) ?? "";
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      // The last of 43 letters carries four bits: its lowest two make no difference to the bytes.
      const twin = mac.slice(0, -1) + alphabet[alphabet.indexOf(last) ^ 1];
      expect(Buffer.from(twin, "base64url")).to.deep.equal(Buffer.from(mac, "base64url"));
      for (const value of [undefined, null, 7, {}, [mac], "", `${mac}=`, mac.slice(0, -1), `${mac} `, twin]) {
        expect(tenants.verifyMac("acme", ["x"], value), String(value)).to.equal(false);
      }
    });

    it("are not made over text that UTF-8 can't carry, since two would be the same", () => {
      expect(refusal(() => tenants.mac("acme", ["\ud800"]))).to.include("well-formed");
      expect(tenants.verifyMac("acme", ["\ud800"], tenants.mac("acme", ["\ufffd"]))).to.equal(false);
    });
  });

  it("shows no secret when it is inspected or written as JSON", () => {
    const tenants = new TenantSecrets({ source: () => SECOND });
    tenants.register("acme", FIRST);
    const shown = inspect(tenants, { depth: 10, showHidden: true }) + JSON.stringify(tenants);
    expect(shown).to.not.include("secret-of");
  });

  it("checks its options", () => {
    expect(refusal(() => new TenantSecrets({ sorce: () => null } as object), "unknown_option")).to.include(
      "source",
    );
    for (const options of [
      { source: "vault" },
      { ttlMs: -1 },
      { staleMs: "1" },
      { maxCached: 0 },
      { clock: {} },
    ]) {
      refusal(() => new TenantSecrets(options as object), "invalid_option");
    }
  });
});
