import { RESERVED } from "../connection/arguments.ts";
import type { DocumentName } from "./log/op-log.ts";

const PREFIX = "document:";
const MAX_ID_BYTES = 256;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Well-formed Unicode of 1 to 256 bytes in UTF-8, without control characters. */
export function isId(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value !== "" &&
    value.length <= MAX_ID_BYTES &&
    Buffer.byteLength(value) <= MAX_ID_BYTES &&
    value.isWellFormed() &&
    !CONTROL.test(value)
  );
}

/** A tenant's id: as any id, and without a colon, which ends it in a topic. */
export function isTenantId(value: unknown): value is string {
  return isId(value) && !value.includes(":");
}

/** The name in a topic `document:{tenant}:{document}`: the tenant up to the first colon; null if it isn't one. */
export function documentName(topic: string): DocumentName | null {
  if (!topic.startsWith(PREFIX)) return null;
  const colon = topic.indexOf(":", PREFIX.length);
  if (colon < 0) return null;
  const tenant = topic.slice(PREFIX.length, colon);
  const document = topic.slice(colon + 1);
  return isTenantId(tenant) && isId(document) ? { tenant, document } : null;
}

/** What a document's broadcasts go to: a key that no client can name. */
export function documentKey({ tenant, document }: DocumentName): string {
  return `${RESERVED}document:${tenant}:${document}`;
}

export function documentTopic({ tenant, document }: DocumentName): string {
  return `${PREFIX}${tenant}:${document}`;
}
