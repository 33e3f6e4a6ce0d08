import type { FaultId } from "./faults.ts";

/** A fault, and what in this case points to it. */
export interface Diagnosis {
  readonly fault: FaultId;
  /** Sentences about what was seen, the most telling first. */
  readonly evidence: readonly string[];
}

/** Thrown by a step that failed: ends the examination. */
export class Diagnosed {
  readonly diagnosis: Diagnosis;

  constructor(diagnosis: Diagnosis) {
    this.diagnosis = diagnosis;
  }
}

export function diagnosis(fault: FaultId, ...evidence: string[]): Diagnosis {
  return { fault, evidence };
}

/**
 * Far more than is printed: a secret that is cut here isn't recognized any more, so it must not be near what is shown.
 */
const MAX_SHOWN = 16_384;

/** A value that came from the server, for a sentence. */
export function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
