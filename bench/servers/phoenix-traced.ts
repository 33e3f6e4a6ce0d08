// The library's server, with a trace that is read all the time: of everything, or of a topic that nobody uses.
import { builtLibrary } from "../support/library.ts";

const [, , of] = process.argv;
// The server takes the first argument for the path of a build.
process.argv.length = 2;
const { Endpoint } = await builtLibrary(undefined);
const { listen } = Endpoint.prototype;
Endpoint.prototype.listen = function (...args) {
  void read(this.trace(of === "everything" ? {} : { topic: "elsewhere:*" }));
  return listen.apply(this, args);
};

async function read(steps: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of steps);
}

await import("./phoenix.ts");
