import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chat } from "./chat/chat.ts";
import { documents } from "./documents/documents.ts";
import { startHost } from "./host.ts";

// PORT and HOST say where, DATA_DIR where the documents and the chat's history are kept.
const { PORT = "4000", HOST, DATA_DIR = fileURLToPath(new URL("../data", import.meta.url)) } = process.env;

const logger = {
  debug() {},
  info() {},
  warn: (details: object, message: string) => console.warn(message, details),
  error: (details: object, message: string) => console.error(message, details),
};

const host = await startHost({ port: Number(PORT), host: HOST, logger }, [
  documents({ dataDir: join(DATA_DIR, "documents"), logger }),
  chat({ dataDir: join(DATA_DIR, "chat") }),
]).catch((error: unknown) => {
  console.error(`The examples can't start: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
});
console.log(`The documents are at ${host.url}`);
console.log(`The chat is at ${host.url}chat/`);
console.log(`The inspector is at ${host.url}inspector/`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  // A second signal finds no listener, and ends the process at once.
  process.once(signal, () => void host.close());
}
