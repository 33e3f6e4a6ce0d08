import { createHash } from "node:crypto";
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Those of one document that are kept. Only the latest is asked for; the others are for clients that just did. */
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
    const handle = createHash("sha256").update(bytes).digest("hex");
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

  /** Null if there is no such snapshot. */
  async get(document: string, handle: string): Promise<Buffer | null> {
    if (!(await this.has(document, handle))) return null;
    return readFile(join(this.#of(document), handle));
  }

  /** Removes what is older than the latest few. The one that counts is never among them. */
  async prune(document: string, current: string): Promise<void> {
    const names = (await readdir(this.#of(document))).filter((name) => HANDLE.test(name) && name !== current);
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
