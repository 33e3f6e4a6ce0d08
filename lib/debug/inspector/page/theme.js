import { byId, svg } from "./dom.js";

const KEY = "phoenix-channels-inspector:theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** The page's colours: the system's, unless somebody has chosen. */
export function useTheme() {
  show(read());
  byId("theme-button").addEventListener("click", toggleTheme);
  dark.addEventListener("change", () => show(read()));
}

export function toggleTheme() {
  const next = current(read()) === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Where nothing may be stored, the choice lasts as long as the page.
  }
  show(next);
}

function read() {
  try {
    const stored = localStorage.getItem(KEY);
    return stored === "dark" || stored === "light" ? stored : null;
  } catch {
    return null;
  }
}

function current(chosen) {
  return chosen ?? (dark.matches ? "dark" : "light");
}

function show(chosen) {
  const theme = current(chosen);
  document.documentElement.dataset.theme = theme;
  const button = byId("theme-button");
  button.setAttribute("aria-label", `Switch to ${theme === "dark" ? "light" : "dark"} colours`);
  button.replaceChildren(theme === "dark" ? sun() : moon());
}

const LINE = { fill: "none", stroke: "currentcolor", "stroke-width": 1.6, "stroke-linecap": "round" };

function sun() {
  const rays =
    "M8 1.500v1M8 13.500v1M1.500 8h1M13.500 8h1M3.400 3.400l.7.7M11.900 11.900l.7.7M3.400 12.600l.7-.7M11.900 4.100l.7-.7";
  return svg(
    "svg",
    { viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("circle", { cx: 8, cy: 8, r: 2.8, ...LINE }),
    svg("path", { d: rays, ...LINE }),
  );
}

function moon() {
  const path = svg("path", {
    d: "M13.200 9.700A5.700 5.700 0 1 1 6.300 2.800a4.600 4.600 0 0 0 6.900 6.900z",
    ...LINE,
    "stroke-linejoin": "round",
  });
  return svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}
