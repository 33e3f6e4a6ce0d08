export {
  type Diff,
  type Entries,
  type Meta,
  type MetaUpdate,
  Presence,
  type PresenceEntry,
  type PresenceOptions,
} from "./presence.ts";
