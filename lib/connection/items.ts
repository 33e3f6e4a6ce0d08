import type { TerminateReason } from "../channel.ts";
import type { Envelope } from "../pubsub/broadcast.ts";

/** A message of `sendSelf`. */
export interface Info {
  readonly kind: "info";
  readonly message: unknown;
  cancelled: boolean;
}

/** A message in a channel's mailbox that isn't a frame. */
export type Item =
  | Info
  | { readonly kind: "out" | "broadcast"; readonly envelope: Envelope }
  | { readonly kind: "end"; readonly reason: TerminateReason }
  | { readonly kind: "final" };
