import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The newest ones of a document that are kept, besides the one that counts: they may be about to. */
const KEEP = 3;
const HANDLE = /^[0-9a-f]{64}$/;

/**
 * The states of documents that summaries speak of: each in a file, named by the hash of its bytes. That name is the
 * summary's handle.
 */
export class Snapshots {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Stores a snapshot, and resolves to its handle. */
  async put(document: string, bytes: Uint8Array): Promise<string> {
    const handle = hash(bytes);
    await mkdir(this.#of(document), { recursive: true });
    const file = join(this.#of(document), handle);
    await writeFile(`${file}.new`, bytes, { flush: true });
    await rename(`${file}.new`, file);
    return handle;
  }

  async has(document: string, handle: string): Promise<boolean> {
    if (!HANDLE.test(handle)) return false;
    return access(join(this.#of(document), handle)).then(
      () => true,
      () => false,
    );
  }

  /** Null if there is no such snapshot, or it isn't any more what it was. */
  async get(document: string, handle: string): Promise<Buffer | null> {
    if (!(await this.has(document, handle))) return null;
    const bytes = await readFile(join(this.#of(document), handle));
    return hash(bytes) === handle ? bytes : null;
  }

  /** Removes all but the one that counts, if there is one, and the newest few. */
  async prune(document: string, current: string | undefined): Promise<void> {
    const all = await readdir(this.#of(document));
    const names = all.filter((name) => HANDLE.test(name) && name !== current);
    const aged = await Promise.all(
      names.map(async (name) => ({ name, at: (await stat(join(this.#of(document), name))).mtimeMs })),
    );
    aged.sort((a, b) => b.at - a.at);
    for (const { name } of aged.slice(KEEP)) await rm(join(this.#of(document), name));
  }

  #of(document: string): string {
    return join(this.#directory, document);
  }
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
