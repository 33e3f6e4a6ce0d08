import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";

/** Starts a log's thread: of the compiled library, or, for who works on the library, of its sources. */
export function startThread(options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL("./lmdb-worker.js", import.meta.url), options);
  }
  // Threads don't inherit what makes their parent run TypeScript, on every version of Node.
  const tsx = createRequire(import.meta.url).resolve("tsx/package.json");
  const loader = JSON.stringify(new URL("dist/esm/api/index.mjs", pathToFileURL(tsx)));
  const worker = JSON.stringify(new URL("./lmdb-worker.ts", import.meta.url));
  const start = `import(${loader}).then(({ register }) => { register(); return import(${worker}); })`;
  return new Worker(start, { ...options, eval: true, execArgv: [] });
}
