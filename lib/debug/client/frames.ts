/** A message of the protocol, whichever frame it came in. */
export interface Message {
  readonly joinRef: unknown;
  readonly ref: unknown;
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
}

/** What came instead of a message. */
export interface Foreign {
  /** Text that is no message, a message in the form of version 1, or bytes. */
  readonly foreign: "text" | "v1" | "bytes";
  /** Its beginning, as text. */
  readonly text: string;
}

/** Kept of what is no message. Far more than is printed, so that no secret is cut where it is shown. */
const MAX_KEPT = 16_384;

export function encodeFrame({ joinRef, ref, topic, event, payload }: Message): string {
  return JSON.stringify([joinRef, ref, topic, event, payload]);
}

/** Reads a frame of version 2 as a server sends it. */
export function decodeFrame(data: Buffer, isBinary: boolean): Message | Foreign {
  if (isBinary) {
    return decodeBinary(data) ?? { foreign: "bytes", text: data.subarray(0, 32).toString("hex") };
  }
  const text = data.toString();
  const foreign = (kind: "text" | "v1"): Foreign => ({
    foreign: kind,
    text: text.slice(0, MAX_KEPT),
  });
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    return foreign("text");
  }
  if (!Array.isArray(frame)) {
    const { topic, event } = (frame ?? {}) as { topic?: unknown; event?: unknown };
    return foreign(typeof topic === "string" && typeof event === "string" ? "v1" : "text");
  }
  const [joinRef, ref, topic, event, payload] = frame as unknown[];
  if (frame.length < 5 || typeof topic !== "string" || typeof event !== "string") return foreign("text");
  return { joinRef, ref, topic, event, payload };
}

/** The three forms of binary frames: push, reply and broadcast. Null if the lengths don't fit. */
function decodeBinary(data: Buffer): Message | null {
  const counts = [3, 4, 2][data[0] ?? 3];
  if (counts === undefined || data.length < 1 + counts) return null;
  const names: string[] = [];
  let at = 1 + counts;
  for (let i = 0; i < counts; i++) {
    const end = at + (data[1 + i] ?? 0);
    if (end > data.length) return null;
    names.push(data.toString("utf8", at, end));
    at = end;
  }
  const bytes = new Uint8Array(data.subarray(at));
  const [first = "", second = "", third = "", fourth = ""] = names;
  if (counts === 3) return { joinRef: first, ref: null, topic: second, event: third, payload: bytes };
  if (counts === 2) return { joinRef: null, ref: null, topic: first, event: second, payload: bytes };
  const payload = { status: fourth, response: bytes };
  return { joinRef: first, ref: second, topic: third, event: "phx_reply", payload };
}
