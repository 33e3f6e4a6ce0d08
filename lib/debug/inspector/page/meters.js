import { byId, el, setText, svg } from "./dom.js";
import { bytes, count, rate } from "./format.js";

/** Seconds that the curves show. */
const SECONDS = 60;
const WIDTH = 56;
const HEIGHT = 24;

const METERS = [
  { name: "sockets", read: ({ stats }) => stats.connections, show: count, curve: false },
  { name: "channels", read: ({ stats }) => stats.channels, show: count, curve: false },
  {
    name: "waiting",
    read: ({ stats }) => stats.queued + stats.queuedOps,
    show: count,
    curve: false,
    alarm: 100,
  },
  { name: "frames in / s", read: ({ rates }) => rates?.framesIn ?? 0, show: rate, curve: true },
  { name: "frames out / s", read: ({ rates }) => rates?.framesOut ?? 0, show: rate, curve: true },
  {
    name: "bytes / s",
    read: ({ rates }) => (rates?.bytesIn ?? 0) + (rates?.bytesOut ?? 0),
    show: bytes,
    curve: true,
  },
  {
    name: "refusals / s",
    read: ({ rates }) => rates?.refusals ?? 0,
    show: rate,
    curve: true,
    alarm: 0,
    tone: "bad",
  },
];

/** The numbers in the bar, with their curves. */
export class Meters {
  #meters;

  constructor() {
    this.#meters = METERS.map((meter) => {
      const value = el("dd", {}, "–");
      const line = svg("polyline", { points: "" });
      const curve = meter.curve
        ? svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, line)
        : null;
      const root = el(
        "div",
        { class: "meter", "data-tone": meter.tone },
        el("dt", {}, meter.name),
        value,
        curve,
      );
      byId("meters").append(root);
      return { ...meter, root, value, line, history: [] };
    });
  }

  show(look) {
    for (const { read, show, alarm, curve, root, value, line, history } of this.#meters) {
      const now = read(look);
      setText(value, show(now));
      if (alarm !== undefined) root.dataset.alarm = String(now > alarm);
      if (!curve) continue;
      history.push(now);
      if (history.length > SECONDS) history.shift();
      line.setAttribute("points", points(history));
    }
  }
}

function points(history) {
  const top = Math.max(1, ...history);
  return history
    .map((value, i) => {
      const x = WIDTH - ((history.length - 1 - i) / (SECONDS - 1)) * WIDTH;
      return `${x.toFixed(1)},${(HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1)}`;
    })
    .join(" ");
}
