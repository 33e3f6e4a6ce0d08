import { inspect } from "node:util";
import { expect } from "chai";
import { type SecretAnswer, SecretsUnavailable } from "../../lib/documents/secret-source.ts";
import { TenantSecrets } from "../../lib/documents/tenant-secrets.ts";
import { ManualClock } from "../support/manual-clock.ts";

const FIRST = "first-secret-of-at-least-32-bytes";
const SECOND = "second-secret-of-at-least-32-bytes";
const THIRD = "third-secret-of-at-least-32-bytes";

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

describe("TenantSecrets with a source", () => {
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
