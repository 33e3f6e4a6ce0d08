import type { Encoded } from "../protocol/serializer.ts";

/** A frame, and how many bytes it would have had over a WebSocket. */
export interface BodyFrame {
  readonly data: Encoded;
  readonly length: number;
}

const NEWLINE = 0x0a;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The frames of a POST: its body is one, or a batch with one on each line. */
export function* framesOf(body: Buffer, isBatch: boolean): Generator<BodyFrame> {
  if (!isBatch) {
    yield { data: text(body), length: body.length };
    return;
  }
  for (let start = 0; start < body.length; ) {
    const newline = body.indexOf(NEWLINE, start);
    const end = newline < 0 ? body.length : newline;
    const line = text(body.subarray(start, end)).trim();
    // Binary frames are lines too, in base64, of which neither [ nor { is a character.
    if (BASE64.test(line)) {
      const data = Buffer.from(line, "base64");
      yield { data, length: data.length };
    } else if (line !== "") {
      yield { data: line, length: end - start };
    }
    start = end + 1;
  }
}

/** Bytes that aren't UTF-8 become a text that no serializer takes for a message. */
function text(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return "not UTF-8";
  }
}
