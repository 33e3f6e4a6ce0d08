import { expect } from "chai";
import { MemoryOpLog } from "../../lib/documents/index.ts";
import { Random } from "../../lib/testing/simulation/random.ts";
import { Journal } from "../support/gate.ts";
import { Author, expectKept } from "./author.ts";
import { CuttingProxy, type Direction } from "./cutting-proxy.ts";
import type { PeerVsn } from "./document-peer.ts";
import { opsIn } from "./log-contents.ts";
import { type ServedDocuments, serveDocuments } from "./served.ts";

/** Every so many bytes; 1 is every byte. */
const STRIDE = Number(process.env.CUT_STRIDE ?? 131);
const OPS = 6;

describe("a client whose connection dies between a push and its answer", function () {
  this.timeout(20_000 + 600_000 / STRIDE);

  async function exchange(
    served: ServedDocuments,
    proxy: CuttingProxy,
    document: string,
    vsn: PeerVsn,
  ): Promise<Author> {
    const author = new Author({
      name: "author",
      topic: `document:acme:${document}`,
      token: served.token({ document }),
      random: new Random(1),
      acknowledgements: new Journal<unknown>(),
      vsn,
    });
    await author.run(`ws://127.0.0.1:${proxy.port}/socket/websocket`, OPS);
    return author;
  }

  for (const vsn of ["2.0.0", "3.0.0"] as const) {
    for (const direction of ["to the server", "to the client"] satisfies Direction[]) {
      for (const halfOpen of [false, true]) {
        const noticed = halfOpen ? "and the server doesn't notice" : "and the server notices";
        it(`loses and doubles nothing: bytes ${direction}, ${noticed} (vsn ${vsn})`, async () => {
          const log = new MemoryOpLog();
          const served = await serveDocuments({ documents: { log } });
          const proxy = await CuttingProxy.to(served.port);
          await exchange(served, proxy, "whole", vsn);
          const total = proxy.carried[direction];
          let resumed = 0;
          for (let bytes = 1; bytes <= total; bytes += STRIDE) {
            const document = `cut-at-${bytes}`;
            proxy.cut = { direction, bytes, halfOpen };
            const author = await exchange(served, proxy, document, vsn);
            if (author.clientIds.length > 0) resumed++;
            await author.run(served.url, OPS);
            const ops = await opsIn(log, 0, { tenant: "acme", document });
            expectKept(ops, [author]);
            const written = ops.filter(({ type }) => type === "op").map(({ contents }) => contents);
            expect(written, `cut at ${bytes} of ${total}`).to.deep.equal(author.contents);
            expect(written).to.have.length.of.at.least(OPS);
            expect([...author.acknowledged.values()].length).to.be.at.most(written.length);
          }
          expect(resumed, "cuts behind connect_document").to.be.above(0);
        });
      }
    }
  }
});
