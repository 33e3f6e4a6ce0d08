import { Session } from "node:inspector";

interface Range {
  readonly count: number;
}

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

/**
 * How often the library has run through one of its blocks of code: functions, branches and rounds of loops. The
 * same work gives nearly the same number, however fast the machine is; of long loops, some rounds get lost when the
 * engine optimizes them.
 */
export async function work(task: () => Promise<unknown>): Promise<number> {
  const session = new Session();
  session.connect();
  const ask = (method: string, params?: object) =>
    new Promise<object>((resolve, reject) => {
      session.post(method, params, (error, result) =>
        error === null ? resolve(result ?? {}) : reject(error),
      );
    });
  try {
    await ask("Profiler.enable");
    await ask("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    await ask("Profiler.takePreciseCoverage");
    await task();
    const { result } = (await ask("Profiler.takePreciseCoverage")) as { result: ScriptCoverage[] };
    await ask("Profiler.stopPreciseCoverage");
    return result
      .filter(({ url }) => url.includes("/lib/"))
      .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
      .reduce((sum, { count }) => sum + count, 0);
  } finally {
    session.disconnect();
  }
}
