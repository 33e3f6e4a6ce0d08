import { createHmac } from "node:crypto";
import { inspect } from "node:util";
import { expect } from "chai";
import fc from "fast-check";
import { type SecretAnswer, SecretsUnavailable } from "../../lib/documents/secret-source.ts";
import { TenantSecrets } from "../../lib/documents/tenant-secrets.ts";
import { ConfigError } from "../../lib/errors.ts";
import { ManualClock } from "../support/manual-clock.ts";

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

/** What a promise rejects with. */
async function rejection(promise: unknown): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was fulfilled");
}

/** A source whose answers a spec holds back, and which counts what it is asked. */
function heldSource() {
  const asked: { tenant: string; answer: (secret: SecretAnswer) => void; fail: (error: Error) => void }[] =
    [];
  const source = (tenant: string) =>
    new Promise<SecretAnswer>((answer, fail) => asked.push({ tenant, answer, fail }));
  return { source, asked };
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

  describe("with a source", () => {
    it("asks it once for a tenant, also while the answer is under way, and then answers at once", async () => {
      const { source, asked } = heldSource();
      const tenants = new TenantSecrets({ source, clock: new ManualClock() });
      const macs = [tenants.mac("acme", ["x"]), tenants.mac("acme", ["x"]), tenants.mac("acme", ["y"])];
      expect(asked.map(({ tenant }) => tenant)).to.deep.equal(["acme"]);
      asked[0]?.answer(FIRST);
      const [first, again, other] = await Promise.all(macs);
      expect(again).to.equal(first);
      expect(other).to.not.equal(first);
      expect(tenants.mac("acme", ["x"])).to.equal(first);
      expect(asked).to.have.length(1);
    });

    it("takes a sync answer, one secret in a list, and a secret with its previous one", async () => {
      const answers = new Map<string, SecretAnswer>([
        ["one", FIRST],
        ["list", [FIRST] as unknown as SecretAnswer],
        ["two", [SECOND, FIRST]],
      ]);
      const tenants = new TenantSecrets({ source: (tenant) => answers.get(tenant) ?? null });
      const mac = (await tenants.mac("one", ["x"])) as string;
      expect(await tenants.mac("list", ["x"])).to.equal(mac);
      expect(await tenants.mac("two", ["x"])).to.not.equal(mac);
      expect(await tenants.verifyMac("two", ["x"], mac)).to.equal(true);
      expect(await tenants.mac("none", ["x"])).to.equal(null);
    });

    it("prefers what is registered, and never asks for what can't be a tenant's name", async () => {
      const { source, asked } = heldSource();
      const tenants = new TenantSecrets({ source });
      tenants.register("acme", FIRST);
      expect(tenants.mac("acme", ["x"])).to.be.a("string");
      expect(tenants.mac("a:b", ["x"])).to.equal(null);
      expect(tenants.verifyMac("acme", ["x"], "wrong")).to.equal(false);
      expect(asked).to.have.length(0);
    });

    it("asks again after ttlMs; a removed tenant is unknown then", async () => {
      const clock = new ManualClock();
      let secret: string | null = FIRST;
      const tenants = new TenantSecrets({ source: () => secret, ttlMs: 1000, clock });
      const mac = await tenants.mac("acme", ["x"]);
      secret = null;
      clock.advance(999);
      expect(tenants.mac("acme", ["x"])).to.equal(mac);
      clock.advance(1);
      expect(await tenants.mac("acme", ["x"])).to.equal(null);
    });

    it("remembers for 5 s that a tenant doesn't exist", async () => {
      const clock = new ManualClock();
      const { source, asked } = heldSource();
      const tenants = new TenantSecrets({ source, clock });
      const first = tenants.mac("nobody", []);
      asked[0]?.answer(null);
      expect(await first).to.equal(null);
      clock.advance(4999);
      expect(tenants.mac("nobody", [])).to.equal(null);
      clock.advance(1);
      const later = tenants.mac("nobody", []);
      expect(asked).to.have.length(2);
      asked[1]?.answer(FIRST);
      expect(await later).to.be.a("string");
    });

    it("keeps maxCached tenants, the latest used; made-up names push none of them out", async () => {
      const asked: string[] = [];
      const source = (tenant: string) => {
        asked.push(tenant);
        return tenant.startsWith("no") ? null : FIRST;
      };
      const tenants = new TenantSecrets({ source, maxCached: 2, clock: new ManualClock() });
      for (const tenant of ["a", "b", "a", "no1", "no2", "no3", "a", "b", "a", "c", "a", "b", "no1"]) {
        await tenants.mac(tenant, []);
      }
      expect(asked).to.deep.equal(["a", "b", "no1", "no2", "no3", "c", "b", "no1"]);
    });

    it("that fails is an error with its cause, never an unknown tenant, and is asked again", async () => {
      const { source, asked } = heldSource();
      const tenants = new TenantSecrets({ source, clock: new ManualClock() });
      const outage = new Error("the vault is sealed");
      const failed = tenants.mac("acme", []);
      asked[0]?.fail(outage);
      const error = await rejection(failed);
      expect(error).to.be.instanceOf(SecretsUnavailable);
      expect(error).to.include({ code: "secrets_unavailable", cause: outage });
      expect(error.message).to.include('"acme"').and.not.include("sealed");
      const again = tenants.mac("acme", []);
      asked[1]?.answer(FIRST);
      expect(await again).to.be.a("string");
    });

    it("that throws at once, or gives something else, is an error too, without a secret in it", async () => {
      const wrong: unknown[] = [
        undefined,
        7,
        {},
        "short secret",
        [],
        [FIRST, SECOND, THIRD],
        [FIRST, null],
        new Map(),
      ];
      for (const answer of wrong) {
        const tenants = new TenantSecrets({ source: () => answer as string });
        const error = await rejection(tenants.mac("acme", []));
        expect(error, String(answer)).to.be.instanceOf(SecretsUnavailable);
        expect(inspect(error)).to.not.include("short secret").and.not.include("secret-of");
      }
      const tenants = new TenantSecrets({
        source: () => {
          throw new Error("no connection");
        },
      });
      expect(await rejection(tenants.mac("acme", []))).to.be.instanceOf(SecretsUnavailable);
    });

    it("that fails later: what is known serves for staleMs more, asked for every 5 s", async () => {
      const clock = new ManualClock();
      let asked = 0;
      let up = true;
      const source = () => {
        asked++;
        if (!up) throw new Error("down");
        return FIRST;
      };
      const tenants = new TenantSecrets({ source, ttlMs: 10_000, staleMs: 20_000, clock });
      const mac = await tenants.mac("acme", ["x"]);
      up = false;
      clock.advance(10_000);
      expect(await tenants.mac("acme", ["x"])).to.equal(mac);
      expect(asked).to.equal(2);
      clock.advance(4999);
      expect(tenants.mac("acme", ["x"])).to.equal(mac);
      expect(asked).to.equal(2);
      clock.advance(1);
      expect(await tenants.mac("acme", ["x"])).to.equal(mac);
      expect(asked).to.equal(3);
      clock.advance(15_000);
      expect(await rejection(tenants.mac("acme", ["x"]))).to.be.instanceOf(SecretsUnavailable);
      up = true;
      expect(await tenants.mac("acme", ["x"])).to.equal(mac);
    });

    it("is asked again when no secret fits, so that a new one is seen at once; then not for 5 s", async () => {
      const clock = new ManualClock();
      const answers: SecretAnswer[] = [FIRST, [SECOND, FIRST]];
      let asked = 0;
      const source = () => {
        asked++;
        return answers[Math.min(asked, answers.length) - 1] ?? null;
      };
      const tenants = new TenantSecrets({ source, clock, ttlMs: 3_600_000 });
      const elsewhere = new TenantSecrets();
      elsewhere.register("acme", SECOND);
      const mac = elsewhere.mac("acme", ["x"]);
      expect(await tenants.verifyMac("acme", ["x"], mac)).to.equal(false);
      expect(asked).to.equal(1);
      clock.advance(5000);
      expect(await tenants.verifyMac("acme", ["x"], mac)).to.equal(true);
      expect(asked).to.equal(2);
      for (let i = 0; i < 10; i++) expect(await tenants.verifyMac("acme", ["x"], "wrong")).to.equal(false);
      expect(asked).to.equal(2);
    });

    it("unregister forgets what it said, also if it says so only then", async () => {
      const { source, asked } = heldSource();
      const tenants = new TenantSecrets({ source });
      const before = tenants.mac("acme", ["x"]);
      tenants.unregister("acme");
      asked[0]?.answer(FIRST);
      await before;
      const after = tenants.mac("acme", ["x"]);
      asked[1]?.answer(SECOND);
      expect(await after)
        .to.be.a("string")
        .and.not.equal(await before);
      expect(tenants.unregister("acme")).to.equal(true);
      void tenants.mac("acme", ["x"]);
      expect(asked).to.have.length(3);
    });

    it("that is too slow for maxCached lookups at once is asked for no more", async () => {
      const { source, asked } = heldSource();
      const tenants = new TenantSecrets({ source, maxCached: 2 });
      const waiting = [tenants.mac("a", []), tenants.mac("b", [])];
      expect(await rejection(tenants.mac("c", []))).to.be.instanceOf(SecretsUnavailable);
      for (const { answer } of asked) answer(FIRST);
      await Promise.all(waiting);
      const next = tenants.mac("c", []);
      expect(asked).to.have.length(3);
      asked[2]?.answer(FIRST);
      expect(await next).to.be.a("string");
    });
  });
});
