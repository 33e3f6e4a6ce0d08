import { expect } from "chai";
import { ChannelsError, ConfigError, PayloadError, ReturnError, StateError } from "../../lib/index.ts";

/** The codes of each error class, which apps may branch on. */
const CODES = new Map<string, readonly string[]>([
  [
    ConfigError.name,
    [
      "invalid_option",
      "unknown_option",
      "invalid_channel",
      "invalid_socket",
      "invalid_argument",
      "invalid_handler",
    ],
  ],
  [PayloadError.name, ["invalid_payload", "uncarried_payload"]],
  [StateError.name, ["not_joined", "no_message", "own_topic", "not_connected", "closed", "no_virtual_clock"]],
  [ReturnError.name, ["invalid_return"]],
]);

/** What a call throws. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** What a promise rejects with; calling must not throw. */
export async function rejectedBy(run: () => PromiseLike<unknown>): Promise<unknown> {
  const promise = run();
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was rejected");
}

/** That an error is the library's, has the code, and says all the words: what is wrong, the value, and the fix. */
export function expectRefusal(error: unknown, code: string, words: readonly string[]): void {
  expect(error, String(error)).to.be.instanceOf(ChannelsError);
  const { name, code: got, message } = error as ChannelsError;
  expect({ message, code: got }).to.deep.equal({ message, code });
  expect(CODES.get(name), `the codes of ${name}`).to.include(code);
  for (const word of words) expect(message).to.include(word);
}

/** That a call throws such an error. */
export function expectRefused(run: () => unknown, code: string, words: readonly string[]): void {
  expectRefusal(thrownBy(run), code, words);
}
