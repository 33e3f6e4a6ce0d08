/**
 * What the command line tool exits with. A script may rely on these: each kind of fault has its own, and they stay
 * the same across releases.
 */
export const EXIT = {
  /** All steps passed; `decode` found nothing wrong; `send` was answered `ok`. */
  healthy: 0,
  /** A failure that the doctor doesn't know. */
  unknown: 1,
  /** No WebSocket of a Phoenix server at the address. */
  unreachable: 2,
  /** There is one, and it doesn't let the client in. */
  refused: 3,
  /** The channel refuses, crashes or doesn't answer. */
  channel: 4,
  /** The token. */
  token: 5,
  /** The token is right, and doesn't allow this. */
  permission: 6,
  /** The operation is refused. */
  operation: 7,
  /** A message, or the connection, is lost or late. */
  delivery: 8,
  /** The command line is wrong. */
  usage: 64,
  /** A defect of the tool itself. */
  internal: 70,
  /** Ended by SIGINT before the result. */
  interrupted: 130,
} as const;

export type ExitKind = keyof typeof EXIT;
