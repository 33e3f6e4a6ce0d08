import { byId } from "./dom.js";

const MIN = 20;
const MAX = 75;
const START = 45;

/** The line between the two halves: by mouse, finger or arrow keys. */
export function useSplitter() {
  const splitter = byId("splitter");
  const panes = byId("panes");
  let width = START;
  const set = (percent) => {
    width = Math.min(MAX, Math.max(MIN, percent));
    panes.style.setProperty("--left", `${width}%`);
    splitter.setAttribute("aria-valuenow", String(Math.round(width)));
  };
  splitter.addEventListener("pointerdown", (event) => {
    splitter.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  splitter.addEventListener("pointermove", (event) => {
    if (!splitter.hasPointerCapture(event.pointerId)) return;
    const { left, width: whole } = panes.getBoundingClientRect();
    set(((event.clientX - left) / whole) * 100);
  });
  splitter.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
    if (step === undefined) return;
    set(width + step);
    event.preventDefault();
  });
  set(START);
}
