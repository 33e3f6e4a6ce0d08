import { statfsSync } from "node:fs";
import { constants } from "node:os";
import { shown } from "./chain.ts";
import type { Call, Failure } from "./lmdb-wire.ts";
import { LogTruncated, OpLogError } from "./op-log.ts";

const { ENOSPC, EDQUOT, EIO } = constants.errno;
const MDB_MAP_FULL = -30792;

/** What the system, by name or number, and the engine say when there is no more space. */
const FULL: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", ENOSPC, EDQUOT, MDB_MAP_FULL]);

/** What a commit may need besides its records. */
const COMMIT_BYTES = 1024 * 1024;

/** An error on the log's thread as what its caller gets. */
export function toFailure(error: unknown, path: string, call?: Call): Failure {
  if (error instanceof LogTruncated) return { code: error.code, message: error.message, floor: error.floor };
  if (error instanceof OpLogError) return { code: error.code, message: error.message };
  const { message = String(error), code } = error as { message?: string; code?: string | number };
  const cause = { message, code };
  const what = call === undefined ? "opening it" : described(call);
  if (isFull(code, path, call)) {
    return {
      code: "log_full",
      message: `the log in ${path} has no space left on its disk, ${what} failed: free some, writing goes on then`,
      cause,
    };
  }
  return { code: "log_failed", message: `the log in ${path}: ${what} failed: ${message}`, cause };
}

function described(call: Call): string {
  return call.kind === "backup" ? `the backup in ${call.path}` : `${call.kind} of ${shown(call.name)}`;
}

/** A write that got only a part of its bytes onto the disk is a plain I/O error to LMDB. */
function isFull(code: unknown, path: string, call: Call | undefined): boolean {
  if (FULL.has(code)) return true;
  if (code !== EIO) return false;
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize < COMMIT_BYTES + sizeOf(call);
}

function sizeOf(call: Call | undefined): number {
  if (call?.kind === "append") return call.record.bytes.length;
  return call?.kind === "checkpoint" ? call.checkpoint.bytes.length : 0;
}
