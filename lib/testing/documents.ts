export { DocumentCase, type DocumentRefusal, documentCase } from "./documents/document-case.ts";
export {
  type AnyDocumentChannel,
  type ConnectedDocument,
  type ReceivedNack,
  type ReceivedSignal,
  type ReconnectOptions,
  type RequestedOps,
  type ResumedClient,
  type SignalTarget,
  TestDocumentClient,
} from "./documents/document-client.ts";
export type {
  ConnectDocumentOptions,
  DocumentCaseOptions,
  DocumentChannelClass,
  JoinDocumentOptions,
} from "./documents/options.ts";
export type { NumberedOp, OpToSubmit } from "./documents/submissions.ts";
export { type LogCall, type LogFailure, TestOpLog } from "./documents/test-op-log.ts";
export { TestTokens, type TestTokenWishes, type WrongAlgorithm } from "./documents/tokens.ts";
