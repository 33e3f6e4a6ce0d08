import type { IncomingMessage } from "node:http";

/** The client's request body is larger than it may be. */
export class BodyTooLargeError extends Error {}

/**
 * Reads a request's body as text. A body parser of a framework may have been there first: what it made is taken
 * then.
 *
 * @throws BodyTooLargeError before more than `limit` bytes are read; an Error if the client goes meanwhile.
 */
export async function readBody(request: IncomingMessage, limit: number): Promise<string> {
  const parsed = (request as { body?: unknown }).body;
  if (request.readableEnded || request.complete) {
    if (parsed !== undefined) return parsedText(parsed, limit);
  }
  if (Number(request.headers["content-length"] ?? 0) > limit) throw new BodyTooLargeError();
  const chunks: Buffer[] = [];
  let size = 0;
  // Not destroyed at the limit, so that the client gets an answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new BodyTooLargeError();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsedText(body: unknown, limit: number): string {
  const text =
    typeof body === "string"
      ? body
      : body instanceof Uint8Array
        ? Buffer.from(body).toString()
        : JSON.stringify(body);
  if (Buffer.byteLength(text) > limit) throw new BodyTooLargeError();
  return text;
}
