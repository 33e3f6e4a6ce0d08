import { closeSync, fsyncSync, mkdirSync, openSync, realpathSync } from "node:fs";
import { dirname } from "node:path";

/** Flushes a file, or what a directory holds, to the disk. */
export function flush(path: string): void {
  // Windows flushes no directories.
  if (process.platform === "win32") return;
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Makes a directory so that it lasts, with those above it that aren't there.
 *
 * @returns Its real path.
 */
export function makeDirectory(path: string): string {
  const made = mkdirSync(path, { recursive: true });
  const directory = realpathSync(path);
  if (made !== undefined) {
    const top = dirname(realpathSync(made));
    for (let at = directory; at !== top; at = dirname(at)) flush(dirname(at));
  }
  return directory;
}
