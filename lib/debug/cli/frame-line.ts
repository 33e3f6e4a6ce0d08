import type { TracedFrame } from "../client/trace.ts";
import type { Redactor } from "../redact.ts";
import type { Part } from "./printer.ts";

const MAX_PAYLOAD = 500;

const ARROWS = { in: "←", out: "→" } as const;

/** A frame as a line: when, which way, refs, topic, event and payload. */
export function frameLine(
  { at, connection, direction, frame }: TracedFrame,
  redactor: Redactor,
  options: { readonly full: boolean; readonly named: boolean },
): Part[] {
  const arrow = ARROWS[direction];
  const parts: Part[] = [
    ["dim", `${(at / 1_000).toFixed(3).padStart(8)} `],
    [direction === "in" ? "green" : "blue", `${arrow} `],
  ];
  if (options.named) parts.push(["dim", `${connection.padEnd(7)}`]);
  if ("foreign" in frame)
    return [...parts, ["red", `no message of the protocol: ${redactor.brief(frame.text)}`]];
  const { joinRef, ref, topic, event } = frame;
  parts.push(["cyan", topic], " ");
  let { payload } = frame;
  if (event === "phx_reply") {
    const { status, response } = (payload ?? {}) as { status?: unknown; response?: unknown };
    parts.push([status === "error" ? "red" : "green", `reply ${String(status)}`]);
    payload = response;
  } else {
    parts.push([event === "phx_error" ? "red" : event.startsWith("phx_") ? "magenta" : "bold", event]);
  }
  parts.push(["dim", ` [${refText(joinRef)} ${refText(ref)}] `]);
  const text = payload instanceof Uint8Array ? `<${payload.length} bytes>` : redactor.json(payload);
  parts.push(
    options.full || text.length <= MAX_PAYLOAD
      ? text
      : `${text.slice(0, MAX_PAYLOAD)}… (${text.length} characters)`,
  );
  return parts;
}

function refText(ref: unknown): string {
  return ref === null ? "-" : String(ref);
}

/** A frame as an object, for JSON. */
export function frameJson({ at, connection, direction, frame }: TracedFrame): object {
  return { at: Math.round(at * 1_000) / 1_000, connection, direction, ...frame };
}
