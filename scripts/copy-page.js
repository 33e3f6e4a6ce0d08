import { copyFile, cp } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

// What tsc leaves where it is: the inspector's page, and beside it the official client with its licence.
const page = "dist/debug/inspector/page";
await cp("lib/debug/inspector/page", page, { recursive: true });
const client = createRequire(import.meta.url).resolve("phoenix");
await copyFile(join(dirname(client), "phoenix.mjs"), join(page, "phoenix.mjs"));
await copyFile(join(dirname(client), "../../LICENSE.md"), join(page, "phoenix.LICENSE.md"));
