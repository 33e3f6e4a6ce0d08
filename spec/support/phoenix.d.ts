/** The official client, as far as the specs use it. The package brings no types of its own. */
declare module "phoenix" {
  /** A message as the client's serializers see it. */
  export interface ClientMessage {
    join_ref?: string | null;
    ref: string | null;
    topic: string;
    event: string;
    payload: unknown;
  }

  export interface CloseInfo {
    readonly code: number;
    readonly reason: string;
    readonly wasClean: boolean;
  }

  /** A WebSocket, or something that behaves like one. */
  export interface ClientTransport {
    readonly readyState: number;
    close(code?: number, reason?: string): void;
    send(data: string | ArrayBuffer): void;
  }

  export type TransportClass = new (url: string, protocols?: string[]) => ClientTransport;

  export interface SocketOptions {
    transport?: TransportClass;
    timeout?: number;
    heartbeatIntervalMs?: number;
    longpollerTimeout?: number;
    longPollFallbackMs?: number;
    reconnectAfterMs?: (tries: number) => number;
    rejoinAfterMs?: (tries: number) => number;
    params?: object | (() => object);
    authToken?: string | (() => string);
    vsn?: string;
    binaryType?: string;
    encode?: (message: ClientMessage, callback: (data: string | ArrayBuffer) => void) => void;
    decode?: (data: string | ArrayBuffer, callback: (message: ClientMessage) => void) => void;
    logger?: (kind: string, message: string, data: unknown) => void;
    sessionStorage?: { getItem(key: string): string | null; setItem(key: string, value: string): void };
  }

  export class Socket {
    constructor(endPoint: string, options?: SocketOptions);
    readonly channels: readonly Channel[];
    readonly conn: ClientTransport | null;
    connect(): void;
    disconnect(callback?: () => void, code?: number, reason?: string): void;
    channel(topic: string, params?: object | (() => object)): Channel;
    onOpen(callback: () => void): string;
    onClose(callback: (event: CloseInfo) => void): string;
    onError(callback: (error: unknown) => void): string;
    onMessage(callback: (message: ClientMessage) => void): string;
    off(refs: readonly string[]): void;
    /** What the client does every `heartbeatIntervalMs`; undocumented, so that specs needn't wait for the time. */
    sendHeartbeat(): void;
    ping(callback: (roundTripMs: number) => void): boolean;
    isConnected(): boolean;
    connectionState(): "connecting" | "open" | "closing" | "closed";
    endPointURL(): string;
  }

  export class Channel {
    readonly topic: string;
    /** Of its pushes, and of the joins to come. */
    timeout: number;
    readonly state: "closed" | "errored" | "joined" | "joining" | "leaving";
    join(timeout?: number): Push;
    leave(timeout?: number): Push;
    push(event: string, payload?: object, timeout?: number): Push;
    on(event: string, callback: (payload: unknown, ref: string | null) => void): number;
    off(event: string, ref?: number): void;
    onClose(callback: (payload: unknown) => void): void;
    onError(callback: (reason: unknown) => void): number;
  }

  export class Push {
    receive(status: string, callback: (response: unknown) => void): Push;
  }

  export class LongPoll implements ClientTransport {
    constructor(url: string, protocols?: string[]);
    readonly readyState: number;
    close(code?: number, reason?: string): void;
    send(data: string | ArrayBuffer): void;
  }

  export interface PresenceEntry {
    metas: { phx_ref: string; phx_ref_prev?: string; [key: string]: unknown }[];
    [key: string]: unknown;
  }

  export class Presence {
    constructor(channel: Channel, options?: { events?: { state: string; diff: string } });
    readonly state: Record<string, PresenceEntry>;
    onJoin(callback: (key: string, current: PresenceEntry | undefined, joined: PresenceEntry) => void): void;
    onLeave(callback: (key: string, current: PresenceEntry, left: PresenceEntry) => void): void;
    onSync(callback: () => void): void;
    list<T>(by?: (key: string, entry: PresenceEntry) => T): T[];
    inPendingSyncState(): boolean;
  }
}
