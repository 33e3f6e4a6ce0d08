import { describe, ReturnError } from "../errors.ts";
import { Reply } from "../reply.ts";
import { isPromise } from "../schema.ts";
import { Socket } from "../socket.ts";

/** Whether a socket takes new tokens. */
export function refreshes(socket: Socket<object>): boolean {
  return socket.refresh !== Socket.prototype.refresh;
}

/** Hands a client's `access_token {token}` to the socket, and checks what it returns. */
export function refresh(socket: Socket<object>, socketName: string, payload: unknown): unknown {
  const token = (payload as { readonly token?: unknown } | null)?.token;
  if (typeof token !== "string") return new Reply("error", { reason: "malformed_token" });
  const checked = (result: unknown) => {
    if (result instanceof Reply && (result.status === "ok" || result.status === "error")) return result;
    const got = `${socketName}.refresh returned ${describe(result)}`;
    throw new ReturnError("invalid_return", `${got}; expected ok() or error(reason?)`);
  };
  const result: unknown = socket.refresh(token);
  return isPromise(result) ? Promise.resolve(result).then(checked) : checked(result);
}
