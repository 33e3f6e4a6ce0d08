import type { Random } from "./random.ts";

/** Something that goes wrong, at a moment in milliseconds from the beginning. */
export type Fault =
  /** A client's connection is lost after so many more bytes in a direction. */
  | {
      readonly at: number;
      readonly kind: "drop";
      readonly client: string;
      readonly direction: "up" | "down";
      readonly bytes: number;
    }
  /** A client's connection is lost, and only one side learns of it. */
  | { readonly at: number; readonly kind: "half-open"; readonly client: string; readonly told: "up" | "down" }
  /** A client's bytes take longer, for a while. */
  | {
      readonly at: number;
      readonly kind: "delay";
      readonly client: string;
      readonly ms: number;
      readonly for: number;
    }
  /** Nothing gets through to a client, for a while. */
  | { readonly at: number; readonly kind: "partition"; readonly client: string; readonly for: number }
  /** A client's machine sleeps. */
  | { readonly at: number; readonly kind: "sleep"; readonly client: string; readonly for: number }
  /** The server closes a client's connection with a code. */
  | { readonly at: number; readonly kind: "close"; readonly client: string; readonly code: number }
  /** The server is gone, and another takes its place after a while. */
  | { readonly at: number; readonly kind: "restart"; readonly graceful: boolean; readonly for: number };

export type FaultKind = Fault["kind"];

export const FAULT_KINDS: readonly FaultKind[] = [
  "drop",
  "half-open",
  "delay",
  "partition",
  "sleep",
  "close",
  "restart",
];

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Close codes after which the official client comes back. */
const CODES = [1001, 1011, 1012, 1013, 4000];

/** What a plan is made of. */
export interface PlanOptions {
  /** How many faults. */
  readonly count: number;
  /** Milliseconds over which they are spread. */
  readonly over: number;
  readonly kinds: readonly FaultKind[];
  readonly clients: readonly string[];
}

/** Draws a plan of faults, in the order of time. */
export function drawPlan(random: Random, { count, over, kinds, clients }: PlanOptions): Fault[] {
  const faults = Array.from({ length: count }, () =>
    drawFault(random, random.below(over), random.pick(kinds), clients),
  );
  return faults.sort((a, b) => a.at - b.at);
}

function drawFault(random: Random, at: number, kind: FaultKind, clients: readonly string[]): Fault {
  const client = random.pick(clients);
  const direction = random.pick(["up", "down"] as const);
  switch (kind) {
    case "drop":
      // Often inside the handshake or a frame's head, at times far away.
      return { at, kind, client, direction, bytes: random.below(random.pick([16, 300, 3000])) };
    case "half-open":
      return { at, kind, client, told: direction };
    case "delay":
      return { at, kind, client, ms: random.between(100, 5_000), for: random.between(1_000, MINUTE) };
    case "partition":
      return { at, kind, client, for: random.between(1_000, 3 * MINUTE) };
    case "sleep":
      return { at, kind, client, for: random.chance(0.5) ? HOUR : random.between(1_000, 2 * MINUTE) };
    case "close":
      return { at, kind, client, code: random.pick(CODES) };
    case "restart":
      return { at, kind, graceful: random.chance(0.5), for: random.between(0, 10_000) };
  }
}
