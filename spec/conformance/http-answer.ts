import type { Item } from "./scenario.ts";

export interface HttpAnswer {
  readonly item: Item;
  readonly status: number;
  /** Bytes behind it. */
  readonly rest: Buffer;
}

const EMPTY = Buffer.alloc(0);

/** Reads an HTTP answer from the beginning of what has arrived; null if there isn't all of it yet. */
export function readAnswer(bytes: Buffer, ended: boolean, method: string | undefined): HttpAnswer | null {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1]);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = Object.hasOwn(headers, name) ? `${headers[name]}, ${value}` : value;
  }
  const rest = bytes.subarray(headEnd + 4);
  if (status === 101) return { item: { status, headers }, status, rest };
  const body = readBody(rest, headers, ended, method === "HEAD" || status === 204 || status === 304);
  if (body === null) return null;
  return { item: { status, headers, body: body.bytes.toString() }, status, rest: body.rest };
}

function readBody(
  bytes: Buffer,
  headers: Record<string, string>,
  ended: boolean,
  none: boolean,
): { bytes: Buffer; rest: Buffer } | null {
  if (none) return { bytes: EMPTY, rest: bytes };
  if (headers["transfer-encoding"]?.toLowerCase() === "chunked") return readChunks(bytes);
  const length = headers["content-length"];
  if (length === undefined) return ended ? { bytes, rest: EMPTY } : null;
  if (bytes.length < Number(length)) return null;
  return { bytes: bytes.subarray(0, Number(length)), rest: bytes.subarray(Number(length)) };
}

/** Chunks without trailers, which no server here sends. */
function readChunks(bytes: Buffer): { bytes: Buffer; rest: Buffer } | null {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (bytes.length < end + 2) return null;
    if (size === 0) return { bytes: Buffer.concat(chunks), rest: bytes.subarray(end + 2) };
    chunks.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
