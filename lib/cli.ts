#!/usr/bin/env node
import { systemClock } from "./clock.ts";
import { main } from "./debug/cli/program.ts";

const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());

// Whoever reads the output has seen enough, as `head` does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  interrupt.abort();
});

process.exitCode = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  clock: systemClock,
  signal: interrupt.signal,
});

// A handshake that is under way would be waited for.
if (interrupt.signal.aborted) process.exit();
