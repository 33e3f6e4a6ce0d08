import { byId } from "/shared/dom.js";

const KEPT = "What you write is kept in this browser, and saved when the connection is back.";
const VOLATILE =
  "This browser can't keep what you write: don't close this page before the connection is back.";

/** Says what has become of what was written: to the eye at once, to screen readers when it matters. */
export class StatusView {
  #status = byId("status");
  #announcement = byId("announcement");
  #wasOffline = false;

  /**
   * @param {import("./live-document.js").LiveDocument} live
   * @param {boolean} mayWrite
   */
  show(live, mayWrite) {
    const { session, isSaved } = live;
    const state = session.isConnected
      ? !mayWrite
        ? "reading"
        : isSaved
          ? "saved"
          : "saving"
      : session.state;
    this.#status.hidden = false;
    this.#status.dataset.state = state;
    this.#status.dataset.seen = String(session.seen);
    this.#status.textContent = this.#words(state, isSaved);

    const isOffline = state === "offline";
    byId("banner").hidden = !isOffline;
    const banner = !isOffline
      ? ""
      : !mayWrite
        ? "The connection is lost. This is the text as it was."
        : `The connection is lost. ${live.isVolatile ? VOLATILE : KEPT}`;
    if (byId("banner-text").textContent !== banner) byId("banner-text").textContent = banner;
    if (isOffline && !this.#wasOffline) this.#announcement.textContent = banner;
    if (this.#wasOffline && (state === "saved" || state === "reading")) {
      this.#announcement.textContent = mayWrite
        ? "Connected again. Everything is saved."
        : "Connected again.";
    }
    if (isOffline || state === "saved" || state === "reading") this.#wasOffline = isOffline;
  }

  #words(state, isSaved) {
    switch (state) {
      case "saved":
        return "Saved";
      case "saving":
        return "Saving…";
      case "reading":
        return "Read only";
      case "offline":
        return isSaved ? "Offline" : "Offline, edits kept";
      default:
        return "Connecting…";
    }
  }
}
