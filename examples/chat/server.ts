import { startChat } from "./chat.ts";

// PORT and HOST say where, DATA_DIR where the history is kept.
const { PORT = "4000", HOST, DATA_DIR } = process.env;

const chat = await startChat({
  port: Number(PORT),
  host: HOST,
  dataDir: DATA_DIR,
  logger: {
    debug() {},
    info() {},
    warn: (details, message) => console.warn(message, details),
    error: (details, message) => console.error(message, details),
  },
}).catch((error: unknown) => {
  console.error(`The chat can't start: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
});
console.log(`The chat is at ${chat.url}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  // A second signal finds no listener, and ends the process at once.
  process.once(signal, () => void chat.close());
}
