import type { Encoded } from "../protocol/serializer.ts";
import type { SharedFrame } from "../protocol/shared-frame.ts";

/**
 * What a connection needs of its transport: a sink for frames, one for each client. None of the methods throws,
 * and none does anything after the transport has closed.
 */
export interface Transport {
  /** Shown to the app, in logs and telemetry. */
  readonly kind: "websocket" | "longpoll";
  /** False if binary frames can't be sent: they are refused before they get here. */
  readonly carriesBinary: boolean;
  /** Queues a frame for this client alone. False if it would not be delivered any more. */
  send(frame: Encoded): boolean;
  /** Queues a frame whose bytes many clients share. */
  sendShared(frame: SharedFrame): boolean;
  /** Closes behind what is queued. Frames that come in after it are not passed on. */
  close(code: number, reason: string): void;
  /** Stops reading from the client, and starts again. */
  pause(): void;
  resume(): void;
  /** Whether more than so many bytes wait for the client itself, not only for the end of the turn. */
  isBehind(bytes: number): boolean;
  /** Calls back once, in a later turn, when what waits has left; never if the transport ends first. */
  onceDrained(callback: () => void): void;
  /** Bytes queued and not yet taken by the operating system. */
  readonly bufferedBytes: number;
}

/** What a transport tells its connection. */
export interface TransportListener {
  /** A whole frame: a string if it came as text, bytes if it came as binary. */
  onFrame(frame: Encoded): void;
  /** More than `maxBufferedBytes` wait for a client that doesn't read. The transport drops what comes after. */
  onOverflow(): void;
  /** Nothing has come from the client for `idleTimeout`. */
  onIdle(): void;
  /** The client, or the network, ended the connection. Called once, whoever closed. */
  onClose(code: number, reason: string): void;
}

/** What a transport counts. */
export interface Counters {
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
}
