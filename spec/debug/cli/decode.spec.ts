import { expect } from "chai";
import { REQUIRED_CLAIMS } from "../../../lib/debug/doctor/token.ts";
import { claimsFault } from "../../../lib/documents/claims.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { claims, SECRET, sign, TOPIC, token } from "../support/documents.ts";
import { run } from "../support/run.ts";

/** 2026-01-01T12:00:00Z */
const NOON = 1_767_268_800;

function noon(): ManualClock {
  const clock = new ManualClock();
  clock.advance(NOON * 1_000);
  return clock;
}

const at = (more: object) => sign(claims({ iat: NOON - 3_600, exp: NOON + 5_400, ...more }));

describe("decode", () => {
  it("says what is in a token, with times for people", async () => {
    const { code, stdout } = await run(["decode", at({ jti: "t-1" })], { clock: noon() });
    expect(code).to.equal(0);
    const lines = stdout.split("\n");
    expect(lines).to.include('  alg         "HS256"');
    expect(lines).to.include('  tenantId    "acme"');
    expect(lines).to.include('  scopes      ["doc:read","doc:write","summary:write"]');
    expect(lines).to.include('  user        {"id":"ada"}');
    expect(lines).to.include(`  iat         ${NOON - 3_600}  2026-01-01T11:00:00Z, 1 hour ago`);
    expect(lines).to.include(`  exp         ${NOON + 5_400}  2026-01-01T13:30:00Z, in 1 hour 30 minutes`);
    expect(lines).to.include('  jti         "t-1"');
    expect(lines).to.include("signature  not checked: that takes --secret, and the algorithm HS256");
    expect(lines).to.include("nothing is wrong with it, as far as can be seen without the secret");
  });

  it("names what a document requires and the token lacks", async () => {
    const given = sign({ sub: "ada", tenantId: "acme", scopes: "doc:read" });
    const { code, stdout } = await run(["decode", given], { clock: noon() });
    expect(code).to.equal(5);
    for (const name of ["documentId", "user", "iat", "exp", "ver"]) {
      expect(stdout).to.match(new RegExp(`^ {2}${name} +missing: `, "m"));
      expect(stdout).to.include(`${name} is missing: `);
    }
    expect(stdout).to.include('scopes must be a list of strings, and is "doc:read"');
    expect(stdout).to.include("token_missing_claims: ");
  });

  it("requires what the document channel requires", () => {
    expect(claimsFault(claims())).to.equal(null);
    for (const { name, check } of REQUIRED_CLAIMS) {
      const { [name]: value, ...without } = claims();
      expect(claimsFault(without), name).to.include(name);
      expect(check(value), name).to.equal(true);
      for (const wrong of [null, "", [], {}, [1], { id: "" }, { id: 7 }, true]) {
        // An empty list of scopes is one.
        if (name === "scopes" && Array.isArray(wrong) && wrong.length === 0) continue;
        expect(claimsFault(claims({ [name]: wrong })), name).to.include(name);
        expect(check(wrong), `${name}: ${JSON.stringify(wrong)}`).to.equal(false);
      }
    }
    // And no other.
    const required = Object.fromEntries(REQUIRED_CLAIMS.map(({ name }) => [name, claims()[name]]));
    expect(claimsFault(required)).to.equal(null);
  });

  it("checks the signature with the secret", async () => {
    const right = await run(["decode", at({}), "--secret", SECRET], { clock: noon() });
    expect(right.code).to.equal(0);
    expect(right.stdout)
      .to.include("signature  valid")
      .and.match(/^nothing is wrong with it$/m);
    const wrong = await run(["decode", at({}), "--secret", "another"], { clock: noon() });
    expect(wrong.code).to.equal(5);
    expect(wrong.stdout).to.include("signature  invalid").and.include("token_wrong_secret: ");
  });

  it("finds the usual mistakes with a secret", async () => {
    const cases: [signedWith: string, given: string, what: string][] = [
      [SECRET, ` ${SECRET} `, "without the blanks or line ends around it"],
      [`${SECRET}\n`, SECRET, "with a line end behind it"],
      [SECRET, Buffer.from(SECRET).toString("base64"), "decoded from base64"],
      [SECRET, Buffer.from(SECRET).toString("hex"), "decoded from hex"],
      [Buffer.from(SECRET).toString("base64"), SECRET, "encoded in base64"],
    ];
    for (const [signedWith, given, what] of cases) {
      const { stdout } = await run(["decode", sign(claims(), signedWith), "--secret", given]);
      expect(stdout).to.include(`it is right for that secret ${what}`);
    }
  });

  it("finds what is wrong with the times", async () => {
    const expired = await run(["decode", at({ exp: NOON - 60 })], { clock: noon() });
    expect(expired.code).to.equal(5);
    expect(expired.stdout).to.include("token_expired: ").and.include("1 minute ago by this machine's clock");
    const early = await run(["decode", at({ nbf: NOON + 60 })], { clock: noon() });
    expect(early.stdout)
      .to.include("token_not_yet_valid: ")
      .and.include("in 1 minute by this machine's clock");
    const milliseconds = await run(["decode", at({ iat: NOON * 1_000, exp: NOON * 1_000 })], {
      clock: noon(),
    });
    expect(milliseconds.stdout).to.include("iat looks like milliseconds; a JWT counts in seconds");
    const absurd = await run(["decode", at({ exp: 1e300 })], { clock: noon() });
    expect(absurd.stdout).to.include("no time at all");
  });

  it("holds a token against a topic", async () => {
    expect((await run(["decode", token(), "-t", TOPIC])).code).to.equal(0);
    const tenant = await run(["decode", token(), "-t", "document:other:doc-1"]);
    expect(tenant.code).to.equal(5);
    expect(tenant.stdout).to.include("token_other_tenant: ");
    const document = await run(["decode", token(), "-t", "document:acme:doc-2"]);
    expect(document.stdout).to.include("token_other_document: ");
    expect(await run(["decode", token(), "-t", "room:a"])).to.include({ code: 64, stdout: "" });
  });

  it("says why something is no token", async () => {
    const { code, stdout } = await run(["decode", "not-a-token"]);
    expect(code).to.equal(5);
    expect(stdout).to.include("token_malformed: ").and.include("it has 1 part between dots, not 3");
    expect((await run(["decode"])).stderr).to.include("PHOENIX_CHANNELS_TOKEN");
  });

  it("prints one JSON object", async () => {
    const { code, stdout } = await run(["decode", at({ exp: NOON - 60 }), "--json"], { clock: noon() });
    expect(code).to.equal(5);
    const printed = JSON.parse(stdout);
    expect(printed.header).to.deep.equal({ alg: "HS256", typ: "JWT" });
    expect(printed.claims).to.deep.equal(claims({ iat: NOON - 3_600, exp: NOON - 60 }));
    expect(printed.times).to.deep.equal({ iat: "2026-01-01T11:00:00Z", exp: "2026-01-01T11:59:00Z" });
    expect(printed).to.include({ signature: "unchecked", exitCode: 5 });
    expect(printed.findings.map(({ fault }: { fault: string }) => fault)).to.deep.equal(["token_expired"]);
  });

  it("shows each claim, also one that a prototype has", async () => {
    const given = sign(JSON.parse('{"__proto__":{"alg":"HS256"},"constructor":"x"}'));
    const { stdout } = await run(["decode", given]);
    expect(stdout).to.include('constructor "x"');
    expect(stdout).to.include("exp is missing");
  });
});
