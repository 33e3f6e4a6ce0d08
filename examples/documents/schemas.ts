import { z } from "zod";

/** What clients may send; each message is shown to the person as it stands here. */

const name = z.string().trim().min(1, "Please enter a name.").max(40, "A name has at most 40 characters.");

/** Made by the server, so nothing else can name a document, or a file of one. */
export const DocumentId = z.string().regex(/^[a-z0-9]{12}$/);

/** Who wants to do what with which document. */
export const TokenRequest = z.object({
  document: DocumentId,
  name,
  /** The same for all connections of one tab. */
  tab: z.string().min(8).max(64),
  mode: z.enum(["write", "read"]),
});

/** What an op carries. The server looks at what the list of documents shows; the rest is between the clients. */
export const Edit = z.object({
  /** An update of Yjs, in base64. */
  update: z.base64(),
  /** How the document begins after it, if that has changed. */
  about: z.object({ title: z.string().max(200), excerpt: z.string().max(200) }).optional(),
});
export type Edit = z.infer<typeof Edit>;
