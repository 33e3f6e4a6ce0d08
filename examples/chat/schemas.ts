import { randomUUID } from "node:crypto";
import { z } from "zod";

/** What clients may send; each message is shown to the person as it stands here. */

const name = z.string().trim().min(1, "Please enter a name.").max(40, "A name has at most 40 characters.");

const roomName = z
  .string()
  .trim()
  .toLowerCase()
  .min(1, "Please enter a name for the room.")
  .max(32, "A room's name has at most 32 characters.")
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "A room's name is made of letters a to z, digits and single hyphens.");

/** The query of the connection. */
export const SocketParams = z.object({
  /** One that won't do is no reason to refuse: the page asks for another. */
  name: name.optional().catch(undefined),
  /** The same for all connections of one tab, also after a reload. */
  tab: z
    .string()
    .min(8)
    .max(64)
    .catch(() => randomUUID()),
});
export type SocketParams = z.infer<typeof SocketParams>;

/** Where a client left off: the last message it has, and the history that its id belongs to. */
export const JoinRoom = z.object({
  epoch: z.string().max(64).default(""),
  after: z.int().min(0).default(0),
});
export type JoinRoom = z.infer<typeof JoinRoom>;

export const NewMessage = z.object({
  /** Made by the client, once for each message: what it sends again for want of an answer is kept once. */
  key: z.string().min(8).max(64),
  body: z
    .string()
    .max(2000, "A message has at most 2000 characters.")
    .refine((text) => text.trim() !== "", "A message needs some text."),
});

export const Typing = z.object({ typing: z.boolean() });
export const SetName = z.object({ name });
export type SetName = z.infer<typeof SetName>;
export const CreateRoom = z.object({ name: roomName });
