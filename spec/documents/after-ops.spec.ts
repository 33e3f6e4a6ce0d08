import { expect } from "chai";
import type { DocumentChannel } from "../../lib/documents/index.ts";
import { turn } from "../support/gate.ts";
import { serveDocuments } from "./served.ts";

describe("afterOps", () => {
  for (const kind of ["throws", "rejects"] as const) {
    it(`that ${kind} is logged, and harms nobody`, async () => {
      const told: number[] = [];
      const served = await serveDocuments({
        channel: (base) =>
          class extends (base as unknown as { new (context: never): DocumentChannel }) {
            override afterOps(_ops: unknown, first: number): Promise<void> {
              told.push(first);
              const error = new Error(`the spec ${kind}`);
              if (kind === "throws") throw error;
              return Promise.reject(error);
            }
          } as unknown as typeof base,
      });
      const ada = await served.enter();
      for (const sn of [2, 3]) expect((await ada.submit(sn)).response.sequenceNumber).to.equal(sn);
      await turn();
      expect(told).to.deep.equal([2, 3]);
      expect(served.logged().match(new RegExp(`afterOps crashed.*the spec ${kind}`, "g"))).to.have.length(2);
    });
  }
});
