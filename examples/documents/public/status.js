import { byId } from "/shared/dom.js";

const WORDS = {
  connecting: "Connecting…",
  saved: "Saved",
  saving: "Saving…",
  failed: "Not saved",
  reading: "Read only",
  offline: "Offline",
};
const LOST = "The connection is lost.";
const READING = `${LOST} This is the text as it was.`;
const KEPT = `${LOST} What you write is kept in this browser, and saved when the connection is back.`;
const VOLATILE = `${LOST} This browser can't keep what you write: don't close this page before it is back.`;

/** Says what has become of what was written: to the eye at once, to screen readers when it matters. */
export class StatusView {
  #status = byId("status");
  #banner = byId("banner-text");
  #announcement = byId("announcement");
  #mayWrite;
  #wasOffline = false;

  /** @param {boolean} mayWrite */
  constructor(mayWrite) {
    this.#mayWrite = mayWrite;
  }

  /** @param {import("./live-document.js").LiveDocument} live */
  show(live) {
    const { session, isSaved } = live;
    const state = this.#stateOf(session, isSaved);
    const isOffline = state === "offline";
    this.#status.hidden = state === "refused";
    this.#status.dataset.state = state;
    this.#status.dataset.seen = String(session.seen);
    this.#status.textContent = isOffline && !isSaved ? "Offline, edits kept" : (WORDS[state] ?? "");

    byId("banner").hidden = !isOffline && state !== "failed";
    byId("reconnect").hidden = !isOffline;
    const offline = !this.#mayWrite ? READING : live.isVolatile ? VOLATILE : KEPT;
    const banner = isOffline ? offline : session.problem;
    if (this.#banner.textContent !== banner) this.#banner.textContent = banner;

    if ((isOffline && !this.#wasOffline) || state === "failed") this.#announcement.textContent = banner;
    const isBack = state === "saved" || state === "reading";
    if (isBack && this.#wasOffline) {
      this.#announcement.textContent = `Connected again.${this.#mayWrite ? " Everything is saved." : ""}`;
    }
    if (isOffline || isBack) this.#wasOffline = isOffline;
  }

  #stateOf({ isConnected, state, problem }, isSaved) {
    if (!isConnected) return state;
    if (!this.#mayWrite) return "reading";
    if (isSaved) return "saved";
    return problem === "" ? "saving" : "failed";
  }
}
