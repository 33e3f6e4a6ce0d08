import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The pages that users read, as paths from the root. */
export const PAGES: readonly string[] = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export function readPage(page: string): string {
  return readFileSync(`${ROOT}${page}`, "utf8");
}

/** A fenced block of code. */
export interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly lang: string;
  /** The name behind `file=`, which marks a complete example; else null. */
  readonly file: string | null;
  readonly code: string;
}

export function snippets(page: string): Snippet[] {
  const found: Snippet[] = [];
  let open: { line: number; info: string; code: string[] } | null = null;
  for (const [i, text] of readPage(page).split("\n").entries()) {
    const fence = /^```(.*)$/.exec(text);
    if (open === null) {
      if (fence !== null) open = { line: i + 1, info: fence[1] ?? "", code: [] };
    } else if (fence === null) {
      open.code.push(text);
    } else {
      const [lang = "", ...words] = open.info.split(" ");
      const file = words.find((word) => word.startsWith("file="))?.slice("file=".length) ?? null;
      found.push({ page, line: open.line, lang, file, code: `${open.code.join("\n")}\n` });
      open = null;
    }
  }
  if (open !== null) throw new Error(`${page}:${open.line}: the fence isn't closed`);
  return found;
}

/** The complete example of that name. */
export function example(page: string, file: string): string {
  const found = snippets(page).filter((snippet) => snippet.file === file);
  if (found.length !== 1) throw new Error(`${page} has ${found.length} examples with file=${file}`);
  return found[0]?.code ?? "";
}

/** The page without its fenced blocks. */
export function prose(page: string): string {
  return readPage(page).replaceAll(/^```[^\n]*\n[\s\S]*?^```$/gm, "");
}

/** The text from a heading to the next of its level or above. */
export function section(page: string, heading: string): string {
  const lines = readPage(page).split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start < 0) throw new Error(`${page} has no heading "${heading}"`);
  const level = /^#+/.exec(lines[start] ?? "")?.[0].length ?? 0;
  const end = lines.findIndex((line, i) => i > start && (/^(#+) /.exec(line)?.[1]?.length ?? 9) <= level);
  return lines.slice(start + 1, end < 0 ? undefined : end).join("\n");
}

/** The rows of the tables in a text whose first column has that title: a record of cells by column for each. */
export function rows(text: string, firstColumn: string): Record<string, string>[] {
  const found: Record<string, string>[] = [];
  let columns: string[] | null = null;
  for (const line of text.split("\n")) {
    if (!line.startsWith("|")) {
      columns = null;
      continue;
    }
    const cells = line
      .slice(1, line.lastIndexOf("|"))
      .split("|")
      .map((cell) => cell.trim());
    if (columns === null) columns = cells;
    else if (columns[0] === firstColumn && !/^[-: ]+$/.test(cells[0] ?? "")) {
      found.push(Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ""])));
    }
  }
  return found;
}

/** The code in a cell: `` `this` ``. */
export function code(cell: string | undefined): string {
  const match = /^`([^`]+)`/.exec(cell ?? "");
  if (match === null) throw new Error(`no code in the cell "${cell}"`);
  return match[1] ?? "";
}

/** The anchor that GitHub gives a heading. */
export function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** A source file without its comments. */
export function source(path: string): string {
  return readFileSync(`${ROOT}${path}`, "utf8")
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/(^|\s)\/\/.*$/gm, "$1");
}

/** All source files of the library, as paths from the root. */
export function sources(): string[] {
  return readdirSync(`${ROOT}lib`, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `lib/${name}`);
}
