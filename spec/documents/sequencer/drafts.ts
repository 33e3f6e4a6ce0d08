import { NOOP, type OpDraft, opHash, SUMMARIZE } from "../../../lib/documents/op.ts";

export interface DraftOptions {
  readonly csn?: number | null;
  readonly rsn?: number | null;
  readonly type?: string;
  readonly contents?: unknown;
  readonly metadata?: unknown;
  readonly compression?: string | null;
}

/** An op as a client's push brings it. */
export function draft({
  csn = null,
  rsn = null,
  type = "op",
  contents = null,
  metadata,
  compression = null,
}: DraftOptions = {}): OpDraft {
  const json = JSON.stringify(contents);
  const meta = metadata === undefined ? null : JSON.stringify(metadata);
  const hash = type === NOOP ? "" : opHash(type, json, meta);
  return { type, csn, rsn, contents: json, metadata: meta, compression, hash, summary: null };
}

/** A `summarize`, whose handle exists unless it is said not to. */
export function summarize(
  handle: string,
  parent: string | null,
  { resolves = true, ...options }: DraftOptions & { readonly resolves?: boolean } = {},
): OpDraft {
  const contents = { handle, ...(parent === null ? {} : { head: parent }) };
  return { ...draft({ ...options, type: SUMMARIZE, contents }), summary: { handle, parent, resolves } };
}
