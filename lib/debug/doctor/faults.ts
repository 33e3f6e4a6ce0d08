import type { ExitKind } from "../exit-codes.ts";
import { CHANNEL_FAULTS } from "./faults-channel.ts";
import { CONNECTION_FAULTS } from "./faults-connection.ts";
import { DOCUMENT_FAULTS } from "./faults-document.ts";
import { TOKEN_FAULTS } from "./faults-token.ts";

/** One thing that can be wrong. What was seen in the case at hand stands beside it, in a diagnosis. */
export interface Fault {
  /** Which exit code it has. */
  readonly kind: ExitKind;
  /** What shows. */
  readonly symptom: string;
  /** The likely cause. */
  readonly cause: string;
  readonly fix: string;
}

/** Everything the doctor knows, by its id. `docs/doctor.md` has the same rows. */
export const FAULTS = {
  ...CONNECTION_FAULTS,
  ...CHANNEL_FAULTS,
  ...TOKEN_FAULTS,
  ...DOCUMENT_FAULTS,
  unknown: {
    kind: "unknown",
    symptom: "something failed that the doctor doesn't know",
    cause: "unknown",
    fix: "read the trace of frames, from its end; the server's log may say more",
  },
} as const satisfies Record<string, Fault>;

export type FaultId = keyof typeof FAULTS;
