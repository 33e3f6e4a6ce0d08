// The library's server, with a listener on every telemetry event.
import { subscribe } from "node:diagnostics_channel";
import { builtLibrary } from "../support/library.ts";

const { telemetry } = await builtLibrary(process.argv[2]);
for (const { name } of Object.values(telemetry)) subscribe(name, () => {});
await import("./phoenix.ts");
