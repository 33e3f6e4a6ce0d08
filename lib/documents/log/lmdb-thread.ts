import { Worker, type WorkerOptions } from "node:worker_threads";

/** Starts a log's thread: of the compiled library, or, for who works on the library, of its sources. */
export function startThread(options: WorkerOptions): Worker {
  if (!import.meta.url.endsWith(".ts")) {
    return new Worker(new URL("./lmdb-worker.js", import.meta.url), options);
  }
  // Threads don't inherit what makes their parent run TypeScript, on every version of Node.
  const loader = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const worker = JSON.stringify(new URL("./lmdb-worker.ts", import.meta.url));
  const start = `import(${loader}).then(({ register }) => { register(); return import(${worker}); })`;
  return new Worker(start, { ...options, eval: true, execArgv: [] });
}
