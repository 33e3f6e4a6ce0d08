import type { Clock } from "../clock.ts";
import type { Inspectable } from "../inspectable.ts";
import type { Logger } from "../logger.ts";
import type { Mount } from "../mount.ts";
import type { PubSub } from "../pubsub/pubsub.ts";
import type { Tracer } from "../tracing.ts";

/** What the parts of the library that stand beside the endpoint need of it. */
export interface EndpointInternals {
  readonly pubsub: PubSub;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes the steps of parts that stand on channels. */
  readonly tracer: Tracer;
  /** Lets `stats()` and the inspector look at a part. */
  show(part: Inspectable): void;
  readonly mounts: readonly Mount[];
  /** Hides what filterParameters name. */
  filter(value: unknown): unknown;
  /** Called when the endpoint closes, before its pubsub adapter does. */
  onClose(callback: () => void): void;
  /** Adds a part that may be at work when no channel is; it says on what, in words. */
  onInFlight(probe: () => string[]): void;
  /** What the app and the parts beside the endpoint are at work on, in words; empty when all is at rest. */
  inFlight(): string[];
}
