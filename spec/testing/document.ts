import type { DocumentChannel } from "../../lib/documents/index.ts";
import {
  type AnyDocumentChannel,
  type DocumentCase,
  type DocumentCaseOptions,
  documentCase,
} from "../../lib/testing/documents.ts";
import { afterTest } from "../support/teardown.ts";

/** A kit of documents that is closed after the test. */
export function newDocumentCase<C extends AnyDocumentChannel = DocumentChannel>(
  options?: DocumentCaseOptions<C>,
): DocumentCase<C> {
  const kit = documentCase(options);
  afterTest(() => kit.close());
  return kit;
}

/** A kit with two clients that write. */
export async function newPair<C extends AnyDocumentChannel = DocumentChannel>(
  options?: DocumentCaseOptions<C>,
) {
  const kit = newDocumentCase(options);
  const ada = await kit.connectDocument({ user: "ada" });
  const bob = await kit.connectDocument({ user: "bob" });
  return { kit, ada, bob };
}
