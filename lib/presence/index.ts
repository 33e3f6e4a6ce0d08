export type { PresenceOptions } from "./arguments.ts";
export type { Diff, Entries, Meta, PresenceEntry } from "./entries.ts";
export { type MetaUpdate, Presence } from "./presence.ts";
