import type { IncomingMessage } from "node:http";

/** The client's request body is larger than it may be. */
export class BodyTooLargeError extends Error {}

/** The client hung up in the middle of its body. */
export class BodyCutError extends Error {}

/**
 * Reads a request's body. If a body parser of a framework was there first, what it left in `request.body` counts.
 *
 * @throws BodyTooLargeError as soon as there are more than `limit` bytes, of which no more are kept; BodyCutError;
 *   an Error if the body was read before, and left nowhere.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (request.readableEnded) {
      const body = parsedBody(request);
      if (body.length <= limit) resolve(body);
      else reject(new BodyTooLargeError());
      return;
    }
    if (request.destroyed) throw new BodyCutError();
    // Node throws away what isn't read of a request that is answered.
    if (Number(request.headers["content-length"]) > limit) throw new BodyTooLargeError();
    let chunks: Buffer[] = [];
    let size = 0;
    // Not taken off at the limit: the rest must pass for the client to read its answer.
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) {
        chunks.push(chunk);
      } else {
        chunks = [];
        reject(new BodyTooLargeError());
      }
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("close", () => {
      if (!request.readableEnded) reject(new BodyCutError());
    });
  });
}

/** What a body parser made of the body, which has gone through it. */
function parsedBody(request: IncomingMessage): Buffer {
  const { body } = request as { body?: unknown };
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (typeof body === "string") return Buffer.from(body);
  if (typeof body === "object" && body !== null) return Buffer.from(JSON.stringify(body));
  throw new Error(
    "the request's body was read before it got to handleRequest: leave it unread, or put it in request.body",
  );
}
