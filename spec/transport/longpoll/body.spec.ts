import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import { BodyCutError, BodyTooLargeError, readBody } from "../../../lib/transport/body.ts";
import { turn } from "../../support/gate.ts";

/** A request whose body a spec writes. */
function makeRequest(headers: Record<string, string> = {}) {
  const stream = new PassThrough();
  const request = Object.assign(stream, { headers }) as unknown as IncomingMessage & { body?: unknown };
  return { stream, request };
}

async function errorOf(body: Promise<Buffer>): Promise<unknown> {
  return body.then(
    () => null,
    (error: unknown) => error,
  );
}

describe("the body of a request", () => {
  it("comes in pieces, which may cut a character", async () => {
    const { stream, request } = makeRequest();
    const body = readBody(request, 100);
    const bytes = Buffer.from("é😀");
    for (const byte of bytes) stream.write(Buffer.from([byte]));
    stream.end();
    expect((await body).toString()).to.equal("é😀");
  });

  it("may be as large as the limit, and no larger", async () => {
    for (const [size, error] of [
      [10, null],
      [11, BodyTooLargeError],
    ] as const) {
      const { stream, request } = makeRequest();
      const body = errorOf(readBody(request, 10));
      stream.write(Buffer.alloc(5));
      stream.end(Buffer.alloc(size - 5));
      if (error === null) expect(await body).to.equal(null);
      else expect(await body).to.be.instanceOf(error);
    }
  });

  it("over the limit is let pass, so that the client gets to its answer", async () => {
    const { stream, request } = makeRequest();
    const body = errorOf(readBody(request, 10));
    let passed = 0;
    request.on("data", (chunk: Buffer) => {
      passed += chunk.length;
    });
    for (let i = 0; i < 100; i++) {
      stream.write(Buffer.alloc(10_000));
      await turn();
    }
    expect(await body).to.be.instanceOf(BodyTooLargeError);
    expect(passed).to.equal(1_000_000);
  });

  it("whose length is over the limit isn't waited for", async () => {
    const { request } = makeRequest({ "content-length": "11" });
    expect(await errorOf(readBody(request, 10))).to.be.instanceOf(BodyTooLargeError);
    expect(request.listenerCount("data")).to.equal(0);
  });

  it("that is cut is an error, also if it was before", async () => {
    const { stream, request } = makeRequest();
    const body = errorOf(readBody(request, 10));
    stream.destroy();
    expect(await body).to.be.instanceOf(BodyCutError);
    expect(await errorOf(readBody(request, 10))).to.be.instanceOf(BodyCutError);
  });

  describe("that a parser has read", () => {
    async function parsed(body: unknown) {
      const { stream, request } = makeRequest();
      stream.resume().end();
      await turn();
      expect(request.readableEnded).to.equal(true);
      request.body = body;
      return request;
    }

    it("is taken as text, bytes or JSON", async () => {
      for (const body of ['["é"]', Buffer.from('["é"]'), new Uint8Array(Buffer.from('["é"]')), ["é"]]) {
        expect((await readBody(await parsed(body), 100)).toString()).to.equal('["é"]');
      }
    });

    it("is held against the limit too", async () => {
      for (const body of ["x".repeat(11), Buffer.alloc(11), ["x".repeat(11)]]) {
        expect(await errorOf(readBody(await parsed(body), 10))).to.be.instanceOf(BodyTooLargeError);
      }
    });

    it("and left nowhere is an error that says what to do", async () => {
      for (const body of [undefined, null]) {
        expect(String(await errorOf(readBody(await parsed(body), 10)))).to.match(/put it in request\.body/);
      }
    });
  });
});
