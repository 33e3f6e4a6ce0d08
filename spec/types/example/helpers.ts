import { createServer } from "node:http";
import { z } from "zod";

export const httpServer = createServer();

export const JoinRoom = z.object({ nickname: z.string().optional() });
export type JoinRoom = z.infer<typeof JoinRoom>;

export const NewMsg = z.object({ body: z.string().max(1000) });
export type NewMsg = z.infer<typeof NewMsg>;

export async function mayEnter(userId: string, topic: string): Promise<boolean> {
  return topic.endsWith(userId);
}

export async function save(message: NewMsg): Promise<number> {
  return message.body.length;
}

export function verify(token: unknown): string | undefined {
  return typeof token === "string" ? token : undefined;
}
