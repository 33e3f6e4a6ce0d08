import type { Encoded } from "./serializer.ts";

/** A frame for many clients. */
export class SharedFrame {
  readonly data: Encoded;
  /** Its form on the wire, which a transport makes at the first send and then shares among its clients. */
  wire: Buffer | null = null;

  constructor(data: Encoded) {
    this.data = data;
  }
}
