import { readdir, stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";

/** The library's public face. */
export type Library = typeof import("../../lib/index.ts");

const ROOT = new URL("../../", import.meta.url);

/**
 * The library as it is published: built, and run by node alone.
 *
 * @param path Another build's index.js, to be compared with this one.
 */
export async function builtLibrary(path: string | undefined): Promise<Library> {
  const url = path === undefined ? new URL("dist/index.js", ROOT) : pathToFileURL(path);
  return (await import(url.href)) as Library;
}

/** A warning for who measures a build that isn't the source's, or null. */
export async function staleBuild(): Promise<string | null> {
  const built = await stat(new URL("dist/index.js", ROOT)).catch(() => null);
  if (built === null) return "there is no dist/: run `npm run build` first";
  const files = await readdir(new URL("lib/", ROOT), { recursive: true });
  for (const file of files) {
    const { mtimeMs } = await stat(new URL(`lib/${file}`, ROOT));
    if (mtimeMs > built.mtimeMs) return `dist/ is older than lib/${file}: run \`npm run build\` first`;
  }
  return null;
}
