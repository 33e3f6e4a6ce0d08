export { type Claims, type DocumentScope, SCOPES, type TokenUser } from "./claims.ts";
export type { Mode } from "./client.ts";
export { DocumentChannel } from "./document-channel.ts";
export { Documents, type DocumentsOptions } from "./documents.ts";
export {
  type ClaimsToSign,
  Jwt,
  type JwtOptions,
  type TestTokenOptions,
  type TokenOptions,
  type TokenRefusal,
  type Verification,
} from "./jwt.ts";
export { MemoryOpLog } from "./log/memory.ts";
export {
  type Appended,
  type Checkpoint,
  type DocumentName,
  type Guarantees,
  LogCorrupt,
  type LogRecord,
  type LogState,
  LogTruncated,
  type OpLog,
  OpLogError,
  type Position,
  START,
} from "./log/op-log.ts";
export { recordId } from "./record.ts";
export { CONNECT_REASONS, type ConnectReason, OP_REASONS, type OpReason } from "./refusal.ts";
export type { Registry } from "./registry.ts";
export { SecretsUnavailable } from "./secret-source.ts";
export type { SequencedOp } from "./sequencer.ts";
export type { Session, SessionClient } from "./session.ts";
export type { Summary } from "./state.ts";
export type { ClientOp } from "./submission.ts";
export { type AnyTenantSecrets, TenantSecrets, type TenantSecretsOptions } from "./tenant-secrets.ts";
export type { Verdict } from "./verdict.ts";
