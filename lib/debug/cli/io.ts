import type { Clock } from "../../clock.ts";

/** Where a command prints. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** What a command has of its surroundings: all of it, so that it runs within another program, too. */
export interface Io {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Aborted when the user wants it to end. */
  readonly signal: AbortSignal;
}

/** The command line is wrong: ends the command with its message, and the exit code of usage errors. */
export class Usage {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** Reads all of the standard input. */
export async function readAll({ stdin }: Io): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin)
    chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}
