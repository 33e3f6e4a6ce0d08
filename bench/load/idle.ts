// A process that opens connections, joins each to one channel, and then does nothing with them.
import { answerParent } from "../support/child.ts";
import { LoadConnection } from "./connection.ts";
import { type DialectName, dialect } from "./dialects.ts";

const OPENED_AT_ONCE = 50;
const open: LoadConnection[] = [];

answerParent({
  /** Milliseconds that it took. */
  async open({ name, port, count }: { name: DialectName; port: number; count: number }): Promise<number> {
    const hello = dialect(name, 0);
    const started = performance.now();
    for (let i = 0; i < count; i += OPENED_AT_ONCE) {
      const some = Array.from(
        { length: Math.min(OPENED_AT_ONCE, count - i) },
        () => new LoadConnection(port),
      );
      await Promise.all(some.map((connection) => connection.open(hello)));
      open.push(...some);
    }
    return performance.now() - started;
  },
  /** Resolves when the server has closed them all. */
  async closed(): Promise<void> {
    await Promise.all(open.map(({ failed }) => failed.catch(() => {})));
  },
});
