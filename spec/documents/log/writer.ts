// Appends to documents of a log, and says on its standard output what is committed: writer.ts <path> <documents> <appends>
import { writeSync } from "node:fs";
import { LmdbOpLog } from "../../../lib/documents/log/lmdb.ts";
import { OpLogError, type Position } from "../../../lib/documents/log/op-log.ts";
import { encodeRecord } from "../../../lib/documents/record.ts";

/** At once, so that nothing that was said is lost with the process, and in the order of other system calls. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const [path = "", documents = "1", appends = "Infinity"] = process.argv.slice(2);
const log = new LmdbOpLog({ path });

async function write(document: string): Promise<void> {
  const name = { tenant: "acme", document };
  let after: Position = (await log.state(name)).head;
  for (let i = 0; i < Number(appends); ) {
    const header = { first: after.sn + 1, node: "node", boot: String(process.pid), rsns: [] };
    const ops = new Array<string>((i % 3) + 1).fill(
      JSON.stringify({ contents: "x".repeat((i * 37) % 2_000) }),
    );
    const record = encodeRecord(after.id, header, ops);
    try {
      const { outcome } = await log.append(name, after, record);
      if (outcome !== "committed") throw new Error(`${document} ${record.first}: ${outcome}`);
      say(`committed ${document} ${record.last} ${record.id}`);
      after = { sn: record.last, id: record.id };
      i++;
    } catch (error) {
      // The outcome is unknown: the same record again.
      if (!(error instanceof OpLogError)) throw error;
      say(`rejected ${document} ${record.last} ${error.code}`);
    }
  }
}

try {
  await log.ready();
  say("ready");
  await Promise.all(Array.from({ length: Number(documents) }, (_, i) => write(`document ${i}`)));
  // One that wrote nothing leaves the log open: its process ends all the same.
  if (documents !== "0") {
    await log.close();
    say("closed");
  }
} catch (error) {
  say(`failed ${error instanceof OpLogError ? error.code : String(error)}`);
  process.exitCode = 1;
}
