import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { failureOf } from "./app.ts";
import { newDocumentCase, newPair } from "./document.ts";

const LIB = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "lib");

describe("a failed assertion of a document kit", () => {
  it("names the op that comes nearest, and where it differs", async () => {
    const { ada, bob } = await newPair();
    await ada.assertReply(
      ada.submitOp({ contents: { insert: "a" } }, { contents: { insert: "b", at: 1 } }),
      "ok",
    );
    const failed = await failureOf(bob.assertOp({ contents: { insert: "b", at: 2 } }));
    expect(failed.message).to.match(/^assertOp\(\{ contents: \{ insert: 'b', at: 2 \} \}\): no message "op"/);
    expect(failed.message).to.include(".contents.at: expected 2, got 1");
    expect(failed.message).to.match(/→ ada {2}document:acme:doc-1 {2}submitOp/);
    expect(failed.actual).to.deep.include({ contents: { insert: "b", at: 1 } });
    expect(failed.expected).to.deep.include({ contents: { insert: "b", at: 2 } });
    expect((await failureOf(bob.refuteOp({ contents: { insert: "a" } }))).message).to.include("insert: 'a'");
  });

  it("says that no signal or nack came", async () => {
    const { ada, bob } = await newPair();
    expect((await failureOf(bob.assertSignal({ content: 1 }))).message).to.include('no message "signal"');
    ada.submitSignal(2);
    expect((await failureOf(bob.assertSignal({ content: 1 }))).message).to.include(
      ".content: expected 1, got 2",
    );
    expect((await failureOf(bob.refuteSignal())).message).to.include("signal {");
    expect((await failureOf(ada.assertNack())).message).to.include('no message "nack"');
    ada.submitOp({ contents: 1, clientSequenceNumber: 5 });
    expect((await failureOf(ada.refuteNack())).message).to.include("BadRequestError");
  });

  it("says why a client was refused, or that it was let in", async () => {
    const kit = newDocumentCase();
    const refused = await failureOf(kit.connectDocument({ token: kit.tokens.expired() }));
    expect(refused.message).to.match(/connectDocument\(\): connect_document was refused: .*'token_expired'/);
    expect(refused.message).to.not.include(kit.tokens.expired());
    const admitted = await failureOf(kit.assertDocumentRefused());
    expect(admitted.message).to.include("the client was let in");
    const other = await failureOf(
      kit.assertDocumentRefused({ token: kit.tokens.malformed() }, { reason: "token_expired" }),
    );
    expect(other.message).to.include(".reason: expected 'token_expired', got 'malformed_token'");
  });
});

describe("a test of channels without documents", () => {
  /** The files that one loads, types aside, and the packages. */
  function loaded(file: string, seen = new Set<string>()): Set<string> {
    if (seen.has(file)) return seen;
    seen.add(file);
    const source = readFileSync(file, "utf8");
    for (const [, type, what = ""] of source.matchAll(/^(?:import|export) (type )?[^;]*?from "([^"]+)";/gm)) {
      if (type !== undefined) continue;
      if (what.startsWith(".")) loaded(join(dirname(file), what), seen);
      else seen.add(what);
    }
    return seen;
  }

  it("loads nothing of them", () => {
    const all = [...loaded(join(LIB, "testing", "index.ts"))];
    expect(all)
      .to.include(join(LIB, "testing", "test-channel.ts"))
      .and.include("node:http");
    // How their topics are named is known to the inspector.
    const documents = all.filter((name) => name.includes(`${join(LIB, "documents")}`));
    expect(documents).to.deep.equal([join(LIB, "documents", "names.ts")]);
    expect(all).to.not.include("jsonwebtoken");
    expect([...loaded(join(LIB, "testing", "documents.ts"))]).to.include("jsonwebtoken");
  });
});
